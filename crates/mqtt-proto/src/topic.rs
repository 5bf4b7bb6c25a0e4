//! Topic names: where a message is published (section 4.7 of both standards).

use alloc::string::String;
use core::{fmt, ops::Deref};

use bytes::Bytes;

use crate::{
    Storage,
    text::{self, Text, TextError},
};

/// The topic of a message: a [`Text`] of at least one character, without the wildcards `+` and `#`.
///
/// Inside a decoded PUBLISH with a Topic Alias, and only there, it may be empty.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName<B: Storage = Bytes>(Text<B>);

/// Why bytes are not a [`TopicName`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum TopicError {
    /// Not a [`Text`].
    Text(TextError),
    /// It is empty.
    Empty,
    /// It holds a `+` or `#`.
    Wildcard,
}

impl<B: Storage> TopicName<B> {
    /// The topic name that these bytes are.
    ///
    /// # Errors
    ///
    /// If they are not a [`Text`], are empty, or hold a wildcard.
    pub fn new(bytes: B) -> Result<Self, TopicError> {
        if bytes.as_ref().len() > text::MAX_LEN {
            return Err(TopicError::Text(TextError::TooLong)); // MQTT-4.7.3-3
        }
        check(bytes.as_ref())?;
        Ok(Self::trusted(bytes))
    }

    /// Bytes that have been checked; empty only for a PUBLISH with a Topic Alias.
    #[inline]
    pub(crate) fn trusted(bytes: B) -> Self {
        Self(Text::trusted(bytes))
    }

    /// The topic name as `str`. The bytes are checked again, because this crate has no unsafe code:
    /// compare [`TopicName::as_bytes`] where speed counts.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The bytes of the topic name.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The storage.
    #[must_use]
    pub fn into_inner(self) -> B {
        self.0.into_inner()
    }

    /// The same topic name, independent of the buffer.
    #[must_use]
    pub fn to_shared(&self) -> TopicName<Bytes> {
        TopicName(self.0.to_shared())
    }
}

impl TopicName<Bytes> {
    /// A topic name known when the program is written.
    ///
    /// # Panics
    ///
    /// If it is not a topic name.
    #[must_use]
    pub fn from_static(text: &'static str) -> Self {
        match Self::new(Bytes::from_static(text.as_bytes())) {
            Ok(topic) => topic,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Checks what a topic name must be, but for its length.
pub(crate) fn check(bytes: &[u8]) -> Result<(), TopicError> {
    if bytes.is_empty() {
        return Err(TopicError::Empty); // MQTT-4.7.3-1
    }
    if is_plain(bytes) {
        return Ok(());
    }
    text::check(bytes).map_err(TopicError::Text)?;
    if has_wildcard(bytes) {
        return Err(TopicError::Wildcard); // MQTT-4.7.0-1
    }
    Ok(())
}

/// Whether it is a topic name (or empty) as almost all are: of ASCII bytes alone.
#[inline(never)]
pub(crate) fn is_plain(bytes: &[u8]) -> bool {
    text::is_free_of(bytes, |word| text::odd_bytes(word) | wildcards(word))
}

/// Sets the highest bit of a byte that is `+` or `#`, among ASCII bytes. (And of some after one.)
#[inline]
fn wildcards(word: u64) -> u64 {
    // The two differ in one bit: with it set, they are equal.
    const DIFFERENCE: u64 = (b'+' ^ b'#') as u64 * text::ONES;
    const BOTH: u64 = (b'+' | b'#') as u64 * text::ONES;
    ((word | DIFFERENCE) ^ BOTH).wrapping_sub(text::ONES)
}

/// Whether a `+` or `#` is among the bytes.
pub(crate) fn has_wildcard(bytes: &[u8]) -> bool {
    bytes.iter().any(|&byte| byte == b'+' || byte == b'#')
}

/// Whether it has more than the 32,767 characters that MQTT 3.1 allows. // D31-utf8
pub(crate) fn is_too_long_for_v31(bytes: &[u8]) -> bool {
    // Each character has one byte that does not continue another.
    bytes.len() > V31_MAX_CHARS && bytes.iter().filter(|&&byte| byte & 0xC0 != 0x80).count() > V31_MAX_CHARS
}

impl<B: Storage> Deref for TopicName<B> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl<B: Storage> AsRef<str> for TopicName<B> {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl<B: Storage> PartialEq<str> for TopicName<B> {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<B: Storage> PartialEq<&str> for TopicName<B> {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl TryFrom<&str> for TopicName {
    type Error = TopicError;

    fn try_from(text: &str) -> Result<Self, TopicError> {
        TopicName::new(text.as_bytes()).map(|text| text.to_shared())
    }
}

impl TryFrom<String> for TopicName {
    type Error = TopicError;

    fn try_from(text: String) -> Result<Self, TopicError> {
        Self::new(Bytes::from(text))
    }
}

impl<B: Storage> TryFrom<Text<B>> for TopicName<B> {
    type Error = TopicError;

    fn try_from(text: Text<B>) -> Result<Self, TopicError> {
        Self::new(text.into_inner())
    }
}

impl<B: Storage> fmt::Display for TopicName<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl<B: Storage> fmt::Debug for TopicName<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(error) => error.fmt(f),
            Self::Empty => f.write_str("a topic name must not be empty"),
            Self::Wildcard => f.write_str("a topic name must not hold the wildcards + and #"),
        }
    }
}

impl core::error::Error for TopicError {}

/// The length limit of a topic name in MQTT 3.1, in characters.
pub(crate) const V31_MAX_CHARS: usize = 32_767;

#[cfg(test)]
mod tests {
    use super::*;

    // What takes the slow way would still be right: only its speed tells.
    #[test]
    fn plain_names_are_seen_to_be_plain() {
        for length in 0..20 {
            let mut bytes = alloc::vec![b'/'; length];
            assert!(is_plain(&bytes));
            if let Some(last) = bytes.last_mut() {
                *last = b'+';
                assert!(!is_plain(&bytes));
            }
        }
    }
}
