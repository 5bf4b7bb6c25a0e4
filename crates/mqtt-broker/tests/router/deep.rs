//! Topics of as many levels as fit: bugs.tsv 30 (a stack overflow by 65,400 slashes). Test threads have 2 MiB of stack, and no
//! drop may recurse either.

use mqtt_broker::router::{Entry, Retained, RetainedLimits, Router, Step};
use mqtt_proto::{Instant, Message};

use super::{filter, subscribers, topic};

#[test]
fn the_deepest_filters_are_subscribed_matched_and_unsubscribed() {
    let deepest = [
        "/".repeat(65_400),
        "a/".repeat(32_767) + "a",
        "+/".repeat(32_767) + "+",
        "+/".repeat(32_767) + "#",
        "a/".repeat(32_766) + "+/#",
        "/".repeat(65_535),
    ];
    let mut router = Router::new(1);
    for (subscriber, text) in (0..).zip(&deepest) {
        router.insert(&filter(text), subscriber, Entry::default());
    }
    assert_eq!(subscribers(&router, &deepest[1]), [1, 2, 3, 4]);
    assert_eq!(subscribers(&router, &"b/".repeat(32_767)), [2, 3]);
    assert_eq!(subscribers(&router, &deepest[0]), [0, 3]);
    assert_eq!(subscribers(&router, &deepest[5]), [3, 5]);
    for (subscriber, text) in (0..).zip(&deepest) {
        assert!(router.remove(&filter(text), subscriber));
    }
    assert_eq!(router.node_count(), 0);
}

/// A node at each level. (Of 32,768 filters of that kind, half a gigabyte, no node would be different.)
#[test]
fn a_long_chain_of_nodes_is_matched_joined_and_dropped() {
    let whole = "a/".repeat(1_000);
    let mut router = Router::new(1);
    let prefixes: Vec<_> = (1..=1_000).map(|levels| filter(&whole[..2 * levels - 1])).collect();
    for prefix in &prefixes {
        router.insert(prefix, 1, Entry::default());
    }
    assert_eq!(router.node_count(), 1_000);
    for prefix in &prefixes[..500] {
        assert!(router.remove(prefix, 1));
    }
    assert_eq!(router.node_count(), 500, "the upper half is one label now");
    assert_eq!(subscribers(&router, &whole[..2 * 750 - 1]), [1]);
    assert_eq!(subscribers(&router, &whole[..2 * 400 - 1]), Vec::<u32>::new());
    drop(router);
}

#[test]
fn the_deepest_topics_are_retained_found_and_removed() {
    let deepest = ["/".repeat(65_400), "a/".repeat(32_767) + "a", "/".repeat(65_535)];
    let mut retained = Retained::new(1, RetainedLimits::default());
    for text in &deepest {
        retained.insert(Instant::ZERO, &Message::new(topic(text), "x").with_retain(true)).unwrap();
    }
    let count = |text: &str| {
        let (mut cursor, mut budget, mut count) = (retained.cursor(&filter(text)), 100, 0);
        while let Step::Found(_) = cursor.step(&retained, &mut budget) {
            count += 1;
        }
        count
    };
    assert_eq!(count("#"), 3);
    assert_eq!(count("/#"), 2);
    assert_eq!(count(&("+/".repeat(32_767) + "+")), 1);
    assert_eq!(count(&("+/".repeat(32_767) + "#")), 3);
    assert_eq!(count(&deepest[0]), 1);
    for text in &deepest {
        assert!(retained.remove(&topic(text)));
    }
    assert_eq!((retained.len(), retained.bytes()), (0, 0));
}
