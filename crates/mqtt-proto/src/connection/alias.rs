//! Topic aliases of one connection (5.0 §3.3.2.3.4). They never outlive it (MQTT-3.3.2-7).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::NonZeroU16;

use bytes::Bytes;

use crate::TopicName;

/// Topics up to this length gain nothing from an alias, which takes three bytes itself.
const WORTH_AN_ALIAS: usize = 4;

/// Aliases that we assign, if the peer allows any: most do not, hence the box.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct OutgoingAliases(Option<Box<Assigned>>);

/// Each topic gets one, the least recently used is given up when all are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Assigned {
    maximum: u16,
    /// The topic of alias `index + 1`, and when it was last used.
    topics: Vec<(TopicName, u64)>,
    uses: u64,
}

/// How to write the topic of a PUBLISH.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AliasUse {
    pub(crate) alias: Option<NonZeroU16>,
    /// The peer knows the alias: the topic is left empty.
    pub(crate) known: bool,
}

impl OutgoingAliases {
    pub(crate) fn new(maximum: u16) -> Self {
        Self((maximum > 0).then(|| Box::new(Assigned { maximum, ..Assigned::default() })))
    }

    /// Chooses the alias for a topic that is about to be sent.
    pub(crate) fn assign(&mut self, topic: &TopicName) -> AliasUse {
        match &mut self.0 {
            Some(assigned) if topic.as_bytes().len() >= WORTH_AN_ALIAS => assigned.assign(topic),
            Some(_) | None => AliasUse::default(),
        }
    }
}

impl Assigned {
    fn assign(&mut self, topic: &TopicName) -> AliasUse {
        self.uses += 1;
        let found = self.topics.iter().position(|(known, _)| known == topic);
        let index = match found {
            Some(index) => index,
            None if self.topics.len() < usize::from(self.maximum) => {
                self.topics.push((topic.clone(), 0));
                self.topics.len() - 1
            }
            None => {
                let oldest = self.topics.iter().enumerate().min_by_key(|(_, (_, used))| *used);
                let index = oldest.map_or(0, |(index, _)| index);
                self.topics[index].0 = topic.clone();
                index
            }
        };
        self.topics[index].1 = self.uses;
        AliasUse { alias: NonZeroU16::new(index as u16 + 1), known: found.is_some() }
    }
}

/// Aliases that the peer assigns. The table is there from the first one on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::box_collection, reason = "a vector's header would take 24 bytes of every connection")]
pub(crate) struct IncomingAliases(Option<Box<Vec<Option<TopicName>>>>);

impl IncomingAliases {
    /// Maps an alias, which is within our Topic Alias Maximum, to a topic. The topic is copied: kept as a slice it would
    /// keep a whole read buffer.
    pub(crate) fn set(&mut self, alias: NonZeroU16, topic: &TopicName) {
        let index = usize::from(alias.get()) - 1;
        let topics = self.0.get_or_insert_default();
        if topics.len() <= index {
            topics.resize(index + 1, None);
        }
        if topics[index].as_ref() != Some(topic) {
            topics[index] = TopicName::new(Bytes::copy_from_slice(topic.as_bytes())).ok();
        }
    }

    pub(crate) fn topic(&self, alias: NonZeroU16) -> Option<&TopicName> {
        self.0.as_ref()?.get(usize::from(alias.get()) - 1)?.as_ref()
    }
}
