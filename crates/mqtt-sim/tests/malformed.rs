//! Bytes that are no valid packet, at both roles: no panic, the right reason, and a text that names the mistake.

use bytes::BytesMut;
use mqtt_proto::{
    Client, ClientEvent, Closed, Config, ConnAck, Connect, Connection, Disconnect, Message, Packet, ProtocolError,
    Publish, QoS, ReasonCode, Server, ServerEvent, Session, SubscriptionId, Text, TopicName, Version, Will,
};
use mqtt_sim::pair::Solo;

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

fn encode(version: Version, packet: &Packet) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    packet.encode(version, &mut bytes).unwrap();
    bytes.to_vec()
}

fn hello(version: Version) -> Connect {
    let message = Message::new(TopicName::from_static("gone"), "by").with_qos(QoS::AtLeastOnce);
    let connect = Connect::new(version, Text::from_static("c")).with_will(Will::new(message));
    connect.with_credentials(Text::from_static("user"), Some("secret".into()))
}

/// Valid packets that a peer may send to one of the roles, with about everything that they can hold.
fn packets(version: Version) -> Vec<Vec<u8>> {
    let v5 = version == Version::V5;
    let mut message = Message::new(TopicName::from_static("a/b"), "payload").with_qos(QoS::AtLeastOnce);
    let mut disconnect = Disconnect::new(ReasonCode::SUCCESS);
    let mut connect = hello(version);
    let mut connack = ConnAck::new(false, ReasonCode::SUCCESS);
    if v5 {
        let user = || (Text::from_static("k"), Text::from_static("v"));
        message = message
            .with_content_type(Text::from_static("text"))
            .with_response_topic(TopicName::from_static("back"))
            .with_message_expiry_interval(7)
            .with_user_property(user().0, user().1);
        disconnect = disconnect.with_reason_string(Text::from_static("why"));
        connect = connect.with_session_expiry_interval(9).with_user_property(user().0, user().1);
        connack = connack.with_reason_string(Text::from_static("hi")).with_server_keep_alive(10);
    }
    let publish = Publish::new(message, mqtt_proto::PacketId::new(3));
    let mut all = vec![
        encode(version, &Packet::Connect(Box::new(connect))),
        encode(version, &Packet::ConnAck(connack)),
        encode(version, &Packet::Publish(publish)),
        encode(version, &Packet::Disconnect(Disconnect::new(ReasonCode::SUCCESS))),
        vec![0x40, 2, 0, 1],
        vec![0x50, 2, 0, 2],
        vec![0x62, 2, 0, 9],
        vec![0x70, 2, 0, 2],
        vec![0xC0, 0],
        vec![0xD0, 0],
    ];
    if v5 {
        all.push(encode(version, &Packet::Disconnect(disconnect)));
        all.push(vec![0x40, 11, 0, 1, 0x10, 7, 0x26, 0, 1, b'k', 0, 1, b'v']);
        all.push(vec![0x82, 12, 0, 1, 2, 0x0B, 5, 0, 3, b'a', b'/', b'#', 0x2D, 0]);
        all.push(vec![0x90, 4, 0, 3, 0, 1]);
        all.push(vec![0xA2, 7, 0, 1, 0, 0, 2, b'a', b'b']);
        all.push(vec![0xB0, 4, 0, 4, 0, 0x11]);
        all.push(vec![0xF0, 6, 0x18, 4, 0x15, 0, 1, b'm']);
    } else {
        all.push(vec![0x82, 8, 0, 1, 0, 3, b'a', b'/', b'#', 1]);
        all.push(vec![0x90, 3, 0, 3, 1]);
        all.push(vec![0xA2, 6, 0, 1, 0, 2, b'a', b'b']);
        all.push(vec![0xB0, 2, 0, 4]);
    }
    all
}

/// Open machines with a PUBLISH, a QoS 2 PUBLISH, a SUBSCRIBE and an UNSUBSCRIBE under way.
fn open(version: Version) -> (Connection<Client>, Connection<Server>) {
    let mut client = Solo::client(version);
    let mut server = Solo::accepted(hello(version), Config::default());
    let now = client.instant();
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let message = Message::new(TopicName::from_static("t"), "x").with_qos(qos);
        client.connection.publish(now, message.clone()).unwrap();
        server.connection.publish(now, message).unwrap();
    }
    let filter = mqtt_proto::TopicFilter::from_static("f");
    let subscription = mqtt_proto::Subscription::new(filter.clone(), QoS::AtMostOnce);
    client.connection.subscribe(now, mqtt_proto::Subscribe::new(vec![subscription])).unwrap();
    client.connection.unsubscribe(now, mqtt_proto::Unsubscribe::new(vec![filter])).unwrap();
    client.sent_bytes();
    server.sent_bytes();
    (client.connection, server.connection)
}

/// What holds for every error, and for what is said about it.
fn check_error(error: &ProtocolError, version: Version, is_open: bool, sent: &[u8], input: &[u8]) {
    let text = error.to_string();
    assert!(error.reason().is_failure(), "{text}");
    assert!(!error.field().is_empty() && !error.rule().is_empty(), "{text}");
    let id = error.statement();
    assert!(id.starts_with("MQTT-") || id.starts_with('U') || id.starts_with('D'), "{text}");
    for part in [error.field(), error.rule(), id, error.reason().name()] {
        assert!(text.contains(part), "{text}");
    }
    if let Some(packet) = error.packet() {
        assert!(text.starts_with(packet.name()), "{text}");
    }
    if is_open && version == Version::V5 {
        // U5-4.13.1: DISCONNECT with the error's reason is the last thing sent.
        assert!(
            sent.ends_with(&[0xE0, 1, error.reason().0]) || sent.ends_with(&[0xE0, 2, error.reason().0, 0]),
            "{text}: {sent:?}"
        );
    } else if is_open {
        assert!(!sent.ends_with(&[0xE0, 0]), "3.x has no words for it: {text} {input:?}");
    }
}

fn feed_all(version: Version, machines: &(Connection<Client>, Connection<Server>), bytes: &[u8]) {
    let mut client = Solo::client(version);
    client.connection = machines.0.clone();
    client.feed(bytes);
    let (is_open, sent) = (machines.0.is_open(), client.sent_bytes());
    while let Some(event) = client.connection.poll_event() {
        if let ClientEvent::Closed(Closed::ProtocolError(error)) = &event {
            check_error(error, version, is_open, &sent, bytes);
        }
        let _ = format!("{event:?}");
    }
    let mut server = Solo::listening(Config::default());
    server.connection = machines.1.clone();
    server.feed(bytes);
    let (is_open, sent) = (machines.1.is_open(), server.sent_bytes());
    while let Some(event) = server.connection.poll_event() {
        if let ServerEvent::Closed(Closed::ProtocolError(error)) = &event {
            check_error(error, version, is_open, &sent, bytes);
        }
        let _ = format!("{event:?}");
    }
    let _ = format!("{:?}{:?}", client.connection, server.connection);
}

/// Both machines before and after the handshake.
fn all_machines(version: Version) -> [(Connection<Client>, Connection<Server>); 2] {
    let dialling = Solo::dialling(hello(version), Config::default(), Session::new()).connection;
    [(dialling, Solo::listening(Config::default()).connection), open(version)]
}

// bugs.tsv 7, 8: each packet cut off at each byte, its length saying so.
#[test]
fn a_packet_that_is_shorter_than_its_fields_is_no_crash() {
    for version in VERSIONS {
        for machines in all_machines(version) {
            for packet in packets(version) {
                for len in 0..packet.len() - 2 {
                    let mut cut = packet[..2 + len].to_vec();
                    cut[1] = len as u8;
                    feed_all(version, &machines, &cut);
                }
            }
        }
    }
}

// MQTT-1.5.3-1, MQTT-4.8.0-1, MQTT-4.13.1-1, MQTT-4.13.2-1, U5-4.13.1
#[test]
fn a_packet_with_any_byte_changed_is_no_crash() {
    for version in VERSIONS {
        for machines in all_machines(version) {
            for packet in packets(version) {
                for at in 0..packet.len() {
                    for value in [0, 1, 2, 0x7F, 0x80, 0xC0, 0xFF, packet[at] ^ 1, packet[at] ^ 0x10, packet[at] ^ 0x80]
                    {
                        let mut changed = packet.clone();
                        changed[at] = value;
                        // What follows decides when the length has grown.
                        changed.extend_from_slice(&[0; 4]);
                        feed_all(version, &machines, &changed);
                    }
                }
            }
        }
    }
}

#[test]
fn random_bytes_are_no_crash() {
    let mut seed = 1_u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    for version in VERSIONS {
        let packets = packets(version);
        for machines in all_machines(version) {
            for _ in 0..1_500 {
                let mut bytes = Vec::new();
                for _ in 0..random() % 6 {
                    let mut packet = packets[random() % packets.len()].clone();
                    for _ in 0..random() % 3 {
                        let at = random() % packet.len();
                        packet[at] = random() as u8;
                    }
                    bytes.extend_from_slice(&packet);
                }
                feed_all(version, &machines, &bytes);
            }
        }
    }
}

#[test]
fn error_texts_name_packet_field_and_rule() {
    let text = |bytes: &[u8]| {
        let mut server = Solo::server(Version::V5);
        server.feed(bytes);
        match server.connection.poll_event() {
            Some(ServerEvent::Closed(Closed::ProtocolError(error))) => error.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let cases: [(&[u8], &str); 6] = [
        (
            &[0x40, 2, 0, 0],
            "PUBACK packet identifier at byte 2: a packet identifier must not be 0 [MQTT-2.2.1-3] (0x82 protocol error)",
        ),
        (
            &[0x82, 2, 0, 1],
            "SUBSCRIBE Property Length at byte 4: the packet ends before the field is complete [U5-2.1.4] (0x81 malformed packet)",
        ),
        (
            &[0xC1, 0],
            "PINGREQ flags at byte 0: not the flags of this kind of packet [MQTT-2.1.3-1] (0x81 malformed packet)",
        ),
        (
            &[0x32, 6, 0, 1, b'+', 0, 1, 0],
            "PUBLISH topic name at byte 2: a topic name must not hold the wildcards + and # [MQTT-3.3.2-2] (0x81 malformed packet)",
        ),
        (
            &[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1],
            "PUBLISH Remaining Length at byte 1: an integer of more than four bytes [U5-1.5.5] (0x81 malformed packet)",
        ),
        (
            &[0x20, 0],
            "CONNACK packet type: this side does not receive such a packet [MQTT-4.13.1-1] (0x82 protocol error)",
        ),
    ];
    let texts: Vec<_> = cases.iter().map(|(bytes, _)| text(bytes)).collect();
    assert_eq!(texts, cases.map(|(_, text)| text));
}

// STYLE: accepted by all five decoders: a shared subscription with No Local. MQTT-3.8.3-4
#[test]
fn a_shared_subscription_with_no_local_is_refused() {
    let mut server = Solo::server(Version::V5);
    server.feed(b"\x82\x10\0\x01\0\0\x0a$share/s/a\x04");
    assert_eq!(server.sent(), ["DISCONNECT 0x82"]);
}

// STYLE: three subscription identifiers corrupt the payload. U5-3.3.2.3.8c
#[test]
fn a_message_with_three_subscription_identifiers_arrives_whole() {
    let mut server = Solo::server(Version::V5);
    let mut message = Message::new(TopicName::from_static("t"), "the payload");
    for id in [1, 200, 268_435_455] {
        message = message.with_subscription_identifier(SubscriptionId::new(id).unwrap());
    }
    server.connection.publish(server.instant(), message.clone()).unwrap();
    let mut client = Solo::client(Version::V5);
    client.feed(&server.sent_bytes());
    let Some(ClientEvent::Message(delivery)) = client.connection.poll_event() else { panic!() };
    assert_eq!(delivery.message, message);
    assert_eq!(
        delivery.message.properties().subscription_identifiers().map(SubscriptionId::get).collect::<Vec<_>>(),
        [1, 200, 268_435_455]
    );
}

// STYLE: the parser keeps half a packet across connections. The half is the caller's, and ends with the connection.
#[test]
fn half_a_packet_does_not_reach_the_next_connection() {
    for version in VERSIONS {
        let mut pair = mqtt_sim::pair::Scenario::new(version).connected();
        pair.publish(mqtt_sim::pair::Side::Client, QoS::AtLeastOnce, "whole");
        pair.cut_after(mqtt_sim::pair::Side::Client, 5);
        pair.run();
        assert!(pair.server.received.is_empty());
        pair.reconnect(mqtt_sim::pair::Memory::Both);
        pair.run();
        assert_eq!(pair.server.received, ["whole"]);
        pair.assert_quiet();
    }
}
