//! The random packets are no better than what occurs among them: this says what does, and that it survives the wire.

use std::collections::BTreeSet;

use mqtt_proto::{Packet, Properties, PropertyId, PropertyValue, ReasonCode, Version};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::generate::{LENGTHS, RETURN_CODES, VARINTS, packet};
use crate::properties::TABLE;
use crate::reasons;
use crate::util::{V3, VERSIONS, accept, hex, written};

/// As many packets as are needed are generated, some seven thousand, and not more than these. They are always the same.
const PACKETS: usize = 30_000;

#[test]
fn every_kind_property_reason_and_boundary_is_generated_and_comes_back() {
    let mut missing = wanted();
    let mut runner = TestRunner::deterministic();
    let packets = packet();
    for _ in 0..PACKETS {
        let (version, packet) = packets.new_tree(&mut runner).unwrap().current();
        let mut is_new = false;
        for seen in features(version, &packet) {
            is_new |= missing.remove(&seen);
        }
        if is_new {
            assert_eq!(accept(version, written(version, &packet)), packet);
        }
        if missing.is_empty() {
            return;
        }
    }
    panic!("never generated: {missing:#?}");
}

fn wanted() -> BTreeSet<String> {
    let mut wanted = BTreeSet::new();
    for version in VERSIONS {
        let kinds = if version == Version::V5 { 15 } else { 14 };
        wanted.extend((1..=kinds).map(|kind| format!("{version}: kind {kind:X}")));
        // A topic in 3.1 has fewer characters.
        let max = if version == Version::V31 { 32_767 } else { 65_535 };
        for length in LENGTHS {
            wanted.extend(["text", "bytes", "payload"].map(|of| format!("{version}: {of} of {length}")));
            let length = length.clamp(1, max);
            wanted.extend(["topic", "filter"].map(|of| format!("{version}: {of} of {length}")));
        }
        wanted.extend(VARINTS[1..7].iter().map(|length| format!("{version}: Remaining Length {length}")));
    }
    for version in V3 {
        wanted.extend(RETURN_CODES.map(|code| format!("{version}: kind 2, reason {code:02X}")));
        wanted.extend(["00", "01", "02"].map(|code| format!("{version}: kind 9, reason {code}")));
    }
    wanted.insert("MQTT 3.1.1: kind 9, reason 80".into());

    let v5 = Version::V5;
    for (id, _, places) in TABLE {
        wanted.extend(places.chars().map(|place| format!("{v5}: kind {place}, property {id}")));
    }
    let codes = [
        ("2", reasons::CONNACK),
        ("4", reasons::PUBACK),
        ("5", reasons::PUBACK),
        ("6", reasons::PUBREL),
        ("7", reasons::PUBREL),
        ("9", reasons::SUBACK),
        ("B", reasons::UNSUBACK),
        ("E", reasons::DISCONNECT),
        ("F", reasons::AUTH),
    ];
    for (kind, codes) in codes {
        wanted.extend(hex(codes).iter().map(|code| format!("{v5}: kind {kind}, reason {code:02X}")));
    }
    for kind in ["3", "8"] {
        wanted.extend(VARINTS.map(|id| format!("{v5}: kind {kind}, identifier {id}")));
    }
    wanted.insert(format!("{v5}: Property Length 0"));
    wanted.extend(VARINTS[1..7].iter().map(|length| format!("{v5}: Property Length {length}")));
    wanted.extend(LENGTHS.map(|length| format!("{v5}: binary property of {length}")));
    wanted.extend(LENGTHS.map(|length| format!("{v5}: text property of {length}")));
    wanted.insert(format!("{v5}: an alias alone"));
    wanted
}

/// What is worth counting about a packet.
fn features(version: Version, packet: &Packet) -> Vec<String> {
    let kind = format!("{:X}", packet.packet_type() as u8);
    let length = packet.encoded_len(version).unwrap();
    let header = 1 + (1..).take_while(|&bytes| length - 1 - bytes >= 1 << (7 * bytes)).count() + 1;
    let mut features = vec![format!("kind {kind}"), format!("Remaining Length {}", length - header)];
    let mut reasons: Vec<ReasonCode> = Vec::new();
    match packet {
        Packet::Connect(connect) => {
            properties(&mut features, &kind, connect.properties());
            features.extend(connect.username.iter().map(|name| format!("text of {}", name.len())));
            features.extend(connect.password.iter().map(|password| format!("bytes of {}", password.len())));
            if let Some(will) = &connect.will {
                properties(&mut features, "W", will.message.properties());
                if will.delay_interval > 0 {
                    features.push("kind W, property 24".into());
                }
            }
        }
        Packet::ConnAck(connack) => {
            reasons.push(connack.reason);
            properties(&mut features, &kind, connack.properties());
        }
        Packet::Publish(publish) => {
            let message = &publish.message;
            properties(&mut features, &kind, message.properties());
            features.push(format!("topic of {}", message.topic.len()));
            features.push(format!("payload of {}", message.payload.len()));
            if publish.topic_alias.is_some() {
                features.push("kind 3, property 35".into());
                features.extend(message.topic.is_empty().then(|| "an alias alone".to_owned()));
            }
        }
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            reasons.push(ack.reason);
            properties(&mut features, &kind, ack.properties());
        }
        Packet::Subscribe(subscribe) => {
            properties(&mut features, &kind, subscribe.properties());
            features.extend(subscribe.subscriptions.iter().map(|one| format!("filter of {}", one.filter.len())));
        }
        Packet::SubAck(suback) => {
            reasons.extend(&suback.reasons);
            properties(&mut features, &kind, suback.properties());
        }
        Packet::Unsubscribe(unsubscribe) => properties(&mut features, &kind, unsubscribe.properties()),
        Packet::UnsubAck(unsuback) => {
            reasons.extend(&unsuback.reasons);
            properties(&mut features, &kind, unsuback.properties());
        }
        Packet::Disconnect(disconnect) => {
            reasons.push(disconnect.reason);
            properties(&mut features, &kind, disconnect.properties());
        }
        Packet::Auth(auth) => {
            reasons.push(auth.reason);
            properties(&mut features, &kind, auth.properties());
        }
        Packet::PingReq | Packet::PingResp => {}
    }
    features.extend(reasons.iter().map(|reason| format!("kind {kind}, reason {:02X}", reason.0)));
    features.iter().map(|feature| format!("{version}: {feature}")).collect()
}

fn properties(features: &mut Vec<String>, place: &str, properties: &Properties) {
    features.push(format!("Property Length {}", properties.encoded_len()));
    for (id, value) in properties.iter() {
        features.push(format!("kind {place}, property {}", id as u8));
        match value {
            PropertyValue::Number(number) if id == PropertyId::SubscriptionIdentifier => {
                features.push(format!("kind {place}, identifier {number}"));
            }
            PropertyValue::Text(text) => features.push(format!("text property of {}", text.len())),
            PropertyValue::Binary(bytes) => features.push(format!("binary property of {}", bytes.len())),
            PropertyValue::Byte(_) | PropertyValue::Number(_) | PropertyValue::Pair(..) => {}
        }
    }
}
