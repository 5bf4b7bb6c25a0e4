//! Who takes part, and how it is told.

use std::fmt::Display;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use mqtt_tokio::{ConnectionEvent, Events, Handle, Message, Options, QoS, Received, Subscriber, TopicFilter, Version};
use tokio::time::timeout;

use super::cable::Cable;

/// A client with a name.
pub(super) struct Actor {
    name: &'static str,
    handle: Handle,
    events: Events,
    subscriber: Option<Subscriber>,
}

impl Actor {
    /// Connects it through the cable.
    pub(super) async fn connect(
        name: &'static str,
        address: SocketAddr,
        version: Version,
        cable: &Cable,
        options: impl FnOnce(Options) -> Options,
    ) -> Result<Self, String> {
        let own = Options::new(address.ip().to_string(), address.port()).version(version).client_id(name);
        let cable = cable.clone();
        let connecting = mqtt_tokio::connect_with(options(own), move |server| cable.clone().dial(server));
        let handle = within(name, "connect", connecting).await?;
        let events = handle.events();
        Ok(Self { name, handle, events, subscriber: None })
    }

    pub(super) async fn subscribe(&mut self, filter: &'static str) -> Result<(), String> {
        let subscribing = self.handle.subscribe(TopicFilter::from_static(filter), QoS::ExactlyOnce);
        self.subscriber = Some(within(self.name, "subscribe", subscribing).await?);
        Ok(())
    }

    /// Publishes, and waits for the acknowledgement that goes with the QoS.
    pub(super) async fn publish(&self, message: Message) -> Result<(), String> {
        within(self.name, "publish", self.handle.send(message)).await.map(drop)
    }

    /// Waits for the next message, which is this one.
    pub(super) async fn receive(&mut self, topic: &str, payload: &str, qos: QoS) -> Result<Received, String> {
        let name = self.name;
        let subscriber = self.subscriber.as_mut().ok_or_else(|| format!("{name} has not subscribed"))?;
        let next = async { subscriber.next().await.ok_or("its connection is lost") };
        let message = within(name, "receive a message", next).await?;
        if message.topic != topic || message.payload != payload.as_bytes() || message.qos != qos {
            return Err(format!("{name} was to receive {topic} = {payload}, but received {message:?}"));
        }
        Ok(message)
    }

    /// Waits until it knows that its connection is gone.
    pub(super) async fn lost(&mut self) -> Result<(), String> {
        self.event("notice that it is cut off", |event| {
            matches!(event, ConnectionEvent::Disconnected { .. }).then_some(())
        })
        .await
    }

    /// Waits until it is connected again; whether the broker has kept its session.
    pub(super) async fn resumed(&mut self) -> Result<bool, String> {
        self.event("reconnect", |event| {
            if let ConnectionEvent::Connected(connack) = event { Some(connack.session_present) } else { None }
        })
        .await
    }

    async fn event<T>(&mut self, what: &str, wanted: impl Fn(ConnectionEvent) -> Option<T>) -> Result<T, String> {
        let events = &mut self.events;
        let found = async {
            loop {
                match events.next().await.map(&wanted) {
                    Some(Some(found)) => return Ok(found),
                    Some(None) => {}
                    None => return Err("it has stopped"),
                }
            }
        };
        within(self.name, what, found).await
    }

    pub(super) async fn disconnect(self) -> Result<(), String> {
        within(self.name, "disconnect", self.handle.disconnect()).await
    }
}

/// A result, if it comes in time. All of this takes milliseconds.
async fn within<T, E: Display>(
    name: &str,
    what: &str,
    future: impl IntoFuture<Output = Result<T, E>>,
) -> Result<T, String> {
    match timeout(PATIENCE, future.into_future()).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(format!("{name} could not {what}: {error}")),
        Err(_) => Err(format!("{name} could not {what} within {} seconds", PATIENCE.as_secs())),
    }
}

/// Where it is told.
#[derive(Default)]
pub(super) struct Stage {
    chapters: usize,
    messages: usize,
}

impl Stage {
    pub(super) fn heading(&mut self, text: &str) {
        self.chapters += 1;
        let space = if self.chapters == 1 { "" } else { "\n" };
        self.line(format_args!("{space}{}. {text}", self.chapters));
    }

    pub(super) fn tell(&self, text: impl Display) {
        self.line(format_args!("   {text}"));
    }

    pub(super) fn says(&self, who: &str, text: impl Display) {
        self.line(format_args!("     {who:<8} {text}"));
    }

    /// A message has arrived.
    pub(super) fn received(&mut self, who: &str, text: impl Display) {
        self.messages += 1;
        self.line(format_args!("     {who:<8} <- {text}"));
    }

    /// How many messages have arrived.
    pub(super) fn messages(&self) -> usize {
        self.messages
    }

    pub(super) fn end(&self, text: &str) {
        self.line(text.trim_end());
    }

    /// A reader that has seen enough of it is no failure.
    fn line(&self, text: impl Display) {
        let _reader_gone = writeln!(std::io::stdout(), "{text}");
    }
}

const PATIENCE: Duration = Duration::from_secs(20);
