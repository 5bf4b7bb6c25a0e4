//! DISCONNECT (section 3.14 of both standards).

use bytes::{Bytes, BytesMut};

use crate::{EncodeError, Properties, PropertyId, PropertyValue, ReasonCode, Storage, Text, Version};

/// DISCONNECT: the connection ends in good order. In MQTT 3.x only clients send it, and it says nothing.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Disconnect<B: Storage = Bytes> {
    /// Why.
    pub reason: ReasonCode,
    pub(crate) properties: Properties<B>,
}

impl<B: Storage> Disconnect<B> {
    /// A good-bye without properties.
    #[must_use]
    pub fn new(reason: ReasonCode) -> Self {
        Self { reason, properties: Properties::default() }
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

impl Disconnect<Bytes> {
    /// Sets how long the server keeps the session from now on, in seconds: for clients alone (5.0 section 3.14.2.2.2).
    #[must_use]
    pub fn with_session_expiry_interval(mut self, seconds: u32) -> Self {
        self.properties.set(PropertyId::SessionExpiryInterval, PropertyValue::Number(seconds));
        self
    }

    /// Names another server: for servers alone (5.0 section 3.14.2.2.5).
    #[must_use]
    pub fn with_server_reference(mut self, server: Text) -> Self {
        self.properties.set(PropertyId::ServerReference, PropertyValue::Text(&server));
        self
    }

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
