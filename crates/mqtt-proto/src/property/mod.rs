//! Properties (5.0 section 2.2.2): one table of what each one is, and a validated view over their encoded bytes.

mod set;

pub use set::Properties;

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
    /// Two bytes, or four, or a variable byte integer.
    Number(u32),
    /// A UTF-8 string.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
    /// A name and a value.
    Pair(&'a str, &'a str),
}
