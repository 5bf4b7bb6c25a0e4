//! What the client tells its owner.

use core::time::Duration;

use mqtt_proto::{Auth, ConnAck, Delivery, Properties, ReasonCode};

use crate::Error;

/// Names one published message for the life of the client, over any number of connections and sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub(crate) u64);

impl MessageId {
    /// The id as a number, the one of [`StoredChange::Queued`](crate::StoredChange::Queued). Later messages have higher ones.
    #[must_use]
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

/// Names one subscribe call and the messages that it brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriberId(pub(crate) u32);

/// Names one unsubscribe call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(crate) u64);

/// The good end of a published message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// 0x00, or 0x10 if the server says that nobody subscribed. Always 0x00 at QoS 0 and in 3.x.
    pub reason: ReasonCode,
    /// Reason String and User Properties of the server's acknowledgement.
    pub properties: Properties,
}

impl Acknowledgement {
    /// What almost every message ends with.
    pub(crate) fn plain() -> Self {
        Self { reason: ReasonCode::SUCCESS, properties: Properties::default() }
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.reason == ReasonCode::SUCCESS && self.properties.is_empty()
    }
}

/// What the client tells. See [`Client::poll_event`](crate::Client::poll_event).
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The server accepted the connection.
    Connected(ConnAck),
    /// A connection, or the attempt at one, is over.
    Disconnected {
        /// Why.
        reason: Error,
        /// How long until the next attempt; `None` if there will be none ([`Event::Stopped`] follows).
        retry_in: Option<Duration>,
    },
    /// A message arrived. Find whom it is for with [`Client::route`](crate::Client::route), and give its `ack` back to
    /// [`Client::ack`](crate::Client::ack) (MQTT-4.5.0-2: also if it is for nobody).
    Message(Delivery),
    /// A message that had to wait is now in the queue ([`QueuePolicy::Wait`](crate::QueuePolicy::Wait)).
    Accepted(MessageId),
    /// The end of a published message. At QoS 0 that is when its last byte was written to the transport; at QoS 1 and 2
    /// when the server has acknowledged it.
    Published {
        /// Which.
        id: MessageId,
        /// Its acknowledgement, or why it failed.
        result: Result<Acknowledgement, Error>,
    },
    /// The server's first answer to a subscribe call. Later ones, after reconnecting, are not told unless they are refusals.
    Subscribed {
        /// Which.
        id: SubscriberId,
        /// One reason code per filter, at least one of them not a refusal; or why it failed.
        result: Result<Vec<ReasonCode>, Error>,
    },
    /// A subscription is over: unsubscribed, or refused by the server after reconnecting.
    SubscriptionEnded {
        /// Which.
        id: SubscriberId,
        /// The server's reason, if it was the server.
        refused: Option<ReasonCode>,
    },
    /// The server's answer to an unsubscribe call.
    Unsubscribed {
        /// Which.
        id: RequestId,
        /// The reason code of the first filter (0x00 in 3.x), or the first refusal.
        result: Result<ReasonCode, Error>,
    },
    /// The next step of an enhanced authentication: answer with [`Client::authenticate`](crate::Client::authenticate).
    Auth(Auth),
    /// The end of the client: nothing will be dialled again. Everything unfinished has failed with this reason.
    Stopped(Error),
}
