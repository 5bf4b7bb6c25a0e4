//! UNSUBSCRIBE (section 3.10 of both standards).

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

use crate::{EncodeError, PacketId, Properties, PropertyId, PropertyValue, Storage, Text, TopicFilter, Version};

/// UNSUBSCRIBE: a client wants messages no more.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Unsubscribe<B: Storage = Bytes> {
    /// Which request. A [`Connection`](crate) chooses it itself.
    pub packet_id: PacketId,
    /// The filters as they were subscribed; at least one.
    pub filters: Vec<TopicFilter<B>>,
    pub(crate) properties: Properties<B>,
}

impl<B: Storage> Unsubscribe<B> {
    /// A request without properties, with the smallest packet identifier.
    #[must_use]
    pub fn new(filters: Vec<TopicFilter<B>>) -> Self {
        Self { packet_id: PacketId::MIN, filters, properties: Properties::default() }
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

impl Unsubscribe<Bytes> {
    /// Adds a User Property; names may repeat (5.0).
    #[must_use]
    pub fn with_user_property(mut self, name: Text, value: Text) -> Self {
        self.properties.set(PropertyId::UserProperty, PropertyValue::Pair(&name, &value));
        self
    }
}
