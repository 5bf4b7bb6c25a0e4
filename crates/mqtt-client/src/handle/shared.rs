//! What the handle, the driver and all futures share: the pure client under one mutex.
//!
//! # Rules of this file
//!
//! - Everything happens under the lock, and then all that follows from it: do, [pump](Inner::pump), unlock, and only then wake.
//!   No foreign code runs under the lock, but for the closure given to `Driver::outbox`.
//! - The driver is woken only when there is more to do than in its last turn ([`Demand`]), and never by what it does itself: it
//!   takes another turn before it sleeps.

use std::collections::VecDeque;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Poll, Waker};

use mqtt_proto::{Instant, Message};

use super::Received;
use super::inner::Inner;
use super::outcomes::Page;
use super::streams::{Queued, StreamId, Taken};
use super::turn::{Clock, Demand};
use crate::backoff::millis;
use crate::client::{Client, MessageId};
use crate::store::{SharedStore, Store};
use crate::{Endpoint, Error};

#[derive(Debug)]
pub(crate) struct Shared {
    inner: Mutex<Inner>,
    store: Option<Box<SharedStore>>,
    /// How many [`Lease`](super::lease::Lease)s there are.
    pub(super) leases: AtomicUsize,
}

/// The time of all clients of this process: it begins with the first of them.
pub(crate) fn now() -> Instant {
    Instant::from_millis(millis(beginning().elapsed()))
}

/// A moment of theirs on the system's clock.
pub(crate) fn on_clock(at: Instant) -> std::time::Instant {
    beginning() + at.since(Instant::ZERO)
}

fn beginning() -> std::time::Instant {
    static BEGINNING: OnceLock<std::time::Instant> = OnceLock::new();
    *BEGINNING.get_or_init(std::time::Instant::now)
}

/// What a ticket needs to know of its message.
pub(crate) struct Published {
    pub(crate) id: MessageId,
    pub(crate) page: Arc<Page>,
    pub(crate) is_accepted: bool,
    /// It waits because the transport does.
    pub(crate) is_behind: bool,
}

impl Shared {
    pub(crate) fn new(client: Client, store: Option<SharedStore>) -> Self {
        Self {
            inner: Mutex::new(Inner::new(client, store.is_some())),
            store: store.map(Box::new),
            leases: AtomicUsize::new(0),
        }
    }

    /// Does something under the lock, then all that follows from it.
    pub(crate) fn run<T>(&self, f: impl FnOnce(&mut Inner, Instant) -> T) -> T {
        let (value, inner) = self.change(f);
        self.finish(inner);
        value
    }

    /// [`run`](Self::run) for the driver, which takes a turn before it sleeps.
    pub(crate) fn drive<T>(&self, f: impl FnOnce(&mut Inner, Instant) -> T) -> T {
        let (value, mut inner) = self.change(f);
        let now = inner.now;
        inner.clock = Clock::JustRead;
        inner.pump(now);
        Self::unlock_and_wake(inner);
        value
    }

    /// [`drive`](Self::drive) for what comes right after a turn, which has looked at the clock.
    pub(crate) fn go_on<T>(&self, f: impl FnOnce(&mut Inner, Instant) -> T) -> T {
        let mut inner = self.lock();
        let now = inner.now;
        let value = f(&mut inner, now);
        inner.pump(now);
        if inner.clock == Clock::ReadByTurn {
            inner.clock = Clock::JustRead;
        }
        Self::unlock_and_wake(inner);
        value
    }

    /// What is to be dialled, from now on: nothing else follows from that.
    pub(crate) fn dial(&self) -> Option<Endpoint> {
        let mut inner = self.lock();
        if !inner.client.wants_open() {
            return None;
        }
        // The client may have been made long before it is driven.
        (inner.now, inner.clock) = (now(), Clock::JustRead);
        let now = inner.now;
        inner.client.poll_open(now)
    }

    /// Does what time asks for, and tells what there is to do; `waker` is kept for when there is more.
    pub(crate) fn turn(&self, waker: &Waker) -> Demand {
        let mut inner = self.lock();
        inner.clock = match inner.clock {
            // A time that is late after all asks for one turn more.
            Clock::JustRead => Clock::Old,
            Clock::Old | Clock::ReadByTurn => {
                inner.now = now();
                Clock::ReadByTurn
            }
        };
        let now = inner.now;
        let mut timeout = inner.client.poll_timeout();
        if timeout.is_some_and(|at| at <= now) {
            inner.client.handle_timeout(now);
            inner.pump(now);
            timeout = inner.client.poll_timeout();
        }
        let demand = inner.demand(timeout);
        inner.keep_turn(waker, demand);
        Self::unlock_and_wake(inner);
        demand
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
            self.finish(inner); // there may be a new timer
        } else {
            self.finish_small(inner);
        }
        Ok(Published { id, page, is_accepted, is_behind })
    }

    /// The time, or a time in the recent past: as long as the driver has not seen what there is to write, reading the clock for
    /// each message would tell little.
    fn recently(&self, inner: &mut Inner, must_be_exact: bool) -> Instant {
        if must_be_exact || !inner.seen.write {
            inner.now = now();
        }
        inner.now
    }

    /// Does something that has few consequences: nothing is sent but what it sends itself, and no timer is set.
    pub(crate) fn run_small<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.lock();
        let value = f(&mut inner);
        self.finish_small(inner);
        value
    }

    /// After something that can only have added to what there is to write: the rest is looked at only if there is more.
    fn finish_small(&self, mut inner: MutexGuard<'_, Inner>) {
        if inner.has_store || inner.is_stalled() || inner.client.has_news() {
            return self.finish(inner);
        }
        if !inner.seen.write && inner.client.wants_output() {
            inner.seen.write = true;
            inner.wake_driver();
            Self::unlock_and_wake(inner);
        }
    }

    /// Lets all that follows from a change happen, and wakes whom it concerns.
    fn finish(&self, mut inner: MutexGuard<'_, Inner>) {
        let now = inner.now;
        inner.pump(now);
        let timeout = inner.client.poll_timeout();
        let demand = inner.demand(timeout);
        if demand.exceeds(&inner.seen) {
            inner.seen = demand;
            inner.wake_driver();
        }
        Self::unlock_and_wake(inner);
    }

    fn change<T>(&self, f: impl FnOnce(&mut Inner, Instant) -> T) -> (T, MutexGuard<'_, Inner>) {
        let mut inner = self.lock();
        // The clock is read under the lock, so that the client sees time pass in one direction.
        inner.now = now();
        let now = inner.now;
        (f(&mut inner, now), inner)
    }

    fn unlock_and_wake(mut inner: MutexGuard<'_, Inner>) {
        let Some((first, mut others)) = inner.wakers.take() else { return };
        drop(inner);
        first.wake();
        if !others.is_empty() {
            others.take().for_each(Waker::wake);
        }
    }

    /// Makes durable what has changed; publishing goes on meanwhile. Called by the driver before it sleeps.
    #[inline]
    pub(crate) fn store_changes(&self) {
        if self.store.is_some() {
            drop(self.stored());
        }
    }

    /// Makes durable what has changed, and keeps the store locked: while the guard lives, no other thread of the driver can be
    /// between taking changes and having them stored. A failure stops the client.
    pub(crate) fn stored(&self) -> Option<MutexGuard<'_, dyn Store + 'static>> {
        let mut store = self.store.as_ref()?.lock();
        loop {
            let (changes, accepts) = self.look(|inner| {
                inner.seen.store = false;
                let rare = inner.rare();
                rare.storing = core::mem::take(&mut rare.unstored);
                let accepts = !rare.storing.is_empty();
                (inner.client.take_changes(), accepts)
            });
            if changes.is_empty() && !accepts {
                return Some(store);
            }
            // A message of QoS 0 that waited for room is accepted without having been stored.
            let result = if changes.is_empty() { Ok(()) } else { store.commit(&changes) };
            self.run(|inner, now| match result {
                Ok(()) => core::mem::take(&mut inner.rare().storing).into_iter().for_each(|id| inner.accepted(id)),
                Err(error) => {
                    inner.rare().storing.clear();
                    inner.client.fail(now, Error::Store(error));
                }
            });
        }
    }

    /// Takes from a stream what it has, in the order of arrival: what needs no acknowledgement goes to `taken` all at once.
    // Apart, as a message that is taken already needs none of its room on the stack.
    #[inline(never)]
    pub(crate) fn take(
        self: &Arc<Self>,
        id: StreamId,
        waker: Option<&Waker>,
        taken: &mut VecDeque<Queued>,
    ) -> Poll<Option<Received>> {
        let mut inner = self.lock();
        let now = self.recently(&mut inner, false);
        inner.begin_taking(now);
        let first = match inner.streams.take(id, waker, taken) {
            Taken::Message(queued) => {
                let (received, claim) = Received::new(queued);
                if inner.manual_acks {
                    Poll::Ready(Some(received.with_duty(claim, self)))
                } else {
                    inner.settle(now, claim);
                    Poll::Ready(Some(received))
                }
            }
            Taken::Nothing => Poll::Pending,
            Taken::Over => Poll::Ready(None),
        };
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
