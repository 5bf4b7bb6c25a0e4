//! CONNACK (section 3.2 of both standards).

use core::num::{NonZeroU16, NonZeroU32};

use bytes::{Bytes, BytesMut};

use crate::{EncodeError, Properties, PropertyId, PropertyValue, QoS, ReasonCode, Storage, Text, Version};

/// CONNACK: the server's answer to CONNECT.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ConnAck<B: Storage = Bytes> {
    /// The server has the session of an earlier connection. Always false in MQTT 3.1.
    pub session_present: bool,
    /// [`ReasonCode::SUCCESS`], or why not. MQTT 3.x's return codes 1 to 5 are translated.
    pub reason: ReasonCode,
    pub(crate) properties: Properties<B>,
}

impl<B: Storage> ConnAck<B> {
    /// An answer without properties.
    #[must_use]
    pub fn new(session_present: bool, reason: ReasonCode) -> Self {
        Self { session_present, reason, properties: Properties::default() }
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

impl ConnAck<Bytes> {
    /// Sets how long the server keeps the session after the connection, in seconds; `u32::MAX` is for ever (5.0 section 3.1.2.11.2).
    #[must_use]
    pub fn with_session_expiry_interval(mut self, seconds: u32) -> Self {
        self.properties.set(PropertyId::SessionExpiryInterval, PropertyValue::Number(seconds));
        self
    }

    /// Sets how many messages of QoS 1 and 2 may be unacknowledged towards us (5.0 section 3.1.2.11.3).
    #[must_use]
    pub fn with_receive_maximum(mut self, messages: NonZeroU16) -> Self {
        self.properties.set(PropertyId::ReceiveMaximum, PropertyValue::Number(messages.get().into()));
        self
    }

    /// Sets the largest packet that we take, in bytes (5.0 section 3.1.2.11.4).
    #[must_use]
    pub fn with_maximum_packet_size(mut self, bytes: NonZeroU32) -> Self {
        self.properties.set(PropertyId::MaximumPacketSize, PropertyValue::Number(bytes.get()));
        self
    }

    /// Sets how many Topic Aliases the other end may use (5.0 section 3.1.2.11.5).
    #[must_use]
    pub fn with_topic_alias_maximum(mut self, aliases: u16) -> Self {
        self.properties.set(PropertyId::TopicAliasMaximum, PropertyValue::Number(aliases.into()));
        self
    }

    /// Sets the highest QoS that the server takes; 2 is said by leaving it out, and does so (5.0 section 3.2.2.3.4).
    #[must_use]
    pub fn with_maximum_qos(mut self, qos: QoS) -> Self {
        match qos {
            QoS::AtMostOnce | QoS::AtLeastOnce => {
                self.properties.set(PropertyId::MaximumQoS, PropertyValue::Byte(qos as u8));
            }
            QoS::ExactlyOnce => {
                self.properties.remove(PropertyId::MaximumQoS);
            }
        }
        self
    }

    /// Says whether the server keeps retained messages (5.0 section 3.2.2.3.5).
    #[must_use]
    pub fn with_retain_available(mut self, available: bool) -> Self {
        self.properties.set(PropertyId::RetainAvailable, PropertyValue::Byte(available.into()));
        self
    }

    /// Says whether the server has wildcard subscriptions (5.0 section 3.2.2.3.11).
    #[must_use]
    pub fn with_wildcard_subscription_available(mut self, available: bool) -> Self {
        self.properties.set(PropertyId::WildcardSubscriptionAvailable, PropertyValue::Byte(available.into()));
        self
    }

    /// Says whether the server has subscription identifiers (5.0 section 3.2.2.3.12).
    #[must_use]
    pub fn with_subscription_identifier_available(mut self, available: bool) -> Self {
        self.properties.set(PropertyId::SubscriptionIdentifierAvailable, PropertyValue::Byte(available.into()));
        self
    }

    /// Says whether the server has shared subscriptions (5.0 section 3.2.2.3.13).
    #[must_use]
    pub fn with_shared_subscription_available(mut self, available: bool) -> Self {
        self.properties.set(PropertyId::SharedSubscriptionAvailable, PropertyValue::Byte(available.into()));
        self
    }

    /// Tells a client that gave none its client identifier (5.0 section 3.2.2.3.7).
    #[must_use]
    pub fn with_assigned_client_identifier(mut self, client_id: Text) -> Self {
        self.properties.set(PropertyId::AssignedClientIdentifier, PropertyValue::Text(&client_id));
        self
    }

    /// Sets the keep-alive in place of the one asked for, in seconds; 0 is off (5.0 section 3.2.2.3.14).
    #[must_use]
    pub fn with_server_keep_alive(mut self, seconds: u16) -> Self {
        self.properties.set(PropertyId::ServerKeepAlive, PropertyValue::Number(seconds.into()));
        self
    }

    /// Sets what response topics are made from (5.0 section 3.2.2.3.15).
    #[must_use]
    pub fn with_response_information(mut self, information: Text) -> Self {
        self.properties.set(PropertyId::ResponseInformation, PropertyValue::Text(&information));
        self
    }

    /// Names another server (5.0 section 3.2.2.3.16).
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
}
