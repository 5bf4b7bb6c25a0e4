//! The end of the broker: the wills of all, as those who are still there have room for them, and a good-bye to each.

use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};

use mqtt_proto::{Instant, ReasonCode};

use super::action::Peer;
use super::client::{Client, Stage};
use super::config::Config;
use super::timer::Timer;
use super::{Broker, PRESENT};

/// What is still to be done before the broker has ended.
#[derive(Debug, Default)]
pub(super) struct Farewell {
    /// Whose wills are to be published.
    wills: VecDeque<u32>,
    /// Who is to be sent away.
    guests: Vec<u32>,
    /// A client with as much in its queue as it is to have at a time.
    pressed: Option<Pressed>,
    /// Clients that take nothing, and are not waited for.
    deaf: BTreeSet<u32>,
    /// When nobody is waited for any longer.
    until: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Pressed {
    key: u32,
    /// How many messages wait for it, and since when it has not been fewer.
    queued: usize,
    since: Instant,
}

impl Broker {
    /// Ends the broker in good order: publishes the wills of all clients, sends DISCONNECT 0x8B to those that are connected,
    /// and lets nobody in any more.
    ///
    /// The wills, because the connections end without a good-bye of the clients (MQTT-3.1.2-8), and the delayed ones because
    /// their sessions end with the broker, which keeps nothing. They go first, so that those who are still there get them;
    /// and only as fast as their queues drain, for a second at most, by [`handle_timeout`](Self::handle_timeout). Called a
    /// second time, it waits for nobody.
    pub fn shut_down(&mut self, now: Instant) {
        if std::mem::replace(&mut self.is_shutting_down, true) {
            self.farewell.until = now;
        } else {
            let with_will = self.clients.iter().filter(|(_, client)| client.will.is_some());
            self.farewell = Farewell {
                wills: with_will.map(|(key, _)| key).collect(),
                guests: self.clients.iter().map(|(key, _)| key).collect(),
                pressed: None,
                deaf: BTreeSet::new(),
                until: now + PATIENCE,
            };
            let is_waiting = |(_, stage): &(&Peer, &Stage)| matches!(stage, Stage::Waiting(_));
            let waiting: Vec<Peer> = self.links.iter().filter(is_waiting).map(|(peer, _)| *peer).collect();
            for peer in self.strangers.keys().copied().chain(waiting).collect::<Vec<Peer>>() {
                self.close_stranger(peer);
            }
        }
        self.say_farewell(now);
    }

    /// Goes on with [`shut_down`](Self::shut_down).
    pub(super) fn say_farewell(&mut self, now: Instant) {
        let is_patient = now < self.farewell.until;
        loop {
            if is_patient && self.waits_for_pressed(now) {
                return self.timers.set(now + PAUSE, Timer::Farewell);
            }
            let Some(key) = self.farewell.wills.pop_front() else { break };
            self.release_will(now, key);
        }
        for key in std::mem::take(&mut self.farewell.guests) {
            let waits = |client: &Client| client.receiver().is_some() && client.has_messages();
            if is_patient && self.clients.get(key).is_some_and(waits) {
                self.farewell.guests.push(key);
            } else {
                self.kick(key, ReasonCode::SERVER_SHUTTING_DOWN);
            }
        }
        if !self.farewell.guests.is_empty() {
            self.timers.set(now + PAUSE, Timer::Farewell);
        }
    }

    /// A message was put into a client's queue while the broker ends.
    pub(super) fn heed(&mut self, now: Instant, key: u32) {
        let client = self.clients.get(key).expect(PRESENT);
        if is_pressed(&self.config, client) && !self.farewell.deaf.contains(&key) {
            self.farewell.pressed = Some(Pressed { key, queued: client.queue.len(), since: now });
        }
    }

    /// Whether a client is to drain its queue first. One that does not drain it is given up: it costs nobody else his wills.
    fn waits_for_pressed(&mut self, now: Instant) -> bool {
        let Some(Pressed { key, queued, since }) = self.farewell.pressed.take() else { return false };
        let Some(client) = self.clients.get(key).filter(|client| is_pressed(&self.config, client)) else {
            return false;
        };
        let has_moved = client.queue.len() < queued;
        if !has_moved && now.since(since) >= PATIENCE_WITH_ONE {
            self.farewell.deaf.insert(key);
            return false;
        }
        let since = if has_moved { now } else { since };
        self.farewell.pressed = Some(Pressed { key, queued: client.queue.len(), since });
        true
    }
}

/// Whether a client is there, and so much waits for it that more must wait with it.
fn is_pressed(config: &Config, client: &Client) -> bool {
    client.receiver().is_some()
        && (client.queue.len() >= config.maximum_queued_messages.div_ceil(2)
            || client.held_bytes() + client.queue.bytes() >= config.maximum_queued_bytes / 2)
}

/// Until who is pressed is looked at again.
const PAUSE: Duration = Duration::from_millis(1);

/// How long clients may take to drain their queues.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long one may take nothing while others wait for their wills.
const PATIENCE_WITH_ONE: Duration = Duration::from_millis(100);
