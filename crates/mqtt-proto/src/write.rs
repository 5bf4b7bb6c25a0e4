//! Encoding: each packet is written once in code, and run twice, against a counter for the lengths and against the
//! buffer for the bytes. No length is kept by hand.

use bytes::{BufMut, BytesMut};

use crate::{EncodeError, PacketType, Version, text, varint};

/// What a packet is written to.
pub(crate) trait Sink {
    fn put(&mut self, bytes: &[u8]);

    #[inline]
    fn u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    #[inline]
    fn u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    #[inline]
    fn u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    /// A variable byte integer. The value is at most [`varint::MAX`].
    #[inline]
    fn varint(&mut self, value: u32) {
        let mut rest = value;
        while rest > 0x7F {
            self.u8(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.u8(rest as u8);
    }

    /// A two-byte length and the bytes, which are at most 65,535: those of a text or topic always are.
    #[inline]
    fn section(&mut self, bytes: &[u8]) {
        self.u16(bytes.len() as u16);
        self.put(bytes);
    }
}

/// Counts the bytes.
#[derive(Default)]
pub(crate) struct Counter(usize);

impl Counter {
    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.0
    }
}

/// A length, if a variable byte integer can say it.
#[inline]
pub(crate) fn as_varint(len: usize, packet: PacketType, field: &'static str) -> Result<u32, EncodeError> {
    match u32::try_from(len) {
        Ok(len) if len <= varint::MAX => Ok(len),
        Ok(_) | Err(_) => Err(EncodeError::TooLong { packet, field, max: varint::MAX as usize }),
    }
}

impl Sink for Counter {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.0 = self.0.saturating_add(bytes.len());
    }
}

impl Sink for BytesMut {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.put_slice(bytes);
    }
}

/// A packet that can be written.
pub(crate) trait Write {
    fn packet_type(&self) -> PacketType;

    /// The lower four bits of the first byte.
    fn flags(&self) -> u8 {
        fixed_flags(self.packet_type())
    }

    /// Writes all that follows the fixed header, or says why that cannot be: the same in each run.
    fn write<S: Sink>(&self, version: Version, sink: &mut S) -> Result<(), EncodeError>;
}

/// The lower four bits of the first byte, for all packets but PUBLISH.
#[inline]
pub(crate) const fn fixed_flags(packet: PacketType) -> u8 {
    match packet {
        PacketType::PubRel | PacketType::Subscribe | PacketType::Unsubscribe => 0b0010, // MQTT-2.1.3-1
        PacketType::Connect
        | PacketType::ConnAck
        | PacketType::Publish
        | PacketType::PubAck
        | PacketType::PubRec
        | PacketType::PubComp
        | PacketType::SubAck
        | PacketType::UnsubAck
        | PacketType::PingReq
        | PacketType::PingResp
        | PacketType::Disconnect
        | PacketType::Auth => 0,
    }
}

/// Length of the whole packet, in bytes.
#[inline]
pub(crate) fn encoded_len<P: Write>(packet: &P, version: Version) -> Result<usize, EncodeError> {
    remaining_len(packet, version).map(frame_len)
}

/// Length of the packet with this Remaining Length, in bytes.
#[inline]
pub(crate) fn frame_len(remaining: u32) -> usize {
    1 + varint::len_with(remaining)
}

/// Writes the whole packet; on an error nothing.
#[inline]
pub(crate) fn encode<P: Write>(packet: &P, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
    let remaining = remaining_len(packet, version)?;
    out.reserve(frame_len(remaining));
    out.u8((packet.packet_type() as u8) << 4 | packet.flags());
    out.varint(remaining);
    packet.write(version, out)
}

#[inline]
fn remaining_len<P: Write>(packet: &P, version: Version) -> Result<u32, EncodeError> {
    let mut counter = Counter::default();
    packet.write(version, &mut counter)?;
    as_varint(counter.count(), packet.packet_type(), "Remaining Length")
}

/// Binary data that has a length of two bytes.
pub(crate) fn binary<S: Sink>(
    packet: PacketType,
    field: &'static str,
    bytes: &[u8],
    sink: &mut S,
) -> Result<(), EncodeError> {
    if bytes.len() > text::MAX_LEN {
        return Err(EncodeError::TooLong { packet, field, max: text::MAX_LEN });
    }
    sink.section(bytes);
    Ok(())
}
