//! What applications hold.

mod block_on;
mod connection_events;
pub(crate) mod inner;
mod lease;
mod outcomes;
mod received;
mod requests;
pub(crate) mod shared;
mod streams;
mod subscriber;
mod ticket;
pub(crate) mod turn;
mod unclaimed;

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use mqtt_proto::{
    Auth, Disconnect, Message, QoS, ReasonCode, Subscribe, Subscription, TopicFilter, TopicName, Unsubscribe,
};

use block_on::block_on;
pub use connection_events::{ConnectionEvent, Events, NextEvent};
pub use received::Received;
pub use requests::{Connected, Disconnecting, Unsubscribing};
pub use subscriber::{Messages, Next, Subscriber, Subscribing};
pub use ticket::{Accepted, Ticket};

use crate::client::Client;
use crate::{Driver, Error, Options, OptionsError};
use lease::Lease;
use shared::{Shared, now};

/// A client: what the application holds, and what a runtime drives.
///
/// Applications call the `connect` of a runtime's crate, which does this and drives the driver.
///
/// # Errors
///
/// If the options cannot make a CONNECT packet.
pub fn new(options: Options) -> Result<(Handle, Driver), OptionsError> {
    let seed = options.seed.unwrap_or_else(next_seed);
    let options = options.seed(seed);
    let store = options.store.clone();
    let client = match &store {
        Some(store) => {
            let stored = store.lock().load().map_err(OptionsError::Store)?;
            Client::restore(now(), options, stored)?
        }
        None => Client::new(options)?,
    };
    let shared = Arc::new(Shared::new(client, store));
    Ok((Handle { lease: Lease::new(&shared) }, Driver::new(shared)))
}

/// Another one for each client.
fn next_seed() -> u64 {
    static SEEDS: OnceLock<AtomicU64> = OnceLock::new();
    // The operating system's randomness, by way of the standard library's hash keys: once, for it takes time.
    let seeds = SEEDS.get_or_init(|| AtomicU64::new(RandomState::new().hash_one("mqtt-client")));
    // An odd number that has nothing to do with how a seed is made use of.
    seeds.fetch_add(0xD1B5_4A32_D192_ED03, Ordering::Relaxed)
}

/// A connected client, or one that is about to be. Cheap to clone, usable from any thread and any runtime.
///
/// Every operation does its work when it is called and returns a future that only waits for the outcome, by `.await` or,
/// blocking the thread, by `.wait()`. Dropping such a future at any point corrupts nothing.
///
/// When the last clone and the last stream of messages are dropped, the client sends what is queued, disconnects and stops,
/// as by [`disconnect`](Self::disconnect), for as long as its runtime runs it: a program that is about to end should await
/// `disconnect`.
#[derive(Clone, Debug)]
pub struct Handle {
    lease: Lease,
}

impl Handle {
    /// Waits for the first CONNACK.
    pub fn connected(&self) -> Connected {
        Connected::new(Arc::clone(self.shared()))
    }

    /// Publishes a message, now or as soon as it can be sent. See [`Ticket`].
    pub fn publish<T>(&self, topic: T, payload: impl Into<Bytes>, qos: QoS) -> Ticket
    where
        T: TryInto<TopicName>,
        Error: From<T::Error>,
    {
        match topic.try_into() {
            Ok(topic) => self.send(Message::new(topic, payload).with_qos(qos)),
            Err(error) => Ticket::failed(error.into()),
        }
    }

    /// Publishes a message with all its properties. See [`Ticket`].
    pub fn send(&self, message: Message) -> Ticket {
        Ticket::publish(self.shared(), message)
    }

    /// Subscribes to a filter. Awaiting yields the stream of its messages once the server has granted it, and again after
    /// every reconnect that needs it.
    pub fn subscribe<T>(&self, filter: T, qos: QoS) -> Subscribing
    where
        T: TryInto<TopicFilter>,
        Error: From<T::Error>,
    {
        match filter.try_into() {
            Ok(filter) => self.subscribe_with(Subscribe::new(vec![Subscription::new(filter, qos)])),
            Err(error) => Subscribing::failed(error.into()),
        }
    }

    /// Subscribes to any number of filters with all options of MQTT 5.0, into one stream. It fails if the server refuses all
    /// of them; [`Subscriber::granted`] says which it granted.
    pub fn subscribe_with(&self, subscribe: Subscribe) -> Subscribing {
        Subscribing::subscribe(&self.lease, subscribe)
    }

    /// A stream of every message that arrives from now on, whatever it was subscribed by, and of those that a resumed session
    /// has brought and no stream was for (see [`clean_start`](Options::clean_start)).
    #[must_use]
    pub fn messages(&self) -> Messages {
        Messages::new(self.lease.clone())
    }

    /// Unsubscribes from a filter. Streams that have no other filter end.
    pub fn unsubscribe<T>(&self, filter: T) -> Unsubscribing
    where
        T: TryInto<TopicFilter>,
        Error: From<T::Error>,
    {
        match filter.try_into() {
            Ok(filter) => self.unsubscribe_with(Unsubscribe::new(vec![filter])),
            Err(error) => Unsubscribing::failed(error.into()),
        }
    }

    /// Unsubscribes from any number of filters, with user properties.
    pub fn unsubscribe_with(&self, unsubscribe: Unsubscribe) -> Unsubscribing {
        Unsubscribing::unsubscribe(self.shared(), unsubscribe)
    }

    /// Takes no more messages, waits until what was published, subscribed and unsubscribed is settled (at most
    /// [`flush_timeout`](Options::flush_timeout)), disconnects and stops. Resolves when the transport is closed; dropping the
    /// future does not take it back.
    pub fn disconnect(&self) -> Disconnecting {
        self.disconnect_with(Disconnect::new(ReasonCode::SUCCESS))
    }

    /// [`disconnect`](Self::disconnect) with a packet of your own: another reason (0x04 publishes the will), properties.
    pub fn disconnect_with(&self, disconnect: Disconnect) -> Disconnecting {
        Disconnecting::disconnect(self.shared(), disconnect)
    }

    /// What happens to the connection from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        Events::new(Arc::clone(self.shared()))
    }

    /// Sends a step of an enhanced authentication: the answer to [`ConnectionEvent::Auth`], or the start of a new one.
    ///
    /// # Errors
    ///
    /// There is no connection, or the protocol does not allow it now.
    pub fn authenticate(&self, auth: Auth) -> Result<(), Error> {
        self.shared().run(|inner, now| inner.client.authenticate(now, auth))
    }

    /// Whether there is a connection at this moment.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.shared().look(|inner| inner.client.is_connected())
    }

    fn shared(&self) -> &Arc<Shared> {
        self.lease.shared()
    }
}
