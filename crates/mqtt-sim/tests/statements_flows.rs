//! Statements about flows that no scenario of another file shows: ids, what is not sent again, AUTH without a method.

use mqtt_proto::{
    Auth, CommandError, Config, Connect, Disconnect, Instant, Message, QoS, ReasonCode, Role, Session, Subscribe,
    Subscription, Text, TopicFilter, TopicName, Unsubscribe, Version,
};
use mqtt_sim::pair::{Memory, Scenario, Side, Solo};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];
const DAY: u64 = 86_400_000;

fn message(qos: QoS) -> Message {
    Message::new(TopicName::from_static("t"), "x").with_qos(qos)
}

/// Publishes and tells the id.
fn publish<R: Role>(solo: &mut Solo<R>, qos: QoS) -> u8 {
    solo.connection.publish(Instant::ZERO, message(qos)).unwrap();
    let line = solo.sent().remove(0);
    line.strip_prefix("PUBLISH id ").unwrap().split(' ').next().unwrap().parse().unwrap()
}

fn check_ids<R: Role>(mut solo: Solo<R>, qos: QoS) {
    let mut taken: Vec<u8> = (0..3).map(|_| publish(&mut solo, qos)).collect();
    let take = |solo: &mut Solo<R>, taken: &[u8]| {
        let id = publish(solo, qos);
        assert!(id > 0 && !taken.contains(&id), "{id} is among {taken:?}");
        id
    };
    for _ in 0..10 {
        let done = taken.remove(1);
        if qos == QoS::ExactlyOnce {
            solo.feed(&[0x50, 2, 0, done]);
            // PUBREC does not free the id.
            solo.sent();
            let id = take(&mut solo, &[&taken[..], &[done]].concat());
            taken.push(id);
            solo.feed(&[0x70, 2, 0, done]);
        } else {
            solo.feed(&[0x40, 2, 0, done]);
        }
        let id = take(&mut solo, &taken);
        taken.push(id);
    }
}

// MQTT-2.2.1-4, MQTT-4.3.2-1, MQTT-4.3.3-1; of 3.1.1 MQTT-2.3.1-2, MQTT-2.3.1-3, MQTT-2.3.1-4
#[test]
fn a_new_message_takes_an_id_that_is_free() {
    for version in VERSIONS {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            check_ids(Solo::client(version), qos);
            check_ids(Solo::server(version), qos);
        }
    }
}

// MQTT-4.4.0-1, U311-4.4, D31-retry: 3.1 allows to repeat; we do not.
#[test]
fn nothing_is_sent_again_while_the_connection_lives() {
    for version in VERSIONS {
        for side in Side::BOTH {
            for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
                let mut pair = Scenario::new(version).connected();
                pair.acks_at_once(side.other(), false);
                pair.publish(side, qos, "a");
                pair.run_until(DAY);
                assert_eq!(pair.wire().len(), 1, "{:?}", pair.wire());
            }
        }
        let mut server = Solo::server(version);
        publish(&mut server, QoS::ExactlyOnce);
        server.feed(&[0x50, 2, 0, 1]);
        assert_eq!(server.sent(), ["PUBREL id 1"]);
        server.connection.handle_timeout(Instant::from_millis(80_000));
        assert!(server.connection.is_open() && server.sent().is_empty(), "PUBREL is not repeated either");
    }
}

// MQTT-4.3.3-7, MQTT-4.3.3-13: neither end drops a QoS 2 message that has begun to travel.
#[test]
fn a_message_that_expires_on_its_way_finishes_its_handshake() {
    for side in Side::BOTH {
        for arrivals in 0..=4 {
            let mut pair = Scenario::new(Version::V5).latency(10).connected();
            let token = pair.send(side, message(QoS::ExactlyOnce).with_message_expiry_interval(1)).unwrap();
            for _ in 0..arrivals {
                pair.step();
            }
            pair.cut();
            pair.run_until(DAY);
            pair.reconnect(Memory::Both);
            pair.run();
            assert_eq!(pair.received(side.other()), ["x"], "{side:?} {arrivals}");
            assert_eq!(pair.finished(side), [(token, ReasonCode::SUCCESS)]);
            pair.assert_quiet();
        }
    }
}

// MQTT-4.6.0-4
#[test]
fn pubrels_leave_in_the_order_of_the_pubrecs_whatever_their_ids() {
    for version in VERSIONS {
        let mut client = Solo::client(version);
        for _ in 0..4 {
            publish(&mut client, QoS::ExactlyOnce);
        }
        client.feed(&[3, 1, 4, 2].map(|id| [0x50, 2, 0, id]).concat());
        assert_eq!(client.sent(), [3, 1, 4, 2].map(|id| format!("PUBREL id {id}")));
    }
}

// MQTT-3.10.4-3
#[test]
fn an_unsubscribe_stops_nothing_that_is_under_way() {
    for version in VERSIONS {
        let mut pair = Scenario::new(version).connected();
        pair.subscribe(&["t"], QoS::ExactlyOnce).unwrap();
        pair.run();
        pair.acks_at_once(Side::Client, false);
        let tokens = [QoS::AtLeastOnce, QoS::ExactlyOnce].map(|qos| pair.publish(Side::Server, qos, "a"));
        pair.run();
        let unsubscribe = Unsubscribe::new(vec![TopicFilter::from_static("t")]);
        pair.client.connection.unsubscribe(pair.instant(), unsubscribe).unwrap();
        pair.run();
        pair.ack(Side::Client, 0);
        pair.ack(Side::Client, 0);
        pair.run();
        assert_eq!(pair.finished(Side::Server), tokens.map(|token| (token, ReasonCode::SUCCESS)));
        pair.assert_quiet();
    }
}

/// AUTH with this reason and the method `m`.
fn auth(reason: ReasonCode) -> [u8; 8] {
    [0xF0, 6, reason.0, 4, 0x15, 0, 1, b'm']
}

// U5-3.15.0, MQTT-4.12.0-6, MQTT-4.12.0-7
#[test]
fn auth_without_a_method_in_connect_closes() {
    let hello = || Connect::new(Version::V5, Text::from_static("c"));
    for reason in [ReasonCode::SUCCESS, ReasonCode::CONTINUE_AUTHENTICATION, ReasonCode::REAUTHENTICATE] {
        let (mut client, mut server) = (Solo::client(Version::V5), Solo::server(Version::V5));
        client.feed(&auth(reason));
        server.feed(&auth(reason));
        assert_eq!((client.sent(), server.sent()), (vec!["DISCONNECT 0x82".into()], vec!["DISCONNECT 0x82".into()]));
        let expected = ["Closed: AUTH Authentication Method, 0x82, U5-3.15.0"];
        assert_eq!(client.events(), expected);
        assert_eq!(server.events(), expected);

        let mut client = Solo::dialling(hello(), Config::default(), Session::new());
        client.feed(&auth(reason));
        assert_eq!(client.events(), expected);
        let mut server = Solo::asked(hello(), Config::default());
        assert!(matches!(server.connection.auth(Instant::ZERO, Auth::new(reason)), Err(CommandError::NotAllowed(_))));
    }
}

// MQTT-3.1.2-30
#[test]
fn a_client_that_authenticates_sends_auth_and_disconnect_alone() {
    let now = Instant::ZERO;
    let hello = Connect::new(Version::V5, Text::from_static("c")).with_authentication(Text::from_static("m"), None);
    let mut client = Solo::dialling(hello, Config::default(), Session::new());
    client.feed(&auth(ReasonCode::CONTINUE_AUTHENTICATION));
    let filter = TopicFilter::from_static("f");
    let subscribe = Subscribe::new(vec![Subscription::new(filter.clone(), QoS::AtMostOnce)]);
    assert_eq!(client.connection.subscribe(now, subscribe), Err(CommandError::NotConnected));
    let unsubscribe = Unsubscribe::new(vec![filter]);
    assert_eq!(client.connection.unsubscribe(now, unsubscribe), Err(CommandError::NotConnected));
    assert_eq!(client.connection.ping(now), Err(CommandError::NotConnected));
    let error = client.connection.publish(now, message(QoS::AtMostOnce)).unwrap_err();
    assert_eq!(error.kind(), &CommandError::NotConnected);
    assert!(client.sent().is_empty());
    client.connection.auth(now, Auth::new(ReasonCode::CONTINUE_AUTHENTICATION)).unwrap();
    client.connection.disconnect(now, Disconnect::new(ReasonCode::SUCCESS)).unwrap();
    assert_eq!(client.sent(), ["AUTH 0x18 AuthenticationMethod 'm'", "DISCONNECT"]);
}

// MQTT-2.2.2-2, MQTT-3.3.1-4, MQTT-4.8.0-1, MQTT-4.13.1-1, MQTT-4.13.2-1, U5-4.13.1, MQTT-3.6.1-1, MQTT-3.14.1-1
#[test]
fn wrong_flags_close_the_connection() {
    let cases: [&[u8]; 6] = [
        &[0x36, 5, 0, 1, b't', 0, 1], // QoS 3
        &[0x41, 2, 0, 1],
        &[0x50 | 4, 2, 0, 1],
        &[0x60, 2, 0, 1],
        &[0x78, 2, 0, 1],
        &[0xE1, 0],
    ];
    for version in VERSIONS {
        let goodbye: &[&str] = if version == Version::V5 { &["DISCONNECT 0x81"] } else { &[] };
        for bytes in cases {
            let (mut client, mut server) = (Solo::client(version), Solo::server(version));
            client.feed(bytes);
            server.feed(bytes);
            assert!(client.connection.is_closed() && server.connection.is_closed(), "{version} {bytes:?}");
            assert_eq!(server.sent(), goodbye, "{version} {bytes:?}");
            assert_eq!(client.sent(), goodbye, "{version} {bytes:?}");
        }
    }
}

// MQTT-1.5.3-1, MQTT-1.5.3-2, MQTT-1.5.4-1, MQTT-1.5.4-2, MQTT-4.8.0-1
#[test]
fn text_that_is_none_closes_the_connection() {
    let surrogate: &[u8] = &[0xED, 0xA0, 0x80];
    for version in VERSIONS {
        let is_v5 = version == Version::V5;
        for (bad, id) in [(&b"\xFF"[..], "MQTT-3.3.2-1"), (surrogate, "MQTT-3.3.2-1"), (b"a\0b", "MQTT-1.5.")] {
            let len = bad.len() as u8;
            let header = [0x30, 2 + len + u8::from(is_v5), 0, len];
            let bytes = [&header[..], bad, if is_v5 { &[0][..] } else { &[] }].concat();
            let (mut client, mut server) = (Solo::client(version), Solo::server(version));
            client.feed(&bytes);
            server.feed(&bytes);
            let goodbye: &[&str] = if is_v5 { &["DISCONNECT 0x81"] } else { &[] };
            assert_eq!(client.sent(), goodbye);
            assert_eq!(server.sent(), goodbye);
            for events in [client.events(), server.events()] {
                assert!(
                    events[0].starts_with("Closed: PUBLISH topic name, 0x81, ") && events[0].contains(id),
                    "{events:?}"
                );
            }
        }
    }
}
