//! What a connection tells its owner.

use alloc::boxed::Box;

use crate::session::{Ack, Token};
use crate::{
    Auth, ConnAck, Connect, Disconnect, Message, Properties, PropertyId, PropertyValue, ProtocolError, ReasonCode,
    SubAck, Subscribe, Text, UnsubAck, Unsubscribe,
};

use super::timer::Timer;

/// What a client connection tells.
#[derive(Debug, PartialEq, Eq, Hash)]
pub enum ClientEvent {
    /// The server accepted the connection.
    Connected(ConnAck),
    /// A message arrived.
    Message(Delivery),
    /// A QoS 1 or 2 message of ours is finished.
    Acknowledged(Acknowledged),
    /// The server has forgotten the session that this message was part of (Session Present 0).
    Unacknowledged {
        /// The message's token.
        token: Token,
        /// The message, if the server never acknowledged it: publish it anew, or give it up. `None` if PUBREC had arrived:
        /// the server had taken it over, and nobody can tell what became of it.
        message: Option<Message>,
    },
    /// SUBACK: one reason code per filter, in the order of the filters.
    Subscribed {
        /// Which request.
        token: Token,
        /// The answer.
        suback: SubAck,
    },
    /// UNSUBACK: in 5.0 one reason code per filter; in 3.x it has none.
    Unsubscribed {
        /// Which request.
        token: Token,
        /// The answer.
        unsuback: UnsubAck,
    },
    /// The server goes on with the authentication exchange (5.0 §4.12): answer with
    /// [`auth`](crate::Connection::auth) if its reason is 0x18.
    Auth(Auth),
    /// The end. Nothing follows.
    Closed(Closed),
}

/// What a server connection tells.
#[derive(Debug, PartialEq, Eq, Hash)]
pub enum ServerEvent {
    /// A client asks in: answer with [`accept`](crate::Connection::accept), [`refuse`](crate::Connection::refuse), or
    /// [`auth`](crate::Connection::auth) if it names an Authentication Method. Until then no more input is taken.
    Connect(Box<Connect>),
    /// A message arrived.
    Message(Delivery),
    /// A QoS 1 or 2 message of ours is finished.
    Acknowledged(Acknowledged),
    /// The client subscribes: answer with [`suback`](crate::Connection::suback).
    Subscribe(SubscribeRequest),
    /// The client unsubscribes: answer with [`unsuback`](crate::Connection::unsuback).
    Unsubscribe(UnsubscribeRequest),
    /// The client goes on with authentication, or starts it again (0x19): answer with
    /// [`auth`](crate::Connection::auth), or [`accept`](crate::Connection::accept) the first time.
    Auth(Auth),
    /// The end. Nothing follows.
    Closed(Closed),
}

/// A message that arrived.
#[derive(Debug, PartialEq, Eq, Hash)]
#[must_use = "a QoS 1 or 2 message must be acknowledged"]
pub struct Delivery {
    /// The message, its topic alias resolved.
    pub message: Message,
    /// The sender marked it as a repetition of an earlier attempt.
    pub dup: bool,
    /// For QoS 1 and 2: hand it to [`ack`](crate::Connection::ack) once the message is yours.
    pub ack: Option<Ack>,
}

/// The end of one QoS 1 or 2 message of ours.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acknowledged {
    /// Which message.
    pub token: Token,
    /// Below 0x80 the peer has it (0x10: and nobody subscribed to it); from 0x80 the peer refused it.
    pub reason: ReasonCode,
    /// Reason String and User Properties of the deciding packet, if any.
    pub properties: Properties,
}

/// A SUBSCRIBE that waits for its answer.
#[derive(Debug, PartialEq, Eq, Hash)]
#[must_use = "every SUBSCRIBE must be answered"]
pub struct SubscribeRequest {
    /// What the client asks for.
    pub subscribe: Subscribe,
    /// The connection of the session that it came on.
    pub(crate) connection: u32,
    /// What its answer carries besides the reason codes.
    pub(crate) answer: Properties,
}

/// An UNSUBSCRIBE that waits for its answer.
#[derive(Debug, PartialEq, Eq, Hash)]
#[must_use = "every UNSUBSCRIBE must be answered"]
pub struct UnsubscribeRequest {
    /// What the client asks for.
    pub unsubscribe: Unsubscribe,
    /// The connection of the session that it came on.
    pub(crate) connection: u32,
    /// What its answer carries besides the reason codes.
    pub(crate) answer: Properties,
}

impl ClientEvent {
    /// About how many bytes it holds that the peer has chosen: what the limit of waiting events counts.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Message(delivery) => message_len(&delivery.message),
            Self::Acknowledged(acknowledged) => properties_len(&acknowledged.properties),
            Self::Subscribed { suback, .. } => suback.reasons.len() + suback.properties().encoded_len(),
            Self::Unsubscribed { unsuback, .. } => unsuback.reasons.len() + unsuback.properties().encoded_len(),
            Self::Auth(auth) => auth.properties().encoded_len(),
            // Ours, or the only one of its kind.
            Self::Unacknowledged { .. } | Self::Connected(_) | Self::Closed(_) => 0,
        }
    }

    pub(crate) fn duplicate(&self) -> Self {
        match self {
            Self::Connected(connack) => Self::Connected(connack.clone()),
            Self::Message(delivery) => Self::Message(delivery.duplicate()),
            Self::Acknowledged(acknowledged) => Self::Acknowledged(acknowledged.clone()),
            Self::Unacknowledged { token, message } => Self::Unacknowledged { token: *token, message: message.clone() },
            Self::Subscribed { token, suback } => Self::Subscribed { token: *token, suback: suback.clone() },
            Self::Unsubscribed { token, unsuback } => Self::Unsubscribed { token: *token, unsuback: unsuback.clone() },
            Self::Auth(auth) => Self::Auth(auth.clone()),
            Self::Closed(closed) => Self::Closed(closed.clone()),
        }
    }
}

impl ServerEvent {
    /// About how many bytes it holds that the peer has chosen: what the limit of waiting events counts.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Message(delivery) => message_len(&delivery.message),
            Self::Acknowledged(acknowledged) => properties_len(&acknowledged.properties),
            Self::Subscribe(SubscribeRequest { subscribe, .. }) => {
                let filters = subscribe.subscriptions.iter().map(|subscription| subscription.filter.as_bytes().len());
                let entries = size_of_val(&*subscribe.subscriptions);
                entries + filters.sum::<usize>() + subscribe.properties().encoded_len()
            }
            Self::Unsubscribe(UnsubscribeRequest { unsubscribe, .. }) => {
                let filters = unsubscribe.filters.iter().map(|filter| filter.as_bytes().len());
                let entries = size_of_val(&*unsubscribe.filters);
                entries + filters.sum::<usize>() + unsubscribe.properties().encoded_len()
            }
            Self::Auth(auth) => auth.properties().encoded_len(),
            // The only one of its kind.
            Self::Connect(_) | Self::Closed(_) => 0,
        }
    }

    pub(crate) fn duplicate(&self) -> Self {
        match self {
            Self::Connect(connect) => Self::Connect(connect.clone()),
            Self::Message(delivery) => Self::Message(delivery.duplicate()),
            Self::Acknowledged(acknowledged) => Self::Acknowledged(acknowledged.clone()),
            Self::Subscribe(request) => Self::Subscribe(request.duplicate()),
            Self::Unsubscribe(request) => Self::Unsubscribe(request.duplicate()),
            Self::Auth(auth) => Self::Auth(auth.clone()),
            Self::Closed(closed) => Self::Closed(closed.clone()),
        }
    }
}

impl Delivery {
    fn duplicate(&self) -> Self {
        let ack = self.ack.as_ref().map(|ack| Ack {
            key: ack.key,
            reason: ack.reason,
            reason_string: ack.reason_string.clone(),
        });
        Self { message: self.message.clone(), dup: self.dup, ack }
    }
}

#[inline]
pub(super) fn message_len(message: &Message) -> usize {
    message.topic.as_bytes().len() + message.payload.len() + properties_len(message.properties())
}

#[inline]
fn properties_len(properties: &Properties) -> usize {
    if properties.is_empty() { 0 } else { properties.encoded_len() }
}

impl SubscribeRequest {
    /// Adds a Reason String to SUBACK (5.0 only), left out if the packet would exceed the client's Maximum Packet Size, or the
    /// client wants no problem information (MQTT-3.1.2-29).
    pub fn with_reason_string(mut self, text: Text) -> Self {
        self.answer.set(PropertyId::ReasonString, PropertyValue::Text(&text));
        self
    }

    /// Adds a User Property to SUBACK (5.0 only), left out as the Reason String is, and before it; names may repeat.
    pub fn with_user_property(mut self, name: Text, value: Text) -> Self {
        self.answer.add(PropertyId::UserProperty, PropertyValue::Pair(&name, &value));
        self
    }

    fn duplicate(&self) -> Self {
        Self { subscribe: self.subscribe.clone(), connection: self.connection, answer: self.answer.clone() }
    }
}

impl UnsubscribeRequest {
    /// Adds a Reason String to UNSUBACK (5.0 only), left out if the packet would exceed the client's Maximum Packet Size, or the
    /// client wants no problem information (MQTT-3.1.2-29).
    pub fn with_reason_string(mut self, text: Text) -> Self {
        self.answer.set(PropertyId::ReasonString, PropertyValue::Text(&text));
        self
    }

    /// Adds a User Property to UNSUBACK (5.0 only), left out as the Reason String is, and before it; names may repeat.
    pub fn with_user_property(mut self, name: Text, value: Text) -> Self {
        self.answer.add(PropertyId::UserProperty, PropertyValue::Pair(&name, &value));
        self
    }

    fn duplicate(&self) -> Self {
        Self { unsubscribe: self.unsubscribe.clone(), connection: self.connection, answer: self.answer.clone() }
    }
}

/// Why a connection ended, and on whose account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Closed {
    /// We did: [`disconnect`](crate::Connection::disconnect) or [`refuse`](crate::Connection::refuse).
    Local,
    /// The peer did, with a DISCONNECT.
    Remote(Disconnect),
    /// The server refused the connection: CONNACK with a reason of 0x80 or above.
    Refused(ConnAck),
    /// The peer broke a rule of the protocol. In 5.0 the outbox holds the DISCONNECT that tells it so.
    ProtocolError(ProtocolError),
    /// The peer was silent for too long.
    TimedOut(Timer),
    /// The transport ended without a DISCONNECT.
    Eof,
}

impl core::fmt::Display for Closed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Local => f.write_str("closed by this side"),
            Self::Remote(disconnect) => {
                write!(f, "the peer disconnected: {}", disconnect.reason)?;
                reason_string(f, disconnect.properties())
            }
            Self::Refused(connack) => {
                write!(f, "the server refused the connection: {}", connack.reason)?;
                reason_string(f, connack.properties())
            }
            Self::ProtocolError(error) => write!(f, "the peer broke the protocol: {error}"),
            Self::TimedOut(timer) => write!(f, "{timer}"),
            Self::Eof => f.write_str("the transport ended without a DISCONNECT"),
        }
    }
}

fn reason_string(f: &mut core::fmt::Formatter<'_>, properties: &Properties) -> core::fmt::Result {
    match properties.reason_string() {
        Some(text) => write!(f, " ({text})"),
        None => Ok(()),
    }
}
