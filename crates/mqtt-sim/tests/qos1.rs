//! QoS 1 in both directions, with the link cut in every state of the flow (5.0 §4.3.2, §4.4; MQTT-4.3.2-1 to -5).

use mqtt_proto::{Config, ConnAck, Connect, Message, QoS, ReasonCode, Session, Text, TopicName, Version};
use mqtt_sim::pair::{Memory, Pair, Scenario, Side, Solo};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

fn each(mut test: impl FnMut(Version, Side)) {
    for version in VERSIONS {
        for side in Side::BOTH {
            test(version, side);
        }
    }
}

fn names(side: Side) -> (&'static str, &'static str) {
    match side {
        Side::Client => ("client", "server"),
        Side::Server => ("server", "client"),
    }
}

fn connected(version: Version) -> Pair {
    Scenario::new(version).latency(10).connected()
}

fn flow_of(pair: &Pair) -> Vec<String> {
    pair.wire().into_iter().filter(|line| !line.contains("CONN")).collect()
}

// MQTT-3.3.4-1, MQTT-4.3.2-1, MQTT-4.3.2-2, MQTT-4.3.2-4
#[test]
fn a_message_is_sent_once_and_acknowledged_once() {
    each(|version, side| {
        let mut pair = connected(version);
        let start = pair.now();
        let token = pair.publish(side, QoS::AtLeastOnce, "a");
        pair.run();
        let (us, them) = names(side);
        let expected =
            [format!("{start} {us}: PUBLISH id 1 QoS 1 't' 'a'"), format!("{} {them}: PUBACK id 1", start + 10)];
        assert_eq!(pair.timed_wire(), expected);
        assert_eq!(pair.finished(side), [(token, ReasonCode::SUCCESS)]);
        assert_eq!(pair.received(side.other()), ["a"]);
        assert_eq!(pair.now(), start + 20);
        pair.assert_quiet();
    });
}

// MQTT-3.3.1-1, MQTT-4.4.0-1: PUBLISH is sent again with DUP and under its id.
// MQTT-4.3.2-1, MQTT-4.3.2-3
#[test]
fn a_publish_that_was_lost_is_sent_again_with_dup() {
    each(|version, side| {
        let mut pair = connected(version);
        let token = pair.publish(side, QoS::AtLeastOnce, "a");
        pair.reconnect(Memory::Both);
        pair.run();
        let (us, them) = names(side);
        let expected = [
            format!("{us}: PUBLISH id 1 QoS 1 't' 'a'"),
            format!("{us}: PUBLISH id 1 QoS 1 dup 't' 'a'"),
            format!("{them}: PUBACK id 1"),
        ];
        assert_eq!(flow_of(&pair), expected);
        assert_eq!(pair.received(side.other()), ["a"]);
        assert_eq!(pair.finished(side), [(token, ReasonCode::SUCCESS)]);
        pair.assert_quiet();
    });
}

// MQTT-4.3.2-5: the receiver cannot know that it is the same message.
// MQTT-4.3.2-2
#[test]
fn a_message_whose_puback_was_lost_arrives_twice() {
    each(|version, side| {
        let mut pair = connected(version);
        let token = pair.publish(side, QoS::AtLeastOnce, "a");
        pair.step();
        assert_eq!(pair.received(side.other()), ["a"]);
        pair.reconnect(Memory::Both);
        pair.run();
        assert_eq!(pair.received(side.other()), ["a", "a"]);
        assert_eq!(pair.finished(side), [(token, ReasonCode::SUCCESS)]);
        pair.assert_quiet();
    });
}

#[test]
fn a_message_that_was_not_acknowledged_by_the_application_moves_to_the_next_connection() {
    each(|version, side| {
        let mut pair = connected(version);
        pair.acks_at_once(side.other(), false);
        pair.publish(side, QoS::AtLeastOnce, "a");
        pair.run();
        pair.reconnect(Memory::Both);
        pair.run();
        assert_eq!(pair.received(side.other()), ["a", "a"]);
        assert!(pair.finished(side).is_empty());
        // The first is from an earlier connection: no mistake, and without effect.
        pair.ack(side.other(), 0);
        pair.run();
        assert!(pair.finished(side).is_empty());
        pair.ack(side.other(), 0);
        pair.assert_quiet();
        assert_eq!(pair.finished(side).len(), 1);
    });
}

// MQTT-4.6.0-1
// MQTT-2.3.1-3
#[test]
fn messages_are_sent_again_in_their_order_and_new_ones_follow() {
    each(|version, side| {
        let mut pair = connected(version);
        for payload in ["a", "b", "c"] {
            pair.publish(side, QoS::AtLeastOnce, payload);
        }
        pair.reconnect(Memory::Both);
        pair.run();
        pair.publish(side, QoS::AtLeastOnce, "d");
        pair.run();
        let us = names(side).0;
        let flow: Vec<_> = flow_of(&pair).into_iter().filter(|line| line.starts_with(us)).skip(3).collect();
        assert_eq!(
            flow,
            [
                format!("{us}: PUBLISH id 1 QoS 1 dup 't' 'a'"),
                format!("{us}: PUBLISH id 2 QoS 1 dup 't' 'b'"),
                format!("{us}: PUBLISH id 3 QoS 1 dup 't' 'c'"),
                format!("{us}: PUBLISH id 1 QoS 1 't' 'd'"),
            ]
        );
        pair.assert_quiet();
    });
}

// MQTT-4.6.0-2
// MQTT-2.2.1-5, MQTT-2.3.1-6
#[test]
fn acknowledgements_leave_in_the_order_of_arrival() {
    each(|version, side| {
        let mut pair = connected(version);
        pair.acks_at_once(side.other(), false);
        for payload in ["a", "b", "c"] {
            pair.publish(side, QoS::AtLeastOnce, payload);
        }
        pair.run();
        pair.forget_log();
        pair.ack(side.other(), 2);
        pair.ack(side.other(), 1);
        pair.run();
        assert!(pair.wire().is_empty());
        pair.ack(side.other(), 0);
        pair.run();
        let them = names(side).1;
        assert_eq!(pair.wire(), [1, 2, 3].map(|id| format!("{them}: PUBACK id {id}")));
        pair.assert_quiet();
    });
}

// MQTT-3.4.2-1; in 3.x there is no way to refuse (MQTT-3.3.5-2).
#[test]
fn a_refused_message_is_finished_with_the_reason() {
    each(|version, side| {
        let mut pair = connected(version);
        pair.acks_at_once(side.other(), false);
        let token = pair.publish(side, QoS::AtLeastOnce, "a");
        pair.run();
        let (now, reason) = (pair.instant(), ReasonCode::NOT_AUTHORIZED);
        match side {
            Side::Client => pair.server.connection.ack(now, pair.server.acks.remove(0).unwrap().with_reason(reason)),
            Side::Server => pair.client.connection.ack(now, pair.client.acks.remove(0).unwrap().with_reason(reason)),
        }
        .unwrap();
        pair.run();
        let expected = if version == Version::V5 { reason } else { ReasonCode::SUCCESS };
        assert_eq!(pair.finished(side), [(token, expected)]);
        pair.assert_quiet();
    });
}

// MQTT-4.3.1-1
// MQTT-3.3.4-1
#[test]
fn a_qos_0_message_has_no_id_and_is_never_sent_again() {
    each(|version, side| {
        let mut pair = connected(version);
        pair.publish(side, QoS::AtMostOnce, "lost");
        pair.reconnect(Memory::Both);
        pair.run();
        pair.publish(side, QoS::AtMostOnce, "kept");
        pair.run();
        assert_eq!(pair.received(side.other()), ["kept"]);
        assert_eq!(flow_of(&pair), ["lost", "kept"].map(|it| format!("{}: PUBLISH QoS 0 't' '{it}'", names(side).0)));
        pair.assert_quiet();
    });
}

#[test]
fn a_message_survives_any_number_of_cuts() {
    each(|version, side| {
        let mut pair = connected(version);
        pair.publish(side, QoS::AtLeastOnce, "a");
        for _ in 0..5 {
            pair.reconnect(Memory::Both);
            pair.step();
        }
        pair.run();
        assert_eq!(pair.received(side.other()), ["a"]);
        pair.assert_quiet();
    });
}

/// Three messages each way; the link is cut when `from` has carried so many bytes, and comes back.
fn cut_at(version: Version, from: Side, bytes: usize, chunk: usize) -> Option<Pair> {
    let mut pair = Scenario::new(version).latency(10).chunk(chunk).connected();
    pair.cut_after(from, bytes);
    for payload in ["a", "b", "c"] {
        for side in Side::BOTH {
            let message = Message::new(TopicName::from_static("t"), payload).with_qos(QoS::AtLeastOnce);
            pair.send(side, message).unwrap();
        }
    }
    pair.run();
    pair.client.closed.as_ref()?;
    pair.reconnect(Memory::Both);
    pair.run();
    Some(pair)
}

// What 3.x has no words for is left out there, and there alone.
#[test]
fn a_message_that_is_sent_again_has_its_properties_still() {
    let message = Message::new(TopicName::from_static("t"), "a").with_qos(QoS::AtLeastOnce);
    let message = message.with_content_type(Text::from_static("text"));
    // PUBLISH with DUP, topic, identifier, Content Type, payload.
    let again = b"\x3a\x0e\0\x01t\0\x01\x07\x03\0\x04texta";
    let connect = Connect::new(Version::V5, Text::from_static("c")).with_clean_start(false);
    let welcome = |present| ConnAck::new(present, ReasonCode::SUCCESS);
    let mut client = Solo::dialling(connect.clone(), Config::default(), Session::new()).welcome(welcome(false));
    let mut server = Solo::accepted(connect.clone(), Config::default());
    client.connection.publish(client.instant(), message.clone()).unwrap();
    server.connection.publish(server.instant(), message).unwrap();
    let session = client.connection.into_session();
    let mut client = Solo::dialling(connect.clone(), Config::default(), session).welcome(welcome(true));
    assert_eq!(client.sent_bytes(), again);
    let session = server.connection.into_session();
    let mut server = Solo::asked(connect.clone(), Config::default());
    server.connection.accept(server.instant(), welcome(false), Some(session.clone())).unwrap();
    assert!(server.sent_bytes().ends_with(again));

    let mut server =
        Solo::asked(Connect::new(Version::V311, Text::from_static("c")).with_clean_start(false), Config::default());
    server.connection.accept(server.instant(), welcome(false), Some(session)).unwrap();
    assert_eq!(server.sent(), ["CONNACK session present", "PUBLISH id 1 QoS 1 dup 't' 'a'"]);
}

// I7: at least once, wherever the link breaks, and first arrivals in order.
#[test]
fn every_message_arrives_wherever_the_link_is_cut() {
    for version in VERSIONS {
        for from in Side::BOTH {
            for chunk in [1, usize::MAX] {
                let mut positions = 0;
                while let Some(mut pair) = cut_at(version, from, positions, chunk) {
                    for side in Side::BOTH {
                        let mut firsts = Vec::new();
                        for payload in pair.received(side) {
                            if !firsts.contains(payload) {
                                firsts.push(payload.clone());
                            }
                        }
                        assert_eq!(firsts, ["a", "b", "c"], "{version} {from:?} {positions}");
                        assert_eq!(pair.finished(side).len(), 3);
                        assert!(pair.finished(side).is_sorted(), "acknowledged in order");
                    }
                    pair.assert_quiet();
                    positions += 1;
                }
                assert!(positions >= 30, "the flow has {positions} bytes");
            }
        }
    }
}
