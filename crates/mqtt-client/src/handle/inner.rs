//! What is under the lock: the pure client, and who waits for what of it.
//!
//! # Rules of this file
//!
//! - Nothing here wakes anybody: wakers are collected, and woken after unlocking.
//! - Futures hold keys of slots in here, nothing else: dropping one at any point frees its slot.

use std::collections::BTreeMap;
use std::task::Waker;

use mqtt_proto::{Delivery, Instant, Message, QoS, ReasonCode};

use super::connection_events::{ConnectionEvent, EventLog};
use super::outcomes::{Outcome, Outcomes, Page};
use super::requests::First;
use super::streams::{Claim, Queued, StreamId, Streams};
use super::turn::{Clock, Demand, Wakers};
use super::unclaimed::Unclaimed;
use crate::client::{Client, Event, MessageId, RequestId, SubscriberId};
use crate::{Acknowledgement, Error};

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) client: Client,
    pub(crate) manual_acks: bool,
    pub(crate) unsubscribe_on_drop: bool,
    pub(crate) outcomes: Outcomes,
    pub(crate) streams: Streams,
    pub(super) unclaimed: Unclaimed,
    pub(crate) rare: Option<Box<Rare>>,
    /// How the first connection went.
    pub(crate) first: First,
    /// Who waits for that, or for the end: mostly one at most.
    lobby: Option<Waker>,
    /// Futures under way that only an answer of the server completes. While there are any, streams may grow beyond their
    /// limit: the answer comes after the messages that are before it.
    pub(crate) awaiting_server: u32,
    /// Woken after unlocking.
    pub(crate) wakers: Wakers,
    pub(crate) seen: Demand,
    /// Wakes a driver that sleeps, or is about to: see [`Driver::turn`](crate::Driver::turn).
    pub(super) sleeper: Option<Waker>,
    /// The latest time that the client has heard of.
    pub(super) now: Instant,
    pub(super) clock: Clock,
    pub(super) has_store: bool,
}

/// What few clients have at a time: on the heap while there is any of it.
#[derive(Debug, Default)]
pub(crate) struct Rare {
    pub(crate) subscribing: BTreeMap<SubscriberId, Slot<Result<Vec<ReasonCode>, Error>>>,
    pub(crate) unsubscribing: BTreeMap<RequestId, Slot<Result<ReasonCode, Error>>>,
    pub(crate) log: EventLog,
    /// A message whose stream is full.
    stalled: Option<Delivery>,
    /// The part of a driver of two that took the turn before the last one.
    pub(super) other_sleeper: Option<Waker>,
    /// Those who wait in the lobby besides the first.
    lobby: Vec<Waker>,
    /// Messages that are in the queue and will be accepted when they are stored.
    pub(super) unstored: Vec<MessageId>,
    /// Those of them that are being stored.
    pub(super) storing: Vec<MessageId>,
}

impl Rare {
    fn is_empty(&self) -> bool {
        let Self { subscribing, unsubscribing, log, stalled, other_sleeper, lobby, unstored, storing } = self;
        let is_awaited = !subscribing.is_empty() || !unsubscribing.is_empty() || !log.is_empty() || !lobby.is_empty();
        let is_under_way = stalled.is_some() || !unstored.is_empty() || !storing.is_empty();
        !is_awaited && !is_under_way && other_sleeper.is_none()
    }
}

/// A result to come and who waits for it.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    pub(crate) result: Option<T>,
    pub(crate) waker: Option<Waker>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { result: None, waker: None }
    }
}

impl Inner {
    pub(crate) fn new(mut client: Client, has_store: bool) -> Self {
        client.tell_no_ends();
        let options = client.options();
        let (manual_acks, unsubscribe_on_drop) = (options.manual_acks, options.unsubscribe_on_drop);
        let (streams, unclaimed) = (Streams::default(), Unclaimed::new(options));
        Self {
            client,
            manual_acks,
            unsubscribe_on_drop,
            outcomes: Outcomes::default(),
            streams,
            unclaimed,
            rare: None,
            first: First::Awaited,
            lobby: None,
            awaiting_server: 0,
            wakers: Wakers::default(),
            seen: Demand::default(),
            sleeper: None,
            now: super::shared::now(),
            clock: Clock::Old,
            has_store,
        }
    }

    /// Why the client has stopped, once all is told and the transport is gone.
    pub(crate) fn stop_reason(&self) -> Option<&Error> {
        self.client.stop_reason().filter(|_| self.is_stopped())
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.client.has_said_stopped()
    }

    /// Registers for the first connection and for the end.
    pub(crate) fn wait_in_lobby(&mut self, waker: &Waker) {
        match &self.lobby {
            None => self.lobby = Some(waker.clone()),
            Some(first) if first.will_wake(waker) => {}
            Some(_) => {
                let others = &mut self.rare().lobby;
                if !others.iter().any(|other| other.will_wake(waker)) {
                    others.push(waker.clone());
                }
            }
        }
    }

    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Gives back the room of what is rare, if there is none.
    pub(crate) fn shrink(&mut self) {
        if self.rare.as_ref().is_some_and(|rare| rare.is_empty()) {
            self.rare = None;
        }
    }

    /// Wakes those who wait for the first connection or for the end.
    fn wake_lobby(&mut self) {
        self.wakers.extend(self.lobby.take());
        if let Some(rare) = &mut self.rare {
            self.wakers.extend(rare.lobby.drain(..));
            self.shrink();
        }
    }

    /// Counts a future as awaiting the server, or no longer; `is_counted` is the future's own note of it.
    pub(crate) fn count(&mut self, is_counted: &mut bool, awaits: bool) {
        match (*is_counted, awaits) {
            (false, true) => self.awaiting_server += 1,
            (true, false) => self.awaiting_server -= 1,
            (false, false) | (true, true) => {}
        }
        *is_counted = awaits;
    }

    /// Settles a stream's claim on a message.
    pub(crate) fn settle(&mut self, now: Instant, claim: Option<Claim>) {
        if let Some(ack) = claim.and_then(|claim| self.streams.settle(claim, ReasonCode::SUCCESS)) {
            // It carries a plain 0x00, which is always allowed.
            let _ = self.client.ack(now, ack);
        }
    }

    /// A message will never be acknowledged: it stays the server's, and is a new one on the next connection.
    pub(crate) fn abandon(&mut self, claim: Option<Claim>) {
        if let Some(ack) = claim.and_then(|claim| self.streams.abandon(claim)) {
            self.client.forget(ack);
        }
    }

    /// A stream is dropped: what it has not handed out is acknowledged all the same (MQTT-4.5.0-2), unless that is the
    /// application's to do.
    pub(crate) fn give_up(&mut self, now: Instant, id: StreamId) {
        for queued in self.streams.remove(id) {
            let claim = queued.into_claim();
            if self.manual_acks {
                self.abandon(claim);
            } else {
                self.settle(now, claim);
            }
        }
        if let StreamId::Subscriber(id) = id {
            if let Some(rare) = &mut self.rare {
                rare.subscribing.remove(&id);
            }
            self.client.drop_subscriber(now, id, self.unsubscribe_on_drop);
        }
    }

    /// A new stream gets what it is for of what came before there was any.
    pub(crate) fn claim(&mut self, id: StreamId) {
        for delivery in self.unclaimed.take() {
            let targets = self.streams.targets(&self.client, &delivery.message);
            if targets.contains(&id) {
                self.wakers.extend(self.streams.push(id, Queued::Sole(delivery)));
            } else {
                self.unclaimed.push(delivery);
            }
            self.streams.recycle(targets);
        }
    }

    /// The application takes messages: it has all the streams that it wants.
    pub(crate) fn begin_taking(&mut self, now: Instant) {
        if self.unclaimed.is_over() {
            return;
        }
        for ack in self.unclaimed.end() {
            // It carries a plain 0x00, which is always allowed.
            let _ = self.client.ack(now, ack);
        }
    }

    /// Hands on what the client tells. Messages stop at the first one whose stream is full, the rest goes on.
    pub(crate) fn pump(&mut self, now: Instant) {
        loop {
            if let Some(delivery) = self.rare.as_mut().and_then(|rare| rare.stalled.take()) {
                self.client.hold(false);
                self.deliver_or_stall(now, delivery);
            }
            self.deliver_to_one();
            match self.client.poll_event(now) {
                Some(Event::Message(delivery)) => self.deliver_or_stall(now, delivery),
                Some(event) => self.dispatch(event),
                None => break,
            }
        }
        if let Some(id) = self.client.next_ended() {
            self.wake_ended(id);
        }
    }

    /// Wakes those who wait for messages that have ended well.
    fn wake_ended(&mut self, first: MessageId) {
        let mut next = Some(first);
        while let Some(id) = next {
            self.wakers.extend(self.outcomes.forget(id));
            next = self.client.next_ended();
        }
        if !self.outcomes.is_awaited() {
            self.client.tell_no_ends();
        }
    }

    fn deliver_or_stall(&mut self, now: Instant, delivery: Delivery) {
        if let Some(delivery) = self.deliver(now, delivery) {
            self.client.hold(true);
            self.rare().stalled = Some(delivery);
        }
    }

    /// Whether a message waits for room in a stream.
    pub(super) fn is_stalled(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.stalled.is_some())
    }

    /// Delivers messages while each is for one stream that has room, as almost all are. A message is large to move: where it
    /// goes is found out first.
    fn deliver_to_one(&mut self) {
        while let Some(next) = self.client.peek_message() {
            let Some(stream) = self.streams.sole_with_room(&self.client, next) else { return };
            stream.count(&next.message, next.ack.is_some());
            let Some(delivery) = self.client.next_message() else { return };
            self.wakers.extend(stream.push(Queued::Sole(delivery)));
        }
    }

    /// Puts a message into the streams it is for; gives it back if one of them is full.
    fn deliver(&mut self, now: Instant, delivery: Delivery) -> Option<Delivery> {
        let targets = self.streams.targets(&self.client, &delivery.message);
        let may_grow = self.awaiting_server > 0 || self.client.is_ending() || self.client.stop_reason().is_some();
        if !may_grow && targets.iter().any(|id| self.streams.is_full(*id)) {
            self.streams.recycle(targets);
            return Some(delivery);
        }
        if targets.is_empty() && self.unclaimed.wants(&delivery) {
            self.streams.recycle(targets);
            if !may_grow && self.unclaimed.is_full(self.client.options()) {
                return Some(delivery);
            }
            self.unclaimed.push(delivery);
            return None;
        }
        let dropped = match targets[..] {
            // MQTT-4.5.0-2: also what nobody wants is acknowledged.
            [] => {
                self.settle(now, delivery.ack.map(Claim::Sole));
                0
            }
            [id] => usize::from(!self.put(id, Queued::Sole(delivery))),
            _ => self.put_into_all(&targets, delivery),
        };
        self.streams.recycle(targets);
        if dropped > 0 {
            self.tell(ConnectionEvent::Dropped { messages: dropped });
        }
        None
    }

    /// Puts a message into several streams; how many of them have lost it.
    fn put_into_all(&mut self, targets: &[StreamId], delivery: Delivery) -> usize {
        let Delivery { message, dup, ack } = delivery;
        let shared = ack.map(|ack| {
            let packet_id = ack.packet_id();
            (packet_id, self.streams.share(self.client.options(), ack, targets.len()))
        });
        let queued = |message: Message| match shared {
            Some((packet_id, key)) => Queued::Shared { message, dup, packet_id, key },
            None => Queued::Sole(Delivery { message, dup, ack: None }),
        };
        let mut dropped = 0;
        for id in targets {
            dropped += usize::from(!self.put(*id, queued(message.clone())));
        }
        dropped
    }

    /// Puts a message into a stream, unless there is no room at all and it may be lost: whether it is there.
    fn put(&mut self, id: StreamId, queued: Queued) -> bool {
        let is_lost = queued.message().qos == QoS::AtMostOnce && self.streams.is_overflowing(id);
        if !is_lost {
            self.wakers.extend(self.streams.push(id, queued));
        }
        !is_lost
    }

    fn dispatch(&mut self, event: Event) {
        match event {
            Event::Connected(connack) => {
                self.unclaimed.connected(&connack);
                self.first.set(Ok(&connack));
                self.wake_lobby();
                self.tell(ConnectionEvent::Connected(connack));
            }
            Event::Disconnected { reason, retry_in } => self.tell(ConnectionEvent::Disconnected { reason, retry_in }),
            Event::Auth(auth) => self.tell(ConnectionEvent::Auth(auth)),
            // `pump` has taken these.
            Event::Message(_) => {}
            Event::Accepted(id) if self.has_store => self.rare().unstored.push(id),
            Event::Accepted(id) => self.accepted(id),
            Event::Published { id, result } => {
                self.wakers.extend(self.outcomes.ended(id, result));
            }
            Event::Subscribed { id, result } => {
                if let Some(slot) = self.rare.as_mut().and_then(|rare| rare.subscribing.get_mut(&id)) {
                    slot.result = Some(result);
                    self.wakers.extend(slot.waker.take());
                }
            }
            Event::SubscriptionEnded { id, refused } => self.subscription_ended(id, refused),
            Event::Unsubscribed { id, result } => {
                if let Some(slot) = self.rare.as_mut().and_then(|rare| rare.unsubscribing.get_mut(&id)) {
                    slot.result = Some(result);
                    self.wakers.extend(slot.waker.take());
                }
            }
            Event::Stopped(reason) => {
                self.outcomes.close();
                self.first.set(Err(&reason));
                self.wakers.extend(self.streams.end_all());
                if let Some(rare) = &mut self.rare {
                    self.wakers.extend(rare.log.end());
                }
                self.wake_lobby();
            }
        }
    }

    /// How a message has ended, if it has.
    pub(crate) fn outcome(&mut self, page: &Page, id: MessageId) -> Option<Outcome> {
        page.outcome(id).or_else(|| (!self.client.is_pending(id)).then(|| Ok(Acknowledgement::plain())))
    }

    /// Whether a message is in the queue or beyond, and stored if there is a store: well, or not at all.
    pub(crate) fn acceptance(&mut self, page: &Page, id: MessageId) -> Option<Outcome> {
        let is_stored = |rare: &Rare| !rare.unstored.contains(&id) && !rare.storing.contains(&id);
        let is_accepted = || !self.client.is_waiting(id) && self.rare.as_deref().is_none_or(is_stored);
        page.outcome(id).or_else(|| is_accepted().then(|| Ok(Acknowledgement::plain())))
    }

    /// Wakes `waker` when the message is accepted or has ended.
    pub(crate) fn wait_for(&mut self, id: MessageId, waker: &Waker) {
        self.client.tell_end(id);
        self.outcomes.wait(id, waker);
    }

    /// Undoes [`wait_for`](Self::wait_for).
    pub(crate) fn wait_no_more(&mut self, id: MessageId) {
        self.outcomes.forget(id);
    }

    /// Whether a message that was just published needs no more waiting to be accepted.
    pub(crate) fn is_accepted(&mut self, id: MessageId, qos: QoS) -> bool {
        let is_queued = !self.client.is_waiting(id);
        let is_to_be_stored = self.has_store && qos != QoS::AtMostOnce;
        if is_queued && is_to_be_stored {
            self.rare().unstored.push(id);
        }
        is_queued && !is_to_be_stored
    }

    pub(super) fn accepted(&mut self, id: MessageId) {
        self.wakers.extend(self.outcomes.forget(id));
    }

    fn subscription_ended(&mut self, id: SubscriberId, refused: Option<ReasonCode>) {
        if let Some(slot) = self.rare.as_mut().and_then(|rare| rare.subscribing.get_mut(&id)) {
            slot.result.get_or_insert(Err(Error::Unsubscribed));
            self.wakers.extend(slot.waker.take());
        }
        self.wakers.extend(self.streams.end(StreamId::Subscriber(id)));
        if let Some(reason) = refused {
            self.tell(ConnectionEvent::SubscriptionLost { reason });
        }
    }

    fn tell(&mut self, event: ConnectionEvent) {
        if let Some(rare) = &mut self.rare {
            self.wakers.extend(rare.log.push(event));
        }
    }
}
