//! Topic aliases of one connection (5.0 §3.3.2.3.4). They never outlive it (MQTT-3.3.2-7).

use alloc::vec::Vec;
use core::num::NonZeroU16;

use bytes::Bytes;

use crate::TopicName;

/// Topics up to this length gain nothing from an alias, which takes three bytes itself.
const WORTH_AN_ALIAS: usize = 4;

/// Aliases that we assign: each topic gets one, the least recently used is given up when all are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct OutgoingAliases {
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
        Self { maximum, ..Self::default() }
    }

    /// Chooses the alias for a topic that is about to be sent.
    pub(crate) fn assign(&mut self, topic: &TopicName) -> AliasUse {
        if self.maximum == 0 || topic.as_bytes().len() < WORTH_AN_ALIAS {
            return AliasUse::default();
        }
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

/// Aliases that the peer assigns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct IncomingAliases(Vec<Option<TopicName>>);

impl IncomingAliases {
    /// Maps an alias, which is within our Topic Alias Maximum, to a topic. The topic is copied: kept as a slice it would
    /// keep a whole read buffer.
    pub(crate) fn set(&mut self, alias: NonZeroU16, topic: &TopicName) {
        let index = usize::from(alias.get()) - 1;
        if self.0.len() <= index {
            self.0.resize(index + 1, None);
        }
        if self.0[index].as_ref() != Some(topic) {
            self.0[index] = TopicName::new(Bytes::copy_from_slice(topic.as_bytes())).ok();
        }
    }

    pub(crate) fn topic(&self, alias: NonZeroU16) -> Option<&TopicName> {
        self.0.get(usize::from(alias.get()) - 1)?.as_ref()
    }
}
