//! Variable byte integers: seven bits a byte, least significant first, at most four bytes
//! (section 2.2.3 of 3.1.1, 1.5.5 of 5.0).
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use crate::{Rule, rules};

/// The largest value: 268,435,455.
pub(crate) const MAX: u32 = 0x0FFF_FFFF;

/// The integer at the start of `input` and its length in bytes; `None` if more bytes are needed.
///
/// An integer with more bytes than it needs is refused in every version: the table of lengths in 3.1.1 leaves no room
/// for it either, and two spellings of one length have let packets slip past filters.
#[inline]
pub(crate) fn read(input: &[u8]) -> Result<Option<(u32, usize)>, &'static Rule> {
    // One byte is by far the most frequent.
    match input {
        [] => Ok(None),
        [byte, ..] if *byte < 0x80 => Ok(Some((u32::from(*byte), 1))),
        [low, high @ 1..0x80, ..] => Ok(Some((u32::from(*high) << 7 | u32::from(*low & 0x7F), 2))),
        _ => read_long(input),
    }
}

fn read_long(input: &[u8]) -> Result<Option<(u32, usize)>, &'static Rule> {
    let mut value = 0;
    for (index, &byte) in input.iter().take(4).enumerate() {
        // At most 21 bits to the left: the seven bits stay within 28.
        value |= u32::from(byte & 0x7F) << index.saturating_mul(7);
        if byte < 0x80 {
            return if byte == 0 && index > 0 {
                Err(&rules::VARINT_PADDED)
            } else {
                Ok(Some((value, index.saturating_add(1))))
            };
        }
    }
    // Four bytes that all announce another one need not wait for it.
    if input.len() >= 4 { Err(&rules::VARINT_LONG) } else { Ok(None) }
}

/// How many bytes a length and what it counts take.
#[inline]
pub(crate) const fn len_with(length: u32) -> usize {
    len(length).saturating_add(length as usize)
}

/// How many bytes `value` takes: 1 to 4.
#[inline]
pub(crate) const fn len(value: u32) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}
