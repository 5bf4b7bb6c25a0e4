//! An MQTT 3.1, 3.1.1 and 5.0 broker as a value, to embed: routing, sessions, retained messages, wills, shares.
//!
//! [`Broker`] decides everything and does nothing by itself: events of [`Connection<Server>`](mqtt_proto::Connection)s and
//! time go in, actions and messages for them come out. It has no clock, socket, thread or randomness; the same events in
//! the same order with the same [`Config::seed`] give the same actions.
//!
//! [`Hub`] joins it with its connections, and is what a simulator or a loop of your own drives. `Server` (feature `server`) is
//! a hub with sockets, a clock and a thread of its own: what most programs want.
//!
//! # A broker in a program
//!
//! Hooks say who may do what, and see every message ([`Policy`]: authentication, authorisation, interception); the program
//! publishes and subscribes without a socket.
//!
//! ```
//! # #[cfg(feature = "server")] {
//! use mqtt_broker::{ClientInfo, Connect, Message, Policy, QoS, ReasonCode, Server, Subscription, Text, TopicName};
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
//! let mut reports = server.subscribe("devices/#", QoS::AtLeastOnce)?;
//! server.send(Message::new(TopicName::from_static("all/time"), "12:00").with_retain(true))?;
//! # server.publish("devices/7/t", "21", QoS::AtMostOnce)?;
//!
//! // On any runtime `reports.next().await`, without one `reports.next().wait()`.
//! let report = reports.next().wait().ok_or("the server has stopped")?;
//! println!("{}: {} bytes", report.topic, report.payload.len());
//! server.shut_down()?;
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # In the tests of an application
//!
//! A test starts a broker of its own: on a port of 127.0.0.1 that the system chooses, so that tests run side by side, and on
//! a thread of its own, so that the test is blocking code or runs on any async runtime, as the application does.
//!
//! ```
//! # #[cfg(feature = "server")] {
//! use std::time::Duration;
//!
//! use mqtt_broker::{QoS, Server};
//!
//! # struct Application;
//! # fn start_application(url: String) -> Application {
//! #     std::thread::spawn(move || {
//! #         let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! #         runtime.block_on(async {
//! #             let client = mqtt_tokio::connect(url).await.unwrap();
//! #             client.publish("lamp/is", "on", QoS::AtLeastOnce).await.unwrap();
//! #         });
//! #     });
//! #     Application
//! # }
//! let broker = Server::start()?;
//! let mut reports = broker.subscribe("lamp/#", QoS::AtLeastOnce)?; // before there is anything to miss
//! let application = start_application(broker.url());
//!
//! let report = reports.next().wait_timeout(Duration::from_secs(10)).expect("the lamp reports");
//! assert_eq!((report.topic.as_str(), &report.payload[..]), ("lamp/is", &b"on"[..]));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - To see what is published: `Server::subscribe`, to `#` for all of it. Then `next().await` on any runtime,
//!   `next().wait_timeout(..)` without one, `try_next()` for what is there already.
//! - To send something: `Server::publish`. If the application may not have subscribed yet, let `Server::send` publish a
//!   retained message, or wait for [`Notice::Subscribed`] (`Builder::on_notice`).
//! - To refuse a password, a topic or a subscription: a [`Policy`] of a few lines, as above.
//! - To break connections: drop the server, and start one on the same address: `Server::builder().listen(address)` with the
//!   string of `Server::address`. It has forgotten everything.
#![forbid(unsafe_code)]

#[cfg(feature = "access")]
pub mod access;
mod broker;
mod hub;
pub mod router;
#[cfg(feature = "server")]
mod server;
mod slab;

pub use broker::{
    Action, AuthPhase, AuthRequest, AuthStep, Broker, ClientInfo, Config, DropReason, Gone, ListenerConfig, Notice,
    OpenError, Origin, Outgoing, Peer, Policy, Ticket,
};
pub use hub::Hub;
/// What hooks and the server's methods speak of.
pub use mqtt_proto::{
    Connect, Message, Properties, ProtocolError, QoS, ReasonCode, Subscription, Text, TopicFilter, TopicName, Version,
    Will,
};
#[cfg(feature = "server")]
pub use server::{
    BindError, Builder, Listener, LocalSubscription, NextMessage, PublishError, Server, StartError, Stopped,
    SubscribeError,
};
