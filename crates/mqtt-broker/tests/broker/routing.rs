//! Who gets a message, and what it looks like when it arrives.

use mqtt_broker::Config;
use mqtt_proto::{QoS, ReasonCode, Subscribe, SubscriptionId, TopicName, Version};

use crate::rig::{Rig, at, message, subscription, text, v5, v311};

const ALL: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

fn id(number: u32) -> SubscriptionId {
    SubscriptionId::new(number).unwrap()
}

// MQTT-3.8.4-8, MQTT-3.8.4-7; 3.1.1: MQTT-3.8.4-6
#[test]
fn a_message_reaches_its_subscriber_at_the_lower_qos() {
    for published in ALL {
        for granted in ALL {
            let mut rig = Rig::new(Config::default());
            let (publisher, subscriber) = (rig.client("publisher"), rig.client("subscriber"));
            assert_eq!(rig.subscribe(subscriber, "a/+", granted), ReasonCode(granted as u8));
            rig.publish(publisher, at(published, "a/b", "x"));
            let received = rig.take(subscriber);
            assert_eq!(received.len(), 1);
            assert_eq!(received[0].qos, published.min(granted));
        }
    }
}

// MQTT-4.5.0-1, MQTT-3.3.2-3 of both
#[test]
fn every_matching_subscriber_of_each_version_gets_a_message_and_nobody_else() {
    let mut rig = Rig::new(Config::default());
    let publisher = rig.client("publisher");
    let filters = ["a/b", "a/+", "a/#", "#", "+/b", "a", "a/b/c", "+", "b/#", "/a/b"];
    let devices: Vec<usize> = (0..30)
        .map(|n| {
            let version = [Version::V31, Version::V311, Version::V5][n % 3];
            let device = rig.connect(mqtt_proto::Connect::new(version, text(&format!("client-{n}"))));
            rig.subscribe(device, filters[n / 3], QoS::AtLeastOnce);
            device
        })
        .collect();
    rig.publish(publisher, at(QoS::AtLeastOnce, "a/b", "x"));
    for (n, device) in devices.into_iter().enumerate() {
        let expected: &[&str] = if n / 3 < 5 { &["a/b=x"] } else { &[] };
        assert_eq!(rig.received(device), expected, "{}", filters[n / 3]);
    }
}

// MQTT-4.7.2-1, D31-dollar; bug 31
#[test]
fn wildcards_in_the_first_level_do_not_match_dollar_topics() {
    let mut rig = Rig::new(Config::default());
    let (publisher, subscriber) = (rig.client("publisher"), rig.client("subscriber"));
    for filter in ["#", "+/x", "+/#", "$internal/#"] {
        rig.subscribe(subscriber, filter, QoS::AtMostOnce);
    }
    for topic in ["$internal/x", "$", "$/x", "$share", "$CONTROL/x", "$SYSTEM/x"] {
        rig.publish(publisher, message(topic, "1"));
    }
    assert_eq!(rig.received(subscriber), ["$internal/x=1"]);
}

// MQTT-4.7.3-4, MQTT-1.5.4-3, U5-5.4.9
#[test]
fn odd_characters_in_topics_are_neither_normalised_nor_refused() {
    let mut rig = Rig::new(Config::default());
    let (publisher, subscriber) = (rig.client("publisher"), rig.client("subscriber"));
    // A byte order mark, a composed and a decomposed letter, a non-character, a control character, spaces, case.
    let topics = ["\u{FEFF}a", "\u{E9}", "e\u{301}", "\u{FFFF}", "\u{1}", " a ", "A", "a", "//", "/"];
    for topic in topics {
        rig.subscribe(subscriber, topic, QoS::AtLeastOnce);
    }
    for topic in topics {
        assert_eq!(rig.publish_for_reason(publisher, at(QoS::AtLeastOnce, topic, "")), ReasonCode::SUCCESS);
    }
    let received: Vec<String> = rig.take(subscriber).iter().map(|message| message.topic.to_string()).collect();
    assert_eq!(received, topics);
}

// MQTT-3.3.4-2, MQTT-3.3.4-3, MQTT-3.3.4-4; 3.1.1: MQTT-3.3.5-1
#[test]
fn overlapping_subscriptions_make_one_copy_with_the_highest_qos_and_all_identifiers() {
    let mut rig = Rig::new(Config::default());
    let (publisher, subscriber) = (rig.client("publisher"), rig.client("subscriber"));
    for (number, filter, qos) in [(7, "a/+", QoS::AtMostOnce), (9, "#", QoS::ExactlyOnce), (8, "a/#", QoS::AtLeastOnce)]
    {
        let subscribe = Subscribe::new(vec![subscription(filter, qos)]).with_subscription_identifier(id(number));
        rig.subscribe_with(subscriber, subscribe);
    }
    rig.subscribe(subscriber, "a/b", QoS::AtMostOnce);
    rig.publish(publisher, at(QoS::ExactlyOnce, "a/b", "x"));
    let received = rig.take(subscriber);
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].qos, QoS::ExactlyOnce);
    let mut ids: Vec<u32> = received[0].properties().subscription_identifiers().map(SubscriptionId::get).collect();
    ids.sort_unstable();
    assert_eq!(ids, [7, 8, 9]);
}

// MQTT-3.8.3-3
#[test]
fn no_local_keeps_a_clients_own_messages_from_it() {
    let mut rig = Rig::new(Config::default());
    let (client, other) = (rig.client("client"), rig.client("other"));
    let mut own = subscription("a/+", QoS::AtMostOnce);
    own.no_local = true;
    rig.subscribe_with(client, Subscribe::new(vec![own]));
    rig.publish(client, message("a/b", "mine"));
    rig.publish(other, message("a/b", "theirs"));
    assert_eq!(rig.received(client), ["a/b=theirs"]);
    // Another subscription without it brings the message all the same.
    rig.subscribe(client, "a/b", QoS::AtMostOnce);
    rig.publish(client, message("a/b", "mine"));
    assert_eq!(rig.received(client), ["a/b=mine"]);
}

// MQTT-3.3.1-12, MQTT-3.3.1-13; 3.1.1: MQTT-3.3.1-9
#[test]
fn the_retain_flag_goes_on_only_where_it_was_asked_for() {
    let mut rig = Rig::new(Config::default());
    let (publisher, plain, old) = (rig.client("publisher"), rig.client("plain"), rig.connect(v311("old")));
    let keeping = rig.client("keeping");
    rig.subscribe(plain, "a", QoS::AtMostOnce);
    rig.subscribe(old, "a", QoS::AtMostOnce);
    let mut as_published = subscription("a", QoS::AtMostOnce);
    as_published.retain_as_published = true;
    rig.subscribe_with(keeping, Subscribe::new(vec![as_published]));
    for retain in [true, false] {
        rig.publish(publisher, message("a", "x").with_retain(retain));
        let flags = [plain, old, keeping].map(|device| rig.take(device)[0].retain);
        assert_eq!(flags, [false, false, retain]);
    }
}

// MQTT-3.3.2-4, MQTT-3.3.2-15, MQTT-3.3.2-16, MQTT-3.3.2-17, MQTT-3.3.2-18, MQTT-3.3.2-20
#[test]
fn properties_reach_every_subscriber_unchanged_and_in_order() {
    let mut rig = Rig::new(Config::default());
    let (publisher, subscriber) = (rig.client("publisher"), rig.client("subscriber"));
    let (waiting, old) = (rig.lasting("waiting"), rig.connect(v311("old")));
    for device in [subscriber, waiting, old] {
        rig.subscribe(device, "a", QoS::AtLeastOnce);
    }
    rig.cut(waiting);
    let sent = at(QoS::AtLeastOnce, "a", "x")
        .with_user_property(text("b"), text("1"))
        .with_payload_format_indicator(true)
        .with_user_property(text("a"), text("2"))
        .with_content_type(text("text/plain"))
        .with_response_topic(TopicName::from_static("answers/here"))
        .with_correlation_data(vec![0, 255])
        .with_user_property(text("b"), text("1"));
    rig.publish(publisher, sent.clone());
    let waiting = rig.resume(v5("waiting").with_clean_start(false), rig.session_of(waiting));
    for device in [subscriber, waiting] {
        let received = rig.take(device).remove(0);
        assert_eq!(received.properties(), sent.properties());
        let pairs: Vec<_> = received.properties().user_properties().collect();
        assert_eq!(pairs, [("b", "1"), ("a", "2"), ("b", "1")]);
    }
    // 3.1.1 has no properties: they are left out, and the message arrives.
    assert_eq!(rig.received(old), ["a=x"]);
}

// MQTT-4.6.0-5, MQTT-4.6.0-6 of both
#[test]
fn messages_of_one_publisher_arrive_in_order() {
    for qos in ALL {
        let mut rig = Rig::new(Config::default());
        let (publisher, subscriber) = (rig.client("publisher"), rig.client("subscriber"));
        rig.subscribe(subscriber, "#", qos);
        for n in 0..300 {
            rig.publish(publisher, at(qos, "a", &n.to_string()));
        }
        let expected: Vec<String> = (0..300).map(|n| format!("a={n}")).collect();
        assert_eq!(rig.received(subscriber), expected);
    }
}

// MQTT-3.3.1-3 of both
#[test]
fn dup_does_not_travel_through_the_broker() {
    let mut rig = Rig::new(Config::default());
    let (publisher, subscriber) = (rig.lasting("publisher"), rig.client("subscriber"));
    rig.subscribe(subscriber, "a", QoS::AtLeastOnce);
    rig.devices[subscriber].holds_acks = true;
    // The broker never reads the first attempt.
    rig.links.get_mut(&rig.devices[publisher].peer).unwrap().hold(true);
    rig.publish(publisher, at(QoS::AtLeastOnce, "a", "x"));
    let session = rig.cut(publisher);
    assert_eq!(session.unacknowledged().count(), 1);
    rig.resume(v5("publisher").with_clean_start(false), session);
    assert_eq!(rig.received(subscriber), ["a=x"]);
    assert!(!rig.devices[subscriber].dups[0], "a repetition to us is a first attempt to others");
}

#[test]
fn no_matching_subscribers_are_told_to_publishers_of_5_0() {
    let mut rig = Rig::new(Config::default());
    let (publisher, subscriber) = (rig.client("publisher"), rig.client("subscriber"));
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        assert_eq!(rig.publish_for_reason(publisher, at(qos, "a", "")), ReasonCode::NO_MATCHING_SUBSCRIBERS);
    }
    rig.subscribe(subscriber, "$share/group/a", QoS::AtMostOnce);
    assert_eq!(rig.publish_for_reason(publisher, at(QoS::AtLeastOnce, "a", "")), ReasonCode::SUCCESS);
}

// Bug 28: what we relay is what our own decoder takes. The other end of each link in these tests is one of ours; bug 68:
// an alias of the publisher is not forwarded.
#[test]
fn topic_aliases_end_at_the_broker() {
    let mut rig = Rig::new(Config::default());
    let publisher = rig.client("publisher");
    let subscriber = rig.connect(v5("subscriber").with_topic_alias_maximum(1));
    let plain = rig.client("plain");
    for device in [subscriber, plain] {
        rig.subscribe(device, "#", QoS::AtLeastOnce);
    }
    for n in 0..3 {
        for topic in ["long/topic/one", "long/topic/two"] {
            rig.publish(publisher, at(QoS::AtLeastOnce, topic, &n.to_string()));
        }
    }
    let expected = rig.received(plain);
    assert_eq!(expected.len(), 6);
    assert_eq!(rig.received(subscriber), expected);
}
