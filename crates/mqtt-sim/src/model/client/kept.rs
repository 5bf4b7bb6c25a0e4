//! What the client's store holds, in memory: whole batches or nothing.

use std::collections::BTreeMap;

use mqtt_client::StoredChange;
use mqtt_proto::{Change, Message, Session, Text, Token};

use super::super::setup::number_of;

#[derive(Debug, Default)]
pub(super) struct Kept {
    client_id: Option<Text>,
    session: Vec<Change>,
    queued: BTreeMap<u64, Message>,
    /// Which message a token stands for: of one that the server has taken over the session keeps no more than that.
    names: BTreeMap<Token, u32>,
}

/// An unfinished message, as the next process finds it.
#[derive(Debug)]
pub(super) struct Found {
    /// What that process will call it.
    pub(super) id: u64,
    pub(super) number: u32,
    /// The seconds that its Message Expiry Interval says then.
    pub(super) expiry: Option<u32>,
}

impl Kept {
    pub(super) fn commit(&mut self, changes: Vec<StoredChange>) {
        for change in changes {
            match change {
                StoredChange::ClientId(client_id) => self.client_id = Some(client_id),
                StoredChange::Session(change) => self.commit_to_session(change),
                StoredChange::Queued { number, message } => drop(self.queued.insert(number, message)),
                StoredChange::Unqueued { number } => drop(self.queued.remove(&number)),
            }
        }
    }

    fn commit_to_session(&mut self, change: Change) {
        if let Change::Published { token, message, .. } = &change {
            // Another process may count on from an earlier token: the newest message is meant.
            self.names.extend(number_of(message).map(|number| (*token, number)));
        }
        self.session.push(change);
    }

    /// As a store gives it back, in the shortest form.
    pub(super) fn load(&self) -> Vec<StoredChange> {
        let client_id = self.client_id.iter().cloned().map(StoredChange::ClientId);
        let session = self.session().export().map(StoredChange::Session).collect::<Vec<_>>();
        let queued = self.queued.iter();
        let queued = queued.map(|(number, message)| StoredChange::Queued { number: *number, message: message.clone() });
        client_id.chain(session).chain(queued).collect()
    }

    pub(super) fn session(&self) -> Session {
        Session::import(self.session.iter().cloned())
    }

    /// Every message in it. Those in flight get the ids before those that are queued (`Client::restore`).
    pub(super) fn found(&self) -> Vec<Found> {
        let found = |id: u64, number: u32, message: Option<&Message>| {
            let expiry = message.and_then(|message| message.properties().message_expiry_interval());
            Found { id, number, expiry }
        };
        let queued = self.queued.iter();
        let queued = queued.filter_map(|(id, message)| Some(found(*id, number_of(message)?, Some(message))));
        let session = self.session();
        let in_flight: Vec<_> = session.unacknowledged().collect();
        let newest = self.queued.last_key_value().map_or(0, |(id, _)| *id);
        let before = self.queued.first_key_value().and_then(|(id, _)| id.checked_sub(in_flight.len() as u64 + 1));
        let in_flight = (before.unwrap_or(newest) + 1..).zip(in_flight);
        let in_flight =
            in_flight.filter_map(|(id, (token, message))| Some(found(id, *self.names.get(&token)?, message.as_ref())));
        in_flight.chain(queued).collect()
    }

    /// The numbers of the messages in it, and whether it has them whole or their tokens alone.
    pub(super) fn numbers(&self) -> BTreeMap<u32, bool> {
        let session = self.session();
        let sent = session.unacknowledged();
        let sent = sent.filter_map(|(token, message)| Some((*self.names.get(&token)?, message.is_some())));
        sent.chain(self.queued.values().filter_map(number_of).map(|number| (number, true))).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queued.is_empty() && self.session().is_empty()
    }
}
