//! Everything that happens by itself, in the order in which it is due.

use std::collections::BTreeSet;

use mqtt_proto::Instant;

use super::Peer;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A link has not been let in for too long.
    Stranger(Peer),
    /// The Will Delay Interval of this client has passed.
    Will(u32),
    /// The session of this client expires.
    Session(u32),
    /// The topics below `$SYS` are to be published.
    Status,
    /// The broker's end goes on.
    Farewell,
    /// The search for this client's retained messages goes on.
    Replay(u32),
}

#[derive(Debug, Default)]
pub(crate) struct Timers(BTreeSet<(Instant, Timer)>);

impl Timers {
    pub(crate) fn set(&mut self, at: Instant, timer: Timer) {
        self.0.insert((at, timer));
    }

    /// Takes back what was set for this moment.
    pub(crate) fn cancel(&mut self, at: Option<Instant>, timer: Timer) {
        if let Some(at) = at {
            self.0.remove(&(at, timer));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let first = self.0.first().copied().filter(|(at, _)| *at <= now)?;
        self.0.remove(&first);
        Some(first.1)
    }
}
