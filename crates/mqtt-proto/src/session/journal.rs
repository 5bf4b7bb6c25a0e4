//! The journal of a session: each change of what must survive the process, as a value and as bytes.
//!
//! The rule is *drain, make durable, then write*: take all changes, store them, and only then write the outbox. What is
//! stored is then never behind what the peer has been told, so a crash at any moment loses no message and delivers no QoS 2
//! message twice.

use core::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::session::incoming::{Entry, State as Received};
use crate::session::outgoing::State as Sent;
use crate::session::{Session, Token};
use crate::{EncodeError, FixedHeader, Message, Packet, PacketId, PublishParts, QoS, ReasonCode, Version};

/// One change of a session. [`Session::apply`] repeats it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// The session begins, or begins anew: what was stored is void.
    Cleared,
    /// Server: the client has spoken in the session ([`Session::is_confirmed`]).
    Confirmed,
    /// A QoS 1 or 2 message of ours is under way.
    Published {
        /// The id it is sent under.
        packet_id: PacketId,
        /// What the application knows it by.
        token: Token,
        /// The message, to be sent again.
        message: Message,
    },
    /// PUBREC: the peer has our QoS 2 message, PUBREL is owed.
    Released {
        /// Which message.
        packet_id: PacketId,
        /// The reason of PUBREC.
        reason: ReasonCode,
    },
    /// A message of ours is finished, its id is free.
    Finished {
        /// Which message.
        packet_id: PacketId,
    },
    /// The application has taken a QoS 2 message of the peer: it must not be delivered again until PUBREL.
    Accepted {
        /// The peer's id of it.
        packet_id: PacketId,
    },
    /// PUBREL: the peer's id is free for another message.
    Completed {
        /// The peer's id.
        packet_id: PacketId,
    },
}

/// The stored form of a [`Change`] cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeError(&'static str);

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a stored session change cannot be read: {}", self.0)
    }
}

impl core::error::Error for ChangeError {}

impl Change {
    /// Appends the change to `out`: a byte that names it, then its fields; a message as a 5.0 PUBLISH. Nothing marks the end:
    /// store the length beside it.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] for a message that no PUBLISH can hold. One that has been published is never such a one.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        match self {
            Self::Cleared => out.put_u8(CLEARED),
            Self::Confirmed => out.put_u8(CONFIRMED),
            Self::Published { packet_id, token, message } => {
                let at = out.len();
                out.put_u8(PUBLISHED);
                out.put_u64(token.0);
                let parts = PublishParts {
                    message,
                    dup: false,
                    packet_id: Some(*packet_id),
                    topic_alias: None,
                    omit_topic: false,
                };
                if let Err(error) = parts.encode_header(Version::V5, out) {
                    out.truncate(at);
                    return Err(error);
                }
                out.put_slice(&message.payload);
            }
            Self::Released { packet_id, reason } => {
                out.put_u8(RELEASED);
                out.put_u16(packet_id.get());
                out.put_u8(reason.0);
            }
            Self::Finished { packet_id } => put_id(out, FINISHED, *packet_id),
            Self::Accepted { packet_id } => put_id(out, ACCEPTED, *packet_id),
            Self::Completed { packet_id } => put_id(out, COMPLETED, *packet_id),
        }
        Ok(())
    }

    /// Reads one change, which must be all of `bytes`. A message shares them.
    ///
    /// # Errors
    ///
    /// [`ChangeError`] for bytes that [`encode`](Self::encode) has not written.
    pub fn decode(mut bytes: Bytes) -> Result<Self, ChangeError> {
        let kind = bytes.try_get_u8().map_err(|_| ChangeError("it is empty"))?;
        if kind == PUBLISHED {
            let token = Token(bytes.try_get_u64().map_err(|_| SHORT)?);
            return published(token, bytes);
        }
        let change = match kind {
            CLEARED => Self::Cleared,
            CONFIRMED => Self::Confirmed,
            RELEASED => {
                let packet_id = get_id(&mut bytes)?;
                Self::Released { packet_id, reason: ReasonCode(bytes.try_get_u8().map_err(|_| SHORT)?) }
            }
            FINISHED => Self::Finished { packet_id: get_id(&mut bytes)? },
            ACCEPTED => Self::Accepted { packet_id: get_id(&mut bytes)? },
            COMPLETED => Self::Completed { packet_id: get_id(&mut bytes)? },
            _ => return Err(ChangeError("its kind is unknown: was it written by a later version?")),
        };
        if bytes.is_empty() { Ok(change) } else { Err(ChangeError("bytes follow its end")) }
    }
}

fn published(token: Token, bytes: Bytes) -> Result<Change, ChangeError> {
    let broken = ChangeError("its message is no PUBLISH");
    let header = FixedHeader::parse(&bytes).ok().flatten().ok_or(broken)?;
    if header.frame_len() != bytes.len() {
        return Err(broken);
    }
    match Packet::decode(Version::V5, bytes) {
        Ok(Packet::Publish(publish)) => match publish.packet_id {
            Some(packet_id) => Ok(Change::Published { packet_id, token, message: publish.message }),
            None => Err(ChangeError("its message has QoS 0")),
        },
        Ok(_) | Err(_) => Err(broken),
    }
}

fn put_id(out: &mut BytesMut, kind: u8, packet_id: PacketId) {
    out.put_u8(kind);
    out.put_u16(packet_id.get());
}

fn get_id(bytes: &mut Bytes) -> Result<PacketId, ChangeError> {
    PacketId::new(bytes.try_get_u16().map_err(|_| SHORT)?).ok_or(ChangeError("its packet identifier is 0"))
}

impl Session {
    /// The next change that must be stored, if [`Config::journal`](crate::Config::journal) is on. Also there between
    /// connections, after [`ack`](Self::ack).
    pub fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// The session as the shortest list of changes that builds it: what a store keeps after compaction.
    pub fn export(&self) -> impl Iterator<Item = Change> + '_ {
        let begin = self.exists.then_some(Change::Cleared).into_iter();
        // All messages first, in the order of sending, and then the PUBRECs in theirs, give both lists their order back.
        let messages = self.outgoing.iter().map(|(packet_id, slot)| {
            let message = self.outgoing.message(packet_id).unwrap_or_else(released_message);
            Change::Published { packet_id, token: slot.token, message }
        });
        let released = self.outgoing.iter().filter(|(_, slot)| slot.state == Sent::AwaitComp);
        let released = released.map(|(packet_id, slot)| Change::Released { packet_id, reason: slot.rec_reason });
        let accepted = self.incoming.sorted().into_iter().filter(|entry| is_accepted(entry.state));
        let accepted = accepted.map(|entry| Change::Accepted { packet_id: entry.id });
        let confirmed = self.is_confirmed().then_some(Change::Confirmed);
        begin.chain(confirmed).chain(messages).chain(released).chain(accepted)
    }

    /// Builds a session from stored changes, in their order: those of [`export`](Self::export) and what
    /// [`poll_change`](Self::poll_change) gave after it.
    ///
    /// ```
    /// use mqtt_proto::Session;
    ///
    /// let session = Session::continued();
    /// assert_eq!(Session::import(session.export()), session);
    /// ```
    pub fn import(changes: impl IntoIterator<Item = Change>) -> Self {
        let mut session = Self::new();
        for change in changes {
            session.apply(change);
        }
        session.end_connection();
        session
    }

    /// Repeats a change. One that does not fit the state (a journal with a hole) changes nothing.
    pub fn apply(&mut self, change: Change) {
        self.exists = true;
        match change {
            Change::Cleared => {
                self.confirmed = false;
                self.outgoing.clear();
                self.incoming.clear();
            }
            Change::Confirmed => self.confirmed = true,
            Change::Published { packet_id, token, message } => {
                self.tokens = self.tokens.max(token.0);
                self.outgoing.make().restore(packet_id, token, message);
            }
            Change::Released { packet_id, reason } => {
                if self.outgoing.state(packet_id) == Sent::AwaitRec {
                    self.outgoing.make().release(packet_id, reason);
                }
            }
            Change::Finished { packet_id } => {
                if let Some(outgoing) = self.outgoing.used() {
                    outgoing.remove(packet_id);
                }
            }
            Change::Accepted { packet_id } => {
                if self.received(packet_id).is_none() {
                    let delivery = self.next_delivery();
                    self.incoming.make().insert(Entry {
                        id: packet_id,
                        state: Received::AwaitRel,
                        delivery,
                        due: None,
                    });
                }
            }
            Change::Completed { packet_id } => self.forget_id(packet_id),
        }
    }

    pub(crate) fn record(&mut self, change: impl FnOnce() -> Change) {
        if self.journal {
            self.changes.push_back(change());
        }
    }
}

/// A message that the peer has taken over is never sent again; an empty one keeps its place in the export.
fn released_message() -> Message {
    Message::new(crate::TopicName::from_static("-"), Bytes::new()).with_qos(QoS::ExactlyOnce)
}

fn is_accepted(state: Received) -> bool {
    match state {
        Received::DueRec => false,
        Received::Acked(reason) => !reason.is_failure(),
        Received::AwaitRel => true,
    }
}

const CLEARED: u8 = 0;
const PUBLISHED: u8 = 1;
const RELEASED: u8 = 2;
const FINISHED: u8 = 3;
const ACCEPTED: u8 = 4;
const COMPLETED: u8 = 5;
const CONFIRMED: u8 = 6;
const SHORT: ChangeError = ChangeError("it is cut short");
