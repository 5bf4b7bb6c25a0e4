//! What is done to a broker.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::process::Process;
use crate::wire::{self, LAST_BYTE, Peer};

/// Publishers and subscribers that meet: each group has a topic of its own.
#[derive(Clone, Copy)]
pub(crate) struct Pattern {
    pub(crate) name: &'static str,
    pub(crate) groups: usize,
    pub(crate) publishers: usize,
    pub(crate) subscribers: usize,
    /// Messages delivered in one round, about.
    pub(crate) deliveries: usize,
}

/// The connections of a pattern at one QoS.
pub(crate) struct Load {
    pattern: Pattern,
    qos: u8,
    groups: Vec<(Vec<Peer>, Vec<Peer>)>,
    batch: usize,
}

impl Load {
    pub(crate) fn new(address: SocketAddr, pattern: Pattern, qos: u8, batch: u16) -> Self {
        let payload = [LAST_BYTE; PAYLOAD];
        let group = |group: usize| {
            let topic = format!("building/7/floor/3/room/{group:04}");
            let publishers = (0..pattern.publishers).map(|index| {
                let mut peer = Peer::connect(address, &format!("publisher-{group}-{index}"));
                peer.prepare(&topic, qos, batch, &payload);
                peer
            });
            let subscribers = (0..pattern.subscribers).map(|index| {
                let mut peer = Peer::connect(address, &format!("subscriber-{group}-{index}"));
                peer.subscribe(&topic, qos, PAYLOAD);
                peer
            });
            (publishers.collect(), subscribers.collect())
        };
        let mut load = Self { pattern, qos, groups: (0..pattern.groups).map(group).collect(), batch: batch.into() };
        (0..WARM_UP).for_each(|_| load.send());
        load
    }

    /// Everybody sends a batch; then all wait until it has arrived everywhere and is acknowledged.
    fn send(&mut self) {
        for publisher in self.groups.iter_mut().flat_map(|(publishers, _)| publishers) {
            publisher.publish();
        }
        let acknowledged = if self.qos == 0 { 0 } else { self.batch };
        for (publishers, subscribers) in &mut self.groups {
            let received = publishers.len() * self.batch;
            publishers.iter_mut().for_each(|peer| peer.until(|peer| peer.acknowledged >= acknowledged));
            subscribers.iter_mut().for_each(|peer| peer.until(|peer| peer.received >= received));
        }
    }

    /// Nanoseconds of the broker's processor time for each message delivered.
    pub(crate) fn cpu_per_delivery(&mut self, broker: &Process) -> f64 {
        let Pattern { groups, publishers, subscribers, deliveries, .. } = self.pattern;
        let per_send = groups * publishers * subscribers * self.batch;
        let sends = (deliveries / per_send).max(10);
        let before = broker.cpu();
        (0..sends).for_each(|_| self.send());
        (broker.cpu() - before).as_nanos() as f64 / (sends * per_send) as f64
    }

    /// From publishing to receiving, one message at a time: the medians of that, and of the slowest in a hundred.
    pub(crate) fn latency(&mut self, count: usize) -> [f64; 2] {
        let mut took: Vec<Duration> = (0..count)
            .map(|_| {
                let before = Instant::now();
                self.send();
                before.elapsed()
            })
            .collect();
        took.sort_unstable();
        [count / 2, count * 99 / 100].map(|index| took[index].as_nanos() as f64)
    }
}

/// Resident bytes for each of many connections that say nothing; and when each has one subscription of its own.
pub(crate) fn memory(address: SocketAddr, broker: &Process, connections: usize) -> [f64; 2] {
    let first = wire::connect(address, "first");
    let before = broker.resident();
    let per_connection = || {
        std::thread::sleep(Duration::from_millis(500)); // what is put off until later belongs to it
        (broker.resident() - before) as f64 / connections as f64
    };
    let mut streams: Vec<_> = (0..connections).map(|index| wire::connect(address, &format!("idle-{index}"))).collect();
    let connected = per_connection();
    for (index, stream) in streams.iter_mut().enumerate() {
        wire::subscribe(stream, &format!("building/7/floor/3/room/{index:05}"), 0);
    }
    let subscribed = per_connection();
    drop(first);
    [connected, subscribed]
}

const PAYLOAD: usize = 64;
const WARM_UP: usize = 20;
