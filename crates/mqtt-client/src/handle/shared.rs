//! What the handle, the driver and all futures share: the pure client under one mutex, and who waits for what.
//!
//! # Rules of this file
//!
//! - Everything happens in [`Shared::run`]: lock, do, [pump](Inner::pump), unlock, and only then wake. No foreign code runs
//!   under the lock, but for the closure given to `Driver::outbox`.
//! - The driver is notified only when it has more to do than when it last looked ([`Demand`]).
//! - Futures hold keys of slots in here, nothing else: dropping one at any point frees its slot.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use event_listener::Event as Signal;
use mqtt_proto::{Ack, ConnAck, Delivery, Instant, Message, QoS, ReasonCode};

use super::connection_events::{ConnectionEvent, EventLog};
use super::outcomes::{Outcome, Outcomes, Page};
use super::streams::{Claim, Offered, Queued, StreamId, Streams, Taken};
use super::unclaimed::Unclaimed;
use crate::backoff::millis;
use crate::client::{Client, Event, MessageId, RequestId, SubscriberId};
use crate::store::{SharedStore, Store};
use crate::{Acknowledgement, Error};

#[derive(Debug)]
pub(crate) struct Shared {
    clock: std::time::Instant,
    inner: Mutex<Inner>,
    /// Wakes the driver.
    pub(crate) driver: Signal,
    store: Option<SharedStore>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) client: Client,
    pub(crate) manual_acks: bool,
    pub(crate) unsubscribe_on_drop: bool,
    pub(crate) outcomes: Outcomes,
    pub(crate) subscribing: BTreeMap<SubscriberId, Slot<Result<Vec<ReasonCode>, Error>>>,
    pub(crate) unsubscribing: BTreeMap<RequestId, Slot<Result<ReasonCode, Error>>>,
    pub(crate) streams: Streams,
    unclaimed: Unclaimed,
    pub(crate) log: EventLog,
    /// How the first connection went.
    pub(crate) first: Option<Result<ConnAck, Error>>,
    pub(crate) stopped: Option<Box<Error>>,
    /// Futures under way that only an answer of the server completes. While there are any, streams may grow beyond their
    /// limit: the answer comes after the messages that are before it.
    pub(crate) awaiting_server: usize,
    /// Those who wait for `first` or `stopped`.
    lobby: Vec<Waker>,
    /// A message whose stream is full.
    stalled: Option<Box<Delivery>>,
    /// Woken after unlocking.
    pub(crate) wakers: Vec<Waker>,
    pub(crate) seen: Demand,
    /// Wakes a driver that sleeps, or is about to, by [`Driver::turn`](crate::Driver::turn).
    sleeper: Option<Waker>,
    /// The latest time that the client has heard of.
    now: Instant,
    /// Messages that are in the queue and will be accepted when they are stored.
    unstored: Vec<MessageId>,
    /// Those of them that are being stored.
    storing: Vec<MessageId>,
    has_store: bool,
}

/// What a ticket needs to know of its message.
pub(crate) struct Published {
    pub(crate) id: MessageId,
    pub(crate) page: Arc<Page>,
    pub(crate) is_accepted: bool,
    /// It waits because the transport does.
    pub(crate) is_behind: bool,
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

/// What there is for the driver to do; and, as [`Inner::seen`], what it knows of that.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Demand {
    pub(crate) open: bool,
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) close: bool,
    pub(crate) done: bool,
    pub(crate) store: bool,
    pub(crate) timeout: Option<Instant>,
}

impl Demand {
    fn exceeds(&self, seen: &Self) -> bool {
        let sooner = match (self.timeout, seen.timeout) {
            (Some(at), Some(seen)) => at < seen,
            (Some(_), None) => true,
            (None, _) => false,
        };
        sooner
            || self.open && !seen.open
            || self.read && !seen.read
            || self.write && !seen.write
            || self.close && !seen.close
            || self.done && !seen.done
            || self.store && !seen.store
    }
}

impl Shared {
    pub(crate) fn new(mut client: Client) -> Self {
        client.watch_none();
        let options = client.options();
        let store = options.store.clone();
        let (manual_acks, unsubscribe_on_drop) = (options.manual_acks, options.unsubscribe_on_drop);
        let (streams, unclaimed) = (Streams::new(options), Unclaimed::new(options));
        Self {
            clock: std::time::Instant::now(),
            inner: Mutex::new(Inner {
                client,
                manual_acks,
                unsubscribe_on_drop,
                outcomes: Outcomes::default(),
                subscribing: BTreeMap::new(),
                unsubscribing: BTreeMap::new(),
                streams,
                unclaimed,
                log: EventLog::default(),
                first: None,
                stopped: None,
                awaiting_server: 0,
                lobby: Vec::new(),
                stalled: None,
                wakers: Vec::new(),
                seen: Demand::default(),
                sleeper: None,
                now: Instant::ZERO,
                unstored: Vec::new(),
                storing: Vec::new(),
                has_store: store.is_some(),
            }),
            driver: Signal::new(),
            store,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::from_millis(millis(self.clock.elapsed()))
    }

    /// Does something under the lock, then all that follows from it.
    pub(crate) fn run<T>(&self, f: impl FnOnce(&mut Inner, Instant) -> T) -> T {
        let mut inner = self.lock();
        // The clock is read under the lock, so that the client sees time pass in one direction.
        inner.now = self.now();
        let now = inner.now;
        let value = f(&mut inner, now);
        self.finish(inner, Side::Application);
        value
    }

    /// [`run`](Self::run) for the driver, which will look at everything again before it sleeps.
    pub(crate) fn drive<T>(&self, f: impl FnOnce(&mut Inner, Instant) -> T) -> T {
        let mut inner = self.lock();
        inner.now = self.now();
        let now = inner.now;
        let value = f(&mut inner, now);
        self.finish(inner, Side::Driver);
        value
    }

    /// Does what time asks for, and tells what there is to do; `waker` is kept for when there is more.
    pub(crate) fn turn(&self, waker: &Waker) -> Demand {
        let mut inner = self.lock();
        inner.now = self.now();
        let now = inner.now;
        if inner.client.poll_timeout().is_some_and(|at| at <= now) {
            inner.client.handle_timeout(now);
        }
        match &mut inner.sleeper {
            Some(kept) => kept.clone_from(waker),
            None => inner.sleeper = Some(waker.clone()),
        }
        inner.pump(now);
        inner.seen = inner.demand();
        let demand = inner.seen;
        let wakers = inner.take_wakers();
        drop(inner);
        wakers.for_each(Waker::wake);
        demand
    }

    /// A moment of the client's on the system's clock.
    pub(crate) fn on_clock(&self, at: Instant) -> std::time::Instant {
        self.clock + at.since(Instant::ZERO)
    }

    /// Publishes a message.
    pub(crate) fn publish(self: &Arc<Self>, message: Message) -> Result<Published, Error> {
        let mut inner = self.lock();
        let (qos, may_expire) = (message.qos, !message.properties().is_empty());
        let now = self.recently(&mut inner, may_expire);
        let id = inner.client.publish(now, message)?;
        let is_accepted = inner.is_accepted(id, qos);
        let is_behind = inner.client.is_transport_behind();
        let page = inner.outcomes.page(id, self);
        if may_expire {
            self.finish(inner, Side::Application); // there may be a new timer
        } else {
            self.finish_small(inner);
        }
        Ok(Published { id, page, is_accepted, is_behind })
    }

    /// The time, or a time in the recent past: as long as the driver has not seen what there is to write, reading the clock for
    /// each message would tell little.
    fn recently(&self, inner: &mut Inner, must_be_exact: bool) -> Instant {
        if must_be_exact || !inner.seen.write {
            inner.now = self.now();
        }
        inner.now
    }

    /// After something that can only have added to what there is to write: the rest is looked at only if there is more.
    fn finish_small(&self, mut inner: MutexGuard<'_, Inner>) {
        if inner.has_store || inner.stalled.is_some() || inner.client.has_news() {
            return self.finish(inner, Side::Application);
        }
        if !inner.seen.write && inner.client.wants_output() {
            inner.seen.write = true;
            let sleeper = inner.sleeper.take();
            drop(inner);
            self.driver.notify(usize::MAX);
            sleeper.into_iter().for_each(Waker::wake);
        }
    }

    /// Lets all that follows from a change happen, and wakes whom it concerns.
    fn finish(&self, mut inner: MutexGuard<'_, Inner>, by: Side) {
        let now = inner.now;
        inner.pump(now);
        let demand = inner.demand();
        let notify = demand.exceeds(&inner.seen);
        if notify {
            inner.seen = demand;
        }
        let sleeper = if notify && by == Side::Application { inner.sleeper.take() } else { None };
        let wakers = inner.take_wakers();
        drop(inner);
        if notify {
            self.driver.notify(usize::MAX);
        }
        sleeper.into_iter().chain(wakers).for_each(Waker::wake);
    }

    /// Makes durable what has changed; publishing goes on meanwhile. Called by the driver before it sleeps.
    pub(crate) fn store_changes(&self) {
        drop(self.stored());
    }

    /// Makes durable what has changed, and keeps the store locked: while the guard lives, no other thread of the driver can be
    /// between taking changes and having them stored. A failure stops the client.
    pub(crate) fn stored(&self) -> Option<MutexGuard<'_, dyn Store + 'static>> {
        let mut store = self.store.as_ref()?.lock();
        loop {
            let (changes, accepts) = self.look(|inner| {
                inner.seen.store = false;
                inner.storing = core::mem::take(&mut inner.unstored);
                (inner.client.take_changes(), !inner.storing.is_empty())
            });
            if changes.is_empty() && !accepts {
                return Some(store);
            }
            // A message of QoS 0 that waited for room is accepted without having been stored.
            let result = if changes.is_empty() { Ok(()) } else { store.commit(&changes) };
            self.run(|inner, now| match result {
                Ok(()) => core::mem::take(&mut inner.storing).into_iter().for_each(|id| inner.accepted(id)),
                Err(error) => {
                    inner.storing.clear();
                    inner.client.fail(now, Error::Store(error));
                }
            });
        }
    }

    /// Takes from a stream what it has, in the order of arrival: what needs no acknowledgement goes to `taken` all at once.
    pub(crate) fn take(&self, id: StreamId, waker: Option<&Waker>, taken: &mut VecDeque<Queued>) -> Taken {
        let mut inner = self.lock();
        let now = self.recently(&mut inner, false);
        inner.begin_taking(now);
        let mut first = inner.streams.take(id, waker, taken);
        if let (Taken::Message(queued), false) = (&mut first, inner.manual_acks) {
            let claim = queued.claim.take();
            inner.settle(now, claim);
        }
        self.finish_small(inner);
        first
    }

    /// Looks without changing anything that anybody else waits for.
    pub(crate) fn look<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        f(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic under the lock can only come from a driver's own closure; the client is whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who does something under the lock.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Application,
    Driver,
}

impl Inner {
    /// Those who are to be woken after unlocking.
    fn take_wakers(&mut self) -> impl Iterator<Item = Waker> + use<> {
        // Mostly there is one at most: then the list keeps its room.
        let first = self.wakers.pop();
        let others = if self.wakers.is_empty() { Vec::new() } else { core::mem::take(&mut self.wakers) };
        others.into_iter().chain(first)
    }

    /// Registers for `first` and `stopped`.
    pub(crate) fn wait_in_lobby(&mut self, waker: &Waker) {
        if !self.lobby.iter().any(|other| other.will_wake(waker)) {
            self.lobby.push(waker.clone());
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
            if self.manual_acks {
                self.abandon(queued.claim);
            } else {
                self.settle(now, queued.claim);
            }
        }
        if let StreamId::Subscriber(id) = id {
            self.subscribing.remove(&id);
            self.client.drop_subscriber(now, id, self.unsubscribe_on_drop);
        }
    }

    /// A new stream gets what it is for of what came before there was any.
    pub(crate) fn claim(&mut self, id: StreamId) {
        for delivery in self.unclaimed.take() {
            let targets = self.streams.targets(&self.client, &delivery.message);
            if targets.contains(&id) {
                let Delivery { message, dup, ack } = delivery;
                let packet_id = ack.as_ref().map(Ack::packet_id);
                let queued = Queued { message, dup, packet_id, claim: ack.map(Claim::Sole) };
                self.wakers.extend(self.streams.push(id, queued));
            } else {
                self.unclaimed.push(delivery);
            }
            self.streams.recycle(targets);
        }
    }

    /// The application takes messages: it has all the streams that it wants.
    pub(crate) fn begin_taking(&mut self, now: Instant) {
        for ack in self.unclaimed.end() {
            // It carries a plain 0x00, which is always allowed.
            let _ = self.client.ack(now, ack);
        }
    }

    /// Hands on what the client tells. Messages stop at the first one whose stream is full, the rest goes on.
    pub(crate) fn pump(&mut self, now: Instant) {
        loop {
            if let Some(delivery) = self.stalled.take() {
                self.stalled = self.deliver(now, *delivery).map(Box::new);
                self.client.hold(self.stalled.is_some());
            }
            match self.client.poll_event(now) {
                Some(Event::Message(delivery)) => {
                    self.stalled = self.deliver(now, delivery).map(Box::new);
                    self.client.hold(self.stalled.is_some());
                }
                Some(event) => self.dispatch(event),
                None => return,
            }
        }
    }

    /// Puts a message into the streams it is for; gives it back if one of them is full.
    fn deliver(&mut self, now: Instant, delivery: Delivery) -> Option<Delivery> {
        let targets = self.streams.targets(&self.client, &delivery.message);
        let may_grow = self.awaiting_server > 0 || self.client.is_ending() || self.client.stop_reason().is_some();
        if let [id] = targets[..] {
            self.streams.recycle(targets);
            match self.streams.offer(id, may_grow, delivery) {
                Offered::Taken(waker) => self.wakers.extend(waker),
                Offered::Full(delivery) => return Some(delivery),
                Offered::TooMuch => self.tell(ConnectionEvent::Dropped { messages: 1 }),
            }
            return None;
        }
        if !may_grow && targets.iter().any(|id| self.streams.is_full(*id)) {
            self.streams.recycle(targets);
            return Some(delivery);
        }
        if targets.is_empty() && self.unclaimed.wants(&delivery) {
            self.streams.recycle(targets);
            if !may_grow && self.unclaimed.is_full() {
                return Some(delivery);
            }
            self.unclaimed.push(delivery);
            return None;
        }
        let Delivery { message, dup, ack } = delivery;
        let packet_id = ack.as_ref().map(Ack::packet_id);
        let mut claims = self.streams.claims(ack, targets.len());
        // MQTT-4.5.0-2: also what nobody wants is acknowledged.
        self.settle(now, claims.unwanted.take().map(Claim::Sole));
        let mut dropped = 0;
        let (last, others) = match targets.split_last() {
            Some((last, others)) => (Some(last), others),
            None => (None, &[][..]),
        };
        let is_dispensable = message.qos == QoS::AtMostOnce;
        let mut put = |id: StreamId, message: Message| {
            let claim = claims.each.next().flatten();
            if is_dispensable && self.streams.is_overflowing(id) {
                dropped += 1;
            } else {
                let queued = Queued { message, dup, packet_id, claim };
                self.wakers.extend(self.streams.push(id, queued));
            }
        };
        others.iter().for_each(|id| put(*id, message.clone()));
        if let Some(id) = last {
            put(*id, message);
        }
        self.streams.recycle(targets);
        if dropped > 0 {
            self.tell(ConnectionEvent::Dropped { messages: dropped });
        }
        None
    }

    fn dispatch(&mut self, event: Event) {
        match event {
            Event::Connected(connack) => {
                self.unclaimed.connected(&connack);
                if self.first.is_none() {
                    self.first = Some(Ok(connack.clone()));
                    self.wakers.append(&mut self.lobby);
                }
                self.tell(ConnectionEvent::Connected(connack));
            }
            Event::Disconnected { reason, retry_in } => self.tell(ConnectionEvent::Disconnected { reason, retry_in }),
            Event::Auth(auth) => self.tell(ConnectionEvent::Auth(auth)),
            // `pump` has taken these.
            Event::Message(_) => {}
            Event::Accepted(id) if self.has_store => self.unstored.push(id),
            Event::Accepted(id) => self.accepted(id),
            Event::Published { id, result } => {
                self.wakers.extend(self.outcomes.ended(id, result));
            }
            Event::Subscribed { id, result } => {
                if let Some(slot) = self.subscribing.get_mut(&id) {
                    slot.result = Some(result);
                    self.wakers.extend(slot.waker.take());
                }
            }
            Event::SubscriptionEnded { id, refused } => self.subscription_ended(id, refused),
            Event::Unsubscribed { id, result } => {
                if let Some(slot) = self.unsubscribing.get_mut(&id) {
                    slot.result = Some(result);
                    self.wakers.extend(slot.waker.take());
                }
            }
            Event::Stopped(reason) => {
                self.outcomes.close();
                self.first.get_or_insert(Err(reason.clone()));
                self.stopped = Some(Box::new(reason));
                self.wakers.append(&mut self.lobby);
                self.wakers.extend(self.streams.end_all());
                self.wakers.extend(self.log.end());
            }
        }
    }

    /// How a message has ended, if it has.
    pub(crate) fn outcome(&mut self, page: &Page, id: MessageId) -> Option<Outcome> {
        page.outcome(id).or_else(|| (!self.client.is_pending(id)).then(|| Ok(Acknowledgement::plain())))
    }

    /// Whether a message is in the queue or beyond, and stored if there is a store: well, or not at all.
    pub(crate) fn acceptance(&mut self, page: &Page, id: MessageId) -> Option<Outcome> {
        let is_accepted = || !self.client.is_waiting(id) && !self.unstored.contains(&id) && !self.storing.contains(&id);
        page.outcome(id).or_else(|| is_accepted().then(|| Ok(Acknowledgement::plain())))
    }

    /// Wakes `waker` when the message is accepted or has ended.
    pub(crate) fn wait_for(&mut self, id: MessageId, waker: &Waker) {
        self.client.watch(id);
        self.outcomes.wait(id, waker);
    }

    /// Undoes [`wait_for`](Self::wait_for).
    pub(crate) fn wait_no_more(&mut self, id: MessageId) {
        self.client.unwatch(id);
        self.outcomes.forget(id);
    }

    /// Whether a message that was just published needs no more waiting to be accepted.
    pub(crate) fn is_accepted(&mut self, id: MessageId, qos: QoS) -> bool {
        let is_queued = !self.client.is_waiting(id);
        let is_to_be_stored = self.has_store && qos != QoS::AtMostOnce;
        if is_queued && is_to_be_stored {
            self.unstored.push(id);
        }
        is_queued && !is_to_be_stored
    }

    fn accepted(&mut self, id: MessageId) {
        self.wakers.extend(self.outcomes.forget(id));
    }

    fn subscription_ended(&mut self, id: SubscriberId, refused: Option<ReasonCode>) {
        if let Some(slot) = self.subscribing.get_mut(&id) {
            slot.result.get_or_insert(Err(Error::Unsubscribed));
            self.wakers.extend(slot.waker.take());
        }
        self.wakers.extend(self.streams.end(StreamId::Subscriber(id)));
        if let Some(reason) = refused {
            self.tell(ConnectionEvent::SubscriptionLost { reason });
        }
    }

    fn tell(&mut self, event: ConnectionEvent) {
        self.wakers.extend(self.log.push(event));
    }

    fn demand(&mut self) -> Demand {
        Demand {
            open: self.client.wants_open(),
            read: self.client.wants_input(),
            write: self.client.wants_output(),
            close: self.client.wants_close(),
            done: self.client.is_done(),
            store: self.client.has_changes(),
            timeout: self.client.poll_timeout(),
        }
    }
}
