//! Messages that leave: the peer's limits, the QoS 1 and 2 sender, and the backlog of a resumed session.
//!
//! | state | PUBACK | PUBREC | PUBREC 0x80 and above | PUBCOMP |
//! |---|---|---|---|---|
//! | `AwaitAck` | done | protocol error | protocol error | protocol error |
//! | `AwaitRec` | protocol error | PUBREL, `AwaitComp` | done | protocol error |
//! | `AwaitComp` | protocol error | PUBREL again | protocol error | done |
//! | unknown id | nothing | PUBREL 0x92 | nothing | nothing |
//! | SUBSCRIBE, UNSUBSCRIBE | protocol error | protocol error | protocol error | protocol error |

use alloc::vec::Vec;

use crate::session::Token;
use crate::session::outgoing::{Outgoing, Slot, State};
use crate::{
    AckPacket, Instant, Message, PacketId, PacketType, Properties, ProtocolError, PublishParts, QoS, ReasonCode,
    Version,
};

use super::alias::AliasUse;
use super::{Acknowledged, Capability, CommandError, Connection, Rejected, Role, rules};

impl<R: Role> Connection<R> {
    /// Sends a message. A QoS 1 or 2 message is kept in the session until the peer has it, and an
    /// [`Acknowledged`] event tells so; QoS 0 ends here, and its token never comes back.
    ///
    /// Topic aliases are used within the peer's Topic Alias Maximum. Nothing is allocated in steady state: the payload is
    /// shared, not copied, from about 512 bytes on.
    ///
    /// # Errors
    ///
    /// The message is given back with the reason: [`NotConnected`](CommandError::NotConnected),
    /// [`Closed`](CommandError::Closed), [`Full`](CommandError::Full) (the peer's Receive Maximum, a backlog that is still
    /// being resent, or the outbox), [`TooLarge`](CommandError::TooLarge), [`NotAvailable`](CommandError::NotAvailable)
    /// (Maximum QoS, Retain Available), [`NotAllowed`](CommandError::NotAllowed) (a client's Subscription Identifier),
    /// [`Encode`](CommandError::Encode) (properties in 3.x).
    pub fn publish(&mut self, now: Instant, message: Message) -> Result<Token, Rejected<Message>> {
        self.advance_clock(now);
        if let Err(error) = self.check_publish(&message) {
            return Err(Rejected::new(error, message));
        }
        let packet_id = if message.qos == QoS::AtMostOnce { None } else { self.session.outgoing.next_id() };
        if let Err(error) = self.write_publish(&message, packet_id, false) {
            return Err(Rejected::new(error, message));
        }
        let token = self.session.next_token();
        if let Some(packet_id) = packet_id {
            self.session.published(packet_id, token, message);
        }
        Ok(token)
    }

    /// Whether [`publish`](Self::publish) would have room for a message of this QoS now.
    pub fn can_publish(&self, qos: QoS) -> bool {
        self.check_open().is_ok() && self.has_room(qos)
    }

    fn has_room(&self, qos: QoS) -> bool {
        let outgoing = &self.session.outgoing;
        let has_window = || !outgoing.has_unsent() && outgoing.in_window() < self.window() && outgoing.has_free_id();
        self.outbox_len() < self.config.outbox_limit.max(1) && (qos == QoS::AtMostOnce || has_window())
    }

    /// How many messages may be unfinished at a time.
    fn window(&self) -> u16 {
        self.peer.receive_maximum.min(self.config.send_maximum.get())
    }

    fn check_publish(&self, message: &Message) -> Result<(), CommandError> {
        self.check_open()?;
        self.check_capabilities(message)?;
        if self.has_room(message.qos) { Ok(()) } else { Err(CommandError::Full) }
    }

    /// What the server said it does not take, and what no server takes.
    fn check_capabilities(&self, message: &Message) -> Result<(), CommandError> {
        if R::IS_CLIENT {
            if message.qos > self.peer.maximum_qos {
                return Err(CommandError::NotAvailable(Capability::Qos));
            }
            if message.retain && !self.peer.retain_available {
                return Err(CommandError::NotAvailable(Capability::Retain));
            }
            if !message.properties().is_empty() && message.properties().subscription_identifiers().next().is_some() {
                return Err(CommandError::NotAllowed(
                    "a client's PUBLISH has no Subscription Identifier (MQTT-3.3.4-6)",
                ));
            }
        }
        Ok(())
    }

    /// Puts a PUBLISH into the outbox, with a topic alias if that helps.
    fn write_publish(&mut self, message: &Message, packet_id: Option<PacketId>, dup: bool) -> Result<(), CommandError> {
        let mut parts = PublishParts { message, dup, packet_id, topic_alias: None, omit_topic: false };
        let maximum = self.peer.maximum_packet_size;
        // The alias of a new topic makes the packet longer, so a message must fit without one, too: it may be sent again.
        // Counted exactly where it is close, and where properties may make the message impossible to encode: an alias must not be
        // assigned for one that is never sent.
        let size = at_most(message);
        let is_short = size <= maximum as usize && message.properties().is_empty();
        let plain_size = if is_short { size } else { parts.encoded_len(self.version)? };
        if plain_size > maximum as usize {
            return Err(CommandError::TooLarge { size: plain_size, maximum });
        }
        let has_room = is_short || plain_size + ALIAS_SIZE <= maximum as usize;
        if self.version == Version::V5 && has_room {
            let AliasUse { alias, known } = self.outgoing_aliases.assign(&message.topic);
            parts.topic_alias = alias;
            parts.omit_topic = known;
        }
        parts.encode_header(self.version, self.outbox.small())?;
        self.outbox.push_payload(&message.payload);
        self.packet_sent();
        Ok(())
    }

    /// Sends again what a resumed session holds, in order, as far as the window and the outbox allow.
    pub(crate) fn send_backlog(&mut self) {
        if !self.session.outgoing.has_unsent() || self.check_open().is_err() {
            return;
        }
        while self.session.outgoing.in_window() < self.window() && self.outbox_len() < self.config.outbox_limit.max(1) {
            let unsent = self.session.outgoing.used().and_then(Outgoing::next_unsent);
            let Some((packet_id, dup, message)) = unsent else { return };
            // It cannot fail: `give_up_unsendable` has left only what this connection allows.
            let _ = self.write_publish(&message, Some(packet_id), dup);
        }
    }

    /// A resumed session: PUBRELs first, then PUBLISHes (MQTT-4.4.0-1).
    pub(crate) fn resend(&mut self) {
        let Some(outgoing) = self.session.outgoing.used() else { return };
        let mut released = Vec::new();
        outgoing.resend_released(|id| released.push(id));
        if !R::IS_CLIENT && self.version != Version::V5 {
            // The client was here in 5.0 before: what 3.x has no words for is no reason to lose a message (MQTT-4.4.0-1).
            outgoing.leave_properties_out();
        }
        for id in released {
            self.send_answer(PacketType::PubRel, AckPacket::new(id, ReasonCode::SUCCESS));
        }
        self.give_up_unsendable();
        self.send_backlog();
    }

    /// Resumed messages that this connection's limits do not allow: MQTT-3.1.2-25 treats them as sent.
    ///
    /// The peer may have a QoS 2 message from an earlier attempt, and would take the next one under its id for a
    /// repetition. So the handshake goes on with PUBREL, and the id is free when PUBCOMP comes. All of this happens at once,
    /// because filling the outbox later must change nothing that a journal has to store first.
    fn give_up_unsendable(&mut self) {
        let maximum = self.peer.maximum_packet_size as usize;
        let takes_all = !R::IS_CLIENT || self.peer.maximum_qos == QoS::ExactlyOnce && self.peer.retain_available;
        let reason = |(packet_id, slot): (PacketId, &Slot)| {
            if takes_all && self.session.outgoing.is_plain(packet_id, slot, maximum.saturating_sub(AROUND)) {
                return None;
            }
            let message = self.session.outgoing.message(packet_id)?;
            let error = self.check_sendable(packet_id, &message).err()?;
            Some((packet_id, message.qos, give_up_reason(&error)))
        };
        let unsendable: Vec<(PacketId, QoS, ReasonCode)> = self.session.outgoing.iter().filter_map(reason).collect();
        for (packet_id, qos, reason) in unsendable {
            if qos == QoS::ExactlyOnce {
                self.session.released(packet_id, reason);
                self.send_answer(PacketType::PubRel, AckPacket::new(packet_id, ReasonCode::SUCCESS));
            } else {
                self.finish(packet_id, reason, Properties::default());
            }
        }
    }

    fn check_sendable(&self, packet_id: PacketId, message: &Message) -> Result<(), CommandError> {
        self.check_capabilities(message)?;
        let packet_id = Some(packet_id);
        let parts = PublishParts { message, dup: true, packet_id, topic_alias: None, omit_topic: false };
        let (size, maximum) = (parts.encoded_len(self.version)?, self.peer.maximum_packet_size);
        if size > maximum as usize { Err(CommandError::TooLarge { size, maximum }) } else { Ok(()) }
    }

    pub(crate) fn receive_puback(
        &mut self,
        packet_id: PacketId,
        reason: ReasonCode,
        properties: Properties,
    ) -> Result<(), ProtocolError> {
        match self.session.outgoing.state(packet_id) {
            State::AwaitAck => self.finish(packet_id, reason, properties),
            State::Free => {}
            State::AwaitRec | State::AwaitComp | State::AwaitSubAck(_) | State::AwaitUnsubAck(_) => {
                return Err(self.broke(PacketType::PubAck, "packet identifier", &rules::WRONG_ANSWER));
            }
        }
        self.send_backlog();
        Ok(())
    }

    pub(crate) fn receive_pubrec(
        &mut self,
        packet_id: PacketId,
        reason: ReasonCode,
        properties: Properties,
    ) -> Result<(), ProtocolError> {
        match self.session.outgoing.state(packet_id) {
            State::AwaitRec if reason.is_failure() => self.finish(packet_id, reason, properties),
            State::AwaitRec => {
                self.session.released(packet_id, reason);
                self.send_answer(PacketType::PubRel, AckPacket::new(packet_id, ReasonCode::SUCCESS));
            }
            State::AwaitComp if !reason.is_failure() => {
                self.send_answer(PacketType::PubRel, AckPacket::new(packet_id, ReasonCode::SUCCESS));
            }
            State::Free if reason.is_failure() => {}
            State::Free => {
                let reason = match self.version {
                    Version::V5 => ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
                    Version::V31 | Version::V311 => ReasonCode::SUCCESS,
                };
                self.send_answer(PacketType::PubRel, AckPacket::new(packet_id, reason));
            }
            State::AwaitAck | State::AwaitComp | State::AwaitSubAck(_) | State::AwaitUnsubAck(_) => {
                return Err(self.broke(PacketType::PubRec, "packet identifier", &rules::WRONG_ANSWER));
            }
        }
        self.send_backlog();
        Ok(())
    }

    pub(crate) fn receive_pubcomp(&mut self, packet_id: PacketId, properties: Properties) -> Result<(), ProtocolError> {
        match self.session.outgoing.state(packet_id) {
            // Whatever its reason: 0x92 answers a PUBREL that was sent again because PUBCOMP got lost.
            State::AwaitComp => self.finish(packet_id, ReasonCode::SUCCESS, properties),
            State::Free => {}
            State::AwaitAck | State::AwaitRec | State::AwaitSubAck(_) | State::AwaitUnsubAck(_) => {
                return Err(self.broke(PacketType::PubComp, "packet identifier", &rules::WRONG_ANSWER));
            }
        }
        self.send_backlog();
        Ok(())
    }

    /// Frees the id and its share of the window, and tells the application.
    fn finish(&mut self, packet_id: PacketId, reason: ReasonCode, properties: Properties) {
        let Some(slot) = self.session.finished(packet_id) else { return };
        // What PUBREC said (0x10: nobody subscribed), or why we gave up, is the news; PUBCOMP only says that the handshake
        // is over.
        let is_news = reason != ReasonCode::SUCCESS && !slot.rec_reason.is_failure();
        let reason = if is_news { reason } else { slot.rec_reason };
        self.tell(R::acknowledged(Acknowledged { token: slot.token, reason, properties }));
    }
}

/// Bytes of a PUBLISH beside its topic, properties and payload, at most, an alias included.
const AROUND: usize = 32;

/// What a PUBLISH of this message can take at most, an alias included.
fn at_most(message: &Message) -> usize {
    let Message { topic, payload, properties, .. } = message;
    topic.as_bytes().len() + properties.as_bytes().len() + payload.len() + AROUND
}

fn give_up_reason(error: &CommandError) -> ReasonCode {
    match error {
        CommandError::TooLarge { .. } => ReasonCode::PACKET_TOO_LARGE,
        CommandError::NotAvailable(Capability::Qos) => ReasonCode::QOS_NOT_SUPPORTED,
        CommandError::NotAvailable(Capability::Retain) => ReasonCode::RETAIN_NOT_SUPPORTED,
        CommandError::NotConnected
        | CommandError::Closed
        | CommandError::Full
        | CommandError::NotAvailable(_)
        | CommandError::NotAllowed(_)
        | CommandError::Encode(_) => ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR,
    }
}

/// What a Topic Alias adds to a packet: three bytes, one more if the Property Length and one if the Remaining Length grow.
const ALIAS_SIZE: usize = 5;
