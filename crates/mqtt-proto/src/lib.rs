//! MQTT 3.1, 3.1.1 and 5.0 without I/O: codecs and a connection state machine for both roles.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod connection;
mod error;
mod filter;
mod frame;
mod packet;
mod property;
mod read;
mod reason;
mod rules;
mod session;
mod storage;
mod text;
mod time;
mod topic;
mod types;
mod varint;
mod write;

pub use connection::{
    Acknowledged, Capability, Client, ClientEvent, Closed, CommandError, Config, Connection, Delivery, Limits, Outbox,
    PROTOCOL_MAXIMUM_PACKET_SIZE, PublishError, Role, Server, ServerEvent, SubscribeRequest, Timer, UnsubscribeRequest,
};
pub(crate) use error::Rule;
pub use error::{EncodeError, ProtocolError};
pub use filter::{FilterError, TopicFilter};
pub use frame::FixedHeader;
pub(crate) use packet::PublishParts;
pub use packet::{
    AckPacket, Auth, ConnAck, Connect, Disconnect, Message, Packet, Publish, SubAck, Subscribe, Subscription, UnsubAck,
    Unsubscribe, Will,
};
pub use property::{Properties, PropertyId, PropertyValue};
pub use reason::ReasonCode;
pub use session::{Ack, Session, Token};
pub use storage::Storage;
pub use text::{Text, TextError};
pub use time::Instant;
pub use topic::{TopicError, TopicName};
pub use types::{PacketId, PacketType, QoS, RetainHandling, SubscriptionId, Version};
