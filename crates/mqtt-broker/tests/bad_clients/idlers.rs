//! Clients that do too little: they do not read, do not acknowledge, do not finish, do not answer.

use std::net::Shutdown;

use bytes::BytesMut;
use mqtt_broker::Config;
use mqtt_proto::{
    Connect, Message, Packet, PacketId, Publish, QoS, Subscribe, Subscription, TopicFilter, TopicName, Version,
};

use super::client::Client;
use super::field::{Field, withstand};
use super::{MIB, encoded, hello, text};

/// A client that wants everything below `flood`.
fn greedy(version: Version, id: String, qos: QoS) -> Vec<u8> {
    let wish = Subscription::new(TopicFilter::from_static("flood/#"), qos);
    [hello(version, id), encoded(version, &Packet::Subscribe(Subscribe::new(vec![wish])))].concat()
}

/// Publishes a megabyte to `flood`, and waits until the server has taken it.
fn fill(field: &Field, number: usize, qos: QoS) {
    let mut publisher = Client::connect(field.address, Version::V5, &format!("filler {number}"));
    for n in 0..100 {
        if field.is_over() {
            return;
        }
        let message = Message::new(TopicName::from_static("flood/x"), vec![n; 10_000]).with_qos(qos);
        publisher.publish_and_wait(message);
    }
}

/// bugs.tsv 80: a slow subscriber, whose queue grows. Sixteen of them keep the same messages: the outbox of each connection
/// (256 KiB), what its socket holds, and the queue (8 MiB, once for all).
#[test]
fn readers_that_do_not_read_cost_their_own_queues() {
    withstand(Config::default(), 2, 64 * MIB, |field, number| {
        let dial = |n| field.dial(&greedy(Version::V5, format!("slow {number} {n}"), QoS::AtLeastOnce));
        let _slow: Vec<_> = (0..8).map(dial).collect();
        for _ in 0..4 {
            fill(field, number, QoS::AtLeastOnce);
        }
    });
}

/// bugs.tsv 81, 89: clients that read and never acknowledge: their windows stay closed.
#[test]
fn clients_that_never_acknowledge_cost_their_own_queues() {
    withstand(Config::default(), 2, 64 * MIB, |field, number| {
        let dial = |n| field.dial(&greedy(Version::V5, format!("mute {number} {n}"), QoS::ExactlyOnce));
        let mut mute: Vec<_> = (0..8).map(dial).collect();
        let mut buffer = [0; 65_536];
        for _ in 0..4 {
            fill(field, number, QoS::ExactlyOnce);
            for stream in &mut mute {
                field.pull(stream, &mut buffer);
            }
        }
    });
}

/// bugs.tsv 77: a client whose link is dead without a word is closed after one and a half times its Keep Alive; one that has
/// closed its half is closed at once.
#[test]
fn half_open_connections_are_closed_in_time() {
    withstand(Config::default(), 2, 16 * MIB, |field, number| {
        let silent: Vec<_> = (0..50)
            .map(|n| {
                let mut bytes = BytesMut::new();
                let connect = Connect::new(Version::V311, text(format!("half {number} {n}"))).with_keep_alive(1);
                Packet::Connect(Box::new(connect)).encode(Version::V311, &mut bytes).unwrap();
                field.dial(&bytes)
            })
            .collect();
        for n in 0..50 {
            let mut stream = field.dial(&hello(Version::V311, format!("half closed {number} {n}")));
            stream.shutdown(Shutdown::Write).unwrap();
            field.last_words(&mut stream);
        }
        for mut stream in silent {
            field.last_words(&mut stream);
        }
    });
}

/// bugs.tsv 79: packets that do not come to their end. What has come is kept, and what was announced is not.
#[test]
fn packets_that_never_end_cost_what_has_come_of_them() {
    let message = Message::new(TopicName::from_static("flood/long"), vec![b'x'; 1_000_000]).with_qos(QoS::AtLeastOnce);
    let packet = encoded(Version::V311, &Packet::Publish(Publish::new(message, PacketId::new(1))));
    withstand(Config::default(), 2, 32 * MIB, |field, number| {
        let dial = |n| field.dial(&hello(Version::V311, format!("long {number} {n}")));
        let mut open: Vec<_> = (0..20).map(dial).collect();
        // In pieces, so that the server sees each, and cut off.
        for piece in packet[..100_000].chunks(1_000) {
            if !open.iter_mut().all(|stream| field.push(stream, piece)) {
                return;
            }
        }
    });
}
