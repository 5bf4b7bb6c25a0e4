//! Topic filters: what a subscription asks for (sections 4.7 and 4.8 of 5.0, 4.7 of 3.1.1).

use alloc::string::String;
use core::{fmt, ops::Deref, str};

use bytes::Bytes;

use crate::{
    Storage, TopicName, Version,
    text::{self, Text, TextError},
    topic,
};

/// What a subscription asks for: a topic, possibly with the wildcards `+` (one level) and `#` (all that follows), or a
/// shared subscription `$share/name/filter`.
///
/// MQTT 5.0 knows nothing else that begins with `$share/`. For 3.x, which knows no shares, `$share/name` or `$share/+/a` is a
/// filter like any other: see [`is_legal_in`](Self::is_legal_in).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter<B: Storage = Bytes>(Text<B>);

/// Why bytes are not a [`TopicFilter`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum FilterError {
    /// Not a [`Text`].
    Text(TextError),
    /// It is empty.
    Empty,
    /// A `#` is not the last level, or not alone in it.
    MultiLevel,
    /// A `+` is not alone in its level.
    SingleLevel,
}

impl<B: Storage> TopicFilter<B> {
    /// The topic filter that these bytes are.
    ///
    /// # Errors
    ///
    /// If they are not a [`Text`], are empty, or have a wildcard where none may be.
    pub fn new(bytes: B) -> Result<Self, FilterError> {
        if bytes.as_ref().len() > text::MAX_LEN {
            return Err(FilterError::Text(TextError::TooLong)); // MQTT-4.7.3-3
        }
        check(bytes.as_ref())?;
        Ok(Self::trusted(bytes))
    }

    /// Bytes that have been checked.
    pub(crate) fn trusted(bytes: B) -> Self {
        Self(Text::trusted(bytes))
    }

    /// The filter as `str`, with its share. The bytes are checked again, because this crate has no unsafe code:
    /// compare [`TopicFilter::as_bytes`] where speed counts.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The bytes of the filter, with its share.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Whether it is a shared subscription, `$share/name/filter`. (MQTT 3.x gives `$share` no meaning; brokers do.)
    #[must_use]
    pub fn is_shared(&self) -> bool {
        split_share(self.as_bytes()).is_some()
    }

    /// Whether the version has such a filter. What begins with `$share/` has to be a shared subscription in 5.0: a name
    /// without wildcards and a filter follow (MQTT-4.8.2-1, MQTT-4.8.2-2).
    #[must_use]
    pub fn is_legal_in(&self, version: Version) -> bool {
        match version {
            Version::V31 | Version::V311 => true,
            Version::V5 => !is_misshaped_share(self.as_bytes()),
        }
    }

    /// The name of the share, if it is a shared subscription.
    #[must_use]
    pub fn share_name(&self) -> Option<&str> {
        let (name, _) = split_share(self.as_bytes())?;
        str::from_utf8(name).ok()
    }

    /// The filter, without a share.
    #[must_use]
    pub fn filter(&self) -> &str {
        str::from_utf8(self.filter_bytes()).unwrap_or_default()
    }

    fn filter_bytes(&self) -> &[u8] {
        split_share(self.as_bytes()).map_or(self.as_bytes(), |(_, filter)| filter)
    }

    /// Whether it holds a `+` or `#`.
    #[must_use]
    pub fn has_wildcards(&self) -> bool {
        crate::topic::has_wildcard(self.as_bytes())
    }

    /// Whether a message on `topic` is asked for. The share is left aside. A wildcard in the first level does not match
    /// topics that begin with `$` (MQTT-4.7.2-1).
    #[must_use]
    pub fn matches<C: Storage>(&self, topic: &TopicName<C>) -> bool {
        let (filter, topic) = (self.filter_bytes(), topic.as_bytes());
        if topic.is_empty() || (topic.starts_with(b"$") && matches!(filter, [b'+' | b'#', ..])) {
            return false; // MQTT-4.7.2-1
        }
        let mut levels = topic.split(|&byte| byte == b'/');
        for wanted in filter.split(|&byte| byte == b'/') {
            if wanted == b"#" {
                return true; // Also of the level above: `a/#` matches `a`.
            }
            match levels.next() {
                Some(level) if wanted == b"+" || wanted == level => {}
                Some(_) | None => return false,
            }
        }
        levels.next().is_none()
    }

    /// The storage.
    #[must_use]
    pub fn into_inner(self) -> B {
        self.0.into_inner()
    }

    /// The same filter, independent of the buffer.
    #[must_use]
    pub fn to_shared(&self) -> TopicFilter<Bytes> {
        TopicFilter(self.0.to_shared())
    }
}

impl TopicFilter<Bytes> {
    /// A topic filter known when the program is written.
    ///
    /// # Panics
    ///
    /// If it is not a topic filter.
    #[must_use]
    pub fn from_static(text: &'static str) -> Self {
        match Self::new(Bytes::from_static(text.as_bytes())) {
            Ok(filter) => filter,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Checks what a topic filter must be, but for its length.
pub(crate) fn check(bytes: &[u8]) -> Result<(), FilterError> {
    text::check(bytes).map_err(FilterError::Text)?;
    if bytes.is_empty() {
        return Err(FilterError::Empty); // MQTT-4.7.3-1
    }
    if !topic::has_wildcard(bytes) {
        return Ok(());
    }
    let mut levels = bytes.split(|&byte| byte == b'/').peekable();
    while let Some(level) = levels.next() {
        if level.contains(&b'#') && (level != b"#" || levels.peek().is_some()) {
            return Err(FilterError::MultiLevel); // MQTT-4.7.1-1
        }
        if level.contains(&b'+') && level != b"+" {
            return Err(FilterError::SingleLevel); // MQTT-4.7.1-2
        }
    }
    Ok(())
}

/// Whether it begins as a shared subscription and is none.
pub(crate) fn is_misshaped_share(bytes: &[u8]) -> bool {
    bytes.starts_with(SHARE) && split_share(bytes).is_none()
}

/// The name of the share and the filter after it, if this is `$share/name/filter`.
fn split_share(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let share = bytes.strip_prefix(SHARE)?;
    let slash = share.iter().position(|&byte| byte == b'/')?;
    let (name, rest) = share.split_at_checked(slash)?;
    let filter = rest.get(1..)?;
    // MQTT-4.8.2-1, MQTT-4.8.2-2
    (!name.is_empty() && !topic::has_wildcard(name) && !filter.is_empty()).then_some((name, filter))
}

impl<B: Storage> Deref for TopicFilter<B> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl<B: Storage> AsRef<str> for TopicFilter<B> {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl<B: Storage> PartialEq<str> for TopicFilter<B> {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<B: Storage> PartialEq<&str> for TopicFilter<B> {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl TryFrom<&str> for TopicFilter {
    type Error = FilterError;

    fn try_from(text: &str) -> Result<Self, FilterError> {
        TopicFilter::new(text.as_bytes()).map(|text| text.to_shared())
    }
}

impl TryFrom<String> for TopicFilter {
    type Error = FilterError;

    fn try_from(text: String) -> Result<Self, FilterError> {
        Self::new(Bytes::from(text))
    }
}

impl<B: Storage> TryFrom<Text<B>> for TopicFilter<B> {
    type Error = FilterError;

    fn try_from(text: Text<B>) -> Result<Self, FilterError> {
        Self::new(text.into_inner())
    }
}

impl<B: Storage> fmt::Display for TopicFilter<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl<B: Storage> fmt::Debug for TopicFilter<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(error) => error.fmt(f),
            Self::Empty => f.write_str("a topic filter must not be empty"),
            Self::MultiLevel => f.write_str("the wildcard # must be the last level of a topic filter, and alone in it"),
            Self::SingleLevel => f.write_str("the wildcard + must be alone in its level of a topic filter"),
        }
    }
}

impl core::error::Error for FilterError {}

const SHARE: &[u8] = b"$share/";
