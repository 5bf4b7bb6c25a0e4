//! Every packet type in every phase of both roles: taken, or the end with the right reason (bugs.tsv 13, 14).

use mqtt_proto::{
    Auth, Config, Connect, Instant, QoS, ReasonCode, Role, Session, Subscribe, Subscription, Text, TopicFilter,
    Unsubscribe, Version,
};
use mqtt_sim::pair::{Solo, describe::Describe};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];
const NAMES: [&str; 15] = [
    "CONNECT",
    "CONNACK",
    "PUBLISH",
    "PUBACK",
    "PUBREC",
    "PUBREL",
    "PUBCOMP",
    "SUBSCRIBE",
    "SUBACK",
    "UNSUBSCRIBE",
    "UNSUBACK",
    "PINGREQ",
    "PINGRESP",
    "DISCONNECT",
    "AUTH",
];

/// A valid packet of each type.
fn packet(name: &str, version: Version) -> Vec<u8> {
    let v5 = version == Version::V5;
    match name {
        "CONNECT" => {
            let mut bytes = bytes::BytesMut::new();
            hello(version).encode(&mut bytes).unwrap();
            bytes.to_vec()
        }
        "CONNACK" if v5 => vec![0x20, 7, 0, 0, 4, 0x15, 0, 1, b'm'],
        "CONNACK" => vec![0x20, 2, 0, 0],
        "PUBLISH" if v5 => vec![0x32, 6, 0, 1, b't', 0, 1, 0],
        "PUBLISH" => vec![0x32, 5, 0, 1, b't', 0, 1],
        "PUBACK" => vec![0x40, 2, 0, 9],
        "PUBREC" => vec![0x50, 2, 0, 9],
        "PUBREL" => vec![0x62, 2, 0, 9],
        "PUBCOMP" => vec![0x70, 2, 0, 9],
        "SUBSCRIBE" if v5 => vec![0x82, 7, 0, 1, 0, 0, 1, b'a', 0],
        "SUBSCRIBE" => vec![0x82, 6, 0, 1, 0, 1, b'a', 0],
        "SUBACK" if v5 => vec![0x90, 4, 0, 1, 0, 0],
        "SUBACK" => vec![0x90, 3, 0, 1, 0],
        "UNSUBSCRIBE" if v5 => vec![0xA2, 6, 0, 1, 0, 0, 1, b'a'],
        "UNSUBSCRIBE" => vec![0xA2, 5, 0, 1, 0, 1, b'a'],
        "UNSUBACK" if v5 => vec![0xB0, 4, 0, 2, 0, 0],
        "UNSUBACK" => vec![0xB0, 2, 0, 2],
        "PINGREQ" => vec![0xC0, 0],
        "PINGRESP" => vec![0xD0, 0],
        "DISCONNECT" => vec![0xE0, 0],
        "AUTH" => vec![0xF0, 6, 0x18, 4, 0x15, 0, 1, b'm'],
        _ => unreachable!("{name}"),
    }
}

fn hello(version: Version) -> Connect {
    let connect = Connect::new(version, Text::from_static("c"));
    if version == Version::V5 { connect.with_authentication(Text::from_static("m"), None) } else { connect }
}

/// Feeds a packet and tells what came of it: taken, or why not, and what was said about it.
fn outcome<R: Role>(mut solo: Solo<R>, bytes: &[u8]) -> String
where
    R::Event: Describe,
{
    solo.sent_bytes();
    solo.feed(bytes);
    let mut last = String::from("waits");
    while let Some(event) = solo.connection.poll_event() {
        last = event.describe();
    }
    if !solo.connection.is_closed() {
        return "taken".into();
    }
    let said = solo.sent().pop().map_or_else(String::new, |line| format!("; {line}"));
    format!("{last}{said}")
}

fn legal(names: &[&str], name: &str) -> bool {
    names.contains(&name)
}

#[test]
fn a_server_that_waits_for_connect_takes_nothing_else() {
    for version in VERSIONS {
        for name in NAMES {
            let outcome = outcome(Solo::listening(Config::default()), &packet(name, version));
            if name == "CONNECT" {
                assert_eq!(outcome, "taken");
            } else {
                assert_eq!(outcome, format!("Closed: {name} packet type, 0x82, MQTT-3.1.0-1"));
            }
        }
    }
}

// MQTT-3.1.2-30: AUTH and DISCONNECT are all a client may send while it authenticates.
#[test]
fn a_server_that_authenticates_a_client_takes_auth_and_disconnect() {
    for name in NAMES {
        let mut server = Solo::asked(hello(Version::V5), Config::default());
        server.connection.auth(Instant::ZERO, Auth::new(ReasonCode::CONTINUE_AUTHENTICATION)).unwrap();
        let outcome = outcome(server, &packet(name, Version::V5));
        match name {
            "AUTH" => assert_eq!(outcome, "taken"),
            "DISCONNECT" => assert_eq!(outcome, "Closed by the peer"),
            "CONNECT" => assert_eq!(outcome, "Closed: CONNECT packet type, 0x82, MQTT-3.1.0-2; CONNACK 0x82"),
            _ => assert_eq!(outcome, format!("Closed: {name} packet type, 0x82, MQTT-3.1.2-30; CONNACK 0x82")),
        }
    }
}

#[test]
fn a_server_that_has_to_decide_takes_nothing_yet() {
    for version in VERSIONS {
        for name in NAMES {
            let server = Solo::asked(hello(version), Config::default());
            assert_eq!(outcome(server, &packet(name, version)), "taken");
        }
    }
}

#[test]
fn an_open_server_takes_what_clients_send() {
    let clients_send = ["PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "UNSUBSCRIBE", "PINGREQ"];
    for version in VERSIONS {
        let goodbye = if version == Version::V5 { "; DISCONNECT 0x82" } else { "" };
        let id = |v5: &'static str, v3: &'static str| if version == Version::V5 { v5 } else { v3 };
        for name in NAMES {
            let server = Solo::accepted(hello(version), Config::default());
            let outcome = outcome(server, &packet(name, version));
            let closed = |id: &str| format!("Closed: {name} packet type, 0x82, {id}{goodbye}");
            match name {
                "CONNECT" => assert_eq!(outcome, closed(id("MQTT-3.1.0-2", "MQTT-3.1.0-2"))),
                "CONNACK" | "SUBACK" | "UNSUBACK" | "PINGRESP" => {
                    assert_eq!(outcome, closed(id("MQTT-4.13.1-1", "MQTT-4.8.0-1")));
                }
                "DISCONNECT" => assert_eq!(outcome, "Closed by the peer"),
                "AUTH" if version == Version::V5 => {
                    assert_eq!(outcome, "Closed: AUTH reason code, 0x82, MQTT-4.12.1-1; DISCONNECT 0x82");
                }
                "AUTH" => assert!(outcome.starts_with("Closed: AUTH packet type"), "{outcome}"),
                _ => {
                    assert!(legal(&clients_send, name));
                    assert_eq!(outcome, "taken");
                }
            }
        }
    }
}

#[test]
fn a_client_that_waits_for_connack_takes_auth_and_connack() {
    for version in VERSIONS {
        for name in NAMES {
            let client = Solo::dialling(hello(version), Config::default(), Session::new());
            let outcome = outcome(client, &packet(name, version));
            match name {
                "CONNACK" => assert_eq!(outcome, "taken"),
                "AUTH" if version == Version::V5 => assert_eq!(outcome, "taken"),
                "AUTH" => assert!(outcome.starts_with("Closed: AUTH packet type"), "{outcome}"),
                _ => assert_eq!(outcome, format!("Closed: {name} packet type, 0x82, MQTT-3.2.0-1")),
            }
        }
    }
}

#[test]
fn an_open_client_takes_what_servers_send() {
    let servers_send = ["PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBACK", "UNSUBACK", "PINGRESP"];
    for version in VERSIONS {
        let goodbye = if version == Version::V5 { "; DISCONNECT 0x82" } else { "" };
        for name in NAMES {
            let mut client = Solo::dialling(hello(version), Config::default(), Session::new());
            client.feed(&packet("CONNACK", version));
            let filter = TopicFilter::from_static("a");
            let subscribe = Subscribe::new(vec![Subscription::new(filter.clone(), QoS::AtMostOnce)]);
            client.connection.subscribe(Instant::ZERO, subscribe).unwrap();
            client.connection.unsubscribe(Instant::ZERO, Unsubscribe::new(vec![filter])).unwrap();
            client.events();
            let outcome = outcome(client, &packet(name, version));
            let id = if version == Version::V5 { "MQTT-4.13.1-1" } else { "MQTT-4.8.0-1" };
            let closed = |id: &str| format!("Closed: {name} packet type, 0x82, {id}{goodbye}");
            match name {
                // MQTT-3.2.0-2
                "CONNACK" if version == Version::V5 => assert_eq!(outcome, closed("MQTT-3.2.0-2")),
                "CONNACK" => assert_eq!(outcome, closed("MQTT-3.2.0-1")),
                "CONNECT" | "SUBSCRIBE" | "UNSUBSCRIBE" | "PINGREQ" => assert_eq!(outcome, closed(id)),
                "DISCONNECT" if version == Version::V5 => assert_eq!(outcome, "Closed by the peer"),
                "DISCONNECT" => assert_eq!(outcome, closed("MQTT-4.8.0-1")),
                "AUTH" if version == Version::V5 => {
                    assert_eq!(outcome, "Closed: AUTH reason code, 0x82, MQTT-4.12.1-1; DISCONNECT 0x82");
                }
                "AUTH" => assert!(outcome.starts_with("Closed: AUTH packet type"), "{outcome}"),
                _ => {
                    assert!(legal(&servers_send, name));
                    assert_eq!(outcome, "taken");
                }
            }
        }
    }
}

#[test]
fn a_closed_connection_takes_nothing() {
    for version in VERSIONS {
        for name in NAMES {
            let mut client = Solo::client(version);
            let mut server = Solo::server(version);
            client.connection.handle_eof(Instant::ZERO);
            server.connection.handle_eof(Instant::ZERO);
            assert_eq!(outcome(client, &packet(name, version)), "Closed: end of transport");
            assert_eq!(outcome(server, &packet(name, version)), "Closed: end of transport");
        }
    }
}

// The first byte decides, not the last: a packet that may not come is not waited for.
#[test]
fn a_packet_at_the_wrong_time_is_refused_at_its_header() {
    let mut server = Solo::listening(Config::default());
    server.feed(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F]);
    assert!(server.connection.is_closed());
}
