//! Properties (5.0 section 2.2.2): one table of what each one is, and a validated view over their encoded bytes.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

mod access;
mod set;
mod table;

pub use set::Properties;
pub(crate) use table::Place;
use table::{Legal, Row};

use crate::{ProtocolError, Storage, read::Reader, rules, write::Sink};

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
        table::find(number).map(|row| row.id)
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
#[inline]
fn read_id<B: Storage>(reader: &mut Reader<'_, B>) -> Result<&'static Row, ProtocolError> {
    let start = reader.clone();
    let number = reader.varint("property identifier")?;
    table::find(number).ok_or_else(|| start.fail("property identifier", &table::UNKNOWN))
}

/// Reads the value of a property.
#[inline]
fn read_value<'f, B: Storage>(reader: &mut Reader<'f, B>, row: &Row) -> Result<PropertyValue<'f>, ProtocolError> {
    let field = row.name;
    Ok(match row.kind {
        Kind::Byte => PropertyValue::Byte(reader.u8(field)?),
        Kind::TwoBytes => PropertyValue::Number(reader.u16(field)?.into()),
        Kind::FourBytes => PropertyValue::Number(reader.u32(field)?),
        Kind::Varint => PropertyValue::Number(reader.varint(field)?),
        Kind::Text => PropertyValue::Text(reader.str(field, row.not_utf8)?),
        Kind::Binary => PropertyValue::Binary(reader.section(field)?),
        Kind::Pair => {
            let name = reader.str("User Property name", &rules::NOT_UTF8_PAIR)?;
            PropertyValue::Pair(name, reader.str("User Property value", &rules::NOT_UTF8_PAIR)?)
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
