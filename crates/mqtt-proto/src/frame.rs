//! Framing: where a packet ends, from its first two to five bytes (section 2 of both standards).

use crate::{PacketType, ProtocolError};

/// The first two to five bytes of a packet: its type, its flags and its length.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FixedHeader {
    first_byte: u8,
    packet_type: PacketType,
    /// Of this header itself.
    header_len: u8,
    remaining_len: u32,
}

impl FixedHeader {
    /// Reads the header at the start of `input`; `None` if more bytes are needed. The flags are left to
    /// [`Packet::decode`](crate::Packet::decode): they depend on the version.
    ///
    /// # Errors
    ///
    /// If the packet type is 0, or the length has a fifth byte.
    pub fn parse(_input: &[u8]) -> Result<Option<Self>, ProtocolError> {
        todo!()
    }

    /// The kind of packet.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        self.packet_type
    }

    /// The lower four bits of the first byte.
    #[must_use]
    pub const fn flags(&self) -> u8 {
        self.first_byte & 0x0F
    }

    /// The first byte.
    #[must_use]
    pub const fn first_byte(&self) -> u8 {
        self.first_byte
    }

    /// Length of the whole packet, in bytes, with this header: 2 to 268,435,460.
    #[must_use]
    pub const fn frame_len(&self) -> usize {
        self.header_len as usize + self.remaining_len as usize
    }

    /// Length of the packet after this header, in bytes: 0 to 268,435,455.
    #[must_use]
    pub const fn remaining_len(&self) -> usize {
        self.remaining_len as usize
    }
}
