//! Framing: where a packet ends, from its first two to five bytes (section 2 of both standards).

use crate::{PacketType, ProtocolError, Version, rules, varint};

/// The first two to five bytes of a packet: its type, its flags and its length.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FixedHeader {
    first_byte: u8,
    packet_type: PacketType,
    /// How many bytes the length takes: 1 to 4.
    length_len: u8,
    remaining_len: u32,
}

impl FixedHeader {
    /// Reads the header at the start of `input`; `None` if more bytes are needed. The flags are left to
    /// [`Packet::decode`](crate::Packet::decode): they depend on the version.
    ///
    /// # Errors
    ///
    /// If the packet type is 0, or the length has a fifth byte or more bytes than it needs. The statement ids are those
    /// of 5.0, as the version is not known here.
    // Decoding begins here, and looking for the end of a batch is nothing else: as a call it cost 16 instructions more a packet.
    #[inline(always)]
    pub fn parse(input: &[u8]) -> Result<Option<Self>, ProtocolError> {
        let Some((&first_byte, length)) = input.split_first() else {
            return Ok(None);
        };
        let Some(packet_type) = PacketType::new(first_byte >> 4) else {
            return Err(ProtocolError::new(Version::V5, None, "packet type", &rules::PACKET_TYPE).at(0));
        };
        match varint::read(length) {
            Ok(None) => Ok(None),
            Ok(Some((remaining_len, len))) => {
                Ok(Some(Self { first_byte, packet_type, length_len: len as u8, remaining_len }))
            }
            Err(rule) => Err(ProtocolError::new(Version::V5, Some(packet_type), "Remaining Length", rule).at(1)),
        }
    }

    /// The kind of packet.
    #[must_use]
    #[inline]
    pub const fn packet_type(&self) -> PacketType {
        self.packet_type
    }

    /// The lower four bits of the first byte.
    #[must_use]
    #[inline]
    pub const fn flags(&self) -> u8 {
        self.first_byte & 0x0F
    }

    /// The first byte.
    #[must_use]
    #[inline]
    pub const fn first_byte(&self) -> u8 {
        self.first_byte
    }

    /// Length of the whole packet, in bytes, with this header: 2 to 268,435,460.
    #[must_use]
    #[inline]
    pub const fn frame_len(&self) -> usize {
        self.header_len() + self.remaining_len as usize
    }

    /// Length of this header itself, in bytes: 2 to 5.
    #[must_use]
    #[inline]
    pub const fn header_len(&self) -> usize {
        1 + self.length_len as usize
    }

    /// Length of the packet after this header, in bytes: 0 to 268,435,455.
    #[must_use]
    #[inline]
    pub const fn remaining_len(&self) -> usize {
        self.remaining_len as usize
    }
}

/// The fixed header of the one packet that `frame` must be, and all that follows.
#[inline(always)]
pub(crate) fn split(version: Version, frame: &[u8]) -> Result<(FixedHeader, &[u8]), ProtocolError> {
    let header = FixedHeader::parse(frame)?;
    match header.and_then(|header| Some((header, frame.get(header.header_len()..)?))) {
        Some((header, body)) if body.len() == header.remaining_len() => Ok((header, body)),
        _ => {
            let packet = header.map(|header| header.packet_type());
            Err(ProtocolError::new(version, packet, "Remaining Length", &rules::FRAME).at(1))
        }
    }
}
