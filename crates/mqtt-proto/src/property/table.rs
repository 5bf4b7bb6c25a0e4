//! The one table of properties (5.0 table 2-4): what each is, where it may stand, how often, and which values it has.

use super::{Kind, PropertyId as Id};
use crate::{PacketType as P, ReasonCode, Rule, rules};

/// What is known of a property.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: Id,
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Where it may stand: bit n is [`Place`] n.
    places: u16,
    /// Where it may stand more than once.
    repeats: u16,
    pub(crate) legal: Legal,
    /// What bad UTF-8 breaks here.
    pub(crate) not_utf8: &'static Rule,
}

/// Which values a property has.
#[derive(Debug)]
pub(crate) enum Legal {
    /// All of its kind.
    Any,
    /// 0 and 1.
    Bool(Rule),
    /// All but 0.
    NonZero(Rule),
    /// A topic name.
    TopicName(Rule),
}

/// Where properties stand: in a packet, or in the will of a CONNECT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place(u8);

impl Place {
    pub(crate) const WILL: Self = Self(0);

    pub(crate) const fn of(packet: P) -> Self {
        Self(packet as u8)
    }

    /// The properties that may stand here, as bits.
    #[inline]
    pub(crate) fn allowed(self) -> u64 {
        ALLOWED.get(usize::from(self.0)).copied().unwrap_or_default()
    }

    /// The properties that may stand here more than once, as bits.
    #[inline]
    pub(crate) fn repeatable(self) -> u64 {
        REPEATABLE.get(usize::from(self.0)).copied().unwrap_or_default()
    }
}

/// The property with this number on the wire.
#[inline]
pub(super) fn find(number: u8) -> Option<&'static Row> {
    let index = BY_NUMBER.get(usize::from(number))?;
    ROWS.get(usize::from(*index))
}

pub(super) fn row(id: Id) -> &'static Row {
    // Every identifier has a row; the other arm is for the compiler.
    find(id as u8).unwrap_or(FIRST)
}

static ROWS: [Row; 27] = [
    new(Id::PayloadFormatIndicator, "Payload Format Indicator", Kind::Byte, PUBLISH | WILL, boolean("U5-3.1.3.2.3")),
    new(Id::MessageExpiryInterval, "Message Expiry Interval", Kind::FourBytes, PUBLISH | WILL, Legal::Any),
    Row {
        not_utf8: &NOT_UTF8_CONTENT_TYPE,
        ..new(Id::ContentType, "Content Type", Kind::Text, PUBLISH | WILL, Legal::Any)
    },
    Row {
        not_utf8: &NOT_UTF8_RESPONSE_TOPIC,
        ..new(Id::ResponseTopic, "Response Topic", Kind::Text, PUBLISH | WILL, topic_name("MQTT-3.3.2-14"))
    },
    new(Id::CorrelationData, "Correlation Data", Kind::Binary, PUBLISH | WILL, Legal::Any),
    Row {
        repeats: PUBLISH,
        ..new(
            Id::SubscriptionIdentifier,
            "Subscription Identifier",
            Kind::Varint,
            PUBLISH | SUBSCRIBE,
            non_zero("U5-3.3.2.3.8a"),
        )
    },
    new(
        Id::SessionExpiryInterval,
        "Session Expiry Interval",
        Kind::FourBytes,
        CONNECT | CONNACK | DISCONNECT,
        Legal::Any,
    ),
    new(Id::AssignedClientIdentifier, "Assigned Client Identifier", Kind::Text, CONNACK, Legal::Any),
    new(Id::ServerKeepAlive, "Server Keep Alive", Kind::TwoBytes, CONNACK, Legal::Any),
    new(Id::AuthenticationMethod, "Authentication Method", Kind::Text, CONNECT | CONNACK | AUTH, Legal::Any),
    new(Id::AuthenticationData, "Authentication Data", Kind::Binary, CONNECT | CONNACK | AUTH, Legal::Any),
    new(Id::RequestProblemInformation, "Request Problem Information", Kind::Byte, CONNECT, boolean("U5-3.1.2.11.7a")),
    new(Id::WillDelayInterval, "Will Delay Interval", Kind::FourBytes, WILL, Legal::Any),
    new(Id::RequestResponseInformation, "Request Response Information", Kind::Byte, CONNECT, boolean("U5-3.1.2.11.6")),
    new(Id::ResponseInformation, "Response Information", Kind::Text, CONNACK, Legal::Any),
    new(Id::ServerReference, "Server Reference", Kind::Text, CONNACK | DISCONNECT, Legal::Any),
    new(Id::ReasonString, "Reason String", Kind::Text, WITH_REASON, Legal::Any),
    new(Id::ReceiveMaximum, "Receive Maximum", Kind::TwoBytes, CONNECT | CONNACK, non_zero("U5-3.1.2.11.3")),
    new(Id::TopicAliasMaximum, "Topic Alias Maximum", Kind::TwoBytes, CONNECT | CONNACK, Legal::Any),
    new(Id::TopicAlias, "Topic Alias", Kind::TwoBytes, PUBLISH, alias("MQTT-3.3.2-8")),
    new(Id::MaximumQoS, "Maximum QoS", Kind::Byte, CONNACK, boolean("U5-3.2.2.3.4")),
    new(Id::RetainAvailable, "Retain Available", Kind::Byte, CONNACK, boolean("U5-3.2.2.3.5")),
    Row { repeats: EVERYWHERE, ..new(Id::UserProperty, "User Property", Kind::Pair, EVERYWHERE, Legal::Any) },
    new(Id::MaximumPacketSize, "Maximum Packet Size", Kind::FourBytes, CONNECT | CONNACK, non_zero("U5-3.1.2.11.4a")),
    new(
        Id::WildcardSubscriptionAvailable,
        "Wildcard Subscription Available",
        Kind::Byte,
        CONNACK,
        boolean("U5-3.2.2.3.11"),
    ),
    new(
        Id::SubscriptionIdentifierAvailable,
        "Subscription Identifier Available",
        Kind::Byte,
        CONNACK,
        boolean("U5-3.2.2.3.12"),
    ),
    new(
        Id::SharedSubscriptionAvailable,
        "Shared Subscription Available",
        Kind::Byte,
        CONNACK,
        boolean("U5-3.2.2.3.13"),
    ),
];

const fn new(id: Id, name: &'static str, kind: Kind, places: u16, legal: Legal) -> Row {
    Row { id, name, kind, places, repeats: 0, legal, not_utf8: &rules::NOT_UTF8 }
}

const fn boolean(statement: &'static str) -> Legal {
    Legal::Bool(Rule::protocol("must be 0 or 1", statement, statement))
}

const fn non_zero(statement: &'static str) -> Legal {
    Legal::NonZero(Rule::protocol("must not be 0", statement, statement))
}

const fn alias(statement: &'static str) -> Legal {
    let rule = Rule::protocol("must not be 0", statement, statement);
    Legal::NonZero(Rule { reason: ReasonCode::TOPIC_ALIAS_INVALID, ..rule })
}

const fn topic_name(statement: &'static str) -> Legal {
    Legal::TopicName(Rule::malformed("must be a topic name, without the wildcards + and #", statement, statement))
}

const fn at(place: Place) -> u16 {
    1 << place.0
}

const fn within(packet: P) -> u16 {
    at(Place::of(packet))
}

const WILL: u16 = at(Place::WILL);
const CONNECT: u16 = within(P::Connect);
const CONNACK: u16 = within(P::ConnAck);
const PUBLISH: u16 = within(P::Publish);
const SUBSCRIBE: u16 = within(P::Subscribe);
const DISCONNECT: u16 = within(P::Disconnect);
const AUTH: u16 = within(P::Auth);
const ACKS: u16 = within(P::PubAck) | within(P::PubRec) | within(P::PubRel) | within(P::PubComp);
const WITH_REASON: u16 = CONNACK | ACKS | within(P::SubAck) | within(P::UnsubAck) | DISCONNECT | AUTH;
const EVERYWHERE: u16 = WITH_REASON | WILL | CONNECT | PUBLISH | SUBSCRIBE | within(P::Unsubscribe);

const NOT_UTF8_RESPONSE_TOPIC: Rule = Rule::malformed(rules::UTF8_WORDS, "MQTT-3.3.2-13", "MQTT-3.3.2-13");
const NOT_UTF8_CONTENT_TYPE: Rule = Rule::malformed(rules::UTF8_WORDS, "MQTT-3.3.2-19", "MQTT-3.3.2-19");

pub(super) const UNKNOWN: Rule = Rule::malformed("no property has this identifier", "U5-2.2.2a", "U5-2.2.2a");
pub(super) const MISPLACED: Rule =
    Rule::malformed("this property may not stand in this packet", "U5-2.2.2a", "U5-2.2.2a");
pub(super) const REPEATED: Rule = Rule::protocol("this property may stand once only", "U5-2.2.2b", "U5-2.2.2b");
pub(super) const TOO_LONG: Rule = Rule::malformed("the properties end beyond the packet", "U5-2.2.2c", "U5-2.2.2c");

static FIRST: &Row = &ROWS[0];
/// By number, the index in `ROWS`; `u8::MAX` for none.
static BY_NUMBER: [u8; 43] = by_number();
static ALLOWED: [u64; 16] = by_place(false);
static REPEATABLE: [u64; 16] = by_place(true);

// Run by the compiler alone, where a panic is a compile error. // U5-2.2.2a
#[expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "evaluated at compile time")]
const fn by_number() -> [u8; 43] {
    let mut table = [u8::MAX; 43];
    let mut index = 0;
    while index < ROWS.len() {
        table[ROWS[index].id as usize] = index as u8;
        index += 1;
    }
    table
}

#[expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "evaluated at compile time")]
const fn by_place(repeats: bool) -> [u64; 16] {
    let mut table = [0; 16];
    let mut index = 0;
    while index < ROWS.len() {
        let row = &ROWS[index];
        let places = if repeats { row.repeats } else { row.places };
        let mut place = 0;
        while place < table.len() {
            if places & (1 << place) != 0 {
                table[place] |= row.id.bit();
            }
            place += 1;
        }
        index += 1;
    }
    table
}
