//! A client: the shipping connection, its session between connections, and an application that may be slow.

use bytes::Bytes;
use mqtt_proto::{
    Ack, Client, ClientEvent, Closed, Config, Connect, Connection, Disconnect, Instant, Message, QoS, ReasonCode,
    Rejected, RetainHandling, Session, Subscribe, Subscription, SubscriptionId, Text, TopicFilter, TopicName,
    Unsubscribe, Version, Will,
};

use crate::setup::{FILTERS, Farewell, Hello, Load, Setup, Size, TOPICS, Wish};
use crate::{Verdict, broken};

#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) id: Text,
    pub(crate) version: Version,
    setup: Setup,
    pub(crate) connection: Option<Box<Connection<Client>>>,
    session: Session,
    holds: bool,
    held: Vec<Ack>,
}

impl Actor {
    pub(crate) fn new(id: Text, version: Version, setup: Setup, holds: bool) -> Self {
        // A client that knows nothing takes what it finds: Session Present is no surprise to it.
        Self { id, version, setup, connection: None, session: Session::continued(), holds, held: Vec::new() }
    }

    /// Begins a connection.
    pub(crate) fn connect(&mut self, now: Instant, hello: Hello, number: &mut u32) -> Verdict {
        self.leave();
        let mut connect = Connect::new(self.version, self.id.clone());
        connect.clean_start = hello.clean;
        connect.keep_alive = hello.keep_alive.into();
        connect.will = hello.will.map(|(load, delay)| {
            let delay_interval = if self.version == Version::V5 { delay.into() } else { 0 };
            Will { message: self.message(load, number), delay_interval }
        });
        if self.version == Version::V5 && hello.expiry > 0 {
            connect = connect.with_session_expiry_interval(hello.expiry);
        }
        let mut config = Config { topic_alias_maximum: self.setup.aliases, ..Config::default() };
        config.receive_maximum = self.setup.receive_maximum.try_into().unwrap_or(config.receive_maximum);
        if self.setup.packet_size < u16::MAX && self.version == Version::V5 {
            config.maximum_packet_size = self.setup.packet_size.into();
        }
        match Connection::connect(now, connect, config, std::mem::take(&mut self.session)) {
            Ok(connection) => self.connection = Some(Box::new(connection)),
            Err(error) => return broken("I14", format!("CONNECT was not taken: {error}")),
        }
        Ok(())
    }

    /// The session comes back from the connection, if there is one.
    pub(crate) fn leave(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            while connection.poll_event().is_some() {}
            self.session = connection.into_session();
        }
    }

    /// The process dies, and has stored nothing.
    pub(crate) fn crash(&mut self) {
        self.connection = None;
        self.session = Session::continued();
        self.held.clear();
    }

    /// From now on the application acknowledges at once; what it holds, too.
    pub(crate) fn release(&mut self, now: Instant) {
        self.holds = false;
        self.ack_held(now);
    }

    pub(crate) fn ack(&mut self, now: Instant, index: u8) {
        if self.held.is_empty() {
            return;
        }
        let ack = self.held.remove(usize::from(index) % self.held.len());
        match &mut self.connection {
            // It takes none before CONNACK has come, and none when it has ended.
            Some(connection) => self.held.extend(connection.ack(now, ack).err().map(Rejected::into_inner)),
            None => self.session.ack(ack),
        }
    }

    fn ack_held(&mut self, now: Instant) {
        for _ in 0..self.held.len() {
            self.ack(now, 0);
        }
    }

    /// Publishes, if there is a connection with room for it.
    pub(crate) fn publish(&mut self, now: Instant, load: Load, number: &mut u32) {
        let message = self.message(load, number);
        if let Some(connection) = &mut self.connection {
            drop(connection.publish(now, message));
        }
    }

    pub(crate) fn subscribe(&mut self, now: Instant, wish: Wish) {
        let mut subscription = Subscription::new(self.filter(wish.filter), wish.qos);
        let is_v5 = self.version == Version::V5;
        let is_shared = subscription.filter.is_shared();
        if is_v5 {
            subscription.no_local = wish.no_local && !is_shared;
            subscription.retain_as_published = wish.as_published;
            subscription.retain_handling = RetainHandling::new(wish.handling).unwrap_or_default();
        }
        let mut subscribe = Subscribe::new(vec![subscription]);
        // What comes through two groups can be told apart.
        let number = if is_shared { 100 + wish.filter } else { wish.identifier };
        if let Some(id) = SubscriptionId::new(number.into()).filter(|_| is_v5) {
            subscribe = subscribe.with_subscription_identifier(id);
        }
        if let Some(connection) = &mut self.connection {
            drop(connection.subscribe(now, subscribe));
        }
    }

    pub(crate) fn unsubscribe(&mut self, now: Instant, index: u8) {
        let unsubscribe = Unsubscribe::new(vec![self.filter(index)]);
        if let Some(connection) = &mut self.connection {
            drop(connection.unsubscribe(now, unsubscribe));
        }
    }

    /// Nobody can tell through which group a message came to a 3.x client. So no two of its groups have a topic in common,
    /// and where messages may be dropped, it is in none.
    fn filter(&self, index: u8) -> TopicFilter {
        let filter = match FILTERS[usize::from(index)] {
            filter if self.version != Version::V5 && self.setup.is_tight() && filter.starts_with("$share/") => "a/b",
            "$share/g/#" | "$share/h/a/b" | "$share/h/a" if self.version != Version::V5 => "$share/g/+",
            filter => filter,
        };
        TopicFilter::try_from(filter).expect("a legal filter")
    }

    pub(crate) fn disconnect(&mut self, now: Instant, farewell: Farewell) {
        let Some(connection) = &mut self.connection else { return };
        let is_v5 = self.version == Version::V5;
        let reason = if farewell.with_will && is_v5 { ReasonCode::DISCONNECT_WITH_WILL } else { ReasonCode::SUCCESS };
        let mut disconnect = Disconnect::new(reason);
        if let Some(seconds) = farewell.expiry.filter(|_| is_v5 && connection.session_expiry_interval() > 0) {
            disconnect = disconnect.with_session_expiry_interval(seconds);
        }
        drop(connection.disconnect(now, disconnect));
    }

    /// Hears what its connection has to tell. Whether there was anything.
    pub(crate) fn poll(&mut self, now: Instant) -> Result<bool, crate::Violation> {
        let mut moved = false;
        if !self.holds {
            self.ack_held(now);
        }
        while let Some(event) = self.connection.as_mut().and_then(|connection| connection.poll_event()) {
            moved = true;
            match event {
                ClientEvent::Message(delivery) => {
                    self.held.extend(delivery.ack);
                    if !self.holds {
                        self.ack_held(now);
                    }
                }
                ClientEvent::Closed(Closed::ProtocolError(error)) => {
                    return broken("I5", format!("'{}' found fault: {error}", self.id));
                }
                ClientEvent::Closed(Closed::Refused(connack)) => {
                    return broken("MQTT-3.1.4-5", format!("'{}' was refused: {connack:?}", self.id));
                }
                ClientEvent::Closed(Closed::Local | Closed::Remote(_) | Closed::TimedOut(_) | Closed::Eof)
                | ClientEvent::Connected(_)
                | ClientEvent::Acknowledged(_)
                | ClientEvent::Unacknowledged { .. }
                | ClientEvent::Subscribed { .. }
                | ClientEvent::Unsubscribed { .. }
                | ClientEvent::Auth(_) => {}
            }
        }
        Ok(moved)
    }

    fn message(&self, load: Load, number: &mut u32) -> Message {
        *number += 1;
        let text = number.to_string();
        let payload = match load.size {
            Size::Empty => Bytes::new(),
            Size::Small => Bytes::from(text.clone()),
            Size::Large => Bytes::from(format!("{text:600}")),
        };
        let topic = TopicName::from_static(TOPICS[usize::from(load.topic)]);
        let mut message = Message::new(topic, payload).with_qos(load.qos).with_retain(load.retain);
        if self.version != Version::V5 {
            return message;
        }
        if load.expiry > 0 {
            message = message.with_message_expiry_interval(load.expiry.into());
        }
        if load.qos == QoS::AtLeastOnce {
            let value = |text: &str| Text::try_from(text).expect("a short text");
            message = message.with_user_property(value("n"), value(&text)).with_content_type(value("text/plain"));
            message = message.with_user_property(value("m"), value("2")).with_user_property(value("n"), value("3"));
        }
        if load.qos == QoS::ExactlyOnce {
            message = message.with_response_topic(TopicName::from_static("r")).with_correlation_data(text);
        }
        message
    }
}
