//! Where a client is in its life. The rules are those of the file above.

use mqtt_proto::{Client as ClientRole, Connection, Disconnect, Instant, Outbox, Session};

use super::event::MessageId;

#[derive(Debug)]
pub(super) enum State {
    /// What is left to be written before the transport is closed: see [`Transport::Closing`].
    Offline {
        session: Session,
        phase: Phase,
        last_words: Outbox,
        /// How long they may take to leave.
        until: Instant,
    },
    Online(Online),
}

#[derive(Debug)]
pub(super) struct Online {
    pub(super) connection: Connection<ClientRole>,
    pub(super) stage: Stage,
    /// When CONNACK came, if it has.
    pub(super) since: Instant,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// CONNACK has not come.
    Handshake,
    Connected,
    /// The events that CONNACK brings (what the server forgot) have been seen: sending may begin, in the right order.
    Settled,
}

/// What an offline client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waits before it dials.
    Waiting { until: Instant },
    /// Wants the driver to dial.
    Wanting,
    /// The driver dials.
    Dialling { deadline: Instant },
    /// Will never dial again.
    Stopped,
}

/// What the driver holds.
#[derive(Debug)]
pub(super) enum Transport {
    None,
    /// A dial under way.
    Dial,
    /// A transport that a connection uses.
    Open,
    /// A dial to be abandoned, or a transport to be closed as soon as the last words are written.
    Closing {
        /// The server may still have something to say.
        lingers: bool,
    },
}

/// A disconnect that was asked for and waits until all is flushed.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) disconnect: Disconnect,
    pub(super) deadline: Instant,
    /// Messages and requests that the deadline cut off.
    pub(super) given_up: usize,
}

/// How the owner is told of messages that have ended well. In eight bytes: the highest number is no message's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends(u64);

impl Ends {
    /// By an [`Event`](super::Event).
    pub(super) const BY_EVENTS: Self = Self(u64::MAX);

    /// By their ids alone, up to the last one that somebody waits for: an event is large to move. The owner asks for the others.
    /// Nobody waits yet.
    pub(super) const BY_IDS: Self = Self(0);

    /// The last one that somebody waits for, if ids tell.
    pub(super) fn last_id(self) -> Option<MessageId> {
        (self != Self::BY_EVENTS).then_some(MessageId(self.0))
    }

    /// Somebody waits for a message.
    pub(super) fn reach(&mut self, id: MessageId) {
        self.0 = self.0.max(id.0);
    }
}

/// Nothing is left of a connection but its session.
pub(super) fn offline(session: Session, phase: Phase) -> State {
    State::Offline { session, phase, last_words: Outbox::default(), until: Instant::ZERO }
}
