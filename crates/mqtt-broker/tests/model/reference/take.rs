//! Which of the messages that are due is the one that the broker has written.

use std::rc::Rc;

use mqtt_proto::{Message, Properties, PropertyId, Version};

use super::Reference;
use super::missing::may_fit;
use super::state::{Due, Flag, PeerNumber, Session};
use crate::{Violation, broken};

/// What a written message was, and the group that it came through.
pub(super) struct Taken {
    pub(super) due: Due,
    pub(super) group: Option<Rc<str>>,
}

/// A message as it was written.
struct Written<'a> {
    message: &'a Message,
    version: Version,
    now: u64,
    /// It may have been put into the outbox some time ago.
    is_late: bool,
}

impl Reference {
    /// Finds out why this message is sent, and crosses it off.
    pub(super) fn take_due(&mut self, peer: PeerNumber, message: &Message, is_late: bool) -> Result<Taken, Violation> {
        let is_late = is_late || self.link(peer).is_some_and(|link| link.is_late);
        let Some(session) = self.sessions.iter().find(|session| session.peer == Some(peer)) else {
            return broken("I16", "no session is connected here");
        };
        let written = Written { message, version: session.version, now: self.now, is_late };
        let client = session.client.clone();
        let own = session.queue.iter().position(|due| written.is(due));
        let is_it = |due: &Due| written.is(due);
        // Of several that look alike: one that must come, and which the fewest can get.
        let shared = self
            .shared
            .iter()
            .enumerate()
            .filter(|(_, shared)| shared.find(&client, is_it).is_some())
            .min_by_key(|(_, shared)| (!shared.is_certain, shared.candidates.len()))
            .map(|(at, _)| at);
        let overtaken = own.and_then(|at| overtaken(session, at, self.now));
        if let Some(at) = own.filter(|at| shared.is_none() || (session.queue[*at].is_certain && overtaken.is_none())) {
            if let Some(other) = overtaken {
                return broken("MQTT-4.6.0-6", format!("it overtakes {other:?}"));
            }
            let twin = session.queue.iter().skip(at + 1).position(|due| due.is_certain && written.is(due));
            let mut due = self.take_own(&client, at, twin);
            // If both look alike, nobody can tell which one will be acknowledged.
            due.is_certain &= shared.is_none();
            return Ok(Taken { due, group: None });
        }
        let Some(at) = shared.or_else(|| self.guess_again(&client, is_it)) else {
            let queue = self.session(&client).map(|session| &session.queue);
            return broken("MQTT-3.3.4-1", format!("nobody owes this to '{client}'; due are {queue:?}"));
        };
        let shared = self.shared.remove(at);
        self.guess(&client, &shared, is_it);
        let mut due = shared.find(&client, is_it).cloned().expect("it was found there");
        due.is_certain &= own.is_none();
        Ok(Taken { due, group: Some(shared.group) })
    }

    fn take_own(&mut self, client: &str, at: usize, twin: Option<usize>) -> Due {
        let session = self.session_mut(client).expect("it was found");
        let due = session.queue.remove(at).expect("it was found there");
        if let Some(twin) = twin.filter(|_| !due.is_certain) {
            // Of two that look alike one had to come: this may have been it.
            session.queue[at + twin].is_certain = false;
        }
        let mut place = 0;
        session.queue.retain(|other| {
            place += 1;
            place > at || !is_behind(&due, other)
        });
        due
    }
}

/// What must come before the message at this place, and has not (MQTT-4.6.0-6).
fn overtaken(session: &Session, at: usize, now: u64) -> Option<&Due> {
    let due = &session.queue[at];
    let must_come =
        |other: &&Due| other.is_certain && !other.sent.is_expired(now) && may_fit(other, session.maximum_packet_size);
    session.queue.iter().take(at).filter(|other| is_behind(due, other)).find(must_come)
}

/// Whether a message keeps its place behind another: one of the same client, topic and QoS.
fn is_behind(due: &Due, other: &Due) -> bool {
    !other.is_stored && !due.is_stored && other.sent.is_about(&due.sent) && other.qos == due.qos
}

impl Written<'_> {
    fn is(&self, due: &Due) -> bool {
        let is_fresh = self.is_late || !due.sent.is_expired(self.now);
        is_fresh && is_same(due, self.message, self.version) && self.is_counted_down(due)
    }

    /// MQTT-3.3.2-6: the time it waited here is subtracted, in whole seconds either way.
    fn is_counted_down(&self, due: &Due) -> bool {
        let told = self.message.properties().message_expiry_interval();
        let Some(seconds) = due.sent.expiry.filter(|_| self.version == Version::V5) else { return told.is_none() };
        let waited = self.now - due.sent.at;
        let (least, most) = (if self.is_late { 0 } else { waited / 1000 }, waited.div_ceil(1000));
        told.is_some_and(|told| {
            let told = u64::from(told);
            told + most >= u64::from(seconds) && told + least <= u64::from(seconds)
        })
    }
}

/// Whether this is the message that is due, but for its expiry.
pub(super) fn is_same(due: &Due, message: &Message, version: Version) -> bool {
    let sent = &due.sent.message;
    let is_plain = sent.topic == message.topic && sent.payload == message.payload && due.qos == message.qos;
    let has_flag = match due.retain {
        Flag::Is(flag) => flag == message.retain,
        Flag::Either => true,
    };
    if !is_plain || !has_flag {
        return false;
    }
    if version != Version::V5 {
        return message.properties().is_empty();
    }
    let mut identifiers: Vec<u32> = message.properties().subscription_identifiers().map(|id| id.get()).collect();
    identifiers.sort_unstable();
    identifiers == due.identifiers && has_same_properties(sent.properties(), message.properties())
}

/// MQTT-3.3.2-4, -15, -16, -17, -18, -20: forwarded unaltered, the User Properties in their order.
fn has_same_properties(sent: &Properties, received: &Properties) -> bool {
    if sent.is_empty() {
        return received.iter().all(|(id, _)| is_ours(id));
    }
    let own = |properties: &Properties| {
        let others = properties.iter().filter(|(id, _)| !is_ours(*id));
        let mut list: Vec<(u8, String)> = others.map(|(id, value)| (id as u8, format!("{value:?}"))).collect();
        list.sort_by_key(|(id, _)| *id);
        list
    };
    own(sent) == own(received)
}

fn is_ours(id: PropertyId) -> bool {
    matches!(id, PropertyId::SubscriptionIdentifier | PropertyId::MessageExpiryInterval)
}
