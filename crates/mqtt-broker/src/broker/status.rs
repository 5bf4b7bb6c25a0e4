//! What the broker tells about itself below `$SYS`, under the names that dashboards made for Mosquitto ask for.
//!
//! The topics are retained apart from those of clients: a flood of retained messages does not silence them, they count
//! against no limit, and they are published at QoS 0, so that they wait for nobody. A value that has not changed is not
//! published again.
//!
//! `messages/received` counts the packets that reach the broker: what a [`Connection`](mqtt_proto::Connection) answers by
//! itself (PINGREQ, PUBREL) is not among them, and `messages/sent` counts their answers and PUBLISHes likewise.

use std::time::Duration;

use mqtt_proto::{Instant, Message, TopicName};

use super::Broker;
use super::action::{Notice, Peer};
use super::timer::Timer;

/// What has been counted since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) packets_received: u64,
    pub(crate) packets_sent: u64,
    pub(crate) publishes_received: u64,
    pub(crate) publishes_sent: u64,
    pub(crate) publishes_dropped: u64,
    pub(crate) publishes_tolerated: u64,
    pub(crate) payload_received: u64,
    pub(crate) payload_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) links: u64,
    pub(crate) connects: u64,
    pub(crate) sessions_expired: u64,
}

/// The state of the status topics.
#[derive(Debug, Default)]
pub(crate) struct Status {
    /// When the broker first heard of time.
    start: Option<Instant>,
    last: Instant,
    /// The largest number of clients with a session.
    pub(super) maximum: usize,
    loads: [Load; LOADS.len()],
}

/// Averages per minute over the last 1, 5 and 15 minutes, as they decay.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    rates: [f64; 3],
    counted: u64,
}

impl Load {
    fn update(&mut self, counted: u64, passed: Duration) {
        let minutes = passed.as_secs_f64() / 60.0;
        let rate = (counted - self.counted) as f64 / minutes;
        self.counted = counted;
        for (average, window) in self.rates.iter_mut().zip(WINDOWS) {
            *average = rate + (-minutes / window).exp() * (*average - rate);
        }
    }
}

impl Broker {
    /// So many bytes came from and went to the transports: for the status topics, which cannot know otherwise.
    pub fn handle_traffic(&mut self, received: u64, sent: u64) {
        self.counts.bytes_received += received;
        self.counts.bytes_sent += sent;
    }

    /// A client's connection has taken so many messages more beyond its Receive Maximum
    /// ([`tolerated_messages`](mqtt_proto::Connection::tolerated_messages)): for the status topics and a notice. A
    /// [`Hub`](crate::Hub) does this by itself.
    pub fn handle_tolerated(&mut self, peer: Peer, messages: u64) {
        self.counts.publishes_tolerated += messages;
        let Some(client) = self.client_of(peer) else { return };
        let client_id = client.info.client_id.clone();
        self.notice(|| Notice::Tolerated { client_id, messages });
    }

    /// Begins to count time, and publishes for the first time.
    pub(super) fn start_status(&mut self, now: Instant) {
        if self.status.start.is_none() {
            self.status.start = Some(now);
            self.status.last = now;
            self.publish_status(now);
        }
    }

    pub(super) fn publish_status(&mut self, now: Instant) {
        let interval = self.config.status_interval;
        if interval.is_zero() {
            return;
        }
        self.timers.set(now + interval, Timer::Status);
        let passed = now.since(self.status.last);
        self.status.last = now;
        for (name, value) in self.values(now) {
            self.publish_value(now, name, &value);
        }
        for (index, Measured { name, count }) in LOADS.iter().enumerate() {
            let load = &mut self.status.loads[index];
            if !passed.is_zero() {
                load.update(count(&self.counts), passed);
            }
            let rates = load.rates;
            for (rate, window) in rates.iter().zip(["1min", "5min", "15min"]) {
                self.publish_value(now, &format!("load/{name}/{window}"), &format!("{rate:.2}"));
            }
        }
    }

    fn values(&self, now: Instant) -> Vec<(&'static str, String)> {
        let Counts { packets_received, packets_sent, publishes_received, publishes_sent, .. } = self.counts;
        let uptime = now.since(self.status.start.unwrap_or(now)).as_secs();
        let (total, away) = (self.ids.len(), self.away.len());
        let connected = total - away;
        vec![
            ("version", concat!("mqtt-broker ", env!("CARGO_PKG_VERSION")).to_owned()),
            ("uptime", format!("{uptime} seconds")),
            ("clients/total", total.to_string()),
            ("clients/maximum", self.status.maximum.to_string()),
            ("clients/connected", connected.to_string()),
            ("clients/active", connected.to_string()),
            ("clients/disconnected", away.to_string()),
            ("clients/inactive", away.to_string()),
            ("clients/expired", self.counts.sessions_expired.to_string()),
            ("messages/received", packets_received.to_string()),
            ("messages/sent", packets_sent.to_string()),
            ("messages/stored", (self.store.len() + self.retained.len()).to_string()),
            ("store/messages/count", (self.store.len() + self.retained.len()).to_string()),
            ("store/messages/bytes", (self.store.bytes() + self.retained.bytes()).to_string()),
            ("retained messages/count", self.retained.len().to_string()),
            ("subscriptions/count", self.router.len().to_string()),
            ("shared_subscriptions/count", self.router.share_count().to_string()),
            ("publish/messages/received", publishes_received.to_string()),
            ("publish/messages/sent", publishes_sent.to_string()),
            ("publish/messages/dropped", self.counts.publishes_dropped.to_string()),
            ("publish/messages/tolerated", self.counts.publishes_tolerated.to_string()),
            ("publish/bytes/received", self.counts.payload_received.to_string()),
            ("publish/bytes/sent", self.counts.payload_sent.to_string()),
            ("bytes/received", self.counts.bytes_received.to_string()),
            ("bytes/sent", self.counts.bytes_sent.to_string()),
        ]
    }

    fn publish_value(&mut self, now: Instant, name: &str, value: &str) {
        let Ok(topic) = TopicName::try_from(format!("$SYS/broker/{name}")) else { return };
        if self.status_values.stored(topic.as_bytes()).is_some_and(|stored| stored.message().payload == value) {
            return;
        }
        let message = Message::new(topic, value.to_owned()).with_retain(true);
        if self.status_values.insert(now, &message).is_ok() {
            self.route(now, None, message);
        }
    }
}

/// Something that has load averages.
struct Measured {
    name: &'static str,
    count: fn(&Counts) -> u64,
}

const LOADS: [Measured; 9] = [
    Measured { name: "messages/received", count: |counts| counts.packets_received },
    Measured { name: "messages/sent", count: |counts| counts.packets_sent },
    Measured { name: "publish/received", count: |counts| counts.publishes_received },
    Measured { name: "publish/sent", count: |counts| counts.publishes_sent },
    Measured { name: "publish/dropped", count: |counts| counts.publishes_dropped },
    Measured { name: "bytes/received", count: |counts| counts.bytes_received },
    Measured { name: "bytes/sent", count: |counts| counts.bytes_sent },
    Measured { name: "sockets", count: |counts| counts.links },
    Measured { name: "connections", count: |counts| counts.connects },
];

/// Topics at most: what a queue takes of them beyond its limit.
pub(super) const STATUS_TOPICS: usize = 64;

/// Minutes.
const WINDOWS: [f64; 3] = [1.0, 5.0, 15.0];
