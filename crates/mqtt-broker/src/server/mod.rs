//! A broker on sockets: one thread with a loop of its own, whatever the program around it runs on.

mod builder;
mod door;
mod error;
mod inbox;
mod linger;
mod listener;
mod mailbox;
mod run;
mod stream;
mod wire;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use mqtt_proto::{Message, QoS, Subscription, TopicFilter, TopicName};

use crate::Policy;
use inbox::{Command, Inbox};
use mailbox::Mailbox;
use run::End;

pub use builder::{Builder, StartError};
pub use error::{PublishError, Stopped, SubscribeError};
pub use listener::{BindError, Listener};
pub use mailbox::{LocalSubscription, NextMessage};

/// A running broker. It lives in a thread of its own, so it goes with blocking programs and with every async runtime.
///
/// ```
/// use mqtt_broker::{QoS, Server};
///
/// let server = Server::builder().listen("127.0.0.1:0").start()?;
/// println!("clients connect to {}", server.url());
///
/// // The program takes part without a socket.
/// let mut doors = server.subscribe("doors/+", QoS::AtLeastOnce)?;
/// server.publish("doors/front", "open", QoS::AtLeastOnce)?;
/// let message = doors.next().wait().expect("the server runs"); // or `doors.next().await`
/// assert_eq!(message.payload, "open");
///
/// server.shut_down()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Dropping it shuts it down as well, but gives the clients no time: they are told, and cut off.
#[derive(Debug)]
pub struct Server {
    inbox: Arc<Inbox>,
    addresses: Vec<SocketAddr>,
    grace: Duration,
    thread: Option<JoinHandle<End>>,
}

impl Server {
    /// What to start.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Starts a broker on a free port of 127.0.0.1, with every limit at its default and everybody let in: for tests.
    ///
    /// # Errors
    ///
    /// There is no such port, or no thread.
    pub fn start() -> Result<Self, StartError> {
        Self::builder().start()
    }

    /// Where it listens: the first of [`addresses`](Self::addresses).
    ///
    /// # Panics
    ///
    /// If it listens on Unix sockets alone.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        *self.addresses.first().expect("the server listens on TCP")
    }

    /// Every address it listens on, with the ports that the system chose.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What a client on this machine connects to: `mqtt://127.0.0.1:40123`.
    ///
    /// # Panics
    ///
    /// As [`address`](Self::address).
    #[must_use]
    pub fn url(&self) -> String {
        let mut address = self.address();
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        format!("mqtt://{address}")
    }

    /// Publishes a message on the server's own behalf: no hook is asked but that for deliveries.
    ///
    /// It waits for a moment if a thousand are waiting already; in a hook it never does.
    ///
    /// # Errors
    ///
    /// That is no topic name, or the server has stopped.
    pub fn publish<T>(&self, topic: T, payload: impl Into<Bytes>, qos: QoS) -> Result<(), PublishError>
    where
        T: TryInto<TopicName>,
        PublishError: From<T::Error>,
    {
        self.send(Message::new(topic.try_into()?, payload).with_qos(qos))
    }

    /// [`publish`](Self::publish) for a message of your own: retained, with properties.
    ///
    /// One that is to be retained is waited for until it is, because it may be refused. In a hook it is not: there a
    /// [notice](Builder::on_notice) alone tells of a refusal.
    ///
    /// # Errors
    ///
    /// The server has stopped, or it retains as much as it may: then nobody gets the message.
    pub fn send(&self, message: Message) -> Result<(), PublishError> {
        if !message.retain {
            self.inbox.ask(Command::Publish(message, None))?;
            return Ok(());
        }
        let refused = Arc::new(OnceLock::new());
        let number = self.inbox.ask(Command::Publish(message, Some(Arc::clone(&refused))))?;
        self.inbox.wait(number)?;
        refused.get().map_or(Ok(()), |reason| Err(PublishError::Refused(*reason)))
    }

    /// Subscribes in this process, without a client: retained messages come first. The subscription is there when this
    /// returns, unless it is called in a hook: then it is there soon after.
    ///
    /// # Errors
    ///
    /// That is no topic filter, it exceeds a limit of [`Config`](crate::Config), or the server has stopped.
    pub fn subscribe<T>(&self, filter: T, qos: QoS) -> Result<LocalSubscription, SubscribeError>
    where
        T: TryInto<TopicFilter>,
        SubscribeError: From<T::Error>,
    {
        self.subscribe_with(vec![Subscription::new(filter.try_into()?, qos)])
    }

    /// Subscribes in this process with several filters and all options of MQTT 5.0, into one stream.
    ///
    /// # Errors
    ///
    /// The server has stopped, or a filter exceeds a limit of [`Config`](crate::Config): then it has none of them.
    pub fn subscribe_with(&self, wanted: Vec<Subscription>) -> Result<LocalSubscription, SubscribeError> {
        let mailbox = Arc::new(Mailbox::default());
        let subscription = LocalSubscription::new(Arc::clone(&mailbox), Arc::clone(&self.inbox));
        let number = self.inbox.ask(Command::Subscribe { wanted, mailbox: Arc::clone(&mailbox) })?;
        self.inbox.wait(number)?;
        mailbox.refusal().map_or(Ok(subscription), |reason| Err(SubscribeError::Refused(reason)))
    }

    /// Puts other rules in force, for those who are connected, too: clients that are not welcome any more are disconnected,
    /// and subscriptions that are not allowed any more end. They are in force when this returns, unless it is called in a
    /// hook.
    ///
    /// # Errors
    ///
    /// The server has stopped.
    pub fn reload(&self, policy: impl Policy + 'static) -> Result<(), Stopped> {
        let number = self.inbox.ask(Command::Reload(Box::new(policy)))?;
        self.inbox.wait(number)
    }

    /// Stops: tells the clients (DISCONNECT 0x8B in 5.0), waits until they have heard it, but no longer than
    /// [`Builder::shutdown_timeout`], and closes everything.
    ///
    /// # Errors
    ///
    /// The server had stopped before, because a hook panicked or the system refused to poll its sockets.
    pub fn shut_down(mut self) -> Result<(), Stopped> {
        self.stop(self.grace)
    }

    fn stop(&mut self, grace: Duration) -> Result<(), Stopped> {
        self.inbox.shut_down(grace);
        // A policy that holds the server drops it on the server's own thread, which cannot wait for itself.
        let thread = self.thread.take().filter(|handle| handle.thread().id() != thread::current().id());
        match thread.map(JoinHandle::join) {
            None | Some(Ok(End::ShutDown)) => Ok(()),
            Some(Ok(End::Broken) | Err(_)) => Err(Stopped),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A panic in its thread has been printed there, and there is nobody to give it to.
        let _ = self.stop(Duration::ZERO);
    }
}
