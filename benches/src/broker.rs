//! The broker with its connections, in memory: who publishes and who receives are prepared bytes.
//!
//! The unit is a message that has arrived at a subscriber. The payload has 64 bytes, the version is 3.1.1.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use mqtt_broker::{Broker, Config, Hub, Origin, Peer as Address};
use mqtt_proto::{
    Connect, Instant, Packet, PacketId, Publish, QoS, Subscribe, Subscription, Text, TopicFilter, Version,
};

use crate::wire::{PAYLOAD, Peer};
use crate::{Row, samples};

pub(crate) fn rows() -> Vec<Row> {
    let patterns = [("fan-in-10", 10, 1), ("fan-out-100", 1, 100), ("pairs-50", 50, 1)];
    let levels = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
    let all = patterns.into_iter().flat_map(|pattern| levels.map(|qos| (pattern, qos)));
    all.map(|((name, publishers, subscribers), qos)| {
        let is_paired = name.starts_with("pairs");
        let subscribers = if is_paired { publishers } else { subscribers };
        Row {
            units: 5_000,
            ..Row::new(format!("broker/{name}/qos{}", qos as u8), move |n| {
                deliver(publishers, subscribers, is_paired, qos, n)
            })
        }
    })
    .collect()
}

/// A client that has connected.
struct Link {
    address: Address,
    peer: Peer,
    input: BytesMut,
}

struct World {
    hub: Hub,
    links: Vec<Link>,
}

fn deliver(publishers: usize, subscribers: usize, is_paired: bool, qos: QoS, n: u64) -> u64 {
    let mut world = World::new();
    let mut bursts = Vec::new();
    for index in 0..publishers {
        bursts.push((world.connect(), burst(&topic(index, is_paired), qos)));
    }
    for index in 0..subscribers {
        let subscriber = world.connect();
        world.subscribe(subscriber, &topic(index, is_paired), qos);
    }
    let fan_out = if is_paired { 1 } else { subscribers };
    let per_round = (publishers * BURST * fan_out) as u64;
    for _ in 0..n / per_round {
        for (publisher, burst) in &bursts {
            world.links[*publisher].input.extend_from_slice(burst);
            world.take(*publisher);
        }
        world.run();
    }
    let received = world.links.iter().map(|link| link.peer.received).sum();
    assert_eq!(received, n);
    received
}

fn topic(index: usize, is_paired: bool) -> String {
    if is_paired {
        format!("{}/{index:02}", &samples::TOPIC[..samples::TOPIC.len() - 3])
    } else {
        samples::TOPIC.to_owned()
    }
}

/// Ten messages that come with one read.
fn burst(topic: &str, qos: QoS) -> BytesMut {
    let mut out = BytesMut::new();
    for id in (1..=u16::MAX).take(BURST) {
        let mut message = samples::message(qos, PAYLOAD);
        message.topic = topic.to_owned().try_into().expect("it is a topic");
        let packet_id = if qos == QoS::AtMostOnce { None } else { PacketId::new(id) };
        Publish::new(message, packet_id).encode(VERSION, &mut out).expect("it can be written");
    }
    out
}

impl World {
    fn new() -> Self {
        let config = Config { status_interval: Duration::ZERO, ..Config::default() };
        Self { hub: Hub::new(Broker::new(config, Box::new(()))), links: Vec::new() }
    }

    /// Where in `links` the new client is.
    fn connect(&mut self) -> usize {
        let address = self.hub.open(Instant::ZERO, Origin::default()).expect("there is room");
        let index = self.links.len();
        self.links.push(Link { address, peer: Peer::default(), input: BytesMut::with_capacity(4 << 10) });
        let name = Text::try_from(format!("client-{index}")).expect("it is a text");
        self.send(index, &Packet::Connect(Box::new(Connect::new(VERSION, name))));
        index
    }

    fn subscribe(&mut self, index: usize, topic: &str, qos: QoS) {
        let filter = TopicFilter::try_from(topic.to_owned()).expect("it is a filter");
        self.send(index, &Packet::Subscribe(Subscribe::new(vec![Subscription::new(filter, qos)])));
    }

    fn send(&mut self, index: usize, packet: &Packet) {
        packet.encode(VERSION, &mut self.links[index].input).expect("it can be written");
        self.take(index);
        self.run();
    }

    /// The hub takes what a client has sent.
    fn take(&mut self, index: usize) {
        let link = &mut self.links[index];
        while !link.input.is_empty() && self.hub.handle_input(Instant::ZERO, link.address, &mut link.input) > 0 {}
    }

    /// Writes for all who have something to get, and takes their answers, until nobody has anything to say.
    fn run(&mut self) {
        while let Some(address) = self.hub.poll_writable() {
            // Addresses rise.
            let index = self.links.binary_search_by_key(&address, |link| link.address).expect("it is connected");
            let link = &mut self.links[index];
            let outbox = self.hub.outbox(address).expect("it is connected");
            if outbox.has_remaining() {
                link.peer.read(outbox, &mut link.input);
                self.hub.handle_written(Instant::ZERO, address);
            }
            self.take(index);
        }
    }
}

const VERSION: Version = Version::V311;
const BURST: usize = 10;
