//! What the broker writes.

use mqtt_proto::{AckPacket, Message, Packet, PacketType, Publish, QoS, ReasonCode, Version};

use super::state::{Ending, Flight, Link, Owed, PeerNumber};
use super::take::{Taken, is_same};
use super::{Reference, Verdict};
use crate::{broken, ensure};

impl Reference {
    /// The broker has written a packet of so many bytes.
    pub(crate) fn wrote(&mut self, peer: PeerNumber, packet: &Packet, len: usize) -> Verdict {
        let verdict = self.judge(peer, packet, len);
        verdict.map_err(|mut violation| {
            let client = self.link(peer).and_then(|link| link.client.clone()).unwrap_or_default();
            violation.what = format!("{}; written to '{client}' on link {peer}: {packet:?}", violation.what);
            violation
        })
    }

    fn judge(&mut self, peer: PeerNumber, packet: &Packet, len: usize) -> Verdict {
        let Some(link) = self.link(peer) else { return broken("I16", "the link is closed") };
        ensure(!link.has_said_disconnect, "I16", || "written after DISCONNECT".into())?;
        let maximum = self.session_of(peer).map_or(u32::MAX, |session| session.maximum_packet_size);
        ensure(len <= maximum as usize, "MQTT-3.1.2-24", || format!("{len} bytes, and {maximum} are allowed"))?;
        let link = self.link_mut(peer).expect("it was there");
        if link.is_blurred && packet.packet_type() != PacketType::Disconnect {
            // Written before the end, when nobody looked.
            return Ok(());
        }
        match packet {
            Packet::Publish(publish) => return self.judge_publish(peer, publish),
            Packet::PubRel(ack) => return self.judge_release(peer, ack),
            Packet::Disconnect(disconnect) => {
                link.has_said_disconnect = true;
                let is_due = match disconnect.reason {
                    ReasonCode::SESSION_TAKEN_OVER => link.ending == Some(Ending::TakenOver),
                    ReasonCode::KEEP_ALIVE_TIMEOUT => link.ending == Some(Ending::TimedOut),
                    _ => false,
                };
                return ensure(is_due, "MQTT-4.13.1-1", || "nothing asked for this DISCONNECT".into());
            }
            Packet::Connect(_)
            | Packet::ConnAck(_)
            | Packet::PubAck(_)
            | Packet::PubRec(_)
            | Packet::PubComp(_)
            | Packet::Subscribe(_)
            | Packet::SubAck(_)
            | Packet::Unsubscribe(_)
            | Packet::UnsubAck(_)
            | Packet::PingReq
            | Packet::PingResp
            | Packet::Auth(_) => {}
        }
        let (owed, version) = (link.owed.pop_front(), link.version);
        let is_answer = owed.as_ref().is_some_and(|owed| answers(owed, packet, version));
        ensure(is_answer, "MQTT-4.6.0-2", || format!("this was due: {owed:?}"))
    }

    /// PUBREL answers a PUBREC, or repeats one that a resumed session has sent before.
    fn judge_release(&mut self, peer: PeerNumber, ack: &AckPacket) -> Verdict {
        let id = ack.packet_id.get();
        let Some(link) = self.link_mut(peer) else { return Ok(()) };
        if link.releases.front() == Some(&id) {
            link.releases.pop_front();
            return Ok(());
        }
        let owed = link.owed.pop_front();
        let is_known = ack.reason == ReasonCode::SUCCESS;
        let is_due = match owed {
            // In 3.x it cannot be said that the id is unknown.
            Some(Owed::PubRel { id: due, is_known: known }) => due == id && (known == is_known || !known),
            _ => false,
        };
        ensure(is_due, "MQTT-4.4.0-1", || format!("this was due: {owed:?}, {:?}", link.releases))
    }

    fn judge_publish(&mut self, peer: PeerNumber, publish: &Publish) -> Verdict {
        let Some(link) = self.link_mut(peer) else { return Ok(()) };
        let message = resolved(link, publish)?;
        let is_open = link.client.is_some() && !matches!(link.owed.front(), Some(Owed::ConnAck { .. }));
        ensure(is_open, "MQTT-3.1.4-5", || "a message before CONNACK".into())?;
        ensure(link.releases.is_empty(), "MQTT-4.4.0-1", || "PUBRELs come first".into())?;
        if message.topic.as_bytes().starts_with(b"$SYS/") {
            return self.judge_status(peer, &message);
        }
        match publish.packet_id.map(|id| id.get()) {
            None => self.take_due(peer, &message, false).map(drop),
            Some(id) if publish.dup => self.judge_repetition(peer, id, &message),
            Some(id) => self.judge_first(peer, id, &message),
        }
    }

    /// The broker's own topics go to who asks for them by name (MQTT-4.7.2-1).
    fn judge_status(&mut self, peer: PeerNumber, message: &Message) -> Verdict {
        let wanted = self.session_of(peer).is_some_and(|session| {
            session.subscriptions.iter().any(|subscription| subscription.filter.matches(&message.topic))
        });
        ensure(wanted, "MQTT-4.7.2-1", || "nobody asked for it".into())
    }

    fn judge_first(&mut self, peer: PeerNumber, id: u16, message: &Message) -> Verdict {
        let taken = self.take_due(peer, message, false)?;
        self.take_off(peer, id, taken)
    }

    fn take_off(&mut self, peer: PeerNumber, id: u16, Taken { due, group }: Taken) -> Verdict {
        let link = self.link(peer).expect("it writes");
        let maximum = link.receive_maximum.min(self.setup.in_flight);
        let Some(session) = self.session_of(peer) else { return broken("I16", "no session is connected here") };
        let is_free = session.flights.iter().all(|flight| flight.id != id);
        ensure(is_free || session.is_blurred, "I9", || "the packet id is in use".into())?;
        let is_resent = session.flights.iter().all(|flight| flight.is_received || flight.peer == peer);
        ensure(is_resent, "MQTT-4.4.0-1", || "unfinished messages come first".into())?;
        session.flights.push(Flight { id, due, is_received: false, peer, group });
        let open = session.window(peer);
        ensure(open <= usize::from(maximum), "MQTT-3.3.4-9", || format!("{open} are open, {maximum} may be"))
    }

    /// DUP: an unfinished message of a resumed session, in the order of the first attempts (MQTT-4.6.0-1).
    fn judge_repetition(&mut self, peer: PeerNumber, id: u16, message: &Message) -> Verdict {
        let is_resumed = self.link(peer).is_some_and(|link| link.is_resumed);
        ensure(is_resumed, "I13", || "DUP in a new session".into())?;
        let Some(session) = self.session_of(peer) else { return broken("I16", "no session is connected here") };
        let (version, is_blurred) = (session.version, session.is_blurred);
        let next = session.flights.iter_mut().find(|flight| !flight.is_received && flight.peer != peer);
        match next {
            Some(flight) if flight.id == id => {
                flight.peer = peer;
                // What went to a 3.x connection once has lost its properties.
                let is_it = is_same(&flight.due, message, version) || is_same(&flight.due, message, Version::V311);
                ensure(is_it, "I13", || format!("it was {:?} before", flight.due))
            }
            // It may have been written to a link that ended before anybody saw it.
            None if is_blurred => {
                let taken = self.take_due(peer, message, true)?;
                self.take_off(peer, id, taken)
            }
            next => broken("I13", format!("{:?} was to be repeated", next.map(|flight| flight.id))),
        }
    }
}

/// The topic behind an alias of the broker.
fn resolved(link: &mut Link, publish: &Publish) -> Result<Message, crate::Violation> {
    let mut message = publish.message.clone();
    let Some(alias) = publish.topic_alias.map(|alias| alias.get()) else { return Ok(message) };
    ensure(alias <= link.topic_alias_maximum, "MQTT-3.1.2-26", || "the alias is above the maximum".into())?;
    if message.topic.as_bytes().is_empty() {
        match link.aliases[1].get(&alias) {
            Some(topic) => message.topic = topic.clone(),
            None => return broken("I22", "the alias was not set on this link"),
        }
    } else {
        link.aliases[1].insert(alias, message.topic.clone());
    }
    Ok(message)
}

fn answers(owed: &Owed, packet: &Packet, version: Version) -> bool {
    let is_v5 = version == Version::V5;
    match (owed, packet) {
        (Owed::ConnAck { is_present }, Packet::ConnAck(connack)) => {
            connack.reason == ReasonCode::SUCCESS && connack.session_present == *is_present
        }
        (Owed::Taken { id, qos: QoS::AtLeastOnce, has_subscribers }, Packet::PubAck(ack))
        | (Owed::Taken { id, qos: QoS::ExactlyOnce, has_subscribers }, Packet::PubRec(ack)) => {
            let is_right = ack.reason == ReasonCode::SUCCESS
                || (ack.reason == ReasonCode::NO_MATCHING_SUBSCRIBERS && !has_subscribers);
            ack.packet_id.get() == *id && is_right
        }
        (Owed::PubComp { id, is_known }, Packet::PubComp(ack)) => {
            let is_right = *is_known == (ack.reason == ReasonCode::SUCCESS) || !is_v5;
            ack.packet_id.get() == *id && is_right
        }
        (Owed::SubAck { id, reasons }, Packet::SubAck(suback)) => {
            suback.packet_id.get() == *id && suback.reasons == *reasons
        }
        (Owed::UnsubAck { id, existed }, Packet::UnsubAck(unsuback)) => {
            let reason =
                |existed: &bool| if *existed { ReasonCode::SUCCESS } else { ReasonCode::NO_SUBSCRIPTION_EXISTED };
            let is_right = !is_v5 || unsuback.reasons.iter().copied().eq(existed.iter().map(reason));
            unsuback.packet_id.get() == *id && is_right
        }
        (Owed::Pong, Packet::PingResp) => true,
        (
            Owed::ConnAck { .. }
            | Owed::Taken { .. }
            | Owed::PubRel { .. }
            | Owed::PubComp { .. }
            | Owed::SubAck { .. }
            | Owed::UnsubAck { .. }
            | Owed::Pong,
            _,
        ) => false,
    }
}
