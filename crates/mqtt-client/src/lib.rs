//! An MQTT client that reconnects, queues and routes, without doing any I/O itself.
//!
//! Applications want one of the crates that add a runtime: `mqtt-tokio`, `mqtt-std`, `mqtt-smol`, `mqtt-async-std`. They all
//! hand out the same [`Handle`], and re-export what is here.

mod alike;
mod backoff;
mod client;
mod driver;
mod error;
mod handle;
mod options;
mod seldom_queue;
mod store;
mod url;

pub use backoff::Backoff;
pub use client::{Acknowledgement, Client, Event, MessageId, RequestId, SubscriberId};
pub use driver::{Driver, Turn};
pub use error::{Error, OptionsError};
pub use handle::{
    Accepted, Connected, ConnectionEvent, Disconnecting, Events, Handle, Messages, Next, NextEvent, Received,
    Subscriber, Subscribing, Ticket, Unsubscribing, new,
};
pub use mqtt_proto::{
    Auth, CommandError, ConnAck, Disconnect, Message, Outbox, PacketId, Properties, PropertyId, PropertyValue, QoS,
    ReasonCode, RetainHandling, Subscribe, Subscription, SubscriptionId, Text, TopicFilter, TopicName, Unsubscribe,
    Version, Will,
};
pub use options::{Endpoint, IntoOptions, Options, QueuePolicy};
#[cfg(feature = "redb")]
pub use store::RedbStore;
pub use store::{Store, StoreError, StoredChange, decode_message, encode_message};
