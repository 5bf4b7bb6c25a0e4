//! What waits for one client: a queue of references to messages, and what they amount to.

use std::collections::VecDeque;

use mqtt_proto::{Instant, QoS, SubscriptionId};

use super::store::{MessageKey, Store};
use crate::router::ShareId;

/// One message for one client.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) key: MessageKey,
    /// The lower of the message's and the subscription's.
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) identifiers: Identifiers,
    /// The shared subscription that it was chosen for.
    pub(crate) share: Option<ShareId>,
    /// The state of the policy that has allowed it.
    pub(crate) policy: u32,
}

/// Subscription Identifiers; none or one mostly, which costs no allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identifiers {
    first: Option<SubscriptionId>,
    rest: Vec<SubscriptionId>,
}

impl Identifiers {
    pub(crate) fn iter(&self) -> impl Iterator<Item = SubscriptionId> {
        self.first.into_iter().chain(self.rest.iter().copied())
    }
}

impl From<Option<SubscriptionId>> for Identifiers {
    fn from(first: Option<SubscriptionId>) -> Self {
        Self { first, rest: Vec::new() }
    }
}

impl FromIterator<SubscriptionId> for Identifiers {
    fn from_iter<I: IntoIterator<Item = SubscriptionId>>(ids: I) -> Self {
        let mut ids = ids.into_iter();
        Self { first: ids.next(), rest: ids.collect() }
    }
}

/// Dropping it leaks the references that its entries hold: take them out, and release them.
#[derive(Debug)]
pub(crate) struct Queue {
    entries: VecDeque<Queued>,
    bytes: usize,
    /// No message expires before. The end of time, not `None`: every client has a queue, and most are empty.
    next_expiry: Instant,
}

impl Default for Queue {
    fn default() -> Self {
        Self { entries: VecDeque::new(), bytes: 0, next_expiry: NEVER }
    }
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of the messages.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn front(&self) -> Option<&Queued> {
        self.entries.front()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Queued> {
        self.entries.iter()
    }

    pub(crate) fn push(&mut self, entry: Queued, store: &Store) {
        let stored = store.stored(&entry.key);
        self.bytes += stored.len;
        self.next_expiry = self.next_expiry.min(stored.lifetime.end().unwrap_or(NEVER));
        self.entries.push_back(entry);
    }

    /// Takes the first one out, with the reference that it holds.
    pub(crate) fn pop(&mut self, store: &Store) -> Option<Queued> {
        let entry = self.entries.pop_front()?;
        self.bytes -= store.stored(&entry.key).len;
        if self.entries.is_empty() && self.entries.capacity() > WORTH_KEEPING {
            self.entries = VecDeque::new();
        }
        Some(entry)
    }

    /// Takes out all that is chosen. Looks at every entry.
    pub(crate) fn take(&mut self, store: &Store, chosen: impl Fn(&Queued) -> bool) -> Vec<Queued> {
        let mut taken = Vec::new();
        for entry in std::mem::take(self).entries {
            if chosen(&entry) {
                taken.push(entry);
            } else {
                self.push(entry, store);
            }
        }
        taken
    }

    /// Takes out what has expired. Looks at every entry, but only when one of them may have.
    pub(crate) fn take_expired(&mut self, now: Instant, store: &Store) -> Vec<Queued> {
        if now < self.next_expiry {
            return Vec::new();
        }
        self.take(store, |entry| store.stored(&entry.key).lifetime.has_passed(now))
    }
}

/// Entries for which an empty queue keeps room: a few KiB for whoever gets messages all the time, nothing after a backlog.
const WORTH_KEEPING: usize = 64;

/// A clock that has come so far costs looking at every entry, and nothing else.
const NEVER: Instant = Instant::from_millis(u64::MAX);
