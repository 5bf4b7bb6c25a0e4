//! The application at one end: what it holds and has not acknowledged.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use mqtt_proto::{Ack, Client, ClientEvent, Connection, Server, ServerEvent};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct App {
    pub(super) held: Vec<Held>,
    /// It polls no events.
    pub(super) paused: bool,
    /// Its transport takes no bytes.
    pub(super) stalled: bool,
}

/// A delivery that the application has not acknowledged.
///
/// An `Ack` is given once and cannot be cloned, a world must be. The connection as it was before the delivery was polled
/// can be cloned, and yields the same `Ack` again.
#[derive(Clone, Debug)]
pub(super) struct Held {
    ack: Arc<Ack>,
    before: Before,
    /// The number of the message, and the connection on which it came.
    pub(super) number: u32,
    pub(super) link: u32,
}

#[derive(Clone, Debug)]
pub(super) enum Before {
    Client(Arc<Connection<Client>>),
    Server(Arc<Connection<Server>>),
}

impl Held {
    pub(super) fn new(ack: Ack, before: Before, number: u32, link: u32) -> Self {
        Self { ack: Arc::new(ack), before, number, link }
    }

    pub(super) fn take(self) -> Ack {
        let delivery = match self.before {
            Before::Client(connection) => match (*connection).clone().poll_event() {
                Some(ClientEvent::Message(delivery)) => Some(delivery),
                _ => None,
            },
            Before::Server(connection) => match (*connection).clone().poll_event() {
                Some(ServerEvent::Message(delivery)) => Some(delivery),
                _ => None,
            },
        };
        let ack = delivery.and_then(|delivery| delivery.ack).expect("the delivery that was polled once is next");
        assert_eq!(ack, *self.ack, "a cloned connection yields the same event");
        ack
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        (&self.ack, self.number, self.link) == (&other.ack, other.number, other.link)
    }
}

impl Eq for Held {}

impl Hash for Held {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.ack, self.number, self.link).hash(state);
    }
}
