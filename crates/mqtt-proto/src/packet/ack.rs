//! PUBACK, PUBREC, PUBREL and PUBCOMP: one layout (sections 3.4 to 3.7 of both standards).

use bytes::{Bytes, BytesMut};

use super::{REASON_CODE, reason_and_properties};
use crate::{
    EncodeError, PacketId, PacketType, Properties, PropertyId, PropertyValue, ProtocolError, ReasonCode, Rule, Storage,
    Text, Version,
    property::Place,
    read::Reader,
    rules,
    write::{self, Sink, Write},
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
    /// The properties; none in MQTT 3.x.
    #[must_use]
    pub const fn properties(&self) -> &Properties<B> {
        &self.properties
    }

    /// Length of the whole packet in bytes, with its fixed header, when it is sent as `packet_type`.
    ///
    /// # Errors
    ///
    /// If the packet cannot be written, or `packet_type` is none of the four: see [`EncodeError`].
    pub fn encoded_len(&self, packet_type: PacketType, version: Version) -> Result<usize, EncodeError> {
        write::encoded_len(&AckAs { packet_type, ack: self }, version)
    }

    /// Writes the whole packet at the end of `out`, as `packet_type`.
    ///
    /// # Errors
    ///
    /// If the packet cannot be written, or `packet_type` is none of the four: see [`EncodeError`]. Then `out` is left
    /// as it was.
    #[inline]
    pub fn encode(&self, packet_type: PacketType, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        // As almost all are: 28 instructions, and 128 the other way.
        if self.reason == ReasonCode::SUCCESS && self.properties.is_none() {
            if let Some(first) = first_byte(packet_type) {
                let [high, low] = self.packet_id.get().to_be_bytes();
                out.put(&[first, 2, high, low]);
                return Ok(());
            }
        }
        self.encode_reason(packet_type, version, out)
    }

    #[inline(never)]
    fn encode_reason(&self, packet_type: PacketType, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        write::encode(&AckAs { packet_type, ack: self }, version, out)
    }

    /// Writes what follows the fixed header.
    #[inline]
    pub(crate) fn write_as<S: Sink>(
        &self,
        packet: PacketType,
        version: Version,
        sink: &mut S,
    ) -> Result<(), EncodeError> {
        if first_byte(packet).is_none() {
            let rule = "only PUBACK, PUBREC, PUBREL and PUBCOMP have this layout";
            return Err(EncodeError::Forbidden { packet, field: "packet type", rule });
        }
        sink.u16(self.packet_id.get());
        reason_and_properties(packet, self.reason, &self.properties, version, sink) // U5-3.4.2.1
    }

    /// An answer that ends after its identifier: it succeeded. // U5-3.4.2.1
    #[inline]
    pub(super) fn bare(packet_id: PacketId) -> Self {
        Self { packet_id, reason: ReasonCode::SUCCESS, properties: Properties::default() }
    }

    #[inline(always)]
    pub(super) fn decode(reader: &mut Reader<'_, B>) -> Result<Self, ProtocolError> {
        let packet_id = reader.packet_id()?;
        if reader.is_empty() {
            return Ok(Self::bare(packet_id));
        }
        match reader.version() {
            Version::V31 | Version::V311 => return Err(reader.fail("end", &rules::TRAILING_FIXED)),
            Version::V5 => {}
        }
        let at = reader.position();
        let reason = ReasonCode(reader.u8(REASON_CODE)?);
        if !reason.is_listed_for(reader.packet()) {
            return Err(reader.fail_at(at, REASON_CODE, unlisted_rule(reader.packet())));
        }
        // U5-3.4.2.1: or after its reason code.
        if reader.is_empty() {
            return Ok(Self { packet_id, reason, properties: Properties::default() });
        }
        let place = Place::of(reader.packet());
        let (properties, _) = Properties::decode(reader, place)?;
        reader.finish(&rules::TRAILING)?;
        Ok(Self { packet_id, reason, properties })
    }
}

/// The first byte of one of the four.
#[inline]
fn first_byte(packet: PacketType) -> Option<u8> {
    match packet {
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
            Some((packet as u8) << 4 | write::fixed_flags(packet))
        }
        _ => None,
    }
}

/// One of the four, as it is written.
struct AckAs<'a, B: Storage> {
    packet_type: PacketType,
    ack: &'a AckPacket<B>,
}

impl<B: Storage> Write for AckAs<'_, B> {
    fn packet_type(&self) -> PacketType {
        self.packet_type
    }

    fn write<S: Sink>(&self, version: Version, sink: &mut S) -> Result<(), EncodeError> {
        self.ack.write_as(self.packet_type, version, sink)
    }
}

fn unlisted_rule(packet: PacketType) -> &'static Rule {
    match packet {
        PacketType::PubRec => &PUBREC_REASON,
        PacketType::PubRel => &PUBREL_REASON,
        PacketType::PubComp => &PUBCOMP_REASON,
        _ => &PUBACK_REASON,
    }
}

impl AckPacket<Bytes> {
    /// An answer without properties.
    #[must_use]
    pub fn new(packet_id: PacketId, reason: ReasonCode) -> Self {
        Self { packet_id, reason, properties: Properties::default() }
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

// MQTT 3.x has no reason codes here, and no rule about them.
const PUBACK_REASON: Rule = rules::unlisted("MQTT-3.4.2-1", "MQTT-3.4.2-1");
const PUBREC_REASON: Rule = rules::unlisted("MQTT-3.5.2-1", "MQTT-3.5.2-1");
const PUBREL_REASON: Rule = rules::unlisted("MQTT-3.6.2-1", "MQTT-3.6.2-1");
const PUBCOMP_REASON: Rule = rules::unlisted("MQTT-3.7.2-1", "MQTT-3.7.2-1");
