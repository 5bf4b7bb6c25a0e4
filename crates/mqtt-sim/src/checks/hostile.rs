//! One machine between a peer that may send anything, an application that may ask for anything, and time.

use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::time::Duration;

use bytes::BytesMut;
use mqtt_proto::{
    Ack, Change, Client, ClientEvent, Closed, CommandError, Config, ConnAck, Connection, FixedHeader, Instant, Packet,
    ReasonCode, Role, Server, ServerEvent, Session, SubscribeRequest, Text, Timer, UnsubscribeRequest, Version,
};

use super::source::Source;
use super::wire::Wire;
use super::{build, display, format};

/// A client whose server sends packets and bytes as the input says, while the application publishes, subscribes,
/// acknowledges, disconnects and reconnects, and time passes. The laws:
///
/// - nothing panics, no call fails to return, and every event, error and machine has words;
/// - all that comes out keeps the rules of the wire, which a strict reader knows: see `wire.rs`;
/// - after a deadline has been handled the next one lies ahead; while open, no more than the keep alive interval passes
///   without a packet; a timeout is never early;
/// - `Closed` is the last event, comes once, and after it no command is taken;
/// - a copy of the machine is equal to it; a session built from its journal is equal to it.
pub fn client(input: &[u8]) {
    Run::<Client>::new(input).all();
}

/// The same for a server, whose application lets clients in or sends them away.
pub fn server(input: &[u8]) {
    Run::<Server>::new(input).all();
}

struct Run<'a, R: Side> {
    source: Source<'a>,
    version: Version,
    config: Config,
    machine: Connection<R>,
    wire: Wire,
    now: Instant,
    input: BytesMut,
    acks: VecDeque<Ack>,
    debts: VecDeque<R::Debt>,
    is_over: bool,
    /// The session as its journal tells it.
    replica: Session,
}

impl<'a, R: Side> Run<'a, R> {
    fn new(input: &'a [u8]) -> Self {
        let mut source = Source::new(input);
        let version = source.version();
        let choices = source.u16();
        let has = |bit: u16| choices >> bit & 1 != 0;
        let config = Config {
            receive_maximum: if has(0) { NonZeroU16::MIN.saturating_add(1) } else { NonZeroU16::MAX },
            topic_alias_maximum: if has(1) { 2 } else { 0 },
            outgoing_topic_aliases: if has(2) { 1 } else { 16 },
            maximum_packet_size: if has(3) { 64 } else { Config::default().maximum_packet_size },
            event_bytes_limit: if has(15) { 1 } else { Config::default().event_bytes_limit },
            event_limit: if has(4) { 1 } else { 256 },
            outbox_limit: if has(5) { 16 } else { 262_144 },
            journal: has(6),
            maximum_qos: if has(7) { mqtt_proto::QoS::AtLeastOnce } else { mqtt_proto::QoS::ExactlyOnce },
            retain_available: !has(8),
            wildcard_subscription_available: !has(9),
            shared_subscription_available: !has(10),
            server_keep_alive: has(11).then_some(1),
            ping_timeout: if has(12) { Duration::ZERO } else { Duration::from_secs(10) },
            handshake_timeout: if has(13) { Duration::ZERO } else { Duration::from_secs(10) },
            ..Config::default()
        };
        let now = Instant::ZERO;
        let machine = R::start(&mut source, version, now, &config, Session::new());
        let mut run = Self {
            source,
            version,
            config,
            machine,
            wire: Wire::new(R::IS_CLIENT, now),
            now,
            input: BytesMut::new(),
            acks: VecDeque::new(),
            debts: VecDeque::new(),
            is_over: false,
            replica: Session::new(),
        };
        run.settle();
        if has(14) {
            // Half of the runs begin with a handshake that is in order.
            run.peer_sends(&R::greeting(version));
        }
        run
    }

    fn all(mut self) {
        while !self.source.is_empty() {
            self.step();
            self.settle();
        }
        format(&self.machine);
        assert!(self.machine.clone() == self.machine, "a copy is equal");
    }

    fn step(&mut self) {
        match self.source.below(20) {
            0..=5 => {
                let packet = R::from_peer(&mut self.source, self.version);
                self.peer_sends(&packet);
            }
            6 => {
                let len = usize::from(self.source.below(32));
                let bytes = self.source.bytes(len);
                self.input.extend_from_slice(bytes);
            }
            7 | 8 => {
                let message = build::message(&mut self.source, self.version);
                if let Err(error) = self.machine.publish(self.now, message) {
                    self.refused(error.kind());
                    display(&error);
                }
            }
            9 | 10 => {
                let result = R::verb(self);
                self.check(result);
            }
            11 | 12 => {
                let index = usize::from(self.source.byte());
                if let Some(ack) = self.acks.remove(index % self.acks.len().max(1)) {
                    let ack = ack.with_reason(build::reason(&mut self.source));
                    let ack = if self.source.flag() { ack.with_reason_string(Text::from_static("why")) } else { ack };
                    let result = self.machine.ack(self.now, ack);
                    self.check(result);
                }
            }
            13 | 14 => self.time_passes(),
            15 => {
                let count = usize::from(self.source.byte());
                self.wire.write(&mut self.machine, if count < 0x80 { count } else { usize::MAX });
            }
            16 => {
                let disconnect = build::disconnect(&mut self.source, self.version);
                let result = self.machine.disconnect(self.now, disconnect);
                self.check(result);
            }
            17 => {
                let auth = build::auth(&mut self.source, self.version);
                let result = self.machine.auth(self.now, auth);
                self.check(result);
            }
            18 => self.machine.handle_eof(self.now),
            _ => self.reconnect(),
        }
    }

    fn peer_sends(&mut self, packet: &Packet) {
        // One that cannot be encoded is never sent: bytes that no encoder makes come another way.
        let _ = packet.encode(self.version, &mut self.input);
    }

    /// Lets the machine take its input, reads what it says, and hands it to the application.
    fn settle(&mut self) {
        let mut more = true;
        while more {
            self.store_changes();
            self.wire.look(&mut self.machine, self.now);
            more = self.take_frame();
            while let Some(event) = self.machine.poll_event() {
                more = true;
                format(&event);
                assert!(!std::mem::replace(&mut self.is_over, R::is_closed(&event)), "Closed is the last event");
                self.check_timeout(&event);
                let Event { ack, debt } = R::take(event);
                self.acks.extend(ack);
                self.debts.extend(debt);
            }
        }
        assert!(!self.machine.is_closed() || self.is_over, "the end is an event");
        assert!(!self.machine.is_closed() || !self.machine.wants_input(), "after the end nothing is wanted");
        let is_due = self.machine.poll_timeout().is_some_and(|deadline| deadline <= self.now);
        let interval = self.machine.keep_alive();
        // To a server that takes not even the two bytes of PINGREQ the client has nothing to say; its silence ends it.
        if R::IS_CLIENT && self.machine.is_open() && !is_due && !interval.is_zero() && self.wire.takes_ping() {
            let silence = self.now.since(self.wire.last_out);
            assert!(silence <= interval, "silent for {silence:?} of {interval:?}");
        }
    }

    /// Gives the machine one frame, or what there is of it: so the reader sees what each packet leads to.
    fn take_frame(&mut self) -> bool {
        let len = match FixedHeader::parse(&self.input) {
            Ok(Some(header)) => header.frame_len().min(self.input.len()),
            Ok(None) | Err(_) => self.input.len(),
        };
        let mut front = self.input.split_to(len);
        let taken = front.clone();
        let count = self.machine.handle_input(self.now, &mut front);
        assert_eq!(front, taken[count..], "what is taken comes off the front");
        if count > 0 {
            self.wire.came(&taken[..count], self.now);
        }
        front.unsplit(std::mem::take(&mut self.input));
        self.input = front;
        count > 0
    }

    fn store_changes(&mut self) {
        while let Some(change) = self.machine.poll_change() {
            format(&change);
            let mut stored = BytesMut::new();
            change.encode(&mut stored).expect("what happened can be stored");
            assert_eq!(Change::decode(stored.freeze()).as_ref(), Ok(&change));
            self.replica.apply(change);
        }
    }

    fn time_passes(&mut self) {
        let unit = self.source.pick(&[1, 100, 1_000, 60_000]);
        let target = self.now + Duration::from_millis(u64::from(self.source.byte()) * unit);
        // Whoever sleeps until the deadline is woken then.
        while let Some(deadline) = self.machine.poll_timeout().filter(|deadline| *deadline <= target) {
            self.now = self.now.max(deadline);
            self.machine.handle_timeout(self.now);
            self.settle();
            assert!(self.machine.poll_timeout().is_none_or(|next| next > self.now), "no deadline stays behind");
        }
        self.now = target;
        let before = self.machine.clone();
        self.machine.handle_timeout(self.now);
        assert_eq!(before.poll_timeout(), self.machine.poll_timeout(), "an early call does nothing");
    }

    fn check_timeout(&self, event: &R::Event) {
        let Some(Closed::TimedOut(Timer::KeepAlive)) = R::closed_why(event) else { return };
        let silence = self.now.since(self.wire.last_in);
        assert!(silence >= self.machine.keep_alive() * 3 / 2, "closed after {silence:?}");
    }

    fn reconnect(&mut self) {
        let journal: Vec<Change> = self.replica.export().collect();
        let machine = R::start(&mut self.source, self.version, self.now, &self.config, Session::new());
        let session = std::mem::replace(&mut self.machine, machine).into_session();
        if self.config.journal {
            assert_eq!(session.export().collect::<Vec<_>>(), journal, "the journal tells the session");
        }
        assert_eq!(
            Session::import(session.export()).export().collect::<Vec<_>>(),
            session.export().collect::<Vec<_>>()
        );
        format(&session);
        self.input.clear();
        self.is_over = false;
        self.wire = self.wire.next(self.now);
        R::resume(self, session);
    }

    fn check<T>(&self, result: Result<T, impl Into<CommandError>>) {
        if let Err(error) = result {
            let error = error.into();
            self.refused(&error);
            display(&error);
        }
    }

    fn refused(&self, error: &CommandError) {
        format(error);
        assert!(*error != CommandError::Closed || self.machine.is_closed(), "only a closed connection is closed");
    }
}

/// What the application keeps of an event.
struct Event<D> {
    ack: Option<Ack>,
    debt: Option<D>,
}

/// What differs between the roles.
trait Side: Role + Sized {
    type Debt;

    fn start(
        source: &mut Source<'_>,
        version: Version,
        now: Instant,
        config: &Config,
        session: Session,
    ) -> Connection<Self>;

    /// Goes on with the session of the connection before.
    fn resume(run: &mut Run<'_, Self>, session: Session);

    /// The peer's part of a handshake that is in order.
    fn greeting(version: Version) -> Packet;

    fn from_peer(source: &mut Source<'_>, version: Version) -> Packet;

    fn verb(run: &mut Run<'_, Self>) -> Result<(), CommandError>;

    fn take(event: Self::Event) -> Event<Self::Debt>;

    fn closed_why(event: &Self::Event) -> Option<&Closed>;

    fn is_closed(event: &Self::Event) -> bool {
        Self::closed_why(event).inspect(|why| display(*why)).is_some()
    }
}

impl Side for Client {
    type Debt = ();

    fn start(
        source: &mut Source<'_>,
        version: Version,
        now: Instant,
        config: &Config,
        session: Session,
    ) -> Connection<Self> {
        let mut connect = build::connect(source, version);
        connect.keep_alive %= 100;
        Connection::connect(now, connect, config.clone(), session).unwrap_or_else(|error| {
            display(&error);
            let connect = mqtt_proto::Connect::new(version, Text::from_static("client"));
            Connection::connect(now, connect, config.clone(), Session::new()).expect("this CONNECT is legal")
        })
    }

    fn resume(run: &mut Run<'_, Self>, session: Session) {
        let mut connect = mqtt_proto::Connect::new(run.version, Text::from_static("client"));
        connect.clean_start = run.source.flag();
        run.machine =
            Connection::connect(run.now, connect, run.config.clone(), session).expect("this CONNECT is legal");
    }

    fn greeting(_: Version) -> Packet {
        Packet::ConnAck(ConnAck::new(false, ReasonCode::SUCCESS))
    }

    fn from_peer(source: &mut Source<'_>, version: Version) -> Packet {
        match source.below(12) {
            0 => Packet::ConnAck(build::connack(source, version)),
            1..=4 => Packet::Publish(build::publish(source, version)),
            5 => Packet::PubAck(build::ack(source, version)),
            6 => Packet::PubRec(build::ack(source, version)),
            7 => Packet::PubRel(build::ack(source, version)),
            8 => Packet::PubComp(build::ack(source, version)),
            9 => Packet::SubAck(mqtt_proto::SubAck::new(build::packet_id(source), vec![build::reason(source)])),
            10 => Packet::PingResp,
            _ => build::packet(source, version),
        }
    }

    fn verb(run: &mut Run<'_, Self>) -> Result<(), CommandError> {
        match run.source.below(3) {
            0 => run.machine.subscribe(run.now, build::subscribe(&mut run.source, run.version)).map(|_| ()),
            1 => run.machine.unsubscribe(run.now, build::unsubscribe(&mut run.source, run.version)).map(|_| ()),
            _ => run.machine.ping(run.now),
        }
    }

    fn take(event: ClientEvent) -> Event<()> {
        let ack = if let ClientEvent::Message(delivery) = event { delivery.ack } else { None };
        Event { ack, debt: None }
    }

    fn closed_why(event: &ClientEvent) -> Option<&Closed> {
        if let ClientEvent::Closed(why) = event { Some(why) } else { None }
    }
}

/// What a server's application owes.
enum Debt {
    Subscribe(SubscribeRequest),
    Unsubscribe(UnsubscribeRequest),
    /// The decision on a CONNECT. The session of the connection before, until then.
    Connect,
}

impl Side for Server {
    type Debt = Debt;

    fn start(_: &mut Source<'_>, _: Version, now: Instant, config: &Config, _: Session) -> Connection<Self> {
        Connection::listen(now, config.clone())
    }

    fn resume(run: &mut Run<'_, Self>, session: Session) {
        // A client that is in order comes back for its session; if the application keeps it.
        run.debts.retain(|debt| !matches!(debt, Debt::Connect));
        let has_begun = session.export().next().is_some();
        if run.source.flag() || !has_begun {
            run.wire.forget();
            run.replica = Session::new();
            run.acks.clear();
            run.debts.clear();
            return;
        }
        let mut connect = BytesMut::new();
        let mut packet = mqtt_proto::Connect::new(run.version, Text::from_static("client"));
        packet.clean_start = false;
        packet.encode(&mut connect).expect("this CONNECT is legal");
        let frame = connect.clone();
        run.machine.handle_input(run.now, &mut connect);
        let Some(ServerEvent::Connect(_)) = run.machine.poll_event() else {
            // It is larger than what the server takes.
            return;
        };
        run.wire.came(&frame, run.now);
        let connack = ConnAck::new(false, ReasonCode::SUCCESS);
        run.machine.accept(run.now, connack, Some(session)).expect("the session may be resumed");
    }

    fn greeting(version: Version) -> Packet {
        Packet::Connect(Box::new(mqtt_proto::Connect::new(version, Text::from_static("client"))))
    }

    fn from_peer(source: &mut Source<'_>, version: Version) -> Packet {
        match source.below(13) {
            0 => Packet::Connect(Box::new(build::connect(source, version))),
            1..=4 => Packet::Publish(build::publish(source, version)),
            5 => Packet::PubAck(build::ack(source, version)),
            6 => Packet::PubRec(build::ack(source, version)),
            7 => Packet::PubRel(build::ack(source, version)),
            8 => Packet::PubComp(build::ack(source, version)),
            9 => Packet::Subscribe(build::subscribe(source, version)),
            10 => Packet::Unsubscribe(build::unsubscribe(source, version)),
            11 => Packet::PingReq,
            _ => build::packet(source, version),
        }
    }

    fn verb(run: &mut Run<'_, Self>) -> Result<(), CommandError> {
        let index = usize::from(run.source.byte());
        match run.debts.remove(index % run.debts.len().max(1)) {
            None => run.machine.refuse(run.now, build::connack(&mut run.source, run.version)),
            Some(Debt::Subscribe(request)) => {
                let count = request.subscribe.subscriptions.len();
                let reasons = vec![ReasonCode(run.source.below(3)); count];
                run.machine.suback(run.now, request, &reasons).map_err(CommandError::from)
            }
            Some(Debt::Unsubscribe(request)) => {
                let reasons = vec![build::reason(&mut run.source); request.unsubscribe.filters.len()];
                run.machine.unsuback(run.now, request, &reasons).map_err(CommandError::from)
            }
            Some(Debt::Connect) => {
                let mut connack = build::connack(&mut run.source, run.version);
                if run.source.byte() < 0xe0 {
                    connack.reason = ReasonCode::SUCCESS;
                    let result = run.machine.accept(run.now, connack, None);
                    let result = match result {
                        Err(_) if run.source.flag() => {
                            run.machine.accept(run.now, ConnAck::new(false, ReasonCode::SUCCESS), None)
                        }
                        result => result,
                    };
                    return result.map_err(CommandError::from);
                }
                run.machine.refuse(run.now, connack)
            }
        }
    }

    fn take(event: ServerEvent) -> Event<Debt> {
        let (ack, debt) = match event {
            ServerEvent::Connect(_) => (None, Some(Debt::Connect)),
            ServerEvent::Message(delivery) => (delivery.ack, None),
            ServerEvent::Subscribe(request) => (None, Some(Debt::Subscribe(request))),
            ServerEvent::Unsubscribe(request) => (None, Some(Debt::Unsubscribe(request))),
            ServerEvent::Acknowledged(_) | ServerEvent::Auth(_) | ServerEvent::Closed(_) => (None, None),
        };
        Event { ack, debt }
    }

    fn closed_why(event: &ServerEvent) -> Option<&Closed> {
        if let ServerEvent::Closed(why) = event { Some(why) } else { None }
    }
}
