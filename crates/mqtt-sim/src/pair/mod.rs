//! Two machines, a wire and a hand-cranked clock.
//!
//! A [`Pair`] is a client and a server connection with their applications, and a link with a latency and a chunk size in
//! each direction. Its clock jumps to the next thing that happens, an arrival or a timer, and stops at each; nothing else
//! moves it, so a test states times exactly. The link can be cut at any byte, go dead without a word, and come back with
//! the sessions of both ends or without one of them. Whatever an end sends is decoded and checked on its way.
//!
//! ```
//! use mqtt_proto::{QoS, Version};
//! use mqtt_sim::pair::{Scenario, Side};
//!
//! let mut pair = Scenario::new(Version::V311).connected();
//! pair.publish(Side::Client, QoS::AtLeastOnce, "hello");
//! pair.run();
//! assert_eq!(pair.wire(), ["client: PUBLISH id 1 QoS 1 't' 'hello'", "server: PUBACK id 1"]);
//! assert_eq!(pair.server.received, ["hello"]);
//! ```

mod application;
pub mod describe;
mod end;
mod scenario;
mod solo;
mod wire;

use mqtt_proto::{
    Ack, Client, CommandError, Connection, Instant, Message, QoS, ReasonCode, Rejected, Role, Server, Session,
    Subscribe, Subscription, Token, TopicFilter, TopicName,
};

pub use end::End;
pub use scenario::{Memory, Scenario};
pub use solo::Solo;
use wire::{Item, Wire};

/// One end of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The end that dials.
    Client,
    /// The end that listens.
    Server,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Client, Self::Server];

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// One line of what happened.
#[derive(Clone, Debug)]
struct Entry {
    at: u64,
    /// On the wire; else an event.
    is_packet: bool,
    line: String,
}

/// A client and a server with a link between them.
pub struct Pair {
    /// The client and its application.
    pub client: End<Client>,
    /// The server and its application.
    pub server: End<Server>,
    /// What the next connections are made of.
    pub scenario: Scenario,
    now: u64,
    /// What the server keeps of the client while it is not connected.
    stored: Option<Session>,
    up: Wire,
    down: Wire,
    log: Vec<Entry>,
}

impl Pair {
    pub(crate) fn new(scenario: Scenario) -> Self {
        let (version, now) = (scenario.connect.version, Instant::ZERO);
        let session = Session::new();
        let client = Connection::connect(now, scenario.connect.clone(), scenario.client.clone(), session)
            .expect("a valid CONNECT");
        let server = Connection::<Server>::listen(now, scenario.server.clone());
        Self {
            client: End::new(client),
            server: End::new(server),
            now: 0,
            stored: None,
            up: Wire::new(version, scenario.latency[0], scenario.chunk[0]),
            down: Wire::new(version, scenario.latency[1], scenario.chunk[1]),
            log: Vec::new(),
            scenario,
        }
    }

    /// The clock, in milliseconds.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now
    }

    /// The clock, as the machines take it.
    #[must_use]
    pub fn instant(&self) -> Instant {
        Instant::from_millis(self.now)
    }

    /// Lets the next thing happen, and says whether there was one. The clock stands at its time afterwards.
    pub fn step(&mut self) -> bool {
        self.settle();
        let Some(at) = self.next() else { return false };
        self.now = self.now.max(at);
        if let Some(item) = self.up.arrive(self.now) {
            arrive(&mut self.server, item, self.now);
            self.break_at_cut();
        } else if let Some(item) = self.down.arrive(self.now) {
            arrive(&mut self.client, item, self.now);
            self.break_at_cut();
        } else {
            self.client.connection.handle_timeout(self.instant());
            self.server.connection.handle_timeout(self.instant());
        }
        self.settle();
        true
    }

    /// Lets things happen until nothing is in flight.
    pub fn run(&mut self) {
        self.settle();
        while self.up.next().is_some() || self.down.next().is_some() {
            self.step();
        }
    }

    /// Lets things happen until the clock would pass `millis`, and puts it there.
    pub fn run_until(&mut self, millis: u64) {
        self.settle();
        while self.next().is_some_and(|at| at <= millis) {
            self.step();
        }
        self.now = self.now.max(millis);
    }

    /// When the next thing happens.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        let timers = [self.client.connection.poll_timeout(), self.server.connection.poll_timeout()];
        let timers = timers.into_iter().flatten().map(Instant::as_millis);
        timers.chain(self.up.next()).chain(self.down.next()).min()
    }

    /// Packets sent so far or since [`forget_log`](Self::forget_log), as `client: PINGREQ`.
    #[must_use]
    pub fn wire(&self) -> Vec<String> {
        self.log.iter().filter(|entry| entry.is_packet).map(|entry| entry.line.clone()).collect()
    }

    /// The same with their times, as `52500 client: PINGREQ`.
    #[must_use]
    pub fn timed_wire(&self) -> Vec<String> {
        let packets = self.log.iter().filter(|entry| entry.is_packet);
        packets.map(|entry| format!("{} {}", entry.at, entry.line)).collect()
    }

    /// Events that the applications have read.
    #[must_use]
    pub fn events(&self) -> Vec<String> {
        self.log.iter().filter(|entry| !entry.is_packet).map(|entry| entry.line.clone()).collect()
    }

    /// Begins the log anew.
    pub fn forget_log(&mut self) {
        self.log.clear();
    }

    /// Publishes on topic `t`.
    ///
    /// # Panics
    ///
    /// If the message is not taken.
    pub fn publish(&mut self, side: Side, qos: QoS, payload: &str) -> Token {
        let message = Message::new(TopicName::from_static("t"), payload.to_owned()).with_qos(qos);
        self.send(side, message).expect("the message is taken")
    }

    /// Publishes any message.
    ///
    /// # Errors
    ///
    /// What the connection says.
    pub fn send(&mut self, side: Side, message: Message) -> Result<Token, Rejected<Message>> {
        let now = self.instant();
        match side {
            Side::Client => self.client.connection.publish(now, message),
            Side::Server => self.server.connection.publish(now, message),
        }
    }

    /// The client subscribes to these filters, all with one QoS.
    ///
    /// # Errors
    ///
    /// What the connection says.
    pub fn subscribe(&mut self, filters: &[&'static str], qos: QoS) -> Result<Token, CommandError> {
        let one = |filter: &&'static str| Subscription::new(TopicFilter::from_static(filter), qos);
        let subscribe = Subscribe::new(filters.iter().map(one).collect());
        self.client.connection.subscribe(self.instant(), subscribe)
    }

    /// Acknowledges the message that stands at `index` among those that one end's application owes.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn ack(&mut self, side: Side, index: usize) {
        let now = self.instant();
        let owed = "an acknowledgement is owed";
        match side {
            Side::Client => {
                let ack: Ack = self.client.acks.remove(index).expect(owed);
                self.client.connection.ack(now, ack).expect("a valid acknowledgement");
            }
            Side::Server => {
                let ack: Ack = self.server.acks.remove(index).expect(owed);
                if let (Some(stored), false) = (&mut self.stored, self.scenario.has_accepted) {
                    // Between connections the server's session is not in a connection.
                    stored.ack(ack);
                    self.server.stored.extend(core::iter::from_fn(|| stored.poll_change()));
                    return;
                }
                self.server.connection.ack(now, ack).expect("a valid acknowledgement");
            }
        }
    }

    /// The payloads that have arrived at one end.
    #[must_use]
    pub fn received(&self, side: Side) -> &[String] {
        match side {
            Side::Client => &self.client.received,
            Side::Server => &self.server.received,
        }
    }

    /// The messages of one end that are finished.
    #[must_use]
    pub fn finished(&self, side: Side) -> &[(Token, ReasonCode)] {
        match side {
            Side::Client => &self.client.finished,
            Side::Server => &self.server.finished,
        }
    }

    /// Whether the application of one end acknowledges at once.
    pub fn acks_at_once(&mut self, side: Side, at_once: bool) {
        match side {
            Side::Client => self.client.acks_at_once = at_once,
            Side::Server => self.server.acks_at_once = at_once,
        }
    }

    /// The link breaks: what is in flight is lost, and both ends notice.
    pub fn cut(&mut self) {
        self.settle();
        self.half_open();
        self.client.connection.handle_eof(self.instant());
        self.server.connection.handle_eof(self.instant());
        self.settle();
    }

    /// The link breaks when one direction has carried so many more bytes.
    pub fn cut_after(&mut self, from: Side, bytes: usize) {
        match from {
            Side::Client => self.up.cut_after = Some(bytes),
            Side::Server => self.down.cut_after = Some(bytes),
        }
    }

    /// The link goes dead: what is in flight is lost, nothing arrives any more, and nobody notices.
    pub fn half_open(&mut self) {
        let (version, scenario) = (self.scenario.connect.version, &self.scenario);
        self.up = Wire::new(version, scenario.latency[0], scenario.chunk[0]);
        self.down = Wire::new(version, scenario.latency[1], scenario.chunk[1]);
        (self.up.is_dead, self.down.is_dead) = (true, true);
    }

    /// What one end sends from now on is lost; it stores what it must before that.
    pub fn mute(&mut self, side: Side) {
        match side {
            Side::Client => self.up.is_dead = true,
            Side::Server => self.down.is_dead = true,
        }
    }

    /// One end loses everything but what it has stored, and the link comes back. Its configuration must keep a journal.
    pub fn crash(&mut self, side: Side) {
        self.cut();
        let restored = match side {
            Side::Client => Session::import(self.client.stored.iter().cloned()),
            Side::Server => Session::import(self.server.stored.iter().cloned()),
        };
        match side {
            Side::Client => self.keep_server_session(),
            Side::Server => self.stored = Some(restored.clone()),
        }
        let session = match side {
            Side::Client => restored,
            Side::Server => self.client.connection.clone().into_session(),
        };
        self.reconnect_as(session);
    }

    /// A new link, with a CONNECT that asks for the session (or not: `clean_start` of the scenario), and with what each end
    /// remembers of it. The old link is cut first.
    pub fn reconnect(&mut self, memory: Memory) {
        self.cut();
        self.keep_server_session();
        if matches!(memory, Memory::Client | Memory::Neither) {
            self.stored = None;
        }
        let session = match memory {
            Memory::Both | Memory::Client => self.client.connection.clone().into_session(),
            Memory::Server => Session::continued(),
            Memory::Neither => Session::new(),
        };
        self.reconnect_as(session);
    }

    /// The server's application takes the session out of a connection that was open.
    fn keep_server_session(&mut self) {
        if self.scenario.has_accepted {
            self.stored = Some(self.server.connection.clone().into_session());
        }
    }

    /// As [`reconnect`](Self::reconnect), with this session of the client. The server keeps what it has.
    pub fn reconnect_as(&mut self, session: Session) {
        self.scenario.has_accepted = false;
        let (now, version, scenario) = (self.instant(), self.scenario.connect.version, &self.scenario);
        let client = Connection::connect(now, scenario.connect.clone(), scenario.client.clone(), session);
        self.up = Wire::new(version, scenario.latency[0], scenario.chunk[0]);
        self.down = Wire::new(version, scenario.latency[1], scenario.chunk[1]);
        self.client.begin(client.expect("a valid CONNECT"));
        self.server.begin(Connection::<Server>::listen(now, self.scenario.server.clone()));
    }

    /// Asserts that nothing is under way: sessions are empty, so all ids are free, and both windows take their fill.
    ///
    /// # Panics
    ///
    /// If something is.
    pub fn assert_quiet(&mut self) {
        self.run();
        assert!(self.client.connection.session().is_empty(), "the client's session is empty");
        assert!(self.server.connection.session().is_empty(), "the server's session is empty");
        assert_full_window(&self.client.connection);
        assert_full_window(&self.server.connection);
    }

    /// Moves events to the applications and bytes to the wire until nothing moves.
    pub fn settle(&mut self) {
        loop {
            let mut moved = pump(&mut self.client, self.now) + pump(&mut self.server, self.now);
            moved += self.read_client() + self.read_server() + self.flush();
            if moved == 0 {
                break;
            }
        }
        if self.client.connection.is_closed() && !core::mem::replace(&mut self.client.has_ended, true) {
            self.up.end(self.now);
        }
        if self.server.connection.is_closed() && !core::mem::replace(&mut self.server.has_ended, true) {
            self.down.end(self.now);
        }
    }

    fn break_at_cut(&mut self) {
        if self.up.cut_after == Some(0) || self.down.cut_after == Some(0) {
            pump(&mut self.client, self.now);
            pump(&mut self.server, self.now);
            self.cut();
        }
    }

    fn flush(&mut self) -> usize {
        self.client.store();
        self.server.store();
        let sent = self.up.send(self.now, self.client.connection.outbox());
        for line in &sent {
            self.down.answered(line);
        }
        let answered = self.down.send(self.now, self.server.connection.outbox());
        for line in &answered {
            self.up.answered(line);
        }
        let moved = sent.len() + answered.len();
        for (side, lines) in [(Side::Client, sent), (Side::Server, answered)] {
            for line in lines {
                self.note(side, true, &line);
            }
        }
        let (client, server) = (&self.client.connection, &self.server.connection);
        assert!(self.up.unfinished() <= client.limits().receive_maximum.into(), "MQTT-3.3.4-7");
        assert!(self.down.unfinished() <= server.limits().receive_maximum.into(), "MQTT-3.3.4-9");
        moved
    }

    fn note(&mut self, side: Side, is_packet: bool, line: &str) {
        let line = format!("{}: {line}", side.name());
        self.log.push(Entry { at: self.now, is_packet, line });
    }
}

fn arrive<R: Role>(end: &mut End<R>, item: Item, now: u64) {
    match item {
        Item::Bytes(bytes) => end.input.extend_from_slice(&bytes),
        Item::End => {
            pump(end, now);
            end.connection.handle_eof(Instant::from_millis(now));
        }
    }
}

/// Gives the machine what it will take of its input.
fn pump<R: Role>(end: &mut End<R>, now: u64) -> usize {
    let before = end.input.len();
    while end.connection.handle_input(Instant::from_millis(now), &mut end.input) > 0 {}
    before - end.input.len()
}

fn assert_full_window<R: Role>(connection: &Connection<R>) {
    let mut connection = connection.clone();
    if connection.limits().maximum_qos == QoS::AtMostOnce {
        return;
    }
    let message = Message::new(TopicName::from_static("t"), "x").with_qos(QoS::AtLeastOnce);
    let window = connection.limits().receive_maximum.min(100);
    for taken in 0..window {
        let result = connection.publish(Instant::ZERO, message.clone());
        assert!(result.is_ok(), "the window takes {window} messages, not {taken}: {result:?}");
        while connection.poll_change().is_some() {}
        drop(connection.outbox().take());
    }
}
