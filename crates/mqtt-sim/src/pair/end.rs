//! One end of a pair: a connection and the application that owns it.

use std::collections::VecDeque;

use bytes::BytesMut;
use mqtt_proto::{
    Ack, Change, Closed, Connection, Delivery, Message, ReasonCode, Role, SubscribeRequest, Token, UnsubscribeRequest,
};

/// One end of a [`Pair`](super::Pair): its connection, and what its application knows and does.
pub struct End<R: Role> {
    /// The machine.
    pub connection: Connection<R>,
    /// The application reads its events. If not, they stay in the machine.
    pub reads: bool,
    /// The application acknowledges each message as soon as it has read it. If not, the duties gather in `acks`.
    pub acks_at_once: bool,
    /// Acknowledgements that the application owes, in the order of arrival.
    pub acks: VecDeque<Ack>,
    /// The payloads that have arrived, in order.
    pub received: Vec<String>,
    /// Our messages that are finished, in order.
    pub finished: Vec<(Token, ReasonCode)>,
    /// Our messages that were handed back because the other end has forgotten the session.
    pub lost: Vec<(Token, Option<Message>)>,
    /// Why the connection ended.
    pub closed: Option<Closed>,
    /// Server: requests without an answer.
    pub subscribes: VecDeque<SubscribeRequest>,
    /// Server: requests without an answer.
    pub unsubscribes: VecDeque<UnsubscribeRequest>,
    /// The journal of its session, if its configuration keeps one: stored before anything is sent.
    pub stored: Vec<Change>,
    pub(super) input: BytesMut,
    pub(super) has_ended: bool,
}

impl<R: Role> End<R> {
    pub(super) fn new(connection: Connection<R>) -> Self {
        Self {
            connection,
            reads: true,
            acks_at_once: true,
            acks: VecDeque::new(),
            received: Vec::new(),
            finished: Vec::new(),
            lost: Vec::new(),
            closed: None,
            subscribes: VecDeque::new(),
            unsubscribes: VecDeque::new(),
            stored: Vec::new(),
            input: BytesMut::new(),
            has_ended: false,
        }
    }

    /// Makes the changes of the session durable.
    pub(super) fn store(&mut self) {
        self.stored.extend(core::iter::from_fn(|| self.connection.poll_change()));
    }

    /// The next connection: what the application knows stays.
    pub(super) fn begin(&mut self, connection: Connection<R>) {
        self.connection = connection;
        self.input = BytesMut::new();
        self.closed = None;
        self.has_ended = false;
        self.subscribes.clear();
        self.unsubscribes.clear();
    }

    pub(super) fn take(&mut self, delivery: Delivery) -> Option<Ack> {
        self.received.push(String::from_utf8_lossy(&delivery.message.payload).into_owned());
        let ack = delivery.ack?;
        if self.acks_at_once {
            return Some(ack);
        }
        self.acks.push_back(ack);
        None
    }
}
