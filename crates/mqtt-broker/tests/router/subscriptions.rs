use mqtt_broker::router::{Entry, Matches, Router};

use super::{entry, filter, subscribers, targets, topic};

#[test]
fn filters_match_as_the_standard_says() {
    let mut router = Router::new(1);
    let filters =
        ["sport/tennis/player1/#", "sport/#", "#", "+", "+/tennis/#", "sport+", "sport/+", "+/+", "/+", "/finance"];
    for (subscriber, text) in (0..).zip(filters).filter(|(_, text)| *text != "sport+") {
        router.insert(&filter(text), subscriber, Entry::default());
    }
    assert_eq!(subscribers(&router, "sport/tennis/player1"), [0, 1, 2, 4]);
    assert_eq!(subscribers(&router, "sport/tennis/player1/score/wimbledon"), [0, 1, 2, 4]);
    assert_eq!(subscribers(&router, "sport"), [1, 2, 3], "MQTT-4.7.1-1: `sport/#` matches its parent");
    assert_eq!(subscribers(&router, "sport/"), [1, 2, 6, 7], "MQTT-4.7.1-2: a level may be empty");
    assert_eq!(subscribers(&router, "/finance"), [2, 7, 8, 9]);
    assert_eq!(subscribers(&router, "sport/tennis"), [1, 2, 4, 6, 7]);
    assert_eq!(subscribers(&router, "Sport"), [2, 3], "MQTT-4.7.3-4: case counts");
}

/// MQTT-4.7.2-1.
#[test]
fn a_wildcard_in_the_first_level_does_not_match_a_topic_that_begins_with_a_dollar() {
    let mut router = Router::new(1);
    for (subscriber, text) in (0..).zip(["#", "+/monitor/Clients", "$SYS/#", "$SYS/monitor/+", "+", "a/+", "a/$b/#"]) {
        router.insert(&filter(text), subscriber, Entry::default());
    }
    assert_eq!(subscribers(&router, "$SYS/monitor/Clients"), [2, 3]);
    assert_eq!(subscribers(&router, "$SYS"), [2]);
    assert_eq!(subscribers(&router, "$"), Vec::<u32>::new());
    assert_eq!(subscribers(&router, "$other/monitor/Clients"), Vec::<u32>::new());
    assert_eq!(subscribers(&router, "a/$b"), [0, 5, 6], "a dollar sign is special at the beginning alone");
}

/// MQTT-3.3.4-2, MQTT-3.3.4-4, MQTT-3.3.4-5.
#[test]
fn overlapping_filters_of_one_subscriber_give_one_target_with_the_highest_qos_and_all_identifiers() {
    let mut router = Router::new(1);
    router.insert(&filter("a/+"), 7, entry(1, 30));
    router.insert(&filter("a/b"), 7, entry(0, 10));
    router.insert(&filter("#"), 7, entry(2, 20));
    router.insert(&filter("a/#"), 7, entry(0, 20));
    router.insert(&filter("+/b"), 7, entry(0, 0));
    router.insert(&filter("a/b"), 3, entry(0, 0));
    assert_eq!(targets(&router, "a/b"), [(3, 0, vec![]), (7, 2, vec![10, 20, 20, 30])]);
}

#[test]
fn each_subscription_can_be_had_by_itself() {
    let mut router = Router::new(1);
    let keeps = Entry { retain_as_published: true, ..entry(0, 1) };
    router.insert(&filter("a"), 7, keeps);
    router.insert(&filter("#"), 7, entry(1, 0));
    let mut matches = Matches::default();
    router.matches(&topic("a"), None, &mut matches);
    let target = matches.targets().next().unwrap();
    assert!(target.retain_as_published());
    let entries: Vec<Entry> = target.entries().collect();
    assert_eq!(entries.len(), 2);
    assert!(entries.contains(&keeps) && entries.contains(&entry(1, 0)));
}

/// MQTT-3.8.3-3.
#[test]
fn no_local_leaves_out_the_publisher_but_not_its_other_subscriptions() {
    let mut router = Router::new(1);
    router.insert(&filter("a"), 7, Entry { no_local: true, ..entry(2, 1) });
    router.insert(&filter("a"), 8, Entry { no_local: true, ..entry(2, 2) });
    let seen_by = |router: &Router, publisher| {
        let mut matches = Matches::default();
        router.matches(&topic("a"), publisher, &mut matches);
        matches.targets().map(|target| (target.subscriber(), target.qos() as u8)).collect::<Vec<_>>()
    };
    assert_eq!(seen_by(&router, Some(7)), [(8, 2)]);
    assert_eq!(seen_by(&router, None), [(7, 2), (8, 2)]);
    router.insert(&filter("+"), 7, entry(0, 3));
    assert_eq!(seen_by(&router, Some(7)), [(7, 0), (8, 2)]);
}

/// MQTT-3.8.4-3, MQTT-3.10.4-1.
#[test]
fn subscribing_again_replaces_and_unsubscribing_compares_characters() {
    let mut router = Router::new(1);
    assert!(!router.insert(&filter("a/+"), 7, entry(0, 1)));
    assert!(router.insert(&filter("a/+"), 7, entry(2, 9)));
    assert_eq!((router.len(), targets(&router, "a/b")), (1, vec![(7, 2, vec![9])]));
    assert!(!router.remove(&filter("a/b"), 7));
    assert!(!router.remove(&filter("a/#"), 7));
    assert!(!router.remove(&filter("a/+"), 8));
    assert!(!router.remove(&filter("a"), 7), "an inner level is no subscription");
    assert!(router.remove(&filter("a/+"), 7));
    assert!(!router.remove(&filter("a/+"), 7));
    assert!(router.is_empty());
}

#[test]
fn a_node_is_only_where_filters_part_or_end() {
    let mut router = Router::new(1);
    let texts = ["a/b/c/d", "a/b/x", "a/b", "a/b/c/d/#", "a/bb", "/a", "/"];
    let counts = [1, 3, 3, 4, 6, 7, 9];
    for (text, count) in texts.iter().zip(counts) {
        router.insert(&filter(text), 1, Entry::default());
        assert_eq!(router.node_count(), count, "after {text}");
    }
    for (text, count) in texts.iter().zip(counts).rev() {
        assert_eq!(router.node_count(), count, "before {text} goes");
        router.remove(&filter(text), 1);
    }
    assert_eq!(router.node_count(), 0);
}
