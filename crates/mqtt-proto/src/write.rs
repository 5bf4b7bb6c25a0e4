//! Encoding: each packet is written once in code, and run against the buffer for the bytes, or against a counter for their
//! number. No length is kept by hand.

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
    let start = out.len();
    // A buffer with little room is given as much as the packet needs, and not twice that.
    if out.capacity() - start < WORTH_COUNTING {
        out.reserve(encoded_len(packet, version)?);
    }
    out.u16(u16::from((packet.packet_type() as u8) << 4 | packet.flags()) << 8);
    let body = out.len();
    let result = packet.write(version, out).and_then(|()| {
        let remaining = out.len() - body;
        if remaining >= 0x80 {
            return put_length(packet.packet_type(), out, body);
        }
        out[body - 1] = remaining as u8;
        Ok(())
    });
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Makes the one byte of length that stands before `body` as many as it takes.
#[inline(never)]
fn put_length(packet: PacketType, out: &mut BytesMut, body: usize) -> Result<(), EncodeError> {
    let end = out.len();
    let mut rest = as_varint(end - body, packet, REMAINING_LENGTH)?;
    let more = varint::len(rest) - 1;
    out.put_slice(&[0; 3][..more]);
    out.copy_within(body..end, body + more);
    for byte in &mut out[body - 1..body + more] {
        *byte = rest as u8 | 0x80;
        rest >>= 7;
    }
    out[body - 1 + more] &= 0x7F;
    Ok(())
}

#[inline]
fn remaining_len<P: Write>(packet: &P, version: Version) -> Result<u32, EncodeError> {
    let mut counter = Counter::default();
    packet.write(version, &mut counter)?;
    as_varint(counter.count(), packet.packet_type(), REMAINING_LENGTH)
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

const REMAINING_LENGTH: &str = "Remaining Length";

/// Room in which few packets but messages do not fit.
const WORTH_COUNTING: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FixedHeader;

    /// As many bytes as it says.
    struct Zeros(usize);

    impl Write for Zeros {
        fn packet_type(&self) -> PacketType {
            PacketType::Auth
        }

        fn write<S: Sink>(&self, version: Version, sink: &mut S) -> Result<(), EncodeError> {
            sink.put(&alloc::vec![0; self.0]);
            // A mistake is found after much has been written.
            if version == Version::V5 { Ok(()) } else { as_varint(usize::MAX, PacketType::Auth, "end").map(|_| ()) }
        }
    }

    #[test]
    fn a_length_has_as_many_bytes_as_it_needs_and_counts_what_follows() {
        for len in [0, 1, 0x7F, 0x80, 0x3FFF, 0x4000, 0x1F_FFFF, 0x20_0000] {
            let mut out = BytesMut::from("before");
            assert_eq!(encode(&Zeros(len), Version::V5, &mut out), Ok(()));
            assert_eq!(Ok(out.len() - 6), encoded_len(&Zeros(len), Version::V5));
            let Ok(Some(header)) = FixedHeader::parse(&out[6..]) else { panic!("it is whole") };
            assert_eq!((&out[..6], header.first_byte(), header.remaining_len()), (&b"before"[..], 0xF0, len));
            assert!(out[6 + header.header_len()..].iter().all(|&byte| byte == 0));
        }
    }

    #[test]
    fn a_buffer_with_little_room_gets_what_the_packet_needs() {
        for (before, body) in [(0, 10_000), (200, 10_000), (200, 600), (10_000, 12_000)] {
            let mut out = BytesMut::with_capacity(before);
            out.resize(before, 0);
            assert_eq!(out.capacity(), before);
            assert_eq!(encode(&Zeros(body), Version::V5, &mut out), Ok(()));
            assert!(out.capacity() < out.len().max(2 * before) + 16, "{} for {}", out.capacity(), out.len());
        }
    }

    #[test]
    fn a_packet_that_cannot_be_written_leaves_the_buffer_as_it_was() {
        for room in [0, 10_000] {
            let mut out = BytesMut::with_capacity(room);
            out.put_slice(b"before");
            assert!(encode(&Zeros(300), Version::V311, &mut out).is_err());
            assert_eq!(out, "before");
        }
    }
}
