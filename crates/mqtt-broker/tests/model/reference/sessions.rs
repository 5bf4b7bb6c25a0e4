//! Connections begin and end, sessions outlive them, wills and expiries become due.

use mqtt_proto::{Connect, QoS, ReasonCode, Version};

use super::state::{Ending, Link, Owed, PeerNumber, Session};
use super::{Reference, Verdict};
use crate::ensure;

impl Reference {
    /// CONNECT has been taken in.
    pub(super) fn connect(&mut self, peer: PeerNumber, connect: Connect) {
        let client = connect.client_id.as_str().to_owned();
        if let Some(old) = self.session(&client).and_then(|session| session.peer) {
            self.take_over(old, connect.clean_start);
        }
        if connect.clean_start {
            self.end_session(&client);
        }
        let is_present = self.session(&client).is_some();
        let properties = connect.properties();
        let expiry = match connect.version {
            Version::V31 | Version::V311 if connect.clean_start => 0,
            Version::V31 | Version::V311 => u32::MAX,
            Version::V5 => properties.session_expiry_interval().unwrap_or(0),
        };
        let maximum_packet_size = properties.maximum_packet_size().map_or(u32::MAX, |maximum| maximum.get());
        let link = self.link_mut(peer).expect("a link that is open");
        link.client = Some(client.clone());
        link.version = connect.version;
        link.receive_maximum = properties.receive_maximum().map_or(u16::MAX, |maximum| maximum.get());
        link.topic_alias_maximum = properties.topic_alias_maximum().unwrap_or(0);
        link.keep_alive = u64::from(connect.keep_alive) * 1000;
        link.is_resumed = is_present;
        link.owed.push_back(Owed::ConnAck { is_present: is_present && connect.version != Version::V31 });
        if !is_present {
            self.sessions.push(Session::new(client.clone()));
        }
        let session = self.session_mut(&client).expect("it was found or made");
        session.version = connect.version;
        session.expiry = expiry;
        session.peer = Some(peer);
        session.maximum_packet_size = maximum_packet_size;
        (session.ends_at, session.will_at) = (None, None);
        session.will = connect.will;
        let releases = session.flights.iter().filter(|flight| flight.is_received).map(|flight| flight.id).collect();
        self.link_mut(peer).expect("a link that is open").releases = releases;
    }

    /// MQTT-3.1.4-3: of two connections of one client the older one ends.
    fn take_over(&mut self, old: PeerNumber, is_clean: bool) {
        // Whether its outbox was empty nobody can know: the DISCONNECT is in it.
        let is_stalled = self.link(old).is_some_and(|link| link.is_stalled);
        let Some(session) = self.session_of(old) else { return };
        if !is_clean && session.will.as_ref().is_some_and(|will| will.delay_interval > 0) && session.expiry > 0 {
            // The session goes on before the delay has passed (MQTT-3.1.3-9).
            session.will = None;
        }
        self.lose(old, Ending::TakenOver, is_stalled);
    }

    /// A connection has ended, with or without its DISCONNECT.
    pub(super) fn lose(&mut self, peer: PeerNumber, ending: Ending, has_unwritten: bool) {
        let (now, keeps_qos0) = (self.now, self.setup.queue_qos0);
        let Some(link) = self.link_mut(peer) else { return };
        link.ending = Some(ending);
        let was_stalled = link.is_stalled || has_unwritten;
        link.is_blurred = was_stalled;
        let Some(session) = self.session_of(peer) else { return };
        let client = session.client.clone();
        session.peer = None;
        session.timed_out_at = (ending == Ending::TimedOut).then_some(now);
        session.is_blurred |= was_stalled;
        // Messages of QoS 0 stay if the broker is told to keep them; what was written and not seen is lost.
        session.queue.retain(|due| due.qos > QoS::AtMostOnce || due.is_stored || keeps_qos0);
        for due in &mut session.queue {
            due.is_certain &= !due.is_stored && (due.qos > QoS::AtMostOnce || !was_stalled);
        }
        session.ends_at = after(now, session.expiry);
        session.will_at = session.will.as_ref().and_then(|will| {
            let delay = after(now, will.delay_interval);
            delay.into_iter().chain(session.ends_at).min()
        });
        if was_stalled {
            self.blur_shared(&client);
        }
        let subscriptions = self.session(&client).map(|session| &session.subscriptions[..]).unwrap_or_default();
        let groups: Vec<_> = subscriptions.iter().map(|subscription| subscription.name.clone()).collect();
        self.left(&client, &groups, false);
        self.run_due();
    }

    /// DISCONNECT has been taken in.
    pub(super) fn disconnect(&mut self, peer: PeerNumber, reason: ReasonCode, expiry: Option<u32>) {
        let Some(session) = self.session_of(peer) else { return };
        if reason == ReasonCode::SUCCESS {
            // MQTT-3.14.4-3, MQTT-3.1.2-10.
            session.will = None;
        }
        session.expiry = expiry.unwrap_or(session.expiry);
        let has_unwritten = self.link(peer).is_some_and(|link| link.is_stalled);
        self.lose(peer, Ending::Disconnected, has_unwritten);
    }

    /// Time has come so far.
    pub(crate) fn advance(&mut self, now: u64) {
        self.now = now;
        self.run_due();
    }

    /// When something happens by itself: a will is published, a session or a connection ends.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        let sessions = self.sessions.iter().flat_map(|session| [session.will_at, session.ends_at]).flatten();
        sessions.chain(self.links.iter().filter_map(Link::silent_at)).min()
    }

    fn run_due(&mut self) {
        let now = self.now;
        let is_due = |at: Option<u64>| at.is_some_and(|at| at <= now);
        while let Some(link) = self.links.iter().find(|link| is_due(link.silent_at())) {
            let peer = link.peer;
            self.timed_out_at = Some(now);
            // Of all that happens in the same millisecond some may have been written before.
            self.lose(peer, Ending::TimedOut, true);
        }
        while let Some(session) =
            self.sessions.iter_mut().find(|session| is_due(session.will_at) || is_due(session.ends_at))
        {
            let client = session.client.clone();
            if is_due(session.will_at) {
                session.will_at = None;
                if let Some(will) = session.will.take() {
                    self.publish(&client, will.message);
                }
            } else {
                self.end_session(&client);
            }
        }
    }

    /// The session and all it holds are gone.
    pub(super) fn end_session(&mut self, client: &str) {
        let Some(index) = self.sessions.iter().position(|session| session.client == client) else { return };
        // A will that waits is published when the session ends (MQTT-3.1.2-8).
        let session = &mut self.sessions[index];
        session.will_at = None;
        if let Some(will) = session.will.take() {
            self.publish(client, will.message);
        }
        let session = self.sessions.swap_remove(index);
        self.leave_groups(session);
    }

    /// Whether what the broker knows of time agrees with what must happen.
    pub(crate) fn check_alarm(&self, alarm: Option<u64>) -> Verdict {
        let Some(due) = self.next_deadline() else { return Ok(()) };
        ensure(alarm.is_some_and(|alarm| alarm <= due), "MQTT-3.1.2-8", || {
            format!("something is due at {due} ms, and the broker sleeps until {alarm:?}")
        })
    }
}

impl Session {
    fn new(client: String) -> Self {
        Self {
            client,
            version: Version::V5,
            expiry: 0,
            maximum_packet_size: u32::MAX,
            peer: None,
            timed_out_at: None,
            ends_at: None,
            will: None,
            will_at: None,
            subscriptions: Vec::new(),
            queue: Default::default(),
            replays: Vec::new(),
            flights: Vec::new(),
            received: Vec::new(),
            is_blurred: false,
        }
    }
}

/// So many seconds later; `u32::MAX` seconds is never.
fn after(now: u64, seconds: u32) -> Option<u64> {
    (seconds != u32::MAX).then(|| now + u64::from(seconds) * 1000)
}
