//! Random packets: every kind, property and reason code, and lengths where their encoding changes, in every version.

use std::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;
use mqtt_proto::{
    AckPacket, Auth, ConnAck, Connect, Disconnect, Message, Packet, PacketId, Publish, QoS, ReasonCode, RetainHandling,
    SubAck, Subscribe, Subscription, SubscriptionId, Text, TopicFilter, TopicName, UnsubAck, Unsubscribe, Version,
    Will,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

use crate::reasons;
use crate::util::{VERSIONS, accept, edited, hex};

/// Where a byte more of something takes a byte more of its length, or is too much.
pub(crate) const LENGTHS: [usize; 10] = [0, 1, 127, 128, 255, 256, 16_383, 16_384, 65_534, 65_535];

/// The ends of what one to three bytes of a variable byte integer say.
pub(crate) const VARINTS: [u32; 8] = [1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455];

/// The return codes of CONNACK in 3.1 and 3.1.1, as 5.0 says them.
pub(crate) const RETURN_CODES: [u8; 6] = [0, 0x84, 0x85, 0x88, 0x86, 0x87];

pub(crate) fn packet() -> impl Strategy<Value = (Version, Packet)> {
    select(&VERSIONS[..]).prop_flat_map(|version| {
        let packets = prop_oneof![
            6 => publish(version),
            1 => publish_of_length(version),
            6 => connect(version),
            3 => subscribe(version),
            9 => if version == Version::V5 { answer_of_5(version).boxed() } else { answer_of_3(version).boxed() },
        ];
        (Just(version), packets)
    })
}

fn length() -> impl Strategy<Value = usize> {
    select(&LENGTHS[..])
}

fn text() -> impl Strategy<Value = Text> {
    prop_oneof![
        5 => "[^\0]{0,12}",
        1 => length().prop_map(|length| "x".repeat(length)),
    ]
    .prop_map(|text| Text::try_from(text).unwrap())
}

/// D31-utf8: fewer characters.
fn topic_length(version: Version) -> impl Strategy<Value = usize> {
    let max = if version == Version::V31 { 32_767 } else { 65_535 };
    length().prop_map(move |length| length.clamp(1, max))
}

fn topic(version: Version) -> impl Strategy<Value = TopicName> {
    prop_oneof![
        3 => "[^\0+#]{1,20}",
        1 => topic_length(version).prop_map(|length| "t".repeat(length)),
    ]
    .prop_map(|topic| TopicName::try_from(topic).unwrap())
}

fn filter(version: Version) -> impl Strategy<Value = TopicFilter> {
    prop_oneof![
        3 => "(\\$share/[a-z]{1,3}/)?([a-z\u{e9}]{0,3}/|\\+/){0,3}(#|\\+|[a-z]{1,4})",
        1 => topic_length(version).prop_map(|length| "f".repeat(length)),
    ]
    .prop_map(|filter| TopicFilter::try_from(filter).unwrap())
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        3 => vec(any::<u8>(), 0..300),
        1 => (length(), any::<u8>()).prop_map(|(length, byte)| vec![byte; length]),
    ]
    .prop_map(Bytes::from)
}

fn qos() -> impl Strategy<Value = QoS> {
    select(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][..])
}

fn u16s() -> impl Strategy<Value = u16> {
    prop_oneof![any::<u16>(), select(vec![0, 1, 255, 256, u16::MAX])]
}

fn u32s() -> impl Strategy<Value = u32> {
    prop_oneof![any::<u32>(), select(vec![0, 1, u32::MAX])]
}

fn packet_id() -> impl Strategy<Value = PacketId> {
    u16s().prop_map(|number| PacketId::new(number.max(1)).unwrap())
}

fn subscription_id() -> impl Strategy<Value = SubscriptionId> {
    prop_oneof![1..=268_435_455_u32, select(&VARINTS[..])].prop_map(|number| SubscriptionId::new(number).unwrap())
}

/// One of the codes, which are given in hexadecimal.
fn reason(codes: &'static str) -> impl Strategy<Value = ReasonCode> {
    select(hex(codes)).prop_map(ReasonCode)
}

fn pairs() -> impl Strategy<Value = Vec<(Text, Text)>> {
    vec((text(), text()), 0..3)
}

/// Applies what is there to a packet, and user properties in 5.0 alone.
macro_rules! with {
    ($packet:expr, $($value:ident => $method:ident),* ; $pairs:ident) => {{
        let mut packet = $packet;
        $(if let Some(value) = $value { packet = packet.$method(value); })*
        for (name, value) in $pairs { packet = packet.with_user_property(name, value); }
        packet
    }};
}

fn message(version: Version) -> BoxedStrategy<Message> {
    let plain = (topic(version), bytes(), qos(), any::<bool>())
        .prop_map(|(topic, payload, qos, retain)| Message::new(topic, payload).with_qos(qos).with_retain(retain));
    if version != Version::V5 {
        return plain.boxed();
    }
    let properties = (
        option::of(any::<bool>()),
        option::of(u32s()),
        option::of(text()),
        option::of(topic(version)),
        option::of(bytes()),
        pairs(),
    );
    (plain, properties)
        .prop_map(|(message, (format, expiry, content, response, correlation, pairs))| {
            with!(message,
                format => with_payload_format_indicator,
                expiry => with_message_expiry_interval,
                content => with_content_type,
                response => with_response_topic,
                correlation => with_correlation_data;
                pairs)
        })
        .boxed()
}

fn publish(version: Version) -> impl Strategy<Value = Packet> {
    let (alias, ids) = if version == Version::V5 {
        (option::of((u16s(), any::<bool>())).boxed(), vec(subscription_id(), 0..4).boxed())
    } else {
        (Just(None).boxed(), Just(Vec::new()).boxed())
    };
    (message(version), any::<bool>(), packet_id(), alias, ids).prop_map(|(message, dup, id, alias, ids)| {
        let mut message = ids.into_iter().fold(message, Message::with_subscription_identifier);
        if let Some((_, true)) = alias {
            message.topic = no_topic();
        }
        let packet_id = (message.qos != QoS::AtMostOnce).then_some(id);
        let topic_alias = alias.and_then(|(alias, _)| NonZeroU16::new(alias.max(1)));
        Packet::Publish(Publish { dup: dup && packet_id.is_some(), topic_alias, ..Publish::new(message, packet_id) })
    })
}

/// What stands in a PUBLISH whose topic is left to its alias: it comes from nowhere else.
fn no_topic() -> TopicName {
    match accept(Version::V5, hex("30 06 0000 03 23 0001")) {
        Packet::Publish(publish) => publish.message.topic,
        other => panic!("{other:?}"),
    }
}

/// A PUBLISH whose Remaining Length, or Property Length, lies where it takes another byte.
fn publish_of_length(version: Version) -> impl Strategy<Value = Packet> {
    let is_v5 = version == Version::V5;
    (select(&VARINTS[1..7]), any::<bool>(), packet_id()).prop_map(move |(wanted, of_properties, id)| {
        let message = Message::new(TopicName::from_static("t"), "").with_qos(QoS::AtLeastOnce);
        let mut publish = Publish::new(message, Some(id));
        if of_properties && is_v5 {
            // A user property of two strings takes five bytes and theirs.
            let mut left = wanted as usize;
            while left > 0 {
                let taken = if left > 70_000 { 60_000 } else { left.min(65_000) };
                let taken = if (1..5).contains(&(left - taken)) { taken - 5 } else { taken };
                let value = Text::try_from("v".repeat(taken - 5)).unwrap();
                publish.message = publish.message.with_user_property(Text::default(), value);
                left -= taken;
            }
            return Packet::Publish(publish);
        }
        // Two bytes of the topic's length, its letter, the packet identifier, and in 5.0 that there are no properties.
        publish.message.payload = vec![b'p'; wanted as usize - 5 - usize::from(is_v5)].into();
        Packet::Publish(publish)
    })
}

fn connect(version: Version) -> impl Strategy<Value = Packet> {
    let is_v5 = version == Version::V5;
    let delay = if is_v5 { u32s().boxed() } else { Just(0).boxed() };
    let will = (message(version), delay).prop_map(|(message, delay_interval)| Will { message, delay_interval });
    let client_id = if version == Version::V31 {
        "[^\0]{1,23}".boxed()
    } else {
        prop_oneof![3 => "[^\0]{1,23}", 1 => length().prop_map(|length| "c".repeat(length.max(1)))].boxed()
    };
    let fields = (client_id, any::<bool>(), u16s(), option::of(will), option::of(text()), option::of(bytes()));
    let properties = (
        option::of(u32s()),
        option::of(u16s()),
        option::of(u32s()),
        option::of(u16s()),
        option::of(any::<bool>()),
        option::of(any::<bool>()),
        option::of((text(), option::of(bytes()))),
        pairs(),
    );
    (fields, properties, any::<bool>()).prop_map(move |(fields, properties, bridge)| {
        let (client_id, clean_start, keep_alive, will, username, password) = fields;
        let client_id = Text::try_from(client_id).unwrap();
        let password = password.filter(|_| is_v5 || username.is_some());
        let plain = Connect::new(version, client_id).with_clean_start(clean_start).with_keep_alive(keep_alive);
        let connect = edited(plain, |connect| {
            connect.will = will;
            connect.username = username;
            connect.password = password;
            connect.bridge = bridge && version == Version::V31;
        });
        if !is_v5 {
            return Packet::Connect(Box::new(connect));
        }
        let (expiry, receive, size, aliases, problem, response, authentication, pairs) = properties;
        let receive = receive.and_then(NonZeroU16::new);
        let size = size.and_then(NonZeroU32::new);
        let connect = with!(connect,
            expiry => with_session_expiry_interval,
            receive => with_receive_maximum,
            size => with_maximum_packet_size,
            aliases => with_topic_alias_maximum,
            problem => with_request_problem_information,
            response => with_request_response_information;
            pairs);
        Packet::Connect(Box::new(match authentication {
            Some((method, data)) => connect.with_authentication(method, data),
            None => connect,
        }))
    })
}

fn subscribe(version: Version) -> impl Strategy<Value = Packet> {
    let handling = select(&[RetainHandling::Send, RetainHandling::SendIfNew, RetainHandling::DoNotSend][..]);
    let subscription =
        (filter(version), qos(), any::<[bool; 2]>(), handling).prop_map(move |(filter, qos, flags, handling)| {
            if version != Version::V5 {
                return Subscription::new(filter, qos);
            }
            let no_local = flags[0] && !filter.is_shared();
            let retain_as_published = flags[1];
            Subscription { filter, qos, no_local, retain_as_published, retain_handling: handling }
        });
    let id = if version == Version::V5 { option::of(subscription_id()).boxed() } else { Just(None).boxed() };
    let pairs = if version == Version::V5 { pairs().boxed() } else { Just(Vec::new()).boxed() };
    (packet_id(), vec(subscription, 1..4), id, pairs).prop_map(|(packet_id, subscriptions, id, pairs)| {
        let packet = with!(Subscribe::new(subscriptions), id => with_subscription_identifier; pairs);
        Packet::Subscribe(packet.with_packet_id(packet_id))
    })
}

/// What else there is in 3.1 and 3.1.1.
fn answer_of_3(version: Version) -> impl Strategy<Value = Packet> {
    let granted = if version == Version::V31 { "00 01 02" } else { "00 01 02 80" };
    let return_code = select(&RETURN_CODES[..]).prop_map(ReasonCode);
    let session_present = any::<bool>().prop_map(move |present| present && version == Version::V311);
    let ack = || packet_id().prop_map(|id| AckPacket::new(id, ReasonCode::SUCCESS));
    prop_oneof![
        (return_code, session_present)
            .prop_map(|(reason, present)| Packet::ConnAck(ConnAck::new(present && !reason.is_failure(), reason))),
        ack().prop_map(Packet::PubAck),
        ack().prop_map(Packet::PubRec),
        ack().prop_map(Packet::PubRel),
        ack().prop_map(Packet::PubComp),
        (packet_id(), vec(reason(granted), 1..9)).prop_map(|(id, codes)| Packet::SubAck(SubAck::new(id, codes))),
        packet_id().prop_map(|id| Packet::UnsubAck(UnsubAck::new(id, Vec::new()))),
        (packet_id(), vec(filter(version), 1..4))
            .prop_map(|(id, filters)| Packet::Unsubscribe(Unsubscribe::new(filters).with_packet_id(id))),
        select(vec![Packet::PingReq, Packet::PingResp, Packet::Disconnect(Disconnect::new(ReasonCode::SUCCESS))]),
    ]
}

/// What else there is in 5.0.
fn answer_of_5(version: Version) -> impl Strategy<Value = Packet> {
    let ack = |codes| {
        (packet_id(), reason(codes), option::of(text()), pairs()).prop_map(
            |(id, reason, words, pairs)| with!(AckPacket::new(id, reason), words => with_reason_string; pairs),
        )
    };
    let codes = |codes| (packet_id(), vec(reason(codes), 1..9), option::of(text()), pairs());
    let leave = (reason(reasons::DISCONNECT), option::of(u32s()), option::of(text()), option::of(text()), pairs());
    let auth = (reason(reasons::AUTH), text(), option::of(bytes()), option::of(text()), pairs());
    prop_oneof![
        4 => connack(),
        1 => ack(reasons::PUBACK).prop_map(Packet::PubAck),
        1 => ack(reasons::PUBACK).prop_map(Packet::PubRec),
        1 => ack(reasons::PUBREL).prop_map(Packet::PubRel),
        1 => ack(reasons::PUBREL).prop_map(Packet::PubComp),
        1 => codes(reasons::SUBACK).prop_map(|(id, codes, words, pairs)| {
            Packet::SubAck(with!(SubAck::new(id, codes), words => with_reason_string; pairs))
        }),
        1 => codes(reasons::UNSUBACK).prop_map(|(id, codes, words, pairs)| {
            Packet::UnsubAck(with!(UnsubAck::new(id, codes), words => with_reason_string; pairs))
        }),
        1 => (packet_id(), vec(filter(version), 1..4), pairs()).prop_map(|(packet_id, filters, pairs)| {
            let packet = with!(Unsubscribe::new(filters), ; pairs);
            Packet::Unsubscribe(packet.with_packet_id(packet_id))
        }),
        2 => leave.prop_map(|(reason, expiry, server, words, pairs)| {
            Packet::Disconnect(with!(Disconnect::new(reason),
                expiry => with_session_expiry_interval,
                server => with_server_reference,
                words => with_reason_string;
                pairs))
        }),
        1 => auth.prop_map(|(reason, method, data, words, pairs)| {
            let packet = Auth::new(reason).with_authentication(method, data);
            Packet::Auth(with!(packet, words => with_reason_string; pairs))
        }),
        1 => select(vec![Packet::PingReq, Packet::PingResp]),
    ]
}

/// CONNACK of 5.0, with each of its properties in half of them.
fn connack() -> impl Strategy<Value = Packet> {
    let numbers = (
        option::of(u32s()),
        option::of(u16s()),
        option::of(u32s()),
        option::of(u16s()),
        option::of(u16s()),
        option::of(select(vec![QoS::AtMostOnce, QoS::AtLeastOnce])),
    );
    let flags = any::<[Option<bool>; 4]>();
    let words = (option::of(text()), option::of(text()), option::of(text()), option::of(text()));
    let authentication = option::of((text(), option::of(bytes())));
    (any::<bool>(), reason(reasons::CONNACK), numbers, flags, words, authentication, pairs()).prop_map(
        |(present, reason, numbers, [retain, wildcard, identifiers, shared], words, authentication, pairs)| {
            let (expiry, receive, size, aliases, keep_alive, qos) = numbers;
            let (assigned, information, server, words) = words;
            let receive = receive.and_then(NonZeroU16::new);
            let size = size.and_then(NonZeroU32::new);
            let packet = with!(ConnAck::new(present && !reason.is_failure(), reason),
                expiry => with_session_expiry_interval,
                receive => with_receive_maximum,
                size => with_maximum_packet_size,
                aliases => with_topic_alias_maximum,
                keep_alive => with_server_keep_alive,
                qos => with_maximum_qos,
                retain => with_retain_available,
                wildcard => with_wildcard_subscription_available,
                identifiers => with_subscription_identifier_available,
                shared => with_shared_subscription_available,
                assigned => with_assigned_client_identifier,
                information => with_response_information,
                server => with_server_reference,
                words => with_reason_string;
                pairs);
            Packet::ConnAck(match authentication {
                Some((method, data)) => packet.with_authentication(method, data),
                None => packet,
            })
        },
    )
}
