//! SUBACK and UNSUBACK (sections 3.9 and 3.11 of both standards).

use alloc::vec::Vec;

use bytes::Bytes;

use super::{REASON_CODE, reason_code};
use crate::{
    EncodeError, PacketId, PacketType, Properties, PropertyId, PropertyValue, ProtocolError, ReasonCode, Rule, Storage,
    Text, Version,
    property::Place,
    read::Reader,
    rules,
    write::{Sink, Write},
};

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
    /// The properties; none in MQTT 3.x.
    #[must_use]
    pub const fn properties(&self) -> &Properties<B> {
        &self.properties
    }
}

impl<B: Storage> SubAck<B> {
    pub(super) fn decode(reader: &mut Reader<'_, B>) -> Result<Self, ProtocolError> {
        let packet_id = reader.packet_id()?;
        let (properties, _) = Properties::decode(reader, Place::of(PacketType::SubAck))?;
        let reasons = decode_reasons(reader, &SUBACK_NONE, &SUBACK_UNLISTED)?;
        Ok(Self { packet_id, reasons, properties })
    }
}

impl<B: Storage> Write for SubAck<B> {
    fn packet_type(&self) -> PacketType {
        PacketType::SubAck
    }

    fn write<S: Sink>(&self, version: Version, sink: &mut S) -> Result<(), EncodeError> {
        let packet = PacketType::SubAck;
        sink.u16(self.packet_id.get());
        self.properties.write(packet, Place::of(packet), version, None, sink)?;
        write_reasons(packet, &self.reasons, version, sink)
    }
}

impl SubAck<Bytes> {
    /// An answer without properties.
    #[must_use]
    pub fn new(packet_id: PacketId, reasons: Vec<ReasonCode>) -> Self {
        Self { packet_id, reasons, properties: Properties::default() }
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
    /// The properties; none in MQTT 3.x.
    #[must_use]
    pub const fn properties(&self) -> &Properties<B> {
        &self.properties
    }
}

impl<B: Storage> UnsubAck<B> {
    pub(super) fn decode(reader: &mut Reader<'_, B>) -> Result<Self, ProtocolError> {
        let packet_id = reader.packet_id()?;
        match reader.version() {
            Version::V31 | Version::V311 => {
                reader.finish(&rules::TRAILING_FIXED)?;
                return Ok(Self { packet_id, reasons: Vec::new(), properties: Properties::default() });
            }
            Version::V5 => {}
        }
        let (properties, _) = Properties::decode(reader, Place::of(PacketType::UnsubAck))?;
        let reasons = decode_reasons(reader, &UNSUBACK_NONE, &UNSUBACK_UNLISTED)?;
        Ok(Self { packet_id, reasons, properties })
    }
}

impl<B: Storage> Write for UnsubAck<B> {
    fn packet_type(&self) -> PacketType {
        PacketType::UnsubAck
    }

    fn write<S: Sink>(&self, version: Version, sink: &mut S) -> Result<(), EncodeError> {
        let packet = PacketType::UnsubAck;
        sink.u16(self.packet_id.get());
        self.properties.write(packet, Place::of(packet), version, None, sink)?;
        match version {
            Version::V31 | Version::V311 if self.reasons.is_empty() => Ok(()),
            Version::V31 | Version::V311 => Err(EncodeError::NotInVersion { packet, field: REASON_CODE, version }),
            Version::V5 => write_reasons(packet, &self.reasons, version, sink),
        }
    }
}

/// Reads a reason code for each filter, to the end of the packet.
fn decode_reasons<B: Storage>(
    reader: &mut Reader<'_, B>,
    none: &'static Rule,
    unlisted: &'static Rule,
) -> Result<Vec<ReasonCode>, ProtocolError> {
    if reader.is_empty() {
        return Err(reader.fail(REASON_CODE, none));
    }
    // As many as bytes have arrived, not as many as someone claims.
    let mut reasons = Vec::with_capacity(reader.remaining());
    while !reader.is_empty() {
        let at = reader.position();
        let reason = ReasonCode(reader.u8(REASON_CODE)?);
        if !is_listed(reader.packet(), reason, reader.version()) {
            return Err(reader.fail_at(at, REASON_CODE, unlisted));
        }
        reasons.push(reason);
    }
    Ok(reasons)
}

fn write_reasons<S: Sink>(
    packet: PacketType,
    reasons: &[ReasonCode],
    version: Version,
    sink: &mut S,
) -> Result<(), EncodeError> {
    if reasons.is_empty() {
        let rule = "each filter needs one [MQTT-3.8.4-6, MQTT-3.11.3-2]";
        return Err(EncodeError::Missing { packet, field: REASON_CODE, rule });
    }
    reasons.iter().try_for_each(|&reason| match version {
        Version::V31 | Version::V311 if is_listed(packet, reason, version) => {
            sink.u8(reason.0);
            Ok(())
        }
        Version::V31 | Version::V311 => Err(EncodeError::NotInVersion { packet, field: REASON_CODE, version }),
        Version::V5 => reason_code(packet, reason, version, sink),
    })
}

fn is_listed(packet: PacketType, reason: ReasonCode, version: Version) -> bool {
    match version {
        Version::V31 => reason.0 <= 2,                      // D31-suback
        Version::V311 => reason.0 <= 2 || reason.0 == 0x80, // MQTT-3.9.3-2
        Version::V5 => reason.is_listed_for(packet),
    }
}

impl UnsubAck<Bytes> {
    /// An answer without properties.
    #[must_use]
    pub fn new(packet_id: PacketId, reasons: Vec<ReasonCode>) -> Self {
        Self { packet_id, reasons, properties: Properties::default() }
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

const SUBACK_NONE: Rule = Rule::protocol("each filter needs one", "MQTT-3.8.4-5", "MQTT-3.8.4-6");
const SUBACK_UNLISTED: Rule = rules::unlisted("MQTT-3.9.3-2", "MQTT-3.9.3-2");
const UNSUBACK_NONE: Rule = Rule::protocol("each filter needs one", "MQTT-3.11.3-2", "MQTT-3.11.3-2");
const UNSUBACK_UNLISTED: Rule = rules::unlisted("MQTT-3.11.3-2", "MQTT-3.11.3-2");
