//! Retained messages, and how new subscriptions get them.

use mqtt_broker::{Config, DropReason, Notice};
use mqtt_proto::{
    Connect, Message, QoS, ReasonCode, RetainHandling, Subscribe, SubscriptionId, TopicFilter, Unsubscribe, Version,
};

use crate::rig::{Rig, at, message, subscription, text, v5, v311};

fn kept(topic: &str, payload: &str) -> Message {
    message(topic, payload).with_retain(true)
}

fn with_handling(filter: &str, handling: RetainHandling) -> Subscribe {
    let mut subscription = subscription(filter, QoS::AtLeastOnce);
    subscription.retain_handling = handling;
    Subscribe::new(vec![subscription])
}

// MQTT-3.3.1-5, MQTT-3.3.1-6, MQTT-3.3.1-7, MQTT-3.3.1-8; 3.1.1: MQTT-3.3.1-5, MQTT-3.3.1-6, MQTT-3.3.1-7, MQTT-3.3.1-10, MQTT-3.3.1-11, MQTT-3.3.1-12
#[test]
fn a_topic_keeps_the_last_retained_message_until_an_empty_one_comes() {
    let mut rig = Rig::new(Config::default());
    let (publisher, witness) = (rig.client("publisher"), rig.client("witness"));
    rig.subscribe(witness, "a", QoS::AtLeastOnce);
    let mut late = 0;
    let mut for_the_late = |rig: &mut Rig| {
        late += 1;
        let device = rig.client(&format!("late-{late}"));
        rig.subscribe(device, "a", QoS::AtLeastOnce);
        rig.received(device)
    };
    rig.publish(publisher, kept("a", "1"));
    rig.publish(publisher, at(QoS::AtLeastOnce, "a", "2").with_retain(true));
    assert_eq!(for_the_late(&mut rig), ["a=2"]);
    rig.publish(publisher, message("a", "3"));
    assert_eq!(for_the_late(&mut rig), ["a=2"]);
    rig.publish(publisher, message("a", ""));
    assert_eq!(for_the_late(&mut rig), ["a=2"], "without the flag an empty message is like any other");
    rig.publish(publisher, kept("a", ""));
    assert!(for_the_late(&mut rig).is_empty());
    assert_eq!(rig.received(witness), ["a=1", "a=2", "a=3", "a=", "a="]);
}

// MQTT-3.3.1-8 of 3.1.1, 5.0 section 3.3.1.3
#[test]
fn what_comes_because_of_a_new_subscription_is_marked_and_carries_its_identifier() {
    let mut rig = Rig::new(Config::default());
    let (publisher, new, old) = (rig.client("publisher"), rig.client("new"), rig.connect(v311("old")));
    rig.publish(publisher, at(QoS::ExactlyOnce, "a", "1").with_retain(true));
    let id = SubscriptionId::new(5).unwrap();
    let subscribe = Subscribe::new(vec![subscription("+", QoS::AtLeastOnce)]).with_subscription_identifier(id);
    rig.subscribe_with(new, subscribe);
    rig.subscribe(old, "+", QoS::AtLeastOnce);
    let received = [new, old].map(|device| rig.take(device).remove(0));
    assert!(received.iter().all(|message| message.retain && message.qos == QoS::AtLeastOnce));
    assert_eq!(received[0].properties().subscription_identifiers().next(), Some(id));
}

// MQTT-3.3.1-9, MQTT-3.3.1-10, MQTT-3.3.1-11, MQTT-3.8.4-3, MQTT-3.8.4-4; 3.1.1: MQTT-3.8.4-3, U311-3.3.1.3
#[test]
fn retain_handling_says_which_subscription_gets_them() {
    for (handling, first, second) in
        [(RetainHandling::Send, 1, 1), (RetainHandling::SendIfNew, 1, 0), (RetainHandling::DoNotSend, 0, 0)]
    {
        let mut rig = Rig::new(Config::default());
        let (publisher, device) = (rig.client("publisher"), rig.client("device"));
        rig.publish(publisher, kept("a", "1"));
        rig.subscribe_with(device, with_handling("a", handling));
        assert_eq!(rig.take(device).len(), first, "{handling:?}");
        rig.subscribe_with(device, with_handling("a", handling));
        assert_eq!(rig.take(device).len(), second, "{handling:?}");
        // It replaced the first: one live copy.
        rig.publish(publisher, message("a", "live"));
        assert_eq!(rig.received(device), ["a=live"]);
        rig.unsubscribe(device, "a");
        rig.subscribe_with(device, with_handling("a", handling));
        assert_eq!(rig.take(device).len(), first, "after an UNSUBSCRIBE it is new again");
    }
}

// MQTT-3.8.4-1, MQTT-3.8.4-5, MQTT-3.8.4-6, MQTT-3.9.3-1, MQTT-3.10.4-6, MQTT-3.11.3-1; 3.1.1: MQTT-3.8.4-1, MQTT-3.8.4-4,
// MQTT-3.8.4-5, MQTT-3.10.4-6
#[test]
fn many_filters_in_one_packet_are_as_many_subscriptions() {
    for version in [Version::V311, Version::V5] {
        let is_v5 = version == Version::V5;
        let mut rig = Rig::new(Config { maximum_subscriptions: 3, ..Config::default() });
        let publisher = rig.client("publisher");
        let device = rig.connect(Connect::new(version, text("device")));
        for topic in ["a", "b"] {
            rig.publish(publisher, kept(topic, "1"));
        }
        let filters = [("a", 0), ("+", 2), ("b", 1), ("c", 0), ("a", 1)];
        let subscriptions = filters.map(|(filter, qos)| subscription(filter, QoS::new(qos).unwrap()));
        rig.subscribe_with(device, Subscribe::new(subscriptions.to_vec()));
        let reasons: Vec<u8> = rig.devices[device].subacks[0].reasons.iter().map(|reason| reason.0).collect();
        assert_eq!(reasons, [0, 2, 1, if is_v5 { 0x97 } else { 0x80 }, 1]);
        // The second "a" replaced the first and began anew.
        let mut received = rig.received(device);
        received.sort();
        assert_eq!(received, ["a=1", "a=1", "b=1", "b=1"]);
        let filters = ["+", "c", "b"].map(TopicFilter::from_static);
        let now = rig.now;
        rig.devices[device].connection.unsubscribe(now, Unsubscribe::new(filters.to_vec())).unwrap();
        rig.settle();
        let reasons: Vec<u8> = rig.devices[device].unsubacks[0].reasons.iter().map(|reason| reason.0).collect();
        assert_eq!(reasons, if is_v5 { vec![0, 0x11, 0] } else { vec![] });
        rig.publish(publisher, message("a", "left"));
        rig.publish(publisher, message("b", "gone"));
        assert_eq!(rig.received(device), ["a=left"]);
    }
}

// Bugs 83, 84, 85: none of many is lost, and they are not copied for each subscriber.
#[test]
fn ten_thousand_retained_messages_reach_a_subscriber_with_a_small_window_and_a_small_queue() {
    let mut rig = Rig::new(Config { maximum_queued_messages: 10, ..Config::default() });
    let topic = |n: usize| mqtt_proto::TopicName::try_from(format!("a/{n:05}")).unwrap();
    for n in 0..10_000 {
        let message = Message::new(topic(n), "x").with_qos(QoS::AtLeastOnce).with_retain(true);
        rig.broker.publish(rig.now, message).unwrap();
    }
    let window = std::num::NonZeroU16::new(20).unwrap();
    let device = rig.connect(v5("device").with_receive_maximum(window));
    rig.devices[device].holds_acks = true;
    rig.subscribe(device, "#", QoS::AtLeastOnce);
    assert_eq!(rig.devices[device].messages.len(), 20, "as many as its window, and the rest is looked up later");
    // What is published meanwhile is not pushed out by them.
    for n in 0..10 {
        rig.broker.publish(rig.now, message("live", &n.to_string()).with_qos(QoS::AtLeastOnce)).unwrap();
    }
    rig.devices[device].holds_acks = false;
    rig.ack_all(device);
    rig.advance_secs(0);
    let received = rig.take(device);
    assert_eq!(received.iter().filter(|message| message.retain).count(), 10_000);
    assert_eq!(received.iter().filter(|message| !message.retain).count(), 10);
    assert!(received.windows(2).all(|pair| !pair[1].retain || !pair[0].retain || pair[0].topic < pair[1].topic));
}

// One who asks for `+/+/nothing` again and again must not stop the broker.
#[test]
fn a_search_among_many_that_do_not_match_goes_on_after_others_had_their_turn() {
    let mut rig = Rig::new(Config::default());
    for n in 0..20_000 {
        rig.broker.publish(rig.now, kept(&format!("a/{n}/x"), "x")).unwrap();
    }
    rig.broker.publish(rig.now, kept("b/1/y", "found")).unwrap();
    let device = rig.client("device");
    rig.subscribe(device, "+/+/y", QoS::AtLeastOnce);
    assert!(rig.take(device).is_empty(), "it has not come that far");
    rig.broker.publish(rig.now, message("a/1/y", "live")).unwrap();
    rig.settle();
    assert_eq!(rig.take(device).len(), 1, "what is published meanwhile does not wait for it");
    rig.advance_secs(0);
    let found: Vec<String> = rig.take(device).iter().map(|message| message.topic.to_string()).collect();
    assert_eq!(found, ["b/1/y"]);
}

// A replay is part of the session.
#[test]
fn a_subscriber_that_is_cut_off_gets_the_rest_when_it_is_back() {
    let mut rig = Rig::new(Config::default());
    for n in 0..100 {
        rig.broker.publish(rig.now, at(QoS::AtLeastOnce, &format!("a/{n}"), "x").with_retain(true)).unwrap();
    }
    let connect = v5("device").with_clean_start(false).with_session_expiry_interval(60);
    let device = rig.connect(connect.clone().with_receive_maximum(std::num::NonZeroU16::new(10).unwrap()));
    rig.devices[device].holds_acks = true;
    rig.subscribe(device, "a/+", QoS::AtLeastOnce);
    let mut topics: Vec<String> = rig.take(device).iter().map(|message| message.topic.to_string()).collect();
    assert_eq!(topics.len(), 10);
    let session = rig.cut(device);
    let device = rig.resume(connect, session);
    topics.extend(rig.take(device).iter().map(|message| message.topic.to_string()));
    topics.sort();
    topics.dedup();
    assert_eq!(topics.len(), 100);
}

// MQTT-3.3.2-5, MQTT-3.3.2-6; bug 88
#[test]
fn messages_expire_at_their_moment_wherever_they_wait() {
    let connect = |id| v5(id).with_clean_start(false).with_session_expiry_interval(1_000).with_keep_alive(0);
    for (waited, left) in [(0, Some(10)), (999, Some(10)), (1_000, Some(9)), (9_999, Some(1)), (10_000, None)] {
        let mut rig = Rig::new(Config::default());
        let publisher = rig.connect(connect("publisher"));
        let queued = rig.connect(connect("queued"));
        rig.subscribe(queued, "a", QoS::AtLeastOnce);
        let session = rig.cut(queued);
        let message = at(QoS::AtLeastOnce, "a", "x").with_message_expiry_interval(10).with_retain(true);
        rig.publish(publisher, message);
        rig.advance(std::time::Duration::from_millis(waited));
        let queued = rig.resume(connect("queued"), session);
        let late = rig.client("late");
        rig.subscribe(late, "a", QoS::AtLeastOnce);
        for device in [queued, late] {
            let intervals: Vec<_> =
                rig.take(device).iter().map(|message| message.properties().message_expiry_interval()).collect();
            assert_eq!(intervals, left.map(Some).into_iter().collect::<Vec<_>>(), "{waited}");
        }
    }
}

#[test]
fn an_interval_of_zero_is_for_those_who_are_ready() {
    let mut rig = Rig::new(Config::default());
    let (publisher, ready) = (rig.client("publisher"), rig.client("ready"));
    let away = rig.lasting("away");
    for device in [ready, away] {
        rig.subscribe(device, "a", QoS::AtLeastOnce);
    }
    let session = rig.cut(away);
    rig.publish(publisher, at(QoS::AtLeastOnce, "a", "x").with_message_expiry_interval(0));
    rig.advance_secs(1);
    let away = rig.resume(v5("away").with_clean_start(false), session);
    assert_eq!((rig.take(ready).len(), rig.take(away).len()), (1, 0));
}

// Bug 82
#[test]
fn retained_messages_have_a_limit_that_refuses_in_words() {
    for maximum in [0, 1, 3] {
        let mut rig = Rig::new(Config { maximum_retained_messages: maximum, ..Config::default() });
        let (publisher, witness) = (rig.client("publisher"), rig.client("witness"));
        rig.subscribe(witness, "#", QoS::AtMostOnce);
        for n in 0..maximum {
            let reason = rig.publish_for_reason(publisher, at(QoS::AtLeastOnce, &n.to_string(), "x").with_retain(true));
            assert_eq!(reason, ReasonCode::SUCCESS);
        }
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let reason = rig.publish_for_reason(publisher, at(qos, "more", "x").with_retain(true));
            assert_eq!(reason, ReasonCode::QUOTA_EXCEEDED);
        }
        let words = rig.devices[publisher].acknowledged.last().unwrap();
        assert!(words.properties.reason_string().is_some());
        assert_eq!(rig.take(witness).len(), maximum, "what is refused is not delivered either");
        // Those that have a place can be replaced, and removing one makes room.
        if maximum > 0 {
            let reason = rig.publish_for_reason(publisher, at(QoS::AtLeastOnce, "0", "y").with_retain(true));
            assert_eq!(reason, ReasonCode::SUCCESS);
            rig.publish(publisher, kept("0", ""));
            let reason = rig.publish_for_reason(publisher, at(QoS::AtLeastOnce, "more", "x").with_retain(true));
            assert_eq!(reason, ReasonCode::SUCCESS);
        }
    }
    let mut rig = Rig::new(Config { maximum_retained_bytes: 10 + "publisher".len(), ..Config::default() });
    let publisher = rig.client("publisher");
    for (payload, reason) in [("0123456789", 0x97), ("012345678", 0x10), ("0123456789", 0x97)] {
        let message = at(QoS::AtLeastOnce, "a", payload).with_retain(true);
        assert_eq!(rig.publish_for_reason(publisher, message).0, reason);
    }
}

// Bug 82
#[test]
fn a_client_that_retains_too_much_is_refused_in_words_and_leaves_room_for_others() {
    let config = Config { maximum_retained_messages_per_client: 2, maximum_sessions: 0, ..Config::default() };
    let mut rig = Rig::new(config);
    let kept = |topic: &str| at(QoS::AtLeastOnce, topic, "x").with_retain(true);
    let witness = rig.client("witness");
    rig.subscribe(witness, "#", QoS::AtMostOnce);
    let greedy = rig.client("greedy");
    for topic in ["a", "b"] {
        assert_eq!(rig.publish_for_reason(greedy, kept(topic)), ReasonCode::SUCCESS);
    }
    // A session that ends takes nothing with it, and a new one begins with what is there.
    rig.cut(greedy);
    let greedy = rig.client("greedy");
    rig.take(witness);
    assert_eq!(rig.publish_for_reason(greedy, kept("c")), ReasonCode::QUOTA_EXCEEDED);
    let words = rig.devices[greedy].acknowledged.last().unwrap().properties.reason_string();
    assert!(words.is_some_and(|words| words.contains("the client has")));
    assert!(rig.take(witness).is_empty(), "what is refused is not delivered either");
    let refusals = rig.notices.iter().filter(|notice| {
        matches!(notice, Notice::Dropped { client_id: Some(id), why: DropReason::Refused(reason), .. }
            if id.as_str() == "greedy" && *reason == ReasonCode::QUOTA_EXCEEDED)
    });
    assert_eq!(refusals.count(), 1);
    // What another client writes over is that one's, and makes room.
    let other = rig.client("other");
    assert_eq!(rig.publish_for_reason(other, kept("a")), ReasonCode::SUCCESS);
    assert_eq!(rig.publish_for_reason(other, kept("d")), ReasonCode::SUCCESS);
    assert_eq!(rig.publish_for_reason(greedy, kept("c")), ReasonCode::SUCCESS);
    assert_eq!(rig.publish_for_reason(other, kept("b")), ReasonCode::QUOTA_EXCEEDED);
    // What the server publishes itself counts for nobody.
    for n in 0..10 {
        rig.broker.publish(rig.now, message(&n.to_string(), "x").with_retain(true)).unwrap();
    }
    let mut rig = Rig::new(Config { maximum_retained_bytes_per_client: 10 + "device".len(), ..Config::default() });
    let (device, other) = (rig.client("device"), rig.client("other"));
    for (device, payload, reason) in [(device, "0123456789", 0x97), (device, "012345678", 0x10), (other, "01234", 0x10)]
    {
        let message = at(QoS::AtLeastOnce, "a", payload).with_retain(true);
        assert_eq!(rig.publish_for_reason(device, message).0, reason);
    }
}
