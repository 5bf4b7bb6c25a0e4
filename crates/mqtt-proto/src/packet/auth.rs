//! AUTH (5.0 section 3.15).

use bytes::{Bytes, BytesMut};

use crate::{EncodeError, Properties, PropertyId, PropertyValue, ReasonCode, Storage, Text, Version};

/// AUTH: a step of an enhanced authentication.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Auth<B: Storage = Bytes> {
    /// [`ReasonCode::SUCCESS`], [`ReasonCode::CONTINUE_AUTHENTICATION`] or [`ReasonCode::REAUTHENTICATE`].
    pub reason: ReasonCode,
    pub(crate) properties: Properties<B>,
}

impl<B: Storage> Auth<B> {
    /// A step without properties.
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

impl Auth<Bytes> {
    /// Sets the Authentication Method, and its data (5.0 section 4.12). More than 65,535 bytes of data make the packet
    /// impossible to encode.
    #[must_use]
    pub fn with_authentication(mut self, method: Text, data: Option<Bytes>) -> Self {
        self.properties.set(PropertyId::AuthenticationMethod, PropertyValue::Text(&method));
        if let Some(data) = data {
            self.properties.set(PropertyId::AuthenticationData, PropertyValue::Binary(&data));
        }
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
