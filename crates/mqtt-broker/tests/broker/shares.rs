//! Shared subscriptions: one member of each group gets a message, also when members come and go.

use mqtt_broker::Config;
use mqtt_proto::{Connect, Disconnect, QoS, ReasonCode, Session, Subscribe};

use crate::rig::{Rig, at, message, subscription, v5, v311};

const GROUP: &str = "$share/group/job/+";

fn lasting(id: &str) -> Connect {
    v5(id).with_clean_start(false).with_session_expiry_interval(60).with_keep_alive(0)
}

/// Members that do not acknowledge, so that the first message is on its way and all others wait.
fn members(rig: &mut Rig, count: usize, qos: QoS) -> Vec<usize> {
    (0..count)
        .map(|n| {
            let one = std::num::NonZeroU16::MIN;
            let device = rig.connect(lasting(&format!("member-{n}")).with_receive_maximum(one));
            rig.devices[device].holds_acks = true;
            rig.subscribe(device, GROUP, qos);
            device
        })
        .collect()
}

// U5-4.8.2a, MQTT-4.8.2-1
#[test]
fn each_message_goes_to_one_member_and_all_get_about_as_many() {
    let mut rig = Rig::new(Config::default());
    let publisher = rig.client("publisher");
    let members: Vec<usize> =
        (0..4).map(|n| rig.connect(if n == 0 { v311("old") } else { v5(&n.to_string()) })).collect();
    for member in &members {
        rig.subscribe(*member, GROUP, QoS::AtLeastOnce);
    }
    for n in 0..1_000 {
        rig.publish(publisher, at(QoS::AtLeastOnce, "job/x", &n.to_string()));
    }
    let counts: Vec<usize> = members.iter().map(|member| rig.take(*member).len()).collect();
    assert_eq!(counts.iter().sum::<usize>(), 1_000);
    assert!(counts.iter().all(|count| (200..300).contains(count)), "{counts:?}");
}

// Section 4.7 of 3.1.1 makes no exception for $share.
#[test]
fn what_is_no_group_is_an_ordinary_filter_of_a_3_1_1_client() {
    let mut rig = Rig::new(Config::default());
    let (publisher, old) = (rig.client("publisher"), rig.connect(v311("old")));
    for filter in ["$share/job", "$share/+/x"] {
        assert_eq!(rig.subscribe(old, filter, QoS::AtMostOnce), ReasonCode::SUCCESS);
    }
    rig.publish(publisher, message("job", "for no group"));
    rig.publish(publisher, message("$share/job", "1"));
    rig.publish(publisher, message("$share/job/x", "2"));
    assert_eq!(rig.received(old), ["$share/job=1", "$share/job/x=2"]);
    assert_eq!(rig.unsubscribe(old, "$share/+/x"), None, "UNSUBACK of 3.1.1 has no reasons");
}

#[test]
fn the_same_seed_makes_the_same_choice() {
    let choices = |seed| {
        let mut rig = Rig::new(Config { seed, ..Config::default() });
        let publisher = rig.client("publisher");
        let members = [rig.client("a"), rig.client("b"), rig.client("c")];
        members.iter().for_each(|member| assert!(!rig.subscribe(*member, GROUP, QoS::AtMostOnce).is_failure()));
        for n in 0..50 {
            rig.publish(publisher, message("job/x", &n.to_string()));
        }
        members.map(|member| rig.received(member))
    };
    assert_eq!(choices(1), choices(1));
    assert_ne!(choices(1), choices(2));
}

// U5-4.8.2a, U5-4.8.2b
#[test]
fn groups_and_plain_subscriptions_are_independent() {
    let mut rig = Rig::new(Config::default());
    let (publisher, a, b) = (rig.client("publisher"), rig.client("a"), rig.client("b"));
    for filter in ["$share/one/job/+", "$share/two/job/+", "$share/one/job/#", "job/x"] {
        rig.subscribe(a, filter, QoS::AtMostOnce);
        rig.subscribe(b, filter, QoS::AtMostOnce);
    }
    rig.publish(publisher, message("job/x", "1"));
    // Three groups and two plain subscriptions.
    assert_eq!(rig.take(a).len() + rig.take(b).len(), 5);
}

// MQTT-4.8.2-3
#[test]
fn a_member_gets_its_own_qos_identifier_and_retain_flag() {
    let mut rig = Rig::new(Config::default());
    let (publisher, member) = (rig.client("publisher"), rig.client("member"));
    let mut shared = subscription(GROUP, QoS::AtLeastOnce);
    shared.retain_as_published = true;
    let id = mqtt_proto::SubscriptionId::new(77).unwrap();
    rig.subscribe_with(member, Subscribe::new(vec![shared]).with_subscription_identifier(id));
    rig.publish(publisher, at(QoS::ExactlyOnce, "job/x", "").with_retain(true));
    let received = rig.take(member).remove(0);
    assert_eq!((received.qos, received.retain), (QoS::AtLeastOnce, true));
    assert_eq!(received.properties().subscription_identifiers().next(), Some(id));
}

// U5-3.8.4, bug 39
#[test]
fn retained_messages_are_not_for_groups() {
    let mut rig = Rig::new(Config::default());
    let (publisher, member) = (rig.client("publisher"), rig.client("member"));
    rig.publish(publisher, message("job/x", "old").with_retain(true));
    rig.subscribe(member, GROUP, QoS::AtLeastOnce);
    assert!(rig.received(member).is_empty());
}

// MQTT-3.8.3-4
#[test]
fn no_local_in_a_group_is_a_protocol_error() {
    let mut rig = Rig::new(Config::default());
    let member = rig.client("member");
    // Our client would not send it.
    let peer = rig.devices[member].peer;
    let packet = b"\x82\x11\x00\x01\x00\x00\x0b$share/g/ab\x04";
    let now = rig.now;
    rig.links.get_mut(&peer).unwrap().handle_input(now, &mut bytes::BytesMut::from(&packet[..]));
    rig.settle();
    let Some(mqtt_proto::Closed::Remote(disconnect)) = &rig.devices[member].closed else { panic!("no DISCONNECT") };
    assert_eq!(disconnect.reason, ReasonCode::PROTOCOL_ERROR);
}

#[test]
fn members_that_are_there_go_before_those_that_are_away() {
    let mut rig = Rig::new(Config::default());
    let publisher = rig.connect(v5("publisher").with_keep_alive(0));
    let members = [rig.connect(lasting("a")), rig.connect(lasting("b"))];
    members.iter().for_each(|member| assert!(!rig.subscribe(*member, GROUP, QoS::AtLeastOnce).is_failure()));
    let away = rig.cut(members[0]);
    for n in 0..10 {
        rig.publish(publisher, at(QoS::AtLeastOnce, "job/x", &n.to_string()));
    }
    assert_eq!(rig.take(members[1]).len(), 10);
    // With nobody there they wait for the first that comes.
    rig.cut(members[1]);
    rig.publish(publisher, at(QoS::AtLeastOnce, "job/x", "late"));
    let back = [rig.resume(lasting("a"), away), rig.resume(lasting("b"), Session::continued())];
    assert_eq!(back.map(|device| rig.take(device).len()).iter().sum::<usize>(), 1);
}

// MQTT-4.8.2-4; section 4.8.2 leaves it to us what becomes of messages that wait.
#[test]
fn what_waits_moves_when_a_member_loses_its_connection_and_what_is_on_its_way_stays() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut rig = Rig::new(Config::default());
        let publisher = rig.connect(v5("publisher").with_keep_alive(0));
        let members = members(&mut rig, 2, qos);
        for n in 0..20 {
            rig.publish(publisher, at(qos, "job/x", &n.to_string()));
        }
        let on_its_way = rig.received(members[0]);
        assert_eq!(on_its_way.len(), 1);
        let session = rig.cut(members[0]);
        rig.devices[members[1]].holds_acks = false;
        rig.ack_all(members[1]);
        assert_eq!(rig.received(members[1]).len(), 19);
        let back = rig.resume(lasting("member-0"), session);
        // MQTT-4.8.2-4; at QoS 2 our client knows the message, and the handshake just goes on.
        let again: &[String] = if qos == QoS::AtLeastOnce { &on_its_way } else { &[] };
        assert_eq!(rig.received(back), again);
    }
}

// MQTT-4.8.2-5, and the SHOULD for QoS 1 of section 4.8.2
#[test]
fn when_a_members_session_ends_its_qos_1_messages_move_and_those_begun_at_qos_2_do_not() {
    for (qos, lost) in [(QoS::AtLeastOnce, 0), (QoS::ExactlyOnce, 1)] {
        for by_expiry in [false, true] {
            let mut rig = Rig::new(Config::default());
            let publisher = rig.connect(v5("publisher").with_keep_alive(0));
            let members = members(&mut rig, 2, qos);
            for n in 0..20 {
                rig.publish(publisher, at(qos, "job/x", &n.to_string()));
            }
            if by_expiry {
                rig.cut(members[0]);
                rig.advance_secs(60);
            } else {
                let goodbye = Disconnect::new(ReasonCode::SUCCESS).with_session_expiry_interval(0);
                rig.disconnect(members[0], goodbye);
            }
            rig.devices[members[1]].holds_acks = false;
            rig.ack_all(members[1]);
            assert_eq!(rig.received(members[1]).len(), 20 - lost, "{qos:?} {by_expiry}");
        }
    }
}

#[test]
fn what_waits_moves_when_a_member_unsubscribes() {
    let mut rig = Rig::new(Config::default());
    let publisher = rig.client("publisher");
    let members = members(&mut rig, 2, QoS::AtLeastOnce);
    for n in 0..20 {
        rig.publish(publisher, at(QoS::AtLeastOnce, "job/x", &n.to_string()));
    }
    rig.unsubscribe(members[0], GROUP);
    for member in &members {
        rig.devices[*member].holds_acks = false;
        rig.ack_all(*member);
    }
    assert_eq!(members.iter().map(|member| rig.take(*member).len()).collect::<Vec<_>>(), [1, 19]);
    // The last one keeps what it has.
    rig.devices[members[1]].holds_acks = true;
    rig.publish(publisher, at(QoS::AtLeastOnce, "job/x", "a"));
    rig.publish(publisher, at(QoS::AtLeastOnce, "job/x", "b"));
    rig.unsubscribe(members[1], GROUP);
    rig.ack_all(members[1]);
    assert_eq!(rig.received(members[1]), ["job/x=a", "job/x=b"]);
}

// MQTT-4.8.2-6
#[test]
fn a_message_that_a_member_refuses_goes_to_nobody_else() {
    let mut rig = Rig::new(Config::default());
    let publisher = rig.client("publisher");
    let members = members(&mut rig, 2, QoS::AtLeastOnce);
    rig.publish(publisher, at(QoS::AtLeastOnce, "job/x", "x"));
    let chosen = usize::from(rig.devices[members[0]].acks.is_empty());
    let ack = rig.devices[members[chosen]].acks.remove(0).with_reason(ReasonCode::UNSPECIFIED_ERROR);
    let now = rig.now;
    rig.devices[members[chosen]].connection.ack(now, ack).unwrap();
    rig.settle();
    let goodbye = Disconnect::new(ReasonCode::SUCCESS).with_session_expiry_interval(0);
    rig.disconnect(members[chosen], goodbye);
    assert!(rig.received(members[1 - chosen]).is_empty());
}

#[test]
fn a_member_that_is_stuck_does_not_hold_up_its_group() {
    let mut rig = Rig::new(Config { maximum_queued_messages: 5, ..Config::default() });
    let publisher = rig.client("publisher");
    let members = members(&mut rig, 2, QoS::AtLeastOnce);
    rig.devices[members[1]].holds_acks = false;
    for n in 0..200 {
        rig.publish(publisher, at(QoS::AtLeastOnce, "job/x", &n.to_string()));
    }
    let (stuck, well) = (rig.take(members[0]).len(), rig.take(members[1]).len());
    assert_eq!(stuck, 1);
    assert!(well >= 194, "at most five wait for the one that is stuck: {well}");
    rig.ack_all(members[0]);
}
