//! How clients go: the end of a connection, wills, the end of a session.
//!
//! A will is published at the earlier of the end of its delay and the end of the session (MQTT-3.1.2-8), unless the client
//! has said good-bye with 0x00 (MQTT-3.14.4-3) or is back before (MQTT-3.1.3-9). That a newer connection took the session
//! over is an end of the older one like any other.

use core::time::Duration;

use mqtt_proto::{Closed, Disconnect, Instant, ReasonCode, Session, Text};

use super::action::{Action, Gone, Notice, Peer};
use super::client::{Absence, Candidate, Client, Link, Stage};
use super::timer::Timer;
use super::{Broker, PRESENT};

impl Broker {
    /// The connection of a client has ended.
    pub(super) fn leave(&mut self, now: Instant, key: u32, closed: &Closed, session: Session) {
        let keeps_qos0 = self.config.queue_qos0;
        let client = self.clients.get_mut(key).expect(PRESENT);
        let absence = Box::new(Absence { session, ..Absence::default() });
        let peer = match std::mem::replace(&mut client.link, Link::Away(absence)) {
            Link::Open(peer) | Link::Leaving(peer) => Some(peer),
            Link::Local(_) | Link::Away(_) => None,
        };
        if let Closed::Remote(disconnect) = closed {
            if let Some(asked) = disconnect.properties().session_expiry_interval() {
                client.expiry = self.config.maximum_session_expiry.map_or(asked, |maximum| asked.min(maximum));
            }
            if disconnect.reason == ReasonCode::SUCCESS {
                client.will = None;
            }
        }
        let sent_away = client.sent_away.take();
        let client_id = if self.makes_notices() { self.client_id(key) } else { None };
        self.move_from_away(now, key);
        if !keeps_qos0 {
            self.drop_qos0(key);
        }
        let parting = move || disconnected(peer, client_id.unwrap_or_default(), closed, sent_away);
        match self.take_successor(key) {
            Some((successor, candidate)) => {
                self.hand_over(now, key, &candidate);
                self.notice(parting);
                self.let_in(now, successor, candidate);
            }
            None => {
                self.stay_away(now, key);
                self.notice(parting);
            }
        }
    }

    fn take_successor(&mut self, key: u32) -> Option<(Peer, Box<Candidate>)> {
        let peer = self.clients.get_mut(key)?.successor.take()?;
        match std::mem::replace(self.links.get_mut(&peer)?, Stage::Refused) {
            Stage::Waiting(candidate) => Some((peer, candidate)),
            Stage::Silent(_) | Stage::Authenticating(_) | Stage::Open(_) | Stage::Refused => None,
        }
    }

    /// A newer connection takes over. (5.0 section 3.1.4)
    fn hand_over(&mut self, now: Instant, key: u32, candidate: &Candidate) {
        let client = self.clients.get(key).expect(PRESENT);
        if !candidate.continues(client) || client.expiry == 0 {
            self.end_session(now, key);
        } else if client.will.as_ref().is_some_and(|will| will.delay_interval == 0) {
            self.release_will(now, key);
        }
    }

    fn stay_away(&mut self, now: Instant, key: u32) {
        let client = self.clients.get_mut(key).expect(PRESENT);
        let expiry = client.expiry;
        if expiry == 0 || self.config.maximum_sessions == 0 {
            return self.end_session(now, key);
        }
        let delay = client.will.as_ref().map(|will| will.delay_interval);
        let Some(absence) = client.absence_mut() else { return };
        absence.since = Some(now);
        if expiry < u32::MAX {
            let at = now + Duration::from_secs(expiry.into());
            absence.expires_at = Some(at);
            self.timers.set(at, Timer::Session(key));
        }
        match delay {
            Some(0) => self.release_will(now, key),
            // A longer one ends with the session.
            Some(delay) if delay < expiry => {
                let at = now + Duration::from_secs(delay.into());
                absence.will_at = Some(at);
                self.timers.set(at, Timer::Will(key));
            }
            Some(_) | None => {}
        }
        self.away.insert((now, key));
        if self.away.len() > self.config.maximum_sessions {
            if let Some((_, oldest)) = self.away.first().copied() {
                self.end_session(now, oldest);
            }
        }
    }

    pub(super) fn will_is_due(&mut self, now: Instant, key: u32) {
        if let Some(absence) = self.clients.get_mut(key).and_then(Client::absence_mut) {
            absence.will_at = None;
            self.release_will(now, key);
        }
    }

    pub(super) fn session_expires(&mut self, now: Instant, key: u32) {
        if let Some(absence) = self.clients.get_mut(key).and_then(Client::absence_mut) {
            absence.expires_at = None;
            self.counts.sessions_expired += 1;
            self.end_session(now, key);
        }
    }

    /// Publishes the will, if there is one and the client still may.
    pub(super) fn release_will(&mut self, now: Instant, key: u32) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let Some(will) = client.will.take() else { return };
        let at = client.absence_mut().and_then(|absence| absence.will_at.take());
        self.timers.cancel(at, Timer::Will(key));
        // If it may not be published any more, that is noticed there.
        self.publish_for(now, key, will.message).ok();
    }

    /// Ends the session of a client that has no connection any more (MQTT-4.1.0-2).
    pub(super) fn end_session(&mut self, now: Instant, key: u32) {
        self.release_will(now, key);
        let Some(client) = self.clients.get_mut(key) else { return };
        for granted in std::mem::take(&mut client.subscriptions).iter() {
            self.router.remove(&granted.wanted.filter, key);
        }
        self.move_from_ended(now, key);
        let Some(mut client) = self.clients.remove(key) else { return };
        if let Some(Absence { since, expires_at, .. }) = client.absence_mut() {
            self.timers.cancel(*expires_at, Timer::Session(key));
            if let Some(since) = *since {
                self.away.remove(&(since, key));
            }
        }
        self.ids.remove(&client, key);
        let client_id = std::mem::take(&mut client.info.client_id);
        self.release_queue(client);
        self.notice(|| Notice::SessionEnded { client_id });
    }

    fn release_queue(&mut self, mut client: Client) {
        while let Some(entry) = client.queue.pop(&self.store) {
            self.store.release(entry.key);
        }
    }

    /// Sends a client away. Its session stays.
    pub(super) fn kick(&mut self, key: u32, reason: ReasonCode) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let Link::Open(peer) = client.link else { return };
        client.link = Link::Leaving(peer);
        let is_sayable = matches!(reason.0, 0x80..=0x83 | 0x87 | 0x89 | 0x8B | 0x8D..=0x90 | 0x93..=0xA2);
        let reason = if is_sayable { reason } else { ReasonCode::NOT_AUTHORIZED };
        client.sent_away = Some(reason);
        self.act(peer, Action::Disconnect(Disconnect::new(reason)));
    }
}

fn disconnected(peer: Option<Peer>, client_id: Text, closed: &Closed, sent_away: Option<ReasonCode>) -> Notice {
    let (reason, why) = match closed {
        Closed::Local | Closed::Refused(_) => {
            let reason = sent_away.unwrap_or(ReasonCode::SUCCESS);
            (Gone::Broker(reason), format!("sent away: {reason}"))
        }
        Closed::Remote(disconnect) => (Gone::Client(disconnect.reason), closed.to_string()),
        Closed::ProtocolError(error) => (Gone::ProtocolError(*error), closed.to_string()),
        Closed::TimedOut(_) => (Gone::TimedOut, closed.to_string()),
        // The transport may end before the client has read why.
        Closed::Eof => match sent_away {
            Some(reason) => (Gone::Broker(reason), format!("sent away: {reason}")),
            None => (Gone::Transport, closed.to_string()),
        },
    };
    Notice::Disconnected { peer, client_id, reason, why }
}
