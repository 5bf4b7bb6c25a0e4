//! PUBLISH, in its three versions.

use std::num::NonZeroU16;

use bytes::Bytes;
use mqtt_proto::{Message, Packet, PacketId, Publish, QoS, TopicName, Version};

use crate::util::{MALFORMED, PROTOCOL, V3, VERSIONS, accept, complaint, frame, hex, refuse, same, section};

fn message(qos: QoS) -> Message {
    Message::new(TopicName::from_static("a/b"), "hi").with_qos(qos)
}

fn publish(qos: QoS) -> Publish {
    Publish::new(message(qos), if qos == QoS::AtMostOnce { None } else { PacketId::new(10) })
}

// MQTT-2.3.1-5, MQTT-2.2.1-2, MQTT-2.3.1-1
#[test]
fn only_qos_1_and_2_have_a_packet_identifier() {
    for version in V3 {
        same(version, "30 07 0003 'a/b' 'hi'", Packet::Publish(publish(QoS::AtMostOnce)));
        same(version, "32 09 0003 'a/b' 000A 'hi'", Packet::Publish(publish(QoS::AtLeastOnce)));
        same(version, "34 09 0003 'a/b' 000A 'hi'", Packet::Publish(publish(QoS::ExactlyOnce)));
    }
    same(Version::V5, "30 08 0003 'a/b' 00 'hi'", Packet::Publish(publish(QoS::AtMostOnce)));
    same(Version::V5, "32 0A 0003 'a/b' 000A 00 'hi'", Packet::Publish(publish(QoS::AtLeastOnce)));
    same(Version::V5, "34 0A 0003 'a/b' 000A 00 'hi'", Packet::Publish(publish(QoS::ExactlyOnce)));
    for version in VERSIONS {
        let superfluous = Publish { packet_id: PacketId::new(1), ..publish(QoS::AtMostOnce) };
        assert_eq!(complaint(version, &Packet::Publish(superfluous)).field(), "packet identifier");
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let missing = Publish { packet_id: None, ..publish(qos) };
            assert_eq!(complaint(version, &Packet::Publish(missing)).field(), "packet identifier");
        }
    }
}

// MQTT-2.3.1-1, MQTT-2.2.1-3
#[test]
fn a_packet_identifier_is_not_0() {
    for version in V3 {
        refuse(version, hex("32 07 0003 'a/b' 0000"), PROTOCOL, "MQTT-2.3.1-1");
    }
    let error = refuse(Version::V5, hex("34 08 0003 'a/b' 0000 00"), PROTOCOL, "MQTT-2.2.1-3");
    assert_eq!((error.field(), error.offset()), ("packet identifier", Some(7)));
}

// MQTT-3.3.1-2, MQTT-3.3.1-4, bugs 26
#[test]
fn each_of_the_sixteen_flags_is_accepted_or_refused_by_its_rule() {
    for version in VERSIONS {
        let properties: &[u8] = if version == Version::V5 { &[0] } else { &[] };
        for flags in 0..16_u8 {
            let (dup, qos, retain) = (flags & 8 != 0, flags >> 1 & 3, flags & 1 != 0);
            let id: &[u8] = if qos > 0 { &[0, 10] } else { &[] };
            let bytes = frame(0x30 | flags, &[&section("a/b"), id, properties, b"hi"].concat());
            match (qos, dup) {
                (3, _) => drop(refuse(version, bytes, MALFORMED, "MQTT-3.3.1-4")),
                (0, true) => drop(refuse(version, bytes, MALFORMED, "MQTT-3.3.1-2")),
                (qos, dup) => {
                    let Packet::Publish(read) = accept(version, bytes) else { panic!() };
                    let mut expected = Publish { dup, ..publish(QoS::new(qos).unwrap()) };
                    expected.message.retain = retain;
                    assert_eq!(read, expected);
                }
            }
        }
        let again = Publish { dup: true, ..publish(QoS::AtMostOnce) };
        assert_eq!(complaint(version, &Packet::Publish(again)).field(), "DUP");
    }
}

// MQTT-3.3.2-2, MQTT-4.7.1-1, MQTT-4.7.0-1
#[test]
fn a_wildcard_in_the_topic_is_malformed() {
    for version in VERSIONS {
        for topic in ["+", "#", "a/+/b", "a/#", "a+", "\u{e9}#"] {
            refuse(version, frame(0x30, &[section(topic), vec![0]].concat()), MALFORMED, "MQTT-3.3.2-2");
        }
    }
}

// U5-3.3.2.1, MQTT-4.7.3-1, bugs 12
#[test]
fn an_empty_topic_needs_an_alias() {
    for version in V3 {
        refuse(version, hex("30 04 0000 'hi'"), PROTOCOL, "MQTT-4.7.3-1");
    }
    refuse(Version::V5, hex("30 05 0000 00 'hi'"), PROTOCOL, "U5-3.3.2.1");
    refuse(Version::V5, hex("30 0A 0000 05 02 00000001 'hi'"), PROTOCOL, "U5-3.3.2.1");
    let Packet::Publish(publish) = accept(Version::V5, hex("30 08 0000 03 23 0001 'hi'")) else { panic!() };
    assert_eq!((publish.topic_alias, publish.message.topic.as_str()), (NonZeroU16::new(1), ""));

    // Written without its alias it would mean nothing.
    let lost = Publish { topic_alias: None, ..publish };
    for version in VERSIONS {
        assert_eq!(complaint(version, &Packet::Publish(lost.clone())).field(), "topic name");
    }
}

// MQTT-3.3.2-8: the type has no zero.
#[test]
fn an_alias_is_written_before_the_other_properties() {
    let aliased = Publish { topic_alias: NonZeroU16::new(0x0102), ..publish(QoS::AtMostOnce) };
    same(Version::V5, "30 0B 0003 'a/b' 03 23 0102 'hi'", Packet::Publish(aliased.clone()));
    let message = aliased.message.clone().with_payload_format_indicator(true);
    same(Version::V5, "30 0D 0003 'a/b' 05 23 0102 01 01 'hi'", Packet::Publish(Publish { message, ..aliased }));
}

#[test]
fn payloads_are_slices_of_the_frame() {
    let bytes = Bytes::from(hex("30 08 0003 'a/b' 00 'hi'"));
    let Ok(Packet::Publish(publish)) = Packet::decode(Version::V5, bytes.clone()) else { panic!() };
    assert_eq!(publish.message.payload.as_ptr(), bytes[8..].as_ptr());
    assert_eq!(publish.message.topic.as_bytes().as_ptr(), bytes[4..].as_ptr());
    let Ok(Packet::Publish(borrowed)) = Packet::decode(Version::V5, &bytes[..]) else { panic!() };
    assert_eq!(borrowed.message.payload, &b"hi"[..]);
    assert_eq!(borrowed.to_shared(), publish);
}

#[test]
fn a_compacted_message_is_the_same_in_memory_of_its_own() {
    let bytes = Bytes::from(hex("31 11 0003 'a/b' 09 01 01 08 0001 'r' 23 0001 'hi'"));
    let Ok(Packet::Publish(publish)) = Packet::decode(Version::V5, bytes.clone()) else { panic!() };
    for message in [publish.message, Message::new(TopicName::from_static("t"), "")] {
        let compacted = message.compacted();
        assert_eq!(compacted, message);
        assert_eq!(compacted.properties().iter().count(), message.properties().iter().count());
        assert!(!bytes.as_ptr_range().contains(&compacted.topic.as_bytes().as_ptr()));
    }
    let both = Bytes::from(hex("30 06 0001 't' 00 'hi'"));
    let Ok(Packet::Publish(publish)) = Packet::decode(Version::V5, both) else { panic!() };
    let compacted = publish.message.compacted();
    assert_eq!(compacted.payload.as_ptr(), compacted.topic.as_bytes()[1..].as_ptr(), "in one allocation");
}
