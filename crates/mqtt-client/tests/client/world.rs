//! A client, a scripted server and a hand-cranked clock.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use mqtt_client::{Client, Endpoint, Error, Event, MessageId, Options, StoredChange, SubscriberId};
use mqtt_proto::{
    Config, ConnAck, Connect, Connection, Delivery, Instant, Message, QoS, ReasonCode, Server, ServerEvent, Session,
    Subscribe, SubscribeRequest, Subscription, TopicFilter, TopicName, UnsubscribeRequest,
};

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) client: Client,
    pub(crate) server: Connection<Server>,
    pub(crate) config: Config,
    /// What the client has told and no test has looked at.
    pub(crate) events: Vec<Event>,
    /// What the server has seen and no test has looked at.
    pub(crate) seen: Vec<ServerEvent>,
    /// What the client's store holds, if it has one.
    pub(crate) store: Vec<StoredChange>,
}

pub(crate) fn options() -> Options {
    Options::new("broker.example", 1883).client_id("c").seed(7)
}

impl World {
    pub(crate) fn new(options: Options) -> Self {
        let now = Instant::from_millis(1_000);
        Self {
            now,
            client: Client::new(options).unwrap(),
            server: Connection::listen(now, Config::default()),
            config: Config::default(),
            events: Vec::new(),
            seen: Vec::new(),
            store: Vec::new(),
        }
    }

    /// A world whose client begins with what a store holds.
    pub(crate) fn restored(options: Options, store: Vec<StoredChange>) -> Self {
        let mut world = Self::new(options.clone());
        world.client = Client::restore(world.now, options, store.clone()).unwrap();
        world.store = store;
        world
    }

    /// A world in which the client is connected and all is quiet.
    pub(crate) fn connected(options: Options) -> Self {
        let mut world = Self::new(options);
        world.connect(None);
        world.events.clear();
        world
    }

    /// Dials, accepts and lets all settle; `session` as of [`Connection::accept`]. Returns CONNECT.
    pub(crate) fn connect(&mut self, session: Option<Session>) -> Connect {
        let connect = self.dial();
        self.accept(ConnAck::new(false, ReasonCode::SUCCESS), session);
        connect
    }

    /// Dials and lets CONNECT arrive.
    pub(crate) fn dial(&mut self) -> Connect {
        self.client.poll_open(self.now).expect("the client wants to dial");
        self.server = Connection::listen(self.now, self.config.clone());
        self.client.handle_open(self.now);
        self.settle();
        match self.seen.pop() {
            Some(ServerEvent::Connect(connect)) => *connect,
            other => panic!("no CONNECT but {other:?}"),
        }
    }

    pub(crate) fn accept(&mut self, connack: ConnAck, session: Option<Session>) {
        self.server.accept(self.now, connack, session).unwrap();
        self.settle();
    }

    pub(crate) fn refuse(&mut self, connack: ConnAck) {
        self.server.refuse(self.now, connack).unwrap();
        self.settle();
        self.close();
    }

    /// Carries bytes both ways until nothing moves.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut to_server = self.written();
            let mut to_client = BytesMut::new();
            drain(self.server.outbox(), &mut to_client);
            let is_quiet = to_server.is_empty() && to_client.is_empty();
            self.server.handle_input(self.now, &mut to_server);
            self.seen.extend(std::iter::from_fn(|| self.server.poll_event()));
            while self.client.handle_input(self.now, &mut to_client) > 0 {
                self.poll();
            }
            self.poll();
            if is_quiet {
                return;
            }
        }
    }

    /// Stores what has changed, and then takes what the client writes.
    pub(crate) fn written(&mut self) -> BytesMut {
        self.store.extend(self.client.take_changes());
        let mut bytes = BytesMut::new();
        self.client.outbox(self.now, |outbox| drain(outbox, &mut bytes));
        bytes
    }

    pub(crate) fn poll(&mut self) {
        self.events.extend(std::iter::from_fn(|| self.client.poll_event(self.now)));
    }

    /// The link breaks. What the server keeps is returned.
    pub(crate) fn cut(&mut self) -> Session {
        self.client.handle_eof(self.now);
        self.close();
        self.server.handle_eof(self.now);
        let server = std::mem::replace(&mut self.server, Connection::listen(self.now, self.config.clone()));
        server.into_session()
    }

    /// The driver closes the transport, because the client wants it.
    pub(crate) fn close(&mut self) {
        assert!(self.client.wants_close(), "the client does not want to close");
        self.client.handle_closed(self.now);
        self.poll();
    }

    /// Lets time pass, with every timer in its moment.
    pub(crate) fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.client.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.client.handle_timeout(self.now);
            self.poll();
            self.settle();
        }
        self.now = end;
    }

    /// Waits out the backoff; returns how long it was.
    pub(crate) fn wait_for_dial(&mut self) -> Duration {
        let start = self.now;
        while !self.client.wants_open() {
            self.now = self.client.poll_timeout().expect("the client waits for nothing");
            self.client.handle_timeout(self.now);
            self.poll();
        }
        self.now.since(start)
    }

    pub(crate) fn publish(&mut self, topic: &str, qos: QoS) -> Result<MessageId, Error> {
        self.client.publish(self.now, message(topic, qos))
    }

    pub(crate) fn subscribe(&mut self, filters: &[&str]) -> SubscriberId {
        let id = self.client.subscribe(self.now, Subscribe::new(subscriptions(filters))).unwrap();
        self.settle();
        id
    }

    /// Answers the SUBSCRIBE that the server has seen last.
    pub(crate) fn grant(&mut self, reasons: &[ReasonCode]) -> Subscribe {
        let request = self.subscribe_seen();
        let subscribe = request.subscribe.clone();
        self.server.suback(self.now, request, reasons).unwrap();
        self.settle();
        subscribe
    }

    pub(crate) fn subscribe_seen(&mut self) -> SubscribeRequest {
        match self.seen.pop() {
            Some(ServerEvent::Subscribe(request)) => request,
            other => panic!("no SUBSCRIBE but {other:?}"),
        }
    }

    pub(crate) fn unsubscribe_seen(&mut self) -> UnsubscribeRequest {
        match self.seen.pop() {
            Some(ServerEvent::Unsubscribe(request)) => request,
            other => panic!("no UNSUBSCRIBE but {other:?}"),
        }
    }

    /// Topics of the messages that the server has seen, which it acknowledges.
    pub(crate) fn arrived(&mut self) -> Vec<String> {
        let (messages, rest) = self.seen.drain(..).partition(|event| matches!(event, ServerEvent::Message(_)));
        self.seen = rest;
        let topics = Vec::from_iter(Vec::into_iter(messages).map(|event| {
            let ServerEvent::Message(Delivery { message, ack, .. }) = event else { unreachable!() };
            if let Some(ack) = ack {
                self.server.ack(self.now, ack).unwrap();
            }
            message.topic.to_string()
        }));
        self.settle();
        topics
    }

    /// The outcome of a message, if it has one.
    pub(crate) fn outcome(&self, wanted: MessageId) -> Option<Result<ReasonCode, Error>> {
        let mut outcomes = self.events.iter().filter_map(|event| match event {
            Event::Published { id, result } if *id == wanted => Some(result.clone().map(|ack| ack.reason)),
            _ => None,
        });
        let first = outcomes.next();
        assert!(outcomes.next().is_none(), "{wanted:?} has two outcomes");
        first
    }

    /// The messages that the client has received: topic, and whom it is for.
    pub(crate) fn received(&mut self) -> Vec<(String, Vec<SubscriberId>)> {
        let mut all = Vec::new();
        for event in std::mem::take(&mut self.events) {
            if let Event::Message(delivery) = event {
                let mut targets = Vec::new();
                self.client.route(&delivery.message, &mut targets);
                all.push((delivery.message.topic.to_string(), targets));
                if let Some(ack) = delivery.ack {
                    self.client.ack(self.now, ack).unwrap();
                }
            }
        }
        all
    }

    pub(crate) fn stop_reason(&self) -> Option<&Error> {
        self.events.iter().find_map(|event| match event {
            Event::Stopped(reason) => Some(reason),
            _ => None,
        })
    }
}

pub(crate) fn message(topic: &str, qos: QoS) -> Message {
    Message::new(TopicName::try_from(topic).unwrap(), "payload").with_qos(qos)
}

pub(crate) fn subscriptions(filters: &[&str]) -> Vec<Subscription> {
    let filters = filters.iter().map(|filter| TopicFilter::try_from(*filter).unwrap());
    filters.map(|filter| Subscription::new(filter, QoS::ExactlyOnce)).collect()
}

pub(crate) fn endpoint(host: &str, port: u16) -> String {
    Endpoint { host: host.into(), port, timeout: Duration::ZERO }.to_string()
}

fn drain(outbox: &mut impl Buf, to: &mut BytesMut) {
    while outbox.has_remaining() {
        let chunk = outbox.chunk();
        let len = chunk.len();
        to.extend_from_slice(chunk);
        outbox.advance(len);
    }
}
