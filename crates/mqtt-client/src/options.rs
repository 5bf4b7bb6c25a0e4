//! What a client is told before it starts.

use core::fmt;
use core::num::{NonZeroU16, NonZeroU32};
use core::str::FromStr;
use core::time::Duration;

use bytes::Bytes;
use mqtt_proto::{Version, Will};

use crate::store::{SharedStore, Store};
use crate::{Backoff, OptionsError};

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// A host name or an IP address, an IPv6 address without brackets.
    pub host: String,
    /// The port; 0 for a transport that has none, whose address is `host`.
    pub port: u16,
    /// How long dialling it may take. A dial that blocks must keep to it; others are told by
    /// [`Turn::close`](crate::Turn::close).
    pub timeout: Duration,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.port == 0 {
            f.write_str(&self.host)
        } else if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What happens to a message when the queue is full (see [`Options::queue_limit`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum QueuePolicy {
    /// The message waits with its [`Ticket`](crate::Ticket) until there is room: await
    /// [`Ticket::accepted`](crate::Ticket::accepted) to be slowed down to the server's pace. Dropping the ticket before
    /// takes the message back.
    #[default]
    Wait,
    /// The ticket fails at once with [`Error::QueueFull`](crate::Error::QueueFull).
    Refuse,
    /// The oldest queued messages make room; their tickets fail with [`Error::Superseded`](crate::Error::Superseded).
    DropOldest,
    /// As long as there is no connection, a message replaces those queued of the same topic (whose tickets fail with
    /// [`Error::Superseded`](crate::Error::Superseded)), full or not; the place in the queue stays. When a message to yet
    /// another topic finds the queue full, the oldest makes room.
    KeepLatest,
}

/// What a client needs to know. Everything but the server has a default.
///
/// ```
/// use mqtt_client::{Options, Version};
/// let options = Options::new("localhost", 1883).version(Version::V311).client_id("sensor-7").clean_start(false);
/// let same: Options = "mqtt://localhost?version=3.1.1&client_id=sensor-7&clean_start=false".parse().unwrap();
/// assert_eq!(options, same);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Options {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) version: Version,
    pub(crate) client_id: String,
    pub(crate) credentials: Credentials,
    pub(crate) keep_alive: u16,
    pub(crate) clean_start: bool,
    pub(crate) session_expiry: Option<u32>,
    pub(crate) receive_maximum: NonZeroU16,
    pub(crate) send_maximum: Option<NonZeroU16>,
    pub(crate) maximum_packet_size: Option<NonZeroU32>,
    pub(crate) topic_alias_maximum: u16,
    pub(crate) request_response_information: bool,
    pub(crate) request_problem_information: bool,
    pub(crate) connect_timeout: Duration,
    pub(crate) ping_timeout: Duration,
    pub(crate) backoff: Backoff,
    pub(crate) reconnect: bool,
    pub(crate) retry_first_connect: bool,
    pub(crate) reconnect_when_taken_over: bool,
    pub(crate) follow_redirects: bool,
    pub(crate) queue_messages: usize,
    pub(crate) queue_bytes: usize,
    pub(crate) queue_policy: QueuePolicy,
    pub(crate) stream_messages: usize,
    pub(crate) stream_bytes: usize,
    pub(crate) stream_overflow: usize,
    pub(crate) manual_acks: bool,
    pub(crate) unsubscribe_on_drop: bool,
    pub(crate) subscription_identifiers: bool,
    pub(crate) flush_timeout: Duration,
    pub(crate) seed: Option<u64>,
    pub(crate) store: Option<SharedStore>,
}

/// What CONNECT says of one client that others, with the same options otherwise, do not say.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Bytes>,
    pub(crate) will: Option<Box<Will>>,
    pub(crate) user_properties: Vec<(String, String)>,
    pub(crate) authentication: Option<(String, Option<Bytes>)>,
}

impl Options {
    /// Options for the server at `host` (a name or an IP address, IPv6 without brackets) and `port`, all else by default.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            version: Version::V5,
            client_id: String::new(),
            credentials: Credentials::default(),
            keep_alive: 60,
            clean_start: true,
            session_expiry: None,
            receive_maximum: NonZeroU16::new(1024).unwrap_or(NonZeroU16::MAX),
            send_maximum: None,
            maximum_packet_size: None,
            topic_alias_maximum: 16,
            request_response_information: false,
            request_problem_information: true,
            connect_timeout: Duration::from_secs(10),
            ping_timeout: Duration::from_secs(10),
            backoff: Backoff::default(),
            reconnect: true,
            retry_first_connect: false,
            reconnect_when_taken_over: false,
            follow_redirects: false,
            queue_messages: 4096,
            queue_bytes: 64 << 20,
            queue_policy: QueuePolicy::Wait,
            stream_messages: 1024,
            stream_bytes: 16 << 20,
            stream_overflow: 64 << 20,
            manual_acks: false,
            unsubscribe_on_drop: true,
            subscription_identifiers: true,
            flush_timeout: Duration::from_secs(30),
            seed: None,
            store: None,
        }
    }

    /// Options from a URL: `mqtt://user:password@host:1883?client_id=sensor-7`.
    ///
    /// The port is 1883 when left out, an IPv6 address stands in brackets, user name, password and parameters are
    /// percent-decoded. Parameters: `version` (`3.1`, `3.1.1`, `5`), `client_id`, `keep_alive` (s), `clean_start` (`true`,
    /// `false`), `session_expiry` (s).
    ///
    /// # Errors
    ///
    /// If it is not such a URL. The error says what to write instead.
    pub fn from_url(url: &str) -> Result<Self, OptionsError> {
        crate::url::parse(url)
    }

    /// The version of the protocol. Default: 5.0.
    #[must_use]
    pub fn version(self, version: Version) -> Self {
        Self { version, ..self }
    }

    /// The client id, under which the server keeps the session. Default: empty, so the server of 5.0 and 3.1.1 chooses one,
    /// and in 3.1 a random one is made here. 3.1.1 wants one of yours together with `clean_start(false)` (MQTT-3.1.3-7).
    #[must_use]
    pub fn client_id(self, client_id: impl Into<String>) -> Self {
        Self { client_id: client_id.into(), ..self }
    }

    /// The user name. Default: none.
    #[must_use]
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.credentials.username = Some(username.into());
        self
    }

    /// The password. Default: none. In 3.x it needs a user name (MQTT-3.1.2-22).
    #[must_use]
    pub fn password(mut self, password: impl Into<Bytes>) -> Self {
        self.credentials.password = Some(password.into());
        self
    }

    /// Seconds of silence after which the client asks whether the server is still there; 0 never asks. Default: 60.
    /// A server of 5.0 may choose another value.
    #[must_use]
    pub fn keep_alive(self, seconds: u16) -> Self {
        Self { keep_alive: seconds, ..self }
    }

    /// Whether this client begins without what an earlier process with its client id left on the server. Default: true.
    ///
    /// It is about the *first* connection. When this client reconnects by itself, it wants its own session back, so that
    /// nothing is lost or doubled: it then connects with Clean Start 0 whenever the session can have outlived the
    /// connection, that is in 5.0 with a [session expiry](Self::session_expiry) above 0. In 3.x the flag is called Clean
    /// Session and also means that the server forgets the session at the end of each connection, so there it is sent
    /// unchanged every time: with `true`, what was in flight at a cut is published anew.
    ///
    /// With `false`, what the server has kept arrives right after CONNACK. QoS 1 and 2 messages that no stream is for wait,
    /// unacknowledged, until the application makes one ([`Handle::subscribe`](crate::Handle::subscribe),
    /// [`Handle::messages`](crate::Handle::messages)), at the latest until it begins to take messages from any stream: make
    /// all streams first. Then what nobody wants is acknowledged and dropped (MQTT-4.5.0-2), as QoS 0 is from the beginning.
    /// In 5.0 as many wait as [`receive_maximum`](Self::receive_maximum) says, and the server sends no more of them. In 3.x,
    /// and when they exceed the bytes of [`stream_limit`](Self::stream_limit), the client stops reading as for a full stream.
    #[must_use]
    pub fn clean_start(self, clean_start: bool) -> Self {
        Self { clean_start, ..self }
    }

    /// Seconds for which a server of 5.0 keeps the session after the connection ends; `u32::MAX` keeps it for ever.
    ///
    /// Default, with `clean_start(true)`: as long as this client lives. It asks for 300 s, so that the session survives
    /// reconnecting, and for 0 s in its final DISCONNECT, so that nothing stays behind. With `clean_start(false)`: for ever,
    /// which is what `clean_start(false)` means in 3.1.1. A value set here is sent as it is. Not for 3.x.
    #[must_use]
    pub fn session_expiry(self, seconds: u32) -> Self {
        Self { session_expiry: Some(seconds), ..self }
    }

    /// The message that the server publishes when this client vanishes without a DISCONNECT. Default: none.
    #[must_use]
    pub fn will(mut self, will: Will) -> Self {
        self.credentials.will = Some(Box::new(will));
        self
    }

    /// How many QoS 1 and 2 messages the server may have on the way to us unacknowledged (5.0 alone can say so).
    /// Default: 1,024.
    #[must_use]
    pub fn receive_maximum(self, messages: NonZeroU16) -> Self {
        Self { receive_maximum: messages, ..self }
    }

    /// How many QoS 1 and 2 messages may be on the way to the server unacknowledged, within what it allows. Default: in 5.0
    /// what the server allows; in 3.x, where it cannot say, 20, because Mosquitto closes the connection of a 3.x client that
    /// has more than that at QoS 2 unfinished (its `max_inflight_messages`). More is faster over a long way.
    #[must_use]
    pub fn send_maximum(self, messages: NonZeroU16) -> Self {
        Self { send_maximum: Some(messages), ..self }
    }

    /// The largest packet accepted from the server, in bytes. Default: no limit but the protocol's 256 MiB.
    #[must_use]
    pub fn maximum_packet_size(self, bytes: NonZeroU32) -> Self {
        Self { maximum_packet_size: Some(bytes), ..self }
    }

    /// How many topic aliases the server may use (5.0). Each keeps one topic. Default: 16.
    #[must_use]
    pub fn topic_alias_maximum(self, aliases: u16) -> Self {
        Self { topic_alias_maximum: aliases, ..self }
    }

    /// Asks a server of 5.0 for Response Information in CONNACK. Default: false.
    #[must_use]
    pub fn request_response_information(self, wanted: bool) -> Self {
        Self { request_response_information: wanted, ..self }
    }

    /// Whether a server of 5.0 may send reason strings and user properties with every answer. Default: true.
    #[must_use]
    pub fn request_problem_information(self, wanted: bool) -> Self {
        Self { request_problem_information: wanted, ..self }
    }

    /// Adds a User Property to CONNECT (5.0).
    #[must_use]
    pub fn user_property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.credentials.user_properties.push((name.into(), value.into()));
        self
    }

    /// Enhanced authentication (5.0 section 4.12): its method and first data. The server's answers come as
    /// [`ConnectionEvent::Auth`](crate::ConnectionEvent::Auth) and are answered by
    /// [`Handle::authenticate`](crate::Handle::authenticate).
    #[must_use]
    pub fn authentication(mut self, method: impl Into<String>, data: Option<Bytes>) -> Self {
        self.credentials.authentication = Some((method.into(), data));
        self
    }

    /// How long dialling may take, and then the server until its CONNACK. Default: 10 s each.
    #[must_use]
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        Self { connect_timeout: timeout, ..self }
    }

    /// How long the server may stay silent after it was asked whether it is still there. Together with the
    /// [keep-alive](Self::keep_alive), this is how long a dead link goes unnoticed. Default: 10 s.
    #[must_use]
    pub fn ping_timeout(self, timeout: Duration) -> Self {
        Self { ping_timeout: timeout, ..self }
    }

    /// The times of reconnecting.
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// Whether to connect again after a connection is lost. Default: true. Refusals that waiting cannot cure (bad
    /// credentials, a client id or version the server does not take, banned) stop the client in any case, and so does another
    /// client with the same id.
    #[must_use]
    pub fn reconnect(self, reconnect: bool) -> Self {
        Self { reconnect, ..self }
    }

    /// Whether to go on trying when the very first connection fails. Default: false, so that a wrong host name is an error
    /// at once instead of a silent wait. Daemons that may start before their server want true.
    #[must_use]
    pub fn retry_first_connect(self, retry: bool) -> Self {
        Self { retry_first_connect: retry, ..self }
    }

    /// Whether to connect again when another client has taken over the session (5.0: 0x8E). Default: false, because the
    /// two would throw each other out for ever.
    #[must_use]
    pub fn reconnect_when_taken_over(self, reconnect: bool) -> Self {
        Self { reconnect_when_taken_over: reconnect, ..self }
    }

    /// Whether to follow a server of 5.0 that names another one (0x9C, 0x9D, Server Reference). Default: false, because the
    /// credentials go along. A server that is not followed is tried again after 0x9C, which is for a time; after 0x9D, which
    /// is for good, the client stops.
    #[must_use]
    pub fn follow_redirects(self, follow: bool) -> Self {
        Self { follow_redirects: follow, ..self }
    }

    /// How many messages, and how many bytes of topics and payloads, may wait for a connection or for the server's pace.
    /// A single message may exceed the bytes. Default: 4,096 messages, 64 MiB.
    #[must_use]
    pub fn queue_limit(self, messages: usize, bytes: usize) -> Self {
        Self { queue_messages: messages, queue_bytes: bytes, ..self }
    }

    /// What happens to messages beyond the queue's limit. Default: [`QueuePolicy::Wait`].
    #[must_use]
    pub fn queue_policy(self, policy: QueuePolicy) -> Self {
        Self { queue_policy: policy, ..self }
    }

    /// How many messages and bytes a stream of received messages holds before the client stops reading from the server.
    /// A single message may exceed the bytes. Default: 1,024 messages, 16 MiB, for each stream.
    #[must_use]
    pub fn stream_limit(self, messages: usize, bytes: usize) -> Self {
        Self { stream_messages: messages, stream_bytes: bytes, ..self }
    }

    /// How many bytes a stream may hold while something waits for an answer of the server, which can only come after the
    /// messages before it. So awaiting a publish in the task that receives can never deadlock. Beyond this limit QoS 0
    /// messages are dropped and counted ([`ConnectionEvent::Dropped`](crate::ConnectionEvent::Dropped)); QoS 1 and 2 are
    /// kept, because the server's window bounds them. Default: 64 MiB for each stream.
    #[must_use]
    pub fn stream_overflow_limit(self, bytes: usize) -> Self {
        Self { stream_overflow: bytes, ..self }
    }

    /// Whether the application acknowledges QoS 1 and 2 messages itself, by [`Received::ack`](crate::Received::ack).
    /// Default: false, a message is acknowledged when the application takes it from its stream.
    ///
    /// With true, no message that was in a stream is acknowledged without it: one that is dropped, alone or with its stream,
    /// stays the server's and comes again on the next connection. Acknowledgements of later messages wait behind it until
    /// then (MQTT-4.6.0-2), and at [`receive_maximum`](Self::receive_maximum) the server sends no more. What no stream is for
    /// is acknowledged all the same, because nobody else could (MQTT-4.5.0-2).
    #[must_use]
    pub fn manual_acks(self, manual: bool) -> Self {
        Self { manual_acks: manual, ..self }
    }

    /// Whether dropping a [`Subscriber`](crate::Subscriber) unsubscribes. Default: true. With false the subscription stays
    /// in the server's session, as a persistent one should that another process will take up again. This client does not
    /// look after it any more: when the server loses the session, it is not subscribed again.
    #[must_use]
    pub fn unsubscribe_on_drop(self, unsubscribe: bool) -> Self {
        Self { unsubscribe_on_drop: unsubscribe, ..self }
    }

    /// Whether subscribe calls without a Subscription Identifier of their own get one (5.0), by which messages find their
    /// streams where several filters match. Default: true. With false every filter is compared, and messages carry no
    /// identifier that the application did not choose.
    #[must_use]
    pub fn subscription_identifiers(self, use_them: bool) -> Self {
        Self { subscription_identifiers: use_them, ..self }
    }

    /// How long a disconnect waits for what is queued and unacknowledged, SUBSCRIBE and UNSUBSCRIBE among it: until its
    /// answer a request may be lost with the link, and the session that stays behind be another than was asked for. A server
    /// that leaves a request unanswered makes the disconnect take all of this time. Default: 30 s.
    #[must_use]
    pub fn flush_timeout(self, timeout: Duration) -> Self {
        Self { flush_timeout: timeout, ..self }
    }

    /// Where the jitter and a generated client id come from. Default: chosen by the operating system; the pure
    /// [`Client`](crate::Client) takes 0.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// Keeps the session and the queue in a store, so that they survive the process. It needs
    /// [`clean_start(false)`](Self::clean_start) and one client at a time.
    ///
    /// A QoS 1 or 2 message then counts as [accepted](crate::Ticket::accepted) when it is stored, and what is unfinished when
    /// the client stops is sent by the next one that has this store. The store is written on the driver's task or thread,
    /// which waits for it.
    #[must_use]
    pub fn store(self, store: impl Store + 'static) -> Self {
        Self { store: Some(SharedStore::new(store)), ..self }
    }
}

impl Credentials {
    /// Whether there is nothing to say.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { username, password, will, user_properties, authentication } = self;
        let is_named = username.is_some() || password.is_some() || authentication.is_some();
        !is_named && will.is_none() && user_properties.is_empty()
    }
}

impl FromStr for Options {
    type Err = OptionsError;

    /// [`Options::from_url`].
    fn from_str(url: &str) -> Result<Self, OptionsError> {
        Self::from_url(url)
    }
}

/// Without the passwords.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Without the password.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("version", &self.version)
            .field("client_id", &self.client_id)
            .field("username", &self.credentials.username)
            .field("clean_start", &self.clean_start)
            .finish_non_exhaustive()
    }
}

/// Options, or a URL that says them.
pub trait IntoOptions {
    /// The options.
    ///
    /// # Errors
    ///
    /// If the URL is wrong.
    fn into_options(self) -> Result<Options, OptionsError>;
}

impl IntoOptions for Options {
    fn into_options(self) -> Result<Options, OptionsError> {
        Ok(self)
    }
}

impl IntoOptions for &str {
    fn into_options(self) -> Result<Options, OptionsError> {
        Options::from_url(self)
    }
}

impl IntoOptions for String {
    fn into_options(self) -> Result<Options, OptionsError> {
        Options::from_url(&self)
    }
}

impl IntoOptions for &String {
    fn into_options(self) -> Result<Options, OptionsError> {
        Options::from_url(self)
    }
}
