//! What outlives a connection, for how long, and what does not.

use mqtt_broker::Config;
use mqtt_proto::{Connect, Disconnect, QoS, ReasonCode, Session, Version};

use crate::rig::{Rig, at, message, text, v5, v311};

fn again(id: &str) -> Connect {
    v5(id).with_clean_start(false).with_session_expiry_interval(u32::MAX)
}

fn goodbye() -> Disconnect {
    Disconnect::new(ReasonCode::SUCCESS)
}

// MQTT-3.1.2-4, MQTT-3.1.2-5, MQTT-3.1.2-6, MQTT-3.1.4-4, MQTT-3.2.2-2, MQTT-3.2.2-3; 3.1.1: MQTT-3.1.2-4, MQTT-3.1.2-6,
// MQTT-3.1.4-3, MQTT-3.2.2-1, MQTT-3.2.2-2, MQTT-3.2.2-3; MQTT-3.1.3-2 of both; D31-cleansession
#[test]
fn a_session_is_found_again_unless_a_clean_start_ended_it() {
    for version in [Version::V31, Version::V311, Version::V5] {
        let mut rig = Rig::new(Config::default());
        let lasting = |clean| {
            let connect = Connect::new(version, text("c")).with_clean_start(clean);
            if version == Version::V5 { connect.with_session_expiry_interval(u32::MAX) } else { connect }
        };
        let publisher = rig.client("publisher");
        let first = rig.connect(lasting(false));
        assert!(!rig.session_present(first), "there is none yet");
        rig.subscribe(first, "a", QoS::AtLeastOnce);
        let session = rig.cut(first);
        rig.publish(publisher, at(QoS::AtLeastOnce, "a", "1"));
        let second = rig.resume(lasting(false), session);
        // 3.1 cannot say it.
        assert_eq!(rig.session_present(second), version != Version::V31);
        assert_eq!(rig.received(second), ["a=1"]);
        rig.publish(publisher, at(QoS::AtLeastOnce, "a", "2"));
        assert_eq!(rig.received(second), ["a=2"], "it is subscribed still");
        rig.cut(second);
        rig.publish(publisher, at(QoS::AtLeastOnce, "a", "3"));
        let third = rig.connect(lasting(true));
        assert!(!rig.session_present(third));
        rig.publish(publisher, at(QoS::AtLeastOnce, "a", "4"));
        assert!(rig.received(third).is_empty(), "neither the message nor the subscription is left");
        if version != Version::V5 {
            // In 3.x a clean session ends with its connection.
            rig.cut(third);
            let fourth = rig.connect(lasting(false));
            assert!(!rig.session_present(fourth));
        }
    }
}

// MQTT-3.1.2-23, MQTT-4.1.0-2, U5-3.1.2.11.2
#[test]
fn a_session_expires_at_its_moment() {
    for (interval, waited, survives) in
        [(None, 0, false), (Some(0), 0, false), (Some(10), 9_999, true), (Some(10), 10_000, false)]
    {
        let mut rig = Rig::new(Config::default());
        let connect = v5("c").with_clean_start(false);
        let device = rig.connect(interval.into_iter().fold(connect, Connect::with_session_expiry_interval));
        let session = rig.disconnect(device, goodbye());
        rig.advance(std::time::Duration::from_millis(waited));
        let device = rig.resume(again("c"), session);
        assert_eq!(rig.session_present(device), survives, "{interval:?} after {waited} ms");
    }
    let mut rig = Rig::new(Config { status_interval: std::time::Duration::ZERO, ..Config::default() });
    let device = rig.connect(again("c"));
    let session = rig.disconnect(device, goodbye());
    rig.advance_secs(100 * 365 * 86_400);
    let device = rig.resume(again("c"), session);
    assert!(rig.session_present(device), "0xFFFFFFFF never ends");
}

// 5.0 section 3.14.2.2.2
#[test]
fn disconnect_may_change_how_long_the_session_lasts() {
    let mut rig = Rig::new(Config::default());
    let device = rig.connect(v5("c").with_session_expiry_interval(10));
    let session = rig.disconnect(device, goodbye().with_session_expiry_interval(100));
    rig.advance_secs(99);
    let device = rig.resume(v5("c").with_clean_start(false).with_session_expiry_interval(10), session);
    assert!(rig.session_present(device));
    let session = rig.disconnect(device, goodbye().with_session_expiry_interval(0));
    let device = rig.resume(again("c"), session);
    assert!(!rig.session_present(device));
}

#[test]
fn a_session_that_is_taken_up_in_time_does_not_expire_behind_its_clients_back() {
    let mut rig = Rig::new(Config::default());
    let publisher = rig.client("publisher");
    let connect = v5("c").with_clean_start(false).with_session_expiry_interval(10).with_keep_alive(0);
    let device = rig.connect(connect.clone());
    rig.subscribe(device, "a", QoS::AtLeastOnce);
    let session = rig.cut(device);
    rig.advance_secs(9);
    let device = rig.resume(connect, session);
    rig.advance_secs(1_000);
    rig.publish(publisher, message("a", "x"));
    assert_eq!(rig.received(device), ["a=x"]);
}

// MQTT-4.4.0-1; bugs 47, 48, 52
#[test]
fn unacknowledged_messages_come_again_with_dup_and_before_new_ones() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut rig = Rig::new(Config::default());
        let publisher = rig.client("publisher");
        let device = rig.connect(again("c"));
        rig.subscribe(device, "a", qos);
        rig.devices[device].is_deaf = true;
        rig.publish(publisher, at(qos, "a", "1"));
        rig.publish(publisher, at(qos, "a", "2"));
        let session = rig.cut(device);
        rig.publish(publisher, at(qos, "a", "3"));
        let device = rig.resume(again("c"), session);
        assert_eq!(rig.received(device), ["a=1", "a=2", "a=3"]);
        assert_eq!(rig.devices[device].dups, [true, true, false]);
    }
}

// MQTT-3.1.2-5 of 3.1.1; the queue of QoS 0 is a choice that both standards leave
#[test]
fn messages_of_qos_0_wait_only_where_that_is_wanted() {
    for queue_qos0 in [false, true] {
        let mut rig = Rig::new(Config { queue_qos0, ..Config::default() });
        let publisher = rig.client("publisher");
        let device = rig.connect(again("c"));
        rig.subscribe(device, "a", QoS::AtLeastOnce);
        let session = rig.cut(device);
        for (qos, payload) in [(QoS::AtMostOnce, "0"), (QoS::AtLeastOnce, "1"), (QoS::ExactlyOnce, "2")] {
            rig.publish(publisher, at(qos, "a", payload));
        }
        let device = rig.resume(again("c"), session);
        let expected: &[&str] = if queue_qos0 { &["a=0", "a=1", "a=2"] } else { &["a=1", "a=2"] };
        assert_eq!(rig.received(device), expected);
    }
}

// Bug 87
#[test]
fn of_too_many_sessions_the_one_away_for_the_longest_time_ends() {
    for maximum in [0, 1, 3] {
        let mut rig = Rig::new(Config { maximum_sessions: maximum, ..Config::default() });
        for n in 0..=maximum {
            let device = rig.connect(again(&n.to_string()));
            rig.cut(device);
            rig.advance_secs(1);
        }
        for n in (0..=maximum).rev() {
            let device = rig.resume(again(&n.to_string()), Session::continued());
            assert_eq!(rig.session_present(device), n > 0 && maximum > 0, "{n} of {maximum}");
        }
    }
}

#[test]
fn a_session_is_not_for_another_user() {
    let mut rig = Rig::new(Config::default());
    let publisher = rig.client("publisher");
    let as_user = |user: &str| again("c").with_credentials(text(user), None);
    let device = rig.connect(as_user("alice"));
    rig.subscribe(device, "a", QoS::AtLeastOnce);
    rig.cut(device);
    rig.publish(publisher, at(QoS::AtLeastOnce, "a", "for alice"));
    let device = rig.connect(as_user("mallory"));
    assert!(!rig.session_present(device));
    assert!(rig.received(device).is_empty());
}

// MQTT-3.1.2-7 of 3.1.1
#[test]
fn retained_messages_outlive_the_session_that_published_them() {
    let mut rig = Rig::new(Config::default());
    let publisher = rig.connect(v311("publisher"));
    rig.publish(publisher, message("a", "x").with_retain(true));
    rig.cut(publisher);
    let subscriber = rig.client("subscriber");
    rig.subscribe(subscriber, "a", QoS::AtMostOnce);
    assert_eq!(rig.received(subscriber), ["a=x"]);
}

// MQTT-3.10.4-1, MQTT-3.10.4-2, MQTT-3.10.4-3, MQTT-3.10.4-4, MQTT-3.10.4-5 of both
#[test]
fn unsubscribing_ends_what_comes_and_not_what_has_begun() {
    for version in [Version::V311, Version::V5] {
        // 3.1.1 says nothing but that the answer is there.
        let told = |reason| (version == Version::V5).then_some(reason);
        let mut rig = Rig::new(Config::default());
        let (publisher, device) = (rig.client("publisher"), rig.connect(Connect::new(version, text("c"))));
        rig.subscribe(device, "a/+", QoS::ExactlyOnce);
        rig.subscribe(device, "a/b", QoS::ExactlyOnce);
        assert_eq!(rig.unsubscribe(device, "a/c"), told(ReasonCode::NO_SUBSCRIPTION_EXISTED));
        assert_eq!(rig.unsubscribe(device, "a/+"), told(ReasonCode::SUCCESS));
        assert_eq!(rig.unsubscribe(device, "a/+"), told(ReasonCode::NO_SUBSCRIPTION_EXISTED));
        rig.publish(publisher, at(QoS::ExactlyOnce, "a/c", "no"));
        assert!(rig.received(device).is_empty());
        rig.devices[device].holds_acks = true;
        rig.publish(publisher, at(QoS::ExactlyOnce, "a/b", "begun"));
        rig.unsubscribe(device, "a/b");
        assert_eq!(rig.received(device), ["a/b=begun"]);
        rig.ack_all(device);
        let link = &rig.links[&rig.devices[device].peer];
        assert!(link.session().is_empty(), "the handshake has come to its end");
    }
}

// MQTT-4.3.3-10, MQTT-4.3.3-13; bugs 37, 44
#[test]
fn a_qos_2_message_that_is_sent_again_after_a_cut_is_published_once() {
    let mut rig = Rig::new(Config::default());
    let subscriber = rig.client("subscriber");
    rig.subscribe(subscriber, "a", QoS::ExactlyOnce);
    let publisher = rig.connect(again("publisher"));
    rig.devices[publisher].is_deaf = true;
    rig.publish(publisher, at(QoS::ExactlyOnce, "a", "x").with_message_expiry_interval(1));
    let session = rig.cut(publisher);
    assert_eq!(session.unacknowledged().count(), 1);
    rig.advance_secs(5);
    let publisher = rig.resume(again("publisher"), session);
    assert_eq!(rig.received(subscriber), ["a=x"]);
    assert_eq!(rig.devices[publisher].acknowledged.len(), 1);
}

// The link may break before its owner has carried out what the broker decided.
#[test]
fn a_session_survives_an_acceptance_that_was_never_carried_out() {
    let mut rig = Rig::new(Config::default());
    let publisher = rig.client("publisher");
    let device = rig.connect(again("c"));
    rig.subscribe(device, "a", QoS::AtLeastOnce);
    rig.devices[device].is_deaf = true;
    rig.publish(publisher, at(QoS::AtLeastOnce, "a", "x"));
    let session = rig.cut(device);
    let (now, peer) = (rig.now, mqtt_broker::Peer::new(1_000));
    rig.broker.handle_open(now, peer, mqtt_broker::Origin::default()).unwrap();
    rig.broker.handle_event(now, peer, mqtt_proto::ServerEvent::Connect(Box::new(again("c"))));
    rig.broker.handle_closed(now, peer, &mqtt_proto::Closed::Eof, Session::new());
    assert!(rig.broker.poll_action().is_none());
    let device = rig.resume(again("c"), session);
    assert!(rig.session_present(device));
    assert_eq!(rig.received(device), ["a=x"]);
}

// Bug 19, 41: nothing is left of clients that are gone.
#[test]
fn after_much_coming_and_going_nothing_is_left() {
    let mut rig = Rig::new(Config::default());
    let publisher = rig.client("publisher");
    for n in 0..200 {
        let lasting = n % 3 == 0;
        let id = format!("client-{}", n % 20);
        let connect = v5(&id).with_clean_start(n % 2 == 0).with_session_expiry_interval(if lasting { 5 } else { 0 });
        let device = rig.resume(connect, Session::continued());
        rig.subscribe(device, &format!("a/{}/#", n % 7), QoS::ExactlyOnce);
        rig.subscribe(device, "$share/g/a/+", QoS::AtLeastOnce);
        rig.devices[device].holds_acks = true;
        rig.publish(publisher, at(QoS::ExactlyOnce, &format!("a/{}", n % 7), "x").with_message_expiry_interval(3));
        rig.cut(device);
        rig.publish(publisher, at(QoS::ExactlyOnce, &format!("a/{}", n % 7), "y"));
    }
    rig.cut(publisher);
    rig.advance_secs(10);
    let left = format!("{:?}", rig.broker);
    assert!(left.contains("links: 0, clients: 0, messages: 0"), "{left}");
}
