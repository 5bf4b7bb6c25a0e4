//! Whom the retained messages belong to, and how much of the store each of them takes.

use hashbrown::HashTable;
use mqtt_proto::Text;

use super::hash::hash;
use crate::ClientInfo;
use crate::slab::Slab;

/// Clients that have a retained message, each for as long as it has one: there are never more of them than messages.
#[derive(Debug, Default)]
pub(super) struct Owners {
    slots: Slab<Owner>,
    /// All of them, by name.
    names: HashTable<u32>,
    /// Bytes of the names.
    bytes: usize,
    seed: u64,
}

#[derive(Debug)]
struct Owner {
    client: ClientInfo,
    usage: Usage,
}

/// What one owner has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) messages: usize,
    /// Of the messages and of its names.
    pub(super) bytes: usize,
}

impl Owners {
    /// The seed keeps clients from choosing names that collide.
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    pub(super) fn find(&self, client: &ClientInfo) -> Option<u32> {
        let is_it = |&key: &u32| self.slots.get(key).is_some_and(|owner| is_same(&owner.client, client));
        self.names.find(name_hash(self.seed, client), is_it).copied()
    }

    pub(super) fn client(&self, key: u32) -> Option<&ClientInfo> {
        self.slots.get(key).map(|owner| &owner.client)
    }

    /// What this client has, or would have with its names alone.
    pub(super) fn usage(&self, client: &ClientInfo) -> Usage {
        let known = self.find(client).and_then(|key| self.slots.get(key));
        known.map_or(Usage { messages: 0, bytes: names_len(client) }, |owner| owner.usage)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// One more message, of so many bytes, belongs to this client.
    pub(super) fn add(&mut self, client: &ClientInfo, bytes: usize) -> u32 {
        let key = self.find(client).unwrap_or_else(|| self.insert(client));
        if let Some(Owner { usage, .. }) = self.slots.get_mut(key) {
            usage.messages += 1;
            usage.bytes += bytes;
        }
        key
    }

    /// A message is gone. With the last one goes its owner.
    pub(super) fn subtract(&mut self, key: u32, bytes: usize) {
        let Some(Owner { usage, client }) = self.slots.get_mut(key) else { return };
        usage.messages -= 1;
        usage.bytes -= bytes;
        if usage.messages > 0 {
            return;
        }
        self.bytes -= names_len(client);
        if let Ok(entry) = self.names.find_entry(name_hash(self.seed, client), |&other| other == key) {
            entry.remove();
        }
        self.slots.remove(key);
    }

    fn insert(&mut self, client: &ClientInfo) -> u32 {
        let mut client = client.clone();
        // It belongs to a connection that the message outlives.
        client.origin.address = None;
        let (hash, len) = (name_hash(self.seed, &client), names_len(&client));
        self.bytes += len;
        let key = self.slots.insert(Owner { client, usage: Usage { messages: 0, bytes: len } });
        let (slots, seed) = (&self.slots, self.seed);
        self.names.insert_unique(hash, key, |&key| slots.get(key).map_or(0, |owner| name_hash(seed, &owner.client)));
        key
    }
}

/// Whether both are the same client: two users may choose the same identifier.
fn is_same(a: &ClientInfo, b: &ClientInfo) -> bool {
    a.client_id == b.client_id && a.username == b.username && a.origin.listener == b.origin.listener
}

fn name_hash(seed: u64, client: &ClientInfo) -> u64 {
    let user = hash(seed, client.origin.listener, client.username.as_ref().map_or(&[], Text::as_bytes));
    hash(user, 0, client.client_id.as_bytes())
}

/// A client identifier may have 64 KiB, and so may a user name.
fn names_len(client: &ClientInfo) -> usize {
    client.client_id.as_bytes().len() + client.username.as_ref().map_or(0, |name| name.as_bytes().len())
}
