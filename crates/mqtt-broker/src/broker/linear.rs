//! Stands in for the router: looks at every subscription.

use std::collections::BTreeMap;
use std::ops::Bound;

use mqtt_proto::{Instant, Message, QoS, Subscription, SubscriptionId, TopicFilter, TopicName};

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Entry {
    pub(crate) qos: QoS,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    pub(crate) identifier: Option<SubscriptionId>,
}

impl Entry {
    pub(crate) fn new(asked: &Subscription, qos: QoS, identifier: Option<SubscriptionId>) -> Self {
        Self { qos, no_local: asked.no_local, retain_as_published: asked.retain_as_published, identifier }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct ShareId(u64);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Member(u32, Entry);

impl Member {
    pub(crate) fn subscriber(&self) -> u32 {
        self.0
    }

    pub(crate) fn entry(&self) -> Entry {
        self.1
    }
}

#[derive(Debug, Default)]
pub(crate) struct Router {
    plain: BTreeMap<(u32, TopicFilter), Entry>,
    ids: BTreeMap<TopicFilter, ShareId>,
    shared: BTreeMap<ShareId, Vec<Member>>,
    next: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Matches {
    found: Vec<(u32, Entry)>,
    shares: Vec<ShareId>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a>(&'a [(u32, Entry)]);

impl Matches {
    pub(crate) fn targets(&self) -> impl Iterator<Item = Target<'_>> {
        self.found.chunk_by(|a, b| a.0 == b.0).map(Target)
    }

    pub(crate) fn shares(&self) -> &[ShareId] {
        &self.shares
    }
}

impl<'a> Target<'a> {
    pub(crate) fn subscriber(&self) -> u32 {
        self.0[0].0
    }

    pub(crate) fn qos(&self) -> QoS {
        self.0.iter().map(|(_, entry)| entry.qos).max().unwrap_or_default()
    }

    pub(crate) fn retain_as_published(&self) -> bool {
        self.0.iter().any(|(_, entry)| entry.retain_as_published)
    }

    pub(crate) fn identifiers(&self) -> impl Iterator<Item = SubscriptionId> + use<'a> {
        self.0.iter().filter_map(|(_, entry)| entry.identifier)
    }
}

impl Router {
    pub(crate) fn new(_seed: u64) -> Self {
        Self::default()
    }

    pub(crate) fn insert(&mut self, filter: &TopicFilter, key: u32, entry: Entry) -> bool {
        if !filter.is_shared() {
            return self.plain.insert((key, filter.clone()), entry).is_some();
        }
        let next = &mut self.next;
        let id = *self.ids.entry(filter.clone()).or_insert_with(|| {
            *next += 1;
            ShareId(*next)
        });
        let members = self.shared.entry(id).or_default();
        let len = members.len();
        members.retain(|member| member.0 != key);
        let is_replaced = members.len() < len;
        members.push(Member(key, entry));
        is_replaced
    }

    pub(crate) fn remove(&mut self, filter: &TopicFilter, key: u32) -> bool {
        let Some(id) = self.ids.get(filter).copied() else {
            return self.plain.remove(&(key, filter.clone())).is_some();
        };
        let Some(members) = self.shared.get_mut(&id) else { return false };
        let len = members.len();
        members.retain(|member| member.0 != key);
        let is_removed = members.len() < len;
        if members.is_empty() {
            self.shared.remove(&id);
            self.ids.remove(filter);
        }
        is_removed
    }

    pub(crate) fn matches(&self, topic: &TopicName, publisher: Option<u32>, matches: &mut Matches) {
        let plain = self.plain.iter().filter(|((_, filter), _)| filter.matches(topic));
        let plain = plain.filter(|((key, _), entry)| !(entry.no_local && Some(*key) == publisher));
        matches.found.clear();
        matches.found.extend(plain.map(|((key, _), entry)| (*key, *entry)));
        matches.shares.clear();
        matches.shares.extend(self.ids.iter().filter(|(filter, _)| filter.matches(topic)).map(|(_, id)| *id));
    }

    pub(crate) fn members(&self, share: ShareId) -> &[Member] {
        self.shared.get(&share).map_or(&[], Vec::as_slice)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Retained {
    messages: BTreeMap<TopicName, (Message, Instant)>,
}

#[derive(Debug)]
pub(crate) struct Cursor {
    filter: TopicFilter,
    last: Option<TopicName>,
}

impl Retained {
    pub(crate) fn insert(&mut self, now: Instant, message: Message) {
        self.messages.insert(message.topic.clone(), (message, now));
    }

    pub(crate) fn remove(&mut self, topic: &TopicName) {
        self.messages.remove(topic);
    }

    pub(crate) fn cursor(filter: &TopicFilter) -> Cursor {
        Cursor { filter: filter.clone(), last: None }
    }

    /// The next message that matches, and when it came.
    pub(crate) fn next(&self, cursor: &mut Cursor) -> Option<(&Message, Instant)> {
        let start = cursor.last.take().map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.messages.range((start, Bound::Unbounded));
        let (topic, (message, received)) = rest.find(|(topic, _)| cursor.filter.matches(topic))?;
        cursor.last = Some(topic.clone());
        Some((message, *received))
    }
}
