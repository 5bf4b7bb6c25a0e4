//! An MQTT 3.1, 3.1.1 and 5.0 broker as a value, to embed: routing, sessions, retained messages, wills, shares.
//!
//! [`Broker`] decides everything and does nothing by itself: events of [`Connection<Server>`](mqtt_proto::Connection)s and
//! time go in, actions and messages for them come out. It has no clock, socket, thread or randomness; the same events in
//! the same order with the same [`Config::seed`] give the same actions.
//!
//! [`Hub`] joins it with its connections, and is what a simulator or a loop of your own drives. `Server` (feature `tokio`) is
//! a hub with sockets, a clock and a thread of its own: what most programs want.
//!
//! # A broker in a program
//!
//! Hooks say who may do what, and see every message ([`Policy`]: authentication, authorisation, interception); the program
//! publishes and subscribes without a socket.
//!
//! ```
//! # #[cfg(feature = "tokio")] {
//! use mqtt_broker::{ClientInfo, Connect, Message, Policy, QoS, ReasonCode, Server, Subscription};
//! use mqtt_broker::{Text, TopicFilter, TopicName};
//!
//! /// Devices know the word, write below their own name, and read what is meant for all.
//! struct Rules;
//!
//! impl Policy for Rules {
//!     fn connect(&mut self, _: &ClientInfo, connect: &Connect) -> Result<(), ReasonCode> {
//!         let knows = connect.password.as_deref() == Some(b"sesame");
//!         if knows { Ok(()) } else { Err(ReasonCode::BAD_USER_NAME_OR_PASSWORD) }
//!     }
//!
//!     fn publish(&mut self, client: &ClientInfo, message: &Message) -> Result<(), ReasonCode> {
//!         let own = message.topic.strip_prefix("devices/").and_then(|rest| rest.strip_prefix(client.client_id.as_str()));
//!         let is_own = own.is_some_and(|rest| rest.starts_with('/'));
//!         if is_own { Ok(()) } else { Err(ReasonCode::NOT_AUTHORIZED) }
//!     }
//!
//!     fn subscribe(&mut self, _: &ClientInfo, subscription: &Subscription) -> Result<QoS, ReasonCode> {
//!         let is_for_all = subscription.filter.as_str() == "all/#";
//!         if is_for_all { Ok(QoS::AtLeastOnce) } else { Err(ReasonCode::NOT_AUTHORIZED) }
//!     }
//!
//!     fn intercept(&mut self, client: &ClientInfo, message: Message) -> Option<Message> {
//!         Some(message.with_user_property(Text::from_static("from"), client.client_id.clone()))
//!     }
//! }
//!
//! let server = Server::builder().listen("127.0.0.1:0").policy(Rules).start()?;
//! println!("devices connect to {}", server.url());
//! let mut reports = server.subscribe(TopicFilter::from_static("devices/#"), QoS::AtLeastOnce)?;
//! server.publish(Message::new(TopicName::from_static("all/time"), "12:00").with_retain(true))?;
//! # server.publish(Message::new(TopicName::from_static("devices/7/t"), "21"))?;
//!
//! // On any runtime `reports.next().await`, without one `reports.next().wait()`.
//! let report = reports.next().wait().ok_or("the server has stopped")?;
//! println!("{}: {} bytes", report.topic, report.payload.len());
//! server.shut_down()?;
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
/// What hooks and the server's methods speak of.
pub use mqtt_proto::{
    Connect, Message, Properties, QoS, ReasonCode, Subscription, Text, TopicFilter, TopicName, Version, Will,
};
#[cfg(feature = "tokio")]
pub use server::{
    BindError, Builder, Listener, LocalSubscription, NextMessage, Server, StartError, Stopped, SubscribeError,
};
