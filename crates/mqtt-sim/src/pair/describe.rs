//! Packets and events in words, one line each, for tests that compare tables.

use bytes::Bytes;
use mqtt_proto::{
    AckPacket, ClientEvent, Closed, Delivery, Message, Packet, PacketId, Properties, PropertyValue, ReasonCode,
    ServerEvent, Version,
};

/// Something that has a line of its own in a log.
pub trait Describe {
    /// The line.
    fn describe(&self) -> String;
}

/// A packet as a log shows it: `PUBLISH id 1 QoS 1 dup 't' 'payload'`. Reason 0x00 and absent properties are left out.
#[must_use]
pub fn packet(packet: &Packet) -> String {
    match packet {
        Packet::Connect(connect) => {
            let version = match connect.version {
                Version::V31 => "3.1",
                Version::V311 => "3.1.1",
                Version::V5 => "5.0",
            };
            let mut line = format!("CONNECT {version} '{}' keep alive {}", connect.client_id, connect.keep_alive);
            if connect.clean_start {
                line.push_str(" clean");
            }
            if let Some(will) = &connect.will {
                line += &format!(" will ({}{})", message(&will.message), properties(will.message.properties()));
            }
            line + &properties(connect.properties())
        }
        Packet::ConnAck(connack) => {
            let present = if connack.session_present { " session present" } else { "" };
            format!("CONNACK{present}{}{}", reason(connack.reason), properties(connack.properties()))
        }
        Packet::Publish(publish) => {
            let mut line = String::from("PUBLISH");
            if let Some(id) = publish.packet_id {
                line += &format!(" id {id}");
            }
            line += &format!(" {}", publish.message.qos);
            if publish.dup {
                line.push_str(" dup");
            }
            if let Some(alias) = publish.topic_alias {
                line += &format!(" alias {alias}");
            }
            line + &format!(" {}{}", message(&publish.message), properties(publish.message.properties()))
        }
        Packet::PubAck(ack) => answer("PUBACK", ack),
        Packet::PubRec(ack) => answer("PUBREC", ack),
        Packet::PubRel(ack) => answer("PUBREL", ack),
        Packet::PubComp(ack) => answer("PUBCOMP", ack),
        Packet::Subscribe(subscribe) => {
            let filters = subscribe.subscriptions.iter().map(|it| format!(" '{}' {}", it.filter, it.qos));
            let filters: String = filters.collect();
            format!("SUBSCRIBE id {}{filters}{}", subscribe.packet_id, properties(subscribe.properties()))
        }
        Packet::SubAck(suback) => codes("SUBACK", suback.packet_id, &suback.reasons, suback.properties()),
        Packet::Unsubscribe(unsubscribe) => {
            let filters: String = unsubscribe.filters.iter().map(|filter| format!(" '{filter}'")).collect();
            format!("UNSUBSCRIBE id {}{filters}{}", unsubscribe.packet_id, properties(unsubscribe.properties()))
        }
        Packet::UnsubAck(unsuback) => codes("UNSUBACK", unsuback.packet_id, &unsuback.reasons, unsuback.properties()),
        Packet::PingReq => "PINGREQ".into(),
        Packet::PingResp => "PINGRESP".into(),
        Packet::Disconnect(disconnect) => {
            format!("DISCONNECT{}{}", reason(disconnect.reason), properties(disconnect.properties()))
        }
        Packet::Auth(auth) => format!("AUTH{}{}", reason(auth.reason), properties(auth.properties())),
    }
}

impl Describe for ClientEvent {
    fn describe(&self) -> String {
        match self {
            Self::Connected(connack) => format!("Connected{}", if connack.session_present { " present" } else { "" }),
            Self::Message(it) => delivery(it),
            Self::Acknowledged(it) => format!("Acknowledged {}{}", it.token, reason(it.reason)),
            Self::Unacknowledged { token, message: Some(it) } => format!("Unacknowledged {token} {}", message(it)),
            Self::Unacknowledged { token, message: None } => format!("Unacknowledged {token}, was received"),
            Self::Subscribed { token, suback } => format!("Subscribed {token}{}", all(&suback.reasons)),
            Self::Unsubscribed { token, unsuback } => format!("Unsubscribed {token}{}", all(&unsuback.reasons)),
            Self::Auth(auth) => format!("Auth{}", reason(auth.reason)),
            Self::Closed(closed) => closed.describe(),
        }
    }
}

impl Describe for ServerEvent {
    fn describe(&self) -> String {
        match self {
            Self::Connect(connect) => format!("Connect '{}'", connect.client_id),
            Self::Message(it) => delivery(it),
            Self::Acknowledged(it) => format!("Acknowledged {}{}", it.token, reason(it.reason)),
            Self::Subscribe(request) => format!("Subscribe to {}", request.subscribe.subscriptions.len()),
            Self::Unsubscribe(request) => format!("Unsubscribe from {}", request.unsubscribe.filters.len()),
            Self::Auth(auth) => format!("Auth{}", reason(auth.reason)),
            Self::Closed(closed) => closed.describe(),
        }
    }
}

impl Describe for Closed {
    fn describe(&self) -> String {
        match self {
            Self::Local => "Closed by us".into(),
            Self::Remote(disconnect) => format!("Closed by the peer{}", reason(disconnect.reason)),
            Self::Refused(connack) => format!("Closed: refused{}", reason(connack.reason)),
            Self::ProtocolError(error) => {
                let packet = error.packet().map_or("", |packet| packet.name());
                let (field, reason, statement) = (error.field(), error.reason().0, error.statement());
                format!("Closed: {packet} {field}, 0x{reason:02X}, {statement}")
            }
            Self::TimedOut(timer) => format!("Closed: timed out, {timer:?}"),
            Self::Eof => "Closed: end of transport".into(),
        }
    }
}

fn delivery(delivery: &Delivery) -> String {
    let dup = if delivery.dup { " dup" } else { "" };
    format!("Message {}{dup} {}", delivery.message.qos, message(&delivery.message))
}

fn message(message: &Message) -> String {
    let retain = if message.retain { "retain " } else { "" };
    format!("{retain}'{}' {}", message.topic, payload(&message.payload))
}

/// A long payload is told by its length.
fn payload(payload: &Bytes) -> String {
    match core::str::from_utf8(payload) {
        Ok(text) if text.len() <= 32 => format!("'{text}'"),
        Ok(_) | Err(_) => format!("{} bytes", payload.len()),
    }
}

fn answer(name: &str, ack: &AckPacket) -> String {
    format!("{name} id {}{}{}", ack.packet_id, reason(ack.reason), properties(ack.properties()))
}

fn codes(name: &str, id: PacketId, reasons: &[ReasonCode], it: &Properties) -> String {
    format!("{name} id {id}{}{}", all(reasons), properties(it))
}

fn all(reasons: &[ReasonCode]) -> String {
    reasons.iter().map(|reason| format!(" 0x{:02X}", reason.0)).collect()
}

fn reason(reason: ReasonCode) -> String {
    if reason == ReasonCode::SUCCESS { String::new() } else { format!(" 0x{:02X}", reason.0) }
}

fn properties(properties: &Properties) -> String {
    let one = |value: PropertyValue<'_>| match value {
        PropertyValue::Byte(byte) => byte.to_string(),
        PropertyValue::Number(number) => number.to_string(),
        PropertyValue::Text(text) => format!("'{text}'"),
        PropertyValue::Binary(bytes) => format!("{bytes:?}"),
        PropertyValue::Pair(name, value) => format!("'{name}={value}'"),
    };
    properties.iter().map(|(id, value)| format!(" {id:?} {}", one(value))).collect()
}
