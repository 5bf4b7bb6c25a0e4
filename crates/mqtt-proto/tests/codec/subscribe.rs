//! SUBSCRIBE and UNSUBSCRIBE, in their three versions.

use mqtt_proto::{
    Packet, PacketId, QoS, RetainHandling, Subscribe, Subscription, SubscriptionId, TopicFilter, Unsubscribe, Version,
};

use crate::util::{MALFORMED, PROTOCOL, V3, VERSIONS, accept, complaint, frame, hex, refuse, same, text};

fn subscription(filter: &'static str, qos: QoS) -> Subscription {
    Subscription::new(TopicFilter::from_static(filter), qos)
}

fn subscribe(subscriptions: Vec<Subscription>) -> Packet {
    Packet::Subscribe(Subscribe::new(subscriptions).with_packet_id(PacketId::new(10).unwrap()))
}

#[test]
fn filters_and_their_qos_stand_one_after_another() {
    let packet = subscribe(vec![subscription("a/b", QoS::AtLeastOnce), subscription("+/#", QoS::ExactlyOnce)]);
    for version in V3 {
        same(version, "82 0E 000A 0003 'a/b' 01 0003 '+/#' 02", packet.clone());
    }
    same(Version::V5, "82 0F 000A 00 0003 'a/b' 01 0003 '+/#' 02", packet);
}

// MQTT-3.10.3-1
#[test]
fn unsubscribed_filters_stand_directly_one_after_another() {
    let filters = vec![TopicFilter::from_static("a/b"), TopicFilter::from_static("#")];
    let packet = Packet::Unsubscribe(Unsubscribe::new(filters).with_packet_id(PacketId::new(10).unwrap()));
    for version in V3 {
        same(version, "A2 0A 000A 0003 'a/b' 0001 '#'", packet.clone());
    }
    same(Version::V5, "A2 0B 000A 00 0003 'a/b' 0001 '#'", packet);
}

// D31-flags, D31-qosbits
#[test]
fn repeats_of_3_1_say_so_in_their_flags() {
    let packet = subscribe(vec![subscription("a", QoS::AtMostOnce)]);
    assert_eq!(accept(Version::V31, hex("8A 06 000A 0001 'a' 00")), packet);
    assert_eq!(accept(Version::V31, hex("AA 05 000A 0001 'a'")).packet_type() as u8, 10);
    assert_eq!(accept(Version::V31, hex("6A 02 000A")).packet_type() as u8, 6);
    refuse(Version::V311, hex("8A 06 000A 0001 'a' 00"), MALFORMED, "MQTT-3.8.1-1");
}

// MQTT-3.8.3-3 (3.1.1), MQTT-3.8.3-2 (5.0), MQTT-3.10.3-2, bugs 75
#[test]
fn at_least_one_filter_is_there() {
    for version in V3 {
        refuse(version, hex("82 02 000A"), PROTOCOL, "MQTT-3.8.3-3");
        refuse(version, hex("A2 02 000A"), PROTOCOL, "MQTT-3.10.3-2");
    }
    refuse(Version::V5, hex("82 03 000A 00"), PROTOCOL, "MQTT-3.8.3-2");
    refuse(Version::V5, hex("A2 03 000A 00"), PROTOCOL, "MQTT-3.10.3-2");
    for version in VERSIONS {
        assert_eq!(complaint(version, &subscribe(Vec::new())).field(), "topic filter");
        let unsubscribe = Packet::Unsubscribe(Unsubscribe::new(Vec::new()));
        assert_eq!(complaint(version, &unsubscribe).field(), "topic filter");
    }
}

// MQTT-2.3.1-1, MQTT-2.2.1-3
#[test]
fn the_packet_identifier_is_not_0() {
    for version in V3 {
        refuse(version, hex("82 06 0000 0001 'a' 00"), PROTOCOL, "MQTT-2.3.1-1");
        refuse(version, hex("A2 05 0000 0001 'a'"), PROTOCOL, "MQTT-2.3.1-1");
    }
    refuse(Version::V5, hex("82 07 0000 00 0001 'a' 00"), PROTOCOL, "MQTT-2.2.1-3");
    refuse(Version::V5, hex("A2 06 0000 00 0001 'a'"), PROTOCOL, "MQTT-2.2.1-3");
}

// MQTT-3.8.3-4 (3.1.1), MQTT-3.8.3-5 (5.0), U5-3.8.3.1a, U5-3.8.3.1b
#[test]
fn each_of_the_256_option_bytes_is_accepted_or_refused_by_its_rule() {
    for options in 0..=255_u8 {
        for version in V3 {
            let bytes = frame(0x82, &[0, 10, 0, 1, b'a', options]);
            match options {
                0..=2 => {
                    assert_eq!(accept(version, bytes), subscribe(vec![subscription("a", QoS::new(options).unwrap())]))
                }
                3 => drop(refuse(version, bytes, PROTOCOL, "MQTT-3.8.3-4")),
                _ => drop(refuse(version, bytes, MALFORMED, "MQTT-3.8.3-4")),
            }
        }
        let bytes = frame(0x82, &[0, 10, 0, 0, 1, b'a', options]);
        match (options >> 6, options & 3, options >> 4 & 3) {
            (1.., _, _) => drop(refuse(Version::V5, bytes, MALFORMED, "MQTT-3.8.3-5")),
            (0, 3, _) => drop(refuse(Version::V5, bytes, PROTOCOL, "U5-3.8.3.1a")),
            (0, _, 3) => drop(refuse(Version::V5, bytes, PROTOCOL, "U5-3.8.3.1b")),
            (0, qos, handling) => {
                let expected = Subscription {
                    no_local: options & 4 != 0,
                    retain_as_published: options & 8 != 0,
                    retain_handling: RetainHandling::new(handling).unwrap(),
                    ..subscription("a", QoS::new(qos).unwrap())
                };
                same(Version::V5, &format!("82 07 000A 00 0001 'a' {options:02X}"), subscribe(vec![expected]));
            }
        }
    }
}

// MQTT-3.8.3-4 (5.0), bugs "shared subscription with No Local"
#[test]
fn a_shared_subscription_is_never_no_local() {
    let bytes = hex("82 10 000A 00 000A '$share/g/a' 04");
    let error = refuse(Version::V5, bytes, PROTOCOL, "MQTT-3.8.3-4");
    assert_eq!((error.field(), error.offset()), ("No Local", Some(17)));
    accept(Version::V5, hex("82 10 000A 00 000A '$share/g/a' 3A".replace("3A", "2A").as_str()));
    let shared = Subscription { no_local: true, ..subscription("$share/g/a", QoS::AtMostOnce) };
    assert_eq!(complaint(Version::V5, &subscribe(vec![shared])).field(), "No Local");
}

#[test]
fn options_of_5_0_are_refused_by_the_encoder_before() {
    let plain = subscription("a", QoS::AtMostOnce);
    for version in V3 {
        for subscription in [
            Subscription { no_local: true, ..plain.clone() },
            Subscription { retain_as_published: true, ..plain.clone() },
            Subscription { retain_handling: RetainHandling::SendIfNew, ..plain.clone() },
        ] {
            assert_eq!(complaint(version, &subscribe(vec![subscription])).field(), "subscription options");
        }
        let packet = Subscribe::new(vec![plain.clone()]).with_subscription_identifier(SubscriptionId::MIN);
        assert_eq!(complaint(version, &Packet::Subscribe(packet)).field(), "Subscription Identifier");
        let packet = Unsubscribe::new(vec![plain.filter.clone()]).with_user_property(text("k"), text("v"));
        assert_eq!(complaint(version, &Packet::Unsubscribe(packet)).field(), "User Property");
    }
}

// U5-3.8.2.1.2, U5-3.3.2.3.8a
#[test]
fn a_subscription_identifier_is_set_once() {
    let id = |number| SubscriptionId::new(number).unwrap();
    let packet = Subscribe::new(vec![subscription("a", QoS::AtMostOnce)])
        .with_subscription_identifier(id(1))
        .with_subscription_identifier(id(268_435_455));
    same(Version::V5, "82 0C 0001 05 0B FFFFFF7F 0001 'a' 00", Packet::Subscribe(packet));
    assert_eq!((SubscriptionId::new(0), SubscriptionId::new(268_435_456)), (None, None));
}
