//! A scripted server, for what a broker does not do on request: cut a connection at a packet, go deaf or silent, hang up, and
//! count packets and bytes. It keeps sessions and routes by filter. Every other scenario has our broker (`host.rs`).
//!
//! All protocol state sits behind one mutex and one condition variable: each link has a thread that reads and one that
//! writes (`link.rs`), and a test waits for what the peer has seen by [`Peer::wait_for`]. It is a test peer: it keeps
//! every message it ever saw, and it trusts the test with its memory.

use std::{
    collections::{BTreeMap, VecDeque},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant as Clock},
};

use bytes::Bytes;
use mqtt_client::Options;
use mqtt_proto::{
    Closed, Connect, Connection, Instant, Message, PacketType, QoS, Server, Session, TopicFilter, TopicName,
};
use socket2::{Domain, Socket, Type};

use super::{PATIENCE, link, options_for_address};

/// A server on loopback, on a port that the system chose. Dropping it aborts its connections.
pub(super) struct Peer {
    shared: Arc<Shared>,
    address: SocketAddr,
    acceptor: Option<JoinHandle<()>>,
}

impl Peer {
    /// Listens on 127.0.0.1.
    pub(super) fn start() -> Self {
        Self::start_with(bound())
    }

    /// Listens on a socket that is bound and does not listen yet.
    pub(super) fn start_with(socket: Socket) -> Self {
        socket.listen(128).expect("a bound socket can listen");
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), started: Clock::now() });
        let acceptor = thread::spawn({
            let shared = Arc::clone(&shared);
            move || link::accept(&shared, &listener)
        });
        Self { shared, address, acceptor: Some(acceptor) }
    }

    /// For a client of this server, all else by default.
    pub(super) fn options(&self) -> Options {
        options_for_address(self.address)
    }

    /// Aborts the connection when it gets to `cut`; once. Several cuts happen one after the other.
    pub(super) fn cut_at(&self, cut: Cut) {
        self.shared.lock().script.cuts.push_back(cut);
    }

    /// Aborts every connection now.
    pub(super) fn cut(&self) {
        let now = self.shared.now();
        let mut state = self.shared.lock();
        for id in state.links.keys().copied().collect::<Vec<_>>() {
            state.end(now, id);
        }
        self.shared.changed.notify_all();
    }

    /// Ends every connection once all is sent, without a DISCONNECT.
    pub(super) fn hang_up(&self) {
        self.shared.lock().links.values_mut().for_each(|link| link.leaving = true);
        self.shared.changed.notify_all();
    }

    /// Reads nothing more, so that clients' bytes pile up in the network, until [`Peer::listen_again`].
    pub(super) fn go_deaf(&self) {
        self.shared.lock().script.deaf = true;
    }

    /// Neither reads nor writes nor closes: what a machine that lost its power looks like.
    pub(super) fn go_silent(&self) {
        let mut state = self.shared.lock();
        state.script.deaf = true;
        state.script.mute = true;
    }

    /// Ends [`Peer::go_deaf`] and [`Peer::go_silent`].
    pub(super) fn listen_again(&self) {
        let mut state = self.shared.lock();
        state.script.deaf = false;
        state.script.mute = false;
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Sends a message to every client that has subscribed to its topic, at most at the QoS that it asked for.
    pub(super) fn publish(&self, topic: &'static str, payload: impl Into<Bytes>, qos: QoS) {
        let topic = TopicName::from_static(topic);
        let message = Message::new(topic, payload).with_qos(qos);
        self.shared.lock().route(self.shared.now(), &message);
        self.shared.changed.notify_all();
    }

    /// Waits until `condition` finds in what the peer has seen what the test waits for.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`], saying `what` did not happen and what did.
    pub(super) fn wait_for<T>(&self, what: &str, mut condition: impl FnMut(&Seen) -> Option<T>) -> T {
        let deadline = Clock::now() + PATIENCE;
        let mut state = self.shared.lock();
        loop {
            if let Some(found) = condition(&state.seen) {
                return found;
            }
            let left = deadline.saturating_duration_since(Clock::now());
            assert!(!left.is_zero(), "the peer waited in vain for {what}; it saw {}", state.seen);
            state = self.shared.wait(state, Some(left));
        }
    }

    /// Looks at what the peer has seen so far.
    pub(super) fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.shared.lock().seen)
    }
}

/// A socket on a port of loopback that is ours alone, and that refuses connections until it listens.
fn bound() -> Socket {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are sockets left");
    socket.bind(&address.into()).expect("there are ports left");
    socket
}

/// A port of ours that nobody listens on.
pub(super) fn reserve() -> (Socket, SocketAddr) {
    let socket = bound();
    let address = socket.local_addr().expect("a bound socket has an address");
    (socket, address.as_socket().expect("it is an IPv4 socket"))
}

/// A server whose queue of connections is full, so that it does not answer to new ones at all.
pub(super) struct FullServer {
    pub(super) address: SocketAddr,
    _listening: Socket,
    _waiting: Vec<TcpStream>,
}

impl FullServer {
    pub(super) fn start() -> Self {
        let (listening, address) = reserve();
        listening.listen(1).expect("a bound socket can listen");
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            waiting.push(stream);
        }
        Self { address, _listening: listening, _waiting: waiting }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.shared.lock().stopping = true;
        self.cut();
        // Wakes the acceptor, which then sees that it is over.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            // A panic of the acceptor has been printed, and has failed what waited for it.
            let _ = acceptor.join();
        }
    }
}

/// A moment in the traffic of a connection, at which the peer aborts it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cut {
    /// The packet left the client and is lost.
    BeforeReading(PacketType),
    /// All that led to the packet happened in the peer; the packet is lost.
    BeforeWriting(PacketType),
    /// The packet reached the client, and nothing after it.
    AfterWriting(PacketType),
}

/// What the peer has seen since it started.
#[derive(Default)]
pub(super) struct Seen {
    /// Every CONNECT.
    pub(super) connects: Vec<Connect>,
    /// Every message that clients published, in order of arrival.
    pub(super) messages: Vec<Message>,
    /// How each connection ended.
    pub(super) closed: Vec<Closed>,
    /// Connections accepted.
    pub(super) links: usize,
    /// The cuts that have happened.
    pub(super) cuts: Vec<Cut>,
    /// Bytes that the network took from the peer.
    pub(super) written: u64,
    packets: [usize; 16],
}

impl Seen {
    /// How many packets of this type came in.
    pub(super) fn packets(&self, kind: PacketType) -> usize {
        self.packets[kind as usize]
    }

    /// How many messages with this payload came in.
    pub(super) fn count(&self, payload: &[u8]) -> usize {
        self.messages.iter().filter(|message| message.payload == payload).count()
    }

    pub(super) fn count_packet(&mut self, first_byte: u8) {
        self.packets[usize::from(first_byte >> 4)] += 1;
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} connections, {} CONNECTs, {} messages, {} bytes taken from it, packets by type {:?}, ends {:?}",
            self.links,
            self.connects.len(),
            self.messages.len(),
            self.written,
            self.packets,
            self.closed
        )
    }
}

pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) changed: Condvar,
    started: Clock,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere has failed the test already; its cleaning up must still get in.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wait<'a>(&self, state: MutexGuard<'a, State>, at_most: Option<Duration>) -> MutexGuard<'a, State> {
        let at_most = at_most.unwrap_or(PATIENCE);
        self.changed.wait_timeout(state, at_most).unwrap_or_else(PoisonError::into_inner).0
    }

    pub(super) fn now(&self) -> Instant {
        Instant::ZERO.after(self.started.elapsed())
    }
}

#[derive(Default)]
pub(super) struct State {
    pub(super) seen: Seen,
    pub(super) script: Script,
    pub(super) links: BTreeMap<usize, Link>,
    sessions: BTreeMap<String, Subscriber>,
    pub(super) stopping: bool,
}

#[derive(Default)]
pub(super) struct Script {
    pub(super) cuts: VecDeque<Cut>,
    pub(super) deaf: bool,
    pub(super) mute: bool,
}

/// One transport connection.
pub(super) struct Link {
    pub(super) connection: Connection<Server>,
    pub(super) stream: Arc<TcpStream>,
    /// The session it serves, from CONNECT on.
    pub(super) client: Option<String>,
    /// Whether the session outlives it.
    pub(super) lasting: bool,
    /// It ends as soon as all is written.
    pub(super) leaving: bool,
}

/// What outlives a connection.
#[derive(Default)]
pub(super) struct Subscriber {
    pub(super) filters: Vec<(TopicFilter, QoS)>,
    queue: VecDeque<Message>,
    /// While no link serves it.
    stored: Option<Session>,
}

impl State {
    /// Whether the next cut is this one; if so it is used up.
    pub(super) fn is_cut(&mut self, cut: Cut) -> bool {
        let hit = self.script.cuts.front() == Some(&cut);
        if hit {
            self.script.cuts.pop_front();
            self.seen.cuts.push(cut);
        }
        hit
    }

    /// Queues `message` for every subscriber, and sends what can be sent.
    pub(super) fn route(&mut self, now: Instant, message: &Message) {
        for subscriber in self.sessions.values_mut() {
            let matching = subscriber.filters.iter().filter(|(filter, _)| filter.matches(&message.topic));
            if let Some(qos) = matching.map(|(_, qos)| *qos).max() {
                subscriber.queue.push_back(message.clone().with_qos(qos.min(message.qos)));
            }
        }
        for id in self.links.keys().copied().collect::<Vec<_>>() {
            self.send_queued(now, id);
        }
    }

    /// Moves messages from the queue into the connection, as many as its window and outbox take.
    pub(super) fn send_queued(&mut self, now: Instant, id: usize) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(subscriber) = link.client.as_ref().and_then(|name| self.sessions.get_mut(name)) else { return };
        while let Some(message) = subscriber.queue.pop_front() {
            if let Err(refused) = link.connection.publish(now, message) {
                subscriber.queue.push_front(refused.into_inner());
                return;
            }
        }
    }

    pub(super) fn subscriber(&mut self, client: &str) -> &mut Subscriber {
        self.sessions.entry(client.to_owned()).or_default()
    }

    /// Gives the stored session of `client` to a new link: takes it over from an old one, forgets it on a clean start.
    pub(super) fn resume(&mut self, now: Instant, client: &str, clean_start: bool) -> Option<Session> {
        let serves = |link: &Link| link.client.as_deref() == Some(client);
        if let Some(old) = self.links.iter().find_map(|(id, link)| serves(link).then_some(*id)) {
            self.end(now, old);
        }
        if clean_start {
            self.sessions.remove(client);
        }
        self.subscriber(client).stored.take()
    }

    /// Closes a link, in good order if its connection has ended and else by aborting it; keeps the session if it lasts.
    pub(super) fn end(&mut self, now: Instant, id: usize) {
        let Some(mut link) = self.links.remove(&id) else { return };
        link::close(&link.stream, link.connection.is_closed());
        link.connection.handle_eof(now);
        link::drain(self, now, &mut link);
        let Some(client) = link.client else { return };
        if link.lasting {
            self.subscriber(&client).stored = Some(link.connection.into_session());
        } else {
            self.sessions.remove(&client);
        }
    }
}
