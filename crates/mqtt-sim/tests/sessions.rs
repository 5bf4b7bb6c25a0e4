//! Session present, clean start and session expiry: who remembers what (5.0 §3.1.2.4, §3.2.2.1.1, §4.1).

use mqtt_proto::{
    Change, ClientEvent, Closed, CommandError, Config, ConnAck, Connect, Disconnect, Message, QoS, ReasonCode, Session,
    Subscribe, Subscription, Text, TopicFilter, TopicName, Version,
};
use mqtt_sim::pair::{Memory, Pair, Scenario, Side, Solo};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];
/// Those that can say Session Present.
const TELLING: [Version; 2] = [Version::V311, Version::V5];

/// Three messages of the client: `taken` is the server's (PUBREC has come), `one` and `two` have no answer.
fn unfinished(version: Version) -> Pair {
    let mut pair = Scenario::new(version).latency(10).connected();
    pair.publish(Side::Client, QoS::ExactlyOnce, "taken");
    pair.step();
    pair.step();
    pair.publish(Side::Client, QoS::AtLeastOnce, "one");
    pair.publish(Side::Client, QoS::ExactlyOnce, "two");
    pair.cut();
    pair.forget_log();
    pair
}

// MQTT-3.1.2-5, MQTT-3.2.2-3; of 3.1.1 MQTT-3.1.2-4, MQTT-3.2.2-2. D31-connack: 3.1 has no Session Present.
// MQTT-3.1.2-23, MQTT-3.1.4-3, MQTT-3.1.4-4
#[test]
fn a_session_that_both_remember_is_continued() {
    for version in VERSIONS {
        let mut pair = unfinished(version);
        pair.reconnect(Memory::Both);
        pair.run();
        let present = if version == Version::V31 { "" } else { " session present" };
        assert_eq!(pair.wire()[1], format!("server: CONNACK{present}"));
        assert_eq!(
            pair.wire()[2..5],
            [
                "client: PUBREL id 1",
                "client: PUBLISH id 2 QoS 1 dup 't' 'one'",
                "client: PUBLISH id 3 QoS 2 dup 't' 'two'"
            ]
        );
        assert_eq!(pair.server.received, ["taken", "one", "two"]);
        assert!(pair.client.lost.is_empty());
        pair.assert_quiet();
    }
}

// MQTT-3.2.2-5, U5-4.4: the client discards its state; the application gets its messages back.
// MQTT-3.1.2-6, MQTT-3.2.2-3
#[test]
fn a_session_that_the_server_lost_hands_the_messages_back() {
    for version in TELLING {
        let mut pair = unfinished(version);
        pair.reconnect(Memory::Client);
        pair.run();
        assert_eq!(
            pair.events(),
            [
                "server: Connect 'c'",
                "client: Connected",
                "client: Unacknowledged 1, was received",
                "client: Unacknowledged 2 't' 'one'",
                "client: Unacknowledged 3 't' 'two'",
            ]
        );
        assert_eq!(pair.wire().len(), 2, "nothing is sent again");
        pair.assert_quiet();
        for (_, message) in core::mem::take(&mut pair.client.lost) {
            if let Some(message) = message {
                pair.send(Side::Client, message).unwrap();
            }
        }
        pair.run();
        assert_eq!(pair.server.received, ["taken", "one", "two"]);
        pair.assert_quiet();
    }
}

// A 3.1 server has no way to tell, so everything is sent again, as in its time.
#[test]
fn a_session_that_a_3_1_server_lost_is_sent_again() {
    let mut pair = unfinished(Version::V31);
    pair.reconnect(Memory::Client);
    pair.run();
    assert_eq!(pair.server.received, ["taken", "one", "two"]);
    assert_eq!(pair.client.finished.len(), 3);
    pair.assert_quiet();
}

// MQTT-3.2.2-4; U311-3.1.3.1.
#[test]
fn a_new_session_refuses_a_server_that_has_one() {
    for version in TELLING {
        let mut pair = unfinished(version);
        pair.reconnect(Memory::Both);
        pair.run();
        let stored = pair.wire();
        assert!(stored[1].contains("session present"));
        pair.cut();
        let connect = pair.scenario.connect.clone();
        let mut client = Solo::dialling(connect, Config::default(), Session::new());
        client.feed_packet(&mqtt_proto::Packet::ConnAck(ConnAck::new(true, ReasonCode::SUCCESS)));
        let id = if version == Version::V5 { "MQTT-3.2.2-4" } else { "U311-3.1.3.1" };
        assert_eq!(client.events(), [format!("Closed: CONNACK Session Present, 0x82, {id}")]);
    }
}

#[test]
fn a_session_continued_from_an_earlier_process_accepts_what_the_server_has() {
    for version in VERSIONS {
        let mut pair = Scenario::new(version).latency(10).connected();
        pair.publish(Side::Server, QoS::AtLeastOnce, "one");
        pair.publish(Side::Server, QoS::ExactlyOnce, "two");
        pair.reconnect(Memory::Server);
        pair.run();
        assert_eq!(pair.client.received, ["one", "two"]);
        pair.assert_quiet();
    }
}

// MQTT-3.1.2-4, MQTT-3.1.2-6
#[test]
fn a_session_that_both_lost_begins_anew() {
    for version in VERSIONS {
        let mut pair = unfinished(version);
        pair.reconnect(Memory::Neither);
        pair.run();
        assert_eq!(pair.events(), ["server: Connect 'c'", "client: Connected"]);
        pair.assert_quiet();
    }
}

// MQTT-3.1.2-4 (5.0), MQTT-3.1.2-6 (3.1.1), MQTT-3.2.2-2: both ends drop what they had.
// MQTT-3.1.4-3, MQTT-3.1.4-4, MQTT-3.2.2-1
#[test]
fn a_clean_start_drops_the_session_at_both_ends() {
    for version in VERSIONS {
        let mut pair = unfinished(version);
        pair.scenario.connect.clean_start = true;
        pair.reconnect(Memory::Both);
        pair.run();
        assert_eq!(pair.client.lost.len(), 3);
        assert!(!pair.wire()[1].contains("session present"));
        pair.assert_quiet();
    }
}

// U311-3.1.3.1: a clean start is answered by Session Present 0, whatever the client remembers.
#[test]
fn session_present_after_a_clean_start_closes() {
    for version in TELLING {
        let connect = Connect::new(version, Text::from_static("c"));
        let mut client = Solo::dialling(connect, Config::default(), Session::continued());
        client.feed(if version == Version::V5 { &[0x20, 3, 1, 0, 0] } else { &[0x20, 2, 1, 0] });
        assert!(client.connection.is_closed());
    }
}

// MQTT-3.1.2-4 (5.0), MQTT-3.1.2-6 (3.1.1): the server has forgotten the session though its CONNACK never came.
#[test]
fn a_clean_start_whose_connack_is_lost_forgets_what_was_received_before() {
    for version in TELLING {
        let publish: &[u8] = if version == Version::V5 { b"\x34\x06\0\x01t\0\x01\0" } else { b"\x34\x05\0\x01t\0\x01" };
        let mut old = Solo::client(version);
        old.feed(publish);
        let Some(ClientEvent::Message(delivery)) = old.connection.poll_event() else { panic!("no message") };
        let now = old.instant();
        old.connection.ack(now, delivery.ack.unwrap()).unwrap();
        let session = old.connection.into_session();
        assert_eq!(session.unreleased().count(), 1);

        let clean = Connect::new(version, Text::from_static("c"));
        let session = Solo::dialling(clean.clone(), Config::default(), session).connection.into_session();
        let mut again = Solo::dialling(clean.with_clean_start(false), Config::default(), session)
            .welcome(ConnAck::new(true, ReasonCode::SUCCESS));
        again.feed(publish);
        assert!(
            matches!(again.connection.poll_event(), Some(ClientEvent::Message(_))),
            "{version}: it is a new message"
        );
    }
}

// STYLE: the QoS 2 receive set survives a clean start, so new messages vanish. bugs.tsv 47: Session Present 0.
#[test]
fn a_new_message_is_not_taken_for_one_of_a_session_that_is_gone() {
    for version in VERSIONS {
        for clean_start in [false, true] {
            let mut pair = Scenario::new(version).latency(10).connected();
            pair.publish(Side::Server, QoS::ExactlyOnce, "old");
            pair.step(); // PUBREC is out, and the client waits for PUBREL of id 1.
            pair.scenario.connect.clean_start = clean_start;
            pair.reconnect(Memory::Client);
            pair.run();
            pair.publish(Side::Server, QoS::ExactlyOnce, "new");
            pair.run();
            assert_eq!(pair.client.received, ["old", "new"], "{version} {clean_start}");
            pair.assert_quiet();
        }
    }
}

// bugs.tsv 49: after a lost session nothing is stuck.
#[test]
fn a_full_window_is_free_again_after_a_lost_session() {
    for version in TELLING {
        let mut pair = Scenario::new(version).connected();
        pair.server.acks_at_once = false;
        for number in 0..100 {
            pair.publish(Side::Client, if number % 2 == 0 { QoS::AtLeastOnce } else { QoS::ExactlyOnce }, "x");
        }
        pair.run();
        pair.server.acks_at_once = true;
        pair.reconnect(Memory::Client);
        pair.run();
        assert_eq!(pair.client.lost.len(), 100);
        pair.assert_quiet();
        pair.publish(Side::Client, QoS::ExactlyOnce, "y");
        pair.assert_quiet();
    }
}

// bugs.tsv 48, 50; STYLE: SUBSCRIBE reuses an id that a PUBLISH has in flight. MQTT-2.2.1-3.
// MQTT-2.3.1-2
#[test]
fn an_id_of_a_resumed_session_is_given_to_nothing_else() {
    for version in VERSIONS {
        let mut pair = Scenario::new(version).connected();
        pair.server.acks_at_once = false;
        pair.publish(Side::Client, QoS::AtLeastOnce, "a");
        pair.publish(Side::Client, QoS::ExactlyOnce, "b");
        pair.run();
        pair.reconnect(Memory::Both);
        pair.run();
        pair.forget_log();
        pair.subscribe(&["f"], QoS::AtMostOnce).unwrap();
        pair.publish(Side::Client, QoS::AtLeastOnce, "c");
        pair.run();
        assert_eq!(pair.wire()[..2], ["client: SUBSCRIBE id 3 'f' QoS 0", "client: PUBLISH id 4 QoS 1 't' 'c'"]);
    }
}

// A request is not part of a session: its id is free when its connection has ended.
#[test]
fn a_request_without_an_answer_frees_its_id_when_the_link_breaks() {
    for version in VERSIONS {
        let mut pair = Scenario::new(version).with(|it| it.grants = false).connected();
        pair.subscribe(&["f"], QoS::AtMostOnce).unwrap();
        pair.publish(Side::Client, QoS::AtLeastOnce, "a");
        pair.run();
        pair.reconnect(Memory::Both);
        pair.run();
        pair.assert_quiet();
        pair.forget_log();
        pair.publish(Side::Client, QoS::AtLeastOnce, "b");
        pair.publish(Side::Client, QoS::AtLeastOnce, "c");
        pair.run();
        assert_eq!(pair.client.finished.len(), 3);
    }
}

#[test]
fn a_session_is_empty_when_no_message_of_either_direction_is_unfinished() {
    let message = Message::new(TopicName::from_static("t"), "x").with_qos(QoS::AtLeastOnce);
    let mut client = Solo::client(Version::V311);
    let filter = Subscription::new(TopicFilter::from_static("f"), QoS::AtMostOnce);
    client.connection.subscribe(client.instant(), Subscribe::new(vec![filter])).unwrap();
    assert!(client.connection.into_session().is_empty(), "a request is not part of a session");

    let mut client = Solo::client(Version::V311);
    client.connection.publish(client.instant(), message).unwrap();
    assert!(!client.connection.into_session().is_empty());

    let mut client = Solo::client(Version::V311);
    client.feed(b"\x34\x05\0\x01t\0\x01");
    let Some(ClientEvent::Message(_delivery)) = client.connection.poll_event() else { panic!("no message") };
    assert!(!client.connection.session().is_empty());
}

// The session's messages are gone, its identifiers stand for others, and an application may be late.
#[test]
fn an_acknowledgement_of_a_session_that_the_server_lost_answers_no_message_of_the_next() {
    for (version, gives_up) in TELLING.into_iter().flat_map(|version| [(version, false), (version, true)]) {
        let publish: &[u8] = if version == Version::V5 { b"\x34\x06\0\x01t\0\x01\0" } else { b"\x34\x05\0\x01t\0\x01" };
        let connect = Connect::new(version, Text::from_static("c")).with_clean_start(false);
        let lost = || ConnAck::new(false, ReasonCode::SUCCESS);
        let mut old = Solo::dialling(connect.clone(), Config::default(), Session::new()).welcome(lost());
        old.feed(publish);
        let Some(ClientEvent::Message(first)) = old.connection.poll_event() else { panic!("no message") };

        let mut new = Solo::dialling(connect, Config::default(), old.connection.into_session()).welcome(lost());
        new.feed(publish);
        let Some(ClientEvent::Message(second)) = new.connection.poll_event() else { panic!("no message") };
        let now = new.instant();
        let (first, second) = (first.ack.unwrap(), second.ack.unwrap());
        if gives_up {
            new.connection.forget(first);
        } else {
            new.connection.ack(now, first).unwrap();
        }
        assert!(new.sent().is_empty(), "the second message is not acknowledged");
        let is_accepted = |change| matches!(change, Change::Accepted { .. });
        assert!(!new.connection.session().export().any(is_accepted));
        new.connection.ack(now, second).unwrap();
        assert_eq!(new.sent(), ["PUBREC id 1"]);
    }
}

// A token is unique for the session's life; ids are not.
#[test]
fn tokens_survive_the_connection_and_are_never_used_twice() {
    for version in VERSIONS {
        let mut pair = Scenario::new(version).connected();
        let first = pair.publish(Side::Client, QoS::AtLeastOnce, "a");
        pair.reconnect(Memory::Both);
        pair.run();
        let second = pair.publish(Side::Client, QoS::AtLeastOnce, "b");
        pair.run();
        assert!(first < second);
        assert_eq!((first.as_u64(), second.as_u64(), second.to_string()), (1, 2, "2".to_owned()));
        let tokens: Vec<_> = pair.client.finished.iter().map(|(token, _)| *token).collect();
        assert_eq!(tokens, [first, second]);
    }
}

fn expiry(pair: &Pair) -> [u32; 2] {
    [pair.client.connection.session_expiry_interval(), pair.server.connection.session_expiry_interval()]
}

// U5-3.1.2.11.2, MQTT-3.1.2-23
// MQTT-3.1.2-6
#[test]
fn both_ends_know_how_long_the_session_lives() {
    let v5 = |seconds: Option<u32>| {
        let mut connect = Connect::new(Version::V5, Text::from_static("c"));
        if let Some(seconds) = seconds {
            connect = connect.with_session_expiry_interval(seconds);
        }
        Scenario::new(Version::V5).with(|it| it.connect = connect)
    };
    assert_eq!(expiry(&v5(None).connected()), [0, 0]);
    for seconds in [0, 1, 3_600, u32::MAX] {
        assert_eq!(expiry(&v5(Some(seconds)).connected()), [seconds, seconds]);
    }
    let shortened = v5(Some(3_600)).with(|it| it.connack = it.connack.clone().with_session_expiry_interval(60));
    assert_eq!(expiry(&shortened.connected()), [60, 60]);
    for version in [Version::V31, Version::V311] {
        assert_eq!(expiry(&Scenario::new(version).connected()), [u32::MAX, u32::MAX]);
        let clean = Scenario::new(version).with(|it| it.connect.clean_start = true);
        assert_eq!(expiry(&clean.connected()), [0, 0]);
    }
}

#[test]
fn disconnect_changes_how_long_the_session_lives() {
    for seconds in [0, 60, u32::MAX] {
        let mut pair = Scenario::new(Version::V5).connected();
        let goodbye = Disconnect::new(ReasonCode::SUCCESS).with_session_expiry_interval(seconds);
        pair.client.connection.disconnect(pair.instant(), goodbye).unwrap();
        pair.run();
        assert_eq!(expiry(&pair), [seconds, seconds]);
        assert!(matches!(pair.server.closed, Some(Closed::Remote(_))));
    }
}

// U5-3.14.2.2.2
#[test]
fn disconnect_cannot_bring_a_session_to_life_that_was_to_end() {
    let connect = Connect::new(Version::V5, Text::from_static("c"));
    let mut pair = Scenario::new(Version::V5).with(|it| it.connect = connect.clone()).connected();
    let goodbye = Disconnect::new(ReasonCode::SUCCESS).with_session_expiry_interval(1);
    let refused = pair.client.connection.disconnect(pair.instant(), goodbye.clone());
    assert!(matches!(refused, Err(CommandError::NotAllowed(_))));
    assert!(pair.client.connection.is_open());

    let mut server = Solo::accepted(connect, Config::default());
    server.feed_packet(&mqtt_proto::Packet::Disconnect(goodbye));
    assert_eq!(server.events(), ["Closed: DISCONNECT Session Expiry Interval, 0x82, U5-3.14.2.2.2"]);
    assert_eq!(server.sent(), ["DISCONNECT 0x82"]);
}

// The server has lost the session, and CONNACK, which says so, gets lost, too. Were the session that it began resumed, its ids
// would be taken for the old one's, and its first message would vanish as a repetition.
#[test]
fn a_session_that_began_with_a_lost_connack_is_begun_again() {
    for version in TELLING {
        let mut pair = Scenario::new(version).with(|it| it.resumes_unconfirmed = false).latency(10).connected();
        pair.publish(Side::Server, QoS::ExactlyOnce, "old");
        pair.step();
        pair.publish(Side::Client, QoS::AtLeastOnce, "mine");
        pair.cut();
        pair.reconnect(Memory::Client);
        pair.step();
        assert!(pair.server.connection.is_open() && !pair.client.connection.is_open());
        pair.cut();
        pair.reconnect(Memory::Both);
        pair.run();
        assert_eq!(pair.client.lost.len(), 1, "what was unfinished comes back");
        pair.publish(Side::Server, QoS::ExactlyOnce, "new");
        pair.run();
        assert_eq!(pair.received(Side::Client), ["old", "new"]);
        pair.assert_quiet();
        pair.forget_log();
        pair.reconnect(Memory::Both);
        pair.run();
        assert_eq!(pair.wire()[1], "server: CONNACK session present", "the client has spoken");
    }
}

// MQTT-3.2.2-4: a client without a session must not be told that there is one.
#[test]
fn a_client_whose_first_connack_was_lost_comes_in_all_the_same() {
    for version in TELLING {
        let mut pair = Scenario::new(version).with(|it| it.resumes_unconfirmed = false).latency(10).begun();
        pair.step();
        assert!(pair.server.connection.is_open() && !pair.client.connection.is_open());
        pair.reconnect(Memory::Server);
        pair.reconnect_as(Session::new());
        pair.run();
        assert!(pair.client.connection.is_open(), "{:?}", pair.client.closed);
    }
}

#[test]
fn anything_but_a_goodbye_confirms_a_session() {
    let cases: [(&[u8], bool); 6] = [
        (&[], false),
        (&[0xE0, 0], false),
        (&[0xC0, 0], true),
        (&[0x30, 4, 0, 1, b't', 0], true),
        (&[0x82, 7, 0, 1, 0, 0, 1, b'f', 0], true),
        (&[0x40, 2, 0, 1], true),
    ];
    for (bytes, expected) in cases {
        let mut server = Solo::server(Version::V5);
        server.feed(bytes);
        let session = server.connection.into_session();
        assert_eq!(session.is_confirmed(), expected, "{bytes:?}");
        let stored = Session::import(session.export());
        assert_eq!(stored.is_confirmed(), expected);
    }
    assert!(Session::continued().is_confirmed() && !Session::new().is_confirmed());
}

// The server's application gives a session to a client that wants none.
// MQTT-3.1.2-4, MQTT-3.2.2-1, MQTT-3.2.2-2
#[test]
fn accept_refuses_a_session_after_a_clean_start() {
    let mut server = Solo::asked(Connect::new(Version::V5, Text::from_static("c")), Config::default());
    let connack = ConnAck::new(false, ReasonCode::SUCCESS);
    let rejected = server.connection.accept(server.instant(), connack, Some(Session::new())).unwrap_err();
    assert!(matches!(rejected.kind(), CommandError::NotAllowed(_)));
    assert!(server.sent().is_empty());
}

#[test]
fn giving_back_room_forgets_nothing_that_is_under_way() {
    for version in VERSIONS {
        let mut client = Solo::client(version);
        let message = |qos| Message::new(TopicName::from_static("t"), "x").with_qos(qos);
        for _ in 1..=19 {
            client.connection.publish(client.instant(), message(QoS::AtLeastOnce)).unwrap();
        }
        client.connection.publish(client.instant(), message(QoS::ExactlyOnce)).unwrap();
        for id in 1..=18 {
            client.feed(&[0x40, 2, 0, id]);
        }
        let no_properties: &[u8] = if version == Version::V5 { &[0] } else { &[] };
        for (first, id) in [(0x32, 1), (0x34, 2)] {
            client.feed(&[&[first, 5 + no_properties.len() as u8, 0, 1, b't', 0, id], no_properties].concat());
        }
        let mut acks = Vec::new();
        while let Some(event) = client.connection.poll_event() {
            if let ClientEvent::Message(delivery) = event {
                acks.extend(delivery.ack);
            }
        }
        client.sent();
        client.connection.shrink();
        for ack in acks {
            client.connection.ack(client.instant(), ack).unwrap();
        }
        assert_eq!(client.sent().len(), 2, "PUBACK and PUBREC");
        client.connection.shrink();
        client.feed(&[0x62, 2, 0, 2]);
        client.feed(&[0x40, 2, 0, 19]);
        client.feed(&[0x50, 2, 0, 20]);
        assert_eq!(client.sent().len(), 2, "PUBCOMP and PUBREL");
        client.connection.shrink();
        client.feed(&[0x70, 2, 0, 20]);
        assert_eq!(client.events().len(), 2, "both are acknowledged");
        assert!(client.connection.is_open());
    }
}
