//! Random packets come back as they were, from both storages.

use std::num::NonZeroU16;

use bytes::{Bytes, BytesMut};
use mqtt_proto::{
    AckPacket, Auth, ConnAck, Connect, Disconnect, FixedHeader, Message, Packet, PacketId, Publish, QoS, ReasonCode,
    RetainHandling, SubAck, Subscribe, Subscription, SubscriptionId, Text, TopicFilter, TopicName, UnsubAck,
    Unsubscribe, Version, Will,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

use crate::util::{decode, edited};

fn text() -> impl Strategy<Value = Text> {
    "[^\0]{0,12}".prop_map(|text| Text::try_from(text).unwrap())
}

fn topic() -> impl Strategy<Value = TopicName> {
    "[^\0+#]{1,20}".prop_map(|topic| TopicName::try_from(topic).unwrap())
}

fn filter() -> impl Strategy<Value = TopicFilter> {
    "(\\$share/[a-z]{1,3}/)?([a-z\u{e9}]{0,3}/|\\+/){0,3}(#|\\+|[a-z]{1,4})"
        .prop_map(|filter| TopicFilter::try_from(filter).unwrap())
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..300).prop_map(Bytes::from)
}

fn qos() -> impl Strategy<Value = QoS> {
    select(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][..])
}

fn packet_id() -> impl Strategy<Value = PacketId> {
    (1..=u16::MAX).prop_map(|number| PacketId::new(number).unwrap())
}

fn reason(codes: &'static [u8]) -> impl Strategy<Value = ReasonCode> {
    select(codes).prop_map(ReasonCode)
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
    let plain = (topic(), bytes(), qos(), any::<bool>())
        .prop_map(|(topic, payload, qos, retain)| Message::new(topic, payload).with_qos(qos).with_retain(retain));
    if version != Version::V5 {
        return plain.boxed();
    }
    let properties = (
        option::of(any::<bool>()),
        option::of(any::<u32>()),
        option::of(text()),
        option::of(topic()),
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
    let alias = if version == Version::V5 { option::of(1..=u16::MAX).boxed() } else { Just(None).boxed() };
    let ids = if version == Version::V5 { vec(1..=268_435_455_u32, 0..4).boxed() } else { Just(Vec::new()).boxed() };
    (message(version), any::<bool>(), packet_id(), alias, ids).prop_map(|(message, dup, id, alias, ids)| {
        let has_id = message.qos != QoS::AtMostOnce;
        let message = ids
            .into_iter()
            .fold(message, |message, id| message.with_subscription_identifier(SubscriptionId::new(id).unwrap()));
        let packet_id = if has_id { Some(id) } else { None };
        let topic_alias = alias.and_then(NonZeroU16::new);
        Packet::Publish(Publish { dup: dup && has_id, topic_alias, ..Publish::new(message, packet_id) })
    })
}

fn connect(version: Version) -> impl Strategy<Value = Packet> {
    let is_v5 = version == Version::V5;
    let delay = if is_v5 { any::<u32>().boxed() } else { Just(0).boxed() };
    let will = (message(version), delay).prop_map(|(message, delay_interval)| Will { message, delay_interval });
    let fields =
        ("[^\0]{1,23}", any::<bool>(), any::<u16>(), option::of(will), option::of(text()), option::of(bytes()));
    let properties = (
        option::of(any::<u32>()),
        option::of(1..=u16::MAX),
        option::of(1..=u32::MAX),
        option::of(any::<u16>()),
        option::of(any::<bool>()),
        option::of((text(), option::of(bytes()))),
        pairs(),
    );
    (fields, properties, any::<bool>()).prop_map(move |(fields, properties, bridge)| {
        let (client_id, clean_start, keep_alive, will, username, password) = fields;
        let client_id = Text::try_from(client_id).unwrap();
        let password = password.filter(|_| is_v5 || username.is_some());
        let bridge = bridge && version == Version::V31;
        let plain = Connect::new(version, client_id).with_clean_start(clean_start).with_keep_alive(keep_alive);
        let connect = edited(plain, |connect| {
            connect.will = will;
            connect.username = username;
            connect.password = password;
            connect.bridge = bridge;
        });
        if !is_v5 {
            return Packet::Connect(Box::new(connect));
        }
        let (expiry, receive, size, aliases, problem, authentication, pairs) = properties;
        let receive = receive.and_then(NonZeroU16::new);
        let size = size.and_then(std::num::NonZeroU32::new);
        let connect = with!(connect,
            expiry => with_session_expiry_interval,
            receive => with_receive_maximum,
            size => with_maximum_packet_size,
            aliases => with_topic_alias_maximum,
            problem => with_request_problem_information;
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
        (filter(), qos(), any::<[bool; 2]>(), handling).prop_map(move |(filter, qos, flags, handling)| {
            if version != Version::V5 {
                return Subscription::new(filter, qos);
            }
            let no_local = flags[0] && !filter.is_shared();
            let retain_as_published = flags[1];
            Subscription { filter, qos, no_local, retain_as_published, retain_handling: handling }
        });
    let id = if version == Version::V5 { option::of(1..=268_435_455_u32).boxed() } else { Just(None).boxed() };
    let pairs = if version == Version::V5 { pairs().boxed() } else { Just(Vec::new()).boxed() };
    (packet_id(), vec(subscription, 1..4), id, pairs).prop_map(|(packet_id, subscriptions, id, pairs)| {
        let id = id.and_then(SubscriptionId::new);
        let packet = with!(Subscribe::new(subscriptions), id => with_subscription_identifier; pairs);
        Packet::Subscribe(packet.with_packet_id(packet_id))
    })
}

fn other(version: Version) -> BoxedStrategy<Packet> {
    if version != Version::V5 {
        let granted: &[u8] = if version == Version::V31 { &[0, 1, 2] } else { &[0, 1, 2, 0x80] };
        let return_codes = reason(&[0, 0x84, 0x85, 0x88, 0x86, 0x87]);
        let ack = || packet_id().prop_map(|id| AckPacket::new(id, ReasonCode::SUCCESS));
        return prop_oneof![
            return_codes.prop_map(|reason| Packet::ConnAck(ConnAck::new(false, reason))),
            ack().prop_map(Packet::PubAck),
            ack().prop_map(Packet::PubRec),
            ack().prop_map(Packet::PubRel),
            ack().prop_map(Packet::PubComp),
            (packet_id(), vec(reason(granted), 1..9)).prop_map(|(id, codes)| Packet::SubAck(SubAck::new(id, codes))),
            packet_id().prop_map(|id| Packet::UnsubAck(UnsubAck::new(id, Vec::new()))),
            (packet_id(), vec(filter(), 1..4)).prop_map(|(packet_id, filters)| Packet::Unsubscribe(
                Unsubscribe::new(filters).with_packet_id(packet_id)
            )),
            select(vec![Packet::PingReq, Packet::PingResp, Packet::Disconnect(Disconnect::new(ReasonCode::SUCCESS))]),
        ]
        .boxed();
    }
    let ack = |codes| {
        (packet_id(), reason(codes), option::of(text()), pairs()).prop_map(
            |(id, reason, words, pairs)| with!(AckPacket::new(id, reason), words => with_reason_string; pairs),
        )
    };
    let connack = (any::<bool>(), reason(&[0, 0x87, 0x9F]), option::of(text()), option::of(any::<u16>()), pairs());
    let leave = (reason(&[0, 4, 0x82, 0x9D]), option::of(any::<u32>()), option::of(text()), pairs());
    let auth = (reason(&[0, 0x18, 0x19]), text(), option::of(bytes()), option::of(text()), pairs());
    prop_oneof![
        connack.prop_map(|(present, reason, words, keep_alive, pairs)| {
            let packet = ConnAck::new(present && !reason.is_failure(), reason);
            Packet::ConnAck(with!(packet, words => with_reason_string, keep_alive => with_server_keep_alive; pairs))
        }),
        ack(&[0, 0x10, 0x87, 0x97]).prop_map(Packet::PubAck),
        ack(&[0, 0x10, 0x87, 0x97]).prop_map(Packet::PubRec),
        ack(&[0, 0x92]).prop_map(Packet::PubRel),
        ack(&[0, 0x92]).prop_map(Packet::PubComp),
        (packet_id(), vec(reason(&[0, 1, 2, 0x80, 0xA2]), 1..9), option::of(text()), pairs()).prop_map(
            |(id, codes, words, pairs)| Packet::SubAck(
                with!(SubAck::new(id, codes), words => with_reason_string; pairs)
            )
        ),
        (packet_id(), vec(reason(&[0, 0x11, 0x91]), 1..9), option::of(text()), pairs()).prop_map(
            |(id, codes, words, pairs)| {
                Packet::UnsubAck(with!(UnsubAck::new(id, codes), words => with_reason_string; pairs))
            }
        ),
        (packet_id(), vec(filter(), 1..4), pairs()).prop_map(|(packet_id, filters, pairs)| {
            let packet = with!(Unsubscribe::new(filters), ; pairs);
            Packet::Unsubscribe(packet.with_packet_id(packet_id))
        }),
        leave.prop_map(|(reason, expiry, words, pairs)| {
            let packet = Disconnect::new(reason);
            Packet::Disconnect(
                with!(packet, expiry => with_session_expiry_interval, words => with_reason_string; pairs),
            )
        }),
        auth.prop_map(|(reason, method, data, words, pairs)| {
            let packet = Auth::new(reason).with_authentication(method, data);
            Packet::Auth(with!(packet, words => with_reason_string; pairs))
        }),
        select(vec![Packet::PingReq, Packet::PingResp]),
    ]
    .boxed()
}

fn packet() -> impl Strategy<Value = (Version, Packet)> {
    select(&crate::util::VERSIONS[..]).prop_flat_map(|version| {
        let packets = prop_oneof![
            3 => publish(version),
            2 => connect(version),
            1 => subscribe(version),
            3 => other(version),
        ];
        (Just(version), packets)
    })
}

proptest! {
    // I4, I5 of the reliability plan.
    #[test]
    fn what_is_encoded_decodes_to_the_same_packet((version, packet) in packet()) {
        let mut out = BytesMut::new();
        packet.encode(version, &mut out).unwrap();
        prop_assert_eq!(packet.encoded_len(version), Ok(out.len()));
        let header = FixedHeader::parse(&out).unwrap().unwrap();
        prop_assert_eq!((header.frame_len(), header.packet_type()), (out.len(), packet.packet_type()));
        // `decode` of the tests compares both storages.
        prop_assert_eq!(decode(version, &out).unwrap(), packet);
    }

    // I1: whatever comes, and decoded packets can be encoded again, or the encoder says why not.
    #[test]
    fn any_bytes_are_survived(version in select(&crate::util::VERSIONS[..]), bytes in vec(any::<u8>(), 0..60)) {
        let _ = FixedHeader::parse(&bytes);
        for first_byte in [0x10, 0x20, 0x30, 0x3D, 0x40, 0x62, 0x82, 0x90, 0xA2, 0xB0, 0xE0, 0xF0] {
            let frame = crate::util::frame(first_byte, &bytes);
            if let Ok(packet) = decode(version, &frame) {
                let mut out = BytesMut::new();
                if packet.encode(version, &mut out).is_ok() {
                    prop_assert_eq!(decode(version, &out).unwrap(), packet);
                }
            }
        }
    }

    // I1, nearer to what is legal: damaged packets.
    #[test]
    fn damaged_packets_are_survived((version, packet) in packet(), place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut out = BytesMut::new();
        packet.encode(version, &mut out).unwrap();
        let place = place.index(out.len());
        out[place] = byte;
        if let Ok(packet) = decode(version, &out) {
            let mut again = BytesMut::new();
            if packet.encode(version, &mut again).is_ok() {
                prop_assert_eq!(decode(version, &again).unwrap(), packet);
            }
        }
    }
}
