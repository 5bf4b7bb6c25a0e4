//! Properties (5.0 section 2.2.2): one table of what each one is, and a validated view over their encoded bytes.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

mod access;
mod set;
mod table;

pub(crate) use set::Apart;
pub use set::Properties;
pub(crate) use table::Place;
use table::{Legal, Row};

use crate::{ProtocolError, Storage, read::Reader, rules, topic, write::Sink};

/// The name of a property, with its number on the wire (5.0 section 2.2.2.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PropertyId {
    /// Payload Format Indicator.
    PayloadFormatIndicator = 1,
    /// Message Expiry Interval.
    MessageExpiryInterval = 2,
    /// Content Type.
    ContentType = 3,
    /// Response Topic.
    ResponseTopic = 8,
    /// Correlation Data.
    CorrelationData = 9,
    /// Subscription Identifier.
    SubscriptionIdentifier = 11,
    /// Session Expiry Interval.
    SessionExpiryInterval = 17,
    /// Assigned Client Identifier.
    AssignedClientIdentifier = 18,
    /// Server Keep Alive.
    ServerKeepAlive = 19,
    /// Authentication Method.
    AuthenticationMethod = 21,
    /// Authentication Data.
    AuthenticationData = 22,
    /// Request Problem Information.
    RequestProblemInformation = 23,
    /// Will Delay Interval.
    WillDelayInterval = 24,
    /// Request Response Information.
    RequestResponseInformation = 25,
    /// Response Information.
    ResponseInformation = 26,
    /// Server Reference.
    ServerReference = 28,
    /// Reason String.
    ReasonString = 31,
    /// Receive Maximum.
    ReceiveMaximum = 33,
    /// Topic Alias Maximum.
    TopicAliasMaximum = 34,
    /// Topic Alias.
    TopicAlias = 35,
    /// Maximum QoS.
    MaximumQoS = 36,
    /// Retain Available.
    RetainAvailable = 37,
    /// User Property.
    UserProperty = 38,
    /// Maximum Packet Size.
    MaximumPacketSize = 39,
    /// Wildcard Subscription Available.
    WildcardSubscriptionAvailable = 40,
    /// Subscription Identifier Available.
    SubscriptionIdentifierAvailable = 41,
    /// Shared Subscription Available.
    SharedSubscriptionAvailable = 42,
}

/// The value of a property.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PropertyValue<'a> {
    /// One byte.
    Byte(u8),
    /// Two bytes, four, or a variable byte integer.
    Number(u32),
    /// A UTF-8 string.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
    /// A name and a value.
    Pair(&'a str, &'a str),
}

impl PropertyId {
    /// The property with this number on the wire.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        table::find(u8::try_from(number).ok()?).map(|row| row.id)
    }

    /// Its name, as the standard writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    pub(crate) fn row(self) -> &'static Row {
        table::row(self)
    }

    /// The bit that stands for it in a set of properties.
    #[inline]
    pub(crate) const fn bit(self) -> u64 {
        1 << self as u8
    }
}

/// Reads the identifier of the next property.
#[inline(always)]
fn read_id<B: Storage>(reader: &mut Reader<'_, B>) -> Result<&'static Row, ProtocolError> {
    // It is a variable byte integer; those that there are have one byte.
    match reader.peek().and_then(table::find) {
        Some(row) => {
            reader.u8(IDENTIFIER)?;
            Ok(row)
        }
        None => Err(unknown(reader.clone())),
    }
}

#[cold]
fn unknown<B: Storage>(mut reader: Reader<'_, B>) -> ProtocolError {
    let error = reader.fail(IDENTIFIER, &table::UNKNOWN);
    reader.varint(IDENTIFIER).err().unwrap_or(error)
}

/// Reads the value of a property whose identifier is at `at`, and checks it. Returns it, if it is a number.
#[inline(always)]
fn check_value<B: Storage>(
    reader: &mut Reader<'_, B>,
    at: usize,
    row: &'static Row,
) -> Result<Option<u32>, ProtocolError> {
    let field = row.name;
    let number = match row.kind {
        Kind::Byte => reader.u8(field)?.into(),
        Kind::TwoBytes => reader.u16(field)?.into(),
        Kind::FourBytes => reader.u32(field)?,
        Kind::Varint => reader.varint(field)?,
        Kind::Text => {
            let text = reader.text_bytes(field, row.not_utf8)?;
            return match &row.legal {
                Legal::TopicName(rule) if topic::check(text).is_err() => Err(reader.fail_at(at, field, rule)),
                Legal::Any | Legal::Bool(_) | Legal::NonZero(_) | Legal::TopicName(_) => Ok(None),
            };
        }
        Kind::Binary => return reader.section(field).map(|_| None),
        Kind::Pair => {
            reader.text_bytes("User Property name", &rules::NOT_UTF8_PAIR)?;
            return reader.text_bytes("User Property value", &rules::NOT_UTF8_PAIR).map(|_| None);
        }
    };
    match &row.legal {
        Legal::Bool(rule) if number > 1 => Err(reader.fail_at(at, field, rule)),
        Legal::NonZero(rule) if number == 0 => Err(reader.fail_at(at, field, rule)),
        Legal::Any | Legal::Bool(_) | Legal::NonZero(_) | Legal::TopicName(_) => Ok(Some(number)),
    }
}

/// Reads the value of a property that has been checked.
fn read_value<'f>(reader: &mut Reader<'f, &'f [u8]>, row: &Row) -> Result<PropertyValue<'f>, ProtocolError> {
    let field = row.name;
    Ok(match row.kind {
        Kind::Byte => PropertyValue::Byte(reader.u8(field)?),
        Kind::TwoBytes => PropertyValue::Number(reader.u16(field)?.into()),
        Kind::FourBytes => PropertyValue::Number(reader.u32(field)?),
        Kind::Varint => PropertyValue::Number(reader.varint(field)?),
        Kind::Text => PropertyValue::Text(reader.checked_str(field)?),
        Kind::Binary => PropertyValue::Binary(reader.section(field)?),
        Kind::Pair => {
            let name = reader.checked_str(field)?;
            PropertyValue::Pair(name, reader.checked_str(field)?)
        }
    })
}

/// Writes a property, unless its value is longer than its length can say.
fn write<S: Sink>(sink: &mut S, id: PropertyId, value: PropertyValue<'_>) {
    sink.u8(id as u8);
    match value {
        PropertyValue::Byte(byte) => sink.u8(byte),
        PropertyValue::Number(number) => match id.row().kind {
            Kind::TwoBytes => sink.u16(number as u16),
            Kind::FourBytes => sink.u32(number),
            Kind::Varint => sink.varint(number),
            Kind::Byte | Kind::Text | Kind::Binary | Kind::Pair => debug_assert!(false, "{id:?} is no such number"),
        },
        PropertyValue::Text(text) => sink.section(text.as_bytes()),
        PropertyValue::Binary(bytes) => sink.section(bytes),
        PropertyValue::Pair(name, value) => {
            sink.section(name.as_bytes());
            sink.section(value.as_bytes());
        }
    }
}

const IDENTIFIER: &str = "property identifier";

/// What the value of a property looks like on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Byte,
    TwoBytes,
    FourBytes,
    Varint,
    Text,
    Binary,
    Pair,
}
