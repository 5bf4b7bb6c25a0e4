//! UTF-8 strings of the protocol, validated once (section 1.5.3 of 3.1.1, 1.5.4 of 5.0).

use alloc::string::String;
use core::{fmt, ops::Deref, str};

use bytes::Bytes;

use crate::Storage;

/// A UTF-8 string without U+0000, of at most 65,535 bytes (section 1.5.3 of 3.1.1, 1.5.4 of 5.0).
///
/// About some characters the standards leave a choice. Ours is one for decoder and encoder: control characters other than
/// U+0000 and Unicode's non-characters are accepted everywhere. U+FEFF is a character like any other. MQTT 3.1 has
/// looser rules for its strings; they are held to the same.
// U5-1.5.4, U5-5.4.9, MQTT-1.5.4-3, D31-utf8
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text<B: Storage = Bytes>(B);

/// Why bytes are not a [`Text`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum TextError {
    /// Not valid UTF-8.
    NotUtf8,
    /// It holds the character U+0000.
    Nul,
    /// It has more than 65,535 bytes.
    TooLong,
}

impl<B: Storage> Text<B> {
    /// The text that these bytes are.
    ///
    /// # Errors
    ///
    /// If they are not UTF-8, hold U+0000 or are more than 65,535.
    pub fn new(bytes: B) -> Result<Self, TextError> {
        if bytes.as_ref().len() > MAX_LEN {
            return Err(TextError::TooLong);
        }
        check(bytes.as_ref())?;
        Ok(Self(bytes))
    }

    /// Bytes that have been checked.
    #[inline]
    pub(crate) fn trusted(bytes: B) -> Self {
        Self(bytes)
    }

    /// The text as `str`. The bytes are checked again, because this crate has no unsafe code:
    /// compare [`Text::as_bytes`] where speed counts.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.0.as_ref()).unwrap_or_default()
    }

    /// The bytes of the text.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_ref()
    }

    /// The storage.
    #[must_use]
    pub fn into_inner(self) -> B {
        self.0
    }

    /// The same text, independent of the buffer.
    #[must_use]
    pub fn to_shared(&self) -> Text<Bytes> {
        Text(self.0.to_shared())
    }
}

impl Text<Bytes> {
    /// A text known when the program is written.
    ///
    /// # Panics
    ///
    /// If it holds U+0000 or has more than 65,535 bytes.
    #[must_use]
    pub fn from_static(text: &'static str) -> Self {
        match Self::new(Bytes::from_static(text.as_bytes())) {
            Ok(text) => text,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Checks what a text must be, but for its length: UTF-8 (so no surrogates) without U+0000.
#[inline]
pub(crate) fn check(bytes: &[u8]) -> Result<(), TextError> {
    // Almost every text is ASCII: one pass tells.
    if is_plain(bytes) { Ok(()) } else { check_slowly(bytes) }
}

/// Whether it is a text as almost all are: of ASCII bytes alone.
#[inline(never)]
pub(crate) fn is_plain(bytes: &[u8]) -> bool {
    is_free_of(bytes, odd_bytes)
}

#[cold]
fn check_slowly(bytes: &[u8]) -> Result<(), TextError> {
    if str::from_utf8(bytes).is_err() {
        return Err(TextError::NotUtf8); // MQTT-1.5.4-1
    }
    if bytes.contains(&0) {
        return Err(TextError::Nul); // MQTT-1.5.4-2
    }
    Ok(())
}

/// Whether `marks` sets no byte's highest bit: it is given all bytes, eight at a time, some of them twice, and some `a`
/// where there are less than four.
// Sixteen bytes a turn: 28 bytes take 49 instructions, and 62 with eight a turn.
#[inline(always)]
pub(crate) fn is_free_of(bytes: &[u8], marks: impl Fn(u64) -> u64) -> bool {
    let both = |chunk: &[u8; 16]| {
        let words = u128::from_le_bytes(*chunk);
        marks(words as u64) | marks((words >> 64) as u64)
    };
    let marked = if let Some(last) = bytes.last_chunk() {
        let mut marked = both(last);
        let mut rest = bytes;
        while let Some((chunk, tail)) = rest.split_first_chunk() {
            marked |= both(chunk);
            rest = tail;
        }
        marked
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        marks(u64::from_le_bytes(*first)) | marks(u64::from_le_bytes(*last))
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        marks(u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)))
    } else {
        marks(bytes.iter().fold(FILL, |word, &byte| word << 8 | u64::from(byte)))
    };
    marked & HIGHS == 0
}

/// Sets the highest bit of a byte that is zero or not ASCII. (And of some after a zero.)
#[inline]
pub(crate) fn odd_bytes(word: u64) -> u64 {
    word | word.wrapping_sub(ONES)
}

impl<B: Storage> Deref for Text<B> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl<B: Storage> AsRef<str> for Text<B> {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl<B: Storage> PartialEq<str> for Text<B> {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<B: Storage> PartialEq<&str> for Text<B> {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl TryFrom<&str> for Text {
    type Error = TextError;

    fn try_from(text: &str) -> Result<Self, TextError> {
        // Checked before it is copied: a text that is too long costs no allocation.
        Text::new(text.as_bytes()).map(|text| text.to_shared())
    }
}

impl TryFrom<String> for Text {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        Self::new(Bytes::from(text))
    }
}

impl<B: Storage> fmt::Display for Text<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl<B: Storage> fmt::Debug for Text<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUtf8 => "not valid UTF-8",
            Self::Nul => "a text must not hold U+0000",
            Self::TooLong => "a text must not be longer than 65,535 bytes",
        })
    }
}

impl core::error::Error for TextError {}

/// Texts and binary data carry their length in two bytes.
pub(crate) const MAX_LEN: usize = 65_535;

pub(crate) const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;
const FILL: u64 = u64::from_be_bytes(*b"aaaaaaaa");

#[cfg(test)]
mod tests {
    use super::*;

    // What takes the slow way would still be right: only its speed tells.
    #[test]
    fn plain_bytes_of_every_length_are_seen_to_be_plain() {
        for length in 0..40 {
            let mut bytes = alloc::vec![b'a'; length];
            assert!(is_free_of(&bytes, odd_bytes));
            if let Some(last) = bytes.last_mut() {
                *last = 0x7F;
                assert!(is_free_of(&bytes, odd_bytes));
                bytes[0] = 0;
                assert!(!is_free_of(&bytes, odd_bytes));
            }
        }
    }

    // What is seen of two halves, which may overlap, comes together: neither may hide what is in the other.
    #[test]
    fn odd_bytes_are_seen_however_many_there_are() {
        for length in 1..40 {
            for (period, odd) in (1..=length).flat_map(|period| [(period, 0), (period, 0x80)]) {
                for first in 0..period {
                    let mut bytes = alloc::vec![b'a'; length];
                    bytes.iter_mut().skip(first).step_by(period).for_each(|byte| *byte = odd);
                    assert!(!is_plain(&bytes), "{bytes:?}");
                }
            }
        }
    }
}
