//! SUBACK and UNSUBACK (sections 3.9 and 3.11 of both standards).

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

use crate::{EncodeError, PacketId, Properties, PropertyId, PropertyValue, ReasonCode, Storage, Text, Version};

/// SUBACK: the server's answer to SUBSCRIBE.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SubAck<B: Storage = Bytes> {
    /// Which request.
    pub packet_id: PacketId,
    /// One for each filter, in its order: the granted QoS, or why not.
    pub reasons: Vec<ReasonCode>,
    pub(crate) properties: Properties<B>,
}

impl<B: Storage> SubAck<B> {
    /// An answer without properties.
    #[must_use]
    pub fn new(packet_id: PacketId, reasons: Vec<ReasonCode>) -> Self {
        Self { packet_id, reasons, properties: Properties::default() }
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

impl SubAck<Bytes> {
    /// Sets the Reason String, for people to read (5.0).
    #[must_use]
    pub fn with_reason_string(mut self, reason: Text) -> Self {
        self.properties.set(PropertyId::ReasonString, PropertyValue::Text(&reason));
        self
    }

    /// Adds a User Property; names may repeat (5.0).
    #[must_use]
    pub fn with_user_property(mut self, name: Text, value: Text) -> Self {
        self.properties.set(PropertyId::UserProperty, PropertyValue::Pair(&name, &value));
        self
    }
}

/// UNSUBACK: the server's answer to UNSUBSCRIBE.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct UnsubAck<B: Storage = Bytes> {
    /// Which request.
    pub packet_id: PacketId,
    /// One for each filter, in its order; empty in MQTT 3.x.
    pub reasons: Vec<ReasonCode>,
    pub(crate) properties: Properties<B>,
}

impl<B: Storage> UnsubAck<B> {
    /// An answer without properties.
    #[must_use]
    pub fn new(packet_id: PacketId, reasons: Vec<ReasonCode>) -> Self {
        Self { packet_id, reasons, properties: Properties::default() }
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

impl UnsubAck<Bytes> {
    /// Sets the Reason String, for people to read (5.0).
    #[must_use]
    pub fn with_reason_string(mut self, reason: Text) -> Self {
        self.properties.set(PropertyId::ReasonString, PropertyValue::Text(&reason));
        self
    }

    /// Adds a User Property; names may repeat (5.0).
    #[must_use]
    pub fn with_user_property(mut self, name: Text, value: Text) -> Self {
        self.properties.set(PropertyId::UserProperty, PropertyValue::Pair(&name, &value));
        self
    }
}
