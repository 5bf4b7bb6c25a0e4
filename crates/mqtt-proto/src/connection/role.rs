//! The two ends of a connection, as types: what only one of them may see or say does not exist on the other.

use core::fmt::Debug;
use core::hash::Hash;

use crate::{Auth, Packet, ProtocolError};

use super::event::{Acknowledged, ClientEvent, Closed, Delivery, ServerEvent};
use super::{Connection, client, server};

/// The end that dials: sends CONNECT, subscribes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client {}

/// The end that listens: answers CONNECT, grants subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Server {}

/// [`Client`] or [`Server`].
pub trait Role: sealed::Machine + Clone + Debug + Eq + Hash + 'static {}

impl Role for Client {}
impl Role for Server {}

pub(crate) mod sealed {
    use super::*;

    /// What the two roles do differently inside code that both share.
    pub trait Machine: Sized {
        /// What a connection of this role tells.
        type Event: Debug + Eq + Hash;
        const IS_CLIENT: bool;
        fn message(delivery: Delivery) -> Self::Event;
        fn acknowledged(acknowledged: Acknowledged) -> Self::Event;
        fn auth(auth: Auth) -> Self::Event;
        fn closed(closed: Closed) -> Self::Event;
        /// A copy of an event that waits in the machine, so that the machine can be forked. Applications cannot: an `Ack`
        /// is given once.
        fn duplicate(event: &Self::Event) -> Self::Event;
        /// About how many bytes of the peer's an event keeps alive.
        fn event_len(event: &Self::Event) -> usize;
        /// The message that an event tells of.
        fn message_in(event: &Self::Event) -> Option<&Delivery>;
        /// The same, moved. `None` never comes, for the event was looked at: any other one is forgotten, because code that drops
        /// it would need a copy of the message to look at.
        fn into_message(event: Self::Event) -> Option<Delivery>;
        /// Takes a packet that only this role receives.
        fn receive(connection: &mut Connection<Self>, packet: Packet) -> Result<(), ProtocolError>
        where
            Self: Role;
    }
}

impl sealed::Machine for Client {
    type Event = ClientEvent;
    const IS_CLIENT: bool = true;

    fn message(delivery: Delivery) -> ClientEvent {
        ClientEvent::Message(delivery)
    }

    fn acknowledged(acknowledged: Acknowledged) -> ClientEvent {
        ClientEvent::Acknowledged(acknowledged)
    }

    fn auth(auth: Auth) -> ClientEvent {
        ClientEvent::Auth(auth)
    }

    fn closed(closed: Closed) -> ClientEvent {
        ClientEvent::Closed(closed)
    }

    fn duplicate(event: &ClientEvent) -> ClientEvent {
        event.duplicate()
    }

    fn event_len(event: &ClientEvent) -> usize {
        event.len()
    }

    #[inline]
    fn message_in(event: &ClientEvent) -> Option<&Delivery> {
        if let ClientEvent::Message(delivery) = event { Some(delivery) } else { None }
    }

    #[inline]
    fn into_message(event: ClientEvent) -> Option<Delivery> {
        match event {
            ClientEvent::Message(delivery) => Some(delivery),
            other => {
                core::mem::forget(other);
                None
            }
        }
    }

    fn receive(connection: &mut Connection<Self>, packet: Packet) -> Result<(), ProtocolError> {
        client::receive(connection, packet)
    }
}

impl sealed::Machine for Server {
    type Event = ServerEvent;
    const IS_CLIENT: bool = false;

    fn message(delivery: Delivery) -> ServerEvent {
        ServerEvent::Message(delivery)
    }

    fn acknowledged(acknowledged: Acknowledged) -> ServerEvent {
        ServerEvent::Acknowledged(acknowledged)
    }

    fn auth(auth: Auth) -> ServerEvent {
        ServerEvent::Auth(auth)
    }

    fn closed(closed: Closed) -> ServerEvent {
        ServerEvent::Closed(closed)
    }

    fn duplicate(event: &ServerEvent) -> ServerEvent {
        event.duplicate()
    }

    fn event_len(event: &ServerEvent) -> usize {
        event.len()
    }

    #[inline]
    fn message_in(event: &ServerEvent) -> Option<&Delivery> {
        if let ServerEvent::Message(delivery) = event { Some(delivery) } else { None }
    }

    #[inline]
    fn into_message(event: ServerEvent) -> Option<Delivery> {
        match event {
            ServerEvent::Message(delivery) => Some(delivery),
            other => {
                core::mem::forget(other);
                None
            }
        }
    }

    fn receive(connection: &mut Connection<Self>, packet: Packet) -> Result<(), ProtocolError> {
        server::receive(connection, packet)
    }
}
