//! A broker, real connections of both roles, and a hand-cranked clock: what the tests of the core are written with.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use mqtt_broker::{Action, Broker, Config, Notice, Origin, Outgoing, Peer, Policy};
use mqtt_proto::{
    Ack, Acknowledged, Client, ClientEvent, Closed, CommandError, ConnAck, Connect, Connection, Disconnect, Instant,
    Message, QoS, ReasonCode, Role, Server, ServerEvent, Session, SubAck, Subscribe, SubscribeRequest, Subscription,
    Text, Token, TopicFilter, TopicName, UnsubAck, Unsubscribe, Version,
};

/// A client at the other end of a link.
pub(crate) struct Device {
    pub(crate) connection: Connection<Client>,
    /// The link in use.
    pub(crate) peer: Peer,
    pub(crate) connack: Option<ConnAck>,
    pub(crate) messages: Vec<Message>,
    /// Whether each message that came was marked as a repetition.
    pub(crate) dups: Vec<bool>,
    /// Of QoS 1 and 2 messages, if `holds_acks`.
    pub(crate) acks: Vec<Ack>,
    pub(crate) acknowledged: Vec<Acknowledged>,
    pub(crate) subacks: Vec<SubAck>,
    pub(crate) unsubacks: Vec<UnsubAck>,
    pub(crate) auths: Vec<mqtt_proto::Auth>,
    pub(crate) closed: Option<Closed>,
    /// Does not acknowledge by itself.
    pub(crate) holds_acks: bool,
    /// Does not read.
    pub(crate) is_deaf: bool,
    /// Its clock stands still.
    pub(crate) is_dead: bool,
}

pub(crate) struct Rig {
    pub(crate) now: Instant,
    pub(crate) broker: Broker,
    pub(crate) links: BTreeMap<Peer, Connection<Server>>,
    pub(crate) devices: Vec<Device>,
    next_peer: u64,
    /// Peers that the broker has closed without a word.
    pub(crate) closed: Vec<Peer>,
    pub(crate) notices: Vec<Notice>,
}

impl Rig {
    pub(crate) fn new(config: Config) -> Self {
        Self::with_policy(config, ())
    }

    pub(crate) fn with_policy(config: Config, policy: impl Policy + 'static) -> Self {
        let config = Config { maximum_notices: 10_000, ..config };
        Self {
            now: Instant::ZERO,
            broker: Broker::new(config, Box::new(policy)),
            links: BTreeMap::new(),
            devices: Vec::new(),
            next_peer: 1,
            closed: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// Opens a link without a client.
    pub(crate) fn open(&mut self) -> Result<Peer, mqtt_broker::OpenError> {
        self.open_at(0)
    }

    fn open_at(&mut self, listener: u32) -> Result<Peer, mqtt_broker::OpenError> {
        let peer = Peer::new(self.next_peer);
        self.next_peer += 1;
        self.broker.handle_open(self.now, peer, Origin { listener, address: None })?;
        self.links.insert(peer, Connection::listen(self.now, self.broker.config().connection(listener)));
        self.settle();
        Ok(peer)
    }

    /// Opens a link and sends CONNECT; what comes of it is in the device.
    pub(crate) fn dial(&mut self, connect: Connect, session: Session) -> usize {
        self.dial_at(0, connect, session)
    }

    /// The same, at this listener.
    pub(crate) fn dial_at(&mut self, listener: u32, connect: Connect, session: Session) -> usize {
        let peer = self.open_at(listener).expect("room for a link");
        let connection = Connection::connect(self.now, connect, mqtt_proto::Config::default(), session).unwrap();
        self.devices.push(Device {
            connection,
            peer,
            connack: None,
            messages: Vec::new(),
            dups: Vec::new(),
            acks: Vec::new(),
            acknowledged: Vec::new(),
            subacks: Vec::new(),
            unsubacks: Vec::new(),
            auths: Vec::new(),
            closed: None,
            holds_acks: false,
            is_deaf: false,
            is_dead: false,
        });
        self.settle();
        self.devices.len() - 1
    }

    /// Connects a client that must be let in.
    pub(crate) fn connect(&mut self, connect: Connect) -> usize {
        self.resume(connect, Session::new())
    }

    pub(crate) fn resume(&mut self, connect: Connect, session: Session) -> usize {
        let device = self.dial(connect, session);
        assert!(self.devices[device].connection.is_open(), "{:?}", self.devices[device].closed);
        device
    }

    /// A 5.0 client with a clean start and no session afterwards.
    pub(crate) fn client(&mut self, id: &str) -> usize {
        self.connect(v5(id))
    }

    /// A 5.0 client whose session lasts.
    pub(crate) fn lasting(&mut self, id: &str) -> usize {
        self.connect(v5(id).with_clean_start(false).with_session_expiry_interval(u32::MAX))
    }

    pub(crate) fn session_present(&self, device: usize) -> bool {
        self.devices[device].connack.as_ref().expect("CONNACK").session_present
    }

    pub(crate) fn subscribe(&mut self, device: usize, filter: &str, qos: QoS) -> ReasonCode {
        self.subscribe_with(device, Subscribe::new(vec![subscription(filter, qos)]))
    }

    /// Subscribes, and returns the (last) reason code.
    pub(crate) fn subscribe_with(&mut self, device: usize, subscribe: Subscribe) -> ReasonCode {
        self.devices[device].connection.subscribe(self.now, subscribe).unwrap();
        let before = self.devices[device].subacks.len();
        self.settle();
        assert_eq!(self.devices[device].subacks.len(), before + 1, "every SUBSCRIBE gets its SUBACK");
        *self.devices[device].subacks.last().unwrap().reasons.last().unwrap()
    }

    pub(crate) fn unsubscribe(&mut self, device: usize, filter: &str) -> Option<ReasonCode> {
        let unsubscribe = Unsubscribe::new(vec![TopicFilter::try_from(filter).unwrap()]);
        self.devices[device].connection.unsubscribe(self.now, unsubscribe).unwrap();
        self.settle();
        self.devices[device].unsubacks.last().unwrap().reasons.last().copied()
    }

    pub(crate) fn publish(&mut self, device: usize, message: Message) -> Token {
        let token = self.devices[device].connection.publish(self.now, message).unwrap();
        self.settle();
        token
    }

    /// Publishes at QoS 1 or 2, and returns what the broker answered.
    pub(crate) fn publish_for_reason(&mut self, device: usize, message: Message) -> ReasonCode {
        let token = self.publish(device, message);
        let answers = &self.devices[device].acknowledged;
        answers.iter().find(|acknowledged| acknowledged.token == token).expect("an answer").reason
    }

    /// What has arrived since this was asked last: topic and payload.
    pub(crate) fn received(&mut self, device: usize) -> Vec<String> {
        self.take(device).iter().map(|message| format!("{}={}", message.topic, payload(message))).collect()
    }

    /// The messages that have arrived since they were asked for last.
    pub(crate) fn take(&mut self, device: usize) -> Vec<Message> {
        std::mem::take(&mut self.devices[device].messages)
    }

    /// The link breaks. What the client remembers is returned.
    pub(crate) fn cut(&mut self, device: usize) -> Session {
        let now = self.now;
        let peer = self.devices[device].peer;
        self.devices[device].connection.handle_eof(now);
        if let Some(link) = self.links.get_mut(&peer) {
            link.handle_eof(now);
        }
        self.settle();
        self.session_of(device)
    }

    pub(crate) fn disconnect(&mut self, device: usize, disconnect: Disconnect) -> Session {
        self.devices[device].connection.disconnect(self.now, disconnect).unwrap();
        self.settle();
        self.session_of(device)
    }

    /// What the client keeps when its connection is over.
    pub(crate) fn session_of(&self, device: usize) -> Session {
        self.devices[device].connection.clone().into_session()
    }

    /// Acknowledges all that a client holds back.
    pub(crate) fn ack_all(&mut self, device: usize) {
        for ack in std::mem::take(&mut self.devices[device].acks) {
            self.devices[device].connection.ack(self.now, ack).unwrap();
        }
        self.settle();
    }

    /// Time passes, and whatever becomes due happens at its moment.
    pub(crate) fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.next_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.tick();
        }
        self.now = end;
        self.tick();
    }

    pub(crate) fn advance_secs(&mut self, seconds: u64) {
        self.advance(Duration::from_secs(seconds));
    }

    fn next_timeout(&self) -> Option<Instant> {
        let links = self.links.values().filter_map(Connection::poll_timeout);
        let living = self.devices.iter().filter(|device| !device.is_dead);
        let devices = living.filter_map(|device| device.connection.poll_timeout());
        links.chain(devices).chain(self.broker.poll_timeout()).min()
    }

    fn tick(&mut self) {
        let now = self.now;
        self.links.values_mut().for_each(|link| link.handle_timeout(now));
        let living = self.devices.iter_mut().filter(|device| !device.is_dead);
        living.for_each(|device| device.connection.handle_timeout(now));
        self.broker.handle_timeout(now);
        self.settle();
    }

    /// Moves everything until nothing is left to move.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut moved = self.carry();
            let peers: Vec<Peer> = self.links.keys().copied().collect();
            for peer in peers {
                moved |= self.tell_broker(peer);
            }
            moved |= self.act();
            for device in &mut self.devices {
                moved |= device.listen(self.now);
            }
            if !moved {
                break;
            }
        }
        self.notices.extend(std::iter::from_fn(|| self.broker.poll_notice()));
    }

    /// Bytes, both ways.
    fn carry(&mut self) -> bool {
        let mut moved = false;
        for device in &mut self.devices {
            let Some(link) = self.links.get_mut(&device.peer) else { continue };
            moved |= carry(self.now, &mut device.connection, link);
            if !device.is_deaf {
                moved |= carry(self.now, link, &mut device.connection);
            }
        }
        moved
    }

    fn tell_broker(&mut self, peer: Peer) -> bool {
        let mut moved = false;
        while let Some(event) = self.links.get_mut(&peer).and_then(Connection::poll_event) {
            moved = true;
            match event {
                ServerEvent::Closed(closed) => self.end(peer, &closed),
                event => self.broker.handle_event(self.now, peer, event),
            }
            self.act();
        }
        self.pull(peer);
        moved
    }

    fn end(&mut self, peer: Peer, closed: &Closed) {
        let Some(mut link) = self.links.remove(&peer) else { return };
        // Its last words, and then the end.
        if let Some(device) = self.devices.iter_mut().find(|device| device.peer == peer) {
            if !device.is_deaf {
                carry(self.now, &mut link, &mut device.connection);
            }
            device.connection.handle_eof(self.now);
        }
        self.broker.handle_closed(self.now, peer, closed, link.into_session());
    }

    fn act(&mut self) -> bool {
        let mut moved = false;
        while let Some((peer, action)) = self.broker.poll_action() {
            moved = true;
            let now = self.now;
            if matches!(action, Action::Deliver) {
                self.pull(peer);
                continue;
            }
            let link = self.links.get_mut(&peer).expect("actions are for peers that are there");
            match action {
                Action::Accept { connack, session } => link.accept(now, connack, session).unwrap(),
                Action::Refuse(connack) => link.refuse(now, connack).unwrap(),
                Action::Suback { request, reasons, reason_string } => {
                    let request = reason_string.into_iter().fold(request, SubscribeRequest::with_reason_string);
                    link.suback(now, request, &reasons).unwrap();
                }
                Action::Unsuback { request, reasons } => link.unsuback(now, request, &reasons).unwrap(),
                Action::Ack(ack) => link.ack(now, ack).unwrap(),
                Action::Auth(auth) => link.auth(now, auth).unwrap(),
                Action::Disconnect(disconnect) => match link.disconnect(now, disconnect) {
                    Ok(()) | Err(CommandError::Closed) => {}
                    Err(error) => panic!("{error}"),
                },
                Action::Close => {
                    self.closed.push(peer);
                    link.handle_eof(now);
                }
                Action::Deliver => unreachable!(),
            }
        }
        moved
    }

    fn pull(&mut self, peer: Peer) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        while let Some(Outgoing { message, ticket }) =
            self.broker.poll_message(self.now, peer, |qos| link.can_publish(qos))
        {
            match link.publish(self.now, message) {
                Ok(token) => self.broker.handle_sent(peer, token, ticket),
                Err(error) => {
                    let why = error.kind().clone();
                    self.broker.give_back(peer, Outgoing { message: error.into_inner(), ticket }, &why);
                    if why == CommandError::Full {
                        break;
                    }
                }
            }
        }
    }
}

impl Device {
    fn listen(&mut self, now: Instant) -> bool {
        let mut heard = false;
        while let Some(event) = self.connection.poll_event() {
            heard = true;
            match event {
                ClientEvent::Connected(connack) => self.connack = Some(connack),
                ClientEvent::Message(delivery) => {
                    self.dups.push(delivery.dup);
                    self.messages.push(delivery.message);
                    match delivery.ack {
                        Some(ack) if self.holds_acks => self.acks.push(ack),
                        Some(ack) => self.connection.ack(now, ack).unwrap(),
                        None => {}
                    }
                }
                ClientEvent::Acknowledged(acknowledged) => self.acknowledged.push(acknowledged),
                ClientEvent::Subscribed { suback, .. } => self.subacks.push(suback),
                ClientEvent::Unsubscribed { unsuback, .. } => self.unsubacks.push(unsuback),
                ClientEvent::Auth(auth) => self.auths.push(auth),
                ClientEvent::Closed(closed) => self.closed = Some(closed),
                ClientEvent::Unacknowledged { .. } => {}
            }
        }
        heard
    }
}

fn carry<A: Role, B: Role>(now: Instant, from: &mut Connection<A>, to: &mut Connection<B>) -> bool {
    let outbox = from.outbox();
    if !outbox.has_remaining() {
        return false;
    }
    let mut bytes = BytesMut::from(&outbox.copy_to_bytes(outbox.remaining())[..]);
    while to.handle_input(now, &mut bytes) > 0 {}
    true
}

pub(crate) fn text(text: &str) -> Text {
    Text::try_from(text).unwrap()
}

pub(crate) fn v5(id: &str) -> Connect {
    Connect::new(Version::V5, text(id))
}

pub(crate) fn v311(id: &str) -> Connect {
    Connect::new(Version::V311, text(id))
}

pub(crate) fn message(topic: &str, payload: &str) -> Message {
    Message::new(TopicName::try_from(topic).unwrap(), payload.to_owned())
}

pub(crate) fn at(qos: QoS, topic: &str, payload: &str) -> Message {
    message(topic, payload).with_qos(qos)
}

pub(crate) fn subscription(filter: &str, qos: QoS) -> Subscription {
    Subscription::new(TopicFilter::try_from(filter).unwrap(), qos)
}

pub(crate) fn payload(message: &Message) -> String {
    String::from_utf8_lossy(&message.payload).into_owned()
}
