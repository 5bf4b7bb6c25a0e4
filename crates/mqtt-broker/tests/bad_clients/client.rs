//! A client that behaves, on a blocking socket, and a pair of them that measures how long messages take.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant as Clock};

use bytes::{Buf, BytesMut};
use mqtt_proto::{
    ClientEvent, Config, Connect, Connection, Instant, Message, QoS, Session, Subscribe, Subscription, TopicFilter,
    TopicName, Version,
};

use super::text;

/// Longer than anything takes that is not lost.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Client {
    stream: TcpStream,
    connection: Connection<mqtt_proto::Client>,
    input: BytesMut,
    started: Clock,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr, version: Version, id: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let connect = Connect::new(version, text(id)).with_keep_alive(0);
        let connection = Connection::connect(Instant::ZERO, connect, Config::default(), Session::new()).unwrap();
        let mut client = Self { stream, connection, input: BytesMut::new(), started: Clock::now() };
        let first = client.event();
        assert!(matches!(first, ClientEvent::Connected(_)), "{id} is not let in: {first:?}");
        client
    }

    pub(crate) fn subscribe(&mut self, filter: &str, qos: QoS) {
        let filter = TopicFilter::try_from(filter).unwrap();
        let subscribe = Subscribe::new(vec![Subscription::new(filter, qos)]);
        self.connection.subscribe(self.now(), subscribe).unwrap();
        let answer = self.event();
        assert!(matches!(answer, ClientEvent::Subscribed { .. }), "{answer:?}");
    }

    pub(crate) fn publish(&mut self, message: Message) {
        self.connection.publish(self.now(), message).unwrap();
        self.flush();
    }

    pub(crate) fn publish_and_wait(&mut self, message: Message) {
        let is_acknowledged = message.qos != QoS::AtMostOnce;
        self.publish(message);
        if is_acknowledged {
            self.acknowledgement();
        }
    }

    /// The next message, acknowledged.
    pub(crate) fn message(&mut self) -> Message {
        let event = self.event();
        let ClientEvent::Message(delivery) = event else { panic!("no message: {event:?}") };
        if let Some(ack) = delivery.ack {
            self.connection.ack(self.now(), ack).unwrap();
            self.flush();
        }
        delivery.message
    }

    fn acknowledgement(&mut self) {
        let event = self.event();
        assert!(matches!(event, ClientEvent::Acknowledged(_)), "{event:?}");
    }

    fn event(&mut self) -> ClientEvent {
        loop {
            if let Some(event) = self.connection.poll_event() {
                return event;
            }
            self.flush();
            let mut bytes = [0; 4_096];
            let read = self.stream.read(&mut bytes).expect("something comes in time");
            if read == 0 {
                self.connection.handle_eof(self.now());
            }
            self.input.extend_from_slice(&bytes[..read]);
            let now = self.now();
            while self.connection.handle_input(now, &mut self.input) > 0 {}
        }
    }

    fn flush(&mut self) {
        let outbox = self.connection.outbox();
        let bytes = outbox.copy_to_bytes(outbox.remaining());
        self.stream.write_all(&bytes).unwrap();
    }

    fn now(&self) -> Instant {
        Instant::from_millis(self.started.elapsed().as_millis() as u64)
    }
}

/// One who publishes and one who subscribes.
pub(crate) struct Pair {
    publisher: Client,
    subscriber: Client,
    /// Messages so far.
    count: usize,
}

impl Pair {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let publisher = Client::connect(address, Version::V5, "well-behaved publisher");
        let mut subscriber = Client::connect(address, Version::V311, "well-behaved subscriber");
        subscriber.subscribe("pair/+/state", QoS::ExactlyOnce);
        Self { publisher, subscriber, count: 0 }
    }

    /// Exchanges messages, one after the other and of each QoS in turn, as long as `goes_on` says of the number of messages.
    /// How long it took until the 99th of 100 was there.
    pub(crate) fn exchange(&mut self, mut goes_on: impl FnMut(usize) -> bool) -> Duration {
        let mut times = Vec::new();
        while goes_on(times.len()) {
            times.push(self.exchange_one());
        }
        times.sort_unstable();
        times[(times.len() * 99 / 100).min(times.len() - 1)]
    }

    fn exchange_one(&mut self) -> Duration {
        self.count += 1;
        let payload = self.count.to_string();
        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][self.count % 3];
        let begun = Clock::now();
        self.publisher.publish(Message::new(TopicName::from_static("pair/1/state"), payload.clone()).with_qos(qos));
        let message = self.subscriber.message();
        let taken = begun.elapsed();
        assert_eq!(
            (&message.payload[..], message.qos),
            (payload.as_bytes(), qos),
            "none is lost, doubled or overtaken"
        );
        if qos != QoS::AtMostOnce {
            self.publisher.acknowledgement();
        }
        taken
    }
}
