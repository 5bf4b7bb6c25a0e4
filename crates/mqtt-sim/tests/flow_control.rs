//! Receive Maximum both ways (5.0 §4.9, §3.1.2.11.3, §3.3.4).

use bytes::Buf;
use mqtt_proto::{
    Client, CommandError, Config, Connect, Message, Packet, PacketId, Publish, QoS, ReasonCode, Server, Subscribe,
    Subscription, Text, TopicFilter, TopicName, Version,
};
use mqtt_sim::pair::{Memory, Pair, Scenario, Side, Solo};

fn try_publish(pair: &mut Pair, side: Side, qos: QoS) -> Result<(), CommandError> {
    let message = Message::new(TopicName::from_static("t"), "x").with_qos(qos);
    pair.send(side, message).map(drop).map_err(|error| error.kind().clone())
}

// MQTT-3.3.4-7, MQTT-3.3.4-9, MQTT-4.9.0-1, MQTT-4.9.0-2, MQTT-4.3.2-3
#[test]
fn a_full_window_gives_the_message_back() {
    for side in Side::BOTH {
        for window in 1..=3 {
            let mut pair = Scenario::new(Version::V5).receive_maximum(window, window).connected();
            pair.acks_at_once(side.other(), false);
            for _ in 0..window {
                try_publish(&mut pair, side, QoS::AtLeastOnce).unwrap();
            }
            let message = Message::new(TopicName::from_static("t"), "one too many").with_qos(QoS::ExactlyOnce);
            let error = pair.send(side, message.clone()).unwrap_err();
            assert_eq!(error.kind(), &CommandError::Full);
            assert_eq!(error.into_inner(), message);
            pair.run();
            pair.ack(side.other(), 0);
            pair.run();
            try_publish(&mut pair, side, QoS::AtLeastOnce).unwrap();
            assert_eq!(try_publish(&mut pair, side, QoS::AtLeastOnce), Err(CommandError::Full));
        }
    }
}

#[test]
fn our_own_window_holds_where_the_peer_cannot_say_its_own() {
    for version in [Version::V31, Version::V311, Version::V5] {
        let config = Config { send_maximum: 2.try_into().unwrap(), ..Config::default() };
        let mut server = Solo::accepted(Connect::new(version, Text::from_static("c")), config);
        let now = server.instant();
        let message = Message::new(TopicName::from_static("t"), "x").with_qos(QoS::AtLeastOnce);
        server.connection.publish(now, message.clone()).unwrap();
        server.connection.publish(now, message.clone()).unwrap();
        let error = server.connection.publish(now, message.clone()).unwrap_err();
        assert_eq!(error.kind(), &CommandError::Full);
        server.feed(&[0x40, 2, 0, 1]);
        server.connection.publish(now, message).unwrap();
    }
}

// U5-4.9: quota comes back with PUBACK, PUBCOMP and PUBREC 0x80+, and not with PUBREC.
#[test]
fn pubrec_gives_no_quota_back_and_pubcomp_does() {
    let mut server = Solo::accepted(
        Connect::new(Version::V5, Text::from_static("c")).with_receive_maximum(1.try_into().unwrap()),
        Config::default(),
    );
    let now = server.instant();
    let message = Message::new(TopicName::from_static("t"), "x").with_qos(QoS::ExactlyOnce);
    server.connection.publish(now, message.clone()).unwrap();
    assert!(!server.connection.can_publish(QoS::ExactlyOnce));
    server.feed(&[0x50, 2, 0, 1]);
    assert!(!server.connection.can_publish(QoS::ExactlyOnce));
    server.feed(&[0x70, 2, 0, 1]);
    server.connection.publish(now, message.clone()).unwrap();
    assert!(!server.connection.can_publish(QoS::ExactlyOnce));
    server.feed(&[0x50, 3, 0, 1, 0x97]);
    assert!(server.connection.can_publish(QoS::ExactlyOnce));
}

// MQTT-3.3.4-8, MQTT-3.3.4-10, MQTT-4.9.0-3
#[test]
fn a_full_window_delays_nothing_but_messages_of_qos_1_and_2() {
    let mut pair = Scenario::new(Version::V5).receive_maximum(1, 1).keep_alive(60).connected();
    (pair.client.acks_at_once, pair.server.acks_at_once) = (false, false);
    pair.publish(Side::Client, QoS::ExactlyOnce, "a");
    pair.publish(Side::Server, QoS::ExactlyOnce, "b");
    pair.run();
    pair.forget_log();
    pair.publish(Side::Client, QoS::AtMostOnce, "c");
    pair.publish(Side::Server, QoS::AtMostOnce, "d");
    pair.subscribe(&["f"], QoS::AtMostOnce).unwrap();
    pair.client.connection.ping(pair.instant()).unwrap();
    pair.ack(Side::Client, 0);
    pair.ack(Side::Server, 0);
    pair.run();
    assert_eq!(
        pair.wire(),
        [
            "client: PUBLISH QoS 0 't' 'c'",
            "client: SUBSCRIBE id 2 'f' QoS 0",
            "client: PINGREQ",
            "client: PUBREC id 1",
            "server: PUBLISH QoS 0 't' 'd'",
            "server: PUBREC id 1",
            "server: PINGRESP",
            "server: PUBREL id 1",
            "server: SUBACK id 2 0x00",
            "client: PUBREL id 1",
            "server: PUBCOMP id 1",
            "client: PUBCOMP id 1",
        ]
    );
}

// STYLE: resume ignores the new Receive Maximum, then a counter underflows. bugs.tsv 46, 55.
// MQTT-3.3.4-7, MQTT-3.3.4-9, MQTT-4.9.0-1, MQTT-4.9.0-2
#[test]
fn a_resumed_backlog_goes_out_in_window_sized_steps() {
    for side in Side::BOTH {
        for window in 1..=3 {
            for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
                let mut pair = Scenario::new(Version::V5).connected();
                let payloads = ["a", "b", "c", "d", "e"];
                for payload in payloads {
                    pair.publish(side, qos, payload);
                }
                pair.scenario = pair.scenario.clone().receive_maximum(window, window);
                pair.acks_at_once(side.other(), false);
                pair.reconnect(Memory::Both);
                pair.run();
                for sent in 0..payloads.len() {
                    // The pair itself checks that never more than the window is under way.
                    let expected = payloads.len().min(sent + usize::from(window));
                    assert_eq!(pair.received(side.other()), &payloads[..expected]);
                    let is_backlog = sent + usize::from(window) < payloads.len();
                    assert_eq!(
                        try_publish(&mut pair, side, qos).is_err(),
                        is_backlog || sent + usize::from(window) == 5
                    );
                    if !is_backlog && sent + usize::from(window) > 5 {
                        break; // A new message has joined.
                    }
                    pair.ack(side.other(), 0);
                    pair.run();
                }
                pair.acks_at_once(side.other(), true);
                while !pair.client.acks.is_empty() || !pair.server.acks.is_empty() {
                    pair.ack(side.other(), 0);
                    pair.run();
                }
                pair.assert_quiet();
            }
        }
    }
}

#[test]
fn a_resumed_backlog_waits_for_room_in_the_outbox() {
    // Two bytes of header, two and one of topic, two of identifier, one of payload.
    let (len, message) = (8, Message::new(TopicName::from_static("t"), "x").with_qos(QoS::AtLeastOnce));
    let mut client = Solo::client(Version::V311);
    for _ in 0..4 {
        client.connection.publish(client.instant(), message.clone()).unwrap();
    }
    let session = client.connection.into_session();
    for (outbox_limit, at_once) in [(0, 1), (1, 1), (len, 1), (len + 1, 2), (2 * len, 2), (usize::MAX, 4)] {
        let connect = Connect::new(Version::V311, Text::from_static("c")).with_clean_start(false);
        let config = Config { outbox_limit, ..Config::default() };
        let mut client = Solo::dialling(connect, config, session.clone());
        client.feed_packet(&Packet::ConnAck(mqtt_proto::ConnAck::new(true, ReasonCode::SUCCESS)));
        assert_eq!(client.connection.outbox_len(), at_once * len, "{outbox_limit}");
        assert_eq!(client.connection.can_publish(QoS::AtMostOnce), outbox_limit == usize::MAX);
        let mut sent = 0;
        while client.connection.outbox().has_remaining() {
            sent += client.sent_bytes().len();
        }
        assert_eq!(sent, 4 * len);
    }
}

#[test]
fn a_message_is_given_back_while_requests_have_the_last_packet_identifiers() {
    let mut client = Solo::client(Version::V311);
    let now = client.instant();
    let filter = Subscription::new(TopicFilter::from_static("f"), QoS::AtMostOnce);
    client.connection.subscribe(now, Subscribe::new(vec![filter.clone()])).unwrap();
    let message = Message::new(TopicName::from_static("t"), "x").with_qos(QoS::AtLeastOnce);
    for _ in 2..=u16::MAX {
        client.connection.publish(now, message.clone()).unwrap();
        client.sent_bytes();
    }
    assert!(!client.connection.can_publish(QoS::AtLeastOnce) && client.connection.can_publish(QoS::AtMostOnce));
    let error = client.connection.publish(now, message.clone()).unwrap_err();
    assert_eq!(error.kind(), &CommandError::Full);
    assert_eq!(client.connection.subscribe(now, Subscribe::new(vec![filter])), Err(CommandError::Full));
    // SUBACK frees the only identifier.
    client.feed(&[0x90, 3, 0, 1, 0]);
    client.connection.publish(now, message).unwrap();
    assert!(!client.connection.can_publish(QoS::AtLeastOnce));
}

#[test]
fn pubrels_of_a_resumed_session_take_no_more_than_the_window() {
    for side in Side::BOTH {
        let mut pair = Scenario::new(Version::V5).latency(10).connected();
        for payload in ["a", "b", "c"] {
            pair.publish(side, QoS::ExactlyOnce, payload);
        }
        pair.step(); // Three PUBLISHes arrive.
        pair.step(); // Three PUBRECs do; the PUBRELs are lost.
        pair.publish(side, QoS::ExactlyOnce, "d");
        pair.publish(side, QoS::ExactlyOnce, "e");
        pair.scenario = pair.scenario.clone().receive_maximum(1, 1);
        pair.reconnect(Memory::Both);
        pair.run();
        assert_eq!(pair.received(side.other()), ["a", "b", "c", "d", "e"]);
        assert_eq!(pair.finished(side).len(), 5);
        pair.assert_quiet();
    }
}

fn publish(id: u16, qos: QoS) -> Packet {
    let message = Message::new(TopicName::from_static("t"), "x").with_qos(qos);
    Packet::Publish(Publish::new(message, PacketId::new(id)))
}

// U5-3.3.4a, U5-3.3.4b; bugs.tsv 54.
// U5-4.13.1
#[test]
fn a_peer_that_exceeds_the_window_is_told_0x93() {
    for window in 1..=3_u16 {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let config = Config { receive_maximum: window.try_into().unwrap(), ..Config::default() };
            let connect = Connect::new(Version::V5, Text::from_static("c"));
            let mut server = Solo::accepted(connect.clone(), config.clone());
            let connack = mqtt_proto::ConnAck::new(false, ReasonCode::SUCCESS);
            let mut client = Solo::dialling(connect, config, mqtt_proto::Session::new()).welcome(connack);
            for id in 1..=window {
                server.feed_packet(&publish(id, qos));
                client.feed_packet(&publish(id, qos));
            }
            assert_eq!((server.events().len(), client.events().len()), (window.into(), window.into()));
            assert!(server.connection.is_open() && client.connection.is_open());
            server.feed_packet(&publish(window + 1, qos));
            client.feed_packet(&publish(window + 1, qos));
            let expected = "Closed: PUBLISH QoS, 0x93, MQTT-3.3.4-7";
            assert_eq!((server.events(), client.events()), (vec![expected.into()], vec![expected.into()]));
            assert_eq!(
                (server.sent(), client.sent()),
                (vec!["DISCONNECT 0x93".into()], vec!["DISCONNECT 0x93".into()])
            );
        }
    }
}

/// A server and a client that allow `window` messages and tolerate `tolerance` more.
fn tolerant(window: u16, tolerance: u16) -> (Solo<Server>, Solo<Client>) {
    let receive_maximum = window.try_into().unwrap();
    let config = Config { receive_maximum, receive_tolerance: tolerance, ..Config::default() };
    let connect = Connect::new(Version::V5, Text::from_static("c"));
    let server = Solo::accepted(connect.clone(), config.clone());
    let connack = mqtt_proto::ConnAck::new(false, ReasonCode::SUCCESS);
    (server, Solo::dialling(connect, config, mqtt_proto::Session::new()).welcome(connack))
}

// bugs.tsv 53: what is announced stays the same, and memory stays bounded.
#[test]
fn a_peer_that_exceeds_the_window_is_tolerated_as_far_as_the_config_says_and_counted() {
    for (window, tolerance) in [(1, 1), (1, 3), (3, 1), (2, 2)] {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let (mut server, mut client) = tolerant(window, tolerance);
            assert_eq!(server.connection.own_limits().receive_maximum, window);
            for id in 1..=window + tolerance {
                server.feed_packet(&publish(id, qos));
                client.feed_packet(&publish(id, qos));
                let tolerated = u64::from(id.saturating_sub(window));
                assert_eq!(server.connection.tolerated_messages(), tolerated);
                assert_eq!(client.connection.tolerated_messages(), tolerated);
            }
            let all = usize::from(window + tolerance);
            assert_eq!((server.events().len(), client.events().len()), (all, all));
            assert!(server.sent().is_empty() && client.sent().is_empty());
            server.feed_packet(&publish(window + tolerance + 1, qos));
            client.feed_packet(&publish(window + tolerance + 1, qos));
            let expected = "Closed: PUBLISH QoS, 0x93, MQTT-3.3.4-7";
            assert_eq!((server.events(), client.events()), (vec![expected.into()], vec![expected.into()]));
            assert_eq!(server.connection.tolerated_messages(), tolerance.into(), "the last one was not taken");
        }
    }
}

#[test]
fn a_tolerated_peer_that_comes_back_into_its_window_counts_no_further() {
    let (mut server, _) = tolerant(1, 1);
    let mut acks = Vec::new();
    for id in 1..=2 {
        server.feed_packet(&publish(id, QoS::AtLeastOnce));
        let Some(mqtt_proto::ServerEvent::Message(delivery)) = server.connection.poll_event() else { panic!() };
        acks.extend(delivery.ack);
    }
    assert_eq!(server.connection.tolerated_messages(), 1);
    for ack in acks {
        server.connection.ack(server.instant(), ack).unwrap();
    }
    assert_eq!(server.sent(), ["PUBACK id 1", "PUBACK id 2"]);
    server.connection.shrink(); // the count is no room
    server.feed_packet(&publish(1, QoS::AtLeastOnce));
    assert_eq!(server.connection.tolerated_messages(), 1);
    server.feed_packet(&publish(2, QoS::AtLeastOnce));
    assert_eq!(server.connection.tolerated_messages(), 2);
}

#[test]
fn no_tolerance_goes_beyond_the_packet_identifiers_that_there_are() {
    let (mut server, _) = tolerant(2, u16::MAX);
    for id in 1..=u16::MAX {
        server.feed_packet(&publish(id, QoS::AtLeastOnce));
        assert_eq!(server.events().len(), 1);
    }
    assert_eq!(server.connection.tolerated_messages(), 65_533);
    server.feed_packet(&publish(1, QoS::AtLeastOnce));
    assert_eq!(server.events(), ["Closed: PUBLISH QoS, 0x93, MQTT-3.3.4-7"]);
}

// bugs.tsv 42: while an older acknowledgement is due, the answers to repetitions wait behind it.
#[test]
fn answers_to_repetitions_wait_in_a_queue_that_the_window_bounds() {
    for (window, tolerance) in [(2, 0), (3, 0), (2, 2)] {
        let (mut server, _) = tolerant(window, tolerance);
        server.feed_packet(&publish(1, QoS::ExactlyOnce));
        let Some(mqtt_proto::ServerEvent::Message(delivery)) = server.connection.poll_event() else { panic!() };
        server.connection.ack(server.instant(), delivery.ack.unwrap()).unwrap();
        server.feed_packet(&publish(2, QoS::AtLeastOnce));
        assert_eq!(server.events().len(), 1);
        for _ in 0..window + tolerance {
            server.feed_packet(&publish(1, QoS::ExactlyOnce));
            assert!(server.events().is_empty());
        }
        server.feed_packet(&publish(1, QoS::ExactlyOnce));
        assert_eq!(server.events(), ["Closed: PUBLISH QoS, 0x93, MQTT-3.3.4-7"]);
    }
}

#[test]
fn a_qos_2_message_counts_until_its_pubrel() {
    let config = Config { receive_maximum: 1.try_into().unwrap(), ..Config::default() };
    let mut server = Solo::accepted(Connect::new(Version::V5, Text::from_static("c")), config);
    server.feed_packet(&publish(1, QoS::ExactlyOnce));
    let Some(mqtt_proto::ServerEvent::Message(delivery)) = server.connection.poll_event() else { panic!() };
    server.connection.ack(server.instant(), delivery.ack.unwrap()).unwrap();
    assert_eq!(server.sent(), ["PUBREC id 1"]);
    server.connection.shrink(); // nothing waits, and yet it counts
    let mut other = Solo::listening(Config::default());
    other.connection = server.connection.clone();
    other.feed_packet(&publish(2, QoS::AtLeastOnce));
    assert!(other.connection.is_closed());
    server.feed(&[0x62, 2, 0, 1]);
    assert_eq!(server.sent(), ["PUBCOMP id 1"]);
    server.feed_packet(&publish(2, QoS::AtLeastOnce));
    assert!(server.connection.is_open());
}

// bugs.tsv 42 (CVE-2023-28366): repetitions take no quota and no memory, in whatever state.
// D31-retry, MQTT-4.3.3-2, MQTT-4.3.3-10
#[test]
fn a_message_that_is_repeated_for_ever_costs_nothing() {
    for version in [Version::V31, Version::V311, Version::V5] {
        let config = Config { receive_maximum: 1.try_into().unwrap(), ..Config::default() };
        let mut server = Solo::accepted(Connect::new(version, Text::from_static("c")), config);
        for _ in 0..10_000 {
            server.feed_packet(&publish(1, QoS::ExactlyOnce));
        }
        let Some(mqtt_proto::ServerEvent::Message(delivery)) = server.connection.poll_event() else { panic!() };
        assert!(server.events().is_empty());
        server.connection.ack(server.instant(), delivery.ack.unwrap()).unwrap();
        assert_eq!(server.sent(), ["PUBREC id 1"]);
        for _ in 0..10_000 {
            server.feed_packet(&publish(1, QoS::ExactlyOnce));
            assert_eq!(server.sent(), ["PUBREC id 1"]);
        }
        server.feed(&[0x62, 2, 0, 1]);
        assert_eq!(server.sent(), ["PUBCOMP id 1"]);
        assert!(server.connection.session().is_empty() && server.events().is_empty());
    }
}

// D31-retry: an old sender repeats PUBLISH on a live connection. Its second PUBREC must not come after PUBCOMP.
#[test]
fn the_answer_to_a_repetition_does_not_outlive_the_handshake() {
    let mut server = Solo::server(Version::V31);
    server.feed_packet(&publish(1, QoS::ExactlyOnce));
    let Some(mqtt_proto::ServerEvent::Message(first)) = server.connection.poll_event() else { panic!() };
    server.connection.ack(server.instant(), first.ack.unwrap()).unwrap();
    server.feed_packet(&publish(7, QoS::AtLeastOnce));
    let Some(mqtt_proto::ServerEvent::Message(second)) = server.connection.poll_event() else { panic!() };
    server.feed(&[0x3C, 6, 0, 1, b't', 0, 1, b'x']);
    server.feed(&[0x62, 2, 0, 1]);
    server.connection.ack(server.instant(), second.ack.unwrap()).unwrap();
    assert_eq!(server.sent(), ["PUBREC id 1", "PUBCOMP id 1", "PUBACK id 7"]);
}

// In 3.x it cannot be announced, and is not enforced.
#[test]
fn a_3_x_peer_knows_no_window() {
    for version in [Version::V31, Version::V311] {
        let mut pair = Scenario::new(version).receive_maximum(1, 1).connected();
        (pair.client.acks_at_once, pair.server.acks_at_once) = (false, false);
        for _ in 0..10 {
            pair.publish(Side::Client, QoS::ExactlyOnce, "a");
            pair.publish(Side::Server, QoS::AtLeastOnce, "b");
        }
        pair.run();
        assert!(pair.client.connection.is_open() && pair.server.connection.is_open());
        assert_eq!((pair.client.received.len(), pair.server.received.len()), (10, 10));
    }
}
