//! Everything that can go wrong, in words for the person who has to act on it.

use core::{convert::Infallible, fmt};

use mqtt_proto::{CommandError, EncodeError, FilterError, ProtocolError, ReasonCode, TextError, Timer, TopicError};

use crate::{Endpoint, StoreError};

/// Why an operation failed, or why the client stopped.
///
/// `Display` gives one line for the user, without a trailing full stop: "the server refused the connection: 0x86 bad user
/// name or password".
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The options or the URL are wrong.
    Options(OptionsError),
    /// Not a topic name that can be published to.
    InvalidTopic(TopicError),
    /// Not a topic filter.
    InvalidFilter(FilterError),
    /// The server could not be reached: no such host, nobody listening, no route, no answer in time.
    Unreachable {
        /// Where we tried.
        server: Endpoint,
        /// What the transport said.
        cause: String,
    },
    /// The server answered CONNECT with a refusal.
    Refused {
        /// Its reason; the return codes of 3.x are translated to the reason codes of 5.0.
        reason: ReasonCode,
        /// Its Reason String.
        text: Option<String>,
    },
    /// The server ended the connection with a DISCONNECT (5.0).
    DisconnectedByServer {
        /// Its reason.
        reason: ReasonCode,
        /// Its Reason String.
        text: Option<String>,
    },
    /// The connection broke: closed without a word, reset, or an error of the transport.
    ConnectionLost {
        /// What the transport said.
        cause: String,
    },
    /// The server stayed silent for too long.
    TimedOut(Timer),
    /// The server broke the protocol.
    ServerFault(ProtocolError),
    /// The server refused the message (PUBACK or PUBREC of 0x80 or above).
    PublishRefused(ReasonCode),
    /// The server refused the subscription (SUBACK of 0x80 or above).
    SubscribeRefused(ReasonCode),
    /// The server refused to unsubscribe (UNSUBACK of 0x80 or above).
    UnsubscribeRefused(ReasonCode),
    /// The server cannot take this: too large, a QoS or feature it does not offer, not expressible in this version.
    NotPossible(CommandError),
    /// The filters were unsubscribed before the server had answered.
    Unsubscribed,
    /// The queue of messages is full, and its policy is to refuse.
    QueueFull,
    /// A newer message took this one's place in the queue, as its policy says.
    Superseded,
    /// The message's Message Expiry Interval ran out before it could be sent.
    Expired,
    /// A QoS 0 message was handed over, but the connection broke before it was written.
    NotWritten,
    /// A QoS 2 message was received by the server, which then lost the session: it may have been delivered or not, and
    /// publishing it again might deliver it twice.
    InDoubt,
    /// The store of sessions failed. What it had kept is still there for the next process.
    Store(StoreError),
    /// Nobody drives this client any more: its driver was dropped, for instance by the end of its runtime.
    DriverGone,
    /// The client was disconnected by [`disconnect`](crate::Handle::disconnect), or because its last handle was dropped.
    Stopped,
    /// The time for flushing at a disconnect ran out with this many messages and requests unfinished.
    NotFlushed {
        /// Messages and requests without an answer.
        unfinished: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Options(error) => error.fmt(f),
            Self::InvalidTopic(error) => write!(f, "not a topic to publish to: {error}"),
            Self::InvalidFilter(error) => write!(f, "not a topic filter: {error}"),
            Self::Unreachable { server, cause } => write!(f, "cannot reach {server}: {cause}"),
            Self::Refused { reason, text } => {
                write!(f, "the server refused the connection: {reason}{}", InBrackets(text))
            }
            Self::DisconnectedByServer { reason, text } => {
                write!(f, "the server ended the connection: {reason}{}", InBrackets(text))
            }
            Self::ConnectionLost { cause } => write!(f, "the connection broke: {cause}"),
            Self::TimedOut(timer) => timer.fmt(f),
            Self::ServerFault(error) => write!(f, "the server broke the protocol: {error}"),
            Self::PublishRefused(reason) => write!(f, "the server refused the message: {reason}"),
            Self::SubscribeRefused(reason) => write!(f, "the server refused the subscription: {reason}"),
            Self::UnsubscribeRefused(reason) => write!(f, "the server refused to unsubscribe: {reason}"),
            Self::NotPossible(error) => error.fmt(f),
            Self::Unsubscribed => f.write_str("the filters were unsubscribed before the server had answered"),
            Self::QueueFull => f.write_str("the queue of messages is full"),
            Self::Superseded => f.write_str("a newer message took this one's place in the full queue"),
            Self::Expired => f.write_str("the message expired before it could be sent"),
            Self::NotWritten => f.write_str("the connection broke before the message was written"),
            Self::InDoubt => {
                f.write_str("the server received the message and then forgot it: it may have been delivered or not")
            }
            Self::Store(error) => error.fmt(f),
            Self::DriverGone => f.write_str("nobody drives this client any more: its runtime has ended"),
            Self::Stopped => f.write_str("the client has been disconnected"),
            Self::NotFlushed { unfinished } => {
                write!(f, "disconnected with {unfinished} messages or requests still without an answer")
            }
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Options(error) => Some(error),
            Self::InvalidTopic(error) => Some(error),
            Self::InvalidFilter(error) => Some(error),
            Self::ServerFault(error) => Some(error),
            Self::NotPossible(error) => Some(error),
            Self::Store(error) => Some(error),
            Self::Unreachable { .. }
            | Self::Refused { .. }
            | Self::DisconnectedByServer { .. }
            | Self::ConnectionLost { .. }
            | Self::TimedOut(_)
            | Self::PublishRefused(_)
            | Self::SubscribeRefused(_)
            | Self::UnsubscribeRefused(_)
            | Self::Unsubscribed
            | Self::QueueFull
            | Self::Superseded
            | Self::Expired
            | Self::NotWritten
            | Self::InDoubt
            | Self::DriverGone
            | Self::Stopped
            | Self::NotFlushed { .. } => None,
        }
    }
}

impl From<OptionsError> for Error {
    fn from(error: OptionsError) -> Self {
        Self::Options(error)
    }
}

impl From<TopicError> for Error {
    fn from(error: TopicError) -> Self {
        Self::InvalidTopic(error)
    }
}

impl From<FilterError> for Error {
    fn from(error: FilterError) -> Self {
        Self::InvalidFilter(error)
    }
}

impl From<CommandError> for Error {
    fn from(error: CommandError) -> Self {
        Self::NotPossible(error)
    }
}

/// A [`TopicName`](crate::TopicName) is a topic name without any conversion that could fail.
impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The options or the URL are wrong; nothing was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionsError {
    /// Not a URL of the form `mqtt://user:password@host:1883`.
    Url {
        /// What is wrong with it.
        problem: String,
    },
    /// The URL's scheme asks for a transport that is not there.
    Scheme {
        /// The scheme, without `://`.
        scheme: String,
    },
    /// The URL has a query parameter that nobody knows.
    Parameter {
        /// Its name.
        name: String,
    },
    /// A value that cannot be.
    Value {
        /// The option.
        option: &'static str,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
    /// The CONNECT packet cannot be written in this version.
    Connect(EncodeError),
    /// The store cannot be read.
    Store(StoreError),
}

impl OptionsError {
    pub(crate) fn text(option: &'static str, error: TextError) -> Self {
        Self::Value { option, problem: error.to_string() }
    }
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { problem } => write!(f, "not a server's URL: {problem}"),
            Self::Scheme { scheme } => match scheme.as_str() {
                "mqtts" | "ssl" | "tls" => write!(
                    f,
                    "{scheme}:// is not supported yet: TLS comes with the crate mqtt-wire; until then use mqtt:// through a \
                     TLS tunnel such as stunnel"
                ),
                "ws" | "wss" => write!(
                    f,
                    "{scheme}:// is not supported yet: WebSocket comes with the crate mqtt-wire; until then use the server's \
                     mqtt:// port"
                ),
                _ => write!(f, "{scheme}:// is not a scheme of MQTT: write mqtt://"),
            },
            Self::Parameter { name } => write!(
                f,
                "unknown parameter '{name}' in the URL: known are version, client_id, keep_alive, clean_start and \
                 session_expiry"
            ),
            Self::Value { option, problem } => write!(f, "{option}: {problem}"),
            Self::Connect(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for OptionsError {}

struct InBrackets<'a>(&'a Option<String>);

impl fmt::Display for InBrackets<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(text) => write!(f, " ({text})"),
            None => Ok(()),
        }
    }
}
