//! What the router must not cost: time for subscriptions that have nothing to do with a topic, memory for what is gone, an
//! allocation for a match.

use allocation_counter::measure;
use mqtt_broker::router::{Entry, Matches, Retained, RetainedLimits, Router, Step};
use mqtt_broker::{ClientInfo, Origin};
use mqtt_proto::{Instant, Message, Text, Version};

use super::{entry, filter, topic};

#[test]
fn matching_allocates_nothing_once_its_memory_has_grown() {
    let mut router = Router::new(1);
    for subscriber in 0..1_000 {
        router.insert(&filter("a/+/c"), subscriber, entry(1, subscriber));
        router.insert(&filter(&format!("a/b/{subscriber}/#")), subscriber, entry(1, 0));
        router.insert(&filter("$share/s/a/b/c"), subscriber, entry(1, 0));
    }
    router.insert(&filter("#"), 1, entry(2, 7));
    let (first, second) = (topic("a/b/c"), topic("a/b/77/x"));
    let mut matches = Matches::default();
    router.matches(&first, None, &mut matches);
    let steady = measure(|| {
        for _ in 0..100 {
            router.matches(&second, Some(3), &mut matches);
            assert_eq!(matches.targets().map(|target| target.identifiers().count()).sum::<usize>(), 1);
            router.matches(&first, None, &mut matches);
            assert_eq!(matches.targets().count() + matches.shares().len(), 1_001);
        }
    });
    assert_eq!(steady.count_total, 0);
}

/// bugs.tsv 41: a trie that keeps empty nodes.
#[test]
fn a_router_that_is_empty_again_has_given_its_memory_back() {
    let mut router = Router::new(1);
    let round = |router: &mut Router| {
        for n in 0..3_000_u32 {
            router.insert(&filter(&format!("device/{n}/+/state")), n, entry(1, n));
            router.insert(&filter(&format!("$share/s{}/device/{n}", n % 7)), n, entry(1, n));
        }
        for n in 0..3_000_u32 {
            assert!(router.remove(&filter(&format!("device/{n}/+/state")), n));
            assert!(router.remove(&filter(&format!("$share/s{}/device/{n}", n % 7)), n));
        }
    };
    round(&mut router); // The runtime's own memory moves at first.
    let measured = measure(|| round(&mut router));
    assert_eq!((router.node_count(), router.len()), (0, 0));
    assert!(measured.bytes_current.abs() < 1_024, "{} bytes are left", measured.bytes_current);
}

/// bugs.tsv 40: the filters of one client explode. All of these match, so each must be looked at; what they must not do is
/// become a hundred thousand copies.
#[test]
fn overlapping_filters_of_one_subscriber_are_one_target_however_many_they_are() {
    let mut router = Router::new(1);
    // Mixtures of `a` and `+` over 17 levels. An unoptimised build takes half a minute for a hundred thousand.
    let count: u32 = if cfg!(debug_assertions) { 5_000 } else { 100_000 };
    let filters: Vec<_> = (0..count)
        .map(|bits| {
            let levels: Vec<&str> = (0..17).map(|level| if bits >> level & 1 == 1 { "+" } else { "a" }).collect();
            filter(&levels.join("/"))
        })
        .collect();
    for (n, filter) in (0..).zip(&filters) {
        router.insert(filter, 1, entry(0, n));
    }
    let deep = topic(&["a"; 17].join("/"));
    let mut matches = Matches::default();
    router.matches(&deep, None, &mut matches);
    let targets: Vec<_> = matches.targets().map(|target| (target.subscriber(), target.entries().count())).collect();
    assert_eq!(targets, [(1, filters.len())]);
    for filter in &filters {
        assert!(router.remove(filter, 1));
    }
    assert_eq!(router.node_count(), 0);
}

#[test]
fn a_subscription_costs_about_a_hundred_bytes_beside_its_filter() {
    let filters: Vec<_> = (0..50_000).map(|n| filter(&format!("device/{n}/cmd/+"))).collect();
    let mut router = Router::new(1);
    let measured = measure(|| {
        for (n, filter) in (0..).zip(&filters) {
            router.insert(filter, n, Entry::default());
        }
    });
    let each = measured.bytes_current / 50_000;
    assert!(each < 120, "{each} bytes");
}

#[test]
fn a_retained_message_costs_some_220_bytes_beside_its_own_and_its_owner_110() {
    let count = 1 << 16; // So that no table is half empty.
    let topics: Vec<_> = (0..count).map(|n| topic(&format!("device/{n}/state"))).collect();
    let each = |owner: &dyn Fn(usize) -> ClientInfo| {
        let mut retained = Retained::new(1, RetainedLimits::NONE);
        let measured = measure(|| {
            for (n, topic) in topics.iter().enumerate() {
                let message = Message::new(topic.clone(), "on");
                retained.insert_of(Instant::ZERO, &message, Some(&owner(n))).unwrap();
            }
        });
        measured.bytes_current as usize / count - (topics[0].len() + 4)
    };
    let client =
        |id: Text| ClientInfo { client_id: id, username: None, version: Version::V5, origin: Origin::default() };
    let of_one = each(&|_| client(Text::from_static("one")));
    let ids: Vec<_> = (0..count).map(|n| Text::try_from(format!("device-{n}")).unwrap()).collect();
    let of_many = each(&|n| client(ids[n].clone()));
    println!("{of_one} bytes, and {} for the owner", of_many - of_one);
    assert!(of_one < 230 && of_many - of_one < 120, "{of_one}, {of_many}");
}

/// bugs.tsv 83: `#` over many retained messages copies them all.
#[test]
fn a_cursor_holds_one_topic_whatever_it_walks_over() {
    let mut retained = Retained::new(1, RetainedLimits::default());
    for n in 0..20_000 {
        retained.insert(Instant::ZERO, &Message::new(topic(&format!("device/{n}/state")), vec![0; 100])).unwrap();
    }
    let everything = filter("#");
    let mut found = 0;
    let measured = measure(|| {
        let mut cursor = retained.cursor(&everything);
        while let Step::Found(_) = cursor.step(&retained, &mut 10) {
            found += 1;
        }
    });
    assert_eq!(found, 20_000);
    assert!(measured.bytes_max < 256, "{} bytes", measured.bytes_max);
}
