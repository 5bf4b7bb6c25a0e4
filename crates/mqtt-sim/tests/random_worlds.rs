//! Random pairs: messages both ways, acknowledgements in any order, the link cut at any moment. What the standard promises
//! of delivery holds in each (I6 to I8, I11 to I13, I15, I23). A seed and the commit replay a failure.

use std::collections::BTreeMap;

use mqtt_proto::{Message, QoS, TopicName, Version};
use mqtt_sim::pair::{Memory, Pair, Scenario, Side};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

/// A small generator: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

struct World {
    random: Random,
    pair: Pair,
    /// The applications do not read the last events of a connection: then some acknowledgements go unnoticed.
    is_careless: bool,
    /// What each side has sent, in order: payload and QoS.
    sent: [Vec<(String, QoS)>; 2],
}

impl World {
    fn new(version: Version, seed: u64, journal: bool) -> Self {
        let mut random = Random(seed);
        for _ in 0..8 {
            random.below(2);
        }
        let mut number = |limit| random.below(limit);
        let chunk = [1, 3, 7, usize::MAX][number(4) as usize];
        let window = [1, 2, 3, 100][number(4) as usize];
        let aliases = number(3) as u16;
        let scenario = Scenario::new(version).latency(number(20)).chunk(chunk).receive_maximum(window, window);
        let scenario = scenario.with(|it| {
            (it.client.journal, it.server.journal) = (journal, journal);
            it.client.topic_alias_maximum = aliases;
            it.server.topic_alias_maximum = aliases;
            it.client.event_limit = 1 + number(4) as usize;
            it.server.outbox_limit = 1 + number(200) as usize;
        });
        let pair = scenario.connected();
        Self { random, pair, is_careless: seed % 2 == 1, sent: [Vec::new(), Vec::new()] }
    }

    fn act(&mut self) {
        let side = Side::BOTH[self.random.below(2) as usize];
        match self.random.below(16) {
            0..=3 => self.publish(side),
            4..=9 => drop(self.pair.step()),
            10..=12 => self.acknowledge(side),
            13 => {
                let at_once = self.random.below(2) == 0;
                self.pair.acks_at_once(side, at_once);
            }
            14 => match side {
                Side::Client => self.pair.client.reads ^= true,
                Side::Server => self.pair.server.reads ^= true,
            },
            _ => self.cut(),
        }
    }

    fn publish(&mut self, side: Side) {
        let sent = &mut self.sent[side as usize];
        let qos = QoS::new(self.random.below(3) as u8).unwrap();
        let payload = format!("{}", sent.len());
        let topic = ["topic/one", "topic/two", "t"][self.random.below(3) as usize];
        let message = Message::new(TopicName::from_static(topic), payload.clone()).with_qos(qos);
        if self.pair.send(side, message).is_ok() {
            sent.push((payload, qos));
        }
    }

    fn acknowledge(&mut self, side: Side) {
        let owed = if side == Side::Client { self.pair.client.acks.len() } else { self.pair.server.acks.len() };
        if owed > 0 {
            let index = self.random.below(owed as u64) as usize;
            self.pair.ack(side, index);
        }
    }

    fn cut(&mut self) {
        if self.random.below(3) == 0 {
            let (from, bytes) = (Side::BOTH[self.random.below(2) as usize], self.random.below(30) as usize);
            self.pair.cut_after(from, bytes);
            self.pair.run();
        }
        let window = [1, 2, 100][self.random.below(3) as usize];
        self.pair.scenario = self.pair.scenario.clone().receive_maximum(window, window);
        let reads = (self.pair.client.reads, self.pair.server.reads);
        if !self.is_careless {
            (self.pair.client.reads, self.pair.server.reads) = (true, true);
        }
        self.pair.reconnect(Memory::Both);
        (self.pair.client.reads, self.pair.server.reads) = reads;
    }

    /// No more cuts: everything that was accepted gets done.
    fn finish(mut self, name: &str) {
        self.cut();
        (self.pair.client.reads, self.pair.server.reads) = (true, true);
        self.pair.run();
        for side in Side::BOTH {
            self.pair.acks_at_once(side, true);
        }
        self.pair.run();
        for _ in 0..1_000 {
            let owed = self.pair.client.acks.len() + self.pair.server.acks.len();
            if owed == 0 {
                break;
            }
            for side in Side::BOTH {
                self.acknowledge(side);
            }
            self.pair.run();
        }
        for side in Side::BOTH {
            let sent = &self.sent[side as usize];
            let received = self.pair.received(side.other());
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for payload in received {
                *counts.entry(payload).or_default() += 1;
            }
            for (payload, qos) in sent {
                let count = counts.get(payload.as_str()).copied().unwrap_or(0);
                let is_right = match qos {
                    QoS::AtMostOnce => count <= 1,
                    QoS::AtLeastOnce => count >= 1,
                    QoS::ExactlyOnce => count == 1,
                };
                assert!(
                    is_right,
                    "{name}: {side:?} sent {payload} with {qos}, and it arrived {count} times: {received:?}"
                );
            }
            // First arrivals of one QoS keep the order of sending (MQTT-4.6.0-1).
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                let mut firsts: Vec<usize> = Vec::new();
                for payload in received.iter().map(|payload| payload.parse::<usize>().unwrap()) {
                    if sent[payload].1 == qos && !firsts.contains(&payload) {
                        firsts.push(payload);
                    }
                }
                assert!(firsts.is_sorted(), "{name}: {side:?} {qos}: {firsts:?}");
            }
            let finished = sent.iter().filter(|(_, qos)| *qos != QoS::AtMostOnce).count();
            let noticed = self.pair.finished(side).len();
            assert!(
                noticed == finished || self.is_careless && noticed < finished,
                "{name}: {side:?} {noticed} {finished}"
            );
        }
        let is_open = self.pair.client.connection.is_open() && self.pair.server.connection.is_open();
        assert!(is_open, "{name}: {:?} {:?}", self.pair.client.closed, self.pair.server.closed);
        self.pair.assert_quiet();
    }
}

#[test]
fn what_was_promised_is_delivered_in_every_world() {
    // `SIM_SEEDS=100000 cargo test --release -p mqtt-sim --test random_worlds` for a longer walk.
    let seeds = std::env::var("SIM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(150);
    for seed in 0..seeds {
        for version in VERSIONS {
            let mut world = World::new(version, seed, seed % 3 == 0);
            for _ in 0..150 {
                world.act();
            }
            world.finish(&format!("{version}, seed {seed}"));
        }
    }
}

// Either end loses its memory at any moment but for its journal. The rule of the journal is kept by the pair: store, then
// send. What is stored and not sent, and what is sent and lost, are both among these worlds.
#[test]
fn what_was_promised_is_delivered_in_every_world_with_crashes() {
    let seeds = std::env::var("SIM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(150);
    for seed in 0..seeds {
        for version in VERSIONS {
            let mut world = World::new(version, seed * 2, true);
            for _ in 0..120 {
                let side = Side::BOTH[world.random.below(2) as usize];
                match world.random.below(16) {
                    0..=4 => {
                        world.publish(side);
                        world.pair.settle();
                    }
                    5..=12 => drop(world.pair.step()),
                    13 => world.cut(),
                    14 => world.pair.crash(side),
                    _ => {
                        world.pair.mute(side);
                        world.pair.step();
                        world.pair.crash(side);
                    }
                }
            }
            world.finish(&format!("{version}, seed {seed}"));
        }
    }
}
