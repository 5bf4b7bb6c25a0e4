//! SUBSCRIBE (section 3.8 of both standards).

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

use crate::{
    EncodeError, PacketId, Properties, PropertyId, PropertyValue, QoS, RetainHandling, Storage, SubscriptionId, Text,
    TopicFilter, Version,
};

/// One topic filter of a SUBSCRIBE, and its options (5.0 section 3.8.3.1).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Subscription<B: Storage = Bytes> {
    /// What is asked for.
    pub filter: TopicFilter<B>,
    /// The highest QoS wanted.
    pub qos: QoS,
    /// Not the messages that this client publishes itself (5.0); false in MQTT 3.x.
    pub no_local: bool,
    /// Messages keep their retain flag (5.0); false in MQTT 3.x.
    pub retain_as_published: bool,
    /// Which retained messages to send at once (5.0); [`RetainHandling::Send`] in MQTT 3.x.
    pub retain_handling: RetainHandling,
}

impl<B: Storage> Subscription<B> {
    /// A subscription with the options that MQTT 3.x has.
    #[must_use]
    pub const fn new(filter: TopicFilter<B>, qos: QoS) -> Self {
        Self { filter, qos, no_local: false, retain_as_published: false, retain_handling: RetainHandling::Send }
    }
}

/// SUBSCRIBE: a client asks for messages.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Subscribe<B: Storage = Bytes> {
    /// Which request. A [`Connection`](crate) chooses it itself.
    pub packet_id: PacketId,
    /// What is asked for; at least one.
    pub subscriptions: Vec<Subscription<B>>,
    pub(crate) properties: Properties<B>,
}

impl<B: Storage> Subscribe<B> {
    /// A request without properties, with the smallest packet identifier.
    #[must_use]
    pub fn new(subscriptions: Vec<Subscription<B>>) -> Self {
        Self { packet_id: PacketId::MIN, subscriptions, properties: Properties::default() }
    }

    /// The properties; none in MQTT 3.x.
    #[must_use]
    pub const fn properties(&self) -> &Properties<B> {
        &self.properties
    }

    /// Length of the whole packet in bytes, with its fixed header.
    ///
    /// # Errors
    ///
    /// If the packet cannot be written: see [`EncodeError`].
    pub fn encoded_len(&self, _version: Version) -> Result<usize, EncodeError> {
        todo!()
    }

    /// Writes the whole packet at the end of `out`.
    ///
    /// # Errors
    ///
    /// If the packet cannot be written: see [`EncodeError`]. Then `out` is left as it was.
    pub fn encode(&self, _version: Version, _out: &mut BytesMut) -> Result<(), EncodeError> {
        todo!()
    }
}

impl Subscribe<Bytes> {
    /// Sets the number that comes with each message of these subscriptions (5.0 section 3.8.2.1.2).
    #[must_use]
    pub fn with_subscription_identifier(mut self, id: SubscriptionId) -> Self {
        self.properties.set(PropertyId::SubscriptionIdentifier, PropertyValue::Number(id.get()));
        self
    }

    /// Adds a User Property; names may repeat (5.0).
    #[must_use]
    pub fn with_user_property(mut self, name: Text, value: Text) -> Self {
        self.properties.set(PropertyId::UserProperty, PropertyValue::Pair(&name, &value));
        self
    }
}
