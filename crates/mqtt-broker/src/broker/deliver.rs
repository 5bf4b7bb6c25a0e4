//! Messages that go out: pulled by each client's connection, as it has room.

use mqtt_proto::{Acknowledged, CommandError, Instant, Message, QoS, Token, Version};

use super::action::{DropReason, Peer};
use super::client::{Held, Link, Replay};
use super::queue::{Identifiers, Queued};
use super::store::Lifetime;
use super::timer::Timer;
use super::{Broker, PRESENT};
use crate::router::Step;

/// A message for a client's connection: [publish](mqtt_proto::Connection::publish) it, then hand its ticket to
/// [`Broker::handle_sent`], or what was given back to [`Broker::give_back`].
#[derive(Debug)]
#[must_use = "it is out of the queue"]
pub struct Outgoing {
    /// The message as this client is to get it.
    pub message: Message,
    /// What the broker remembers it by.
    pub ticket: Ticket,
}

/// What the broker remembers an [`Outgoing`] message by.
#[derive(Debug)]
#[must_use = "hand it back with `handle_sent`"]
pub struct Ticket {
    lifetime: Lifetime,
    /// The state of the policy that has allowed it.
    policy: u32,
    payload_len: usize,
    held: Option<Held>,
}

impl Ticket {
    fn new(lifetime: Lifetime, policy: u32, message: &Message, held: Option<Held>) -> Self {
        Self { lifetime, policy, payload_len: message.payload.len(), held }
    }

    /// What it keeps of the message.
    pub(super) fn into_held(self) -> Option<Held> {
        self.held
    }
}

impl Broker {
    /// The next message for a peer, if `has_room` says that its connection can take one of this QoS:
    /// [`can_publish`](mqtt_proto::Connection::can_publish).
    ///
    /// Poll until there is none whenever [`Action::Deliver`](crate::Action::Deliver) comes, and after `has_room` has said no,
    /// when the connection may have room again: after the client's acknowledgements and when its outbox drains.
    pub fn poll_message(&mut self, now: Instant, peer: Peer, has_room: impl FnOnce(QoS) -> bool) -> Option<Outgoing> {
        let key = self.key_of(peer)?;
        let client = self.clients.get_mut(key)?;
        client.is_blocked = false;
        self.drop_dead_returned(now, key);
        let mut budget = LOOKS;
        if self.clients.get(key)?.queue.len() * 2 <= self.config.maximum_queued_messages {
            self.replay(now, key, &mut budget);
        }
        if self.clients.get(key)?.returned.is_none() {
            self.drop_dead(now, key);
        }
        if self.clients.get(key)?.queue.is_empty() {
            self.replay(now, key, &mut budget);
        }
        if budget == 0 {
            self.timers.set(now, Timer::Replay(key)); // Others may have their turn first.
        }
        let client = self.clients.get_mut(key)?;
        let returned = client.returned.as_ref().map(|outgoing| outgoing.message.qos);
        let qos = returned.or_else(|| client.queue.front().map(|entry| entry.qos))?;
        let holds_too_much = client.held_bytes() > 0 && client.held_bytes() >= self.config.maximum_queued_bytes;
        if holds_too_much || !has_room(qos) {
            client.is_blocked = true;
            return None;
        }
        match client.returned.take() {
            Some(outgoing) => Some(refresh(now, *outgoing)),
            None => self.take_queued(now, key),
        }
    }

    /// A connection could not take a message. If it is full or gone, the message stays the first to be sent; if the message
    /// cannot be sent to this client, it is dropped for this client alone (MQTT-3.1.2-25).
    pub fn give_back(&mut self, peer: Peer, outgoing: Outgoing, why: &CommandError) {
        let key = self.key_of(peer);
        let Some(client) = key.and_then(|key| self.clients.get_mut(key)) else {
            return self.release_ticket(outgoing.ticket);
        };
        match why {
            CommandError::Full | CommandError::NotConnected | CommandError::Closed => {
                client.is_blocked = true;
                client.returned = Some(Box::new(outgoing));
            }
            CommandError::TooLarge { .. }
            | CommandError::NotAvailable(_)
            | CommandError::NotAllowed(_)
            | CommandError::Encode(_) => {
                let Outgoing { message, ticket } = outgoing;
                self.release_ticket(ticket);
                self.dropped(key, message.topic, DropReason::Unsendable);
            }
        }
    }

    /// A connection has taken a message, under this token.
    pub fn handle_sent(&mut self, peer: Peer, token: Token, ticket: Ticket) {
        self.counts.packets_sent += 1;
        self.counts.publishes_sent += 1;
        self.counts.payload_sent += ticket.payload_len as u64;
        let Some(held) = ticket.held else { return };
        let key = self.key_of(peer);
        match key.and_then(|key| self.clients.get_mut(key)) {
            Some(client) => {
                let in_flight = client.in_flight.get_or_insert_default();
                in_flight.bytes += self.store.stored(&held.key).len;
                in_flight.messages.insert(token, held);
            }
            None => self.store.release(held.key),
        }
    }

    pub(super) fn receive_acknowledged(&mut self, peer: Peer, acknowledged: &Acknowledged) {
        let Some(key) = self.key_of(peer) else { return };
        let client = self.clients.get_mut(key).expect(PRESENT);
        client.is_blocked = false;
        // MQTT-4.8.2-6: also if it was refused, no other member gets it.
        if let Some(in_flight) = &mut client.in_flight {
            if let Some(held) = in_flight.messages.remove(&acknowledged.token) {
                in_flight.bytes -= self.store.stored(&held.key).len;
                self.store.release(held.key);
            }
        }
        self.call(key);
    }

    /// Messages of QoS 0 do not wait for clients that are away.
    pub(super) fn drop_qos0(&mut self, key: u32) {
        let client = self.clients.get_mut(key).expect(PRESENT);
        let dropped = client.queue.take(&self.store, |entry| entry.qos == QoS::AtMostOnce);
        dropped.into_iter().for_each(|entry| self.store.release(entry.key));
        let client = self.clients.get_mut(key).expect(PRESENT);
        if client.returned.as_ref().is_some_and(|outgoing| outgoing.message.qos == QoS::AtMostOnce) {
            if let Some(outgoing) = client.returned.take() {
                self.release_ticket(outgoing.ticket);
            }
        }
    }

    /// Drops the message that was given back, if it has expired or the policy does not allow it any more.
    fn drop_dead_returned(&mut self, now: Instant, key: u32) {
        let client = self.clients.get_mut(key).expect(PRESENT);
        let Some(Outgoing { message, ticket }) = client.returned.as_deref() else { return };
        let is_expired = ticket.lifetime.has_passed(now);
        let is_allowed = ticket.policy == self.policy_state || self.policy.deliver(&client.info, message);
        if !is_expired && is_allowed {
            return;
        }
        if let Some(outgoing) = client.returned.take() {
            let Outgoing { message, ticket } = *outgoing;
            self.release_ticket(ticket);
            if is_expired {
                self.dropped(Some(key), message.topic, DropReason::Expired);
            }
        }
    }

    fn release_ticket(&mut self, ticket: Ticket) {
        if let Some(held) = ticket.held {
            self.store.release(held.key);
        }
    }

    /// Takes messages that have expired, and those that the policy does not allow any more, off the front of a queue.
    fn drop_dead(&mut self, now: Instant, key: u32) {
        loop {
            let client = self.clients.get_mut(key).expect(PRESENT);
            let Some(front) = client.queue.front() else { return };
            let stored = self.store.stored(&front.key);
            let is_expired = stored.lifetime.has_passed(now);
            let is_allowed = front.policy == self.policy_state || self.policy.deliver(&client.info, &stored.message);
            if !is_expired && is_allowed {
                return;
            }
            let topic = stored.message.topic.clone();
            if let Some(entry) = client.queue.pop(&self.store) {
                self.store.release(entry.key);
            }
            if is_expired {
                self.dropped(Some(key), topic, DropReason::Expired);
            }
        }
    }

    /// Takes the next retained message for a new subscription, unless another message is first.
    fn replay(&mut self, now: Instant, key: u32, budget: &mut u32) {
        let client = self.clients.get_mut(key).expect(PRESENT);
        while client.returned.is_none() {
            let Some((replay, info)) = client.replay_mut() else { return };
            let Replay { cursor, is_status, qos, identifier, .. } = replay;
            let retained = if *is_status { &self.status_values } else { &self.retained };
            let stored = match cursor.step(retained, budget) {
                Step::Found(stored) => stored,
                Step::Paused => return,
                Step::End => {
                    client.end_replay();
                    continue;
                }
            };
            let message = stored.message();
            let lifetime = Lifetime::new(stored.received(), message);
            let publisher = retained.owner(stored);
            let is_rightful = publisher.is_none_or(|publisher| self.policy.may_retain(publisher, message));
            if lifetime.has_passed(now) || !is_rightful || !self.policy.deliver(info, message) {
                continue;
            }
            let mut message = message.clone();
            message.qos = message.qos.min(*qos);
            message.retain = true;
            let message = address(now, message, lifetime, &(*identifier).into(), info.version);
            let ticket = Ticket::new(lifetime, self.policy_state, &message, None);
            client.returned = Some(Box::new(Outgoing { message, ticket }));
        }
    }

    fn take_queued(&mut self, now: Instant, key: u32) -> Option<Outgoing> {
        let client = self.clients.get_mut(key)?;
        let Queued { key, qos, retain, identifiers, share, policy } = client.queue.pop(&self.store)?;
        let (lifetime, len) = (self.store.stored(&key).lifetime, self.store.stored(&key).len);
        let share = share.filter(|_| qos == QoS::AtLeastOnce);
        // For a subscriber in the process nothing is ever on its way.
        let is_held = matches!(client.link, Link::Open(_) | Link::Leaving(_))
            && qos > QoS::AtMostOnce
            && (share.is_some() || len >= LARGE);
        let held = is_held.then(|| Held { key: self.store.share(&key), share });
        let mut message = self.store.take(key);
        message.qos = qos;
        message.retain = retain;
        let message = address(now, message, lifetime, &identifiers, client.info.version);
        let ticket = Ticket::new(lifetime, policy, &message, held);
        Some(Outgoing { message, ticket })
    }
}

/// The message as this subscriber gets it.
fn address(now: Instant, message: Message, lifetime: Lifetime, identifiers: &Identifiers, version: Version) -> Message {
    match version {
        Version::V31 | Version::V311 if message.properties().is_empty() => message,
        Version::V31 | Version::V311 => {
            Message::new(message.topic, message.payload).with_qos(message.qos).with_retain(message.retain)
        }
        Version::V5 => {
            let message = count_down(now, message, lifetime);
            identifiers.iter().fold(message, Message::with_subscription_identifier)
        }
    }
}

/// MQTT-3.3.2-6
fn count_down(now: Instant, message: Message, lifetime: Lifetime) -> Message {
    match lifetime.rest(now) {
        Some(seconds) => message.with_message_expiry_interval(seconds),
        None => message,
    }
}

/// A message that was given back has waited since.
fn refresh(now: Instant, Outgoing { message, ticket }: Outgoing) -> Outgoing {
    let has_interval = !message.properties().is_empty();
    let message = if has_interval { count_down(now, message, ticket.lifetime) } else { message };
    Outgoing { message, ticket }
}

/// Retained topics to look at before others have their turn: a millisecond or so.
const LOOKS: u32 = 1_000;

/// Bytes from which a message on its way counts against the limits: a hundred smaller ones do no harm.
const LARGE: usize = 64 << 10;
