//! Clients by their identifier, which is with the client and not here a second time.

use hashbrown::HashTable;
use mqtt_proto::Text;

use super::client::Client;
use crate::router::hash;
use crate::slab::Slab;

/// The numbers of all clients but local ones, under their identifiers.
#[derive(Debug)]
pub(crate) struct Ids {
    keys: HashTable<u32>,
    seed: u64,
}

impl Ids {
    /// The seed keeps clients from choosing identifiers that collide.
    pub(crate) const fn new(seed: u64) -> Self {
        Self { keys: HashTable::new(), seed }
    }

    pub(crate) fn find(&self, clients: &Slab<Client>, id: &Text) -> Option<u32> {
        let is_it = |&key: &u32| clients.get(key).is_some_and(|client| client.info.client_id == *id);
        self.keys.find(id_hash(self.seed, id), is_it).copied()
    }

    /// Enters a client whose identifier nobody has.
    pub(crate) fn insert(&mut self, clients: &Slab<Client>, key: u32) {
        let seed = self.seed;
        let hash_of = |&key: &u32| clients.get(key).map_or(0, |client| id_hash(seed, &client.info.client_id));
        self.keys.insert_unique(hash_of(&key), key, hash_of);
    }

    /// Takes a client out, if it is here.
    pub(crate) fn remove(&mut self, client: &Client, key: u32) {
        if let Ok(entry) = self.keys.find_entry(id_hash(self.seed, &client.info.client_id), |&other| other == key) {
            entry.remove();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }
}

fn id_hash(seed: u64, id: &Text) -> u64 {
    hash(seed, 0, id.as_bytes())
}
