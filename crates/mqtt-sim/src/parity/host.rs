//! Our own broker as the server of a scenario, with a diary of what it was asked and how its connections ended.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use mqtt_broker::{Builder, ClientInfo, LocalSubscription, Notice, Policy, Server};
use mqtt_client::Options;
use mqtt_proto::{Connect, Message, QoS, ReasonCode};

use super::{PATIENCE, options_for_address};

/// The broker that users of the crates run, for every scenario in which the server has nothing to do but its work.
pub(super) struct Host {
    server: Server,
    diary: Arc<Diary>,
}

impl Host {
    /// Listens on 127.0.0.1.
    pub(super) fn start() -> Self {
        Self::start_with(|builder| builder)
    }

    /// Listens on ::1.
    pub(super) fn start_v6() -> Self {
        Self::start_with(|builder| builder.listen("[::1]:0"))
    }

    /// Lets nobody in.
    pub(super) fn start_refusing(reason: ReasonCode) -> Self {
        Self::start_ruled(Err(reason), |builder| builder)
    }

    /// As `prepare` makes it.
    pub(super) fn start_with(prepare: impl FnOnce(Builder) -> Builder) -> Self {
        Self::start_ruled(Ok(()), prepare)
    }

    fn start_ruled(welcome: Result<(), ReasonCode>, prepare: impl FnOnce(Builder) -> Builder) -> Self {
        let diary = Arc::<Diary>::default();
        let (writer, ends) = (Writer { diary: Arc::clone(&diary), welcome }, Arc::clone(&diary));
        let builder = Server::builder().policy(writer).on_notice(move |notice| {
            if let Notice::Disconnected { why, .. } = notice {
                ends.write(|pages| pages.ends.push(why));
            }
        });
        let server = prepare(builder).start().expect("there are ports and threads left");
        Self { server, diary }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// For a client of this broker, all else by default.
    pub(super) fn options(&self) -> Options {
        options_for_address(self.address())
    }

    /// Sends a message to every client that has subscribed to its topic.
    pub(super) fn publish(&self, topic: &'static str, payload: impl Into<Bytes>, qos: QoS) {
        self.server.publish(topic, payload, qos).expect("the broker runs");
    }

    /// What clients publish to `filter` from now on.
    pub(super) fn subscribe(&self, filter: &'static str) -> LocalSubscription {
        self.server.subscribe(filter, QoS::ExactlyOnce).expect("the broker runs")
    }

    /// Looks at what the broker has seen so far.
    pub(super) fn seen<T>(&self, look: impl FnOnce(&Pages) -> T) -> T {
        look(&self.diary.lock())
    }

    /// Waits until `condition` finds in what the broker has seen what the test waits for.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`], saying `what` did not happen and what did.
    pub(super) fn wait_for<T>(&self, what: &str, mut condition: impl FnMut(&Pages) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut pages = self.diary.lock();
        loop {
            if let Some(found) = condition(&pages) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the broker waited in vain for {what}; it saw {pages}");
            pages = self.diary.changed.wait_timeout(pages, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// What the broker has seen since it started.
#[derive(Default)]
pub(super) struct Pages {
    /// Every CONNECT, also the refused ones.
    pub(super) connects: Vec<Connect>,
    /// Every message that clients published, in order of arrival.
    pub(super) messages: Vec<Message>,
    /// How each connection that was let in ended, in words.
    pub(super) ends: Vec<String>,
}

impl Pages {
    /// How many messages with this payload came in.
    pub(super) fn count(&self, payload: &[u8]) -> usize {
        self.messages.iter().filter(|message| message.payload == payload).count()
    }
}

impl fmt::Display for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} CONNECTs, {} messages, ends {:?}", self.connects.len(), self.messages.len(), self.ends)
    }
}

#[derive(Default)]
struct Diary {
    pages: Mutex<Pages>,
    changed: Condvar,
}

impl Diary {
    fn lock(&self) -> MutexGuard<'_, Pages> {
        // A scenario that fails while it looks has failed already; the broker must still come to its end.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, change: impl FnOnce(&mut Pages)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}

/// Writes the diary, and lets everybody in or nobody.
struct Writer {
    diary: Arc<Diary>,
    welcome: Result<(), ReasonCode>,
}

impl Policy for Writer {
    fn connect(&mut self, _: &ClientInfo, connect: &Connect) -> Result<(), ReasonCode> {
        self.diary.write(|pages| pages.connects.push(connect.clone()));
        self.welcome
    }

    fn intercept(&mut self, _: &ClientInfo, message: Message) -> Option<Message> {
        self.diary.write(|pages| pages.messages.push(message.clone()));
        Some(message)
    }
}
