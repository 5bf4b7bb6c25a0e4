//! The driver's turns: what there is to do, who sleeps until there is more, and who else is to be woken.

use std::task::Waker;

use mqtt_proto::Instant;

use super::inner::Inner;
use crate::seldom_queue::SeldomQueue;

/// What there is for the driver to do; and, as [`Inner::seen`], what it knows of that.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Demand {
    pub(crate) open: bool,
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) close: bool,
    /// How to close: nothing to wake anybody for.
    pub(crate) lingers: bool,
    pub(crate) done: bool,
    pub(crate) store: bool,
    pub(crate) timeout: Option<Instant>,
}

impl Demand {
    pub(super) fn exceeds(&self, seen: &Self) -> bool {
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

/// Who has read the clock: a turn right behind what the driver has done need not read it again, and the one behind that must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    Old,
    ReadByTurn,
    JustRead,
}

impl Inner {
    /// What there is for the driver to do; `timeout` is the client's.
    pub(super) fn demand(&mut self, timeout: Option<Instant>) -> Demand {
        Demand {
            open: self.client.wants_open(),
            read: self.client.wants_input(),
            write: self.client.wants_output(),
            close: self.client.wants_close(),
            lingers: self.client.lingers(),
            done: self.client.is_done(),
            store: self.client.has_changes(),
            timeout,
        }
    }

    /// A turn was taken: who took it is woken when there is more; the other part of the driver now, if it knew of less.
    pub(super) fn keep_turn(&mut self, waker: &Waker, demand: Demand) {
        let is_more = demand.exceeds(&self.seen);
        self.seen = demand;
        let is_kept = |sleeper: &Option<Waker>| sleeper.as_ref().is_some_and(|kept| wakes_the_same(kept, waker));
        if !is_kept(&self.sleeper) {
            if let Some(other) = self.sleeper.take() {
                self.sleeper = self.rare().other_sleeper.replace(other);
            }
            if !is_kept(&self.sleeper) {
                self.wakers.extend(self.sleeper.replace(waker.clone()));
            }
        }
        if is_more {
            self.wakers.extend(self.rare.as_mut().and_then(|rare| rare.other_sleeper.take()));
        }
    }

    pub(super) fn wake_driver(&mut self) {
        self.wakers.extend(self.sleeper.take());
        self.wakers.extend(self.rare.as_mut().and_then(|rare| rare.other_sleeper.take()));
    }
}

/// Those who are to be woken: mostly one at most, which needs no list.
#[derive(Debug, Default)]
pub(crate) struct Wakers {
    first: Option<Waker>,
    others: SeldomQueue<Waker>,
}

impl Wakers {
    /// Takes all of them: one, and others that there are rarely any of.
    #[inline]
    pub(super) fn take(&mut self) -> Option<(Waker, SeldomQueue<Waker>)> {
        let first = self.first.take()?;
        Some((first, core::mem::take(&mut self.others)))
    }
}

impl Extend<Waker> for Wakers {
    #[inline]
    fn extend<I: IntoIterator<Item = Waker>>(&mut self, wakers: I) {
        for waker in wakers {
            match &self.first {
                None => self.first = Some(waker),
                Some(_) => self.others.push_back(waker),
            }
        }
    }
}

/// Whether both wake the same task. A waker and its clone may be told apart by `will_wake`, which compares the addresses of
/// tables that a compiler may have put into a program twice; a task that took its own clone for another one's would wake itself
/// for ever.
fn wakes_the_same(kept: &Waker, waker: &Waker) -> bool {
    kept.will_wake(waker) || (!kept.data().is_null() && kept.data() == waker.data())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wakers_without_data_are_of_one_task_only_if_they_look_the_same() {
        let (ours, others) = (Waker::noop(), futures_task::noop_waker());
        assert!(ours.data().is_null() && others.data().is_null());
        assert!(wakes_the_same(ours, ours) && !wakes_the_same(ours, &others));
    }
}
