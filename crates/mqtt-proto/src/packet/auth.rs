//! AUTH (5.0 section 3.15).

use bytes::Bytes;

use super::{REASON_CODE, reason_code};
use crate::{
    EncodeError, PacketType, Properties, PropertyId, PropertyValue, ProtocolError, ReasonCode, Rule, Storage, Text,
    Version,
    property::Place,
    read::Reader,
    rules,
    write::{Sink, Write},
};

/// AUTH: a step of an enhanced authentication.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Auth<B: Storage = Bytes> {
    /// [`ReasonCode::SUCCESS`], [`ReasonCode::CONTINUE_AUTHENTICATION`] or [`ReasonCode::REAUTHENTICATE`].
    pub reason: ReasonCode,
    pub(crate) properties: Properties<B>,
}

impl<B: Storage> Auth<B> {
    /// The properties; none in MQTT 3.x.
    #[must_use]
    pub const fn properties(&self) -> &Properties<B> {
        &self.properties
    }
}

impl<B: Storage> Auth<B> {
    pub(super) fn decode(reader: &mut Reader<'_, B>) -> Result<Self, ProtocolError> {
        // The standard allows a packet without anything, and forbids one without a method: the connection refuses it.
        // U5-3.15.2.2.2
        if reader.is_empty() {
            return Ok(Self { reason: ReasonCode::SUCCESS, properties: Properties::default() });
        }
        let at = reader.position();
        let reason = ReasonCode(reader.u8(REASON_CODE)?);
        if !reason.is_listed_for(PacketType::Auth) {
            return Err(reader.fail_at(at, REASON_CODE, &UNLISTED));
        }
        let (properties, _) = Properties::decode(reader, Place::of(PacketType::Auth))?;
        if !properties.contains(PropertyId::AuthenticationMethod) {
            return Err(reader.fail(PropertyId::AuthenticationMethod.name(), &NO_METHOD));
        }
        reader.finish(&rules::TRAILING)?;
        Ok(Self { reason, properties })
    }
}

impl<B: Storage> Write for Auth<B> {
    fn packet_type(&self) -> PacketType {
        PacketType::Auth
    }

    fn write<S: Sink>(&self, version: Version, sink: &mut S) -> Result<(), EncodeError> {
        let packet = PacketType::Auth;
        match version {
            Version::V31 | Version::V311 => {
                return Err(EncodeError::NotInVersion { packet, field: "packet", version });
            }
            Version::V5 => {}
        }
        if self.reason == ReasonCode::SUCCESS && self.properties.is_empty() {
            return Ok(());
        }
        if !self.properties.contains(PropertyId::AuthenticationMethod) {
            let (field, rule) = (PropertyId::AuthenticationMethod.name(), "each AUTH needs it [U5-3.15.2.2.2]");
            return Err(EncodeError::Missing { packet, field, rule });
        }
        reason_code(packet, self.reason, version, sink)?;
        self.properties.write(packet, Place::of(packet), version, None, sink)
    }
}

impl Auth<Bytes> {
    /// A step without properties.
    #[must_use]
    pub fn new(reason: ReasonCode) -> Self {
        Self { reason, properties: Properties::default() }
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
}

const UNLISTED: Rule = rules::unlisted("MQTT-3.15.2-1", "MQTT-3.15.2-1");
const NO_METHOD: Rule = Rule::protocol("must be there", "U5-3.15.2.2.2", "U5-3.15.2.2.2");
