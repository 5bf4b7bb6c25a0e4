//! Limits, each at 0, at 1, at its end and one beyond.

use std::num::{NonZeroU16, NonZeroU32};

use mqtt_broker::{Config, DropReason, Notice};
use mqtt_proto::{Closed, Connect, QoS, ReasonCode, Session, Version};

use crate::rig::{Rig, at, message, text, v5, v311};

fn lasting(id: &str) -> Connect {
    v5(id).with_clean_start(false).with_session_expiry_interval(60)
}

fn dropped(rig: &Rig, reason: DropReason) -> usize {
    let is_it = |notice: &&Notice| matches!(notice, Notice::Dropped { why, .. } if *why == reason);
    rig.notices.iter().filter(is_it).count()
}

// Bugs 56, 80
#[test]
fn for_a_client_that_is_away_as_many_messages_wait_as_the_limit_says_the_oldest_ones() {
    for maximum in [0, 1, 3, usize::MAX] {
        let mut rig = Rig::new(Config { maximum_queued_messages: maximum, ..Config::default() });
        let publisher = rig.client("publisher");
        let device = rig.connect(lasting("away"));
        rig.subscribe(device, "a", QoS::AtLeastOnce);
        let session = rig.cut(device);
        for n in 0..5 {
            assert_eq!(
                rig.publish_for_reason(publisher, at(QoS::AtLeastOnce, "a", &n.to_string())),
                ReasonCode::SUCCESS
            );
        }
        let device = rig.resume(lasting("away"), session);
        let kept = maximum.min(5);
        let expected: Vec<String> = (0..kept).map(|n| format!("a={n}")).collect();
        assert_eq!(rig.received(device), expected);
        assert_eq!(dropped(&rig, DropReason::QueueFull), 5 - kept);
    }
}

#[test]
fn bytes_that_wait_are_counted_with_topics_and_properties() {
    // Topic 1, payload 9: ten bytes each.
    for (maximum, kept) in [(0, 0), (9, 0), (10, 1), (29, 2), (30, 3)] {
        let mut rig = Rig::new(Config { maximum_queued_bytes: maximum, ..Config::default() });
        let publisher = rig.client("publisher");
        let device = rig.connect(lasting("away"));
        rig.subscribe(device, "a", QoS::AtLeastOnce);
        let session = rig.cut(device);
        for _ in 0..5 {
            rig.publish(publisher, at(QoS::AtLeastOnce, "a", "123456789"));
        }
        let device = rig.resume(lasting("away"), session);
        assert_eq!(rig.take(device).len(), kept, "{maximum}");
    }
    let mut rig = Rig::new(Config { maximum_queued_bytes: 20, ..Config::default() });
    let publisher = rig.client("publisher");
    let device = rig.connect(lasting("away"));
    rig.subscribe(device, "a", QoS::AtLeastOnce);
    let session = rig.cut(device);
    let with_property = at(QoS::AtLeastOnce, "a", "x").with_user_property(text("name"), text("a long value"));
    rig.publish(publisher, with_property);
    let device = rig.resume(lasting("away"), session);
    assert!(rig.take(device).is_empty());
}

// Bugs 76, 81: many queues share one budget, and a message that waits in all of them counts once.
#[test]
fn all_queues_together_have_a_budget_that_those_pay_who_let_messages_wait() {
    let mut rig = Rig::new(Config { maximum_queued_bytes_total: 100, ..Config::default() });
    let (publisher, well) = (rig.client("publisher"), rig.client("well"));
    let away: Vec<usize> = (0..10).map(|n| rig.connect(lasting(&n.to_string()))).collect();
    for device in away.iter().chain([&well]) {
        rig.subscribe(*device, "a", QoS::AtLeastOnce);
    }
    let sessions: Vec<Session> = away.iter().map(|device| rig.cut(*device)).collect();
    for _ in 0..20 {
        rig.publish(publisher, at(QoS::AtLeastOnce, "a", "123456789"));
    }
    assert_eq!(rig.take(well).len(), 20, "who takes them at once gets them all");
    assert_eq!(dropped(&rig, DropReason::MemoryFull), 10 * 10);
    for (n, session) in sessions.into_iter().enumerate() {
        let device = rig.resume(lasting(&n.to_string()), session);
        assert_eq!(rig.take(device).len(), 10);
    }
    // There is room again.
    rig.cut(rig.devices.len() - 1);
    rig.publish(publisher, at(QoS::AtLeastOnce, "a", "123456789"));
    assert_eq!(dropped(&rig, DropReason::MemoryFull), 10 * 10);
}

// Bug 80: a slow consumer costs its own queue.
#[test]
fn a_client_that_does_not_read_loses_messages_and_others_do_not() {
    let mut rig = Rig::new(Config { maximum_queued_messages: 10, ..Config::default() });
    let (publisher, well, deaf) = (rig.client("publisher"), rig.client("well"), rig.client("deaf"));
    for device in [well, deaf] {
        rig.subscribe(device, "#", QoS::AtLeastOnce);
    }
    rig.devices[deaf].is_deaf = true;
    for n in 0..1_000 {
        rig.publish(publisher, at(QoS::AtLeastOnce, "a", &n.to_string()));
    }
    assert_eq!(rig.take(well).len(), 1_000);
    rig.devices[deaf].is_deaf = false;
    rig.settle();
    let received = rig.received(deaf);
    // A hundred in flight, ten that waited: the first ones, in order.
    let expected: Vec<String> = (0..110).map(|n| format!("a={n}")).collect();
    assert_eq!(received, expected);
    rig.publish(publisher, at(QoS::AtLeastOnce, "a", "again"));
    assert_eq!(rig.received(deaf), ["a=again"]);
}

// Bug 89, MQTT-3.3.4-9, MQTT-3.3.4-10; bug 55
#[test]
fn a_client_that_never_acknowledges_gets_its_window_and_all_other_packets() {
    let mut rig = Rig::new(Config { maximum_queued_messages: 0, ..Config::default() });
    let publisher = rig.client("publisher");
    let stuck = rig.connect(lasting("stuck").with_receive_maximum(NonZeroU16::new(3).unwrap()));
    rig.devices[stuck].holds_acks = true;
    rig.subscribe(stuck, "a", QoS::ExactlyOnce);
    for n in 0..10 {
        rig.publish(publisher, at(QoS::ExactlyOnce, "a", &n.to_string()));
    }
    // Three on their way, and one that waits although none may: a client that is there gets one.
    assert_eq!(rig.received(stuck), ["a=0", "a=1", "a=2"]);
    assert_eq!(dropped(&rig, DropReason::QueueFull), 6);
    assert_eq!(rig.subscribe(stuck, "b", QoS::AtMostOnce), ReasonCode::SUCCESS);
    rig.ack_all(stuck);
    assert_eq!(rig.received(stuck), ["a=3"]);
}

// Bugs 76, 81: a window of a hundred is no window for large messages.
#[test]
fn large_messages_on_their_way_count_against_the_limit_of_their_client() {
    const LEN: usize = 100_000;
    let mut rig = Rig::new(Config { maximum_queued_bytes: 3 * LEN, ..Config::default() });
    let publisher = rig.client("publisher");
    let stuck = rig.connect(lasting("stuck"));
    rig.devices[stuck].holds_acks = true;
    rig.subscribe(stuck, "a", QoS::AtLeastOnce);
    let payload = |n: usize| format!("{n}{}", "x".repeat(LEN));
    for n in 0..9 {
        rig.publish(publisher, at(QoS::AtLeastOnce, "a", &payload(n)));
    }
    assert_eq!(rig.take(stuck).len(), 3);
    assert_eq!(dropped(&rig, DropReason::QueueFull), 5, "one waits");
    rig.ack_all(stuck);
    assert_eq!(rig.take(stuck).len(), 1);
    rig.ack_all(stuck);
    rig.devices[stuck].holds_acks = false;
    for n in 0..9 {
        rig.publish(publisher, at(QoS::AtLeastOnce, "a", &payload(n)));
    }
    assert_eq!(rig.take(stuck).len(), 9);
}

#[test]
fn expired_messages_make_room_for_new_ones() {
    let mut rig = Rig::new(Config { maximum_queued_messages: 2, ..Config::default() });
    let publisher = rig.connect(v5("publisher").with_keep_alive(0));
    let device = rig.connect(lasting("away"));
    rig.subscribe(device, "a", QoS::AtLeastOnce);
    let session = rig.cut(device);
    for seconds in [5, 50] {
        let message = at(QoS::AtLeastOnce, "a", &seconds.to_string());
        rig.publish(publisher, message.with_message_expiry_interval(seconds));
    }
    rig.publish(publisher, at(QoS::AtLeastOnce, "a", "too early"));
    rig.advance_secs(5);
    rig.publish(publisher, at(QoS::AtLeastOnce, "a", "in time"));
    let device = rig.resume(lasting("away"), session);
    assert_eq!(rig.received(device), ["a=50", "a=in time"]);
}

// Bug 40
#[test]
fn a_client_has_a_limited_number_of_subscriptions() {
    for maximum in [0, 1, 3] {
        let mut rig = Rig::new(Config { maximum_subscriptions: maximum, ..Config::default() });
        let device = rig.client("c");
        for n in 0..maximum {
            assert_eq!(rig.subscribe(device, &n.to_string(), QoS::AtMostOnce), ReasonCode::SUCCESS);
        }
        assert_eq!(rig.subscribe(device, "more", QoS::AtMostOnce), ReasonCode::QUOTA_EXCEEDED);
        let words = rig.devices[device].subacks.last().unwrap().properties().reason_string().map(str::to_owned);
        assert_eq!(words.as_deref(), Some("the client has as many subscriptions, or as long ones, as it may"));
        if maximum > 0 {
            assert_eq!(rig.subscribe(device, "0", QoS::AtLeastOnce), ReasonCode::GRANTED_QOS_1, "a replacement");
            rig.unsubscribe(device, "0");
            assert_eq!(rig.subscribe(device, "more", QoS::AtMostOnce), ReasonCode::SUCCESS);
        }
    }
}

#[test]
fn the_filters_of_a_client_have_a_limited_length_together() {
    let mut rig = Rig::new(Config { maximum_subscription_bytes: 10, ..Config::default() });
    let device = rig.lasting("c");
    assert_eq!(rig.subscribe(device, "12345678901", QoS::AtMostOnce), ReasonCode::QUOTA_EXCEEDED);
    for filter in ["1234", "123456", "1234"] {
        assert_eq!(rig.subscribe(device, filter, QoS::AtMostOnce), ReasonCode::SUCCESS, "{filter}");
    }
    assert_eq!(rig.subscribe(device, "1", QoS::AtMostOnce), ReasonCode::QUOTA_EXCEEDED);
    let session = rig.cut(device);
    let device = rig.resume(v5("c").with_clean_start(false), session);
    assert_eq!(rig.subscribe(device, "1", QoS::AtMostOnce), ReasonCode::QUOTA_EXCEEDED, "they last with the session");
    rig.unsubscribe(device, "1234");
    rig.unsubscribe(device, "1234");
    assert_eq!(rig.subscribe(device, "1", QoS::AtMostOnce), ReasonCode::SUCCESS);
}

// Bug 30
#[test]
fn topics_and_filters_have_a_limited_number_of_levels() {
    for maximum in [1, 3, 32_768] {
        let mut rig = Rig::new(Config { maximum_topic_levels: maximum, ..Config::default() });
        let (publisher, device) = (rig.client("publisher"), rig.client("c"));
        let deepest = "/".repeat(maximum - 1) + "a";
        assert_eq!(rig.subscribe(device, &deepest, QoS::AtLeastOnce), ReasonCode::GRANTED_QOS_1);
        assert_eq!(rig.publish_for_reason(publisher, at(QoS::AtLeastOnce, &deepest, "x")), ReasonCode::SUCCESS);
        assert_eq!(rig.take(device).len(), 1);
        assert_eq!(rig.unsubscribe(device, &deepest), Some(ReasonCode::SUCCESS));
        let too_deep = format!("/{deepest}");
        assert_eq!(rig.subscribe(device, &too_deep, QoS::AtLeastOnce), ReasonCode::TOPIC_FILTER_INVALID);
        let shared = format!("$share/g/{deepest}");
        assert_eq!(rig.subscribe(device, &shared, QoS::AtLeastOnce), ReasonCode::GRANTED_QOS_1, "the share aside");
        let reason = rig.publish_for_reason(publisher, at(QoS::AtLeastOnce, &too_deep, "x"));
        assert_eq!(reason, ReasonCode::TOPIC_NAME_INVALID);
    }
    let mut rig = Rig::new(Config { maximum_topic_levels: 0, ..Config::default() });
    let device = rig.client("c");
    assert_eq!(rig.subscribe(device, "a", QoS::AtLeastOnce), ReasonCode::TOPIC_FILTER_INVALID);
}

// Bug 56: a limit of none is not a limit of zero.
#[test]
fn a_payload_may_be_as_large_as_the_limit() {
    for (limit, len, reason) in
        [(None, 100_000, 0x10), (Some(0), 0, 0x10), (Some(0), 1, 0x97), (Some(5), 5, 0x10), (Some(5), 6, 0x97)]
    {
        let mut rig = Rig::new(Config { message_size_limit: limit, ..Config::default() });
        let publisher = rig.client("publisher");
        let reason_given = rig.publish_for_reason(publisher, at(QoS::AtLeastOnce, "a", &"x".repeat(len)));
        assert_eq!(reason_given.0, reason, "{limit:?} {len}");
    }
}

// MQTT-3.1.2-24, MQTT-3.1.2-25; bug 70
#[test]
fn a_message_that_is_too_large_for_one_subscriber_is_dropped_for_it_alone() {
    let mut rig = Rig::new(Config::default());
    let (publisher, large) = (rig.client("publisher"), rig.client("large"));
    // 2 bytes of header, 2 + 1 of topic, 2 of packet identifier, 1 of properties: a payload of 12 fits.
    let small = rig.connect(v5("small").with_maximum_packet_size(NonZeroU32::new(20).unwrap()));
    for device in [large, small] {
        rig.subscribe(device, "a", QoS::AtLeastOnce);
    }
    for len in [12, 13, 0] {
        rig.publish(publisher, at(QoS::AtLeastOnce, "a", &"x".repeat(len)));
    }
    let lens = |rig: &mut Rig, device| rig.take(device).iter().map(|message| message.payload.len()).collect::<Vec<_>>();
    assert_eq!(lens(&mut rig, large), [12, 13, 0]);
    assert_eq!(lens(&mut rig, small), [12, 0]);
    assert_eq!(dropped(&rig, DropReason::Unsendable), 1);
}

// U5-3.3.4a, U5-3.2.2.3.6; bugs 53, 54
#[test]
fn what_the_server_announces_it_enforces() {
    let config = Config { receive_maximum: NonZeroU16::new(5).unwrap(), maximum_packet_size: 100, ..Config::default() };
    let mut rig = Rig::new(config);
    let device = rig.client("c");
    let connack = rig.devices[device].connack.clone().unwrap();
    assert_eq!(connack.properties().receive_maximum().map(NonZeroU16::get), Some(5));
    assert_eq!(connack.properties().maximum_packet_size().map(NonZeroU32::get), Some(100));
    // A PUBLISH of 101 bytes, which our client would not send.
    let peer = rig.devices[device].peer;
    let mut packet = vec![0x30, 99, 0, 1, b'a', 0];
    packet.resize(101, b'x');
    let now = rig.now;
    rig.links.get_mut(&peer).unwrap().handle_input(now, &mut bytes::BytesMut::from(&packet[..]));
    rig.settle();
    let Some(Closed::Remote(disconnect)) = &rig.devices[device].closed else { panic!("no DISCONNECT") };
    assert_eq!(disconnect.reason, ReasonCode::PACKET_TOO_LARGE);
}

// D31-suback; 3.1.1: MQTT-3.9.3-1
#[test]
fn a_refused_filter_is_told_as_the_version_can() {
    for (version, reason) in [(Version::V5, 0x97), (Version::V311, 0x80), (Version::V31, 0x01)] {
        let mut rig = Rig::new(Config { maximum_subscriptions: 0, ..Config::default() });
        let publisher = rig.client("publisher");
        let device = rig.connect(Connect::new(version, text("c")));
        assert_eq!(rig.subscribe(device, "a", QoS::AtLeastOnce).0, reason);
        rig.publish(publisher, message("a", "x"));
        assert!(rig.take(device).is_empty());
    }
}

// MQTT-3.3.5-2 of 3.1.1
#[test]
fn a_refused_message_of_3_x_is_acknowledged_and_dropped() {
    let mut rig = Rig::new(Config { message_size_limit: Some(1), ..Config::default() });
    let (publisher, witness) = (rig.connect(v311("publisher")), rig.client("witness"));
    rig.subscribe(witness, "a", QoS::AtLeastOnce);
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        assert_eq!(rig.publish_for_reason(publisher, at(qos, "a", "xx")), ReasonCode::SUCCESS);
    }
    assert!(rig.take(witness).is_empty());
}

// Bugs 56, 90
#[test]
fn a_server_of_nothing_but_zeros_works_as_far_as_it_goes() {
    let config = Config {
        maximum_unauthenticated: 0,
        connect_timeout: std::time::Duration::ZERO,
        maximum_queued_messages: 0,
        maximum_queued_bytes: 0,
        maximum_queued_bytes_total: 0,
        maximum_retained_messages: 0,
        maximum_retained_bytes: 0,
        topic_alias_maximum: 0,
        maximum_session_expiry: Some(0),
        maximum_sessions: 0,
        message_size_limit: Some(0),
        assigned_id_prefix: text(""),
        response_information: Some(text("")),
        status_interval: std::time::Duration::ZERO,
        ..Config::default()
    };
    let mut rig = Rig::new(config);
    let (publisher, nobody) = (rig.client("publisher"), rig.connect(v5("").with_request_response_information(true)));
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        rig.subscribe(nobody, "a", qos);
        rig.subscribe(nobody, "$share/g/a", qos);
        rig.publish(publisher, at(qos, "a", "").with_message_expiry_interval(0));
        rig.publish(publisher, at(qos, "a", "x"));
        rig.publish(publisher, at(qos, "a", "").with_retain(true));
    }
    assert_eq!(rig.take(nobody).len(), 6, "the empty ones, and the copy for the group finds the one place taken");
    let lasting = rig.connect(lasting("lasting"));
    let session = rig.cut(lasting);
    rig.advance_secs(1);
    let again = rig.resume(v5("lasting").with_clean_start(false), session);
    assert!(!rig.session_present(again));
}
