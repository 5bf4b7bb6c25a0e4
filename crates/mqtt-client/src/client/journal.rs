//! What a store must keep, collected while the client works; and a client that begins with what a store has kept.
//!
//! # Rules of this file
//!
//! - The queue's changes are recorded where the queue changes, the session's by the connection; [`Client::take_changes`] puts
//!   them into one batch. They touch different things, so only the order within each matters.
//! - A message leaves the queue and enters the session (or comes back) within one call, hence within one batch: no crash
//!   can find it in neither.
//! - Stopping records nothing: what is unfinished stays in the store for the next process.

use std::collections::BTreeSet;

use mqtt_proto::{Instant, Message, QoS, Session};

use super::event::MessageId;
use super::queue::{Entry, Limits, expiry};
use super::state::offline;
use super::{Client, Phase, State};
use crate::store::StoredChange;
use crate::{Options, OptionsError};

/// What a store is to be told.
#[derive(Debug, Default)]
pub(super) struct Journal {
    changes: Vec<StoredChange>,
}

impl Client {
    /// A client whose session and queue are kept in a store: it begins with what the store holds, and gives out what the
    /// store must keep by [`take_changes`](Self::take_changes).
    ///
    /// Message Expiry Intervals begin anew at `now`. The [`MessageId`] of what was queued is the number it was stored with. What
    /// was in flight has those before the first of them, in the order of [`Session::unacknowledged`].
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); and with [`clean_start(true)`](Options::clean_start), because a session that the server is told
    /// to forget cannot outlive the process.
    pub fn restore(now: Instant, options: Options, stored: Vec<StoredChange>) -> Result<Self, OptionsError> {
        if options.clean_start {
            return Err(OptionsError::Value {
                option: "store",
                problem: "it keeps a session, which clean_start(true) forgets: set clean_start(false) and a client_id"
                    .into(),
            });
        }
        let is_named_by_options = !options.client_id.is_empty();
        let mut client = Self::new(options)?;
        client.journal = Some(Box::default());
        let mut session = Session::continued();
        let mut oldest: Option<u64> = None;
        for change in stored {
            match change {
                StoredChange::ClientId(client_id) if !is_named_by_options => {
                    client.client_id = client_id.as_str().into();
                }
                StoredChange::ClientId(_) => {}
                StoredChange::Session(change) => session.apply(change),
                StoredChange::Queued { number, message } => {
                    client.last_id = client.last_id.max(number);
                    oldest = Some(oldest.map_or(number, |oldest| oldest.min(number)));
                    client.queue.put_back(Limits::of(&client.options), Entry::new(now, MessageId(number), message));
                }
                StoredChange::Unqueued { .. } => {}
            }
        }
        // They were published before all that is queued, and go before it if the session turns out to be lost.
        let unacknowledged = session.unacknowledged();
        let tokens = unacknowledged.map(|(token, message)| (token.as_u64(), message.as_ref().and_then(expiry(now))));
        let tokens: Vec<_> = tokens.collect();
        let first = oldest.and_then(|oldest| oldest.checked_sub(tokens.len() as u64 + 1)).unwrap_or(client.last_id);
        client.last_id = client.last_id.max(first + tokens.len() as u64);
        let mut flights: Vec<_> =
            (first + 1..).zip(tokens).map(|(id, (token, expires))| (token, id, expires)).collect();
        flights.sort_unstable_by_key(|(token, ..)| *token);
        for (token, id, expires) in flights {
            client.in_flight.push(token, MessageId(id), expires);
        }
        client.state = offline(session, Phase::Wanting);
        Ok(client)
    }

    /// What the store must keep before the [`outbox`](Self::outbox) is written or a message counts as accepted. Empty for a
    /// client without a store.
    pub fn take_changes(&mut self) -> Vec<StoredChange> {
        self.collect_session_changes();
        let Some(journal) = &mut self.journal else { return Vec::new() };
        let mut changes = core::mem::take(&mut journal.changes);
        // A message that went straight through the queue needs no trace of that.
        let mut left = BTreeSet::new();
        for change in &changes {
            if let StoredChange::Unqueued { number } = change {
                left.insert(*number);
            }
        }
        let mut came = BTreeSet::new();
        changes.retain(|change| match change {
            StoredChange::Queued { number, .. } if left.contains(number) => {
                came.insert(*number);
                false
            }
            StoredChange::Unqueued { number } => !came.contains(number),
            StoredChange::Queued { .. } | StoredChange::Session(_) | StoredChange::ClientId(_) => true,
        });
        changes
    }

    /// Whether [`take_changes`](Self::take_changes) has something to give.
    #[must_use]
    #[inline]
    pub fn has_changes(&mut self) -> bool {
        self.collect_session_changes();
        self.journal.as_ref().is_some_and(|journal| !journal.changes.is_empty())
    }

    #[inline]
    pub(super) fn collect_session_changes(&mut self) {
        let Some(journal) = &mut self.journal else { return };
        loop {
            let change = match &mut self.state {
                State::Online(online) => online.connection.poll_change(),
                State::Offline { session, .. } => session.poll_change(),
            };
            let Some(change) = change else { return };
            journal.changes.push(StoredChange::Session(change));
        }
    }

    pub(super) fn record(&mut self, change: impl FnOnce() -> StoredChange) {
        if let Some(journal) = &mut self.journal {
            journal.changes.push(change());
        }
    }

    /// QoS 0 messages are not kept: they may be lost, and that is what they are for.
    pub(super) fn record_queued(&mut self, id: MessageId, message: &Message) {
        if message.qos != QoS::AtMostOnce {
            self.record(|| StoredChange::Queued { number: id.0, message: message.clone() });
        }
    }

    pub(super) fn record_unqueued(&mut self, id: MessageId) {
        self.record(|| StoredChange::Unqueued { number: id.0 });
    }
}
