//! The fifteen packets, each one struct for all three versions.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

mod ack;
mod auth;
mod connack;
mod connect;
mod connect_codec;
mod disconnect;
mod message;
mod publish;
mod suback;
mod subscribe;
mod unsubscribe;

use alloc::boxed::Box;

use bytes::{Bytes, BytesMut};

use crate::{
    EncodeError, FixedHeader, PacketId, PacketType, Properties, ProtocolError, ReasonCode, Rule, Storage, Version,
    frame,
    property::Place,
    read::Reader,
    rules,
    write::{self, Sink},
};

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
    pub fn decode(version: Version, frame: B) -> Result<Self, ProtocolError> {
        // Most packets that are no messages: acknowledgements of four bytes. They take 41 instructions here, and 130 in
        // `decode_other`.
        if let [first, 2, high, low] = *frame.as_ref() {
            if let Some(packet_id) = PacketId::new(u16::from_be_bytes([high, low])) {
                let ack = AckPacket::bare(packet_id);
                match first {
                    0x40 => return Ok(Self::PubAck(ack)),
                    0x50 => return Ok(Self::PubRec(ack)),
                    0x62 => return Ok(Self::PubRel(ack)),
                    0x70 => return Ok(Self::PubComp(ack)),
                    _ => {}
                }
            }
        }
        match frame.as_ref() {
            [first, ..] if first >> 4 == PacketType::Publish as u8 => Publish::decode(version, frame),
            _ => Self::decode_other(version, frame),
        }
    }

    #[inline(never)]
    fn decode_other(version: Version, frame: B) -> Result<Self, ProtocolError> {
        // MQTT-2.2.2-2
        if let [CONNECT, ..] = frame.as_ref() {
            return Ok(Self::Connect(Connect::decode_boxed(version, &frame)?));
        }
        let (header, body) = frame::split(version, frame.as_ref())?;
        let packet = header.packet_type();
        let mut reader = Reader::new(&frame, body, packet, version);
        check_flags(&reader, header)?;
        let reader = &mut reader;
        Ok(match reader.packet() {
            PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
                // In one arm, as the code of `decode` is inlined here.
                let ack = AckPacket::decode(reader)?;
                match packet {
                    PacketType::PubAck => Self::PubAck(ack),
                    PacketType::PubRec => Self::PubRec(ack),
                    PacketType::PubRel => Self::PubRel(ack),
                    _ => Self::PubComp(ack),
                }
            }
            PacketType::ConnAck => Self::ConnAck(ConnAck::decode(reader)?),
            PacketType::Subscribe => Self::Subscribe(Subscribe::decode(reader)?),
            PacketType::SubAck => Self::SubAck(SubAck::decode(reader)?),
            PacketType::Unsubscribe => Self::Unsubscribe(Unsubscribe::decode(reader)?),
            PacketType::UnsubAck => Self::UnsubAck(UnsubAck::decode(reader)?),
            PacketType::Disconnect => Self::Disconnect(Disconnect::decode(reader)?),
            PacketType::Auth => Self::Auth(Auth::decode(reader)?),
            PacketType::PingReq => {
                reader.finish(&rules::TRAILING_FIXED)?;
                Self::PingReq
            }
            PacketType::PingResp => {
                reader.finish(&rules::TRAILING_FIXED)?;
                Self::PingResp
            }
            // `decode` has read them.
            PacketType::Publish | PacketType::Connect => {
                return Err(reader.fail_at(0, packet.name(), &rules::PACKET_TYPE));
            }
        })
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

    /// Length of the whole packet in bytes, with its fixed header. CONNECT has its own version, whatever `version` is.
    ///
    /// # Errors
    ///
    /// If the packet cannot be written: see [`EncodeError`].
    pub fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
        match self {
            Self::Connect(packet) => packet.encoded_len(),
            Self::ConnAck(packet) => packet.encoded_len(version),
            Self::Publish(packet) => packet.encoded_len(version),
            Self::PubAck(packet) | Self::PubRec(packet) | Self::PubRel(packet) | Self::PubComp(packet) => {
                packet.encoded_len(self.packet_type(), version)
            }
            Self::Subscribe(packet) => packet.encoded_len(version),
            Self::SubAck(packet) => packet.encoded_len(version),
            Self::Unsubscribe(packet) => packet.encoded_len(version),
            Self::UnsubAck(packet) => packet.encoded_len(version),
            Self::PingReq | Self::PingResp => Ok(PING_LEN),
            Self::Disconnect(packet) => packet.encoded_len(version),
            Self::Auth(packet) => packet.encoded_len(version),
        }
    }

    /// Writes the whole packet at the end of `out`. CONNECT has its own version, whatever `version` is.
    ///
    /// # Errors
    ///
    /// If the packet cannot be written: see [`EncodeError`]. Then `out` is left as it was.
    pub fn encode(&self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        match self {
            Self::Connect(packet) => packet.encode(out),
            Self::ConnAck(packet) => packet.encode(version, out),
            Self::Publish(packet) => packet.encode(version, out),
            Self::PubAck(packet) | Self::PubRec(packet) | Self::PubRel(packet) | Self::PubComp(packet) => {
                packet.encode(self.packet_type(), version, out)
            }
            Self::Subscribe(packet) => packet.encode(version, out),
            Self::SubAck(packet) => packet.encode(version, out),
            Self::Unsubscribe(packet) => packet.encode(version, out),
            Self::UnsubAck(packet) => packet.encode(version, out),
            Self::PingReq | Self::PingResp => {
                out.extend_from_slice(&[(self.packet_type() as u8) << 4, 0]);
                Ok(())
            }
            Self::Disconnect(packet) => packet.encode(version, out),
            Self::Auth(packet) => packet.encode(version, out),
        }
    }
}

/// The encoders of the packets whose version is not their own.
macro_rules! encode_methods {
    ($($packet:ident),*) => {$(
        impl<B: Storage> $packet<B> {
            /// Length of the whole packet in bytes, with its fixed header.
            ///
            /// # Errors
            ///
            /// If the packet cannot be written: see [`EncodeError`].
            pub fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
                write::encoded_len(self, version)
            }

            /// Writes the whole packet at the end of `out`.
            ///
            /// # Errors
            ///
            /// If the packet cannot be written: see [`EncodeError`]. Then `out` is left as it was.
            pub fn encode(&self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
                write::encode(self, version, out)
            }
        }
    )*};
}

encode_methods!(ConnAck, Subscribe, SubAck, Unsubscribe, UnsubAck, Disconnect, Auth);

/// The flags of the first byte are fixed for each kind but PUBLISH; AUTH came with 5.0.
#[inline(always)]
fn check_flags<B: Storage>(reader: &Reader<'_, B>, header: FixedHeader) -> Result<(), ProtocolError> {
    let is_legal = match header.packet_type() {
        PacketType::Publish => true,
        PacketType::Auth => header.flags() == 0 && reader.version() == Version::V5,
        packet => header.flags() == write::fixed_flags(packet),
    };
    if is_legal { Ok(()) } else { wrong_flags(reader, header) }
}

#[cold]
fn wrong_flags<B: Storage>(reader: &Reader<'_, B>, header: FixedHeader) -> Result<(), ProtocolError> {
    let (packet, version) = (header.packet_type(), reader.version());
    let rule = match packet {
        PacketType::PubRel => &FLAGS_PUBREL,
        PacketType::Subscribe => &FLAGS_SUBSCRIBE,
        PacketType::Unsubscribe => &FLAGS_UNSUBSCRIBE,
        PacketType::Disconnect => &FLAGS_DISCONNECT,
        PacketType::Auth if version != Version::V5 => {
            return Err(reader.fail_at(0, "packet type", &rules::PACKET_TYPE));
        }
        PacketType::Auth => &FLAGS_AUTH,
        _ => &FLAGS,
    };
    // In MQTT 3.1 the packets of QoS 1 may say that they were sent before. // D31-flags
    let is_repeat = version == Version::V31 && write::fixed_flags(packet) != 0;
    if is_repeat && header.flags() == write::fixed_flags(packet) | DUP {
        return Ok(());
    }
    Err(reader.fail_at(0, "flags", rule))
}

/// Writes a reason code, if the packet may carry it.
#[inline]
fn reason_code<S: Sink>(
    packet: PacketType,
    reason: ReasonCode,
    version: Version,
    sink: &mut S,
) -> Result<(), EncodeError> {
    let field = REASON_CODE;
    if version != Version::V5 {
        return Err(EncodeError::NotInVersion { packet, field, version });
    }
    if !reason.is_listed_for(packet) {
        return Err(EncodeError::Forbidden { packet, field, rule: "this packet does not carry this reason code" });
    }
    sink.u8(reason.0);
    Ok(())
}

/// Writes a reason code and properties at the end of a packet that may leave them out.
#[inline]
fn reason_and_properties<B: Storage, S: Sink>(
    packet: PacketType,
    reason: ReasonCode,
    properties: &Properties<B>,
    version: Version,
    sink: &mut S,
) -> Result<(), EncodeError> {
    if reason == ReasonCode::SUCCESS && properties.is_empty() {
        return Ok(());
    }
    // Before 5.0 it is the property that is wrong, not the reason.
    if reason != ReasonCode::SUCCESS || version == Version::V5 {
        reason_code(packet, reason, version, sink)?;
        if properties.is_empty() {
            return Ok(());
        }
    }
    properties.write(packet, Place::of(packet), version, None, sink)
}

const REASON_CODE: &str = "reason code";
/// The first byte of CONNECT.
const CONNECT: u8 = (PacketType::Connect as u8) << 4;
const PING_LEN: usize = 2;
const DUP: u8 = 0b1000;

const FLAGS: Rule = flags("MQTT-2.2.2-2", "MQTT-2.1.3-1");
const FLAGS_PUBREL: Rule = flags("MQTT-3.6.1-1", "MQTT-3.6.1-1");
const FLAGS_SUBSCRIBE: Rule = flags("MQTT-3.8.1-1", "MQTT-3.8.1-1");
const FLAGS_UNSUBSCRIBE: Rule = flags("MQTT-3.10.1-1", "MQTT-3.10.1-1");
const FLAGS_DISCONNECT: Rule = flags("MQTT-3.14.1-1", "MQTT-3.14.1-1");
const FLAGS_AUTH: Rule = flags("MQTT-3.15.1-1", "MQTT-3.15.1-1");

const fn flags(v3: &'static str, v5: &'static str) -> Rule {
    Rule::malformed("not the flags of this kind of packet", v3, v5)
}
