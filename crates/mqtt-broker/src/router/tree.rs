//! The tree of filters: a node for each place where filters part or end.
//!
//! Rules of this file:
//! - A node's label is one or more whole levels, joined by `/`; only its last level may be `#`. No two children of a node begin
//!   with the same level, so that (parent, first level) names a node: the key of the one hash table.
//! - A node but the root has subscribers, or shares, or two children and more. Else it is pruned or joined with its only child.
//! - A node keeps its number while something hangs on it: splitting gives the upper part a new number.
//! - Loops, no recursion: a filter may have 65,536 levels.

use hashbrown::HashTable;

use super::{hash::hash, subscribers::Subscribers};

pub(super) const ROOT: u32 = 0;

#[derive(Debug)]
pub(super) struct Tree {
    /// The first is the root.
    nodes: Vec<Node>,
    /// Numbers of nodes that are free.
    free: Vec<u32>,
    /// All nodes but the root, by parent and first level.
    children: HashTable<u32>,
    seed: u64,
}

#[derive(Debug, Default)]
pub(super) struct Node {
    label: Box<[u8]>,
    subscribers: Subscribers,
    parent: u32,
    /// How many children there are, and their numbers combined by exclusive or: of an only child, its number.
    child_count: u32,
    child_xor: u32,
    /// The length of the label's first level.
    first_len: u16,
    /// What matching need not find out by looking for it.
    pub(super) has_plus: bool,
    pub(super) has_multi: bool,
    pub(super) is_wild: bool,
    pub(super) is_shared: bool,
}

/// What became of the levels of a topic at a label.
pub(super) enum Walk {
    /// They differ.
    Apart,
    /// The label is used up; here the topic goes on. Beyond its end: it is used up, too.
    To(usize),
    /// The label ends in `#`, which takes all there is.
    Multi,
}

impl Tree {
    pub(super) fn new(seed: u64) -> Self {
        Self { nodes: vec![Node::default()], free: Vec::new(), children: HashTable::new(), seed }
    }

    /// Nodes, without the root.
    pub(super) fn len(&self) -> usize {
        self.nodes.len() - 1 - self.free.len()
    }

    pub(super) fn node(&self, id: u32) -> &Node {
        &self.nodes[id as usize]
    }

    pub(super) fn subscribers_mut(&mut self, id: u32) -> &mut Subscribers {
        &mut self.node_mut(id).subscribers
    }

    pub(super) fn set_shared(&mut self, id: u32, is_shared: bool) {
        self.node_mut(id).is_shared = is_shared;
    }

    /// The child that begins with this level.
    #[inline]
    pub(super) fn child(&self, parent: u32, level: &[u8]) -> Option<u32> {
        let is_it = |&id: &u32| self.node(id).is_at(parent, level);
        self.children.find(hash(self.seed, parent, level), is_it).copied()
    }

    /// The node where this filter ends.
    pub(super) fn find(&self, filter: &[u8]) -> Option<u32> {
        let (mut node, mut at) = (ROOT, 0);
        while let Some(rest) = filter.get(at..) {
            node = self.child(node, first_level(rest))?;
            let label = &self.node(node).label;
            if common_levels(label, rest) != label.len() {
                return None;
            }
            at += label.len() + 1;
        }
        Some(node)
    }

    /// The node where this filter ends, made if need be. Something must be hung on it, or it must be pruned.
    pub(super) fn make(&mut self, filter: &[u8]) -> u32 {
        let (mut node, mut at) = (ROOT, 0);
        while let Some(rest) = filter.get(at..) {
            let Some(child) = self.child(node, first_level(rest)) else {
                return self.add(node, rest.into());
            };
            let len = self.node(child).label.len();
            let common = common_levels(&self.node(child).label, rest);
            node = if common == len { child } else { self.split(child, common) };
            at += common + 1;
        }
        node
    }

    /// Removes a node on which nothing hangs any more, and its ancestors that were there for its sake.
    pub(super) fn prune(&mut self, mut id: u32) {
        while id != ROOT && self.node(id).subscribers.is_empty() && !self.node(id).is_shared {
            match self.node(id).child_count {
                0 => {
                    let parent = self.node(id).parent;
                    self.detach(id);
                    self.release(id);
                    id = parent;
                }
                1 => return self.join(id),
                _ => return,
            }
        }
        if self.len() == 0 {
            // A quiet router owns next to nothing, whatever it has been through.
            *self = Self::new(self.seed);
        }
    }

    fn node_mut(&mut self, id: u32) -> &mut Node {
        &mut self.nodes[id as usize]
    }

    fn add(&mut self, parent: u32, label: Box<[u8]>) -> u32 {
        let node = Node { parent, ..Node::default() }.labelled(label);
        let id = match self.free.pop() {
            Some(id) => {
                *self.node_mut(id) = node;
                id
            }
            None => {
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1).expect("four billion nodes do not fit into memory")
            }
        };
        self.attach(id);
        id
    }

    /// Puts a new node between this one and its parent; it takes the first `len` bytes of the label.
    fn split(&mut self, id: u32, len: usize) -> u32 {
        self.detach(id);
        let label = std::mem::take(&mut self.node_mut(id).label);
        let upper = self.add(self.node(id).parent, label[..len].into());
        let lower = std::mem::take(self.node_mut(id));
        *self.node_mut(id) = Node { parent: upper, ..lower }.labelled(label[len + 1..].into());
        self.attach(id);
        upper
    }

    /// Joins a node on which nothing hangs with its only child, which keeps its number.
    fn join(&mut self, id: u32) {
        let child = self.node(id).child_xor;
        self.detach(child);
        self.detach(id);
        let label = [&self.node(id).label, &b"/"[..], &self.node(child).label].concat();
        let (parent, lower) = (self.node(id).parent, std::mem::take(self.node_mut(child)));
        *self.node_mut(child) = Node { parent, ..lower }.labelled(label.into());
        self.attach(child);
        self.release(id);
    }

    /// Enters a node into the table and its parent.
    fn attach(&mut self, id: u32) {
        let (nodes, seed) = (&self.nodes, self.seed);
        let key = |&id: &u32| nodes[id as usize].hash(seed);
        self.children.insert_unique(key(&id), id, key);
        self.count_child(id, 1);
    }

    /// Takes a node out of the table and its parent.
    fn detach(&mut self, id: u32) {
        if let Ok(entry) = self.children.find_entry(self.node(id).hash(self.seed), |&other| other == id) {
            entry.remove();
        }
        self.count_child(id, u32::MAX);
    }

    fn count_child(&mut self, id: u32, difference: u32) {
        let (first, is_there) = (self.node(id).first(), difference == 1);
        let (is_plus, is_multi) = (first == b"+", first == b"#");
        let parent = self.nodes[id as usize].parent;
        let parent = self.node_mut(parent);
        parent.child_count = parent.child_count.wrapping_add(difference);
        parent.child_xor ^= id;
        if is_plus {
            parent.has_plus = is_there;
        }
        if is_multi {
            parent.has_multi = is_there;
        }
    }

    fn release(&mut self, id: u32) {
        *self.node_mut(id) = Node::default();
        self.free.push(id);
    }
}

impl Node {
    pub(super) const fn subscribers(&self) -> &Subscribers {
        &self.subscribers
    }

    /// Whether a child begins with a level that is no wildcard.
    pub(super) const fn has_literal(&self) -> bool {
        self.child_count > self.has_plus as u32 + self.has_multi as u32
    }

    /// Compares the label with the topic from `at` on.
    #[inline]
    pub(super) fn walk(&self, topic: &[u8], at: usize) -> Walk {
        if self.is_wild {
            return self.walk_wild(topic, at);
        }
        let end = at + self.label.len();
        match topic.get(at..end) {
            Some(levels) if levels == &*self.label && topic.get(end).is_none_or(|&byte| byte == b'/') => {
                Walk::To(end + 1)
            }
            Some(_) | None => Walk::Apart,
        }
    }

    fn walk_wild(&self, topic: &[u8], mut at: usize) -> Walk {
        for wanted in self.label.split(|&byte| byte == b'/') {
            if wanted == b"#" {
                return Walk::Multi; // Also of the level above: `a/#` matches `a`.
            }
            let Some(rest) = topic.get(at..) else { return Walk::Apart };
            let level = first_level(rest);
            if wanted != b"+" && wanted != level {
                return Walk::Apart;
            }
            at += level.len() + 1;
        }
        Walk::To(at)
    }

    fn labelled(mut self, label: Box<[u8]>) -> Self {
        // Filters have at most 65,535 bytes.
        self.first_len = u16::try_from(first_level(&label).len()).unwrap_or(u16::MAX);
        self.is_wild = label.split(|&byte| byte == b'/').any(|level| level == b"+" || level == b"#");
        self.label = label;
        self
    }

    fn first(&self) -> &[u8] {
        &self.label[..usize::from(self.first_len)]
    }

    fn is_at(&self, parent: u32, level: &[u8]) -> bool {
        self.parent == parent && self.first() == level
    }

    fn hash(&self, seed: u64) -> u64 {
        hash(seed, self.parent, self.first())
    }
}

/// The bytes before the first `/`, or all.
#[inline]
pub(super) fn first_level(levels: &[u8]) -> &[u8] {
    let end = levels.iter().position(|&byte| byte == b'/').unwrap_or(levels.len());
    &levels[..end]
}

/// The length of the whole levels with which both begin; the first level is the same.
fn common_levels(a: &[u8], b: &[u8]) -> usize {
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let ends = |levels: &[u8]| levels.get(same).is_none_or(|&byte| byte == b'/');
    if ends(a) && ends(b) {
        return same;
    }
    a[..same].iter().rposition(|&byte| byte == b'/').unwrap_or(0)
}
