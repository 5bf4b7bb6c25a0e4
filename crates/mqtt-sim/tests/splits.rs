//! Any split of the bytes gives the same events and the same answers (I2).

use mqtt_proto::{
    Ack, Client, ClientEvent, Config, ConnAck, Connect, Connection, Instant, Message, QoS, ReasonCode, Server,
    ServerEvent, Session, Text, TopicName, Version,
};
use mqtt_sim::pair::{Solo, describe::Describe};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

/// What a connection's whole life left: events and the bytes it sent.
type Life = (Vec<String>, Vec<u8>);

/// What a server sends: messages of each QoS with and without alias, and answers. Nothing in it answers
/// what the application does: a peer that knew that beforehand would break the rules.
fn from_server(version: Version) -> Vec<u8> {
    let v5 = version == Version::V5;
    let connect = if v5 { hello(version).with_topic_alias_maximum(3) } else { hello(version) };
    let mut server = Solo::accepted(connect, config());
    let now = server.instant();
    for (size, qos) in [(1, 0), (600, 1), (3, 2), (130, 2)] {
        let message = Message::new(TopicName::from_static("topic"), vec![b'x'; size]);
        server.connection.publish(now, message.with_qos(QoS::new(qos).unwrap())).unwrap();
    }
    let mut bytes = server.sent_bytes();
    bytes.extend_from_slice(&[0x40, 2, 0, 1, 0x50, 2, 0, 2, 0x70, 2, 0, 2, 0xD0, 0, 0x62, 2, 0, 9]);
    if v5 {
        bytes.extend_from_slice(&[0x40, 9, 0, 9, 0x87, 5, 0x1F, 0, 2, b'n', b'o']);
    }
    bytes
}

fn from_client(version: Version) -> Vec<u8> {
    let mut client = Solo::client(version);
    let now = client.instant();
    let mut bytes = bytes::BytesMut::new();
    hello(version).encode(&mut bytes).unwrap();
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for size in [0, 200] {
            client
                .connection
                .publish(now, Message::new(TopicName::from_static("t"), vec![b'y'; size]).with_qos(qos))
                .unwrap();
        }
    }
    client.connection.ping(now).unwrap();
    bytes.extend_from_slice(&client.sent_bytes());
    bytes.extend_from_slice(&[0x62, 2, 0, 9, 0xC0, 0]);
    bytes.to_vec()
}

fn hello(version: Version) -> Connect {
    Connect::new(version, Text::from_static("c"))
}

fn config() -> Config {
    Config { topic_alias_maximum: 3, ..Config::default() }
}

/// The life of a client whose application acknowledges at once, when the stream comes in these pieces.
fn client_life<'a>(version: Version, pieces: impl Iterator<Item = &'a [u8]>) -> Life {
    let connack = ConnAck::new(false, ReasonCode::SUCCESS);
    let mut solo: Solo<Client> = Solo::dialling(hello(version), config(), Session::new()).welcome(connack);
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let message = Message::new(TopicName::from_static("t"), "x").with_qos(qos);
        solo.connection.publish(Instant::ZERO, message).unwrap();
    }
    let (mut events, mut sent) = (Vec::new(), Vec::new());
    for piece in pieces {
        solo.feed(piece);
        while let Some(event) = solo.connection.poll_event() {
            events.push(event.describe());
            if let ClientEvent::Message(delivery) = event {
                acknowledge(delivery.ack, |ack| solo.connection.ack(Instant::ZERO, ack).unwrap());
            }
            solo.feed(&[]);
        }
        sent.extend_from_slice(&solo.sent_bytes());
    }
    (events, sent)
}

fn server_life<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Life {
    let mut solo: Solo<Server> = Solo::listening(config());
    let (mut events, mut sent) = (Vec::new(), Vec::new());
    for piece in pieces {
        solo.feed(piece);
        while let Some(event) = solo.connection.poll_event() {
            events.push(event.describe());
            match event {
                ServerEvent::Connect(_) => {
                    accept(&mut solo.connection);
                }
                ServerEvent::Message(delivery) => {
                    acknowledge(delivery.ack, |ack| solo.connection.ack(Instant::ZERO, ack).unwrap());
                }
                _ => {}
            }
            solo.feed(&[]);
        }
        sent.extend_from_slice(&solo.sent_bytes());
    }
    (events, sent)
}

fn accept(server: &mut Connection<Server>) {
    server.accept(Instant::ZERO, ConnAck::new(false, ReasonCode::SUCCESS), None).unwrap();
}

fn acknowledge(ack: Option<Ack>, with: impl FnOnce(Ack)) {
    if let Some(ack) = ack {
        with(ack);
    }
}

/// Answers may stand in another order when more packets come at a time, so they are compared as sets of packets.
fn same(one: &Life, other: &Life, what: &str) {
    assert_eq!(one.0, other.0, "{what}");
    assert_eq!(one.1.len(), other.1.len(), "{what}");
    let packets = |life: &Life| {
        let (mut rest, mut all) = (&life.1[..], Vec::new());
        while let Ok(Some(header)) = mqtt_proto::FixedHeader::parse(rest) {
            all.push(rest[..header.frame_len()].to_vec());
            rest = &rest[header.frame_len()..];
        }
        all.sort();
        all
    };
    assert_eq!(packets(one), packets(other), "{what}");
}

/// `end` closes the connection. It may overtake what the application has not acknowledged yet, so with it only the events
/// are the same.
fn every_split(
    version: Version,
    stream: &[u8],
    end: &[u8],
    life: impl Fn(Version, &mut dyn Iterator<Item = &[u8]>) -> Life,
) {
    let whole = life(version, &mut core::iter::once(stream));
    let ended = [stream, end].concat();
    let whole_ended = life(version, &mut core::iter::once(&ended[..]));
    assert!(whole.0.len() > 5 && whole_ended.0.len() == whole.0.len() + 1, "{:?}", whole_ended.0);
    let check = |mut pieces: &mut dyn Iterator<Item = &[u8]>, what: &str| {
        same(&life(version, &mut pieces), &whole, &format!("{version}, {what}"));
    };
    for size in 1..=stream.len() {
        check(&mut stream.chunks(size), &format!("in pieces of {size}"));
        assert_eq!(life(version, &mut ended.chunks(size)).0, whole_ended.0);
    }
    for at in 0..=stream.len() {
        let (one, other) = stream.split_at(at);
        check(&mut [one, other].into_iter(), &format!("split at {at}"));
        let (one, other) = ended.split_at(at);
        assert_eq!(life(version, &mut [one, other].into_iter()).0, whole_ended.0);
    }
}

#[test]
fn a_client_sees_the_same_whatever_the_split() {
    for version in VERSIONS {
        let malformed = [0x40, 2, 0, 0, 0xD0, 0];
        every_split(version, &from_server(version), &malformed, |version, pieces| client_life(version, pieces));
    }
}

#[test]
fn a_server_sees_the_same_whatever_the_split() {
    for version in VERSIONS {
        let goodbye = [0xE0, 0, 0xC0, 0];
        every_split(version, &from_client(version), &goodbye, |_, pieces| server_life(pieces));
    }
}
