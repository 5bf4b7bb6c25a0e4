//! Random churn, compared with `TopicFilter::matches` on a list.

use std::collections::{BTreeMap, BTreeSet};

use mqtt_broker::router::{Cursor, Entry, Matches, Retained, RetainedLimits, Router, Step};
use mqtt_proto::{Instant, Message, QoS, SubscriptionId, TopicFilter, TopicName};
use proptest::prelude::*;

/// Levels that meet often, part late, and sort around the `/` as others do.
const LEVELS: [&str; 8] = ["a", "b", "", "a!", "aa", "$", "$a", "é"];

fn levels(most: usize) -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(&LEVELS[..]), 1..=most)
}

fn topics() -> impl Strategy<Value = TopicName> {
    levels(5).prop_filter_map("empty", |levels| TopicName::try_from(levels.join("/").as_str()).ok())
}

fn filters() -> impl Strategy<Value = TopicFilter> {
    let level = prop_oneof![3 => prop::sample::select(&LEVELS[..]), 2 => Just("+")];
    let share = prop_oneof![4 => Just(""), 1 => Just("$share/s/"), 1 => Just("$share/t/")];
    (share, prop::collection::vec(level, 0..=5), any::<bool>()).prop_filter_map(
        "illegal",
        |(share, mut levels, multi)| {
            if multi {
                levels.push("#");
            }
            TopicFilter::try_from(format!("{share}{}", levels.join("/")).as_str()).ok()
        },
    )
}

fn entries() -> impl Strategy<Value = Entry> {
    (0..3_u8, any::<[bool; 2]>(), 0..4_u32).prop_map(|(qos, [no_local, retain_as_published], identifier)| Entry {
        qos: QoS::new(qos).unwrap(),
        no_local,
        retain_as_published,
        identifier: SubscriptionId::new(identifier),
    })
}

#[derive(Clone, Debug)]
enum Churn {
    Insert(TopicFilter, u32, Entry),
    /// The n-th of those that are there, modulo their number.
    Remove(usize),
    RemoveAbsent(TopicFilter, u32),
    Publish(TopicName, Option<u32>),
}

fn churn() -> impl Strategy<Value = Churn> {
    prop_oneof![
        4 => (filters(), 0..4_u32, entries()).prop_map(|(filter, key, entry)| Churn::Insert(filter, key, entry)),
        3 => any::<usize>().prop_map(Churn::Remove),
        1 => (filters(), 0..4_u32).prop_map(|(filter, key)| Churn::RemoveAbsent(filter, key)),
        3 => (topics(), prop::option::of(0..4_u32)).prop_map(|(topic, publisher)| Churn::Publish(topic, publisher)),
    ]
}

type Model = BTreeMap<(TopicFilter, u32), Entry>;

fn compare(router: &Router, model: &Model, topic: &TopicName, publisher: Option<u32>, matches: &mut Matches) {
    router.matches(topic, publisher, matches);
    let mut plain: BTreeMap<u32, Vec<Entry>> = BTreeMap::new();
    let mut shared: BTreeMap<&TopicFilter, Vec<(u32, Entry)>> = BTreeMap::new();
    for ((filter, key), entry) in model.iter().filter(|((filter, _), _)| filter.matches(topic)) {
        if filter.is_shared() {
            shared.entry(filter).or_default().push((*key, *entry));
        } else if !(entry.no_local && publisher == Some(*key)) {
            plain.entry(*key).or_default().push(*entry);
        }
    }
    let found: Vec<u32> = matches.targets().map(|target| target.subscriber()).collect();
    assert_eq!(found, plain.keys().copied().collect::<Vec<_>>(), "{topic}");
    for (target, (_, mut wanted)) in matches.targets().zip(plain) {
        let key = |entry: &Entry| (entry.identifier, entry.qos, entry.no_local, entry.retain_as_published);
        let mut entries: Vec<Entry> = target.entries().collect();
        entries.sort_by_key(key);
        wanted.sort_by_key(key);
        assert_eq!(entries, wanted);
        assert_eq!(Some(target.qos()), wanted.iter().map(|entry| entry.qos).max());
        assert_eq!(target.retain_as_published(), wanted.iter().any(|entry| entry.retain_as_published));
        let identifiers: Vec<_> = wanted.iter().filter_map(|entry| entry.identifier).collect();
        assert_eq!(target.identifiers().collect::<Vec<_>>(), identifiers);
    }
    let order = |members: &Vec<(u32, Entry)>| members.iter().map(|(key, entry)| format!("{key} {entry:?}")).collect();
    let members =
        |share: &_| router.members(*share).iter().map(|member| (member.subscriber(), member.entry())).collect();
    let groups: BTreeSet<Vec<String>> = matches.shares().iter().map(members).map(|group| order(&group)).collect();
    assert_eq!(groups, shared.values().map(order).collect(), "{topic}");
    assert_eq!(matches.shares().len(), shared.len(), "no group comes twice");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_tree_says_what_a_list_says_and_is_empty_again_after_any_churn(
        seed: u64,
        steps in prop::collection::vec(churn(), 1..80),
    ) {
        let (mut router, mut model, mut matches) = (Router::new(seed), Model::new(), Matches::default());
        for step in steps {
            match step {
                Churn::Insert(filter, key, entry) => {
                    let is_replaced = router.insert(&filter, key, entry);
                    assert_eq!(is_replaced, model.insert((filter, key), entry).is_some());
                }
                Churn::Remove(index) => {
                    let index = index % model.len().max(1);
                    let Some((filter, key)) = model.keys().nth(index).cloned() else { continue };
                    model.remove(&(filter.clone(), key));
                    assert!(router.remove(&filter, key));
                }
                Churn::RemoveAbsent(filter, key) => {
                    let is_removed = router.remove(&filter, key);
                    assert_eq!(is_removed, model.remove(&(filter, key)).is_some());
                }
                Churn::Publish(topic, publisher) => compare(&router, &model, &topic, publisher, &mut matches),
            }
            let filters: BTreeSet<&str> = model.keys().map(|(filter, _)| filter.filter()).collect();
            assert_eq!(router.len(), model.len());
            assert!((filters.len()..=(2 * filters.len())).contains(&router.node_count()));
            assert!(router.node_count() < 2 * filters.len().max(1), "each inner node has two branches or a subscription");
        }
        for (filter, key) in model.keys() {
            assert!(router.remove(filter, *key));
        }
        assert_eq!((router.len(), router.node_count(), router.share_count()), (0, 0, 0));
    }
}

#[derive(Clone, Debug)]
enum Keep {
    Insert(TopicName, u32),
    Remove(TopicName),
    Step(u32),
}

fn keep() -> impl Strategy<Value = Keep> {
    prop_oneof![
        3 => (topics(), any::<u32>()).prop_map(|(topic, value)| Keep::Insert(topic, value)),
        2 => topics().prop_map(Keep::Remove),
        3 => (1..4_u32).prop_map(Keep::Step),
    ]
}

fn message(topic: &TopicName, value: u32) -> Message {
    Message::new(topic.clone(), value.to_string()).with_retain(true)
}

/// Steps until something is found, the budget is used up or the end is reached.
fn step(cursor: &mut Cursor, retained: &Retained, mut budget: u32, found: &mut Vec<Message>) -> bool {
    loop {
        match cursor.step(retained, &mut budget) {
            Step::Found(stored) => found.push(stored.message().clone()),
            Step::Paused => return true,
            Step::End => return false,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is there at the beginning and stays is found, once and in order; what goes may be missed, what comes is not found.
    #[test]
    fn a_cursor_finds_what_was_there_and_stayed_whatever_changes_between_its_steps(
        before in prop::collection::vec((topics(), any::<u32>()), 0..40),
        filter in filters(),
        steps in prop::collection::vec(keep(), 0..30),
    ) {
        let mut retained = Retained::new(1, RetainedLimits::default());
        let mut model: BTreeMap<TopicName, u32> = BTreeMap::new();
        for (topic, value) in before {
            retained.insert(Instant::ZERO, &message(&topic, value)).unwrap();
            model.insert(topic, value);
        }
        let matching = |model: &BTreeMap<TopicName, u32>| -> Vec<Message> {
            let found = model.iter().filter(|(topic, _)| !filter.is_shared() && filter.matches(*topic));
            found.map(|(topic, value)| message(topic, *value)).collect()
        };
        let at_first = matching(&model);
        let mut stayed = at_first.clone();
        let (mut cursor, mut found) = (retained.cursor(&filter), Vec::new());
        for change in steps {
            match change {
                Keep::Insert(topic, value) => {
                    retained.insert(Instant::ZERO, &message(&topic, value)).unwrap();
                    stayed.retain(|message| message.topic != topic);
                    model.insert(topic, value);
                }
                Keep::Remove(topic) => {
                    assert_eq!(retained.remove(&topic), model.remove(&topic).is_some());
                    stayed.retain(|message| message.topic != topic);
                }
                Keep::Step(budget) => {
                    step(&mut cursor, &retained, budget, &mut found);
                }
            }
            assert_eq!(retained.len(), model.len());
        }
        assert!(!step(&mut cursor, &retained, 1_000, &mut found), "it ends");
        assert!(found.iter().all(|message| at_first.contains(message)), "nothing that came later");
        assert!(stayed.iter().all(|message| found.contains(message)), "all that stayed: {stayed:?} {found:?}");
        assert!(found.windows(2).all(|pair| pair[0].topic < pair[1].topic), "in order, each once");

        let mut again = Vec::new();
        step(&mut retained.cursor(&filter), &retained, 1_000, &mut again);
        assert_eq!(again, matching(&model), "a new cursor over a quiet store finds exactly what matches");
        let bytes = model.iter().map(|(topic, value)| topic.as_bytes().len() + value.to_string().len()).sum::<usize>();
        assert_eq!(retained.bytes(), bytes);
    }
}
