//! What goes in and out of the broker besides messages.

use core::fmt;

use mqtt_proto::{
    Ack, Auth, ConnAck, Disconnect, ProtocolError, ReasonCode, Session, SubscribeRequest, Text, TopicFilter, TopicName,
    UnsubscribeRequest,
};

use super::policy::ClientInfo;

/// One link to the broker, or one subscriber in the process. Its owner numbers them and never uses a number again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer(u64);

impl Peer {
    /// The peer with this number. Numbers rise: of two peers the smaller is the older one.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Where a link comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Index in the embedder's list of listeners, for policies that differ from one to the other.
    pub listener: u32,
    /// For logs and policies: `127.0.0.1:51234`, `unix`. Nothing is read out of it.
    pub address: Option<Box<str>>,
}

/// What the owner of the connections has to do, in this order for each peer.
///
/// After [`Refuse`](Self::Refuse), [`Disconnect`](Self::Disconnect) and [`Close`](Self::Close) the owner writes what is left
/// in the outbox, closes the transport and calls [`Broker::handle_closed`](crate::Broker::handle_closed).
#[derive(Debug)]
#[must_use = "a client waits for it"]
pub enum Action {
    /// [`Connection::accept`](mqtt_proto::Connection::accept). If that fails, close, and give the session back.
    Accept {
        /// The answer.
        connack: ConnAck,
        /// The stored session.
        session: Option<Session>,
    },
    /// [`Connection::refuse`](mqtt_proto::Connection::refuse).
    Refuse(ConnAck),
    /// [`Connection::suback`](mqtt_proto::Connection::suback).
    Suback {
        /// What is answered.
        request: SubscribeRequest,
        /// One for each filter.
        reasons: Vec<ReasonCode>,
        /// Why some were refused, for people.
        reason_string: Option<Text>,
    },
    /// [`Connection::unsuback`](mqtt_proto::Connection::unsuback).
    Unsuback {
        /// What is answered.
        request: UnsubscribeRequest,
        /// One for each filter.
        reasons: Vec<ReasonCode>,
    },
    /// [`Connection::ack`](mqtt_proto::Connection::ack).
    Ack(Ack),
    /// [`Connection::auth`](mqtt_proto::Connection::auth).
    Auth(Auth),
    /// [`Connection::disconnect`](mqtt_proto::Connection::disconnect).
    Disconnect(Disconnect),
    /// [`Broker::poll_message`](crate::Broker::poll_message) has something for this peer. At most one waits for each peer.
    Deliver,
    /// Close the transport without a word.
    Close,
}

/// Why a link is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// [`Config::maximum_connections`](crate::Config::maximum_connections) are there.
    TooManyConnections,
    /// The broker is shutting down.
    ShuttingDown,
    /// The number is in use.
    PeerInUse,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooManyConnections => "as many connections as the broker takes are there",
            Self::ShuttingDown => "the broker is shutting down",
            Self::PeerInUse => "a peer with this number is there",
        })
    }
}

impl core::error::Error for OpenError {}

/// Something worth a line in a log. See [`Config::maximum_notices`](crate::Config::maximum_notices).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A client is in.
    Connected {
        /// Its link.
        peer: Peer,
        /// Who it is.
        client: ClientInfo,
        /// It asked for a new session.
        clean_start: bool,
        /// What it asked for, in seconds.
        keep_alive: u16,
        /// A stored session goes on.
        session_present: bool,
    },
    /// A client was sent away before it was in.
    Refused {
        /// Its link.
        peer: Peer,
        /// Who it says it is.
        client: ClientInfo,
        /// Why.
        reason: ReasonCode,
    },
    /// A client is gone.
    Disconnected {
        /// Its link.
        peer: Option<Peer>,
        /// Its identifier.
        client_id: Text,
        /// Why, for programs.
        reason: Gone,
        /// Why, in words.
        why: String,
    },
    /// A session has ended.
    SessionEnded {
        /// Of which client.
        client_id: Text,
    },
    /// A client subscribed.
    Subscribed {
        /// Which one.
        client_id: Text,
        /// To what.
        filter: TopicFilter,
        /// The answer.
        reason: ReasonCode,
    },
    /// A client unsubscribed.
    Unsubscribed {
        /// Which one.
        client_id: Text,
        /// From what.
        filter: TopicFilter,
    },
    /// A message came in and was taken.
    Published {
        /// From whom; `None`: from the server itself.
        client_id: Option<Text>,
        /// Where to.
        topic: TopicName,
        /// Bytes of its payload.
        len: usize,
    },
    /// A client exceeded its Receive Maximum, within [`Config::receive_tolerance`](crate::Config::receive_tolerance).
    Tolerated {
        /// Which one.
        client_id: Text,
        /// By so many messages, which were taken, since the last time.
        messages: u64,
    },
    /// A message did not reach a client, or was not taken from one.
    Dropped {
        /// Which one; `None`: nobody in particular.
        client_id: Option<Text>,
        /// Its topic.
        topic: TopicName,
        /// Why.
        why: DropReason,
    },
    /// A connection was closed at once, because as many as there may be are there: [`Config::maximum_connections`](crate::Config::maximum_connections),
    /// or those of its listener.
    TurnedAway {
        /// Where it came from.
        origin: Origin,
        /// How many there may be, of the listener or in all.
        maximum: usize,
    },
    /// A listener could not accept connections, most likely for want of file descriptors. It goes on trying. Told by a
    /// [`Server`](crate::Server), for each socket at most once in ten seconds.
    AcceptFailed {
        /// [`Origin::listener`].
        listener: u32,
        /// What the system said.
        why: String,
        /// How often it has failed since this was told the last time.
        failures: u64,
    },
}

/// Why a client is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gone {
    /// It said DISCONNECT, with this reason; in 3.x always 0x00.
    Client(ReasonCode),
    /// The broker sent it away, and said this if it speaks 5.0: a newer connection has its session (0x8E), it is not welcome
    /// any more (0x87), the broker shuts down (0x8B).
    Broker(ReasonCode),
    /// It broke the protocol.
    ProtocolError(ProtocolError),
    /// It was silent for too long.
    TimedOut,
    /// The transport ended without a DISCONNECT.
    Transport,
}

/// Why a message was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The client's own queue is full.
    QueueFull,
    /// All queues together are full.
    MemoryFull,
    /// It has expired (MQTT-3.3.2-5).
    Expired,
    /// It cannot be sent to this client: too large, or not expressible in its version.
    Unsendable,
    /// The client may not publish it, or a limit forbids it.
    Refused(ReasonCode),
    /// The client has refused it.
    RefusedByClient(ReasonCode),
    /// The share group has no member that could take it.
    NoMember,
}
