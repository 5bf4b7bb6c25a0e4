//! An MQTT 3.1, 3.1.1 and 5.0 broker as a value, to embed: routing, sessions, retained messages, wills, shares.
//!
//! [`Broker`] decides everything and does nothing by itself: events of [`Connection<Server>`](mqtt_proto::Connection)s and
//! time go in, actions and messages for them come out. It has no clock, socket, thread or randomness; the same events in
//! the same order with the same [`Config::seed`] give the same actions.
#![forbid(unsafe_code)]

#[cfg(feature = "access")]
pub mod access;
mod broker;
pub mod router;

pub use broker::{
    Action, AuthPhase, AuthRequest, AuthStep, Broker, ClientInfo, Config, DropReason, Notice, OpenError, Origin,
    Outgoing, Peer, Policy, Ticket,
};
