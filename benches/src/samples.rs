//! The packets of the rows: one table, for ours and for rivals.

use std::num::{NonZeroU16, NonZeroU32};

use bytes::{Bytes, BytesMut};
use mqtt_proto::{
    AckPacket, Connect, Message, Packet, PacketId, Publish, QoS, ReasonCode, Text, TopicName, Version, Will,
};

/// A packet and the version it is in.
pub struct Sample {
    /// As in the names of rows.
    pub name: &'static str,
    /// The version.
    pub version: Version,
    /// The packet.
    pub packet: Packet,
}

impl Sample {
    fn new(name: &'static str, version: Version, packet: Packet) -> Self {
        Self { name, version, packet }
    }

    /// The packet as bytes.
    #[must_use]
    pub fn frame(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.packet.encode(self.version, &mut out).expect("a sample can be written");
        out.freeze()
    }
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Sample> {
    let (v311, v5) = (Version::V311, Version::V5);
    let puback = |reason| Packet::PubAck(AckPacket::new(ID, reason));
    vec![
        Sample::new("publish-311-qos0-16", v311, publish(message(QoS::AtMostOnce, 16))),
        Sample::new("publish-311-qos0-64", v311, publish(message(QoS::AtMostOnce, 64))),
        Sample::new("publish-311-qos1-4096", v311, publish(message(QoS::AtLeastOnce, 4096))),
        Sample::new("publish-5-qos1-64", v5, publish(message(QoS::AtLeastOnce, 64))),
        Sample::new("publish-5-qos1-64-properties", v5, publish(with_properties(message(QoS::AtLeastOnce, 64)))),
        Sample::new("puback-311", v311, puback(ReasonCode::SUCCESS)),
        Sample::new("puback-5", v5, puback(ReasonCode::SUCCESS)),
        Sample::new("puback-5-reason", v5, puback(ReasonCode::NO_MATCHING_SUBSCRIBERS)),
        Sample::new("connect-311", v311, Packet::Connect(Box::new(connect(v311)))),
        Sample::new("connect-5-properties", v5, Packet::Connect(Box::new(connect_5()))),
    ]
}

/// The sample of this name.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn named(name: &str) -> Sample {
    all().into_iter().find(|sample| sample.name == name).expect("a sample has this name")
}

/// A message for [`TOPIC`], of so many bytes.
#[must_use]
pub fn message(qos: QoS, payload: usize) -> Message {
    Message::new(TopicName::from_static(TOPIC), vec![b'x'; payload]).with_qos(qos)
}

/// The five properties that a request with a deadline has: four of them fit into any encoder, one is a pair.
fn with_properties(message: Message) -> Message {
    message
        .with_payload_format_indicator(true)
        .with_message_expiry_interval(3600)
        .with_content_type(Text::from_static("application/json"))
        .with_correlation_data(&b"request7"[..])
        .with_user_property(Text::from_static("trace"), Text::from_static("0af7651916cd43dd"))
}

fn publish(message: Message) -> Packet {
    let packet_id = if message.qos == QoS::AtMostOnce { None } else { Some(ID) };
    Packet::Publish(Publish::new(message, packet_id))
}

/// With all that 3.1.1 has.
fn connect(version: Version) -> Connect {
    let will = Message::new(TopicName::from_static("factory/line-3/motor-17/gone"), "connection lost");
    Connect::new(version, Text::from_static("motor-17-of-line-3"))
        .with_will(Will::new(will.with_qos(QoS::AtLeastOnce)))
        .with_credentials(Text::from_static("line-3"), Some(Bytes::from_static(b"correct horse")))
}

fn connect_5() -> Connect {
    let mut connect = connect(Version::V5)
        .with_session_expiry_interval(3600)
        .with_receive_maximum(NonZeroU16::MAX)
        .with_maximum_packet_size(NonZeroU32::new(1 << 20).expect("it is not 0"))
        .with_topic_alias_maximum(16)
        .with_user_property(Text::from_static("firmware"), Text::from_static("4.11.0"));
    if let Some(will) = &mut connect.will {
        will.delay_interval = 5;
    }
    connect
}

/// 28 bytes.
pub const TOPIC: &str = "factory/line-3/motor-17/rpms";

const ID: PacketId = PacketId::new(0x1234).expect("it is not 0");
