//! Limits: everything a client could make grow has one.

use core::num::NonZeroU16;
use core::time::Duration;

use mqtt_proto::{QoS, Text};

use crate::router::RetainedLimits;

/// Limits and habits of a [`Broker`](crate::Broker).
///
/// A plain number is a limit, and 0 means none of it; what may be unlimited is an `Option`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Links at a time, silent ones included; more are closed at once. Default: 10,000. Each costs some 860 bytes when idle.
    pub maximum_connections: usize,
    /// Links that have not been let in yet. When one more comes, the oldest of them is closed, so that silent strangers
    /// cannot keep others out. At least 1. Default: 1,000.
    pub maximum_unauthenticated: usize,
    /// How long a link may take until its client is let in, authentication included. Default: 10 s.
    pub connect_timeout: Duration,
    /// Subscriptions of one client; more are refused with 0x97. Default: 1,000. Each costs some 200 bytes and its filter.
    pub maximum_subscriptions: usize,
    /// Bytes of all filters of one client, likewise: a filter may have 64 KiB. Default: 256 KiB.
    pub maximum_subscription_bytes: usize,
    /// Levels of a topic (refused with 0x90) or filter (0x8F). Default: 200.
    pub maximum_topic_levels: usize,
    /// Messages that wait for one client, those in flight aside. When as many wait, the newest is dropped for this client.
    /// A connected client for which nothing waits gets one whatever the limit, and 64 of those below `$SYS` may wait beyond it.
    /// Default: 1,000. Each costs 64 bytes and the
    /// message itself, once for all clients.
    pub maximum_queued_messages: usize,
    /// Bytes of topics, payloads and properties that wait for one client, as above; messages from 64 KiB on count until they
    /// are acknowledged. Default: 8 MiB.
    pub maximum_queued_bytes: usize,
    /// Bytes that wait for all clients together, a message that waits for many counted once. When it is reached, the newest
    /// message is dropped for every client that is away or has others waiting already. Default: 256 MiB.
    pub maximum_queued_bytes_total: usize,
    /// Whether messages of QoS 0 wait for clients that are away, too. Default: false.
    pub queue_qos0: bool,
    /// Retained messages; one more is refused with 0x97, and not delivered either. Default: 100,000. Each costs some 200
    /// bytes and itself.
    pub maximum_retained_messages: usize,
    /// Bytes of topics, payloads and properties of retained messages, as above. Default: 256 MiB.
    pub maximum_retained_bytes: usize,
    /// Retained messages of one client, so that one leaves room for others; one more is refused with 0x97, and not delivered
    /// either. A message counts for whoever published it last, by client identifier, user name and listener, for as long as it
    /// is retained: a session that ends takes nothing with it. Clients that may choose their identifier can use up the room
    /// of many. Default: 10,000. Counting costs some 110 bytes and its names for each client that has such messages.
    pub maximum_retained_messages_per_client: usize,
    /// Bytes of topics, payloads and properties of one client's retained messages and of its names, as above. Default: 32 MiB.
    pub maximum_retained_bytes_per_client: usize,
    /// Receive Maximum: unfinished messages of QoS 1 and 2 that a client may have. Default: 1,000. Each costs some 150 bytes.
    pub receive_maximum: NonZeroU16,
    /// Messages of QoS 1 and 2 that a 5.0 client may have unfinished beyond its Receive Maximum, for clients in use that do not
    /// keep to it. Each is taken, counted (`publish/messages/tolerated` below `$SYS`, [`Notice`](crate::Notice)), and costs what one
    /// within it costs; the one after them ends the connection with 0x93. With the Receive Maximum together at most 65,535.
    /// Default: 0, the Receive Maximum is enforced.
    pub receive_tolerance: u16,
    /// Unfinished messages of QoS 1 and 2 that we have with one client, within its Receive Maximum. Default: 100. Each keeps
    /// its message.
    pub maximum_inflight: NonZeroU16,
    /// Maximum Packet Size in bytes. Default: 16 MiB, which each client can make us hold once.
    pub maximum_packet_size: u32,
    /// Bytes of a payload; a message with more is refused with 0x97. Default: none.
    pub message_size_limit: Option<usize>,
    /// Topic Alias Maximum. Default: 16; each alias keeps one topic.
    pub topic_alias_maximum: u16,
    /// The longest Keep Alive in seconds. A 5.0 client that asks for more, or for none, is told this one; a 3.x client
    /// cannot be told and is refused with return code 2, as Mosquitto does. Default: none.
    pub maximum_keep_alive: Option<NonZeroU16>,
    /// Seconds that a session outlives its connection at most; a 5.0 client is told in CONNACK. Default: none.
    pub maximum_session_expiry: Option<u32>,
    /// Sessions of clients that are away. When there is one more, the one away for the longest time ends. Default: 10,000.
    /// Each costs some 600 bytes, its subscriptions, its will and its queue.
    pub maximum_sessions: usize,
    /// Whether a client without an identifier is given one. Default: true.
    pub allow_empty_client_id: bool,
    /// What assigned client identifiers begin with; 16 hexadecimal digits follow. At most 65,519 bytes. Default: `auto-`.
    pub assigned_id_prefix: Text,
    /// Retain Available. Default: true.
    pub retain_available: bool,
    /// Maximum QoS. Default: 2.
    pub maximum_qos: QoS,
    /// What Response Information begins with; the client identifier follows. `None`: no Response Information. Default:
    /// `response/`.
    pub response_information: Option<Text>,
    /// How often the topics below `$SYS` are published; zero: never. Default: 10 s.
    pub status_interval: Duration,
    /// [`Notice`](crate::Notice)s that wait to be polled; more are not kept. Default: 0, which turns them off.
    pub maximum_notices: usize,
    /// What listeners have of their own, by [`Origin::listener`](crate::Origin::listener); one beyond the end has nothing. A
    /// [`Server`](crate::Server) takes it from its listeners. Default: empty.
    pub listeners: Vec<ListenerConfig>,
    /// What the choice among members of a share group, assigned identifiers and the router's hash are drawn from. Who knows
    /// it can foresee them. Default: 0, for which a [`Server`](crate::Server) draws one; the pure broker takes it as it is.
    pub seed: u64,
}

/// What holds for the clients of one listener in place of what [`Config`] says. Default: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenerConfig {
    /// [`Config::maximum_qos`].
    pub maximum_qos: Option<QoS>,
    /// [`Config::topic_alias_maximum`].
    pub topic_alias_maximum: Option<u16>,
    /// [`Config::allow_empty_client_id`].
    pub allow_empty_client_id: Option<bool>,
    /// [`Config::assigned_id_prefix`].
    pub assigned_id_prefix: Option<Text>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            maximum_connections: 10_000,
            maximum_unauthenticated: 1_000,
            connect_timeout: Duration::from_secs(10),
            maximum_subscriptions: 1_000,
            maximum_subscription_bytes: 256 << 10,
            maximum_topic_levels: 200,
            maximum_queued_messages: 1_000,
            maximum_queued_bytes: 8 << 20,
            maximum_queued_bytes_total: 256 << 20,
            queue_qos0: false,
            maximum_retained_messages: 100_000,
            maximum_retained_bytes: 256 << 20,
            maximum_retained_messages_per_client: 10_000,
            maximum_retained_bytes_per_client: 32 << 20,
            receive_maximum: NonZeroU16::new(1_000).unwrap_or(NonZeroU16::MAX),
            receive_tolerance: 0,
            maximum_inflight: NonZeroU16::new(100).unwrap_or(NonZeroU16::MAX),
            maximum_packet_size: 16 << 20,
            message_size_limit: None,
            topic_alias_maximum: 16,
            maximum_keep_alive: None,
            maximum_session_expiry: None,
            maximum_sessions: 10_000,
            allow_empty_client_id: true,
            assigned_id_prefix: Text::from_static("auto-"),
            retain_available: true,
            maximum_qos: QoS::ExactlyOnce,
            response_information: Some(Text::from_static("response/")),
            status_interval: Duration::from_secs(10),
            maximum_notices: 0,
            listeners: Vec::new(),
            seed: 0,
        }
    }
}

impl Config {
    /// What a [`Connection<Server>`](mqtt_proto::Connection) of this broker is to be made with, if it comes from this listener:
    /// [`Origin::listener`](crate::Origin::listener).
    #[must_use]
    pub fn connection(&self, listener: u32) -> mqtt_proto::Config {
        let own = self.listener(listener);
        mqtt_proto::Config {
            handshake_timeout: self.connect_timeout,
            receive_maximum: self.receive_maximum,
            receive_tolerance: self.receive_tolerance,
            send_maximum: self.maximum_inflight,
            maximum_packet_size: self.maximum_packet_size,
            topic_alias_maximum: own.and_then(|own| own.topic_alias_maximum).unwrap_or(self.topic_alias_maximum),
            retain_available: self.retain_available,
            maximum_qos: self.maximum_qos_at(listener),
            ..mqtt_proto::Config::default()
        }
    }

    pub(super) fn maximum_qos_at(&self, listener: u32) -> QoS {
        self.listener(listener).and_then(|own| own.maximum_qos).unwrap_or(self.maximum_qos)
    }

    pub(super) fn allows_empty_client_id_at(&self, listener: u32) -> bool {
        self.listener(listener).and_then(|own| own.allow_empty_client_id).unwrap_or(self.allow_empty_client_id)
    }

    pub(super) fn assigned_id_prefix_at(&self, listener: u32) -> &Text {
        let own = self.listener(listener).and_then(|own| own.assigned_id_prefix.as_ref());
        own.unwrap_or(&self.assigned_id_prefix)
    }

    pub(super) fn retained_limits(&self) -> RetainedLimits {
        RetainedLimits {
            messages: self.maximum_retained_messages,
            bytes: self.maximum_retained_bytes,
            messages_of_one: self.maximum_retained_messages_per_client,
            bytes_of_one: self.maximum_retained_bytes_per_client,
        }
    }

    fn listener(&self, listener: u32) -> Option<&ListenerConfig> {
        self.listeners.get(usize::try_from(listener).ok()?)
    }
}
