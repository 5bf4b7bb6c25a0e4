//! What waits for one client: a bounded queue of references to messages.

use std::collections::VecDeque;

use mqtt_proto::{QoS, SubscriptionId};

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

#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) entries: VecDeque<Queued>,
    /// Bytes of the messages.
    pub(crate) bytes: usize,
}

impl Queue {
    /// Takes one out, with the reference that it holds.
    pub(crate) fn remove(&mut self, index: usize, store: &Store) -> Option<Queued> {
        let entry = self.entries.remove(index)?;
        self.bytes -= store.stored(&entry.key).len;
        Some(entry)
    }
}
