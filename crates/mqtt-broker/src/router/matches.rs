//! What a topic meets: found by a walk through the tree, merged per subscriber.

use mqtt_proto::{QoS, SubscriptionId};

use super::{
    entry::{Entry, Packed},
    shares::{ShareId, Shares},
    tree::{self, ROOT, Tree, Walk},
};

/// What a topic meets. Keep it and use it again: then matching allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Matches {
    /// Lists of subscribers, one for each filter that matches and has some; each in order, and merged in the end.
    found: Vec<Found>,
    /// Where each list begins.
    starts: Vec<usize>,
    /// The lists of which half as many were made.
    merged: Vec<Found>,
    shares: Vec<ShareId>,
    /// Nodes yet to visit, each with where the topic goes on.
    open: Vec<(u32, usize)>,
}

/// A subscription that matches.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Found {
    subscriber: u32,
    packed: Packed,
}

/// A subscriber, with all of its subscriptions that match: one or more.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    subscriber: u32,
    found: &'a [Found],
}

impl Matches {
    /// The plain subscribers, ordered by number, each once (MQTT-3.3.4-2 lets a server send one copy for all).
    pub fn targets(&self) -> impl Iterator<Item = Target<'_>> {
        let chunks = self.found.chunk_by(|a, b| a.subscriber == b.subscriber);
        chunks.filter_map(|found| Some(Target { subscriber: found.first()?.subscriber, found }))
    }

    /// The groups that share a matching subscription. One member of each is to get the message (MQTT-4.8.2-4).
    #[must_use]
    pub fn shares(&self) -> &[ShareId] {
        &self.shares
    }

    /// Whether nobody wants the message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty() && self.shares.is_empty()
    }

    pub(super) fn find(&mut self, tree: &Tree, shares: &Shares, topic: &[u8], publisher: Option<u32>) {
        self.found.clear();
        self.starts.clear();
        self.shares.clear();
        self.open.push((ROOT, 0));
        while let Some((id, at)) = self.open.pop() {
            self.visit(tree, shares, topic, (id, at), publisher);
        }
        self.merge();
    }

    /// Takes what hangs on a node and opens its children.
    fn visit(&mut self, tree: &Tree, shares: &Shares, topic: &[u8], (id, at): (u32, usize), publisher: Option<u32>) {
        let node = tree.node(id);
        // A wildcard in the first level does not match `$SYS` and its like. // MQTT-4.7.2-1
        let meets_wildcards = id != ROOT || topic.first() != Some(&b'$');
        let multi = if node.has_multi && meets_wildcards { tree.child(id, b"#") } else { None };
        if let Some(child) = multi {
            self.take(tree, shares, child, publisher);
        }
        let Some(rest) = topic.get(at..) else {
            return self.take(tree, shares, id, publisher);
        };
        let plus = if node.has_plus && meets_wildcards { tree.child(id, b"+") } else { None };
        let literal = if node.has_literal() { tree.child(id, tree::first_level(rest)) } else { None };
        for child in [plus, literal].into_iter().flatten() {
            match tree.node(child).walk(topic, at) {
                Walk::Apart => {}
                Walk::To(at) => self.open.push((child, at)),
                Walk::Multi => self.take(tree, shares, child, publisher),
            }
        }
    }

    fn take(&mut self, tree: &Tree, shares: &Shares, id: u32, publisher: Option<u32>) {
        let node = tree.node(id);
        if node.is_shared {
            self.shares.extend(shares.of_node(id));
        }
        let start = self.found.len();
        node.subscribers().for_each(|subscriber, packed| {
            // MQTT-3.8.3-3
            if !(packed.no_local() && Some(subscriber) == publisher) {
                self.found.push(Found { subscriber, packed });
            }
        });
        if self.found.len() > start {
            self.starts.push(start);
        }
    }

    /// Merges the lists in pairs until there is one: beside a hundred thousand subscribers of one filter, the one who
    /// subscribes to everything costs a pass over them and no sorting.
    fn merge(&mut self) {
        while self.starts.len() > 1 {
            self.merged.clear();
            let pairs = self.starts.len().div_ceil(2);
            for pair in 0..pairs {
                let start = |list: usize| self.starts.get(list).copied().unwrap_or(self.found.len());
                let (from, middle, end) = (start(2 * pair), start(2 * pair + 1), start(2 * pair + 2));
                merge(&self.found[from..middle], &self.found[middle..end], &mut self.merged);
                self.starts[pair] = from;
            }
            self.starts.truncate(pairs);
            std::mem::swap(&mut self.found, &mut self.merged);
        }
    }
}

/// Appends two lists that are in order as one that is.
fn merge(mut a: &[Found], mut b: &[Found], out: &mut Vec<Found>) {
    while let ([first, rest_of_a @ ..], [second, rest_of_b @ ..]) = (a, b) {
        if first <= second {
            out.push(*first);
            a = rest_of_a;
        } else {
            out.push(*second);
            b = rest_of_b;
        }
    }
    out.extend_from_slice(a);
    out.extend_from_slice(b);
}

impl<'a> Target<'a> {
    /// Who it is.
    #[must_use]
    pub const fn subscriber(&self) -> u32 {
        self.subscriber
    }

    /// The highest QoS of all (MQTT-3.3.4-2).
    #[must_use]
    pub fn qos(&self) -> QoS {
        self.found.iter().map(|found| found.packed.qos()).max().unwrap_or_default()
    }

    /// Whether one of them keeps the retain flag.
    #[must_use]
    pub fn retain_as_published(&self) -> bool {
        self.found.iter().any(|found| found.packed.retain_as_published())
    }

    /// All identifiers, in ascending order; two subscriptions may have the same (section 3.3.4).
    pub fn identifiers(&self) -> impl Iterator<Item = SubscriptionId> + use<'a> {
        self.found.iter().filter_map(|found| found.packed.identifier())
    }

    /// Each subscription by itself, for a server that sends a copy for each.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + use<'a> {
        self.found.iter().map(|found| found.packed.entry())
    }
}
