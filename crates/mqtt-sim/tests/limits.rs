//! What one connection can be made to hold by its peer, in bytes, measured with a counting allocator and compared with the
//! table of `docs/limits.md`: the numbers there are the ones asserted here.
//!
//! The driver is the usual one: it reads at most 4 KiB at a time and only while the machine wants input. What it has read
//! and the machine has not taken counts, too; the attacker's own bytes do not.

use std::num::NonZeroU16;
use std::time::Duration;

use allocation_counter::measure;
use bytes::{Buf, Bytes, BytesMut};
use mqtt_proto::{
    AckPacket, Client, ClientEvent, Config, ConnAck, Connect, Connection, Instant, Message, Packet, PacketId, Publish,
    QoS, ReasonCode, Role, Server, ServerEvent, Session, Subscribe, Subscription, Text, TopicFilter, TopicName,
    Version,
};
use mqtt_sim::cpu_time;

const NOW: Instant = Instant::ZERO;
const READ: usize = 4_096;
const MIB: u32 = 1_048_576;

/// A machine and the input that its driver has read.
struct Victim<R: Role> {
    machine: Connection<R>,
    input: BytesMut,
}

impl<R: Role> Victim<R> {
    fn new(machine: Connection<R>) -> Self {
        Self { machine, input: BytesMut::new() }
    }

    /// Reads as a driver does; false if the machine has stopped reading.
    fn read(&mut self, bytes: &[u8]) -> bool {
        for piece in bytes.chunks(READ) {
            if !self.machine.wants_input() {
                return false;
            }
            self.input.extend_from_slice(piece);
            while self.machine.handle_input(NOW, &mut self.input) > 0 {}
        }
        true
    }

    /// The peer reads what is written for it.
    fn write(&mut self) {
        let outbox = self.machine.outbox();
        outbox.advance(outbox.remaining());
    }

    /// The application takes every event, and forgets it.
    fn poll(&mut self) {
        self.take(|_, event| drop(event));
    }

    /// The application takes every event; that may make room for more.
    fn take(&mut self, mut application: impl FnMut(&mut Connection<R>, R::Event)) {
        let mut more = true;
        while more {
            while let Some(event) = self.machine.poll_event() {
                application(&mut self.machine, event);
            }
            more = self.machine.handle_input(NOW, &mut self.input) > 0;
        }
    }
}

fn client(config: Config) -> Victim<Client> {
    let connect = Connect::new(Version::V5, Text::from_static("c"));
    let mut client = Victim::new(Connection::connect(NOW, connect, config, Session::new()).unwrap());
    client.read(&[0x20, 3, 0, 0, 0]);
    client.poll();
    client.write();
    assert!(client.machine.is_open());
    client
}

fn server(config: Config) -> Victim<Server> {
    let mut server = Victim::new(Connection::listen(NOW, config));
    server.read(b"\x10\x0d\0\x04MQTT\x05\x02\0\0\0\0\0");
    server.poll();
    let connack = ConnAck::new(false, ReasonCode::SUCCESS).with_assigned_client_identifier(Text::from_static("c"));
    server.machine.accept(NOW, connack, None).unwrap();
    server.write();
    server
}

/// Bytes that were held at the same time, at most; the machine itself lies on the stack and is added.
fn held<R: Role>(attack: impl FnOnce()) -> u64 {
    measure(attack).bytes_max + size_of::<Victim<R>>() as u64
}

/// The number that `docs/limits.md` gives for an attack.
fn documented(attack: &str) -> u64 {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/limits.md");
    let limits = std::fs::read_to_string(path).unwrap();
    let row = limits.lines().find(|line| line.starts_with(&format!("| {attack} |")));
    let row = row.unwrap_or_else(|| panic!("docs/limits.md has no row '{attack}'"));
    let number = row.split('|').nth(3).unwrap().trim().replace(',', "");
    number.parse().unwrap_or_else(|_| panic!("no number in {row}"))
}

fn check(attack: &str, held: u64) {
    let limit = documented(attack);
    println!("{attack}: {held} of {limit} bytes");
    assert!(held <= limit, "{attack}: {held} bytes were held, and {limit} are documented");
    // A number that is far from the truth helps nobody.
    assert!(held * 2 >= limit, "{attack}: {held} bytes were held, and {limit} are documented: lower it");
}

fn encode(packet: &Packet) -> Vec<u8> {
    let mut out = BytesMut::new();
    packet.encode(Version::V5, &mut out).unwrap();
    out.to_vec()
}

fn publish(topic: &str, payload: &[u8], id: Option<u16>, qos: QoS) -> Vec<u8> {
    let message = Message::new(TopicName::try_from(topic).unwrap(), payload.to_vec()).with_qos(qos);
    encode(&Packet::Publish(Publish::new(message, id.and_then(PacketId::new))))
}

fn acknowledge(server: &mut Connection<Server>, event: ServerEvent) {
    let ServerEvent::Message(delivery) = event else { panic!("a message") };
    server.ack(NOW, delivery.ack.unwrap()).unwrap();
}

fn ids() -> impl Iterator<Item = PacketId> {
    (1..=u16::MAX).filter_map(PacketId::new)
}

#[test]
fn a_stranger_costs_little() {
    let held = held::<Server>(|| {
        let mut server = Victim::new(Connection::<Server>::listen(NOW, Config::default()));
        server.read(&[0x10]);
    });
    check("stranger", held);
}

#[test]
fn a_length_that_is_only_claimed_reserves_nothing() {
    // 268,435,455 bytes to come. A 5.0 client is told; it has to say so first.
    let first = b"\x10\xff\xff\xff\x7f\0\x04MQTT\x05\x02".repeat(1_000);
    let publish = b"\x30\xff\xff\xff\x7f".repeat(1_000);
    let config = || Config { maximum_packet_size: MIB, ..Config::default() };
    let mut most = held::<Server>(|| {
        let mut server = Victim::new(Connection::<Server>::listen(NOW, config()));
        server.read(&first);
        assert!(server.machine.is_closed());
    });
    most = most.max(held::<Server>(|| {
        let mut server = server(config());
        server.read(&publish);
        assert!(server.machine.is_closed());
    }));
    most = most.max(held::<Client>(|| {
        let mut client = client(config());
        client.read(&publish);
        assert!(client.machine.is_closed());
    }));
    // Within the limit it is believed, and still only what has come is held.
    most = most.max(held::<Server>(|| {
        let mut server = server(config());
        server.read(b"\x30\xf0\xff\x3f\0\x01t\0");
        assert!(!server.machine.is_closed());
    }));
    check("claimed length", most);
}

#[test]
fn a_connect_that_trickles_in_is_bounded_by_its_limit() {
    let mut connect = b"\x10\xfc\xff\x03\0\x04MQTT\x05\x02\0\0".to_vec();
    connect.resize(65_536, 0x26);
    let held = held::<Server>(|| {
        let mut server = Victim::new(Connection::<Server>::listen(NOW, Config::default()));
        connect.chunks(1).for_each(|byte| assert!(server.read(byte) || server.machine.is_closed()));
        assert!(server.machine.is_closed());
    });
    check("trickling CONNECT", held);
}

#[test]
fn a_packet_that_trickles_in_is_bounded_by_its_limit() {
    let publish = publish("t", &vec![b'x'; MIB as usize - 8], None, QoS::AtMostOnce);
    assert_eq!(publish.len(), MIB as usize);
    let held = held::<Server>(|| {
        let mut server = server(Config { maximum_packet_size: MIB, ..Config::default() });
        publish.chunks(64).for_each(|piece| assert!(server.read(piece)));
        assert!(server.machine.poll_event().is_some());
    });
    check("trickling packet", held);
}

/// A PUBLISH of this many bytes that is made of user properties.
fn property_flood(len: usize) -> Vec<u8> {
    let properties = b"\x26\0\x01n\0\x01v".repeat(len / 7);
    let mut body = b"\0\x01t".to_vec();
    body.extend(varint(properties.len()));
    body.extend(properties);
    let mut frame = vec![0x30];
    frame.extend(varint(body.len()));
    frame.extend(body);
    frame
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 127 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

#[test]
fn a_flood_of_user_properties_costs_its_bytes() {
    let flood = property_flood(1_000_000);
    let held = held::<Client>(|| {
        let mut client = client(Config { maximum_packet_size: MIB, ..Config::default() });
        client.read(&flood);
        let Some(ClientEvent::Message(delivery)) = client.machine.poll_event() else { panic!("a message") };
        assert_eq!(delivery.message.properties().user_properties().count(), 1_000_000 / 7);
    });
    check("property flood", held);
}

/// Bugs.tsv 17 and 18: no reader starts again from the beginning when a byte comes.
#[test]
fn work_grows_with_the_bytes_and_not_faster() {
    let time = |flood: &[u8]| {
        let mut server = server(Config { maximum_packet_size: MIB, ..Config::default() });
        let start = cpu_time();
        flood.chunks(1).for_each(|byte| assert!(server.read(byte)));
        assert!(server.machine.poll_event().is_some());
        cpu_time() - start
    };
    let (few, many) = (property_flood(16_000), property_flood(128_000));
    let (mut short, mut long) = (Duration::MAX, Duration::MAX);
    // Other programs take room in the caches, so the least of several times is the truest.
    let is_linear = (0..20).any(|_| {
        (short, long) = (short.min(time(&few)), long.min(time(&many)));
        long < short * 32
    });
    assert!(is_linear, "8 times the bytes: {short:?}, then {long:?}; quadratic would be 64 times");
}

fn subscribe_flood(len: usize) -> Vec<u8> {
    let subscription = Subscription::new(TopicFilter::from_static("f"), QoS::AtMostOnce);
    encode(&Packet::Subscribe(Subscribe::new(vec![subscription; len / 4])))
}

#[test]
fn subscriptions_that_nobody_answers_stop_the_input() {
    let flood = subscribe_flood(60_000);
    let held = held::<Server>(|| {
        let mut server = server(Config { maximum_packet_size: 65_536, ..Config::default() });
        assert!((0..1_000).any(|_| !server.read(&flood)), "it stops reading");
        assert!(matches!(server.machine.poll_event(), Some(ServerEvent::Subscribe(_))));
    });
    check("subscription flood", held);
}

#[test]
fn messages_that_nobody_takes_stop_the_input() {
    let small = publish("t", b"", None, QoS::AtMostOnce);
    let large = publish("t", &[b'x'; 60_000], None, QoS::AtMostOnce);
    for flood in [small.repeat(1_000), large] {
        let held = held::<Client>(|| {
            let mut client = client(Config::default());
            assert!((0..1_000).any(|_| !client.read(&flood)), "it stops reading");
        });
        println!("messages unread: {held}");
        if flood.len() > 50_000 {
            check("unread messages", held);
        }
    }
}

#[test]
fn answers_that_nobody_reads_stop_the_input() {
    let pings = [0xc0, 0].repeat(1_000);
    let held_by_pings = held::<Server>(|| {
        let mut server = server(Config::default());
        assert!((0..1_000).any(|_| !server.read(&pings)), "it stops reading");
    });
    // Bugs.tsv 42 and STYLE: identifiers that nobody knows leave nothing behind but the answer.
    let unknown: Vec<u8> =
        ids().flat_map(|id| encode(&Packet::PubRel(AckPacket::new(id, ReasonCode::SUCCESS)))).collect();
    let held_by_unknown = held::<Client>(|| {
        let mut client = client(Config::default());
        assert!((0..100).any(|_| !client.read(&unknown)), "it stops reading");
    });
    check("unread answers", held_by_pings.max(held_by_unknown));
    let held_when_read = held::<Server>(|| {
        let mut server = server(Config::default());
        for flood in [&pings, &unknown] {
            flood.chunks(READ).for_each(|piece| {
                assert!(server.read(piece));
                server.write();
            });
        }
    });
    check("floods that are answered", held_when_read);
}

#[test]
fn messages_that_the_peer_never_releases_are_bounded_by_receive_maximum() {
    let flood: Vec<u8> = ids().flat_map(|id| publish("t", b"", Some(id.get()), QoS::ExactlyOnce)).collect();
    let over = publish("t", b"", Some(1), QoS::AtLeastOnce);
    let held = held::<Server>(|| {
        let mut server = server(Config::default());
        for piece in flood.chunks(READ) {
            assert!(server.read(piece));
            server.take(acknowledge);
            server.write();
        }
        server.read(&over);
        assert!(server.machine.is_closed(), "one more is one too many");
    });
    check("unreleased messages", held);
}

#[test]
fn messages_that_the_application_never_acknowledges_are_bounded_by_receive_maximum() {
    let flood: Vec<u8> = ids().flat_map(|id| publish("t", b"", Some(id.get()), QoS::ExactlyOnce)).collect();
    let over = publish("t", b"", Some(1), QoS::AtLeastOnce);
    let held = held::<Client>(|| {
        let mut client = client(Config::default());
        for piece in flood.chunks(READ) {
            assert!(client.read(piece));
            client.poll();
        }
        client.read(&over);
        assert!(client.machine.is_closed(), "one more is one too many");
    });
    check("unacknowledged messages", held);
}

/// What a server for strangers may choose: all that does not change what it can be used for.
#[test]
fn a_strict_server_holds_little_whatever_comes() {
    let strict = || Config {
        receive_maximum: NonZeroU16::MIN.saturating_add(63),
        maximum_packet_size: 65_536,
        event_bytes_limit: 65_536,
        outbox_limit: 16_384,
        ..Config::default()
    };
    let unacknowledged: Vec<u8> =
        ids().take(64).flat_map(|id| publish("t", &[b'x'; 60_000], Some(id.get()), QoS::ExactlyOnce)).collect();
    let floods = [
        subscribe_flood(60_000),
        publish("t", &[b'x'; 60_000], None, QoS::AtMostOnce),
        [0xc0, 0].repeat(30_000),
        unacknowledged,
    ];
    let most = floods.iter().map(|flood| {
        held::<Server>(|| {
            let mut server = server(strict());
            (0..100).for_each(|_| {
                server.read(flood);
            });
        })
    });
    check("all of these, strictly", most.max().unwrap());
}

/// Bugs.tsv 42: the same message twenty thousand times.
#[test]
fn a_message_that_comes_again_and_again_costs_nothing_more() {
    let again = publish("t", b"payload", Some(7), QoS::ExactlyOnce).repeat(100);
    let held = held::<Server>(|| {
        let mut server = server(Config { receive_maximum: NonZeroU16::MIN, ..Config::default() });
        for _ in 0..200 {
            assert!(server.read(&again));
            server.take(acknowledge);
            server.write();
        }
    });
    check("repeated message", held);
}

#[test]
fn a_peer_that_never_acknowledges_holds_what_its_window_holds() {
    let payload = Bytes::from(vec![b'x'; 1_000]);
    let held = held::<Client>(|| {
        let mut client = client(Config::default());
        let topic = TopicName::from_static("t");
        for number in 0..=65_535 {
            let message = Message::new(topic.clone(), payload.clone()).with_qos(QoS::ExactlyOnce);
            assert_eq!(client.machine.publish(NOW, message).is_ok(), number < 65_535);
            client.write();
        }
    });
    check("unacknowledging peer", held);
}

#[test]
fn topic_aliases_keep_one_topic_each() {
    let topic = "t".repeat(65_000);
    let aliases = |count: u16| -> Vec<u8> {
        let aliased = |alias| {
            let message = Message::new(TopicName::try_from(format!("{topic}{alias}")).unwrap(), "");
            let mut publish = Publish::new(message, None);
            publish.topic_alias = NonZeroU16::new(alias);
            encode(&Packet::Publish(publish))
        };
        (1..=count).flat_map(aliased).collect()
    };
    let (flood, over) = (aliases(16), aliases(17));
    let config = || Config { topic_alias_maximum: 16, ..Config::default() };
    let held = held::<Server>(|| {
        let mut server = server(config());
        for _ in 0..3 {
            flood.chunks(READ).for_each(|piece| {
                assert!(server.read(piece));
                server.poll();
            });
        }
    });
    check("topic aliases", held);
    let mut server = server(config());
    server.read(&over);
    assert!(server.machine.is_closed(), "one more is one too many");
}

/// Bugs.tsv 19, 20 and 22: what is refused leaves nothing behind.
#[test]
fn ten_thousand_refused_connects_leave_nothing_behind() {
    // A will with a property of CONNACK, a topic alias in CONNECT, an unknown property, a second CONNECT, a wrong level.
    let connects: [&[u8]; 5] = [
        b"\0\x04MQTT\x05\x06\0\0\0\0\x01c\x05\x12\0\x02no\0\x01t\0\0",
        b"\0\x04MQTT\x05\x02\0\0\x03\x23\0\x01\0\x01c",
        b"\0\x04MQTT\x05\x02\0\0\x02\x7f\0\0\x01c",
        b"\0\x04MQTT\x05\x02\0\0\0\0\x01c",
        b"\0\x04MQTT\x06\x02\0\0\0\x01c",
    ];
    let refused = connects.map(|body| [&[0x10, body.len() as u8][..], body].concat());
    let left = measure(|| {
        for connect in refused.iter().cycle().take(10_000) {
            let mut server = Victim::new(Connection::<Server>::listen(NOW, Config::default()));
            server.read(connect);
            if let Some(ServerEvent::Connect(_)) = server.machine.poll_event() {
                server.machine.refuse(NOW, ConnAck::new(false, ReasonCode::NOT_AUTHORIZED)).unwrap();
            }
            assert!(server.machine.is_closed());
        }
    });
    assert_eq!((left.bytes_current, left.count_current), (0, 0));
}
