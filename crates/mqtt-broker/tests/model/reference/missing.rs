//! What the broker should have written by now.

use mqtt_proto::{PacketId, Publish, QoS, SubscriptionId, Version};

use super::state::{Due, SharedDue};
use super::{Reference, Verdict};
use crate::ensure;

impl Reference {
    /// The broker has written all that it could: is something missing that nothing holds back?
    pub(crate) fn check(&mut self) -> Verdict {
        for at in 0..self.links.len() {
            let link = &self.links[at];
            if link.is_stalled || link.ending.is_some() {
                continue;
            }
            ensure(link.owed.is_empty(), "I23", || format!("link {} was owed {:?}", link.peer, link.owed))?;
            ensure(link.releases.is_empty(), "MQTT-4.4.0-1", || format!("PUBRELs {:?} are missing", link.releases))?;
            self.check_session(at)?;
            self.links[at].is_late = false;
        }
        self.check_shared()
    }

    fn check_session(&mut self, at: usize) -> Verdict {
        let (now, in_flight) = (self.now, self.setup.in_flight);
        let link = &self.links[at];
        let Some(session) = self.sessions.iter_mut().find(|session| session.peer == Some(link.peer)) else {
            return Ok(());
        };
        let client = &session.client;
        let window = usize::from(link.receive_maximum.min(in_flight));
        // PUBRELs of an earlier connection may count, too.
        let has_room = session.flights.len() < window;
        let unsent = session.flights.iter().find(|flight| !flight.is_received && flight.peer != link.peer);
        if let Some(flight) = unsent {
            return ensure(!has_room, "MQTT-4.4.0-1", || format!("'{client}' was to get {flight:?} again"));
        }
        let missing = session
            .queue
            .iter()
            .find(|due| due.is_certain && !due.sent.is_expired(now) && may_fit(due, session.maximum_packet_size));
        // Behind a message that waits for the window everything may wait.
        let is_candidate = |shared: &SharedDue| shared.candidates.iter().any(|(member, _)| member == client);
        let may_wait =
            session.queue.iter().any(|due| due.qos > QoS::AtMostOnce) || self.shared.iter().any(is_candidate);
        let is_missing = missing.is_some() && (has_room || !may_wait);
        ensure(!is_missing, "MQTT-3.3.4-1", || format!("'{client}' was to get {missing:?}"))?;
        if has_room {
            session.queue.clear();
            session.replays.clear();
        }
        Ok(())
    }

    /// A message that every member of its group could take is not held back.
    fn check_shared(&mut self) -> Verdict {
        let now = self.now;
        let mut shared = std::mem::take(&mut self.shared);
        let is_open = |due: &SharedDue| due.candidates.iter().all(|(client, _)| self.is_ready(client));
        for due in &shared {
            let is_fresh = due.candidates.iter().any(|(_, due)| !due.sent.is_expired(now));
            let is_missing = due.is_certain && is_fresh && is_open(due);
            ensure(!is_missing, "MQTT-4.8.2-6", || format!("nobody got {due:?}"))?;
        }
        shared.retain(|due| !is_open(due));
        self.shared = shared;
        Ok(())
    }

    /// All faults have ended and all is acknowledged: nothing is left.
    pub(crate) fn check_settled(&self) -> Verdict {
        for session in &self.sessions {
            let client = &session.client;
            let waits = session.queue.iter().find(|due| {
                due.is_certain && !due.sent.is_expired(self.now) && may_fit(due, session.maximum_packet_size)
            });
            ensure(waits.is_none(), "I23", || format!("'{client}' never got {waits:?}"))?;
            ensure(session.flights.is_empty(), "I11", || format!("'{client}': {:?}", session.flights))?;
        }
        let shared = self.shared.iter().find(|due| due.is_certain);
        ensure(shared.is_none(), "MQTT-4.8.2-6", || format!("nobody got {shared:?}"))
    }
}

/// Whether the client's Maximum Packet Size allows this message (MQTT-3.1.2-24).
pub(super) fn may_fit(due: &Due, maximum: u32) -> bool {
    if maximum == u32::MAX {
        return true;
    }
    let mut message = due.sent.message.clone();
    message.qos = due.qos;
    for id in &due.identifiers {
        message = message.with_subscription_identifier(SubscriptionId::new(*id).expect("it was one"));
    }
    let packet_id = (due.qos > QoS::AtMostOnce).then_some(PacketId::MIN);
    let len = Publish::new(message, packet_id).encoded_len(Version::V5).unwrap_or(usize::MAX);
    len <= maximum as usize
}
