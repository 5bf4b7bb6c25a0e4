//! What the broker has taken in.

use mqtt_proto::{Packet, Publish, QoS, ReasonCode, Version};

use super::state::{Owed, PeerNumber};
use super::{Reference, Verdict};
use crate::broken;

impl Reference {
    /// The broker has taken in a whole packet.
    pub(crate) fn received(&mut self, peer: PeerNumber, packet: Packet) -> Verdict {
        let now = self.now;
        let Some(link) = self.link_mut(peer) else { return broken("I16", "a link that is closed takes bytes") };
        if link.ending.is_some() {
            return Ok(());
        }
        link.heard_at = now;
        match packet {
            Packet::Connect(connect) => self.connect(peer, *connect),
            Packet::Publish(publish) => self.take(peer, publish),
            Packet::PubAck(ack) => self.finished(peer, ack.packet_id.get()),
            Packet::PubRec(ack) if ack.reason.is_failure() => self.finished(peer, ack.packet_id.get()),
            Packet::PubRec(ack) => self.half_finished(peer, ack.packet_id.get()),
            Packet::PubComp(ack) => self.finished(peer, ack.packet_id.get()),
            Packet::PubRel(ack) => {
                let id = ack.packet_id.get();
                let received = self.session_of(peer).map(|session| &mut session.received);
                let at = received.as_ref().and_then(|received| received.iter().position(|known| *known == id));
                if let (Some(received), Some(at)) = (received, at) {
                    received.swap_remove(at);
                }
                self.owe(peer, Owed::PubComp { id, is_known: at.is_some() });
            }
            Packet::Subscribe(subscribe) => {
                let client = self.client(peer);
                let identifier = subscribe.properties().subscription_identifiers().next().map(|id| id.get());
                let mut reasons = Vec::new();
                for wish in &subscribe.subscriptions {
                    self.subscribe(&client, wish, identifier);
                    reasons.push(ReasonCode(wish.qos as u8));
                }
                self.owe(peer, Owed::SubAck { id: subscribe.packet_id.get(), reasons });
            }
            Packet::Unsubscribe(unsubscribe) => {
                let client = self.client(peer);
                let existed = unsubscribe.filters.iter().map(|filter| self.unsubscribe(&client, filter)).collect();
                self.owe(peer, Owed::UnsubAck { id: unsubscribe.packet_id.get(), existed });
            }
            Packet::PingReq => self.owe(peer, Owed::Pong),
            Packet::Disconnect(disconnect) => {
                let expiry = disconnect.properties().session_expiry_interval();
                self.disconnect(peer, disconnect.reason, expiry);
            }
            Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp | Packet::Auth(_) => {
                return broken("I5", format!("a client wrote {packet:?}"));
            }
        }
        Ok(())
    }

    /// PUBLISH: the message is the broker's, unless it is the repetition of one of QoS 2 (MQTT-4.3.3-10).
    fn take(&mut self, peer: PeerNumber, publish: Publish) {
        let Publish { mut message, dup, packet_id, topic_alias } = publish;
        let link = self.link_mut(peer).expect("a link that is open");
        if let Some(alias) = topic_alias {
            if message.topic.as_bytes().is_empty() {
                message.topic = link.aliases[0].get(&alias.get()).expect("our client knows its aliases").clone();
            } else {
                link.aliases[0].insert(alias.get(), message.topic.clone());
            }
        }
        let (qos, id) = (message.qos, packet_id.map_or(0, |id| id.get()));
        let client = self.client(peer);
        let mut has_subscribers = true;
        let mut is_new = true;
        if let (QoS::ExactlyOnce, Some(session)) = (qos, self.session_of(peer)) {
            is_new = !session.received.contains(&id);
            if is_new {
                session.received.push(id);
            } else if session.version == Version::V31 && !dup {
                // A 3.1 client that knows of no session begins anew without saying so.
                is_new = true;
            }
        }
        if is_new {
            has_subscribers = self.publish(&client, message);
        }
        if qos > QoS::AtMostOnce {
            self.owe(peer, Owed::Taken { id, qos, has_subscribers });
        }
    }

    /// PUBACK, PUBCOMP, or a PUBREC that refuses.
    fn finished(&mut self, peer: PeerNumber, id: u16) {
        if let Some(session) = self.session_of(peer) {
            session.flights.retain(|flight| flight.id != id);
        }
    }

    fn half_finished(&mut self, peer: PeerNumber, id: u16) {
        let Some(session) = self.session_of(peer) else { return };
        let at = session.flights.iter().position(|flight| flight.id == id);
        if let Some(at) = at {
            // PUBRELs go out again in the order of the PUBRECs (MQTT-4.6.0-4).
            let mut flight = session.flights.remove(at);
            flight.is_received = true;
            session.flights.push(flight);
        }
        self.owe(peer, Owed::PubRel { id, is_known: at.is_some() });
    }

    fn owe(&mut self, peer: PeerNumber, owed: Owed) {
        if let Some(link) = self.link_mut(peer) {
            link.owed.push_back(owed);
        }
    }

    fn client(&self, peer: PeerNumber) -> String {
        self.link(peer).and_then(|link| link.client.clone()).unwrap_or_default()
    }
}
