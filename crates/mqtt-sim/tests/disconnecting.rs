//! DISCONNECT both ways, and what holds at and after the end (5.0 §3.14, §4.13).

use mqtt_proto::{
    Closed, CommandError, Config, ConnAck, Connect, Disconnect, Instant, Message, QoS, ReasonCode, Session, Text,
    TopicName, Version,
};
use mqtt_sim::pair::{Memory, Scenario, Side, Solo};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

fn goodbye() -> Disconnect {
    Disconnect::new(ReasonCode::SUCCESS)
}

// MQTT-3.14.4-1, MQTT-3.14.4-2
#[test]
fn a_client_says_goodbye_behind_everything_it_has_sent() {
    for version in VERSIONS {
        let mut pair = Scenario::new(version).latency(10).connected();
        pair.publish(Side::Client, QoS::AtMostOnce, "a");
        pair.publish(Side::Client, QoS::AtLeastOnce, "b");
        pair.client.connection.disconnect(pair.instant(), goodbye()).unwrap();
        let error = pair.send(Side::Client, Message::new(TopicName::from_static("t"), "x")).unwrap_err();
        assert_eq!(error.kind(), &CommandError::Closed);
        assert_eq!(pair.client.connection.disconnect(pair.instant(), goodbye()), Err(CommandError::Closed));
        pair.run();
        assert_eq!(
            pair.wire(),
            ["client: PUBLISH QoS 0 't' 'a'", "client: PUBLISH id 1 QoS 1 't' 'b'", "client: DISCONNECT",]
        );
        assert_eq!(pair.server.received, ["a", "b"]);
        let Some(Closed::Remote(disconnect)) = &pair.server.closed else { panic!("{:?}", pair.server.closed) };
        assert_eq!(disconnect.reason, ReasonCode::SUCCESS);
        assert_eq!(pair.client.closed, Some(Closed::Local));
    }
}

#[test]
fn events_of_the_packets_before_the_end_come_first_and_the_end_is_last() {
    for version in VERSIONS {
        let mut server = Solo::server(version);
        let publish: &[u8] = if version == Version::V5 { &[0x30, 4, 0, 1, b't', 0] } else { &[0x30, 3, 0, 1, b't'] };
        server.feed(&[publish, publish, &[0xE0, 0], publish].concat());
        server.connection.handle_eof(Instant::ZERO);
        server.connection.handle_timeout(Instant::from_millis(u64::MAX));
        let message = "Message QoS 0 't' ''";
        assert_eq!(server.events(), [message, message, "Closed by the peer"]);
        // A fixed header that tells by itself that it is wrong.
        let mut server = Solo::server(version);
        server.feed(&[publish, &[0x00, 0]].concat());
        let events = server.events();
        assert_eq!((events.len(), events[0].as_str()), (2, message));
        assert!(events[1].starts_with("Closed: "), "{events:?}");
    }
}

// U5-3.14.2.1b, MQTT-4.13.2-1
#[test]
fn reason_codes_of_the_other_side_are_refused() {
    let (client_only, server_only) =
        ([0x04], [0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0]);
    let both = [0x00, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99];
    for code in 0..=u8::MAX {
        let from_client = both.contains(&code) || client_only.contains(&code);
        let from_server = both.contains(&code) || server_only.contains(&code) || [0xA1, 0xA2].contains(&code);
        let disconnect = Disconnect::new(ReasonCode(code));
        let mut client = Solo::client(Version::V5);
        let mut server = Solo::server(Version::V5);
        assert_eq!(client.connection.disconnect(Instant::ZERO, disconnect.clone()).is_ok(), from_client, "{code:#x}");
        assert_eq!(server.connection.disconnect(Instant::ZERO, disconnect).is_ok(), from_server, "{code:#x}");
        let bytes = [0xE0, 2, code, 0];
        let mut client = Solo::client(Version::V5);
        let mut server = Solo::server(Version::V5);
        client.feed(&bytes);
        server.feed(&bytes);
        // 0x8C stands in one table of the standard and not in the other: not sent, tolerated.
        let heard = format!("Closed by the peer{}", if code == 0 { String::new() } else { format!(" 0x{code:02X}") });
        assert_eq!(client.events() == [heard.clone()], from_server || code == 0x8C, "{code:#x}");
        assert_eq!(server.events() == [heard], from_client || code == 0x8C, "{code:#x}");
        if !from_client && code != 0x8C {
            assert!(server.sent()[0].starts_with("DISCONNECT 0x8"), "{code:#x}");
        }
    }
}

#[test]
fn a_server_says_goodbye_in_5_0_and_hangs_up_in_3_x() {
    for version in VERSIONS {
        let mut pair = Scenario::new(version).connected();
        let reason = if version == Version::V5 { ReasonCode::SERVER_SHUTTING_DOWN } else { ReasonCode::SUCCESS };
        pair.server.connection.disconnect(pair.instant(), Disconnect::new(reason)).unwrap();
        pair.run();
        if version == Version::V5 {
            assert_eq!(pair.wire(), ["server: DISCONNECT 0x8B"]);
            assert_eq!(pair.events(), ["server: Closed by us", "client: Closed by the peer 0x8B"]);
        } else {
            assert!(pair.wire().is_empty());
            assert_eq!(pair.events(), ["server: Closed by us", "client: Closed: end of transport"]);
        }
    }
}

// In 3.x there is no DISCONNECT from a server.
#[test]
fn a_3_x_client_takes_no_goodbye() {
    for version in [Version::V31, Version::V311] {
        let mut client = Solo::client(version);
        client.feed(&[0xE0, 0]);
        assert_eq!(client.events(), ["Closed: DISCONNECT packet type, 0x82, MQTT-4.8.0-1"]);
        assert!(client.sent_bytes().is_empty());
    }
}

#[test]
fn a_goodbye_that_3_x_has_no_words_for_changes_nothing() {
    for version in [Version::V31, Version::V311] {
        let mut client = Solo::client(version);
        let with_will = Disconnect::new(ReasonCode::DISCONNECT_WITH_WILL);
        assert!(matches!(client.connection.disconnect(Instant::ZERO, with_will), Err(CommandError::Encode(_))));
        assert!(client.connection.is_open() && client.sent_bytes().is_empty());
        client.connection.disconnect(Instant::ZERO, goodbye()).unwrap();
        assert_eq!(client.sent_bytes(), [0xE0, 0]);
    }
}

// MQTT-3.14.2-2
#[test]
fn a_server_does_not_change_the_session_expiry() {
    let mut server = Solo::server(Version::V5);
    let result = server.connection.disconnect(Instant::ZERO, goodbye().with_session_expiry_interval(0));
    assert!(matches!(result, Err(CommandError::NotAllowed(_))));
    let mut client = Solo::client(Version::V5);
    client.feed(&[0xE0, 7, 0, 5, 0x11, 0, 0, 0, 0]);
    assert_eq!(client.sent(), ["DISCONNECT 0x82"]);
}

// MQTT-3.14.0-1
#[test]
fn before_connack_only_a_client_says_goodbye() {
    let mut server = Solo::listening(Config::default());
    assert_eq!(server.connection.disconnect(Instant::ZERO, goodbye()), Err(CommandError::NotConnected));
    let connect = Connect::new(Version::V5, Text::from_static("c"));
    let mut server = Solo::asked(connect.clone(), Config::default());
    assert_eq!(server.connection.disconnect(Instant::ZERO, goodbye()), Err(CommandError::NotConnected));
    let mut client = Solo::dialling(connect.clone(), Config::default(), Session::new());
    client.connection.disconnect(Instant::ZERO, goodbye()).unwrap();
    assert_eq!(client.sent(), ["DISCONNECT"]);
    let mut client = Solo::dialling(connect, Config::default(), Session::new());
    client.feed(&[0xE0, 0]);
    assert_eq!(client.events(), ["Closed: DISCONNECT packet type, 0x82, MQTT-3.2.0-1"]);
}

// What a resumed session has not sent yet does not follow DISCONNECT, and is not lost.
// MQTT-3.14.4-1
#[test]
fn a_backlog_ends_with_the_goodbye_and_lives_on_in_the_session() {
    for side in Side::BOTH {
        let mut pair = Scenario::new(Version::V5).connected();
        for payload in ["a", "b", "c", "d"] {
            pair.publish(side, QoS::ExactlyOnce, payload);
        }
        pair.scenario = pair.scenario.clone().receive_maximum(1, 1);
        pair.acks_at_once(side.other(), false);
        pair.reconnect(Memory::Both);
        pair.run();
        match side {
            Side::Client => pair.client.connection.disconnect(pair.instant(), goodbye()),
            Side::Server => pair.server.connection.disconnect(pair.instant(), goodbye()),
        }
        .unwrap();
        pair.run();
        pair.acks_at_once(side.other(), true);
        pair.ack(side.other(), 0);
        pair.reconnect(Memory::Both);
        pair.run();
        assert_eq!(pair.received(side.other()), ["a", "b", "c", "d"]);
        pair.assert_quiet();
    }
}

#[test]
fn nothing_can_be_done_after_the_end_and_acknowledgements_are_no_mistake() {
    for version in VERSIONS {
        let mut pair = Scenario::new(version).connected();
        pair.server.acks_at_once = false;
        pair.publish(Side::Client, QoS::ExactlyOnce, "a");
        pair.run();
        pair.cut();
        let now = pair.instant();
        assert_eq!(pair.subscribe(&["f"], QoS::AtMostOnce), Err(CommandError::Closed));
        assert_eq!(pair.client.connection.ping(now), Err(CommandError::Closed));
        assert_eq!(pair.client.connection.disconnect(now, goodbye()), Err(CommandError::Closed));
        let rejected = pair.server.connection.accept(now, ConnAck::new(false, ReasonCode::SUCCESS), None).unwrap_err();
        assert_eq!(*rejected.kind(), CommandError::Closed);
        pair.ack(Side::Server, 0);
        assert_eq!(pair.client.connection.poll_timeout(), None);
        assert!(!pair.client.connection.wants_input());
    }
}

#[test]
fn bytes_after_the_end_are_left_alone() {
    for version in VERSIONS {
        let mut server = Solo::server(version);
        server.feed(&[0xE0, 0]);
        server.events();
        server.sent_bytes();
        server.feed(&[0xC0, 0, 0xC0, 0, 0xFF, 0xFF, 0xFF]);
        assert!(server.events().is_empty() && server.sent_bytes().is_empty());
    }
}
