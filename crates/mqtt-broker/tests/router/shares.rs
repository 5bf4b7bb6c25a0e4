use mqtt_broker::router::{Entry, Matches, Router, ShareId};

use super::{entry, filter, subscribers, topic};

fn shares(router: &Router, text: &str) -> Vec<ShareId> {
    let mut matches = Matches::default();
    router.matches(&topic(text), None, &mut matches);
    matches.shares().to_vec()
}

fn members(router: &Router, share: ShareId) -> Vec<u32> {
    router.members(share).iter().map(|member| member.subscriber()).collect()
}

/// Section 4.8.2: a share is known by its name and its filter.
#[test]
fn a_group_is_known_by_its_name_and_its_filter() {
    let mut router = Router::new(1);
    router.insert(&filter("$share/red/a/+"), 5, entry(1, 1));
    router.insert(&filter("$share/red/a/+"), 3, entry(2, 2));
    router.insert(&filter("$share/blue/a/+"), 5, Entry::default());
    router.insert(&filter("$share/red/a/#"), 5, Entry::default());
    router.insert(&filter("$share/red/other"), 5, Entry::default());
    router.insert(&filter("a/+"), 5, Entry::default());
    let found = shares(&router, "a/b");
    let mut groups: Vec<_> = found.iter().map(|&share| members(&router, share)).collect();
    groups.sort();
    assert_eq!(groups, [vec![3, 5], vec![5], vec![5]]);
    assert_eq!(router.share_count(), 4);
    assert_eq!(subscribers(&router, "a/b"), [5], "the plain subscription is no member, and no member is a plain one");
    let red = found.into_iter().find(|&share| members(&router, share) == [3, 5]).unwrap();
    assert_eq!(router.members(red)[0].entry(), entry(2, 2));
}

#[test]
fn a_group_ends_with_its_last_member_and_its_number_does_not_come_back() {
    let mut router = Router::new(1);
    router.insert(&filter("$share/red/a"), 3, Entry::default());
    router.insert(&filter("$share/red/a"), 4, Entry::default());
    let [first] = shares(&router, "a")[..] else { panic!("one group") };
    assert!(router.remove(&filter("$share/red/a"), 3));
    assert!(!router.remove(&filter("$share/red/a"), 3));
    assert!(!router.remove(&filter("$share/blue/a"), 4));
    assert_eq!(shares(&router, "a"), [first]);
    assert!(router.remove(&filter("$share/red/a"), 4));
    assert_eq!((shares(&router, "a"), router.members(first).len(), router.node_count()), (vec![], 0, 0));
    router.insert(&filter("$share/red/a"), 4, Entry::default());
    assert_ne!(shares(&router, "a"), [first]);
}

/// MQTT-4.7.2-1 holds for the filter within.
#[test]
fn a_shared_wildcard_does_not_match_system_topics() {
    let mut router = Router::new(1);
    router.insert(&filter("$share/red/#"), 3, Entry::default());
    router.insert(&filter("$share/red/$SYS/#"), 3, Entry::default());
    assert_eq!((shares(&router, "$SYS/a").len(), shares(&router, "a").len()), (1, 1));
    assert_eq!(shares(&router, "$share/red/a"), [], "a topic of that name is no share");
}

#[test]
fn what_hangs_on_a_node_keeps_the_other_from_being_pruned() {
    let mut router = Router::new(1);
    router.insert(&filter("$share/red/a/b"), 3, Entry::default());
    router.insert(&filter("a/b"), 3, Entry::default());
    router.remove(&filter("a/b"), 3);
    assert_eq!(shares(&router, "a/b").len(), 1);
    router.insert(&filter("a/b"), 3, Entry::default());
    router.remove(&filter("$share/red/a/b"), 3);
    assert_eq!((shares(&router, "a/b").len(), subscribers(&router, "a/b")), (0, vec![3]));
}
