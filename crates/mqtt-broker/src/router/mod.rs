//! Who gets a message: the tree of subscriptions, the groups that share one, and the retained messages.
//!
//! Nothing here knows sessions, connections or time beyond a deadline that it is given. A subscriber is a number of the
//! caller's choice; a retained message belongs to a client by its names, because it outlives every number.
//!
//! ```
//! use mqtt_broker::router::{Entry, Matches, Router};
//! use mqtt_proto::{QoS, TopicFilter, TopicName};
//!
//! let mut router = Router::new(0x5EED);
//! let (kitchen, logger) = (7, 8);
//! let entry = Entry { qos: QoS::AtLeastOnce, ..Entry::default() };
//! router.insert(&TopicFilter::from_static("home/kitchen/+"), kitchen, entry);
//! router.insert(&TopicFilter::from_static("home/#"), logger, Entry::default());
//!
//! let mut matches = Matches::default();
//! router.matches(&TopicName::from_static("home/kitchen/light"), None, &mut matches);
//! let targets: Vec<_> = matches.targets().map(|target| (target.subscriber(), target.qos())).collect();
//! assert_eq!(targets, [(kitchen, QoS::AtLeastOnce), (logger, QoS::AtMostOnce)]);
//! ```
//!
//! # Costs
//!
//! Each inner node stands for a place where filters part, not for a level: `device/4711/cmd/+` costs one node of 48 bytes,
//! its tail `4711/cmd/+`, and 5 to 10 bytes of a hash table that all nodes share: 98 bytes each when there are a million.
//! Nothing recurses: 32,768 levels are a loop. Matching a topic asks each node that the topic reaches for at most three children; no other subscription
//! is looked at, and nothing is allocated once a [`Matches`] has grown. A topic reaches a node if all levels so far match, so
//! whoever subscribes to many filters that begin alike (`a/+/a/x`, `+/a/a/x`, ..) makes each message to `a/a/a/y` walk them all
//! in vain: limit the subscriptions of one client.
//!
//! Who knows the seed of a [`Router`] can choose levels that collide in its hash table: let it be secret where clients are not
//! trusted. The results do not depend on it.

mod cursor;
mod entry;
mod hash;
mod matches;
mod owners;
mod retained;
mod shares;
mod subscribers;
mod tree;

use mqtt_proto::{Storage, TopicFilter, TopicName};

pub use cursor::{Cursor, Step};
pub use entry::Entry;
pub use matches::{Matches, Target};
pub use retained::{Full, Retained, RetainedLimits, Stored};
pub use shares::{Member, ShareId};

pub(crate) use hash::hash;

use entry::Packed;
use shares::Shares;
use tree::Tree;

/// All subscriptions, and which of them a topic meets.
#[derive(Debug)]
pub struct Router {
    tree: Tree,
    shares: Shares,
    /// Subscriptions, those with a share included.
    len: usize,
}

impl Router {
    /// A router without subscriptions. The seed keeps clients from choosing levels that collide in the hash table.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { tree: Tree::new(seed), shares: Shares::default(), len: 0 }
    }

    /// Adds a subscription, or replaces that of this subscriber with this filter (MQTT-3.8.4-3). Whether it replaced one.
    ///
    /// `$share/name/filter` makes the subscriber a member of the group that is known by both name and filter (section 4.8.2).
    pub fn insert(&mut self, filter: &TopicFilter, subscriber: u32, entry: Entry) -> bool {
        let node = self.tree.make(filter.filter().as_bytes());
        let packed = Packed::from(entry);
        let is_replaced = match filter.share_name() {
            Some(name) => {
                self.tree.set_shared(node, true);
                self.shares.insert(node, name, subscriber, packed)
            }
            None => self.tree.subscribers_mut(node).insert(subscriber, packed),
        };
        self.len += usize::from(!is_replaced);
        is_replaced
    }

    /// Removes a subscription. Whether there was one.
    pub fn remove(&mut self, filter: &TopicFilter, subscriber: u32) -> bool {
        let Some(node) = self.tree.find(filter.filter().as_bytes()) else { return false };
        let is_removed = match filter.share_name() {
            Some(name) => {
                let is_removed = self.shares.remove(node, name, subscriber);
                let is_shared = self.shares.of_node(node).next().is_some();
                self.tree.set_shared(node, is_shared);
                is_removed
            }
            None => self.tree.subscribers_mut(node).remove(subscriber),
        };
        self.tree.prune(node);
        self.len -= usize::from(is_removed);
        is_removed
    }

    /// Finds what a message on this topic meets. What `matches` held before is gone.
    ///
    /// If the `publisher` is a subscriber, its subscriptions with No Local are left out (MQTT-3.8.3-3).
    pub fn matches<B: Storage>(&self, topic: &TopicName<B>, publisher: Option<u32>, matches: &mut Matches) {
        matches.find(&self.tree, &self.shares, topic.as_bytes(), publisher);
    }

    /// The members of a group, ordered by subscriber; none if the group is gone.
    #[must_use]
    pub fn members(&self, share: ShareId) -> &[Member] {
        self.shares.members(share)
    }

    /// Subscriptions, those with a share included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nobody subscribes to anything.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Groups that share a subscription.
    #[must_use]
    pub fn share_count(&self) -> usize {
        self.shares.len()
    }

    /// Nodes of the tree, at most two for each distinct filter: 0 when there is no subscription.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.tree.len()
    }
}
