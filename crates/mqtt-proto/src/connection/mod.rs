//! One MQTT connection over one transport, from its first byte to its last, without I/O.
//!
//! Four kinds of methods, told apart by their names: `handle_*` is the world speaking (bytes, time, the end of the
//! transport) and cannot fail; verbs are the application's commands and return a `Result` that is about the application's
//! mistakes alone; `poll_*` is the machine speaking; nouns answer plain questions. The peer's mistakes are events.
//!
//! State is split by how long it lives: everything in [`Connection`] dies with it, except the
//! [`Session`](crate::Session), which moves in and out.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::time::Duration;

use crate::seldom::Seldom;
use crate::session::{Change, Session};
use crate::write;
use crate::{ConnAck, Connect, Disconnect, Instant, PacketType, ProtocolError, ReasonCode, Rule, Text, Version};

mod alias;
mod authentication;
mod client;
mod config;
mod control;
mod errors;
mod event;
mod incoming;
mod input;
mod outbox;
mod outgoing;
mod role;
mod rules;
mod server;
mod timer;

use alias::{IncomingAliases, OutgoingAliases};
use authentication::Authentication;
use control::Control;
use incoming::Dues;

pub use config::{Config, Limits, PROTOCOL_MAXIMUM_PACKET_SIZE};
pub use errors::{Capability, CommandError, Rejected};
pub use event::{Acknowledged, ClientEvent, Closed, Delivery, ServerEvent, SubscribeRequest, UnsubscribeRequest};
pub use outbox::Outbox;
pub use role::{Client, Role, Server};
pub use timer::Timer;

use timer::{TIMERS, Timers};

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// Server: nothing has come.
    AwaitConnect,
    /// Server: CONNECT has come, the application has not decided.
    AwaitAccept,
    /// Client: CONNECT is out.
    AwaitConnAck,
    /// Messages may flow.
    Open,
    /// Nothing is read or queued any more.
    Closed,
}

/// The state machine of one connection, for the [`Client`] or the [`Server`] end.
///
/// It is a plain value: no clock, no socket, no thread. Its owner moves bytes and time:
///
/// ```
/// use bytes::{Buf, BytesMut};
/// use mqtt_proto::{Client, ClientEvent, Config, Connect, Connection, Instant, Session, Text, Version};
///
/// let connect = Connect::new(Version::V311, Text::from_static("sensor-7"));
/// let mut connection = Connection::connect(Instant::ZERO, connect, Config::default(), Session::new())?;
///
/// // What is in the outbox goes to the transport ...
/// let sent = connection.outbox().chunk().len();
/// connection.outbox().advance(sent);
///
/// // ... and what the transport yields goes in: here the server's CONNACK.
/// let mut input = BytesMut::from(&[0x20, 0x02, 0x00, 0x00][..]);
/// connection.handle_input(Instant::from_millis(12), &mut input);
/// assert!(matches!(connection.poll_event(), Some(ClientEvent::Connected(_))));
///
/// // Call `handle_timeout` when this moment has come: a PINGREQ is due.
/// assert_eq!(connection.poll_timeout(), Some(Instant::from_millis(52_500)));
/// # Ok::<(), mqtt_proto::CommandError>(())
/// ```
///
/// After [`Closed`](ClientEvent::Closed), write what is left in the outbox (a DISCONNECT), then close the transport.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Connection<R: Role> {
    config: Arc<Config>,
    version: Version,
    phase: Phase,
    /// The latest moment heard of.
    now: Instant,
    /// When the last packet was put into the outbox.
    last_sent: Instant,
    /// When the last byte came.
    last_received: Instant,
    /// How much of the caller's input was left after the last call: what exceeds it is new.
    input_left: usize,
    /// With less input than that there is no whole packet at its front.
    input_wanted: u32,
    timers: Timers,
    /// The application has let input wait and nothing has come since: the peer's silence says nothing yet.
    input_waited: bool,
    /// What the transport had taken when the PINGRESP deadline was set, if PINGREQ had to wait for more; else `NOTHING`.
    ping_waits_behind: u64,
    /// Bytes of an unfinished packet for which the server's keep alive has been put off.
    tail_credited: u32,
    /// The application lets nothing in.
    is_held: bool,
    /// In seconds.
    keep_alive: u16,
    /// What we allow the peer.
    own: Limits,
    /// What the peer allows us.
    peer: Limits,
    session: Session,
    session_expiry: u32,
    /// CONNECT's Session Expiry Interval was 0 or absent.
    expiry_was_zero: bool,
    clean_start: bool,
    /// Request Problem Information of CONNECT.
    problem_information: bool,
    authentication: Authentication,
    incoming_aliases: IncomingAliases,
    outgoing_aliases: OutgoingAliases,
    dues: Seldom<Dues>,
    outbox: Outbox,
    events: VecDeque<R::Event>,
    /// About how many bytes of the peer's they keep alive.
    event_bytes: usize,
    /// Server: the client identifier of CONNECT was empty; Request Response Information of CONNECT.
    client_id_empty: bool,
    response_information: bool,
}

impl<R: Role> Connection<R> {
    /// Takes what is known of time and hands out what has become due. Early calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance_clock(now);
        // Each at most once: one that is due again at once (a clock at its end) waits for the next call.
        for timer in TIMERS {
            if !self.timers.take_due(timer, self.now) {
                continue;
            }
            match timer {
                Timer::Handshake => self.close(Closed::TimedOut(timer)),
                Timer::KeepAlive if R::IS_CLIENT => self.send_ping(),
                Timer::KeepAlive => self.client_is_silent(),
                Timer::PingResponse => self.server_is_silent(),
            }
        }
    }

    /// The transport has ended, or broke: nothing more will come.
    pub fn handle_eof(&mut self, now: Instant) {
        self.advance_clock(now);
        self.close(Closed::Eof);
    }

    /// The next event, in the order in which things happened. [`Closed`] is the last one.
    pub fn poll_event(&mut self) -> Option<R::Event> {
        // Looked at where it lies: an event is large to move.
        let len = R::event_len(self.events.front()?);
        self.input_waited |= self.is_event_queue_full();
        self.event_bytes -= len;
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called next. It changes with every other call.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// The next change of the session, if [`Config::journal`] is on.
    ///
    /// The rule is *drain, make durable, then write*: poll until there is none, store them, and only then write the outbox.
    /// Then a crash at any moment loses no message and delivers no QoS 2 message twice. [`outbox`](Self::outbox) checks the
    /// first part of it in debug builds.
    pub fn poll_change(&mut self) -> Option<Change> {
        self.session.poll_change()
    }

    /// What waits to be written, in order. Asking for it also refills it from the backlog of a resumed session.
    ///
    /// # Panics
    ///
    /// In debug builds, if changes wait for [`poll_change`](Self::poll_change): they must be stored first.
    pub fn outbox(&mut self) -> &mut Outbox {
        debug_assert!(!self.session.must_be_stored(), "poll and store the session's changes before writing the outbox");
        self.send_backlog();
        &mut self.outbox
    }

    /// Bytes in the outbox, without refilling it.
    pub fn outbox_len(&self) -> usize {
        bytes::Buf::remaining(&self.outbox)
    }

    /// [Bytes that the transport has taken](Outbox::written) on this connection.
    pub fn outbox_written(&self) -> u64 {
        self.outbox.written()
    }

    /// Whether more input will be taken: `false` while the application lets too many events wait, while the peer lets too
    /// many answers wait, while the server's application has not decided on a CONNECT, and when closed.
    pub fn wants_input(&self) -> bool {
        let awaits_us = match self.phase {
            Phase::AwaitAccept => !self.authentication.is_peers_turn(),
            Phase::Closed => true,
            Phase::AwaitConnect | Phase::AwaitConnAck | Phase::Open => false,
        };
        let answers_limit = self.config.outbox_limit.saturating_add(ANSWERS_LIMIT);
        !awaits_us && !self.is_event_queue_full() && self.outbox.small_len() < answers_limit
    }

    /// Takes no more input while `held`, as if the event queue were full: for an owner whose own queues of messages are.
    /// The handshake goes on, and the keep alive does not mistake it for a dead link.
    pub fn hold(&mut self, held: bool) {
        self.input_waited |= self.is_event_queue_full();
        self.is_held = held;
    }

    /// Gives back the room of queues and buffers that hold nothing: for a connection that may be idle for long. (It does so
    /// itself when it sends PINGREQ or answers one.) They grow again as they are used.
    pub fn shrink(&mut self) {
        if self.events.is_empty() && self.events.capacity() > 0 {
            self.events = VecDeque::new();
        }
        self.outbox.shrink();
        if self.dues.is_over() {
            self.dues.clear();
        }
        self.session.shrink();
    }

    /// The version in use; on a server before CONNECT, 5.0.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether messages may flow: CONNACK has come, or `accept` was called.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether the connection has ended: write the outbox, close the transport.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// What the peer allows us to send, known once the connection is open.
    pub fn limits(&self) -> Limits {
        self.peer
    }

    /// What we allow the peer to send.
    pub fn own_limits(&self) -> Limits {
        self.own
    }

    /// The keep alive interval in force; zero means none.
    pub fn keep_alive(&self) -> Duration {
        Duration::from_secs(self.keep_alive.into())
    }

    /// Seconds that the session outlives the connection (5.0 §3.1.2.11.2), as last agreed on; 0xFFFFFFFF is for ever. In
    /// 3.x: 0 after a clean session, else for ever.
    pub fn session_expiry_interval(&self) -> u32 {
        self.session_expiry
    }

    /// The session as it stands.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Takes the session out, for the next connection. Everything else ends here: timers, aliases, quotas, limits. Poll
    /// the events first. A QoS 1 or 2 message among them counts as never received: the peer will send it again.
    pub fn into_session(mut self) -> Session {
        for ack in self.events.iter().filter_map(R::message_in).filter_map(|delivery| delivery.ack.as_ref()) {
            self.session.forget_delivery(ack);
        }
        self.session.end_connection();
        self.session
    }

    /// Ends the connection with a DISCONNECT, which is the last thing in the outbox.
    ///
    /// In 3.x it has no reason code, and a server has no DISCONNECT at all: the transport is closed, that is all.
    ///
    /// # Errors
    ///
    /// [`Closed`](CommandError::Closed) if it has ended already. [`NotAllowed`](CommandError::NotAllowed) for a reason code
    /// that this role may not send (5.0 §3.14.2.1), a Session Expiry Interval from a server or one that raises 0
    /// (5.0 §3.14.2.2.2). [`NotConnected`](CommandError::NotConnected) on a server before `accept`: use `refuse`.
    /// [`TooLarge`](CommandError::TooLarge) for a peer whose Maximum Packet Size is below the packet's two bytes (reason code
    /// 0x00) or three (any other): nothing has happened then, so close the transport without it.
    pub fn disconnect(&mut self, now: Instant, disconnect: Disconnect) -> Result<(), CommandError> {
        self.advance_clock(now);
        match self.phase {
            Phase::Closed => return Err(CommandError::Closed),
            Phase::AwaitConnect | Phase::AwaitAccept => return Err(CommandError::NotConnected),
            Phase::AwaitConnAck | Phase::Open => {}
        }
        if !disconnect.reason.may_stand_in(PacketType::Disconnect, R::IS_CLIENT) {
            return Err(CommandError::NotAllowed(
                "DISCONNECT has no such reason code from this role (5.0 section 3.14.2.1)",
            ));
        }
        if let Some(expiry) = disconnect.properties().session_expiry_interval() {
            if !R::IS_CLIENT {
                return Err(CommandError::NotAllowed(
                    "a server's DISCONNECT has no Session Expiry Interval (MQTT-3.14.2-2)",
                ));
            }
            if expiry != 0 && self.expiry_was_zero {
                return Err(CommandError::NotAllowed(
                    "DISCONNECT cannot raise a Session Expiry Interval of 0: set one in CONNECT (5.0 section 3.14.2.2.2)",
                ));
            }
        }
        let expiry = disconnect.properties().session_expiry_interval();
        if R::IS_CLIENT || self.version == Version::V5 {
            self.send_control(disconnect)?;
        }
        self.session_expiry = expiry.unwrap_or(self.session_expiry);
        self.close(Closed::Local);
        Ok(())
    }

    fn new(now: Instant, config: Arc<Config>, version: Version, phase: Phase) -> Self {
        Self {
            config,
            version,
            phase,
            now,
            last_sent: now,
            last_received: now,
            input_left: 0,
            input_wanted: 0,
            timers: Timers::default(),
            input_waited: false,
            ping_waits_behind: client::NOTHING,
            tail_credited: 0,
            is_held: false,
            keep_alive: 0,
            own: Limits::UNLIMITED,
            peer: Limits::UNLIMITED,
            session: Session::new(),
            session_expiry: 0,
            expiry_was_zero: true,
            clean_start: true,
            problem_information: true,
            authentication: Authentication::default(),
            incoming_aliases: IncomingAliases::default(),
            outgoing_aliases: OutgoingAliases::default(),
            dues: Seldom::default(),
            outbox: Outbox::default(),
            events: VecDeque::new(),
            event_bytes: 0,
            client_id_empty: false,
            response_information: false,
        }
    }

    /// What CONNECT says that both ends have to know.
    fn remember(&mut self, connect: &Connect) {
        self.version = connect.version;
        self.clean_start = connect.clean_start;
        self.keep_alive = connect.keep_alive;
        let expiry = connect.properties().session_expiry_interval();
        self.session_expiry = match connect.version {
            Version::V5 => expiry.unwrap_or(0),
            Version::V31 | Version::V311 if connect.clean_start => 0,
            Version::V31 | Version::V311 => u32::MAX,
        };
        self.expiry_was_zero = self.session_expiry == 0;
        let method = connect.properties().authentication_method();
        self.authentication = Authentication::new(method.and_then(|method| Text::try_from(method).ok()));
    }

    fn advance_clock(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn tell(&mut self, event: R::Event) {
        self.event_bytes += R::event_len(&event);
        self.events.push_back(event);
    }

    /// The first event of a connection, which may have no other one for long.
    fn tell_first(&mut self, event: R::Event) {
        self.events.reserve_exact(1);
        self.tell(event);
    }

    fn is_event_queue_full(&self) -> bool {
        let is_full = self.events.len() >= self.config.event_limit.max(1)
            || self.event_bytes >= self.config.event_bytes_limit.max(1);
        is_full || self.is_held && self.phase == Phase::Open
    }

    /// Whether silence may be our application's doing, which lets input wait or has just ceased to.
    fn may_be_our_fault(&mut self) -> bool {
        self.is_event_queue_full() || core::mem::take(&mut self.input_waited)
    }

    /// Ends the connection on our side of the wire; what is in the outbox may still be written.
    fn close(&mut self, why: Closed) {
        if self.phase == Phase::Closed {
            return;
        }
        self.phase = Phase::Closed;
        self.timers.clear();
        self.tell(R::closed(why));
    }

    /// The peer broke a rule. 5.0 has a DISCONNECT for it; in 3.x one from a client would hide the failure (it deletes the
    /// will) and from a server does not exist.
    fn fail(&mut self, error: ProtocolError) {
        if self.version == Version::V5 && self.phase == Phase::Open {
            self.say_goodbye(error.reason());
        } else if self.version == Version::V5 && self.phase == Phase::AwaitAccept {
            // MQTT-3.14.0-1: no DISCONNECT before CONNACK, so CONNACK says it.
            let _ = self.send_control(ConnAck::new(false, error.reason()));
        }
        self.close(Closed::ProtocolError(error));
    }

    fn say_goodbye(&mut self, reason: ReasonCode) {
        // A peer whose Maximum Packet Size is below the length of DISCONNECT gets none; the transport closes either way.
        let _ = self.send_control(Disconnect::new(reason));
    }

    fn broke(&self, packet: PacketType, field: &'static str, rule: &'static Rule) -> ProtocolError {
        ProtocolError::new(self.version, Some(packet), field, rule)
    }

    /// Queues a packet within the peer's limits, without its optional parts if need be.
    fn send_control<P: Control>(&mut self, mut packet: P) -> Result<(), CommandError> {
        let maximum = self.peer.maximum_packet_size;
        let size = control::fit(&mut packet, self.version, maximum, self.problem_information || R::IS_CLIENT)?;
        if size > maximum as usize {
            return Err(CommandError::TooLarge { size, maximum });
        }
        write::encode(&packet, self.version, self.outbox.small())?;
        self.packet_sent();
        Ok(())
    }

    /// A packet went into the outbox: the client's keep alive counts from here (MQTT-3.1.2-20, MQTT-3.1.2-23 of 3.1.1).
    fn packet_sent(&mut self) {
        self.last_sent = self.now;
        if R::IS_CLIENT && self.phase == Phase::Open {
            self.arm_client_keep_alive();
        }
    }

    fn check_open(&self) -> Result<(), CommandError> {
        match self.phase {
            Phase::Open => Ok(()),
            Phase::Closed => Err(CommandError::Closed),
            Phase::AwaitConnect | Phase::AwaitAccept | Phase::AwaitConnAck => Err(CommandError::NotConnected),
        }
    }
}

impl<R: Role> Clone for Connection<R> {
    fn clone(&self) -> Self {
        Self {
            config: Arc::clone(&self.config),
            timers: self.timers.clone(),
            session: self.session.clone(),
            authentication: self.authentication.clone(),
            incoming_aliases: self.incoming_aliases.clone(),
            outgoing_aliases: self.outgoing_aliases.clone(),
            dues: self.dues.clone(),
            outbox: self.outbox.clone(),
            events: self.events.iter().map(R::duplicate).collect(),
            event_bytes: self.event_bytes,
            ..*self
        }
    }
}

/// How much may wait in the outbox beyond `outbox_limit` before input is left alone: every answer that a well-behaved peer
/// can make us owe at a time (65,535 acknowledgements), so that two ends cannot both wait for the other to read. Large
/// payloads do not count: one of 10 MiB, which a peer that is writing one too does not read, must not stop us from reading.
const ANSWERS_LIMIT: usize = 65_535 * 8;
