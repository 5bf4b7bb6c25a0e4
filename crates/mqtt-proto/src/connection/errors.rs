//! The caller's mistakes, and the moments at which a command cannot be taken.

use alloc::boxed::Box;
use core::fmt;

use crate::EncodeError;

/// Why a command was not taken. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// The connection is not open yet: wait for CONNACK (client) or `accept` (server).
    NotConnected,
    /// The connection has ended.
    Closed,
    /// The peer's Receive Maximum, the packet ids, or the outbox are used up: write the outbox, wait for
    /// acknowledgements, try again.
    Full,
    /// The packet would exceed the peer's Maximum Packet Size.
    TooLarge {
        /// Bytes of the packet.
        size: usize,
        /// Bytes the peer accepts.
        maximum: u32,
    },
    /// The server has said that it does not offer this.
    NotAvailable(Capability),
    /// A rule of the protocol forbids it here; the text names the rule and the remedy.
    NotAllowed(&'static str),
    /// It cannot be expressed in a packet of this version.
    Encode(EncodeError),
}

/// Something a server may announce it does not offer (5.0 §3.2.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Capability {
    /// The message's QoS is above Maximum QoS.
    Qos,
    /// Retain Available is 0.
    Retain,
    /// Wildcard Subscription Available is 0.
    WildcardSubscription,
    /// Subscription Identifiers Available is 0.
    SubscriptionIdentifier,
    /// Shared Subscription Available is 0.
    SharedSubscription,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected => f.write_str("the connection is not open yet: wait for CONNACK"),
            Self::Closed => f.write_str("the connection has ended"),
            Self::Full => f.write_str(
                "too much is under way: wait for acknowledgements and for the outbox to drain, then try again",
            ),
            Self::TooLarge { size, maximum } => {
                write!(f, "the packet has {size} bytes and the peer's Maximum Packet Size is {maximum}")
            }
            Self::NotAvailable(capability) => write!(f, "the server does not offer this: {capability}"),
            Self::NotAllowed(rule) => f.write_str(rule),
            Self::Encode(error) => write!(f, "{error}"),
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Qos => "a QoS above its Maximum QoS",
            Self::Retain => "retained messages (Retain Available 0)",
            Self::WildcardSubscription => "wildcards in filters (Wildcard Subscription Available 0)",
            Self::SubscriptionIdentifier => "subscription identifiers (Subscription Identifiers Available 0)",
            Self::SharedSubscription => "shared subscriptions (Shared Subscription Available 0)",
        })
    }
}

impl core::error::Error for CommandError {}

impl From<EncodeError> for CommandError {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error)
    }
}

/// A command that was not taken, with what it was given: nothing has changed and nothing is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected<T>(Box<(CommandError, T)>);

impl<T> Rejected<T> {
    pub(crate) fn new(error: CommandError, given: T) -> Self {
        Self(Box::new((error, given)))
    }

    /// Why it was not taken.
    pub fn kind(&self) -> &CommandError {
        &self.0.0
    }

    /// What the command was given: the message, the session, the duty to answer.
    pub fn into_inner(self) -> T {
        self.0.1
    }
}

impl<T> fmt::Display for Rejected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind().fmt(f)
    }
}

impl<T: fmt::Debug> core::error::Error for Rejected<T> {}

/// For `?` where what was given is not needed any more.
impl<T> From<Rejected<T>> for CommandError {
    fn from(rejected: Rejected<T>) -> Self {
        rejected.0.0
    }
}
