//! QoS 2 in both directions, with the link cut in every state of the flow (5.0 §4.3.3, §4.4; MQTT-4.3.3-1 to -13).

use mqtt_proto::{Message, QoS, ReasonCode, TopicName, Version};
use mqtt_sim::pair::{Memory, Pair, Scenario, Side};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

fn each(mut test: impl FnMut(Version, Side)) {
    for version in VERSIONS {
        for side in Side::BOTH {
            test(version, side);
        }
    }
}

fn connected(version: Version) -> Pair {
    Scenario::new(version).latency(10).connected()
}

/// What went over the wire, `us` being the sender of the message.
fn flow(pair: &Pair, side: Side) -> Vec<String> {
    let (us, them) = match side {
        Side::Client => ("client", "server"),
        Side::Server => ("server", "client"),
    };
    let lines = pair.wire().into_iter().filter(|line| !line.contains("CONN"));
    lines.map(|line| line.replace(us, "us").replace(them, "them")).collect()
}

/// Takes the link down after this many arrivals of a flow with one message, and brings it back.
fn cut_after_arrivals(version: Version, side: Side, arrivals: usize) -> Vec<String> {
    let mut pair = connected(version);
    let token = pair.publish(side, QoS::ExactlyOnce, "a");
    for _ in 0..arrivals {
        pair.step();
    }
    pair.reconnect(Memory::Both);
    pair.run();
    assert_eq!(pair.received(side.other()), ["a"]);
    assert_eq!(pair.finished(side), [(token, ReasonCode::SUCCESS)]);
    pair.assert_quiet();
    flow(&pair, side)
}

// MQTT-3.3.4-1, MQTT-4.3.3-1, MQTT-4.3.3-2, MQTT-4.3.3-4, MQTT-4.3.3-8
#[test]
fn a_message_takes_four_packets() {
    each(|version, side| {
        let mut pair = connected(version);
        let token = pair.publish(side, QoS::ExactlyOnce, "a");
        pair.run();
        assert_eq!(
            flow(&pair, side),
            ["us: PUBLISH id 1 QoS 2 't' 'a'", "them: PUBREC id 1", "us: PUBREL id 1", "them: PUBCOMP id 1"]
        );
        assert_eq!(pair.finished(side), [(token, ReasonCode::SUCCESS)]);
        assert_eq!(pair.received(side.other()), ["a"]);
        pair.assert_quiet();
    });
}

// MQTT-3.3.1-1, MQTT-4.4.0-1
// MQTT-4.3.3-3
#[test]
fn cut_before_publish_arrives() {
    each(|version, side| {
        assert_eq!(
            cut_after_arrivals(version, side, 0),
            [
                "us: PUBLISH id 1 QoS 2 't' 'a'",
                "us: PUBLISH id 1 QoS 2 dup 't' 'a'",
                "them: PUBREC id 1",
                "us: PUBREL id 1",
                "them: PUBCOMP id 1",
            ]
        );
    });
}

// MQTT-4.3.3-10: PUBREC again, and no second delivery.
// MQTT-4.3.3-2, MQTT-4.3.3-3
#[test]
fn cut_before_pubrec_arrives() {
    each(|version, side| {
        assert_eq!(
            cut_after_arrivals(version, side, 1),
            [
                "us: PUBLISH id 1 QoS 2 't' 'a'",
                "them: PUBREC id 1",
                "us: PUBLISH id 1 QoS 2 dup 't' 'a'",
                "them: PUBREC id 1",
                "us: PUBREL id 1",
                "them: PUBCOMP id 1",
            ]
        );
    });
}

// MQTT-4.3.3-6: PUBREL, and never PUBLISH again.
// MQTT-4.3.3-1, MQTT-4.3.3-5, MQTT-4.4.0-1
#[test]
fn cut_before_pubrel_arrives() {
    each(|version, side| {
        assert_eq!(
            cut_after_arrivals(version, side, 2),
            [
                "us: PUBLISH id 1 QoS 2 't' 'a'",
                "them: PUBREC id 1",
                "us: PUBREL id 1",
                "us: PUBREL id 1",
                "them: PUBCOMP id 1",
            ]
        );
    });
}

// U5-3.6.2.1: the receiver has forgotten the id; for the sender that is the end of a success.
// MQTT-4.3.3-1, MQTT-4.3.3-5, MQTT-4.3.3-6
#[test]
fn cut_before_pubcomp_arrives() {
    each(|version, side| {
        let last = if version == Version::V5 { "them: PUBCOMP id 1 0x92" } else { "them: PUBCOMP id 1" };
        assert_eq!(
            cut_after_arrivals(version, side, 3),
            [
                "us: PUBLISH id 1 QoS 2 't' 'a'",
                "them: PUBREC id 1",
                "us: PUBREL id 1",
                "them: PUBCOMP id 1",
                "us: PUBREL id 1",
                last,
            ]
        );
    });
}

#[test]
fn cut_after_pubcomp_arrives() {
    each(|version, side| assert_eq!(cut_after_arrivals(version, side, 4).len(), 4));
}

#[test]
fn cut_before_the_application_acknowledges_which_it_then_does_on_the_next_connection() {
    each(|version, side| {
        let mut pair = connected(version);
        pair.acks_at_once(side.other(), false);
        pair.publish(side, QoS::ExactlyOnce, "a");
        pair.run();
        pair.reconnect(Memory::Both);
        pair.run();
        assert_eq!(pair.received(side.other()), ["a"], "it is not delivered again");
        pair.forget_log();
        pair.ack(side.other(), 0);
        pair.run();
        assert_eq!(flow(&pair, side), ["them: PUBREC id 1", "us: PUBREL id 1", "them: PUBCOMP id 1"]);
        pair.assert_quiet();
    });
}

#[test]
fn cut_before_the_application_acknowledges_which_it_then_does_between_the_connections() {
    each(|version, side| {
        let mut pair = connected(version);
        pair.acks_at_once(side.other(), false);
        pair.publish(side, QoS::ExactlyOnce, "a");
        pair.run();
        pair.cut();
        pair.ack(side.other(), 0);
        pair.reconnect(Memory::Both);
        pair.run();
        assert_eq!(pair.received(side.other()), ["a"]);
        pair.assert_quiet();
        assert_eq!(pair.finished(side).len(), 1);
    });
}

// Found by reading: the answer waits behind another one, and the connection that it waits on ends.
#[test]
fn an_acknowledgement_that_waits_for_its_turn_survives_the_connection() {
    each(|version, side| {
        let mut pair = connected(version);
        pair.acks_at_once(side.other(), false);
        pair.publish(side, QoS::ExactlyOnce, "a");
        pair.publish(side, QoS::ExactlyOnce, "b");
        pair.run();
        pair.ack(side.other(), 1);
        pair.reconnect(Memory::Both);
        pair.run();
        pair.ack(side.other(), 0);
        pair.assert_quiet();
        assert_eq!(pair.received(side.other()), ["a", "b"]);
        assert_eq!(pair.finished(side).len(), 2);
    });
}

// Found by reading: the message was in the machine, the application never saw it, and it counted as delivered.
#[test]
fn a_message_that_the_application_never_read_comes_again() {
    each(|version, side| {
        let mut pair = connected(version);
        match side.other() {
            Side::Client => pair.client.reads = false,
            Side::Server => pair.server.reads = false,
        }
        pair.publish(side, QoS::ExactlyOnce, "a");
        pair.run();
        pair.cut();
        assert!(pair.received(side.other()).is_empty());
        pair.reconnect(Memory::Both);
        (pair.client.reads, pair.server.reads) = (true, true);
        pair.run();
        assert_eq!(pair.received(side.other()), ["a"]);
        pair.assert_quiet();
    });
}

// MQTT-4.6.0-3, MQTT-4.6.0-4
// MQTT-2.2.1-5, MQTT-2.3.1-6
#[test]
fn pubrecs_leave_in_order_of_arrival_and_pubrels_in_order_of_the_pubrecs() {
    each(|version, side| {
        let mut pair = connected(version);
        pair.acks_at_once(side.other(), false);
        for payload in ["a", "b", "c"] {
            pair.publish(side, QoS::ExactlyOnce, payload);
        }
        pair.run();
        pair.forget_log();
        pair.ack(side.other(), 1);
        pair.ack(side.other(), 1);
        pair.run();
        assert!(pair.wire().is_empty());
        pair.ack(side.other(), 0);
        pair.run();
        let of = |name: &str| [1, 2, 3].map(|id| format!("{name} id {id}"));
        assert_eq!(flow(&pair, side), [of("them: PUBREC"), of("us: PUBREL"), of("them: PUBCOMP")].concat());
        pair.assert_quiet();
    });
}

// MQTT-4.3.3-4, MQTT-4.3.3-9, MQTT-4.4.0-2; bugs.tsv 45: no PUBREL after PUBREC 0x80+, and the id and the quota are free.
#[test]
fn a_refused_message_ends_at_pubrec() {
    for side in Side::BOTH {
        let mut pair = Scenario::new(Version::V5).receive_maximum(1, 1).connected();
        pair.acks_at_once(side.other(), false);
        for _ in 0..3 {
            let token = pair.publish(side, QoS::ExactlyOnce, "a");
            pair.run();
            let (now, reason) = (pair.instant(), ReasonCode::QUOTA_EXCEEDED);
            match side {
                Side::Client => {
                    pair.server.connection.ack(now, pair.server.acks.remove(0).unwrap().with_reason(reason))
                }
                Side::Server => {
                    pair.client.connection.ack(now, pair.client.acks.remove(0).unwrap().with_reason(reason))
                }
            }
            .unwrap();
            pair.run();
            assert_eq!(flow(&pair, side), ["us: PUBLISH id 1 QoS 2 't' 'a'", "them: PUBREC id 1 0x97"]);
            assert_eq!(pair.finished(side).last(), Some(&(token, reason)));
            pair.assert_quiet();
            pair.forget_log();
        }
    }
}

// STYLE: PUBREC with 0x10 (no matching subscribers) treated as failure. It is a success.
#[test]
fn no_matching_subscribers_is_a_success_that_the_sender_hears_of_at_the_end() {
    let mut pair = connected(Version::V5);
    pair.server.acks_at_once = false;
    let token = pair.publish(Side::Client, QoS::ExactlyOnce, "a");
    pair.run();
    let ack = pair.server.acks.remove(0).unwrap().with_reason(ReasonCode::NO_MATCHING_SUBSCRIBERS);
    pair.server.connection.ack(pair.instant(), ack).unwrap();
    pair.run();
    assert_eq!(
        pair.wire(),
        [
            "client: PUBLISH id 1 QoS 2 't' 'a'",
            "server: PUBREC id 1 0x10",
            "client: PUBREL id 1",
            "server: PUBCOMP id 1"
        ]
    );
    assert_eq!(pair.client.finished, [(token, ReasonCode::NO_MATCHING_SUBSCRIBERS)]);
    pair.assert_quiet();
}

// bugs.tsv 43, I10: ids of the two directions have nothing to do with each other.
#[test]
fn the_same_id_lives_in_both_directions() {
    for version in VERSIONS {
        for first in Side::BOTH {
            let mut pair = connected(version);
            pair.client.acks_at_once = false;
            pair.server.acks_at_once = false;
            pair.publish(first, QoS::ExactlyOnce, "there");
            pair.publish(first.other(), QoS::ExactlyOnce, "back");
            pair.run();
            pair.reconnect(Memory::Both);
            pair.run();
            pair.ack(Side::Client, 0);
            pair.run();
            pair.ack(Side::Server, 0);
            pair.assert_quiet();
            assert_eq!(pair.received(first), ["back"]);
            assert_eq!(pair.received(first.other()), ["there"]);
        }
    }
}

/// Three messages each way; the link is cut when `from` has carried so many bytes, comes back, and is cut again.
fn cut_twice(version: Version, cuts: [(Side, usize); 2], late: bool) -> (Pair, bool) {
    let mut pair = Scenario::new(version).latency(10).chunk(4).connected();
    let (from, bytes) = cuts[0];
    pair.cut_after(from, bytes);
    if late {
        pair.acks_at_once(Side::Client, false);
        pair.acks_at_once(Side::Server, false);
    }
    for payload in ["a", "b"] {
        for side in Side::BOTH {
            let message = Message::new(TopicName::from_static("t"), payload).with_qos(QoS::ExactlyOnce);
            pair.send(side, message).unwrap();
        }
    }
    pair.run();
    let was_cut = pair.client.closed.is_some();
    pair.reconnect(Memory::Both);
    let (from, bytes) = cuts[1];
    pair.cut_after(from, bytes);
    pair.run();
    if pair.client.closed.is_none() {
        pair.cut();
    }
    // Acknowledged late, last message first.
    for side in Side::BOTH {
        let owed = if side == Side::Client { pair.client.acks.len() } else { pair.server.acks.len() };
        for index in (0..owed).rev() {
            pair.ack(side, index);
        }
        pair.acks_at_once(side, true);
    }
    pair.reconnect(Memory::Both);
    pair.run();
    (pair, was_cut)
}

// I6, I11: exactly once and in order, wherever the link breaks.
#[test]
fn every_message_arrives_exactly_once_wherever_the_link_is_cut_twice() {
    for version in VERSIONS {
        for late in [false, true] {
            for sides in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let (first, second) = (Side::BOTH[sides.0], Side::BOTH[sides.1]);
                for one in 0.. {
                    let mut was_cut = false;
                    // The second cut falls into CONNECT, CONNACK or what is sent again.
                    for two in (0..64).step_by(13) {
                        let (mut pair, cut) = cut_twice(version, [(first, one), (second, two)], late);
                        was_cut = cut;
                        for side in Side::BOTH {
                            assert_eq!(
                                pair.received(side),
                                ["a", "b"],
                                "{version} {late} {first:?} {one} {second:?} {two}"
                            );
                            assert_eq!(pair.finished(side).len(), 2);
                        }
                        pair.assert_quiet();
                    }
                    if !was_cut {
                        assert!(one > 12);
                        break;
                    }
                }
            }
        }
    }
}
