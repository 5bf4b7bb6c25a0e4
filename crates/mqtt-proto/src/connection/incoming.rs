//! Messages that arrive: topic aliases, the QoS 1 and 2 receiver, and the order of our acknowledgements.
//!
//! What is owed for a message from its arrival on, by state:
//!
//! | state | PUBLISH again | application acks | PUBREL |
//! |---|---|---|---|
//! | (QoS 2) unknown | deliver, `DueRec` | - | PUBCOMP 0x92 |
//! | `DueRec` | nothing new | `Acked` | protocol error |
//! | `Acked`, PUBREC waits behind earlier answers | nothing new | - | protocol error |
//! | `DueRec` of an earlier connection | PUBREC once acked | `Acked` | PUBCOMP, unknown |
//! | `Acked` on an earlier connection | PUBREC in its turn | - | PUBCOMP, unknown |
//! | `AwaitRel` (PUBREC is out) | PUBREC | - | PUBCOMP, unknown |
//!
//! `Acked` becomes `AwaitRel` when PUBREC goes out, or unknown if the application refused the message (0x80 and above).
//!
//! PUBREL without PUBREC comes from a sender that may not repeat the message on this connection, because it is too large
//! now, and gives it up.
//!
//! A QoS 1 message is new each time it comes (MQTT-4.3.2-5).

use alloc::collections::VecDeque;

use crate::seldom::Empty;
use crate::session::incoming::{Entry, State};
use crate::session::{Ack, AckKey, Session};
use crate::{
    AckPacket, Instant, Message, PacketId, PacketType, ProtocolError, Publish, QoS, ReasonCode, Text, Version,
};

use super::control::TypedAck;
use super::{CommandError, Connection, Delivery, Phase, Rejected, Role, event, rules};

/// PUBACKs and PUBRECs that are owed, in the order of the PUBLISHes (MQTT-4.6.0-2, MQTT-4.6.0-3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Dues {
    queue: VecDeque<Due>,
    /// The number of the first in the queue.
    first: u64,
    /// QoS 1 and 2 messages that came on this connection and are not finished, against our Receive Maximum.
    unfinished: u32,
    /// Those that came although there were as many unfinished as our Receive Maximum says.
    tolerated: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Due {
    packet_id: PacketId,
    qos: QoS,
    delivery: u64,
    answer: Option<(ReasonCode, Option<Text>)>,
}

impl Empty for Dues {
    fn empty() -> &'static Self {
        static EMPTY: Dues = Dues { queue: VecDeque::new(), first: 0, unfinished: 0, tolerated: 0 };
        &EMPTY
    }
}

impl Dues {
    /// The number that the next one will have.
    fn next(&self) -> u64 {
        self.first + self.queue.len() as u64
    }

    /// Whether it may be forgotten: no entry of the session has a place in it, either.
    pub(crate) fn is_over(&self) -> bool {
        self.queue.is_empty() && self.unfinished == 0 && self.tolerated == 0
    }

    /// One that was unfinished is so no longer.
    fn finish_one(&mut self) {
        self.unfinished = self.unfinished.saturating_sub(1);
    }

    fn get_mut(&mut self, number: u64) -> Option<&mut Due> {
        let index = number.checked_sub(self.first)?;
        self.queue.get_mut(usize::try_from(index).ok()?)
    }

    #[inline]
    fn pop_answered(&mut self) -> Option<Due> {
        let due = self.queue.front()?;
        due.answer.as_ref()?;
        if due.qos != QoS::ExactlyOnce {
            self.finish_one(); // PUBACK is the end
        }
        self.first += 1;
        self.queue.pop_front()
    }
}

impl<R: Role> Connection<R> {
    /// The next event, if it is a message: who knows where it goes before it is [taken](Self::poll_message) moves it once.
    #[inline]
    pub fn peek_message(&self) -> Option<&Delivery> {
        R::message_in(self.events.front()?)
    }

    /// [`poll_event`](Self::poll_event), if the next event is a message.
    #[inline]
    pub fn poll_message(&mut self) -> Option<Delivery> {
        let len = event::message_len(&self.peek_message()?.message);
        self.input_waited |= self.is_event_queue_full();
        self.event_bytes -= len;
        self.events.pop_front().and_then(R::into_message)
    }

    /// Acknowledges a QoS 1 or 2 message: it is the application's now. PUBACK or PUBREC goes out as soon as all messages
    /// before it are acknowledged too.
    ///
    /// An acknowledgement from an earlier connection of the same session is no mistake: for QoS 1 it does nothing, because
    /// the message will come again as a new one; for QoS 2 it is remembered, and the message does not come again.
    ///
    /// A peer whose Maximum Packet Size is below 4 gets none, because none fits: for us the message is finished, for that
    /// peer it never is.
    ///
    /// # Errors
    ///
    /// The acknowledgement is given back with the reason. [`NotAllowed`](CommandError::NotAllowed) for a reason code that
    /// this role may not send in PUBACK and PUBREC, and for the acknowledgement of a message that came in another session,
    /// which began at another time: drop it, its sender has forgotten the message. [`NotConnected`](CommandError::NotConnected) on a server's connection
    /// that has not been accepted, open or closed, which has no session: acknowledge to the stored one, with
    /// [`Session::ack`](crate::Session::ack).
    pub fn ack(&mut self, now: Instant, ack: Ack) -> Result<(), Rejected<Ack>> {
        self.advance_clock(now);
        if !ack.reason.may_stand_in(PacketType::PubAck, R::IS_CLIENT) {
            let error = CommandError::NotAllowed(
                "PUBACK and PUBREC have no such reason code from this role (5.0 section 3.4.2.1)",
            );
            return Err(Rejected::new(error, ack));
        }
        if !R::IS_CLIENT && !self.session.exists {
            return Err(Rejected::new(CommandError::NotConnected, ack));
        }
        if ack.key.born != self.session.born {
            let error = CommandError::NotAllowed("the message came in another session: drop its acknowledgement");
            return Err(Rejected::new(error, ack));
        }
        let AckKey { packet_id, qos, connection, due, delivery, .. } = ack.key;
        let due = match qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce => Some(due).filter(|_| connection == self.session.connections),
            // The session remembers it first: the answer may wait behind others when the connection ends.
            QoS::ExactlyOnce => self.session.acked(&ack).and_then(|_| self.session.received(packet_id)?.due),
        };
        if self.phase != Phase::Open {
            return Ok(());
        }
        let due = due.and_then(|due| self.dues.used()?.get_mut(due));
        if let Some(due) = due.filter(|due| due.delivery == delivery) {
            due.answer = Some((ack.reason, ack.reason_string));
            self.send_answered();
        }
        Ok(())
    }

    /// Gives up the duty to acknowledge a message: it stays the sender's, and on the next connection it is a new one. On this
    /// one, the acknowledgements of later messages wait behind it (MQTT-4.6.0-2).
    pub fn forget(&mut self, ack: Ack) {
        self.session.forget(ack);
    }

    /// Messages that were taken on this connection although the peer had as many unfinished as our Receive Maximum says
    /// (MQTT-3.3.4-7, MQTT-3.3.4-9): 0 unless [`Config::receive_tolerance`](crate::Config::receive_tolerance) allows some. It counts to
    /// 4,294,967,295, and no further.
    pub fn tolerated_messages(&self) -> u64 {
        self.dues.tolerated.into()
    }

    pub(crate) fn receive_publish(&mut self, publish: Publish) -> Result<(), ProtocolError> {
        let Publish { mut message, dup, packet_id, topic_alias } = publish;
        self.check_message(&message)?;
        match (topic_alias, message.topic.as_bytes().is_empty()) {
            (None, false) => {}
            (None, true) => return Err(self.broke(PacketType::Publish, "topic name", &rules::EMPTY_TOPIC)),
            (Some(alias), _) if alias.get() > self.own.topic_alias_maximum => {
                return Err(self.broke(PacketType::Publish, "Topic Alias", &rules::ALIAS_INVALID));
            }
            (Some(alias), false) => self.incoming_aliases.set(alias, &message.topic),
            (Some(alias), true) => match self.incoming_aliases.topic(alias) {
                Some(topic) => message.topic = topic.clone(),
                None => return Err(self.broke(PacketType::Publish, "Topic Alias", &rules::ALIAS_UNKNOWN)),
            },
        }
        let Some(packet_id) = packet_id else {
            self.deliver(message, dup, None);
            return Ok(());
        };
        match message.qos {
            QoS::AtMostOnce => self.deliver(message, dup, None),
            QoS::AtLeastOnce => {
                self.count_unfinished()?;
                let delivery = self.session.next_delivery();
                let due = self.push_due(packet_id, QoS::AtLeastOnce, delivery, None);
                self.deliver(message, dup, Some((packet_id, due, delivery)));
            }
            QoS::ExactlyOnce => self.receive_exactly_once(message, dup, packet_id)?,
        }
        Ok(())
    }

    fn receive_exactly_once(&mut self, message: Message, dup: bool, packet_id: PacketId) -> Result<(), ProtocolError> {
        let mut known = self.session.received(packet_id).map(|entry| *entry);
        if self.version == Version::V31 && !dup && known.is_some_and(|entry| entry.due.is_none()) {
            // A 3.1 server that lost the session cannot say so; a first attempt under a known id is a new message.
            self.session.completed(packet_id);
            known = None;
        }
        if known.is_none_or(|entry| entry.due.is_none()) {
            self.count_unfinished()?;
        }
        let Some(entry) = known else {
            let delivery = self.session.next_delivery();
            let due = self.push_due(packet_id, QoS::ExactlyOnce, delivery, None);
            self.session.incoming.make().insert(Entry {
                id: packet_id,
                state: State::DueRec,
                delivery,
                due: Some(due),
            });
            self.deliver(message, dup, Some((packet_id, due, delivery)));
            return Ok(());
        };
        // MQTT-4.3.3-10: a repetition is answered, and not delivered again.
        let answer = match (entry.state, entry.due) {
            (State::DueRec | State::Acked(_), Some(_)) => return Ok(()),
            (State::DueRec, None) => None,
            (State::Acked(reason), None) => Some((reason, None)),
            (State::AwaitRel, _) => Some((ReasonCode::SUCCESS, None)),
        };
        self.check_due_queue()?;
        let due = self.push_due(packet_id, QoS::ExactlyOnce, entry.delivery, answer);
        if let Some(entry) = self.session.received(packet_id) {
            entry.due = Some(due);
        }
        self.send_answered();
        Ok(())
    }

    pub(crate) fn receive_pubrel(&mut self, packet_id: PacketId) -> Result<(), ProtocolError> {
        let reason = match self.session.received(packet_id).map(|entry| *entry) {
            None if self.version == Version::V5 => ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
            None => ReasonCode::SUCCESS,
            Some(Entry { state: State::DueRec | State::Acked(_), due: Some(_), .. }) => {
                return Err(self.broke(PacketType::PubRel, "packet identifier", &rules::RELEASE_TOO_EARLY));
            }
            Some(Entry { due, .. }) => {
                self.session.completed(packet_id);
                if due.is_some() {
                    self.dues.make().finish_one();
                }
                ReasonCode::SUCCESS
            }
        };
        self.send_answer(PacketType::PubComp, AckPacket::new(packet_id, reason));
        Ok(())
    }

    /// Rules about what the other side may publish at all.
    fn check_message(&self, message: &Message) -> Result<(), ProtocolError> {
        if R::IS_CLIENT {
            return Ok(());
        }
        if message.qos > self.own.maximum_qos {
            return Err(self.broke(PacketType::Publish, "QoS", &rules::QOS_NOT_SUPPORTED));
        }
        if message.retain && !self.own.retain_available {
            return Err(self.broke(PacketType::Publish, "RETAIN", &rules::RETAIN_NOT_SUPPORTED));
        }
        if !message.properties().is_empty() && message.properties().subscription_identifiers().next().is_some() {
            return Err(self.broke(PacketType::Publish, "Subscription Identifier", &rules::IDENTIFIER_FROM_CLIENT));
        }
        Ok(())
    }

    fn count_unfinished(&mut self) -> Result<(), ProtocolError> {
        if self.dues.unfinished >= u32::from(self.unfinished_limit()) {
            return Err(self.broke(PacketType::Publish, "QoS", &rules::RECEIVE_MAXIMUM));
        }
        let dues = self.dues.make();
        if dues.unfinished >= u32::from(self.own.receive_maximum) {
            dues.tolerated = dues.tolerated.saturating_add(1);
        }
        dues.unfinished += 1;
        Ok(())
    }

    /// From here on we do not tolerate what is beyond our Receive Maximum.
    fn unfinished_limit(&self) -> u16 {
        self.own.receive_maximum.saturating_add(self.config.receive_tolerance)
    }

    /// A peer that repeats QoS 2 messages for ever makes no endless queue.
    fn check_due_queue(&self) -> Result<(), ProtocolError> {
        if self.dues.queue.len() > usize::from(self.unfinished_limit()) {
            return Err(self.broke(PacketType::Publish, "QoS", &rules::RECEIVE_MAXIMUM));
        }
        Ok(())
    }

    fn push_due(
        &mut self,
        packet_id: PacketId,
        qos: QoS,
        delivery: u64,
        answer: Option<(ReasonCode, Option<Text>)>,
    ) -> u64 {
        let dues = self.dues.make();
        let number = dues.next();
        dues.queue.push_back(Due { packet_id, qos, delivery, answer });
        number
    }

    // Within its callers, or the message is moved once more on its way.
    #[inline(always)]
    fn deliver(&mut self, message: Message, dup: bool, key: Option<(PacketId, u64, u64)>) {
        let qos = message.qos;
        let Session { born, connections: connection, .. } = self.session;
        let key = key.map(|(packet_id, due, delivery)| AckKey { born, packet_id, qos, connection, due, delivery });
        let ack = key.map(Ack::new);
        self.event_bytes += event::message_len(&message);
        // Made where it goes: an event is large to move.
        self.events.push_back(R::message(Delivery { message, dup, ack }));
    }

    /// Sends the acknowledgements up to the first that the application still owes.
    fn send_answered(&mut self) {
        while let Some(mut due) = self.dues.used().and_then(Dues::pop_answered) {
            let Some((reason, text)) = due.answer.take() else { continue };
            let is_failure = reason.is_failure() && self.version == Version::V5;
            let packet_type = match due.qos {
                QoS::AtMostOnce | QoS::AtLeastOnce => PacketType::PubAck,
                QoS::ExactlyOnce => {
                    if !self.answered_exactly_once(&due, is_failure) {
                        continue;
                    }
                    PacketType::PubRec
                }
            };
            // MQTT-3.3.5-2: 3.x has no way to refuse.
            let mut packet = match self.version {
                Version::V5 => AckPacket::new(due.packet_id, reason),
                Version::V31 | Version::V311 => AckPacket::new(due.packet_id, ReasonCode::SUCCESS),
            };
            if let (Some(text), Version::V5) = (text, self.version) {
                packet = packet.with_reason_string(text);
            }
            self.send_answer(packet_type, packet);
        }
    }

    /// Whether PUBREC is wanted still: the answer to a repetition may have waited until the handshake was over, and would
    /// be taken for the answer to the next message with this id.
    fn answered_exactly_once(&mut self, due: &Due, is_failure: bool) -> bool {
        let Some(entry) = self.session.received(due.packet_id).filter(|entry| entry.delivery == due.delivery) else {
            return false;
        };
        if is_failure {
            // MQTT-4.3.3-9: the id is free.
            self.session.forget_id(due.packet_id);
            self.dues.make().finish_one();
        } else {
            let was_refused = matches!(entry.state, State::Acked(reason) if reason.is_failure());
            entry.state = State::AwaitRel;
            if was_refused {
                self.session.accepted_after_all(due.packet_id);
            }
        }
        true
    }

    /// PUBACK, PUBREC, PUBREL or PUBCOMP. A peer whose Maximum Packet Size is below four bytes can have none.
    pub(crate) fn send_answer(&mut self, packet_type: PacketType, packet: AckPacket) {
        let is_plain = packet.reason == ReasonCode::SUCCESS && packet.properties.is_empty();
        if is_plain && self.peer.maximum_packet_size >= PLAIN_ACK_LEN {
            // There is nothing to leave out.
            if packet.encode(packet_type, self.version, self.outbox.small()).is_ok() {
                self.packet_sent();
            }
            return;
        }
        let _ = self.send_control(TypedAck(packet_type, packet));
    }
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP without a reason code.
const PLAIN_ACK_LEN: u32 = 4;
