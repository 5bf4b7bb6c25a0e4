//! The broker: all policy and all state, without connections, clock or I/O.
//!
//! Rules of these files:
//!
//! - A client is known by a number (its place in a slab) from its first CONNECT to the end of its session; a link by its
//!   [`Peer`]. Neither holds the other: each names it.
//! - A message waits in the [store](store) once, and in queues by reference. What takes a reference gives it back.
//! - Messages are pulled: a client's connection takes as many as it has room for. So a slow client costs its own queue.
//! - Nothing is iterated whose order is not the same in every run.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::router::{Matches, Retained, RetainedLimits, Router};
use crate::slab::Slab;
use mqtt_proto::{Closed, Instant, ServerEvent, Session, Text, TopicName};

mod action;
mod client;
mod config;
mod connect;
mod deliver;
mod farewell;
mod ids;
mod leave;
mod local;
mod policy;
mod publish;
mod queue;
mod random;
mod review;
mod share;
mod status;
mod store;
mod subscribe;
mod subscriptions;
mod timer;

pub use action::{Action, DropReason, Gone, Notice, OpenError, Origin, Peer};
pub use config::{Config, ListenerConfig};
pub use deliver::{Outgoing, Ticket};
pub use policy::{AuthPhase, AuthRequest, AuthStep, ClientInfo, Policy};

use client::{Client, Stage};
use farewell::Farewell;
use ids::Ids;
use random::Random;
use status::{Counts, Status};
use store::Store;
use timer::{Timer, Timers};

/// An MQTT broker without its connections.
///
/// It relates to [`Connection<Server>`](mqtt_proto::Connection)s as an endpoint to its connections, and its owner carries
/// events, actions and messages between them. After each call, poll the actions until there is none.
pub struct Broker {
    config: Config,
    policy: Box<dyn Policy>,
    /// Counts the calls of `policy_changed`.
    policy_state: u32,
    links: BTreeMap<Peer, Stage>,
    /// Links whose client is not in yet, the oldest first, and when they are closed unless it is let in.
    strangers: BTreeMap<Peer, Instant>,
    clients: Slab<Client>,
    /// Clients by their identifier; local ones have none.
    ids: Ids,
    /// Clients that are away, the one away for the longest time first.
    away: BTreeSet<(Instant, u32)>,
    router: Router,
    retained: Retained,
    store: Store,
    timers: Timers,
    random: Random,
    actions: VecDeque<(Peer, Action)>,
    notices: VecDeque<Notice>,
    /// Kept for the next message, so that routing allocates nothing.
    matches: Matches,
    counts: Counts,
    status: Status,
    /// The topics below `$SYS`.
    status_values: Retained,
    is_shutting_down: bool,
    farewell: Farewell,
}

impl Broker {
    /// A broker without clients.
    #[must_use]
    pub fn new(config: Config, policy: Box<dyn Policy>) -> Self {
        Self {
            policy,
            policy_state: 0,
            links: BTreeMap::new(),
            strangers: BTreeMap::new(),
            clients: Slab::default(),
            ids: Ids::new(config.seed),
            away: BTreeSet::new(),
            router: Router::new(config.seed),
            retained: Retained::new(config.seed, config.retained_limits()),
            store: Store::default(),
            timers: Timers::default(),
            random: Random::new(config.seed),
            actions: VecDeque::new(),
            notices: VecDeque::new(),
            matches: Matches::default(),
            counts: Counts::default(),
            status: Status::default(),
            status_values: Retained::new(config.seed, RetainedLimits::NONE),
            is_shutting_down: false,
            farewell: Farewell::default(),
            config,
        }
    }

    /// A connection has something to say. [`Closed`](ServerEvent::Closed) is for [`handle_closed`](Self::handle_closed), and
    /// nothing here.
    pub fn handle_event(&mut self, now: Instant, peer: Peer, event: ServerEvent) {
        self.counts.packets_received += 1;
        match event {
            ServerEvent::Connect(connect) => self.receive_connect(now, peer, *connect),
            ServerEvent::Auth(auth) => self.receive_auth(now, peer, &auth),
            ServerEvent::Message(delivery) => self.receive_message(now, peer, delivery),
            ServerEvent::Acknowledged(acknowledged) => self.receive_acknowledged(peer, &acknowledged),
            ServerEvent::Subscribe(request) => self.receive_subscribe(peer, request),
            ServerEvent::Unsubscribe(request) => self.receive_unsubscribe(now, peer, request),
            ServerEvent::Closed(_) => {}
        }
    }

    /// A connection has ended, and gives its session back. Once for each peer that [`handle_open`](Self::handle_open) let in.
    pub fn handle_closed(&mut self, now: Instant, peer: Peer, closed: &Closed, session: Session) {
        let session = self.reclaim(peer, session);
        let Some(stage) = self.links.remove(&peer) else { return };
        self.is_known(peer);
        match stage {
            Stage::Silent(_) | Stage::Authenticating(_) | Stage::Refused => {}
            Stage::Waiting(candidate) => self.forget_successor(peer, &candidate.info.client_id),
            Stage::Open(key) => self.leave(now, key, closed, session),
        }
    }

    /// Takes what is known of time and does what has become due. Early calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.start_status(now);
        self.retained.remove_expired(now);
        // As many as there are: one that is due again at once (a clock at its end) waits for the next call.
        for _ in 0..self.timers.len() {
            let Some(timer) = self.timers.take_due(now) else { return };
            match timer {
                Timer::Stranger(peer) => self.close_stranger(peer),
                Timer::Will(key) => self.will_is_due(now, key),
                Timer::Session(key) => self.session_expires(now, key),
                Timer::Status => self.publish_status(now),
                Timer::Replay(key) => self.call(key),
                Timer::Farewell => self.say_farewell(now),
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called next. It changes with every other call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.timers.next(), self.retained.next_expiry()].into_iter().flatten().min()
    }

    /// The next thing to do with a connection.
    pub fn poll_action(&mut self) -> Option<(Peer, Action)> {
        let (peer, action) = self.actions.pop_front()?;
        if matches!(action, Action::Deliver) {
            if let Some(client) = self.client_of(peer) {
                client.is_called = false;
            }
        }
        Some((peer, action))
    }

    /// The next line for a log.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// The limits.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The hooks. Call [`policy_changed`](Self::policy_changed) when they answer differently from now on.
    pub fn policy_mut(&mut self) -> &mut dyn Policy {
        &mut *self.policy
    }

    fn client_of(&mut self, peer: Peer) -> Option<&mut Client> {
        self.clients.get_mut(self.key_of(peer)?)
    }

    fn key_of(&self, peer: Peer) -> Option<u32> {
        match self.links.get(&peer)? {
            Stage::Open(key) => Some(*key),
            Stage::Silent(_) | Stage::Authenticating(_) | Stage::Waiting(_) | Stage::Refused => None,
        }
    }

    fn act(&mut self, peer: Peer, action: Action) {
        self.counts.packets_sent += u64::from(!matches!(action, Action::Close));
        self.actions.push_back((peer, action));
    }

    /// Tells the client's connection that messages wait, unless it knows.
    fn call(&mut self, key: u32) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let Some(peer) = client.receiver() else { return };
        if !client.is_called && !client.is_blocked && client.has_messages() {
            client.is_called = true;
            self.actions.push_back((peer, Action::Deliver));
        }
    }

    /// Takes back the actions that wait for a peer that is gone. What they hold belongs into its session: the session itself,
    /// if it was never handed out, and acknowledgements, or a QoS 2 message that the client sends again would never be
    /// answered.
    fn reclaim(&mut self, peer: Peer, mut session: Session) -> Session {
        if self.actions.iter().all(|(other, _)| *other != peer) {
            return session;
        }
        for (other, action) in std::mem::take(&mut self.actions) {
            match action {
                action if other != peer => self.actions.push_back((other, action)),
                Action::Accept { session: Some(stored), .. } => session = stored,
                Action::Ack(ack) => session.ack(ack),
                Action::Accept { session: None, .. }
                | Action::Refuse(_)
                | Action::Suback { .. }
                | Action::Unsuback { .. }
                | Action::Auth(_)
                | Action::Disconnect(_)
                | Action::Deliver
                | Action::Close => {}
            }
        }
        session
    }

    /// A message did not reach a client, or was not taken from one.
    fn dropped(&mut self, key: Option<u32>, topic: TopicName, why: DropReason) {
        self.counts.publishes_dropped += 1;
        if self.makes_notices() {
            let client_id = key.and_then(|key| self.client_id(key));
            self.notice(|| Notice::Dropped { client_id, topic, why });
        }
    }

    /// An identifier for a notice. Asked for only when there are notices: a copy costs an allocation that stays.
    fn client_id(&self, key: u32) -> Option<Text> {
        self.clients.get(key).map(|client| client.info.client_id.clone())
    }

    fn makes_notices(&self) -> bool {
        self.config.maximum_notices > 0
    }

    fn notice(&mut self, notice: impl FnOnce() -> Notice) {
        if self.notices.len() < self.config.maximum_notices {
            self.notices.push_back(notice());
        }
    }
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker")
            .field("config", &self.config)
            .field("links", &self.links.len())
            .field("clients", &self.clients.len())
            .field("messages", &self.store.len())
            .finish_non_exhaustive()
    }
}

/// What stands under a number.
const PRESENT: &str = "a client is there as long as something names it";
