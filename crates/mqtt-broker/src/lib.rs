//! An MQTT 3.1, 3.1.1 and 5.0 broker as a value, to embed: routing, sessions, retained messages, wills, shares.
//!
//! [`Broker`] decides everything and does nothing by itself: events of [`Connection<Server>`](mqtt_proto::Connection)s and
//! time go in, actions and messages for them come out. It has no clock, socket, thread or randomness; the same events in
//! the same order with the same [`Config::seed`] give the same actions.
//!
//! [`Hub`] joins it with its connections, and is what a simulator or a loop of your own drives. `Server` (feature `tokio`) is
//! a hub with sockets, a clock and a thread of its own: what most programs want.
#![forbid(unsafe_code)]

#[cfg(feature = "access")]
pub mod access;
mod broker;
mod hub;
pub mod router;
#[cfg(feature = "tokio")]
mod server;

pub use broker::{
    Action, AuthPhase, AuthRequest, AuthStep, Broker, ClientInfo, Config, DropReason, Notice, OpenError, Origin,
    Outgoing, Peer, Policy, Ticket,
};
pub use hub::Hub;
#[cfg(feature = "tokio")]
pub use server::{
    BindError, Builder, Listener, LocalSubscription, NextMessage, Server, StartError, Stopped, SubscribeError,
};
