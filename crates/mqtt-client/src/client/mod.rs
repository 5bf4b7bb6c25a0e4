//! The pure client: policy around a [`Connection`](mqtt_proto::Connection), without I/O, clock or threads.
//!
//! # Rules of this file
//!
//! - The session is in exactly one place: in [`State::Offline`] or, inside the connection, in [`State::Online`].
//! - The driver's transport is another thing than the connection: it exists from `poll_open` until `handle_open_failed` or
//!   `handle_closed`, and the next one is not asked for before. See [`Transport`].
//! - A published message is in exactly one of: the queue, `in_flight` (QoS 1 and 2, under its token), `unwritten` (QoS 0 in
//!   the outbox). It leaves by exactly one [`Event::Published`].
//! - After every `handle_*`, poll events until there are none: the work that events allow (sending what is queued,
//!   subscribing again) happens there, in the order of the events.

mod connect;
mod event;
mod flights;
mod flow;
mod id_map;
mod journal;
mod link;
mod queue;
mod request;
mod state;
mod stopping;
mod subscriptions;
mod verbs;
mod verdict;

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use mqtt_proto::{ClientEvent, Delivery, Instant, Message, Outbox, Session};

pub use event::{Acknowledgement, Event, MessageId, RequestId, SubscriberId};

use crate::alike;
use crate::backoff::Random;
use crate::options::Credentials;
use crate::seldom_queue::SeldomQueue;
use crate::{Endpoint, Error, Options, OptionsError};
use flights::Flights;
pub(crate) use id_map::IdMap;
use journal::Journal;
use queue::{Queue, earlier};
use request::Requests;
use state::{Ending, Ends, Phase, Stage, State, Transport, offline};
use subscriptions::Subscriptions;

/// An MQTT client as a value: readiness in, bytes out, time as an argument.
///
/// Most applications use a [`Handle`](crate::Handle), which wraps one of these in a mutex. Use it directly in an event loop
/// of your own, or in a test in virtual time:
///
/// ```
/// use mqtt_client::{Client, Options};
/// use mqtt_proto::Instant;
///
/// let mut client = Client::new(Options::new("localhost", 1883)).unwrap();
/// let server = client.poll_open(Instant::ZERO).unwrap(); // please dial this
/// assert_eq!(server.to_string(), "localhost:1883");
/// client.handle_open(Instant::ZERO);
/// let connect_packet = client.outbox(Instant::ZERO, |outbox| bytes::Buf::remaining(outbox));
/// assert!(connect_packet > 0);
/// ```
#[derive(Debug)]
pub struct Client {
    /// Without what is this client's own, so that clients that are alike share them.
    options: Arc<Options>,
    credentials: Option<Box<Credentials>>,
    random: Random,
    state: State,
    transport: Transport,
    /// Where a redirect says to dial next, and not where the options say.
    elsewhere: Option<Box<(String, u16)>>,
    /// Redirects followed since the last CONNACK that was a yes.
    redirects: u8,
    /// The options' client id, or the one that the server assigned.
    client_id: Box<str>,
    /// There has been a successful CONNACK in this client's life.
    was_connected: bool,
    /// A CONNECT went out whose CONNACK never came: if it said that the session is a new one, nobody has heard it.
    is_connack_lost: bool,
    /// Failures since the last connection that was stable.
    failures: u32,
    queue: Queue,
    requests: Requests,
    subscriptions: Subscriptions,
    /// Messages of QoS 1 and 2 in the session.
    in_flight: Flights,
    /// QoS 0 messages in the outbox: the count of bytes of the present transport after which each is written.
    unwritten: SeldomQueue<(u64, MessageId)>,
    // Boxed, because they are rare, and most clients idle.
    ending: Option<Box<Ending>>,
    /// Why it has stopped, if not because it was asked to.
    stopped: Option<Box<Error>>,
    is_stopped: bool,
    said_stopped: bool,
    events: SeldomQueue<Event>,
    /// Messages that have ended well, for an owner who is told so in [`Ends::BY_IDS`].
    ended: SeldomQueue<MessageId>,
    /// The owner takes no more messages for now.
    is_held: bool,
    /// The connection has just been established, or a timer was due: it may be idle for a while.
    may_rest: bool,
    last_id: u64,
    ends: Ends,
    /// What has changed since a store was told, if there is one.
    journal: Option<Box<Journal>>,
}

/// The world: what the driver reports and asks.
impl Client {
    /// A client that wants to connect.
    ///
    /// # Errors
    ///
    /// If the options do not make a valid CONNECT packet.
    pub fn new(mut options: Options) -> Result<Self, OptionsError> {
        let mut random = Random::new(options.seed.unwrap_or(0));
        let client_id = connect::client_id(&mut options, &mut random)?;
        // Nothing that can be known now shall fail later, in a task that nobody looks at.
        let connect = connect::packet(&options, Some(&options.credentials), client_id, false)?;
        connect.encoded_len().map_err(OptionsError::Connect)?;
        // The same bytes, which were not copied.
        let client_id = String::from_utf8(connect.client_id.into_inner().into()).unwrap_or_default().into_boxed_str();
        let credentials = core::mem::take(&mut options.credentials);
        (options.seed, options.store) = (None, None);
        let session = if options.clean_start { Session::new() } else { Session::continued() };
        Ok(Self {
            random,
            state: offline(session, Phase::Wanting),
            transport: Transport::None,
            elsewhere: None,
            redirects: 0,
            client_id,
            was_connected: false,
            is_connack_lost: false,
            failures: 0,
            queue: Queue::default(),
            requests: Requests::default(),
            subscriptions: Subscriptions::default(),
            in_flight: Flights::default(),
            unwritten: SeldomQueue::default(),
            ending: None,
            stopped: None,
            is_stopped: false,
            said_stopped: false,
            events: SeldomQueue::default(),
            ended: SeldomQueue::default(),
            is_held: false,
            may_rest: false,
            last_id: 0,
            ends: Ends::BY_EVENTS,
            journal: None,
            credentials: Some(credentials).filter(|credentials| !credentials.is_empty()).map(Box::new),
            options: alike::OPTIONS.share(options),
        })
    }

    /// "Please dial this": answer with [`handle_open`](Self::handle_open) or [`handle_open_failed`](Self::handle_open_failed).
    #[must_use]
    pub fn poll_open(&mut self, now: Instant) -> Option<Endpoint> {
        if !self.wants_open() {
            return None;
        }
        let endpoint = self.endpoint();
        if let State::Offline { phase, .. } = &mut self.state {
            *phase = Phase::Dialling { deadline: now + endpoint.timeout };
        }
        self.transport = Transport::Dial;
        Some(endpoint)
    }

    /// The transport is open: CONNECT goes to the outbox.
    pub fn handle_open(&mut self, now: Instant) {
        match (&self.state, &self.transport) {
            (State::Offline { phase: Phase::Dialling { .. }, .. }, Transport::Dial) => self.begin_connection(now),
            // Too late: the dial was given up. wants_close() says so.
            (_, Transport::Dial | Transport::Open | Transport::Closing { .. } | Transport::None) => {}
        }
    }

    /// The transport could not be opened.
    pub fn handle_open_failed(&mut self, now: Instant, cause: &dyn core::fmt::Display) {
        let cause = cause.to_string();
        self.transport = Transport::None;
        if let State::Offline { phase: Phase::Dialling { .. }, .. } = self.state {
            self.dial_failed(now, cause);
        }
    }

    /// Bytes from the server. Takes whole packets, leaves the tail; says how many bytes it took.
    pub fn handle_input(&mut self, now: Instant, input: &mut BytesMut) -> usize {
        if !self.wants_input() {
            return 0;
        }
        match &mut self.state {
            State::Online(online) => {
                let taken = online.connection.handle_input(now, input);
                if self.journal.is_some() {
                    self.settle(now);
                }
                self.after_world(now);
                taken
            }
            State::Offline { .. } => 0,
        }
    }

    /// The server closed its side of the transport.
    pub fn handle_eof(&mut self, now: Instant) {
        if let State::Online(online) = &mut self.state {
            online.connection.handle_eof(now);
        }
        self.after_world(now);
    }

    /// Reading or writing failed; the transport is of no more use.
    pub fn handle_error(&mut self, now: Instant, cause: &dyn core::fmt::Display) {
        self.forget_last_words();
        self.connection_lost(now, Error::ConnectionLost { cause: cause.to_string() });
    }

    /// The transport is gone, or the dial was abandoned. Must follow every [`handle_open`](Self::handle_open).
    pub fn handle_closed(&mut self, now: Instant) {
        if let State::Online(_) = &self.state {
            self.connection_lost(now, Error::ConnectionLost { cause: "the transport was closed".into() });
        }
        if let State::Offline { phase: Phase::Dialling { .. }, .. } = self.state {
            self.dial_failed(now, "the dial was abandoned".into());
        }
        self.transport = Transport::None;
        self.forget_last_words();
        for (_, id) in self.unwritten.take() {
            self.events.push_back(Event::Published { id, result: Err(Error::NotWritten) });
        }
    }

    /// Time has passed. Early calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.expire_queued(now);
        if matches!(self.state, State::Offline { until, .. } if until <= now) {
            self.forget_last_words(); // the peer does not take them
        }
        match &mut self.state {
            State::Offline { phase, .. } => match *phase {
                Phase::Waiting { until } if until <= now => *phase = Phase::Wanting,
                Phase::Dialling { deadline } if deadline <= now => {
                    self.abandon_transport();
                    self.dial_failed(now, "no answer in time".into());
                }
                Phase::Waiting { .. } | Phase::Dialling { .. } | Phase::Wanting | Phase::Stopped => {}
            },
            State::Online(online) => {
                self.may_rest |= online.connection.poll_timeout().is_some_and(|at| at <= now);
                online.connection.handle_timeout(now);
                self.after_world(now);
            }
        }
        if self.ending.as_ref().is_some_and(|ending| ending.deadline <= now) {
            self.end_now(now); // once: it stops the client
        }
    }

    /// What is to be written. Every byte that `f` advances over counts as written.
    ///
    /// # Panics
    ///
    /// In debug builds, if a client with a store has [changes](Self::take_changes) that were not taken: the rule is *take, make
    /// durable, then write*.
    pub fn outbox<T>(&mut self, now: Instant, f: impl FnOnce(&mut Outbox) -> T) -> T {
        debug_assert!(!self.has_changes(), "take and store the changes before writing the outbox");
        let outbox = match &mut self.state {
            State::Online(online) => online.connection.outbox(),
            State::Offline { last_words, .. } => last_words,
        };
        let before = outbox.written();
        let value = f(outbox);
        if outbox.written() > before {
            self.wrote(now);
        }
        value
    }

    /// Whether more bytes from the server would be taken.
    #[must_use]
    #[inline]
    pub fn wants_input(&self) -> bool {
        match &self.state {
            State::Online(online) => online.connection.wants_input(),
            State::Offline { .. } => false,
        }
    }

    /// Whether the driver should close the transport once the outbox is empty, or abandon its dial.
    #[must_use]
    #[inline]
    pub fn wants_close(&self) -> bool {
        matches!(self.transport, Transport::Closing { .. })
    }

    /// Whether the transport is to be read to its end before it is closed: the server may have something to say, and a socket that
    /// is closed before it is read may lose what was written last.
    #[must_use]
    #[inline]
    pub fn lingers(&self) -> bool {
        matches!(self.transport, Transport::Closing { lingers: true, .. })
    }

    /// Whether [`poll_open`](Self::poll_open) would name something to dial.
    #[must_use]
    #[inline]
    pub fn wants_open(&self) -> bool {
        matches!((&self.state, &self.transport), (State::Offline { phase: Phase::Wanting, .. }, Transport::None))
    }

    /// Whether there is something to write.
    #[must_use]
    #[inline]
    pub fn wants_output(&mut self) -> bool {
        self.collect_session_changes();
        match &mut self.state {
            State::Online(online) => online.connection.outbox().has_remaining(),
            State::Offline { last_words, .. } => last_words.has_remaining(),
        }
    }

    /// Whether a successful CONNACK has come on the present connection.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(&self.state, State::Online(online) if online.stage != Stage::Handshake)
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    #[inline]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let state = match &self.state {
            State::Offline { phase: Phase::Waiting { until: at } | Phase::Dialling { deadline: at }, .. } => Some(*at),
            State::Offline { phase: Phase::Wanting | Phase::Stopped, last_words, until, .. } => {
                last_words.has_remaining().then_some(*until)
            }
            State::Online(online) => online.connection.poll_timeout(),
        };
        let ending = self.ending.as_ref().filter(|_| !self.is_stopped).map(|ending| ending.deadline);
        earlier(earlier(state, ending), self.queue.next_expiry())
    }

    /// Takes no more messages from the server while `held`: the transport pushes back, and keep alive does not mistake it for
    /// a dead link. Messages that are here already are held back, other events are not.
    pub fn hold(&mut self, held: bool) {
        self.is_held = held;
        if let State::Online(online) = &mut self.state {
            online.connection.hold(held);
        }
    }

    /// What happened. Poll until `None` after every `handle_*` and verb.
    pub fn poll_event(&mut self, now: Instant) -> Option<Event> {
        loop {
            if let Some(event) = self.next_event() {
                return Some(event);
            }
            let State::Online(online) = &mut self.state else {
                self.end_if_flushed(now);
                return self.next_event();
            };
            match online.connection.poll_event() {
                // Nothing is before it.
                Some(ClientEvent::Message(delivery)) if !self.is_held => return Some(Event::Message(delivery)),
                // Nor before this one.
                Some(ClientEvent::Connected(connack)) => {
                    self.connected(now, &connack);
                    return Some(Event::Connected(connack));
                }
                Some(event) => self.translate(now, event),
                None => {
                    if online.stage == Stage::Connected {
                        online.stage = Stage::Settled;
                    }
                    self.send_queued(now);
                    self.end_if_flushed(now);
                    self.rest();
                    return self.next_event();
                }
            }
        }
    }

    /// The next event, if that is a message that only waits to be taken: an event is large to move.
    #[inline]
    pub(crate) fn peek_message(&self) -> Option<&Delivery> {
        match &self.state {
            State::Online(online) if !self.is_held && self.events.is_empty() => online.connection.peek_message(),
            State::Online(_) | State::Offline { .. } => None,
        }
    }

    /// Takes the message that was [peeked](Self::peek_message) at.
    #[inline]
    pub(crate) fn next_message(&mut self) -> Option<Delivery> {
        match &mut self.state {
            State::Online(online) => online.connection.poll_message(),
            State::Offline { .. } => None,
        }
    }

    /// Gives back the room of queues that are empty, if it may be long until they are needed.
    fn rest(&mut self) {
        if !core::mem::take(&mut self.may_rest) {
            return;
        }
        self.events.shrink();
        self.ended.shrink();
        self.unwritten.shrink();
        self.in_flight.shrink();
        self.queue.shrink();
        self.requests.shrink();
        if let State::Online(online) = &mut self.state {
            online.connection.shrink();
        }
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Whether [`poll_event`](Self::poll_event) has something that was not there when it was last polled to its end.
    #[inline]
    pub(crate) fn has_news(&self) -> bool {
        !self.events.is_empty() || self.is_to_say_stopped()
    }

    /// The next message that has ended well. What the driver does alone ends messages so: ask when its events are polled.
    #[inline]
    pub(crate) fn next_ended(&mut self) -> Option<MessageId> {
        self.ended.pop_front()
    }

    fn next_event(&mut self) -> Option<Event> {
        if !self.has_news() {
            return None;
        }
        let next = if self.is_held {
            self.events.remove_first(|event| !matches!(event, Event::Message(_)))
        } else {
            self.events.pop_front()
        };
        next.or_else(|| self.say_stopped())
    }

    /// Adds to `out` the subscriptions that a message is for, each once.
    pub fn route(&self, message: &Message, out: &mut Vec<SubscriberId>) {
        self.subscriptions.route(message, out);
    }

    /// Grows whenever [`route`](Self::route) may answer otherwise than before.
    pub(crate) fn routing_changes(&self) -> u64 {
        self.subscriptions.changes()
    }
}
