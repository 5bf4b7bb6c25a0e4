//! What outlives a connection: unfinished messages of both directions (5.0 §4.1).

use core::fmt;

use crate::seldom::{Seldom, SeldomQueue};
use crate::{Instant, Message, PacketId, QoS, ReasonCode, Text};

pub(crate) mod incoming;
mod journal;
pub(crate) mod outgoing;

use incoming::Incoming;
pub use journal::{Change, ChangeError};
use outgoing::{Outgoing, Slot};

/// Names one publish, subscribe or unsubscribe of ours for the life of the session, over any number of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub(crate) u64);

impl Token {
    /// The token as a number: 1 for the first of a session, then rising.
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The duty to acknowledge one QoS 1 or 2 message.
///
/// Hand it to [`Connection::ack`](crate::Connection::ack) or, between connections, to [`Session::ack`]. Until then the
/// message stays the sender's. Acknowledgements reach the wire in the order in which the messages arrived, whatever the
/// order of these calls (MQTT-4.6.0-2, MQTT-4.6.0-3).
#[derive(Debug, PartialEq, Eq, Hash)]
#[must_use = "the sender waits for the acknowledgement, and every later one waits behind it"]
pub struct Ack {
    pub(crate) key: AckKey,
    pub(crate) reason: ReasonCode,
    pub(crate) reason_string: Option<Text>,
}

/// Which delivery an [`Ack`] is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AckKey {
    /// When the session began.
    pub(crate) born: Option<Instant>,
    pub(crate) packet_id: PacketId,
    pub(crate) qos: QoS,
    /// The connection of the session that it came on, counted from 1.
    pub(crate) connection: u32,
    /// Its place in that connection's queue of due acknowledgements.
    pub(crate) due: u64,
    pub(crate) delivery: u64,
}

impl Ack {
    pub(crate) fn new(key: AckKey) -> Self {
        Self { key, reason: ReasonCode::SUCCESS, reason_string: None }
    }

    /// The packet id that the peer gave its message, for logs: the peer uses it again for others.
    pub fn packet_id(&self) -> PacketId {
        self.key.packet_id
    }

    /// The message's QoS: 1 or 2.
    pub fn qos(&self) -> QoS {
        self.key.qos
    }

    /// Answers with this reason code instead of 0x00: one of PUBACK's and PUBREC's (5.0 §3.4.2.1, §3.5.2.1). From 0x80 on the
    /// message is refused. In 3.x there is no way to say so: the message is acknowledged all the same (MQTT-3.3.5-2).
    pub fn with_reason(mut self, reason: ReasonCode) -> Self {
        self.reason = reason;
        self
    }

    /// Adds a Reason String (5.0 only), left out if the packet would exceed the peer's Maximum Packet Size.
    pub fn with_reason_string(mut self, text: Text) -> Self {
        self.reason_string = Some(text);
        self
    }
}

/// The session state of one side (5.0 §4.1): our messages that the peer has not fully acknowledged, the peer's QoS 2
/// messages that are not finished, and the counters that keep tokens unique.
///
/// It goes into a connection and comes back out of it:
///
/// ```
/// use mqtt_proto::{Config, Connect, Connection, Instant, Session, Text, Version};
///
/// let connect = Connect::new(Version::V5, Text::from_static("sensor-7"));
/// let connection = Connection::connect(Instant::ZERO, connect, Config::default(), Session::new()).unwrap();
/// // ... the link breaks ...
/// let session = connection.into_session();
/// assert!(session.is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Session {
    /// There is state that a server may say it still has: Session Present 1 is no surprise (MQTT-3.2.2-4).
    pub(crate) exists: bool,
    /// Server: the client has spoken in it, so it has heard that the session is a new one.
    confirmed: bool,
    /// When it entered its first connection: with this an `Ack` of another session is told apart.
    pub(crate) born: Option<Instant>,
    pub(crate) outgoing: Seldom<Outgoing>,
    pub(crate) incoming: Seldom<Incoming>,
    tokens: u64,
    deliveries: u64,
    pub(crate) connections: u32,
    /// Whether changes are kept for [`poll_change`](Self::poll_change).
    pub(crate) journal: bool,
    changes: SeldomQueue<Change>,
}

impl Session {
    /// A session that has never been connected.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty session that stands for one which an earlier process left on the server.
    ///
    /// With [`new`](Self::new) a server's Session Present 1 ends the connection, for there is nothing on this side that it
    /// could belong to (MQTT-3.2.2-4). This says: there was, it is gone, and I accept that a QoS 2 message whose handshake
    /// it had begun may arrive once more.
    pub fn continued() -> Self {
        Self { exists: true, confirmed: true, ..Self::default() }
    }

    /// Server: whether the client has shown that it knows of this session, by anything but CONNECT and DISCONNECT.
    ///
    /// If not, then its CONNACK with Session Present 0 may have been lost, and the client may still hold an older session,
    /// which it would take for this one. A server does well to give [`accept`](crate::Connection::accept) only a session that
    /// is confirmed, and `None` in place of another: the client has asked for nothing in it.
    pub fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// Whether no message of either direction is unfinished.
    pub fn is_empty(&self) -> bool {
        self.outgoing.len() == 0 && self.incoming.len() == 0
    }

    /// Our unfinished QoS 1 and 2 messages, in the order in which they will be sent again. A QoS 2 message that the peer
    /// has taken over (PUBREC) is a `None`.
    pub fn unacknowledged(&self) -> impl Iterator<Item = (Token, Option<Message>)> {
        self.outgoing.iter().map(|(id, slot)| (slot.token, self.outgoing.message(id)))
    }

    /// Packet ids of the peer's QoS 2 messages whose handshake is not finished, in the order of the ids.
    pub fn unreleased(&self) -> impl Iterator<Item = PacketId> {
        self.incoming.sorted().into_iter().map(|entry| entry.id)
    }

    /// Acknowledges a QoS 2 message whose connection is gone: PUBREC goes out as soon as the peer sends it again, and the
    /// application does not see it twice. For QoS 1 nothing is left to be done: the peer will send the message again, and it
    /// is a new one. Nor is anything left to be done for another session's, which began at another time.
    pub fn ack(&mut self, ack: Ack) {
        if ack.key.born == self.born {
            self.acked(&ack);
        }
    }

    /// Gives up the duty to acknowledge a message: it stays the sender's, and when it comes again, on another connection, it
    /// is a new one.
    pub fn forget(&mut self, ack: Ack) {
        if ack.key.born == self.born {
            self.forget_delivery(&ack);
        }
    }

    /// Records the application's acknowledgement of a QoS 2 message that waits for one.
    pub(crate) fn acked(&mut self, ack: &Ack) -> Option<()> {
        let entry = self.received(ack.key.packet_id)?;
        if entry.delivery != ack.key.delivery || entry.state != incoming::State::DueRec {
            return None;
        }
        entry.state = incoming::State::Acked(ack.reason);
        if !ack.reason.is_failure() {
            self.record(|| Change::Accepted { packet_id: ack.key.packet_id });
        }
        Some(())
    }

    /// The application has never seen the message: it is new when it comes again.
    pub(crate) fn forget_delivery(&mut self, ack: &Ack) {
        let AckKey { packet_id, delivery, .. } = ack.key;
        let is_due = |entry: &mut incoming::Entry| entry.delivery == delivery && entry.state == incoming::State::DueRec;
        if self.received(packet_id).is_some_and(is_due) {
            self.forget_id(packet_id);
        }
    }

    /// A QoS 2 message of the peer whose handshake is not finished.
    #[inline]
    pub(crate) fn received(&mut self, packet_id: PacketId) -> Option<&mut incoming::Entry> {
        self.incoming.used()?.get_mut(packet_id)
    }

    /// The peer's packet id stands for nothing any more.
    pub(crate) fn forget_id(&mut self, packet_id: PacketId) {
        if let Some(incoming) = self.incoming.used() {
            incoming.remove(packet_id);
        }
    }

    /// Records a message that is being sent right now under `packet_id`, the next free one.
    #[inline]
    pub(crate) fn published(&mut self, packet_id: PacketId, token: Token, message: Message) {
        self.record(|| Change::Published { packet_id, token, message: message.clone() });
        self.outgoing.make().insert_message(token, message);
    }

    /// PUBREC: the message is the peer's.
    pub(crate) fn released(&mut self, packet_id: PacketId, reason: ReasonCode) {
        self.record(|| Change::Released { packet_id, reason });
        self.outgoing.make().release(packet_id, reason);
    }

    /// A message of ours is finished.
    pub(crate) fn finished(&mut self, packet_id: PacketId) -> Option<Slot> {
        let slot = self.outgoing.used()?.remove(packet_id)?;
        self.record(|| Change::Finished { packet_id });
        Some(slot)
    }

    /// PUBREC is out for a message that the application refused, in a version that cannot say so.
    pub(crate) fn accepted_after_all(&mut self, packet_id: PacketId) {
        self.record(|| Change::Accepted { packet_id });
    }

    /// PUBREL: a message of the peer is finished.
    pub(crate) fn completed(&mut self, packet_id: PacketId) {
        self.forget_id(packet_id);
        self.record(|| Change::Completed { packet_id });
    }

    /// What the peer has sent so far is void: its ids stand for new messages.
    pub(crate) fn forget_received(&mut self) {
        for entry in self.incoming.sorted() {
            self.completed(entry.id);
        }
    }

    /// The session begins anew on the other side; its unfinished messages are taken out one by one with
    /// [`lost_message`](Self::lost_message).
    pub(crate) fn cleared(&mut self) {
        self.confirmed = false;
        self.incoming.clear();
        self.record(|| Change::Cleared);
    }

    /// Server: the client has spoken.
    pub(crate) fn confirm(&mut self) {
        if !self.confirmed {
            self.confirmed = true;
            self.record(|| Change::Confirmed);
        }
    }

    pub(crate) fn lost_message(&mut self) -> Option<(Token, Option<Message>)> {
        self.outgoing.used()?.remove_first_message()
    }

    /// Whether changes wait that must be durable before the peer hears of them. That a message is finished is not one of
    /// them: forgotten, it is sent once more under its id, and the peer knows it.
    pub(crate) fn must_be_stored(&self) -> bool {
        self.changes.iter().any(|change| !matches!(change, Change::Finished { .. }))
    }

    /// Gives back the room of what is empty.
    pub(crate) fn shrink(&mut self) {
        if self.outgoing.used().is_some_and(Outgoing::shrink) {
            self.outgoing.clear();
        }
        if self.incoming.len() == 0 {
            self.incoming.clear();
        }
        self.changes.shrink();
    }

    pub(crate) fn next_token(&mut self) -> Token {
        self.tokens += 1;
        Token(self.tokens)
    }

    pub(crate) fn next_delivery(&mut self) -> u64 {
        self.deliveries += 1;
        self.deliveries
    }

    /// Leaves a connection: requests are not part of a session, and nothing has been sent on the next connection.
    pub(crate) fn end_connection(&mut self) {
        self.nothing_is_sent();
    }

    /// Enters a new connection.
    pub(crate) fn begin_connection(&mut self, now: Instant) {
        self.born.get_or_insert(now);
        self.connections = self.connections.wrapping_add(1);
        self.nothing_is_sent();
    }

    /// On the next connection, in either direction.
    fn nothing_is_sent(&mut self) {
        if let Some(outgoing) = self.outgoing.used() {
            outgoing.begin_connection();
        }
        if let Some(incoming) = self.incoming.used() {
            incoming.begin_connection();
        }
    }
}
