//! Who gets a message: subscriptions, share groups, retained messages.

use std::rc::Rc;

use mqtt_proto::{Message, QoS, RetainHandling, Subscription, TopicFilter, Version};

use super::Reference;
use super::missing::may_fit;
use super::state::{Due, Flag, Sent, Session, SharedDue, Subscribed};

/// Whether a queue takes one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    Yes,
    Perhaps,
    No,
}

impl Reference {
    /// A message is the broker's now. Whether anybody has subscribed to it.
    pub(super) fn publish(&mut self, publisher: &str, message: Message) -> bool {
        let expiry = message.properties().message_expiry_interval();
        let sent = Rc::new(Sent { publisher: publisher.to_owned(), message, at: self.now, expiry });
        if sent.message.retain {
            self.retain(&sent);
        }
        let mut has_subscribers = false;
        for index in 0..self.sessions.len() {
            if let Some(due) = plain(&self.sessions[index], &sent) {
                has_subscribers = true;
                self.enqueue(index, due);
            }
        }
        let first = self.shared.len();
        for group in self.groups(&sent) {
            has_subscribers = true;
            let candidates = self.candidates(&group, &sent);
            self.shared.push(SharedDue { sent: sent.clone(), group, candidates, is_certain: true });
        }
        // In which order it is offered to the groups nobody says, so each may come last.
        self.doubt_shared(first);
        has_subscribers
    }

    /// MQTT-3.3.1-5 to MQTT-3.3.1-7.
    fn retain(&mut self, sent: &Rc<Sent>) {
        let topic = sent.message.topic.as_str().to_owned();
        let is_empty = sent.message.payload.is_empty();
        // A retained message that waits for a slow subscriber may be replaced before it is sent; a new one may still come in
        // time for it.
        for session in &mut self.sessions {
            for due in session.queue.iter_mut().filter(|due| due.is_stored && due.sent.is_on_topic_of(sent)) {
                due.is_certain = false;
            }
            let replays =
                session.replays.iter().filter(|replay| !is_empty && replay.filter.matches(&sent.message.topic));
            let newer = replays.map(|replay| Due { is_certain: false, ..stored(sent, replay, session.version) });
            session.queue.extend(newer);
        }
        if is_empty {
            self.retained.remove(&topic);
        } else {
            self.retained.insert(topic, sent.clone());
        }
    }

    /// Puts a message behind the others of one session, as far as the limits allow.
    fn enqueue(&mut self, index: usize, mut due: Due) {
        let session = &self.sessions[index];
        if session.peer.is_none() && due.qos == QoS::AtMostOnce && !self.setup.queue_qos0 {
            return;
        }
        let is_certain = match self.room(session, 0) {
            Room::Yes => true,
            Room::Perhaps => false,
            Room::No => return,
        };
        // It may have gone down with a connection that ended in this millisecond.
        let may_drop = due.qos == QoS::AtMostOnce || self.setup.is_tight();
        let is_lost = session.peer.is_none() && may_drop && session.timed_out_at == Some(self.now);
        due.is_certain &= is_certain && !is_lost;
        self.sessions[index].queue.push_back(due);
    }

    /// Whether one more message may wait for a client, `own` of those to its groups aside. Beyond the bound the newest is
    /// dropped.
    fn room(&self, session: &Session, own: usize) -> Room {
        let bound = usize::from(self.setup.queue);
        let is_ready = self.is_ready(&session.client);
        let is_candidate = |due: &&SharedDue| due.candidates.iter().any(|(client, _)| *client == session.client);
        let shared = self.shared.iter().filter(is_candidate).count() - own;
        if is_ready && session.queue.is_empty() && session.replays.is_empty() && shared == 0 {
            return Room::Yes;
        }
        let live = || session.queue.iter().filter(|due| !due.is_stored);
        if live().count() + shared < bound {
            return Room::Yes;
        }
        // What was written and not seen waits no more, nor does what leaves at once.
        let is_stalled = session.peer.and_then(|peer| self.link(peer)).is_some_and(|link| link.is_stalled);
        let is_there =
            |due: &&Due| due.is_certain && !due.sent.is_expired(self.now) && may_fit(due, session.maximum_packet_size);
        let is_full = !is_ready && !session.is_blurred && !is_stalled && live().filter(is_there).count() >= bound;
        if is_full { Room::No } else { Room::Perhaps }
    }

    /// Messages to groups from this one on may get lost if there is a member that may lose them.
    fn doubt_shared(&mut self, first: usize) {
        for at in first..self.shared.len() {
            let candidates = &self.shared[at].candidates;
            self.shared[at].is_certain &= candidates.iter().all(|(client, due)| self.is_kept(client, due));
        }
    }

    /// Whether a message to a group is not lost if this member is chosen.
    fn is_kept(&self, client: &str, due: &Due) -> bool {
        let Some(session) = self.session(client) else { return false };
        // A member that is lost in this millisecond may have been chosen just before.
        if self.timed_out_at == Some(self.now) {
            return false;
        }
        let waits = due.qos > QoS::AtMostOnce || session.peer.is_some() || self.setup.queue_qos0;
        waits && may_fit(due, session.maximum_packet_size) && self.room(session, 1) == Room::Yes
    }

    /// Whether nothing holds a message to this client back.
    pub(super) fn is_ready(&self, client: &str) -> bool {
        let Some(session) = self.session(client) else { return false };
        let Some(link) = session.peer.and_then(|peer| self.link(peer)) else { return false };
        let is_resent = session.flights.iter().all(|flight| flight.is_received || Some(flight.peer) == session.peer);
        let window = usize::from(link.receive_maximum.min(self.setup.in_flight));
        !link.is_stalled && link.ending.is_none() && is_resent && session.flights.len() < window
    }

    /// The share groups that this message is for.
    fn groups(&self, sent: &Sent) -> Vec<Rc<str>> {
        let mut groups: Vec<Rc<str>> = Vec::new();
        for subscription in self.sessions.iter().flat_map(|session| &session.subscriptions) {
            let is_new = subscription.filter.is_shared() && !groups.contains(&subscription.name);
            if is_new && subscription.filter.matches(&sent.message.topic) {
                groups.push(subscription.name.clone());
            }
        }
        groups
    }

    fn candidates(&self, group: &Rc<str>, sent: &Rc<Sent>) -> Vec<(String, Due)> {
        let member = |session: &Session| {
            let subscription = session.subscriptions.iter().find(|subscription| subscription.name == *group)?;
            Some((session.client.clone(), due(sent, &[subscription], session.version)))
        };
        self.sessions.iter().filter_map(member).collect()
    }

    /// A session is gone: what its share groups sent to it goes to another member.
    pub(super) fn leave_groups(&mut self, session: Session) {
        for flight in session.flights {
            // MQTT-4.8.2-5: not what the client may have in part, and not what it will acknowledge no more.
            if let Some(group) = flight.group.filter(|_| flight.due.qos == QoS::AtLeastOnce) {
                let candidates = self.candidates(&group, &flight.due.sent);
                let Due { sent, is_certain, .. } = flight.due;
                self.shared.push(SharedDue { sent, group, candidates, is_certain });
            }
        }
        let groups: Vec<Rc<str>> = session.subscriptions.iter().map(|subscription| subscription.name.clone()).collect();
        self.left(&session.client, &groups, true);
    }

    /// What these groups have for a member that has left, or has lost its connection, may go to the others. A session that
    /// goes on may get it still.
    pub(super) fn left(&mut self, client: &str, groups: &[Rc<str>], is_gone: bool) {
        let mut shared = std::mem::take(&mut self.shared);
        for due in &mut shared {
            let Some(at) = due.candidates.iter().position(|(member, _)| member == client) else { continue };
            if !is_gone && !groups.contains(&due.group) {
                continue;
            }
            let sent = due.candidates[at].1.sent.clone();
            if is_gone {
                due.candidates.retain(|(member, _)| member != client);
            }
            let members = self.candidates(&due.group, &sent);
            due.is_certain &= !members.is_empty();
            due.candidates.extend(members);
        }
        shared.retain(|due| !due.candidates.is_empty());
        self.shared = shared;
        self.doubt_shared(0);
    }

    /// A connection of this client has ended with bytes unseen: what it had of its groups may be among them.
    pub(super) fn blur_shared(&mut self, client: &str) {
        for due in &mut self.shared {
            due.is_certain &= !due.candidates.iter().any(|(member, _)| member == client);
        }
    }

    /// SUBSCRIBE: the subscription replaces one of the same filter, and the retained messages are due.
    pub(super) fn subscribe(&mut self, client: &str, wish: &Subscription, identifier: Option<u32>) {
        let retained: Vec<Rc<Sent>> = self.retained.values().cloned().collect();
        let now = self.now;
        let Some(session) = self.session_mut(client) else { return };
        let name: Rc<str> = wish.filter.as_str().into();
        let subscribed = Subscribed {
            filter: wish.filter.clone(),
            name: name.clone(),
            qos: wish.qos,
            no_local: wish.no_local,
            retain_as_published: wish.retain_as_published,
            identifier,
        };
        let old = session.subscriptions.iter_mut().find(|subscription| subscription.name == name);
        let is_new = old.is_none();
        match old {
            Some(old) => *old = subscribed.clone(),
            None => session.subscriptions.push(subscribed.clone()),
        }
        let is_wanted = match wish.retain_handling {
            RetainHandling::Send => true,
            RetainHandling::SendIfNew => is_new,
            RetainHandling::DoNotSend => false,
        };
        // The retained messages of an earlier SUBSCRIBE with this filter may be given up.
        for due in session.queue.iter_mut().filter(|due| due.is_stored && due.filters.contains(&name)) {
            due.is_certain = false;
        }
        if !is_wanted || wish.filter.is_shared() {
            return;
        }
        session.replays.push(subscribed.clone());
        for sent in retained {
            if wish.filter.matches(&sent.message.topic) && !sent.is_expired(now) {
                let mut due = stored(&sent, &subscribed, session.version);
                // Whether No Local is about retained messages, too, the standard does not say.
                due.is_certain = !(wish.no_local && sent.publisher == client);
                session.queue.push_back(due);
            }
        }
    }

    /// UNSUBSCRIBE: whether there was such a subscription.
    pub(super) fn unsubscribe(&mut self, client: &str, filter: &TopicFilter) -> bool {
        let Some(session) = self.session_mut(client) else { return false };
        let found = session.subscriptions.iter().position(|subscription| subscription.filter == *filter);
        let Some(index) = found else { return false };
        let name = session.subscriptions.swap_remove(index).name;
        // What waits for it may still come (MQTT-3.10.4-2).
        for due in &mut session.queue {
            let is_wanted = due.filters.iter().any(|filter| *filter != name);
            due.is_certain &= is_wanted;
        }
        if filter.is_shared() {
            self.left(client, &[name], false);
        }
        true
    }
}

/// What the plain subscriptions of a session make of a message: one copy, however many match (MQTT-3.3.4-2).
fn plain(session: &Session, sent: &Rc<Sent>) -> Option<Due> {
    let is_own = session.client == sent.publisher;
    let matching: Vec<&Subscribed> = session
        .subscriptions
        .iter()
        .filter(|subscription| !subscription.filter.is_shared() && subscription.filter.matches(&sent.message.topic))
        .filter(|subscription| !(is_own && subscription.no_local))
        .collect();
    (!matching.is_empty()).then(|| due(sent, &matching, session.version))
}

/// A retained message, sent because of a SUBSCRIBE (MQTT-3.3.1-8).
fn stored(sent: &Rc<Sent>, subscription: &Subscribed, version: Version) -> Due {
    Due { is_stored: true, retain: Flag::Is(true), ..due(sent, &[subscription], version) }
}

fn due(sent: &Rc<Sent>, subscriptions: &[&Subscribed], version: Version) -> Due {
    let qos = subscriptions.iter().map(|subscription| subscription.qos).max().unwrap_or_default();
    let keeps = |subscription: &&Subscribed| subscription.retain_as_published;
    let retain = match (subscriptions.iter().all(keeps), subscriptions.iter().any(keeps)) {
        (true, _) => Flag::Is(sent.message.retain),
        (false, true) if sent.message.retain => Flag::Either,
        (false, _) => Flag::Is(false),
    };
    let mut identifiers: Vec<u32> = subscriptions.iter().filter_map(|subscription| subscription.identifier).collect();
    identifiers.sort_unstable();
    if version != Version::V5 {
        identifiers.clear();
    }
    Due {
        sent: sent.clone(),
        qos: qos.min(sent.message.qos),
        retain,
        identifiers,
        filters: subscriptions.iter().map(|subscription| subscription.name.clone()).collect(),
        is_stored: false,
        is_certain: true,
    }
}
