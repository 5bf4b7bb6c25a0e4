//! Properties against a second reading of the standard's table 2-4.

use mqtt_proto::{Message, Packet, Properties, PropertyId, PropertyValue, Version};

use super::codec::{decode_frame, frame};
use super::source::Source;
use super::{display, format};

/// Puts the input, as a property section, into each place where properties may stand. The laws: a naive reader comes to
/// the same verdict, and finds the same values in the same order; typed accessors agree with them; nothing panics.
pub fn properties(input: &[u8]) {
    let mut source = Source::new(input);
    let place = source.pick(&PLACES);
    let section = if source.flag() { spell(&mut source) } else { source.rest().to_vec() };
    let whole = host(place, &section);
    decode_frame(Version::V5, &whole);

    let decoded = Packet::<&[u8]>::decode(Version::V5, &whole);
    let naive = read_all(place, &section);
    if let Err(error) = &decoded {
        display(error);
    }
    let (Ok(packet), Some(naive)) = (&decoded, &naive) else {
        assert_eq!(decoded.is_ok(), naive.is_some(), "in {}: {decoded:?}, naively {naive:?}", place.name);
        return;
    };
    let (found, apart) = found(packet);
    let apart_naively = naive.iter().find_map(|(id, value)| match (id, value) {
        (24 | 35, Value::Number(number)) => Some(*number),
        _ => None,
    });
    assert_eq!(apart, apart_naively.unwrap_or(0), "what is a field of its own");
    let rest: Vec<_> = naive.iter().filter(|(id, _)| ![24, 35].contains(id)).collect();
    assert_eq!(found.iter().count(), rest.len());
    for ((id, value), (naive_id, naive_value)) in found.iter().zip(rest) {
        assert_eq!((id as u8, value), (*naive_id, naive_value.seen()));
        assert_eq!(PropertyId::new(id as u32), Some(id));
        assert!(!id.name().is_empty() && found.contains(id));
    }
    assert_eq!(found.is_empty(), found.iter().next().is_none());
    accessors_agree(found);
}

/// Properties drawn from the table, most of them legal, with lengths that fit.
fn spell(source: &mut Source<'_>) -> Vec<u8> {
    let mut section = Vec::new();
    while !source.is_empty() {
        let (id, kind, _, _) = source.pick(&TABLE);
        section.push(id);
        match kind {
            Kind::Bool => section.push(source.below(3)),
            Kind::Two | Kind::TwoNonZero => section.extend(source.u16().to_be_bytes()),
            Kind::Four | Kind::FourNonZero => section.extend(source.u32().to_be_bytes()),
            Kind::Varint => {
                let len = usize::from(source.up_to(5));
                section.extend(source.bytes(len));
            }
            Kind::Text | Kind::Topic | Kind::Binary => spell_section(source, &mut section),
            Kind::Pair => (0..2).for_each(|_| spell_section(source, &mut section)),
        }
    }
    section
}

fn spell_section(source: &mut Source<'_>, section: &mut Vec<u8>) {
    let len = usize::from(source.below(6));
    let bytes = source.bytes(len);
    section.extend((bytes.len() as u16).to_be_bytes());
    section.extend(bytes);
}

/// A packet that is legal but for its properties, perhaps.
fn host(place: Place, section: &[u8]) -> Vec<u8> {
    let mut body = place.before.to_vec();
    // As long as it takes, like any other length.
    body.extend(&frame(0, section)[1..]);
    body.extend(place.after);
    frame(place.first_byte, &body)
}

/// The properties of the packet, or of its will, and the one that is a field of its own.
fn found<'p>(packet: &'p Packet<&'p [u8]>) -> (&'p Properties<&'p [u8]>, u32) {
    match packet {
        Packet::Connect(connect) => match &connect.will {
            Some(will) => (will.message.properties(), will.delay_interval),
            None => (connect.properties(), 0),
        },
        Packet::ConnAck(packet) => (packet.properties(), 0),
        Packet::Publish(publish) => {
            (Message::properties(&publish.message), publish.topic_alias.map_or(0, |alias| alias.get().into()))
        }
        Packet::PubAck(packet) | Packet::PubRec(packet) | Packet::PubRel(packet) | Packet::PubComp(packet) => {
            (packet.properties(), 0)
        }
        Packet::Subscribe(packet) => (packet.properties(), 0),
        Packet::SubAck(packet) => (packet.properties(), 0),
        Packet::Unsubscribe(packet) => (packet.properties(), 0),
        Packet::UnsubAck(packet) => (packet.properties(), 0),
        Packet::Disconnect(packet) => (packet.properties(), 0),
        Packet::Auth(packet) => (packet.properties(), 0),
        Packet::PingReq | Packet::PingResp => panic!("PING has no properties"),
    }
}

fn accessors_agree(found: &Properties<&[u8]>) {
    let value = |wanted: PropertyId| found.iter().find(|(id, _)| *id == wanted).map(|(_, value)| value);
    let text = |wanted| match value(wanted) {
        Some(PropertyValue::Text(text)) => Some(text),
        _ => None,
    };
    let binary = |wanted| match value(wanted) {
        Some(PropertyValue::Binary(bytes)) => Some(bytes),
        _ => None,
    };
    let number = |wanted| match value(wanted) {
        Some(PropertyValue::Number(number)) => Some(number),
        Some(PropertyValue::Byte(byte)) => Some(u32::from(byte)),
        _ => None,
    };
    let bit = |wanted| number(wanted).map(|number| number == 1);
    use PropertyId as Id;
    assert_eq!(found.payload_format_indicator().map(u32::from), number(Id::PayloadFormatIndicator));
    assert_eq!(found.message_expiry_interval(), number(Id::MessageExpiryInterval));
    assert_eq!(found.content_type(), text(Id::ContentType));
    assert_eq!(found.response_topic(), text(Id::ResponseTopic));
    assert_eq!(found.correlation_data(), binary(Id::CorrelationData));
    assert_eq!(found.session_expiry_interval(), number(Id::SessionExpiryInterval));
    assert_eq!(found.assigned_client_identifier(), text(Id::AssignedClientIdentifier));
    assert_eq!(found.server_keep_alive().map(u32::from), number(Id::ServerKeepAlive));
    assert_eq!(found.authentication_method(), text(Id::AuthenticationMethod));
    assert_eq!(found.authentication_data(), binary(Id::AuthenticationData));
    assert_eq!(found.request_problem_information(), bit(Id::RequestProblemInformation));
    assert_eq!(found.request_response_information(), bit(Id::RequestResponseInformation));
    assert_eq!(found.response_information(), text(Id::ResponseInformation));
    assert_eq!(found.server_reference(), text(Id::ServerReference));
    assert_eq!(found.reason_string(), text(Id::ReasonString));
    assert_eq!(found.receive_maximum().map(|maximum| maximum.get().into()), number(Id::ReceiveMaximum));
    assert_eq!(found.topic_alias_maximum().map(u32::from), number(Id::TopicAliasMaximum));
    assert_eq!(found.maximum_qos().map(|qos| qos as u32), number(Id::MaximumQoS));
    assert_eq!(found.retain_available(), bit(Id::RetainAvailable));
    assert_eq!(found.maximum_packet_size().map(|maximum| maximum.get()), number(Id::MaximumPacketSize));
    assert_eq!(found.wildcard_subscription_available(), bit(Id::WildcardSubscriptionAvailable));
    assert_eq!(found.subscription_identifier_available(), bit(Id::SubscriptionIdentifierAvailable));
    assert_eq!(found.shared_subscription_available(), bit(Id::SharedSubscriptionAvailable));
    let pairs = found.user_properties().map(|(name, value)| PropertyValue::Pair(name, value));
    assert!(pairs.eq(found.iter().filter(|(id, _)| *id == Id::UserProperty).map(|(_, value)| value)));
    let ids = found.subscription_identifiers().map(|id| PropertyValue::Number(id.get()));
    assert!(ids.eq(found.iter().filter(|(id, _)| *id == Id::SubscriptionIdentifier).map(|(_, value)| value)));
    assert_eq!(&found.to_shared().iter().collect::<Vec<_>>(), &found.iter().collect::<Vec<_>>());
    format(found);
}

#[derive(Debug)]
enum Value<'a> {
    Byte(u8),
    Number(u32),
    Text(&'a str),
    Binary(&'a [u8]),
    Pair(&'a str, &'a str),
}

impl<'a> Value<'a> {
    fn seen(&self) -> PropertyValue<'a> {
        match *self {
            Self::Byte(byte) => PropertyValue::Byte(byte),
            Self::Number(number) => PropertyValue::Number(number),
            Self::Text(text) => PropertyValue::Text(text),
            Self::Binary(bytes) => PropertyValue::Binary(bytes),
            Self::Pair(name, value) => PropertyValue::Pair(name, value),
        }
    }
}

/// All properties, or `None` where one is broken, misplaced or repeated.
fn read_all(place: Place, mut section: &[u8]) -> Option<Vec<(u8, Value<'_>)>> {
    let mut all: Vec<(u8, Value<'_>)> = Vec::new();
    while !section.is_empty() {
        let id = u8::try_from(varint(&mut section)?).ok()?;
        let (_, kind, places, repeats) = *TABLE.iter().find(|row| row.0 == id)?;
        let is_repeated = all.iter().any(|(known, _)| *known == id);
        if !places.contains(place.letter) || (is_repeated && !repeats.contains(place.letter)) {
            return None;
        }
        all.push((id, read(kind, &mut section)?));
    }
    let has = |id| all.iter().any(|(known, _)| *known == id);
    // Data needs its method, and so does AUTH.
    let needs_method = has(22) || place.letter == 'x';
    (!needs_method || has(21)).then_some(all)
}

fn read<'a>(kind: Kind, section: &mut &'a [u8]) -> Option<Value<'a>> {
    Some(match kind {
        Kind::Bool => Value::Byte(Some(take(section, 1)?[0]).filter(|byte| *byte < 2)?),
        Kind::Two => Value::Number(number(take(section, 2)?)),
        Kind::TwoNonZero => Value::Number(Some(number(take(section, 2)?)).filter(|number| *number > 0)?),
        Kind::Four => Value::Number(number(take(section, 4)?)),
        Kind::FourNonZero => Value::Number(Some(number(take(section, 4)?)).filter(|number| *number > 0)?),
        Kind::Varint => Value::Number(varint(section).filter(|number| *number > 0)?),
        Kind::Text => Value::Text(text(section)?),
        Kind::Topic => Value::Text(text(section).filter(|text| !text.is_empty() && !text.contains(['+', '#']))?),
        Kind::Binary => Value::Binary(sized(section)?),
        Kind::Pair => Value::Pair(text(section)?, text(section)?),
    })
}

fn take<'a>(section: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = section.split_at_checked(len)?;
    *section = rest;
    Some(taken)
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// At most four bytes, and no more than it needs (MQTT-1.5.5-1).
fn varint(section: &mut &[u8]) -> Option<u32> {
    let mut number = 0;
    for shift in [0, 7, 14, 21] {
        let byte = take(section, 1)?[0];
        number |= u32::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return (byte > 0 || shift == 0).then_some(number);
        }
    }
    None
}

fn sized<'a>(section: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = number(take(section, 2)?) as usize;
    take(section, len)
}

fn text<'a>(section: &mut &'a [u8]) -> Option<&'a str> {
    std::str::from_utf8(sized(section)?).ok().filter(|text| !text.contains('\0'))
}

#[derive(Clone, Copy)]
enum Kind {
    Bool,
    Two,
    TwoNonZero,
    Four,
    FourNonZero,
    Varint,
    Text,
    Topic,
    Binary,
    Pair,
}

/// Identifier, what it is, and by their letters the places where it may stand, and where more than once.
const TABLE: [(u8, Kind, &str, &str); 27] = [
    (1, Kind::Bool, "pw", ""),
    (2, Kind::Four, "pw", ""),
    (3, Kind::Text, "pw", ""),
    (8, Kind::Topic, "pw", ""),
    (9, Kind::Binary, "pw", ""),
    (11, Kind::Varint, "ps", "p"),
    (17, Kind::Four, "cCd", ""),
    (18, Kind::Text, "C", ""),
    (19, Kind::Two, "C", ""),
    (21, Kind::Text, "cCx", ""),
    (22, Kind::Binary, "cCx", ""),
    (23, Kind::Bool, "c", ""),
    (24, Kind::Four, "w", ""),
    (25, Kind::Bool, "c", ""),
    (26, Kind::Text, "C", ""),
    (28, Kind::Text, "Cd", ""),
    (31, Kind::Text, "CarlmSUdx", ""),
    (33, Kind::TwoNonZero, "cC", ""),
    (34, Kind::Two, "cC", ""),
    (35, Kind::TwoNonZero, "p", ""),
    (36, Kind::Bool, "C", ""),
    (37, Kind::Bool, "C", ""),
    (38, Kind::Pair, "cCpwarlmsSuUdx", "cCpwarlmsSuUdx"),
    (39, Kind::FourNonZero, "cC", ""),
    (40, Kind::Bool, "C", ""),
    (41, Kind::Bool, "C", ""),
    (42, Kind::Bool, "C", ""),
];

/// A packet with room for a property section.
#[derive(Clone, Copy)]
struct Place {
    letter: char,
    name: &'static str,
    first_byte: u8,
    before: &'static [u8],
    after: &'static [u8],
}

const fn place(letter: char, name: &'static str, first_byte: u8, before: &'static [u8], after: &'static [u8]) -> Place {
    Place { letter, name, first_byte, before, after }
}

const PLACES: [Place; 14] = [
    place('c', "CONNECT", 0x10, b"\0\x04MQTT\x05\x02\0\0", b"\0\0"),
    place('w', "will", 0x10, b"\0\x04MQTT\x05\x06\0\0\0\0\0", b"\0\x01t\0\0"),
    place('C', "CONNACK", 0x20, b"\0\0", b""),
    place('p', "PUBLISH", 0x30, b"\0\x01t", b"payload"),
    place('a', "PUBACK", 0x40, b"\0\x01\0", b""),
    place('r', "PUBREC", 0x50, b"\0\x01\0", b""),
    place('l', "PUBREL", 0x62, b"\0\x01\0", b""),
    place('m', "PUBCOMP", 0x70, b"\0\x01\0", b""),
    place('s', "SUBSCRIBE", 0x82, b"\0\x01", b"\0\x01t\0"),
    place('S', "SUBACK", 0x90, b"\0\x01", b"\0"),
    place('u', "UNSUBSCRIBE", 0xa2, b"\0\x01", b"\0\x01t"),
    place('U', "UNSUBACK", 0xb0, b"\0\x01", b"\0"),
    place('d', "DISCONNECT", 0xe0, b"\0", b""),
    place('x', "AUTH", 0xf0, b"\x18", b""),
];
