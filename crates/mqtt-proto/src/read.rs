//! A bounds-checked reader over one whole frame. Nothing here can panic, whatever the bytes are.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

use core::{ops::Range, str};

use crate::{
    FilterError, PacketId, PacketType, ProtocolError, Rule, Storage, Text, TextError, TopicError, TopicFilter, Version,
    filter, rules, text, topic, varint,
};

/// Reads the fields of one packet, in their order.
#[derive(Clone)]
pub(crate) struct Reader<'f, B: Storage> {
    frame: &'f B,
    /// What has not been read yet; ends where `end` is.
    rest: &'f [u8],
    /// Where the readable part ends, counted from the start of the frame.
    end: usize,
    packet: PacketType,
    version: Version,
}

impl<'f, B: Storage> Reader<'f, B> {
    /// A reader of the end of `frame` that `rest` is.
    #[inline]
    pub(crate) fn new(frame: &'f B, rest: &'f [u8], packet: PacketType, version: Version) -> Self {
        Self { frame, rest, end: frame.as_ref().len(), packet, version }
    }

    #[inline]
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// CONNECT finds its version while it is read.
    pub(crate) fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    #[inline]
    pub(crate) fn packet(&self) -> PacketType {
        self.packet
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Offset of the next byte in the frame.
    #[inline]
    pub(crate) fn position(&self) -> usize {
        self.end.wrapping_sub(self.rest.len())
    }

    /// The error that the field at the next byte breaks this rule.
    #[inline]
    pub(crate) fn fail(&self, field: &'static str, rule: &'static Rule) -> ProtocolError {
        self.fail_at(self.position(), field, rule)
    }

    /// The error that the field at `offset` breaks this rule.
    #[inline]
    pub(crate) fn fail_at(&self, offset: usize, field: &'static str, rule: &'static Rule) -> ProtocolError {
        broken(self.version, self.packet, offset, field, rule)
    }

    #[inline]
    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, ProtocolError> {
        let [byte] = self.array(field)?;
        Ok(byte)
    }

    #[inline]
    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, ProtocolError> {
        self.array(field).map(u16::from_be_bytes)
    }

    #[inline]
    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, ProtocolError> {
        self.array(field).map(u32::from_be_bytes)
    }

    #[inline]
    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], ProtocolError> {
        let Some((array, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.fail(field, &rules::TRUNCATED));
        };
        self.rest = rest;
        Ok(*array)
    }

    /// A variable byte integer.
    #[inline]
    pub(crate) fn varint(&mut self, field: &'static str) -> Result<u32, ProtocolError> {
        match varint::read(self.rest) {
            Ok(Some((value, len))) => {
                self.rest = self.rest.get(len..).unwrap_or_default();
                Ok(value)
            }
            Ok(None) => Err(self.fail(field, &rules::TRUNCATED)),
            Err(rule) => Err(self.fail(field, rule)),
        }
    }

    /// A packet identifier, which must not be zero.
    #[inline]
    pub(crate) fn packet_id(&mut self) -> Result<PacketId, ProtocolError> {
        let at = self.position();
        PacketId::new(self.u16(PACKET_ID)?).ok_or_else(|| self.fail_at(at, PACKET_ID, &rules::PACKET_ID_ZERO))
    }

    /// The next `len` bytes, to look at.
    #[inline]
    fn bytes(&mut self, len: usize, field: &'static str) -> Result<&'f [u8], ProtocolError> {
        let Some((bytes, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.fail(field, &rules::TRUNCATED));
        };
        self.rest = rest;
        Ok(bytes)
    }

    /// A two-byte length and as many bytes, to look at.
    #[inline(always)]
    pub(crate) fn section(&mut self, field: &'static str) -> Result<&'f [u8], ProtocolError> {
        let len = self.u16(field)?;
        self.bytes(usize::from(len), field)
    }

    /// The bytes just read, to keep.
    #[inline(always)]
    fn keep(&self, bytes: &[u8]) -> B {
        let end = self.position();
        self.frame.slice(end.saturating_sub(bytes.len())..end)
    }

    /// A two-byte length and as many bytes, to keep.
    #[inline(always)]
    pub(crate) fn binary(&mut self, field: &'static str) -> Result<B, ProtocolError> {
        let bytes = self.section(field)?;
        Ok(self.keep(bytes))
    }

    /// A UTF-8 string, to look at; `not_utf8` is the rule that bad UTF-8 breaks here.
    #[inline(always)]
    pub(crate) fn text_bytes(
        &mut self,
        field: &'static str,
        not_utf8: &'static Rule,
    ) -> Result<&'f [u8], ProtocolError> {
        let at = self.position();
        let bytes = self.section(field)?;
        if !text::is_plain(bytes) {
            self.clone().check_text(at, bytes, field, not_utf8)?;
        }
        Ok(bytes)
    }

    /// The whole check, for a text that is not plain ASCII.
    #[cold]
    fn check_text(
        self,
        at: usize,
        bytes: &[u8],
        field: &'static str,
        not_utf8: &'static Rule,
    ) -> Result<(), ProtocolError> {
        text::check(bytes).map_err(|error| self.fail_at(at, field, text_rule(error, not_utf8)))
    }

    /// A UTF-8 string that has been checked before.
    pub(crate) fn checked_str(&mut self, field: &'static str) -> Result<&'f str, ProtocolError> {
        self.section(field).map(|bytes| str::from_utf8(bytes).unwrap_or_default())
    }

    /// A UTF-8 string, to keep; `not_utf8` is the rule that bad UTF-8 breaks here.
    #[inline(always)]
    pub(crate) fn text(&mut self, field: &'static str, not_utf8: &'static Rule) -> Result<Text<B>, ProtocolError> {
        let bytes = self.text_bytes(field, not_utf8)?;
        Ok(Text::trusted(self.keep(bytes)))
    }

    /// A topic name, possibly empty.
    #[inline(always)]
    pub(crate) fn topic(
        &mut self,
        field: &'static str,
        not_utf8: &'static Rule,
        wildcard: &'static Rule,
    ) -> Result<Range<usize>, ProtocolError> {
        let at = self.position();
        let bytes = self.section(field)?;
        if !topic::is_plain(bytes) {
            self.clone().check_topic(at, bytes, field, [not_utf8, wildcard])?;
        }
        if self.version == Version::V31 && topic::is_too_long_for_v31(bytes) {
            return Err(self.fail_at(at, field, &rules::TOPIC_LONG));
        }
        let end = self.position();
        Ok(end.wrapping_sub(bytes.len())..end)
    }

    /// The next byte, to look at.
    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The whole check, for a topic that is not plain ASCII.
    #[cold]
    fn check_topic(
        self,
        at: usize,
        bytes: &[u8],
        field: &'static str,
        [not_utf8, wildcard]: [&'static Rule; 2],
    ) -> Result<(), ProtocolError> {
        match topic::check(bytes) {
            Ok(()) | Err(TopicError::Empty) => Ok(()),
            Err(TopicError::Wildcard) => Err(self.fail_at(at, field, wildcard)),
            Err(TopicError::Text(error)) => Err(self.fail_at(at, field, text_rule(error, not_utf8))),
        }
    }

    /// A topic filter.
    pub(crate) fn filter(&mut self, not_utf8: &'static Rule) -> Result<TopicFilter<B>, ProtocolError> {
        let at = self.position();
        let bytes = self.section(FILTER)?;
        if self.version == Version::V5 && filter::is_misshaped_share(bytes) {
            return Err(self.fail_at(at, FILTER, &rules::FILTER_SHARE));
        }
        filter::check(bytes).map_err(|error| {
            let rule = match error {
                FilterError::Text(error) => text_rule(error, not_utf8),
                FilterError::Empty => &rules::TOPIC_EMPTY,
                FilterError::MultiLevel => &rules::FILTER_HASH,
                FilterError::SingleLevel => &rules::FILTER_PLUS,
            };
            self.fail_at(at, FILTER, rule)
        })?;
        Ok(TopicFilter::trusted(self.keep(bytes)))
    }

    /// A reader of the next `len` bytes alone, and these bytes to keep.
    pub(crate) fn sub(&mut self, len: usize, field: &'static str, rule: &'static Rule) -> Result<Self, ProtocolError> {
        let Some((head, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.fail(field, rule));
        };
        let sub = Self { rest: head, end: self.end.saturating_sub(rest.len()), ..self.clone() };
        self.rest = rest;
        Ok(sub)
    }

    /// The bytes that have been read since the reader was as `before`.
    pub(crate) fn since(&self, before: &Self) -> &'f [u8] {
        let len = before.rest.len().saturating_sub(self.rest.len());
        before.rest.get(..len).unwrap_or_default()
    }

    /// The bytes of the frame from `start` to `end`, which have been read.
    pub(crate) fn slice(&self, start: usize, end: usize) -> B {
        if start <= end && end <= self.end { self.frame.slice(start..end) } else { B::default() }
    }

    /// Every byte of the frame is accounted for: nothing may be left.
    #[inline]
    pub(crate) fn finish(&self, rule: &'static Rule) -> Result<(), ProtocolError> {
        if self.is_empty() { Ok(()) } else { Err(self.fail("end", rule)) }
    }
}

impl<'f> Reader<'f, &'f [u8]> {
    /// A reader of bytes that have been checked, to look at: its errors name no packet that means anything.
    pub(crate) fn unframed(bytes: &'f [u8]) -> Self {
        Self { frame: &EMPTY, rest: bytes, end: bytes.len(), packet: PacketType::Publish, version: Version::V5 }
    }
}

/// Values in place of a reader: that it is never pointed to lets the compiler keep it in registers.
#[cold]
fn broken(
    version: Version,
    packet: PacketType,
    offset: usize,
    field: &'static str,
    rule: &'static Rule,
) -> ProtocolError {
    ProtocolError::new(version, Some(packet), field, rule).at(offset)
}

fn text_rule(error: TextError, not_utf8: &'static Rule) -> &'static Rule {
    match error {
        TextError::Nul => &rules::NUL,
        // A length of two bytes cannot say too much.
        TextError::NotUtf8 | TextError::TooLong => not_utf8,
    }
}

pub(crate) const PACKET_ID: &str = "packet identifier";
pub(crate) const FILTER: &str = "topic filter";
const EMPTY: &[u8] = &[];
