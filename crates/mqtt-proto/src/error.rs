//! Whose mistake it was: the peer's ([`ProtocolError`]) or the caller's ([`EncodeError`]).

use core::fmt;

use crate::{PacketType, ReasonCode, Version};

/// The peer broke a rule: which packet, which field, which rule, and what to tell the peer.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProtocolError {
    rule: &'static Rule,
    field: &'static str,
    /// `NO_OFFSET` when the mistake is not at a byte.
    offset: u32,
    packet: Option<PacketType>,
    version: Version,
}

/// One rule of the standards: our words, its statement id in 3.x and in 5.0, and the reason code to send.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Rule {
    /// What is wrong, in our words: "not valid UTF-8".
    pub(crate) words: &'static str,
    /// The statement id in MQTT 3.1 and 3.1.1.
    pub(crate) v3: &'static str,
    /// The statement id in MQTT 5.0.
    pub(crate) v5: &'static str,
    /// What a 5.0 DISCONNECT or CONNACK says about it.
    pub(crate) reason: ReasonCode,
}

impl Rule {
    /// A rule that makes a packet malformed (0x81).
    pub(crate) const fn malformed(words: &'static str, v3: &'static str, v5: &'static str) -> Self {
        Self { words, v3, v5, reason: ReasonCode::MALFORMED_PACKET }
    }

    /// A rule that a well-formed packet breaks (0x82).
    pub(crate) const fn protocol(words: &'static str, v3: &'static str, v5: &'static str) -> Self {
        Self { words, v3, v5, reason: ReasonCode::PROTOCOL_ERROR }
    }
}

impl ProtocolError {
    /// A broken rule that is not at one byte of a packet. Keep the rule in a `const` or `static`:
    /// `ProtocolError::new(version, Some(PacketType::PubAck), "packet identifier", &RULE)`.
    pub(crate) const fn new(
        version: Version,
        packet: Option<PacketType>,
        field: &'static str,
        rule: &'static Rule,
    ) -> Self {
        Self { rule, field, offset: NO_OFFSET, packet, version }
    }

    /// The same, at byte `offset` of the packet, counted from its first byte.
    pub(crate) const fn at(self, offset: usize) -> Self {
        // A frame has less than 2^28 + 5 bytes, so this never cuts.
        Self { offset: offset as u32, ..self }
    }

    /// The kind of packet, if its first byte could tell.
    #[must_use]
    pub const fn packet(&self) -> Option<PacketType> {
        self.packet
    }

    /// The field, in the words of the standard.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }

    /// The broken rule, in our words.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        self.rule.words
    }

    /// The id of the broken statement, such as `MQTT-3.1.3-4`; rules without a number have an id of ours
    /// (`U5-2.1.4`: the standard 5.0, section 2.1.4).
    #[must_use]
    pub const fn statement(&self) -> &'static str {
        match self.version {
            Version::V31 | Version::V311 => self.rule.v3,
            Version::V5 => self.rule.v5,
        }
    }

    /// Where in the packet, counted in bytes from its first one.
    #[must_use]
    pub const fn offset(&self) -> Option<usize> {
        if self.offset == NO_OFFSET { None } else { Some(self.offset as usize) }
    }

    /// The version whose rule it is; 5.0 where the packet did not say.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// What to tell the peer, in MQTT 5.0.
    #[must_use]
    pub const fn reason(&self) -> ReasonCode {
        self.rule.reason
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.packet {
            Some(packet) => write!(f, "{packet} {}", self.field)?,
            None => f.write_str(self.field)?,
        }
        if let Some(offset) = self.offset() {
            write!(f, " at byte {offset}")?;
        }
        write!(f, ": {} [{}] ({})", self.rule(), self.statement(), self.reason())
    }
}

impl fmt::Debug for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProtocolError({self})")
    }
}

impl core::error::Error for ProtocolError {}

/// The caller asked for a packet that cannot be written. Nothing was written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum EncodeError {
    /// The version has no such packet, field, property or reason code.
    NotInVersion {
        /// The packet.
        packet: PacketType,
        /// The field, in the words of the standard.
        field: &'static str,
        /// The version asked for.
        version: Version,
    },
    /// A value is longer than its length field can say.
    TooLong {
        /// The packet.
        packet: PacketType,
        /// The field, in the words of the standard.
        field: &'static str,
        /// The greatest length, in bytes (characters for a topic of MQTT 3.1).
        max: usize,
    },
    /// A field that must be there is absent.
    Missing {
        /// The packet.
        packet: PacketType,
        /// The field, in the words of the standard.
        field: &'static str,
        /// When it must be there, in our words.
        rule: &'static str,
    },
    /// A field or value stands where the rules forbid it.
    Forbidden {
        /// The packet.
        packet: PacketType,
        /// The field, in the words of the standard.
        field: &'static str,
        /// What is allowed, in our words.
        rule: &'static str,
    },
}

impl EncodeError {
    /// The kind of packet that could not be written.
    #[must_use]
    pub const fn packet(&self) -> PacketType {
        match self {
            Self::NotInVersion { packet, .. }
            | Self::TooLong { packet, .. }
            | Self::Missing { packet, .. }
            | Self::Forbidden { packet, .. } => *packet,
        }
    }

    /// The field that is wrong, in the words of the standard.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::NotInVersion { field, .. }
            | Self::TooLong { field, .. }
            | Self::Missing { field, .. }
            | Self::Forbidden { field, .. } => field,
        }
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInVersion { packet, field, version } => {
                write!(f, "{packet} {field}: {version} does not have it; leave it out or use another version")
            }
            Self::TooLong { packet, field, max } => write!(f, "{packet} {field}: longer than {max}; shorten it"),
            Self::Missing { packet, field, rule } => write!(f, "{packet} {field}: missing; {rule}"),
            Self::Forbidden { packet, field, rule } => write!(f, "{packet} {field}: not allowed; {rule}"),
        }
    }
}

impl core::error::Error for EncodeError {}

const NO_OFFSET: u32 = u32::MAX;
