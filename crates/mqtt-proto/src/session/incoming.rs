//! What the peer owes us: QoS 2 messages whose handshake is not finished, by the peer's packet id.
//!
//! A hash table with open addressing: O(1), deterministic, and without an allocation while its size stays.

use alloc::vec::Vec;

use crate::seldom::Empty;
use crate::{PacketId, ReasonCode};

/// How far the handshake of one message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum State {
    /// The application has the message and has not acknowledged it: PUBREC is due.
    DueRec,
    /// The application acknowledged it: PUBREC waits for its turn, or for the message to come again on this connection.
    Acked(ReasonCode),
    /// PUBREC is out: PUBREL must come.
    AwaitRel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) id: PacketId,
    pub(crate) state: State,
    /// Names this delivery for the session's life.
    pub(crate) delivery: u64,
    /// The PUBLISH came on this connection: its place in the queue of due acknowledgements.
    pub(crate) due: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Incoming {
    /// A power of two of places, at most half of them taken.
    places: Vec<Option<Entry>>,
    len: usize,
}

impl Empty for Incoming {
    fn empty() -> &'static Self {
        static EMPTY: Incoming = Incoming { places: Vec::new(), len: 0 };
        &EMPTY
    }
}

impl Incoming {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get_mut(&mut self, id: PacketId) -> Option<&mut Entry> {
        let place = self.find(id)?;
        self.places[place].as_mut()
    }

    /// Adds an entry whose id is not in the table.
    pub(crate) fn insert(&mut self, entry: Entry) {
        if (self.len + 1) * 2 > self.places.len() {
            self.grow();
        }
        self.put(entry);
        self.len += 1;
    }

    pub(crate) fn remove(&mut self, id: PacketId) -> Option<Entry> {
        let mut hole = self.find(id)?;
        let removed = self.places[hole].take();
        self.len -= 1;
        // Entries behind the hole that were pushed past it by a collision move up, so that probing still finds them.
        let mask = self.places.len() - 1;
        let mut at = (hole + 1) & mask;
        while let Some(entry) = self.places[at] {
            let distance_home = at.wrapping_sub(self.home(entry.id)) & mask;
            let distance_hole = at.wrapping_sub(hole) & mask;
            if distance_home >= distance_hole {
                self.places[hole] = self.places[at].take();
                hole = at;
            }
            at = (at + 1) & mask;
        }
        removed
    }

    /// A new connection: nothing has come on it yet.
    pub(crate) fn begin_connection(&mut self) {
        for entry in self.places.iter_mut().flatten() {
            entry.due = None;
        }
    }

    /// The ids in the table and their states, in the order of the ids.
    pub(crate) fn sorted(&self) -> Vec<Entry> {
        let mut all: Vec<Entry> = self.places.iter().flatten().copied().collect();
        all.sort_unstable_by_key(|entry| entry.id.get());
        all
    }

    fn find(&self, id: PacketId) -> Option<usize> {
        if self.places.is_empty() {
            return None;
        }
        let mask = self.places.len() - 1;
        let mut at = self.home(id);
        while let Some(entry) = &self.places[at] {
            if entry.id == id {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
        None
    }

    fn put(&mut self, entry: Entry) {
        let mask = self.places.len() - 1;
        let mut at = self.home(entry.id);
        while self.places[at].is_some() {
            at = (at + 1) & mask;
        }
        self.places[at] = Some(entry);
    }

    fn grow(&mut self) {
        let places = (self.places.len() * 2).max(8);
        let old = core::mem::replace(&mut self.places, alloc::vec![None; places]);
        for entry in old.into_iter().flatten() {
            self.put(entry);
        }
    }

    /// Where an id belongs: multiplication by a constant close to 2^32 over the golden ratio spreads runs of ids.
    fn home(&self, id: PacketId) -> usize {
        let mask = self.places.len() - 1;
        (u32::from(id.get()).wrapping_mul(0x9E37_79B1) >> 15) as usize & mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    #[test]
    fn it_behaves_like_an_ordered_map() {
        let mut table = Incoming::default();
        let mut model = BTreeMap::new();
        let mut seed = 1_u32;
        for step in 0..20_000_u64 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Few ids, so that insertions, removals and collisions mix.
            let id = PacketId::new((seed >> 16) as u16 % 300 * 200 + 1).unwrap();
            if let Some(delivery) = model.remove(&id.get()) {
                assert_eq!(table.remove(id).map(|entry| entry.delivery), Some(delivery));
            } else {
                assert!(table.get_mut(id).is_none());
                table.insert(Entry { id, state: State::DueRec, delivery: step, due: None });
                model.insert(id.get(), step);
            }
            assert_eq!(table.len(), model.len());
        }
        let all: Vec<_> = table.sorted().iter().map(|entry| (entry.id.get(), entry.delivery)).collect();
        assert_eq!(all, model.into_iter().collect::<Vec<_>>());
    }
    fn entry(id: u16) -> Entry {
        Entry { id: PacketId::new(id).unwrap(), state: State::DueRec, delivery: 0, due: None }
    }

    /// How many places are looked at to find each entry.
    fn probes(table: &Incoming) -> impl Iterator<Item = usize> {
        let mask = table.places.len() - 1;
        let place = move |entry: &Entry| Some(table.find(entry.id)?.wrapping_sub(table.home(entry.id)) & mask);
        table.places.iter().flatten().map(move |entry| 1 + place(entry).expect("an entry is found"))
    }

    #[test]
    fn every_entry_is_found_whatever_was_removed() {
        // Small tables, in which entries collide and wrap round the end.
        let mut seed = 1_u32;
        for _ in 0..200 {
            let mut table = Incoming::default();
            let mut ids = Vec::new();
            for _ in 0..40 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let id = (seed >> 16) as u16 % 60 + 1;
                match ids.iter().position(|other| *other == id) {
                    Some(index) => assert_eq!(table.remove(entry(ids.swap_remove(index)).id), Some(entry(id))),
                    None => {
                        table.insert(entry(id));
                        ids.push(id);
                    }
                }
                assert!(ids.iter().all(|id| table.get_mut(entry(*id).id).is_some()));
                assert_eq!(table.len(), ids.len());
                assert_eq!(probes(&table).count(), ids.len());
            }
        }
    }

    #[test]
    fn at_most_half_of_the_places_are_taken_and_runs_of_ids_lie_apart() {
        let mut table = Incoming::default();
        for id in 1..=10_000 {
            table.insert(entry(id));
            assert!(table.len() * 2 <= table.places.len() && table.places.len() < (table.len() * 4).max(9));
        }
        assert!(probes(&table).max() <= Some(4), "{:?}", probes(&table).max());
        for id in 1..10_000 {
            table.remove(entry(id).id);
        }
        assert_eq!(probes(&table).collect::<Vec<_>>(), [1]);
    }
}
