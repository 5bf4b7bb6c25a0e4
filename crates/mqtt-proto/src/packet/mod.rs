//! The fifteen packets, each one struct for all three versions.

mod ack;
mod auth;
mod connack;
mod connect;
mod disconnect;
mod message;
mod publish;
mod suback;
mod subscribe;
mod unsubscribe;

use alloc::boxed::Box;

use bytes::{Bytes, BytesMut};

use crate::{EncodeError, PacketType, ProtocolError, Storage, Version};

pub use ack::AckPacket;
pub use auth::Auth;
pub use connack::ConnAck;
pub use connect::{Connect, Will};
pub use disconnect::Disconnect;
pub use message::Message;
pub use publish::Publish;
pub(crate) use publish::PublishParts;
pub use suback::{SubAck, UnsubAck};
pub use subscribe::{Subscribe, Subscription};
pub use unsubscribe::Unsubscribe;

/// A packet, of any kind, in any version.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Packet<B: Storage = Bytes> {
    /// A client asks to connect.
    Connect(Box<Connect<B>>),
    /// The server's answer to CONNECT.
    ConnAck(ConnAck<B>),
    /// A message.
    Publish(Publish<B>),
    /// QoS 1: acknowledged.
    PubAck(AckPacket<B>),
    /// QoS 2, first answer: received.
    PubRec(AckPacket<B>),
    /// QoS 2, second question: release.
    PubRel(AckPacket<B>),
    /// QoS 2, last answer: complete.
    PubComp(AckPacket<B>),
    /// A client asks for messages.
    Subscribe(Subscribe<B>),
    /// The server's answer to SUBSCRIBE.
    SubAck(SubAck<B>),
    /// A client wants messages no more.
    Unsubscribe(Unsubscribe<B>),
    /// The server's answer to UNSUBSCRIBE.
    UnsubAck(UnsubAck<B>),
    /// A client asks whether the server is there.
    PingReq,
    /// It is.
    PingResp,
    /// The connection ends in good order.
    Disconnect(Disconnect<B>),
    /// A step of an enhanced authentication (5.0).
    Auth(Auth<B>),
}

impl<B: Storage> Packet<B> {
    /// Reads the packet that `frame` is: exactly one, whole, with its fixed header
    /// (see [`FixedHeader::frame_len`](crate::FixedHeader::frame_len)). CONNECT says its version itself, whatever `version` is.
    ///
    /// # Errors
    ///
    /// If the packet breaks a rule of the version.
    pub fn decode(_version: Version, _frame: B) -> Result<Self, ProtocolError> {
        todo!()
    }

    /// The kind of packet.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::ConnAck(_) => PacketType::ConnAck,
            Self::Publish(_) => PacketType::Publish,
            Self::PubAck(_) => PacketType::PubAck,
            Self::PubRec(_) => PacketType::PubRec,
            Self::PubRel(_) => PacketType::PubRel,
            Self::PubComp(_) => PacketType::PubComp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::SubAck(_) => PacketType::SubAck,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::UnsubAck(_) => PacketType::UnsubAck,
            Self::PingReq => PacketType::PingReq,
            Self::PingResp => PacketType::PingResp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }

    /// Length of the whole packet in bytes, with its fixed header.
    ///
    /// # Errors
    ///
    /// If the packet cannot be written: see [`EncodeError`].
    pub fn encoded_len(&self, _version: Version) -> Result<usize, EncodeError> {
        todo!()
    }

    /// Writes the whole packet at the end of `out`.
    ///
    /// # Errors
    ///
    /// If the packet cannot be written: see [`EncodeError`]. Then `out` is left as it was.
    pub fn encode(&self, _version: Version, _out: &mut BytesMut) -> Result<(), EncodeError> {
        todo!()
    }
}
