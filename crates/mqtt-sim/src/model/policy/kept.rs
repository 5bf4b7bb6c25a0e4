//! What the client's store holds, in memory: whole batches or nothing.

use std::collections::{BTreeMap, BTreeSet};

use mqtt_client::StoredChange;
use mqtt_proto::{Change, Message, Session, Text};

use super::super::setup::number_of;

#[derive(Debug, Default)]
pub(super) struct Kept {
    client_id: Option<Text>,
    session: Vec<Change>,
    queued: BTreeMap<u64, Message>,
}

impl Kept {
    pub(super) fn commit(&mut self, changes: Vec<StoredChange>) {
        for change in changes {
            match change {
                StoredChange::ClientId(client_id) => self.client_id = Some(client_id),
                StoredChange::Session(change) => self.session.push(change),
                StoredChange::Queued { number, message } => drop(self.queued.insert(number, message)),
                StoredChange::Unqueued { number } => drop(self.queued.remove(&number)),
            }
        }
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

    /// The numbers of the messages that it holds whole.
    pub(super) fn messages(&self) -> BTreeSet<u32> {
        let session = self.session();
        let sent = session.unacknowledged().filter_map(|(_, message)| number_of(message?));
        sent.chain(self.queued.values().filter_map(number_of)).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queued.is_empty() && self.session().is_empty()
    }
}
