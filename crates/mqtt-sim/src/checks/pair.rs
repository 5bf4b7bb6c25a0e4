//! A client and a server of ours over a network that the input decides on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU16;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use mqtt_proto::{
    Ack, Acknowledged, Client, ClientEvent, Closed, Config, ConnAck, Connect, Connection, Delivery, Instant, Message,
    QoS, ReasonCode, Role, Server, ServerEvent, Session, Subscribe, SubscribeRequest, Subscription, Text, Token,
    TopicFilter, TopicName, Version,
};

use super::source::Source;

/// Two machines talk while the input publishes at both ends, lets bytes through in pieces, lets the applications take and
/// acknowledge what arrived, cuts the link for one end or both, dials again with other limits, and forgets the server's
/// session. In the end the network heals. The laws:
///
/// - neither end ever finds the other breaking the protocol, so Receive Maximum and all limits are kept;
/// - QoS 0 and 2 arrive at most once, but for what the client asked to forget before it was finished; QoS 1 and 2 at least
///   once if they were acknowledged; nothing else arrives; in each topic and QoS, first arrivals come in the order of
///   sending;
/// - once healed, within a bounded number of steps every message is acknowledged, or was given back or given up when the
///   session ended; then both sessions are empty, and the whole window is free.
///
/// They hold in 3.1, too: a session that both ends keep is what Clean Session 0 means there (D31-cleansession), and a message
/// that is sent again says DUP (D31-retry). What 3.1 has no word for is a server that forgets: there is no Session Present, so
/// its client goes on with its half. All that follows from that, and nothing else, is excepted then:
///
/// - what the server's application had of the client's unfinished QoS 2 messages, it may get once more, with DUP;
/// - a QoS 2 message that the server sends later may be answered as a repetition and not arrive, if the client has unfinished
///   ones whose identifiers it may bear;
/// - the client remembers those identifiers for as long as no PUBREL comes for them, which may be for ever.
pub fn pair(input: &[u8]) {
    let mut world = World::new(input);
    while !world.source.is_empty() {
        world.step();
    }
    world.heal();
}

struct World<'a> {
    source: Source<'a>,
    version: Version,
    /// Of both ends, for good: a QoS 2 message that a server took over and no longer takes would never be finished.
    maximum_packet_size: u32,
    now: Instant,
    client: End<Client>,
    server: End<Server>,
    /// What the server keeps between connections.
    stored: Option<Session>,
    /// The server's application will not find the session at the next CONNECT.
    forgets: bool,
    /// From this message of the server on, those of QoS 2 may bear identifiers of a session that only the client remembers.
    may_vanish_from: usize,
    /// A 3.1 client asked to forget its session, and has not heard that the server did: it has to ask again, because no
    /// CONNACK would tell.
    asks_again: bool,
    subscribing: BTreeSet<Token>,
    requests: Vec<SubscribeRequest>,
}

/// One end with its application, and the bytes on their way to it.
struct End<R: Role> {
    machine: Connection<R>,
    on_the_way: BytesMut,
    input: BytesMut,
    acks: VecDeque<Ack>,
    sent: Vec<Sent>,
    /// The messages of the session that are not finished, by token.
    open: BTreeMap<Token, usize>,
    /// How often each message of the other end arrived.
    arrived: BTreeMap<usize, usize>,
    /// What this end has asked to forget, by a clean start of which the other end may never hear.
    forgotten: BTreeSet<usize>,
    /// The last first arrival of each QoS and topic.
    latest: BTreeMap<(u8, u8), usize>,
}

struct Sent {
    qos: QoS,
    topic: u8,
    is_acknowledged: bool,
}

impl<R: Role> End<R> {
    fn new(machine: Connection<R>) -> Self {
        Self {
            machine,
            on_the_way: BytesMut::new(),
            input: BytesMut::new(),
            acks: VecDeque::new(),
            sent: Vec::new(),
            open: BTreeMap::new(),
            arrived: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            latest: BTreeMap::new(),
        }
    }

    fn publish(&mut self, now: Instant, qos: QoS, topic: u8, padding: usize) {
        let name = TopicName::try_from(format!("topic/{topic}")).expect("a topic name");
        let mut payload = (self.sent.len() as u32).to_be_bytes().to_vec();
        payload.extend([topic, qos as u8]);
        payload.resize(payload.len() + padding, b'.');
        // Not taken: the application still has it.
        if let Ok(token) = self.machine.publish(now, Message::new(name, payload).with_qos(qos)) {
            if qos != QoS::AtMostOnce {
                assert_eq!(self.open.insert(token, self.sent.len()), None, "a token is unique");
            }
            self.sent.push(Sent { qos, topic, is_acknowledged: false });
        }
    }

    /// Takes a message that the other end has sent.
    fn take(&mut self, delivery: Delivery, sent: &[Sent]) {
        let payload = &delivery.message.payload;
        let number = u32::from_be_bytes(payload[..4].try_into().expect("four bytes")) as usize;
        let Sent { qos, topic, .. } = sent[number];
        assert_eq!((delivery.message.topic.as_str(), delivery.message.qos), (&*format!("topic/{topic}"), qos));
        assert_eq!(&payload[4..6], [topic, qos as u8]);
        let count = self.arrived.entry(number).or_default();
        *count += 1;
        let may_repeat = qos == QoS::AtLeastOnce || *count > 1 && self.forgotten.remove(&number);
        assert!(*count == 1 || may_repeat, "number {number} came again");
        assert!(delivery.ack.is_some() == (qos != QoS::AtMostOnce));
        if *count == 1 {
            let before = self.latest.insert((topic, qos as u8), number);
            assert!(before.is_none_or(|before| before < number), "number {number} after {before:?}");
        } else {
            assert!(delivery.dup, "number {number} came again and does not say so");
        }
        self.acks.extend(delivery.ack);
    }

    /// A message of ours is finished. From `may_vanish_from` on, those of QoS 2 need not have arrived.
    fn acknowledged(&mut self, end: &Acknowledged, other: &BTreeMap<usize, usize>, may_vanish_from: usize) {
        let number = self.open.remove(&end.token).expect("a message is acknowledged once");
        let may_vanish = number >= may_vanish_from && self.sent[number].qos == QoS::ExactlyOnce;
        let has_arrived = other.contains_key(&number);
        assert!(
            end.reason.is_failure() || has_arrived || may_vanish,
            "number {number} is acknowledged and did not arrive"
        );
        self.sent[number].is_acknowledged = !end.reason.is_failure() && (has_arrived || !may_vanish);
    }

    /// Acknowledges a message where its session is: in the machine, or in the application's store.
    fn ack(&mut self, now: Instant, stored: Option<&mut Session>, index: usize) {
        let Some(ack) = self.acks.remove(index % self.acks.len().max(1)) else { return };
        match stored {
            Some(session) => session.ack(ack),
            None => self.machine.ack(now, ack).expect("0x00 is always allowed"),
        }
    }

    /// Moves bytes from the outbox to the link.
    fn write<O: Role>(&mut self, to: &mut End<O>, count: usize) {
        let outbox = self.machine.outbox();
        let count = count.min(outbox.remaining());
        to.on_the_way.extend_from_slice(&outbox.copy_to_bytes(count));
    }

    /// Moves bytes from the link to the machine.
    fn read(&mut self, now: Instant, count: usize) {
        let count = count.min(self.on_the_way.len());
        self.input.extend_from_slice(&self.on_the_way.split_to(count));
        self.machine.handle_input(now, &mut self.input);
    }

    /// Events that nobody has read are lost with the connection: so is what they said of our messages.
    fn reconcile(&mut self, session: &Session) {
        let unfinished: BTreeSet<Token> = session.unacknowledged().map(|(token, _)| token).collect();
        self.open.retain(|token, _| unfinished.contains(token));
    }

    /// The link as this end sees it is gone.
    fn lose_link(&mut self) {
        self.on_the_way.clear();
        self.input.clear();
    }
}

impl<'a> World<'a> {
    fn new(input: &'a [u8]) -> Self {
        let mut source = Source::new(input);
        let version = source.version();
        let is_small = source.flag() && version == Version::V5;
        let maximum_packet_size = if is_small { 120 } else { Config::default().maximum_packet_size };
        let now = Instant::ZERO;
        // The server may have begun a session of which CONNACK got lost: that is no reason to give up.
        let configs = [config(&mut source, version), config(&mut source, version)];
        let configs = configs.map(|config| Config { maximum_packet_size, ..config });
        let (client, server) = dial(configs, version, now, Session::continued(), false);
        Self {
            source,
            version,
            maximum_packet_size,
            now,
            client: End::new(client),
            server: End::new(server),
            stored: None,
            forgets: false,
            may_vanish_from: usize::MAX,
            asks_again: false,
            subscribing: BTreeSet::new(),
            requests: Vec::new(),
        }
    }

    fn step(&mut self) {
        let now = self.now;
        match self.source.below(24) {
            choice @ 0..=5 => {
                let (qos, topic) = (self.source.qos(), self.source.below(2));
                let padding = self.source.pick(&[0, 1, 100, 600]);
                match choice % 2 {
                    0 => self.client.publish(now, qos, topic, padding),
                    _ => self.server.publish(now, qos, topic, padding),
                }
            }
            6..=9 => {
                let (up, down) = (self.count(), self.count());
                self.client.write(&mut self.server, up);
                self.server.write(&mut self.client, down);
            }
            10..=13 => {
                let (up, down) = (self.count(), self.count());
                self.server.read(now, up);
                self.client.read(now, down);
            }
            14..=16 => {
                let (client, server) = (self.source.byte(), self.source.byte());
                (0..client / 16).for_each(|_| self.client_event());
                (0..server / 16).for_each(|_| self.server_event());
                (0..client % 16).for_each(|_| self.client.ack(now, None, client.into()));
                (0..server % 16).for_each(|_| self.server.ack(now, self.stored.as_mut(), server.into()));
            }
            17 => {
                let filter = TopicFilter::from_static("topic/#");
                let subscribe = Subscribe::new(vec![Subscription::new(filter, QoS::ExactlyOnce)]);
                self.subscribing.extend(self.client.machine.subscribe(now, subscribe));
            }
            18 => self.answer_requests(),
            19 => {
                let ends = self.source.up_to(3);
                if ends & 1 != 0 {
                    self.client.lose_link();
                    self.client.machine.handle_eof(now);
                }
                if ends & 2 != 0 {
                    self.server.lose_link();
                    self.server.machine.handle_eof(now);
                }
            }
            20 | 21 => {
                self.forgets = self.source.byte() >= 0xe0;
                let is_clean = self.source.byte() >= 0xe0;
                self.dial(is_clean);
            }
            _ => {
                let millis = u64::from(self.source.byte()) * self.source.pick(&[1, 100]);
                self.time_passes(Duration::from_millis(millis));
            }
        }
    }

    /// A few bytes, or all there are.
    fn count(&mut self) -> usize {
        let count = self.source.byte();
        if count < 0x80 { count.into() } else { usize::MAX }
    }

    fn time_passes(&mut self, duration: Duration) {
        let target = self.now + duration;
        let due = |client: Option<Instant>, server: Option<Instant>| client.into_iter().chain(server).min();
        while let Some(deadline) = due(self.client.machine.poll_timeout(), self.server.machine.poll_timeout())
            .filter(|deadline| *deadline <= target)
        {
            self.now = self.now.max(deadline);
            self.client.machine.handle_timeout(self.now);
            self.server.machine.handle_timeout(self.now);
        }
        self.now = target;
    }

    /// A new link, whatever became of the old one.
    fn dial(&mut self, is_clean: bool) {
        self.asks_again |= is_clean && self.version == Version::V31;
        let is_clean = is_clean || self.asks_again;
        self.client.lose_link();
        self.server.lose_link();
        self.subscribing.clear();
        let spare = Connection::listen(self.now, Config::default());
        let old = std::mem::replace(&mut self.server.machine, spare);
        let had_session = old.is_open() || old.is_closed();
        let session = old.into_session();
        // A connection that never got as far as CONNACK has not touched the session.
        if had_session && session.export().next().is_some() {
            self.server.reconcile(&session);
            self.stored = Some(session);
        }
        let spare = connect(self.version, self.now, Config::default(), Session::new(), is_clean);
        let session = std::mem::replace(&mut self.client.machine, spare).into_session();
        self.client.reconcile(&session);
        if is_clean {
            let unfinished = self.server.open.values().filter(|number| self.client.arrived.contains_key(number));
            self.client.forgotten.extend(unfinished);
        }
        let configs = [config(&mut self.source, self.version), config(&mut self.source, self.version)];
        let maximum_packet_size = self.maximum_packet_size;
        let configs = configs.map(|config| Config { maximum_packet_size, ..config });
        (self.client.machine, self.server.machine) = dial(configs, self.version, self.now, session, is_clean);
    }

    fn client_event(&mut self) {
        match self.client.machine.poll_event() {
            None | Some(ClientEvent::Unsubscribed { .. } | ClientEvent::Auth(_)) => {}
            Some(ClientEvent::Connected(_)) => self.asks_again = false,
            Some(ClientEvent::Message(delivery)) => self.client.take(delivery, &self.server.sent),
            Some(ClientEvent::Acknowledged(end)) => {
                self.client.acknowledged(&end, &self.server.arrived, usize::MAX);
            }
            Some(ClientEvent::Unacknowledged { token, .. }) => {
                self.client.open.remove(&token).expect("a message is given back once");
            }
            Some(ClientEvent::Subscribed { token, .. }) => {
                assert!(self.subscribing.remove(&token), "an answer to a request of this connection");
            }
            Some(ClientEvent::Closed(why)) => check_end(&why),
        }
    }

    fn server_event(&mut self) {
        match self.server.machine.poll_event() {
            None | Some(ServerEvent::Unsubscribe(_) | ServerEvent::Auth(_)) => {}
            Some(ServerEvent::Connect(connect)) => self.accept(&connect),
            Some(ServerEvent::Message(delivery)) => self.server.take(delivery, &self.client.sent),
            Some(ServerEvent::Acknowledged(end)) => {
                self.server.acknowledged(&end, &self.client.arrived, self.may_vanish_from);
            }
            Some(ServerEvent::Subscribe(request)) => self.requests.push(request),
            Some(ServerEvent::Closed(why)) => check_end(&why),
        }
    }

    fn accept(&mut self, connect: &Connect) {
        if self.server.machine.is_closed() {
            // The client was gone before the application looked; its session stays where it is.
            return;
        }
        let is_lost = connect.clean_start || self.forgets;
        // What 3.1 has no word for it does not forget of its own accord.
        let keeps = |session: &Session| session.is_confirmed() || self.version == Version::V31;
        let session = self.stored.take().filter(|session| !is_lost && keeps(session));
        if session.is_none() {
            // Its messages die with it.
            self.server.open.clear();
            self.server.acks.clear();
            self.requests.clear();
            if self.version == Version::V31 && !connect.clean_start {
                self.forget_in_silence();
            }
        }
        let connack = ConnAck::new(false, ReasonCode::SUCCESS);
        self.server.machine.accept(self.now, connack, session).expect("a CONNECT waits");
    }

    /// The server begins anew, and its client will not hear of it.
    fn forget_in_silence(&mut self) {
        let unfinished = self.client.open.values().filter(|number| self.server.arrived.contains_key(number));
        self.server.forgotten.extend(unfinished);
        if self.client.machine.session().unreleased().next().is_some() {
            self.may_vanish_from = self.may_vanish_from.min(self.server.sent.len());
        }
    }

    fn answer_requests(&mut self) {
        for request in std::mem::take(&mut self.requests) {
            // Fails on a connection that has ended.
            let _ = self.server.machine.suback(self.now, request, &[ReasonCode::GRANTED_QOS_2]);
        }
    }

    /// No more faults: all that can move moves, until nothing does.
    fn heal(&mut self) {
        self.forgets = false;
        for _ in 0..1_000 {
            if self.client.machine.is_closed() || self.server.machine.is_closed() {
                self.drain_events();
                self.dial(false);
            }
            self.drain_events();
            self.answer_requests();
            while !self.client.acks.is_empty() {
                self.client.ack(self.now, None, 0);
            }
            while !self.server.acks.is_empty() {
                self.server.ack(self.now, self.stored.as_mut(), 0);
            }
            self.client.write(&mut self.server, usize::MAX);
            self.server.write(&mut self.client, usize::MAX);
            self.server.read(self.now, usize::MAX);
            self.client.read(self.now, usize::MAX);
            if self.is_quiet() {
                return self.check_quiet();
            }
        }
        panic!("it never comes to rest: {:?} and {:?}", self.client.machine, self.server.machine);
    }

    fn drain_events(&mut self) {
        for _ in 0..1_000 {
            self.client_event();
            self.server_event();
        }
    }

    fn is_quiet(&mut self) -> bool {
        self.client.machine.is_open()
            && self.server.machine.is_open()
            && self.client.open.is_empty()
            && self.server.open.is_empty()
            && self.subscribing.is_empty()
            && (self.client.machine.session().is_empty() || self.may_vanish_from < usize::MAX)
            && self.client.machine.session().unacknowledged().next().is_none()
            && self.server.machine.session().is_empty()
    }

    fn check_quiet(&mut self) {
        check_arrivals(&self.client.sent, &self.server.arrived);
        check_arrivals(&self.server.sent, &self.client.arrived);
        check_window(&mut self.client.machine, self.now);
        check_window(&mut self.server.machine, self.now);
    }
}

fn check_end(why: &Closed) {
    match why {
        Closed::Local | Closed::Eof | Closed::TimedOut(_) => {}
        // A server whose client was silent for too long.
        Closed::Remote(disconnect) => assert_eq!(disconnect.reason, ReasonCode::KEEP_ALIVE_TIMEOUT),
        Closed::Refused(_) | Closed::ProtocolError(_) => panic!("our own two ends: {why}"),
    }
}

fn check_arrivals(sent: &[Sent], arrived: &BTreeMap<usize, usize>) {
    for (number, Sent { is_acknowledged, .. }) in sent.iter().enumerate() {
        assert!(!is_acknowledged || arrived.contains_key(&number), "number {number} was acknowledged");
    }
}

/// All of Receive Maximum is free: that many messages are taken, and no more.
fn check_window<R: Role>(machine: &mut Connection<R>, now: Instant) {
    let window = machine.limits().receive_maximum;
    for number in 0..=window.min(8) {
        let message = Message::new(TopicName::from_static("t"), "").with_qos(QoS::AtLeastOnce);
        let outbox = machine.outbox();
        outbox.advance(outbox.remaining());
        assert_eq!(machine.publish(now, message).is_ok(), number < window, "number {number} of {window}");
    }
}

fn dial(
    [client, server]: [Config; 2],
    version: Version,
    now: Instant,
    session: Session,
    is_clean: bool,
) -> (Connection<Client>, Connection<Server>) {
    (connect(version, now, client, session, is_clean), Connection::listen(now, server))
}

fn connect(version: Version, now: Instant, config: Config, session: Session, is_clean: bool) -> Connection<Client> {
    let mut connect = Connect::new(version, Text::from_static("client"));
    connect.clean_start = is_clean;
    connect.keep_alive = 10;
    if version == Version::V5 {
        connect = connect.with_session_expiry_interval(u32::MAX);
    }
    Connection::connect(now, connect, config, session).expect("this CONNECT is legal")
}

/// Limits of one end for one connection. Those that 3.x has no words for stay as they are there.
fn config(source: &mut Source<'_>, version: Version) -> Config {
    let choices = source.byte();
    let mut config = Config {
        event_limit: if choices & 1 != 0 { 2 } else { 256 },
        outbox_limit: if choices & 2 != 0 { 16 } else { 262_144 },
        ..Config::default()
    };
    if version == Version::V5 {
        config.receive_maximum = NonZeroU16::new(u16::from(choices >> 2 & 3)).unwrap_or(NonZeroU16::MAX);
        config.topic_alias_maximum = if choices & 16 != 0 { 2 } else { 0 };
        config.outgoing_topic_aliases = if choices & 32 != 0 { 1 } else { 16 };
    }
    config
}
