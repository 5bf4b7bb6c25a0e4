use std::time::Duration;

use mqtt_broker::router::{Cursor, Full, Retained, RetainedLimits, Step};
use mqtt_broker::{ClientInfo, Origin};
use mqtt_proto::{Instant, Message, Text, Version};

use super::{filter, topic};

const NOW: Instant = Instant::ZERO;

fn message(text: &str, payload: &'static str) -> Message {
    Message::new(topic(text), payload).with_retain(true)
}

fn payload(retained: &Retained, text: &str) -> Option<Vec<u8>> {
    retained.stored(text.as_bytes()).map(|stored| stored.message().payload.to_vec())
}

fn rest(cursor: &mut Cursor, retained: &Retained) -> Vec<String> {
    let (mut found, mut budget) = (Vec::new(), u32::MAX);
    while let Step::Found(stored) = cursor.step(retained, &mut budget) {
        found.push(stored.message().topic.as_str().to_owned());
    }
    found
}

/// MQTT-3.3.1-5, MQTT-3.3.1-6, MQTT-3.3.1-7.
#[test]
fn a_topic_keeps_its_last_message_until_one_without_payload_comes() {
    let mut retained = Retained::new(1, RetainedLimits::default());
    retained.insert(NOW, &message("a", "first")).unwrap();
    retained.insert(NOW, &message("a", "second, longer")).unwrap();
    retained.insert(NOW, &message("b", "other")).unwrap();
    assert_eq!(payload(&retained, "a").unwrap(), b"second, longer");
    assert_eq!((retained.len(), retained.bytes()), (2, 15 + 6));
    retained.insert(NOW, &message("a", "")).unwrap();
    retained.insert(NOW, &message("never", "")).unwrap();
    assert_eq!((payload(&retained, "a"), retained.len(), retained.bytes()), (None, 1, 6));
}

#[test]
fn a_retained_message_keeps_its_properties_and_shares_no_memory_with_the_one_that_came() {
    let mut retained = Retained::new(1, RetainedLimits::default());
    let came = message("a/b", "payload").with_message_expiry_interval(9).with_correlation_data("x");
    retained.insert(NOW, &came).unwrap();
    let stored = retained.stored(b"a/b").unwrap();
    assert_eq!(stored.message(), &came);
    assert!(came.payload.is_unique() || came.payload.as_ptr() != stored.message().payload.as_ptr());
    assert_eq!(retained.bytes(), came.topic.len() + came.payload.len() + came.properties().encoded_len());
}

/// MQTT-3.3.2-5.
#[test]
fn messages_expire_at_their_time_and_a_newer_one_outlives_the_deadline_of_the_older() {
    let mut retained = Retained::new(1, RetainedLimits::default());
    let at = |seconds| NOW.after(Duration::from_secs(seconds));
    retained.insert(NOW, &message("a", "x").with_message_expiry_interval(10)).unwrap();
    retained.insert(NOW, &message("b", "x").with_message_expiry_interval(5)).unwrap();
    retained.insert(NOW, &message("c", "x")).unwrap();
    retained.insert(NOW, &message("d", "x").with_message_expiry_interval(u32::MAX)).unwrap();
    assert_eq!(retained.next_expiry(), Some(at(5)));
    retained.insert(at(4), &message("b", "y").with_message_expiry_interval(5)).unwrap();
    assert_eq!((retained.next_expiry(), retained.remove_expired(at(5))), (Some(at(9)), 0));
    assert_eq!((retained.remove_expired(at(9)), payload(&retained, "b")), (1, None));
    assert_eq!((retained.remove_expired(at(1_000)), retained.len()), (1, 2));
    retained.remove(&topic("d"));
    assert_eq!(retained.next_expiry(), None, "what is removed leaves no deadline");
    retained.insert(NOW, &message("now", "x").with_message_expiry_interval(0)).unwrap();
    assert_eq!((retained.remove_expired(NOW), retained.remove_expired(NOW.after(Duration::from_millis(1)))), (0, 1));
}

/// bugs.tsv 82: one client fills the memory over distinct topics.
#[test]
fn a_full_store_refuses_new_topics_but_lets_old_ones_change_and_go() {
    let mut retained = Retained::new(1, RetainedLimits { messages: 2, bytes: 20, ..RetainedLimits::NONE });
    retained.insert(NOW, &message("a", "123456789")).unwrap();
    assert_eq!(retained.insert(NOW, &message("b", "1234567890")), Err(Full::Store), "bytes: 21");
    retained.insert(NOW, &message("b", "123456789")).unwrap();
    assert_eq!(retained.insert(NOW, &message("c", "")), Ok(()));
    assert_eq!(retained.insert(NOW, &message("b", "1234567890")), Err(Full::Store));
    assert_eq!(payload(&retained, "b").unwrap(), b"123456789", "what was there stays");
    retained.insert(NOW, &message("b", "1")).unwrap();
    assert_eq!(retained.insert(NOW, &message("c", "1")), Err(Full::Store), "messages: 3");
    retained.insert(NOW, &message("a", "")).unwrap();
    retained.insert(NOW, &message("c", "1")).unwrap();
    assert_eq!((retained.len(), retained.bytes()), (2, 4));
}

fn client(id: &str, username: Option<&str>, listener: u32) -> ClientInfo {
    let text = |text: &str| Text::try_from(text).unwrap();
    let origin = Origin { listener, address: Some("192.0.2.1:1".into()) };
    ClientInfo { client_id: text(id), username: username.map(text), version: Version::V5, origin }
}

/// bugs.tsv 82: a topic is whose message it holds; names count, too.
#[test]
fn an_owner_leaves_room_for_others_and_what_another_takes_over_counts_for_that_one() {
    let limits = RetainedLimits { messages_of_one: 2, bytes_of_one: 20, ..RetainedLimits::NONE };
    let mut retained = Retained::new(1, limits);
    let (anna, ben) = (client("anna", None, 0), client("ben", None, 0));
    retained.insert_of(NOW, &message("a", "1"), Some(&anna)).unwrap();
    retained.insert_of(NOW, &message("b", "1"), Some(&anna)).unwrap();
    let refused = retained.insert_of(NOW, &message("c", "1"), Some(&anna));
    assert_eq!(refused, Err(Full::Owner), "messages: 3");
    retained.insert_of(NOW, &message("c", "1"), Some(&ben)).unwrap();
    retained.insert_of(NOW, &message("b", "22"), Some(&ben)).unwrap();
    assert_eq!(retained.insert_of(NOW, &message("a", "1"), Some(&ben)), Err(Full::Owner), "it would be the third");
    retained.insert_of(NOW, &message("c", "1"), Some(&anna)).unwrap();
    assert_eq!(retained.bytes(), 2 + 2 + 3 + "anna".len() + "ben".len());
    // Bytes: what the topic had is the owner's own, and goes.
    retained.insert_of(NOW, &message("b", "1234567890123456"), Some(&ben)).unwrap();
    assert_eq!(retained.insert_of(NOW, &message("b", "12345678901234567"), Some(&ben)), Err(Full::Owner), "21");
    retained.insert(NOW, &message("b", "1234567890123456789")).unwrap();
    assert_eq!((retained.owners(), retained.bytes()), (1, 2 + 2 + 20 + 4), "ben has none any more, nor has b anybody");
}

#[test]
fn an_owner_is_forgotten_with_its_last_message_however_that_goes() {
    let mut retained = Retained::new(1, RetainedLimits::NONE);
    let owners = ["anna", "ben"].map(|user| [0, 1].map(|listener| client("id", Some(user), listener)));
    let owners: Vec<_> = owners.into_iter().flatten().chain([client("id", None, 0)]).collect();
    for (owner, text) in owners.iter().zip(["a", "b", "c", "d", "e"]) {
        retained.insert_of(NOW, &message(text, "x").with_message_expiry_interval(5), Some(owner)).unwrap();
    }
    assert_eq!(retained.owners(), 5, "user and listener belong to the name");
    let owner = retained.owner(retained.stored(b"b").unwrap()).unwrap();
    assert_eq!((&owner.username, owner.origin.listener, &owner.origin.address), (&owners[1].username, 1, &None));
    retained.remove(&topic("a"));
    retained.insert_of(NOW, &message("b", ""), Some(&owners[2])).unwrap();
    retained.insert_of(NOW, &message("c", "x"), Some(&owners[0])).unwrap();
    assert_eq!(retained.owners(), 3);
    retained.remove_expired(NOW.after(Duration::from_secs(5)));
    assert_eq!((retained.owners(), retained.len()), (1, 1));
    retained.remove(&topic("c"));
    assert_eq!((retained.owners(), retained.len(), retained.bytes()), (0, 0, 0));
}

#[test]
fn a_cursor_yields_in_the_order_of_bytes_and_leaves_system_topics_to_those_who_ask() {
    let mut retained = Retained::new(1, RetainedLimits::default());
    for text in ["b", "a/x/1", "a", "a!/1", "a/x", "$SYS/a", "/1", "a/y/1", "a0/1"] {
        retained.insert(NOW, &message(text, "x")).unwrap();
    }
    let found = |text: &str| rest(&mut retained.cursor(&filter(text)), &retained);
    assert_eq!(found("#"), ["/1", "a", "a!/1", "a/x", "a/x/1", "a/y/1", "a0/1", "b"]);
    assert_eq!(found("+/1"), ["/1", "a!/1", "a0/1"]);
    assert_eq!(found("a/#"), ["a", "a/x", "a/x/1", "a/y/1"]);
    assert_eq!(found("a/+/1"), ["a/x/1", "a/y/1"]);
    assert_eq!(found("$SYS/#"), ["$SYS/a"]);
    assert_eq!(found("b"), ["b"]);
    assert_eq!(found("$share/s/#"), Vec::<String>::new());
}

#[test]
fn a_message_that_is_replaced_while_a_cursor_is_on_its_way_is_left_to_the_live_subscription() {
    let mut retained = Retained::new(1, RetainedLimits::default());
    for text in ["a", "c", "e"] {
        retained.insert(NOW, &message(text, "old")).unwrap();
    }
    let mut cursor = retained.cursor(&filter("#"));
    assert!(matches!(cursor.step(&retained, &mut 1), Step::Found(_)));
    retained.insert(NOW, &message("b", "new")).unwrap();
    retained.insert(NOW, &message("c", "new")).unwrap();
    assert_eq!(rest(&mut cursor, &retained), ["e"]);
    assert_eq!(rest(&mut retained.cursor(&filter("#")), &retained), ["a", "b", "c", "e"]);
}

#[test]
fn a_cursor_stops_when_its_budget_is_used_up_and_goes_on_later() {
    let mut retained = Retained::new(1, RetainedLimits::default());
    for n in 0..100 {
        retained.insert(NOW, &message(&format!("{n}/a"), "x")).unwrap();
    }
    retained.insert(NOW, &message("50/b", "x")).unwrap();
    let mut cursor = retained.cursor(&filter("+/b"));
    let (mut found, mut pauses) = (0, 0);
    loop {
        match cursor.step(&retained, &mut 10) {
            Step::Found(_) => found += 1,
            Step::Paused => pauses += 1,
            Step::End => break,
        }
    }
    assert_eq!(found, 1);
    assert!((9..=20).contains(&pauses), "{pauses} pauses: one or two looks for each of 101 topics");
    assert_eq!(cursor.step(&retained, &mut 0), Step::End);
}
