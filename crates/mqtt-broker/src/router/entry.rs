//! What a subscription asks for beside its filter, in four bytes.

use mqtt_proto::{QoS, Subscription, SubscriptionId};

/// What a subscription asks for, beside its filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Entry {
    /// The highest QoS that was granted.
    pub qos: QoS,
    /// Not the messages that this subscriber publishes itself.
    pub no_local: bool,
    /// Messages keep their retain flag.
    pub retain_as_published: bool,
    /// The number that comes with each message of this subscription.
    pub identifier: Option<SubscriptionId>,
}

impl Entry {
    /// What a SUBSCRIBE asks for, with the QoS that was granted and the request's Subscription Identifier.
    #[must_use]
    pub const fn new(asked: &Subscription, granted: QoS, identifier: Option<SubscriptionId>) -> Self {
        Self { qos: granted, no_local: asked.no_local, retain_as_published: asked.retain_as_published, identifier }
    }
}

/// An [`Entry`] in four bytes: an identifier takes 28 bits, and 0 is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Packed(u32);

impl Packed {
    pub(super) const fn entry(self) -> Entry {
        Entry {
            qos: self.qos(),
            no_local: self.no_local(),
            retain_as_published: self.retain_as_published(),
            identifier: self.identifier(),
        }
    }

    pub(super) const fn qos(self) -> QoS {
        match self.0 >> QOS & 0b11 {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        }
    }

    pub(super) const fn no_local(self) -> bool {
        self.0 & NO_LOCAL != 0
    }

    pub(super) const fn retain_as_published(self) -> bool {
        self.0 & RETAIN_AS_PUBLISHED != 0
    }

    pub(super) const fn identifier(self) -> Option<SubscriptionId> {
        SubscriptionId::new(self.0 >> IDENTIFIER)
    }
}

impl From<Entry> for Packed {
    fn from(entry: Entry) -> Self {
        let identifier = entry.identifier.map_or(0, SubscriptionId::get) << IDENTIFIER;
        let no_local = if entry.no_local { NO_LOCAL } else { 0 };
        let retain_as_published = if entry.retain_as_published { RETAIN_AS_PUBLISHED } else { 0 };
        Self(identifier | (entry.qos as u32) << QOS | no_local | retain_as_published)
    }
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.entry().fmt(f)
    }
}

const RETAIN_AS_PUBLISHED: u32 = 0b0001;
const NO_LOCAL: u32 = 0b0010;
const QOS: u32 = 2;
const IDENTIFIER: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_bytes_hold_every_entry() {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            for identifier in [None, Some(SubscriptionId::MIN), Some(SubscriptionId::MAX)] {
                for flags in 0..4 {
                    let (no_local, retain_as_published) = (flags & 1 != 0, flags & 2 != 0);
                    let entry = Entry { qos, no_local, retain_as_published, identifier };
                    assert_eq!(Packed::from(entry).entry(), entry);
                }
            }
        }
    }
}
