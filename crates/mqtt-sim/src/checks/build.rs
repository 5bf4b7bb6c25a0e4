//! Packets that an application could build, chosen by a fuzzer's bytes. Some of them cannot be encoded in their version:
//! a law about packets must hold for those, too.

use std::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;
use mqtt_proto::{
    AckPacket, Auth, ConnAck, Connect, Disconnect, Message, Packet, PacketId, Publish, QoS, ReasonCode, RetainHandling,
    SubAck, Subscribe, Subscription, SubscriptionId, Text, TopicFilter, TopicName, UnsubAck, Unsubscribe, Version,
    Will,
};

use super::source::Source;

/// A packet of any kind.
pub(super) fn packet(source: &mut Source<'_>, version: Version) -> Packet {
    match source.below(15) {
        0 => Packet::Connect(Box::new(connect(source, version))),
        1 => Packet::ConnAck(connack(source, version)),
        2 => Packet::Publish(publish(source, version)),
        3 => Packet::PubAck(ack(source, version)),
        4 => Packet::PubRec(ack(source, version)),
        5 => Packet::PubRel(ack(source, version)),
        6 => Packet::PubComp(ack(source, version)),
        7 => Packet::Subscribe(subscribe(source, version)),
        8 => Packet::SubAck(suback(source, version)),
        9 => Packet::Unsubscribe(unsubscribe(source, version)),
        10 => Packet::UnsubAck(unsuback(source, version)),
        11 => Packet::PingReq,
        12 => Packet::PingResp,
        13 => Packet::Disconnect(disconnect(source, version)),
        _ => Packet::Auth(auth(source, version)),
    }
}

pub(super) fn connect(source: &mut Source<'_>, version: Version) -> Connect {
    let mut connect = Connect::new(version, text(source));
    connect.clean_start = source.flag();
    connect.keep_alive = source.u16();
    let choices = source.byte();
    connect.bridge = version == Version::V31 && choices & 1 != 0;
    if choices & 2 != 0 {
        let mut will = Will::new(message(source, version));
        if version == Version::V5 {
            will.delay_interval = source.u32();
        }
        connect = connect.with_will(will);
    }
    if choices & 4 != 0 {
        let password = source.flag().then(|| binary(source));
        connect = connect.with_credentials(text(source), password);
    }
    if version != Version::V5 {
        return connect;
    }
    let choices = source.byte();
    if choices & 1 != 0 {
        connect = connect.with_session_expiry_interval(source.u32());
    }
    if let (2, Some(maximum)) = (choices & 2, NonZeroU16::new(source.u16())) {
        connect = connect.with_receive_maximum(maximum);
    }
    if let (4, Some(maximum)) = (choices & 4, NonZeroU32::new(source.u32())) {
        connect = connect.with_maximum_packet_size(maximum);
    }
    if choices & 8 != 0 {
        connect = connect.with_topic_alias_maximum(source.u16());
    }
    if choices & 16 != 0 {
        connect = connect.with_request_response_information(source.flag());
    }
    if choices & 32 != 0 {
        connect = connect.with_request_problem_information(source.flag());
    }
    if choices & 64 != 0 {
        let data = source.flag().then(|| binary(source));
        connect = connect.with_authentication(text(source), data);
    }
    for _ in 0..user_properties(source, version) {
        connect = connect.with_user_property(text(source), text(source));
    }
    connect
}

pub(super) fn connack(source: &mut Source<'_>, version: Version) -> ConnAck {
    let mut connack = ConnAck::new(source.flag(), reason(source));
    if version != Version::V5 {
        return connack;
    }
    let choices = source.u16();
    let has = |bit: u16| choices >> bit & 1 != 0;
    if has(0) {
        connack = connack.with_session_expiry_interval(source.u32());
    }
    if let (true, Some(maximum)) = (has(1), NonZeroU16::new(source.u16())) {
        connack = connack.with_receive_maximum(maximum);
    }
    if let (true, Some(maximum)) = (has(2), NonZeroU32::new(source.u32())) {
        connack = connack.with_maximum_packet_size(maximum);
    }
    if has(3) {
        connack = connack.with_topic_alias_maximum(source.u16());
    }
    if has(4) {
        connack = connack.with_maximum_qos(source.qos());
    }
    if has(5) {
        connack = connack.with_retain_available(source.flag());
    }
    if has(6) {
        connack = connack.with_wildcard_subscription_available(source.flag());
    }
    if has(7) {
        connack = connack.with_subscription_identifier_available(source.flag());
    }
    if has(8) {
        connack = connack.with_shared_subscription_available(source.flag());
    }
    if has(9) {
        connack = connack.with_assigned_client_identifier(text(source));
    }
    if has(10) {
        connack = connack.with_server_keep_alive(source.u16());
    }
    if has(11) {
        connack = connack.with_response_information(text(source));
    }
    if has(12) {
        connack = connack.with_server_reference(text(source));
    }
    if has(13) {
        let data = source.flag().then(|| binary(source));
        connack = connack.with_authentication(text(source), data);
    }
    if has(14) {
        connack = connack.with_reason_string(text(source));
    }
    for _ in 0..user_properties(source, version) {
        connack = connack.with_user_property(text(source), text(source));
    }
    connack
}

pub(super) fn publish(source: &mut Source<'_>, version: Version) -> Publish {
    let message = message(source, version);
    let id = packet_id(source);
    let choice = source.byte();
    // An identifier where there must be one, or for once the other way round.
    let has_id = (message.qos != QoS::AtMostOnce) != (choice == 0xff);
    let mut publish = Publish::new(message, has_id.then_some(id));
    publish.dup = has_id && choice & 1 != 0;
    if version == Version::V5 {
        publish.topic_alias = NonZeroU16::new(source.below(4).into());
    }
    publish
}

pub(super) fn message(source: &mut Source<'_>, version: Version) -> Message {
    let topic = topic(source);
    let mut message = Message::new(topic, binary(source)).with_qos(source.qos()).with_retain(source.flag());
    if version != Version::V5 {
        return message;
    }
    let choices = source.byte();
    if choices & 1 != 0 {
        message = message.with_payload_format_indicator(source.flag());
    }
    if choices & 2 != 0 {
        message = message.with_message_expiry_interval(source.u32());
    }
    if choices & 4 != 0 {
        message = message.with_content_type(text(source));
    }
    if choices & 8 != 0 {
        message = message.with_response_topic(self::topic(source));
    }
    if choices & 16 != 0 {
        message = message.with_correlation_data(binary(source));
    }
    if let (32, Some(id)) = (choices & 32, SubscriptionId::new(source.u32() >> (source.byte() % 32))) {
        message = message.with_subscription_identifier(id);
    }
    for _ in 0..user_properties(source, version) {
        message = message.with_user_property(text(source), text(source));
    }
    message
}

pub(super) fn ack(source: &mut Source<'_>, version: Version) -> AckPacket {
    let mut ack = AckPacket::new(packet_id(source), reason(source));
    if version == Version::V5 && source.flag() {
        ack = ack.with_reason_string(text(source));
    }
    for _ in 0..user_properties(source, version) {
        ack = ack.with_user_property(text(source), text(source));
    }
    ack
}

pub(super) fn subscribe(source: &mut Source<'_>, version: Version) -> Subscribe {
    let mut subscriptions = Vec::new();
    for _ in 0..source.below(4) {
        let mut subscription = Subscription::new(filter(source), source.qos());
        if version == Version::V5 {
            let options = source.byte();
            subscription.no_local = options & 1 != 0;
            subscription.retain_as_published = options & 2 != 0;
            subscription.retain_handling = RetainHandling::new(options >> 2 & 3).unwrap_or_default();
        }
        subscriptions.push(subscription);
    }
    let mut subscribe = Subscribe::new(subscriptions);
    subscribe.packet_id = packet_id(source);
    if let (Version::V5, Some(id)) = (version, SubscriptionId::new(source.u16().into())) {
        subscribe = subscribe.with_subscription_identifier(id);
    }
    for _ in 0..user_properties(source, version) {
        subscribe = subscribe.with_user_property(text(source), text(source));
    }
    subscribe
}

pub(super) fn unsubscribe(source: &mut Source<'_>, version: Version) -> Unsubscribe {
    let mut unsubscribe = Unsubscribe::new((0..source.below(4)).map(|_| filter(source)).collect());
    unsubscribe.packet_id = packet_id(source);
    for _ in 0..user_properties(source, version) {
        unsubscribe = unsubscribe.with_user_property(text(source), text(source));
    }
    unsubscribe
}

fn suback(source: &mut Source<'_>, version: Version) -> SubAck {
    let mut suback = SubAck::new(packet_id(source), reasons(source));
    if version == Version::V5 && source.flag() {
        suback = suback.with_reason_string(text(source));
    }
    for _ in 0..user_properties(source, version) {
        suback = suback.with_user_property(text(source), text(source));
    }
    suback
}

fn unsuback(source: &mut Source<'_>, version: Version) -> UnsubAck {
    let mut unsuback = UnsubAck::new(packet_id(source), reasons(source));
    if version == Version::V5 && source.flag() {
        unsuback = unsuback.with_reason_string(text(source));
    }
    for _ in 0..user_properties(source, version) {
        unsuback = unsuback.with_user_property(text(source), text(source));
    }
    unsuback
}

pub(super) fn disconnect(source: &mut Source<'_>, version: Version) -> Disconnect {
    let mut disconnect = Disconnect::new(reason(source));
    let choices = if version == Version::V5 { source.byte() } else { 0 };
    if choices & 1 != 0 {
        disconnect = disconnect.with_session_expiry_interval(source.u32());
    }
    if choices & 2 != 0 {
        disconnect = disconnect.with_server_reference(text(source));
    }
    if choices & 4 != 0 {
        disconnect = disconnect.with_reason_string(text(source));
    }
    for _ in 0..user_properties(source, version) {
        disconnect = disconnect.with_user_property(text(source), text(source));
    }
    disconnect
}

pub(super) fn auth(source: &mut Source<'_>, version: Version) -> Auth {
    let mut auth = Auth::new(reason(source));
    let choices = source.byte();
    if choices & 1 != 0 {
        auth = auth.with_authentication(text(source), (choices & 2 != 0).then(|| binary(source)));
    }
    if choices & 4 != 0 {
        auth = auth.with_reason_string(text(source));
    }
    for _ in 0..user_properties(source, version) {
        auth = auth.with_user_property(text(source), text(source));
    }
    auth
}

/// Small ones, so that they meet; now and then any.
pub(super) fn packet_id(source: &mut Source<'_>) -> PacketId {
    let number = source.byte();
    let number = if number < 0xf0 { u16::from(number % 8) } else { source.u16() };
    PacketId::new(number).unwrap_or(PacketId::MIN)
}

pub(super) fn reason(source: &mut Source<'_>) -> ReasonCode {
    let byte = source.byte();
    ReasonCode(if byte < 0x80 { 0 } else { source.byte() })
}

fn reasons(source: &mut Source<'_>) -> Vec<ReasonCode> {
    (0..source.below(4)).map(|_| ReasonCode(source.byte())).collect()
}

fn user_properties(source: &mut Source<'_>, version: Version) -> u8 {
    if version == Version::V5 && source.byte() >= 0xc0 { source.up_to(3) } else { 0 }
}

/// Up to 15 bytes of the input, or a length at which a length field of the wire grows.
pub(super) fn binary(source: &mut Source<'_>) -> Bytes {
    match length(source) {
        Length::Long(len) => Bytes::from(vec![source.byte(); len]),
        Length::Short(len) => Bytes::copy_from_slice(source.bytes(len)),
    }
}

/// Text made of what [`binary`] makes: what is not UTF-8 in it is replaced. Long ones repeat a
/// letter, and may end with one of two bytes.
pub(super) fn text(source: &mut Source<'_>) -> Text {
    let text = match length(source) {
        Length::Long(len) => match source.byte() {
            byte @ 1..0x80 => char::from(byte).to_string().repeat(len),
            _ => "a".repeat(len.saturating_sub(2)) + "\u{e9}",
        },
        Length::Short(len) => String::from_utf8_lossy(source.bytes(len)).replace('\0', "0"),
    };
    Text::try_from(text).expect("at most 65,535 bytes, none of them zero")
}

enum Length {
    Short(usize),
    Long(usize),
}

fn length(source: &mut Source<'_>) -> Length {
    let len = source.byte();
    match BOUNDARIES.get(usize::from(len).wrapping_sub(0xf0)) {
        Some(&len) => Length::Long(source.afford(len)),
        None => Length::Short(usize::from(len & 15)),
    }
}

pub(super) fn topic(source: &mut Source<'_>) -> TopicName {
    match source.below(8) {
        0 => TopicName::from_static("a"),
        1 => TopicName::from_static("a/b"),
        2 => TopicName::from_static("longer/than/an/alias"),
        3 => TopicName::from_static("$SYS/x"),
        _ => {
            let text = text(source);
            let name = text.as_bytes().iter().map(|byte| if b"+#".contains(byte) { b'/' } else { *byte });
            TopicName::new(name.collect::<Bytes>()).unwrap_or_else(|_| TopicName::from_static("/"))
        }
    }
}

pub(super) fn filter(source: &mut Source<'_>) -> TopicFilter {
    match source.below(8) {
        0 => TopicFilter::from_static("#"),
        1 => TopicFilter::from_static("a/+"),
        2 => TopicFilter::from_static("$share/g/a/#"),
        3 => TopicFilter::from_static("a"),
        _ => TopicFilter::try_from(text(source)).unwrap_or_else(|_| TopicFilter::from_static("+/+")),
    }
}

/// For the last 16 values of a length: around 127 bytes the Remaining Length takes a second byte, around 16,383 a third;
/// around 512 a payload is no longer copied; 65,535 is the longest text, and not the last here: fuzzers are fond of 0xff.
const BOUNDARIES: [usize; 16] = [65_535, 23, 24, 121, 122, 123, 124, 125, 126, 127, 128, 129, 511, 512, 16_380, 22];
