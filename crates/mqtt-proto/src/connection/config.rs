//! What one side allows: the limits it announces and the resources it spends.

use core::num::NonZeroU16;
use core::time::Duration;

use crate::{Properties, PropertyId, PropertyValue, QoS};

/// The largest packet the protocol can express: a Remaining Length of 268,435,455 and its five-byte fixed header.
pub const PROTOCOL_MAXIMUM_PACKET_SIZE: u32 = 268_435_460;

/// Limits and timeouts of one [`Connection`](crate::Connection).
///
/// The limits with a property of their own in MQTT 5.0 are announced in CONNECT or CONNACK when they differ from the
/// protocol's default, and enforced on the peer. A property that the caller has already put into that packet wins over
/// the field here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Client: how long the server may take until CONNACK (counted anew at each AUTH). Server: how long a peer may take
    /// until its CONNECT. Default: 10 s.
    pub handshake_timeout: Duration,
    /// Client: how long the link may stay silent after a PINGREQ. Anything received counts as a sign of life. Default: 10 s.
    pub ping_timeout: Duration,
    /// Receive Maximum (5.0 §3.1.2.11.3): QoS 1 and 2 messages the peer may have unfinished. In 3.x it cannot be announced
    /// and is not enforced. Default: 65,535. Each costs 100 to 160 bytes while it is open.
    pub receive_maximum: NonZeroU16,
    /// QoS 1 and 2 messages that a 5.0 peer may have unfinished beyond its Receive Maximum, for peers that do not keep to it:
    /// each is taken and [counted](crate::Connection::tolerated_messages), and only the one after them ends the connection
    /// with 0x93. Never more than 65,535 with the Receive Maximum together, which is what there are packet identifiers for; each
    /// costs what one within it costs. Default: 0, nothing is tolerated.
    pub receive_tolerance: u16,
    /// QoS 1 and 2 messages that we have unfinished at a time, within the peer's Receive Maximum. It is for 3.x, where a peer
    /// cannot say how many it bears. Default: 65,535.
    pub send_maximum: NonZeroU16,
    /// Maximum Packet Size (5.0 §3.1.2.11.4) in bytes, fixed header included, enforced as soon as the fixed header is
    /// there. In 3.x it is enforced without being announced. A server announces it in CONNACK, so that it does not limit
    /// what comes before. Default: 268,435,460, the protocol's own limit.
    pub maximum_packet_size: u32,
    /// Server: limit in bytes for CONNECT and the AUTHs until `accept`, which come from a stranger. Default: 65,536.
    pub maximum_connect_size: u32,
    /// Topic Alias Maximum (5.0 §3.1.2.11.5) for what the peer sends. Each alias keeps one topic (at most 64 KiB).
    /// Default: 0 for both roles, because it costs memory that the peer decides on.
    pub topic_alias_maximum: u16,
    /// How many aliases to use for what we send, within the peer's Topic Alias Maximum; the least recently used one is
    /// given up for a new topic. Each keeps one topic. Searching them is linear. Default: 16; 0 turns them off.
    pub outgoing_topic_aliases: u16,
    /// Bytes in the outbox from which [`publish`](crate::Connection::publish) answers
    /// [`Full`](crate::CommandError::Full). One message may exceed it. Default: 262,144.
    pub outbox_limit: usize,
    /// Events waiting in the machine from which it takes no more input. Default: 256, about 50 KiB when full.
    pub event_limit: usize,
    /// Bytes of topics, payloads, properties and filters in waiting events from which the machine takes no more input, so
    /// that an application that falls behind is not sent 256 large messages. One packet may exceed it; a SUBSCRIBE of
    /// short filters takes some twelve times its length. Default: 1,048,576.
    pub event_bytes_limit: usize,
    /// Keep each change of the session for [`poll_change`](crate::Connection::poll_change), so that it can be stored. Default:
    /// false.
    pub journal: bool,
    /// Server: Maximum QoS (5.0 §3.2.2.3.4). Default: QoS 2.
    pub maximum_qos: QoS,
    /// Server: Retain Available (5.0 §3.2.2.3.5). Default: true.
    pub retain_available: bool,
    /// Server: Wildcard Subscription Available (5.0 §3.2.2.3.11). Default: true.
    pub wildcard_subscription_available: bool,
    /// Server: Subscription Identifiers Available (5.0 §3.2.2.3.12). Default: true.
    pub subscription_identifiers_available: bool,
    /// Server: Shared Subscription Available (5.0 §3.2.2.3.13). Default: true.
    pub shared_subscription_available: bool,
    /// Server: Server Keep Alive (5.0 §3.2.2.3.14) in seconds, which overrides the client's in 5.0. Default: none.
    pub server_keep_alive: Option<u16>,
}

impl Config {
    /// Adds the limits that both CONNECT and CONNACK may carry, where the packet does not name them.
    pub(super) fn announce(&self, properties: &mut Properties) {
        if self.receive_maximum.get() < u16::MAX {
            properties
                .set_if_absent(PropertyId::ReceiveMaximum, PropertyValue::Number(self.receive_maximum.get().into()));
        }
        if self.maximum_packet_size < PROTOCOL_MAXIMUM_PACKET_SIZE {
            properties
                .set_if_absent(PropertyId::MaximumPacketSize, PropertyValue::Number(self.maximum_packet_size.max(1)));
        }
        if self.topic_alias_maximum > 0 {
            properties
                .set_if_absent(PropertyId::TopicAliasMaximum, PropertyValue::Number(self.topic_alias_maximum.into()));
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(10),
            ping_timeout: Duration::from_secs(10),
            receive_maximum: NonZeroU16::MAX,
            receive_tolerance: 0,
            send_maximum: NonZeroU16::MAX,
            maximum_packet_size: PROTOCOL_MAXIMUM_PACKET_SIZE,
            maximum_connect_size: 65_536,
            topic_alias_maximum: 0,
            outgoing_topic_aliases: 16,
            outbox_limit: 262_144,
            event_limit: 256,
            event_bytes_limit: 1_048_576,
            journal: false,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            wildcard_subscription_available: true,
            subscription_identifiers_available: true,
            shared_subscription_available: true,
            server_keep_alive: None,
        }
    }
}

/// What one side may send the other, after CONNECT and CONNACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Receive Maximum: QoS 1 and 2 messages that may be unfinished at a time.
    pub receive_maximum: u16,
    /// Maximum Packet Size in bytes, fixed header included.
    pub maximum_packet_size: u32,
    /// Topic Alias Maximum.
    pub topic_alias_maximum: u16,
    /// Maximum QoS.
    pub maximum_qos: QoS,
    /// Whether a message may be retained.
    pub retain_available: bool,
    /// Whether a filter may hold wildcards.
    pub wildcard_subscription_available: bool,
    /// Whether a SUBSCRIBE may carry a Subscription Identifier.
    pub subscription_identifiers_available: bool,
    /// Whether a filter may be a shared one.
    pub shared_subscription_available: bool,
}

impl Limits {
    /// Limits of a peer that has announced nothing.
    pub const UNLIMITED: Self = Self {
        receive_maximum: u16::MAX,
        maximum_packet_size: PROTOCOL_MAXIMUM_PACKET_SIZE,
        topic_alias_maximum: 0,
        maximum_qos: QoS::ExactlyOnce,
        retain_available: true,
        wildcard_subscription_available: true,
        subscription_identifiers_available: true,
        shared_subscription_available: true,
    };
}
