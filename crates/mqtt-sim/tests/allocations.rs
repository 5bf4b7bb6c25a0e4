//! Nothing is allocated per message or acknowledgement in steady state, sending and receiving, through both roles.
//!
//! The driver is the usual one: it reads into one buffer that it reserves room in, and writes what the outbox lends. The
//! payloads are shared `Bytes`, as an application that sends the same or a sliced buffer has them.

use allocation_counter::measure;
use bytes::{Buf, Bytes, BytesMut};
use mqtt_proto::{
    Client, ClientEvent, Config, ConnAck, Connect, Connection, Instant, Message, QoS, ReasonCode, Role, Server,
    ServerEvent, Session, Text, TopicName, Version,
};

const NOW: Instant = Instant::ZERO;

struct Both {
    client: Connection<Client>,
    server: Connection<Server>,
    to_server: BytesMut,
    to_client: BytesMut,
    arrived: usize,
    finished: usize,
}

/// What is in one outbox becomes input of the other end, as a socket would carry it.
fn carry<A: Role, B: Role>(from: &mut Connection<A>, to: &mut Connection<B>, input: &mut BytesMut) -> bool {
    let outbox = from.outbox();
    if !outbox.has_remaining() {
        return false;
    }
    while outbox.has_remaining() {
        let chunk = outbox.chunk();
        input.reserve(chunk.len().max(4_096));
        input.extend_from_slice(chunk);
        let written = chunk.len();
        outbox.advance(written);
    }
    to.handle_input(NOW, input);
    true
}

impl Both {
    fn new(version: Version) -> Self {
        let config = Config { topic_alias_maximum: 4, ..Config::default() };
        let connect = Connect::new(version, Text::from_static("c"));
        let client = Connection::connect(NOW, connect, config.clone(), Session::new()).unwrap();
        let server = Connection::<Server>::listen(NOW, config);
        let input = || BytesMut::with_capacity(16_384);
        let mut both = Self { client, server, to_server: input(), to_client: input(), arrived: 0, finished: 0 };
        both.run();
        both.server.accept(NOW, ConnAck::new(false, ReasonCode::SUCCESS), None).unwrap();
        both.run();
        assert!(both.client.is_open());
        both
    }

    fn run(&mut self) {
        loop {
            let up = carry(&mut self.client, &mut self.server, &mut self.to_server);
            while let Some(event) = self.server.poll_event() {
                match event {
                    ServerEvent::Message(delivery) => {
                        self.arrived += 1;
                        if let Some(ack) = delivery.ack {
                            self.server.ack(NOW, ack).unwrap();
                        }
                    }
                    ServerEvent::Acknowledged(_) => self.finished += 1,
                    event => assert!(matches!(event, ServerEvent::Connect(_)), "{event:?}"),
                }
            }
            let down = carry(&mut self.server, &mut self.client, &mut self.to_client);
            while let Some(event) = self.client.poll_event() {
                match event {
                    ClientEvent::Message(delivery) => {
                        self.arrived += 1;
                        if let Some(ack) = delivery.ack {
                            self.client.ack(NOW, ack).unwrap();
                        }
                    }
                    ClientEvent::Acknowledged(_) => self.finished += 1,
                    event => assert!(matches!(event, ClientEvent::Connected(_)), "{event:?}"),
                }
            }
            if !up && !down {
                break;
            }
        }
    }

    /// So many messages in one go, from one end.
    fn round(&mut self, from_client: bool, message: &Message, count: usize) {
        for _ in 0..count {
            if from_client {
                self.client.publish(NOW, message.clone()).unwrap();
            } else {
                self.server.publish(NOW, message.clone()).unwrap();
            }
        }
        self.run();
    }
}

#[test]
fn a_message_costs_no_allocation() {
    for version in [Version::V31, Version::V311, Version::V5] {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            // Copied into the outbox, and spliced.
            for size in [0, 16, 600, 3_000] {
                for count in [1, 10] {
                    for from_client in [true, false] {
                        let mut both = Both::new(version);
                        // `Bytes` from a `Vec` counts references only from its first clone on.
                        let payload = Bytes::from(vec![b'x'; size]);
                        let topic = TopicName::try_from(String::from("a/topic/of/some/length")).unwrap();
                        let message = Message::new(topic, payload).with_qos(qos);
                        let _shared = message.clone();
                        for _ in 0..50 {
                            both.round(from_client, &message, count);
                        }
                        let (arrived, finished) = (both.arrived, both.finished);
                        let info = measure(|| {
                            for _ in 0..100 {
                                both.round(from_client, &message, count);
                            }
                        });
                        assert_eq!(both.arrived - arrived, 100 * count);
                        assert_eq!(both.finished - finished, if qos == QoS::AtMostOnce { 0 } else { 100 * count });
                        assert_eq!(
                            info.count_total, 0,
                            "{version} {qos} {size} bytes, {count} at a time, from the client: {from_client}"
                        );
                    }
                }
            }
        }
    }
}

// What a server does with a message for many: it was received, its topic, payload and properties are slices of what came.
#[test]
fn one_message_for_many_connections_is_shared_by_all() {
    let topic = TopicName::try_from(String::from("a/topic/of/some/length")).unwrap();
    let sent = Message::new(topic, vec![b'x'; 3_000])
        .with_content_type(Text::from_static("text/plain"))
        .with_user_property(Text::from_static("name"), Text::from_static("value"));
    let mut publisher = Both::new(Version::V5);
    publisher.client.publish(NOW, sent.clone()).unwrap();
    carry(&mut publisher.client, &mut publisher.server, &mut publisher.to_server);
    let Some(ServerEvent::Message(delivery)) = publisher.server.poll_event() else { panic!("a message") };
    let received = delivery.message;
    assert_eq!(received, sent);
    let mut subscribers: Vec<Both> = (0..20).map(|_| Both::new(Version::V5)).collect();
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut deliver = || {
            for subscriber in &mut subscribers {
                subscriber.round(false, &received.clone().with_qos(qos), 1);
            }
        };
        (0..50).for_each(|_| deliver());
        assert_eq!(measure(|| (0..20).for_each(|_| deliver())).count_total, 0, "{qos}");
    }
    assert!(subscribers.iter().all(|subscriber| subscriber.arrived == 3 * 70));
}

#[test]
fn the_counter_counts() {
    assert_eq!(measure(|| drop(core::hint::black_box(vec![1_u8]))).count_total, 1);
}

// bugs.tsv 21, H: what a stranger claims reserves nothing.
#[test]
fn a_claimed_length_allocates_nothing() {
    let mut server = Connection::<Server>::listen(NOW, Config::default());
    let mut input = BytesMut::from(&[0x10, 0xFF, 0xFF, 0xFF, 0x7F, 0, 4, b'M', b'Q'][..]);
    let info = measure(|| {
        server.handle_input(NOW, &mut input);
    });
    assert_eq!(info.count_total, 0);
    let mut both = Both::new(Version::V5);
    both.to_server.extend_from_slice(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1]);
    let info = measure(|| {
        both.server.handle_input(NOW, &mut both.to_server);
    });
    assert_eq!(info.count_total, 0);
    assert!(both.server.is_open());
}

// Found by reading: an alias kept a slice of the read buffer, which could not be used again.
#[test]
fn an_incoming_alias_does_not_keep_the_read_buffer() {
    let mut both = Both::new(Version::V5);
    for number in 0..4 {
        let topic = TopicName::try_from(format!("a/topic/number/{number}")).unwrap();
        both.round(true, &Message::new(topic, "x"), 1);
    }
    let capacity = both.to_server.capacity();
    assert!(both.to_server.try_reclaim(16_000), "{capacity} of 16,384 bytes are free");
}

#[test]
fn a_ping_costs_no_allocation() {
    let mut both = Both::new(Version::V311);
    let mut ping = || {
        both.client.ping(NOW).unwrap();
        both.run();
    };
    ping();
    assert_eq!(measure(|| (0..100).for_each(|_| ping())).count_total, 0);
}
