//! CONNACK (section 3.2 of both standards).

use core::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;

use super::{REASON_CODE, reason_code};
use crate::{
    EncodeError, PacketType, Properties, PropertyId, PropertyValue, ProtocolError, QoS, ReasonCode, Rule, Storage,
    Text, Version,
    property::Place,
    read::Reader,
    rules,
    write::{Sink, Write},
};

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
    /// The properties; none in MQTT 3.x.
    #[must_use]
    pub const fn properties(&self) -> &Properties<B> {
        &self.properties
    }
}

impl<B: Storage> ConnAck<B> {
    pub(super) fn decode(reader: &mut Reader<'_, B>) -> Result<Self, ProtocolError> {
        let at = reader.position();
        let flags = reader.u8(FLAGS)?;
        let session_present = match reader.version() {
            // A reserved byte, that says nothing. // D31-connack
            Version::V31 => false,
            Version::V311 | Version::V5 if flags > 1 => return Err(reader.fail_at(at, FLAGS, &RESERVED)),
            Version::V311 | Version::V5 => flags == 1,
        };
        let reason_at = reader.position();
        let code = reader.u8(REASON_CODE)?;
        let reason = match reader.version() {
            Version::V31 | Version::V311 => reason_from_return_code(code),
            Version::V5 => Some(ReasonCode(code)).filter(|reason| reason.is_listed_for(PacketType::ConnAck)),
        };
        let Some(reason) = reason else {
            return Err(reader.fail_at(reason_at, REASON_CODE, &UNLISTED));
        };
        if session_present && reason != ReasonCode::SUCCESS {
            return Err(reader.fail_at(at, FLAGS, &REFUSED_WITH_SESSION));
        }
        let (properties, _) = Properties::decode(reader, Place::of(PacketType::ConnAck))?;
        reader.finish(&rules::TRAILING_FIXED)?;
        Ok(Self { session_present, reason, properties })
    }
}

impl<B: Storage> Write for ConnAck<B> {
    fn packet_type(&self) -> PacketType {
        PacketType::ConnAck
    }

    fn write<S: Sink>(&self, version: Version, sink: &mut S) -> Result<(), EncodeError> {
        let packet = PacketType::ConnAck;
        if self.session_present && self.reason != ReasonCode::SUCCESS {
            let rule = "a refused connection has no session [MQTT-3.2.2-6]";
            return Err(EncodeError::Forbidden { packet, field: SESSION_PRESENT, rule });
        }
        if self.session_present && version == Version::V31 {
            return Err(EncodeError::NotInVersion { packet, field: SESSION_PRESENT, version }); // D31-connack
        }
        sink.u8(self.session_present.into());
        match version {
            Version::V31 | Version::V311 => match return_code_from_reason(self.reason) {
                Some(code) => sink.u8(code),
                None => return Err(EncodeError::NotInVersion { packet, field: REASON_CODE, version }),
            },
            Version::V5 => reason_code(packet, self.reason, version, sink)?,
        }
        self.properties.write(packet, Place::of(packet), version, None, sink)
    }
}

/// MQTT 3.x's return codes as reason codes; 6 and above are reserved. // U311-3.2.2.3
const fn reason_from_return_code(code: u8) -> Option<ReasonCode> {
    Some(match code {
        0 => ReasonCode::SUCCESS,
        1 => ReasonCode::UNSUPPORTED_PROTOCOL_VERSION,
        2 => ReasonCode::CLIENT_IDENTIFIER_NOT_VALID,
        3 => ReasonCode::SERVER_UNAVAILABLE,
        4 => ReasonCode::BAD_USER_NAME_OR_PASSWORD,
        5 => ReasonCode::NOT_AUTHORIZED,
        _ => return None,
    })
}

/// And back.
const fn return_code_from_reason(reason: ReasonCode) -> Option<u8> {
    Some(match reason {
        ReasonCode::SUCCESS => 0,
        ReasonCode::UNSUPPORTED_PROTOCOL_VERSION => 1,
        ReasonCode::CLIENT_IDENTIFIER_NOT_VALID => 2,
        ReasonCode::SERVER_UNAVAILABLE => 3,
        ReasonCode::BAD_USER_NAME_OR_PASSWORD => 4,
        ReasonCode::NOT_AUTHORIZED => 5,
        _ => return None,
    })
}

impl ConnAck<Bytes> {
    /// An answer without properties.
    #[must_use]
    pub fn new(session_present: bool, reason: ReasonCode) -> Self {
        Self { session_present, reason, properties: Properties::default() }
    }

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
        self.properties.add(PropertyId::UserProperty, PropertyValue::Pair(&name, &value));
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

const FLAGS: &str = "acknowledge flags";
const SESSION_PRESENT: &str = "Session Present";
const RESERVED: Rule = Rule::malformed("bits 7 to 1 must be 0", "U311-3.2.2.1", "MQTT-3.2.2-1");
const UNLISTED: Rule = rules::unlisted("U311-3.2.2.3", "MQTT-3.2.2-8");
const REFUSED_WITH_SESSION: Rule =
    Rule::protocol("a refused connection must have no session", "MQTT-3.2.2-4", "MQTT-3.2.2-6");
