//! MQTT 3.1, 3.1.1 and 5.0 without I/O: codecs and a connection state machine for both roles.
//!
//! [`Connection`] is one MQTT connection, client or server, as a plain value: bytes and time go in, bytes, events and
//! deadlines come out. It has no clock, no socket, no thread and no randomness, so it fits into any event loop and any
//! test. Here two of them talk to each other, and no byte leaves the process:
//!
//! ```
//! use bytes::{Buf, BytesMut};
//! use mqtt_proto::{
//!     ClientEvent, Config, ConnAck, Connect, Connection, Instant, Message, QoS, ReasonCode, Role, Server, ServerEvent,
//!     Session, Text, TopicName, Version,
//! };
//!
//! /// The wire: what one end has in its outbox becomes input of the other.
//! fn carry<A: Role, B: Role>(now: Instant, from: &mut Connection<A>, to: &mut Connection<B>) {
//!     let outbox = from.outbox();
//!     let mut bytes = BytesMut::from(&outbox.copy_to_bytes(outbox.remaining())[..]);
//!     while to.handle_input(now, &mut bytes) > 0 {}
//! }
//!
//! let now = Instant::ZERO;
//! let connect = Connect::new(Version::V5, Text::from_static("sensor-7"));
//! let mut client = Connection::connect(now, connect, Config::default(), Session::new())?;
//! let mut server = Connection::<Server>::listen(now, Config::default());
//!
//! carry(now, &mut client, &mut server);
//! let Some(ServerEvent::Connect(connect)) = server.poll_event() else { panic!("no CONNECT") };
//! assert_eq!(connect.client_id.as_str(), "sensor-7");
//! server.accept(now, ConnAck::new(false, ReasonCode::SUCCESS), None)?;
//!
//! carry(now, &mut server, &mut client);
//! assert!(matches!(client.poll_event(), Some(ClientEvent::Connected(_))));
//! let message = Message::new(TopicName::from_static("door"), "open").with_qos(QoS::AtLeastOnce);
//! let token = client.publish(now, message)?;
//!
//! carry(now, &mut client, &mut server);
//! let Some(ServerEvent::Message(delivery)) = server.poll_event() else { panic!("no message") };
//! assert_eq!(&delivery.message.payload[..], b"open");
//! server.ack(now, delivery.ack.expect("QoS 1 wants an acknowledgement"))?;
//!
//! carry(now, &mut server, &mut client);
//! let Some(ClientEvent::Acknowledged(acknowledged)) = client.poll_event() else { panic!("no PUBACK") };
//! assert_eq!(acknowledged.token, token);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With a real socket the loop has some 60 lines: `docs/embedding.md` in the repository. Applications that want
//! reconnection, queues and a runtime take `mqtt-tokio`, `mqtt-std`, `mqtt-smol` or `mqtt-async-std` instead.
//!
//! # Codecs
//!
//! Below the connection stand the packets, for programs that read or write MQTT themselves: a proxy, a test, a capture.
//! There is one struct for each kind of packet; the version is an argument. A packet is read from a buffer it borrows
//! from (`&[u8]`) or shares ([`bytes::Bytes`]): see [`Storage`].
//!
//! ```
//! use bytes::BytesMut;
//! use mqtt_proto::{FixedHeader, Message, Packet, Publish, TopicName, Version};
//!
//! // Bytes as they come: a whole packet, and the beginning of another one.
//! let input = b"\x30\x08\x00\x04door\x00!\x30\x07\x00";
//! let header = FixedHeader::parse(input)?.expect("two to five bytes tell how long a packet is");
//! let (frame, _rest) = input.split_at(header.frame_len());
//! let Packet::Publish(publish) = Packet::decode(Version::V5, frame)? else { panic!("not a message") };
//! assert_eq!(publish.message.topic.as_str(), "door");
//! assert_eq!(publish.message.payload, b"!");
//!
//! // And the other way.
//! let mut output = BytesMut::new();
//! let message = Message::new(TopicName::from_static("door"), "!");
//! Publish::new(message, None).encode(Version::V5, &mut output)?;
//! assert_eq!(output, frame);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it promises
//!
//! - Every rule of the standards that a codec or one end of a connection can check is checked. What the peer does wrong is
//!   an event ([`Closed::ProtocolError`]) that names packet, field, rule and statement; what the caller does wrong is a
//!   [`CommandError`] or an [`EncodeError`].
//! - No input makes it panic, and nothing is allocated for a length that a peer only claims.
//! - Every queue is bounded ([`Config`]), and says so by giving a message back or by leaving input alone.
//! - `#![no_std]` with `alloc`, no `unsafe`, one dependency: `bytes`.
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
mod seldom;
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
    PROTOCOL_MAXIMUM_PACKET_SIZE, Rejected, Role, Server, ServerEvent, SubscribeRequest, Timer, UnsubscribeRequest,
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
pub use session::{Ack, Change, ChangeError, Session, Token};
pub use storage::Storage;
pub use text::{Text, TextError};
pub use time::Instant;
pub use topic::{TopicError, TopicName};
pub use types::{PacketId, PacketType, QoS, RetainHandling, SubscriptionId, Version};
