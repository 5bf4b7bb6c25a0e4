//! A broker with its connections: what a loop with sockets, a simulator or a program with a loop of its own drives.
//!
//! Rules of this file:
//!
//! - A call returns when nothing is left to move: every event has gone to the broker, every action to its connection, and
//!   every message that a connection has room for is in its outbox.
//! - What a connection has no room for stays in the broker's queue of that client, and is asked for again when the client
//!   has acknowledged or the transport has taken something.
//! - A connection that has ended leaves only its last words behind. They have [`FLUSH_TIMEOUT`].
//! - No call looks at all connections.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use mqtt_proto::{
    Closed, CommandError, Connection, Instant, Message, Outbox, Server, ServerEvent, SubscribeRequest, Text,
};

use crate::{Action, Broker, OpenError, Origin, Outgoing, Peer};

mod links;
#[cfg(test)]
mod tests;

use links::{LastWords, Link, Links, State};

/// A [`Broker`] and its connections, without I/O.
///
/// The owner moves bytes and time, for each transport connection what it would do for one
/// [`Connection`](mqtt_proto::Connection):
///
/// ```
/// use bytes::{Buf, BytesMut};
/// use mqtt_broker::{Broker, Config, Hub, Origin};
/// use mqtt_proto::Instant;
///
/// let mut hub = Hub::new(Broker::new(Config::default(), Box::new(())));
/// let now = Instant::ZERO;
/// let peer = hub.open(now, Origin::default())?;
///
/// // What the transport yields goes in: here a CONNECT of MQTT 3.1.1 ...
/// let mut input = BytesMut::from(&b"\x10\x0f\0\x04MQTT\x04\x02\0\x3c\0\x03me7"[..]);
/// hub.handle_input(now, peer, &mut input);
///
/// // ... and what it causes comes out, for each peer that it concerns.
/// assert_eq!(hub.poll_writable(), Some(peer));
/// let outbox = hub.outbox(peer).expect("the peer is still there");
/// assert_eq!(outbox.copy_to_bytes(outbox.remaining()), &b"\x20\x02\0\0"[..]);
/// hub.handle_written(now, peer);
/// assert_eq!(hub.poll_writable(), None);
/// # Ok::<(), mqtt_broker::OpenError>(())
/// ```
///
/// Every call moves all that it causes, to whatever peers: afterwards ask [`poll_writable`](Self::poll_writable) until it is
/// `None`, and [`poll_timeout`](Self::poll_timeout).
#[derive(Debug)]
pub struct Hub {
    broker: Broker,
    /// What the connections of each listener are made with, and in the end those of a listener that has nothing of its own.
    configs: Vec<Arc<mqtt_proto::Config>>,
    links: Links,
    /// Deadlines of links, each at most once and never too late. One that comes too early is put right then, so that a
    /// packet, which moves its link's deadline, costs nothing here.
    timers: BTreeSet<(Instant, Peer)>,
    /// Links whose connections may have events.
    ready: VecDeque<Peer>,
    writable: VecDeque<Peer>,
}

impl Hub {
    /// A hub without connections.
    #[must_use]
    pub fn new(broker: Broker) -> Self {
        let listeners = 0..=u32::try_from(broker.config().listeners.len()).unwrap_or(u32::MAX);
        Self {
            configs: listeners.map(|listener| Arc::new(broker.config().connection(listener))).collect(),
            broker,
            links: Links::default(),
            timers: BTreeSet::new(),
            ready: VecDeque::new(),
            writable: VecDeque::new(),
        }
    }

    /// A transport connection was opened.
    ///
    /// # Errors
    ///
    /// The broker has no room for it: close it at once.
    pub fn open(&mut self, now: Instant, origin: Origin) -> Result<Peer, OpenError> {
        if self.links.is_full() {
            return Err(OpenError::TooManyConnections);
        }
        let peer = self.links.next_peer();
        let listener = usize::try_from(origin.listener).unwrap_or(usize::MAX).min(self.configs.len() - 1);
        self.broker.handle_open(now, peer, origin)?;
        let connection = Connection::<Server>::listen(now, Arc::clone(&self.configs[listener]));
        self.links.insert(Link::new(peer, State::Open(Box::new(connection))));
        self.pump(now);
        self.settle(peer);
        Ok(peer)
    }

    /// Opens a subscriber in the process, which has no transport. Subscribe it by [`Broker::subscribe_local`] and then
    /// [`pump`](Self::pump); [`poll_writable`](Self::poll_writable) names it when there is something to
    /// [fetch](Self::poll_message); [`handle_closed`](Self::handle_closed) ends it. The name is for notices.
    ///
    /// # Errors
    ///
    /// The broker is shutting down.
    pub fn open_local(&mut self, name: Text) -> Result<Peer, OpenError> {
        if self.links.is_full() {
            return Err(OpenError::TooManyConnections);
        }
        let peer = self.links.next_peer();
        self.broker.open_local(peer, name)?;
        self.links.insert(Link::new(peer, State::Local));
        Ok(peer)
    }

    /// The next message for a subscriber in the process. What it does not fetch waits in the broker's queue for it.
    pub fn poll_message(&mut self, now: Instant, peer: Peer) -> Option<Message> {
        self.links.get(peer).filter(|link| matches!(link.state, State::Local))?;
        self.broker.poll_message(now, peer, |_| true).map(|outgoing| outgoing.message)
    }

    /// Takes whole packets off the front of `input`, and moves all that they cause. Returns how many bytes it took; the rest
    /// belongs at the front of the next call's input.
    ///
    /// It takes all that is complete, unless [`wants_input`](Self::wants_input) is false afterwards.
    pub fn handle_input(&mut self, now: Instant, peer: Peer, input: &mut BytesMut) -> usize {
        let before = input.len();
        while let Some(connection) = self.links.get_mut(peer).and_then(Link::connection) {
            let tolerated = connection.tolerated_messages();
            let taken = connection.handle_input(now, input);
            let tolerated = connection.tolerated_messages() - tolerated;
            if tolerated > 0 {
                self.broker.handle_tolerated(peer, tolerated);
            }
            self.mark_ready(peer);
            self.pump(now);
            if taken == 0 || input.is_empty() {
                break;
            }
        }
        self.pull(now, peer);
        self.settle(peer);
        before - input.len()
    }

    /// The transport has ended or broken: it yields nothing more, and last words that wait for it are lost. Ask
    /// [`wants_close`](Self::wants_close) then.
    pub fn handle_eof(&mut self, now: Instant, peer: Peer) {
        let Some(link) = self.links.get_mut(peer) else { return };
        match &mut link.state {
            State::Open(connection) => {
                connection.handle_eof(now);
                self.mark_ready(peer);
                self.pump(now);
            }
            State::Closing(last) => {
                drop(last.outbox.take());
                self.settle(peer);
            }
            State::Local => {}
        }
    }

    /// The transport has taken something from the peer's [`outbox`](Self::outbox): there may be room for more.
    pub fn handle_written(&mut self, now: Instant, peer: Peer) {
        self.pull(now, peer);
        if let Some(link) = self.links.get_mut(peer).filter(|link| link.is_grown) {
            link.shrink();
        }
        self.settle(peer);
    }

    /// The transport is closed. The peer is forgotten; its session stays with the broker.
    pub fn handle_closed(&mut self, now: Instant, peer: Peer) {
        self.handle_eof(now, peer);
        let Some(link) = self.links.remove(peer) else { return };
        if let Some(time) = link.timer {
            self.timers.remove(&(time, peer));
        }
        if matches!(link.state, State::Local) {
            self.broker.close_local(now, peer);
            self.pump(now);
        }
    }

    /// Time has passed. Early calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        // Each at most once, so that this ends even where the clock does.
        for _ in 0..self.timers.len() {
            let Some((_, peer)) = self.timers.first().copied().filter(|(time, _)| *time <= now) else { break };
            self.timers.pop_first();
            let Some(link) = self.links.get_mut(peer) else { continue };
            link.timer = None;
            match &mut link.state {
                State::Open(connection) => connection.handle_timeout(now),
                // It does not read: its last words are lost.
                State::Closing(last) if last.until <= now => drop(last.outbox.take()),
                State::Closing(_) | State::Local => {}
            }
            self.mark_ready(peer);
            self.pump(now);
            self.settle(peer);
        }
        self.broker.handle_timeout(now);
        self.pump(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called next. It changes with every other call, and may be
    /// earlier than need be.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let links = self.timers.first().map(|(time, _)| *time);
        links.into_iter().chain(self.broker.poll_timeout()).min()
    }

    /// The next peer that has something for its transport: bytes in its [`outbox`](Self::outbox), or the wish to be closed.
    /// Or a subscriber in the process for which there are messages. It is named once, however much there is for it.
    pub fn poll_writable(&mut self) -> Option<Peer> {
        while let Some(peer) = self.writable.pop_front() {
            if let Some(link) = self.links.get_mut(peer) {
                link.is_writable = false;
                return Some(peer);
            }
        }
        None
    }

    /// What waits to be written, in order; `None` for a peer that is not there. [`advance`](bytes::Buf::advance) it by what the
    /// transport took, and then call [`handle_written`](Self::handle_written).
    pub fn outbox(&mut self, peer: Peer) -> Option<&mut Outbox> {
        self.links.get_mut(peer)?.outbox()
    }

    /// Whether input of this peer will be taken. If not, it will be when something has been written.
    #[must_use]
    pub fn wants_input(&self, peer: Peer) -> bool {
        self.links.get(peer).is_some_and(|link| match &link.state {
            State::Open(connection) => connection.wants_input(),
            State::Closing(_) | State::Local => false,
        })
    }

    /// Whether the transport shall be closed: the connection has ended, and its last word is written.
    #[must_use]
    pub fn wants_close(&self, peer: Peer) -> bool {
        self.links.get(peer).is_none_or(Link::wants_close)
    }

    /// Where the owner may keep what belongs to a peer: a small number that no other peer has while this one is there.
    #[must_use]
    pub fn slot(peer: Peer) -> usize {
        links::slot(peer)
    }

    /// How many peers there are, those included whose connection has ended.
    #[must_use]
    pub fn peers(&self) -> usize {
        self.links.len()
    }

    /// The broker.
    #[must_use]
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// The broker, for commands. [`pump`](Self::pump) afterwards.
    pub fn broker_mut(&mut self) -> &mut Broker {
        &mut self.broker
    }

    /// Moves what a command to the broker has caused.
    pub fn pump(&mut self, now: Instant) {
        self.act(now);
        while let Some(peer) = self.ready.pop_front() {
            self.tell(now, peer);
        }
    }

    /// Hands a connection's events to the broker, each with all that it causes before the next one: a queue that has room
    /// for ten messages overflows if a hundred come before the first can leave.
    fn tell(&mut self, now: Instant, peer: Peer) {
        if let Some(link) = self.links.get_mut(peer) {
            link.is_ready = false;
        }
        while let Some(event) = self.links.get_mut(peer).and_then(Link::connection).and_then(Connection::poll_event) {
            match event {
                ServerEvent::Closed(closed) => self.end(now, peer, &closed),
                event => self.broker.handle_event(now, peer, event),
            }
            self.act(now);
        }
    }

    /// A connection has ended: its session goes back to the broker.
    fn end(&mut self, now: Instant, peer: Peer, closed: &Closed) {
        let Some(link) = self.links.get_mut(peer) else { return };
        let State::Open(connection) = &mut link.state else { return };
        let mut outbox = connection.outbox().take();
        if matches!(closed, Closed::Eof | Closed::Remote(_)) {
            // Nobody is left who would read it.
            drop(outbox.take());
        }
        let closing = State::Closing(Box::new(LastWords { outbox, until: now + FLUSH_TIMEOUT }));
        let State::Open(connection) = std::mem::replace(&mut link.state, closing) else { return };
        let session = link.returned.take().map_or_else(|| connection.into_session(), |session| *session);
        self.broker.handle_closed(now, peer, closed, session);
        self.settle(peer);
    }

    /// Carries out what the broker has decided.
    fn act(&mut self, now: Instant) {
        while let Some((peer, action)) = self.broker.poll_action() {
            if matches!(action, Action::Deliver) {
                self.deliver(now, peer);
            } else if let Some(link) = self.links.get_mut(peer) {
                perform(link, now, action);
                self.mark_ready(peer);
            }
            self.settle(peer);
        }
    }

    fn deliver(&mut self, now: Instant, peer: Peer) {
        let Some(link) = self.links.get_mut(peer) else { return };
        link.has_messages = true;
        if matches!(link.state, State::Local) && !link.is_writable {
            link.is_writable = true;
            self.writable.push_back(peer);
        }
        self.pull(now, peer);
    }

    /// Moves messages from the broker's queue into the connection, as many as it has room for.
    fn pull(&mut self, now: Instant, peer: Peer) {
        let Some(link) = self.links.get_mut(peer) else { return };
        let State::Open(connection) = &mut link.state else { return };
        while link.has_messages {
            let mut has_room = true;
            let outgoing = self.broker.poll_message(now, peer, |qos| {
                has_room = connection.can_publish(qos);
                has_room
            });
            let Some(Outgoing { message, ticket }) = outgoing else {
                link.has_messages = !has_room;
                return;
            };
            match connection.publish(now, message) {
                Ok(token) => self.broker.handle_sent(peer, token, ticket),
                Err(error) => {
                    let why = error.kind().clone();
                    let message = error.into_inner();
                    self.broker.give_back(peer, Outgoing { message, ticket }, &why);
                }
            }
        }
    }

    fn mark_ready(&mut self, peer: Peer) {
        if let Some(link) = self.links.get_mut(peer).filter(|link| !link.is_ready) {
            link.is_ready = true;
            self.ready.push_back(peer);
        }
    }

    /// Puts a link that may have changed where it belongs: among those that want to write, and under its deadline.
    fn settle(&mut self, peer: Peer) {
        let Some(link) = self.links.get_mut(peer) else { return };
        if !link.is_writable && link.wants_transport() {
            link.is_writable = true;
            self.writable.push_back(peer);
        }
        let timeout = link.poll_timeout();
        let is_earlier = match (timeout, link.timer) {
            (Some(timeout), Some(timer)) => timeout < timer,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if is_earlier {
            if let Some(time) = link.timer.take() {
                self.timers.remove(&(time, peer));
            }
            link.timer = timeout;
            self.timers.extend(timeout.map(|time| (time, peer)));
        }
    }
}

/// Carries out one action. A connection that cannot is closed: its client would wait for ever.
fn perform(link: &mut Link, now: Instant, action: Action) {
    let State::Open(connection) = &mut link.state else { return };
    link.is_grown |= matches!(action, Action::Accept { .. } | Action::Suback { .. } | Action::Unsuback { .. });
    let result = match action {
        Action::Accept { connack, session } => match connection.accept(now, connack, session) {
            Ok(()) => Ok(()),
            Err(rejected) => {
                let why = rejected.kind().clone();
                link.returned = rejected.into_inner().map(Box::new);
                Err(why)
            }
        },
        Action::Refuse(connack) => connection.refuse(now, connack),
        Action::Suback { request, reasons, reason_string } => {
            let request = reason_string.into_iter().fold(request, SubscribeRequest::with_reason_string);
            connection.suback(now, request, &reasons).map_err(CommandError::from)
        }
        Action::Unsuback { request, reasons } => {
            connection.unsuback(now, request, &reasons).map_err(CommandError::from)
        }
        Action::Ack(ack) => connection.ack(now, ack).map_err(CommandError::from),
        Action::Auth(auth) => connection.auth(now, auth),
        Action::Disconnect(disconnect) => connection.disconnect(now, disconnect),
        Action::Close => Err(CommandError::NotConnected),
        // Whoever calls this has done so.
        Action::Deliver => Ok(()),
    };
    if result.is_err() {
        // If it has ended already, this changes nothing.
        connection.handle_eof(now);
    }
}

/// How long the last words of a connection that has ended may take.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
