//! PUBACK, PUBREC, PUBREL and PUBCOMP: one layout (sections 3.4 to 3.7 of both standards).

use bytes::{Bytes, BytesMut};

use crate::{
    EncodeError, PacketId, PacketType, Properties, PropertyId, PropertyValue, ReasonCode, Storage, Text, Version,
};

/// PUBACK, PUBREC, PUBREL or PUBCOMP: they share one layout.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct AckPacket<B: Storage = Bytes> {
    /// Which message.
    pub packet_id: PacketId,
    /// What came of it; always [`ReasonCode::SUCCESS`] in MQTT 3.x.
    pub reason: ReasonCode,
    pub(crate) properties: Properties<B>,
}

impl<B: Storage> AckPacket<B> {
    /// An answer without properties.
    #[must_use]
    pub fn new(packet_id: PacketId, reason: ReasonCode) -> Self {
        Self { packet_id, reason, properties: Properties::default() }
    }

    /// The properties; none in MQTT 3.x.
    #[must_use]
    pub const fn properties(&self) -> &Properties<B> {
        &self.properties
    }

    /// Length of the whole packet in bytes, with its fixed header, when it is sent as `packet_type`.
    ///
    /// # Errors
    ///
    /// If the packet cannot be written: see [`EncodeError`].
    pub fn encoded_len(&self, _packet_type: PacketType, _version: Version) -> Result<usize, EncodeError> {
        todo!()
    }

    /// Writes the whole packet at the end of `out`, as `packet_type`.
    ///
    /// # Errors
    ///
    /// If the packet cannot be written, or `packet_type` is none of the four: see [`EncodeError`]. Then `out` is left
    /// as it was.
    pub fn encode(&self, _packet_type: PacketType, _version: Version, _out: &mut BytesMut) -> Result<(), EncodeError> {
        todo!()
    }
}

impl AckPacket<Bytes> {
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
