//! What a broker must do, written down a second time and as naively as possible.
//!
//! The reference hears every packet that the broker has taken in ([`Reference::received`]), the end of every transport,
//! and the time; from that it knows what every client must be sent. It judges every packet that the broker writes
//! ([`Reference::wrote`]) and, when the broker has nothing more to say, whether something is missing ([`Reference::check`]).
//! It has no trie, no timers, no packet ids of its own, and shares no code with the broker but the codec and
//! [`TopicFilter::matches`](mqtt_proto::TopicFilter::matches).

mod events;
mod guesses;
mod judge;
mod missing;
mod routing;
mod sessions;
mod state;
mod take;

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::setup::Setup;
use crate::{Verdict, ensure};

use guesses::Guess;
pub(crate) use state::PeerNumber;
use state::{Ending, Link, Sent, Session, SharedDue};

/// The reference.
#[derive(Debug)]
pub(crate) struct Reference {
    now: u64,
    setup: Setup,
    sessions: Vec<Session>,
    links: Vec<Link>,
    /// By topic.
    retained: BTreeMap<String, Rc<Sent>>,
    shared: Vec<SharedDue>,
    /// Which of several messages to groups was sent, where that is not certain.
    guesses: Vec<Guess>,
    /// When a client was silent for too long, the last time.
    timed_out_at: Option<u64>,
}

impl Reference {
    pub(crate) fn new(setup: Setup, now: u64) -> Self {
        Self {
            now,
            setup,
            sessions: Vec::new(),
            links: Vec::new(),
            retained: BTreeMap::new(),
            shared: Vec::new(),
            guesses: Vec::new(),
            timed_out_at: None,
        }
    }

    /// The broker has a new transport.
    pub(crate) fn opened(&mut self, peer: PeerNumber) {
        self.links.push(Link::new(peer, self.now));
    }

    /// The world takes no bytes of this link, or does so again.
    pub(crate) fn stalled(&mut self, peer: PeerNumber, is_stalled: bool) {
        if let Some(link) = self.link_mut(peer) {
            link.is_stalled = is_stalled;
            link.is_late = true;
        }
    }

    /// The broker gives the transport up, for which it had to have a reason.
    pub(crate) fn hung_up(&mut self, peer: PeerNumber) -> Verdict {
        let has_ended = self.link(peer).is_none_or(|link| link.ending.is_some());
        self.links.retain(|link| link.peer != peer);
        ensure(has_ended, "MQTT-4.13.2-1", || format!("link {peer} was closed for no reason"))
    }

    /// The transport of a client has ended without a DISCONNECT.
    pub(crate) fn ended(&mut self, peer: PeerNumber, has_unwritten: bool) {
        if self.link(peer).is_some_and(|link| link.ending.is_none()) {
            self.lose(peer, Ending::Gone, has_unwritten);
        }
    }

    /// Whether the broker must close this link.
    pub(crate) fn must_end(&self, peer: PeerNumber) -> bool {
        self.link(peer).is_none_or(|link| link.ending.is_some())
    }

    /// Whether a client of this name has a session.
    pub(crate) fn has_session(&self, client: &str) -> bool {
        self.sessions.iter().any(|session| session.client == client)
    }

    fn link(&self, peer: PeerNumber) -> Option<&Link> {
        self.links.iter().find(|link| link.peer == peer)
    }

    fn link_mut(&mut self, peer: PeerNumber) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.peer == peer)
    }

    fn session(&self, client: &str) -> Option<&Session> {
        self.sessions.iter().find(|session| session.client == client)
    }

    fn session_mut(&mut self, client: &str) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.client == client)
    }

    /// The session whose connection this link is.
    fn session_of(&mut self, peer: PeerNumber) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.peer == Some(peer))
    }
}

/// How long a link may take until its CONNECT, in milliseconds.
pub(crate) const HANDSHAKE: u64 = 10_000;
