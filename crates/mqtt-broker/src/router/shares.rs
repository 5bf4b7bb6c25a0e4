//! Shared subscriptions: groups of which one member gets each message (5.0 section 4.8.2).

use std::collections::BTreeMap;

use super::entry::{Entry, Packed};

/// A group that shares a subscription. Never used again for another group, nor for the same one after it was empty.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShareId(u64);

/// A subscriber in a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    subscriber: u32,
    packed: Packed,
}

impl Member {
    /// Who it is.
    #[must_use]
    pub const fn subscriber(&self) -> u32 {
        self.subscriber
    }

    /// What it asks for.
    #[must_use]
    pub const fn entry(&self) -> Entry {
        self.packed.entry()
    }
}

/// All groups, by the node of their filter and their name. A node keeps its number while anything hangs on it.
#[derive(Debug, Default)]
pub(super) struct Shares {
    ids: BTreeMap<(u32, Box<str>), ShareId>,
    /// Never empty; ordered by subscriber.
    members: BTreeMap<ShareId, Vec<Member>>,
    next: u64,
}

impl Shares {
    /// Whether it replaced one.
    pub(super) fn insert(&mut self, node: u32, name: &str, subscriber: u32, packed: Packed) -> bool {
        let next = &mut self.next;
        let id = *self.ids.entry((node, name.into())).or_insert_with(|| {
            *next += 1;
            ShareId(*next)
        });
        let members = self.members.entry(id).or_default();
        let member = Member { subscriber, packed };
        match members.binary_search_by_key(&subscriber, Member::subscriber) {
            Ok(at) => {
                members[at] = member;
                true
            }
            Err(at) => {
                members.insert(at, member);
                false
            }
        }
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, node: u32, name: &str, subscriber: u32) -> bool {
        let key = (node, name.into());
        let Some(id) = self.ids.get(&key) else { return false };
        let Some(members) = self.members.get_mut(id) else { return false };
        let Ok(at) = members.binary_search_by_key(&subscriber, Member::subscriber) else { return false };
        members.remove(at);
        if members.is_empty() {
            self.members.remove(id);
            self.ids.remove(&key);
        }
        true
    }

    /// The groups that share the filter of this node, by name.
    pub(super) fn of_node(&self, node: u32) -> impl Iterator<Item = ShareId> {
        let first = (node, Box::default());
        self.ids.range(first..).take_while(move |((of, _), _)| *of == node).map(|(_, &id)| id)
    }

    pub(super) fn members(&self, id: ShareId) -> &[Member] {
        self.members.get(&id).map_or(&[], Vec::as_slice)
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }
}
