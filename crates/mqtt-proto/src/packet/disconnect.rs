//! DISCONNECT (section 3.14 of both standards).

use bytes::Bytes;

use super::{REASON_CODE, reason_and_properties};
use crate::{
    EncodeError, PacketType, Properties, PropertyId, PropertyValue, ProtocolError, ReasonCode, Rule, Storage, Text,
    Version,
    property::Place,
    read::Reader,
    rules,
    write::{Sink, Write},
};

/// DISCONNECT: the connection ends in good order. In MQTT 3.x only clients send it, and it says nothing.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Disconnect<B: Storage = Bytes> {
    /// Why.
    pub reason: ReasonCode,
    pub(crate) properties: Properties<B>,
}

impl<B: Storage> Disconnect<B> {
    /// The properties; none in MQTT 3.x.
    #[must_use]
    pub const fn properties(&self) -> &Properties<B> {
        &self.properties
    }
}

impl<B: Storage> Disconnect<B> {
    pub(super) fn decode(reader: &mut Reader<'_, B>) -> Result<Self, ProtocolError> {
        // U5-3.14.2.1a: a packet may end at once, and after its reason code.
        if reader.is_empty() {
            return Ok(Self { reason: ReasonCode::SUCCESS, properties: Properties::default() });
        }
        match reader.version() {
            Version::V31 | Version::V311 => return Err(reader.fail("end", &rules::TRAILING_FIXED)),
            Version::V5 => {}
        }
        let at = reader.position();
        let reason = ReasonCode(reader.u8(REASON_CODE)?);
        // The standard's table of all codes allows this one here, the packet's own table does not.
        let is_tolerated = reason == ReasonCode::BAD_AUTHENTICATION_METHOD;
        if !is_tolerated && !reason.is_listed_for(PacketType::Disconnect) {
            return Err(reader.fail_at(at, REASON_CODE, &UNLISTED));
        }
        if reader.is_empty() {
            return Ok(Self { reason, properties: Properties::default() });
        }
        let (properties, _) = Properties::decode(reader, Place::of(PacketType::Disconnect))?;
        reader.finish(&rules::TRAILING)?;
        Ok(Self { reason, properties })
    }
}

impl<B: Storage> Write for Disconnect<B> {
    fn packet_type(&self) -> PacketType {
        PacketType::Disconnect
    }

    fn write<S: Sink>(&self, version: Version, sink: &mut S) -> Result<(), EncodeError> {
        // U5-3.14.2.1a
        reason_and_properties(PacketType::Disconnect, self.reason, &self.properties, version, sink)
    }
}

impl Disconnect<Bytes> {
    /// A good-bye without properties.
    #[must_use]
    pub fn new(reason: ReasonCode) -> Self {
        Self { reason, properties: Properties::default() }
    }

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
        self.properties.add(PropertyId::UserProperty, PropertyValue::Pair(&name, &value));
        self
    }
}

const UNLISTED: Rule = rules::unlisted("MQTT-3.14.2-1", "MQTT-3.14.2-1");
