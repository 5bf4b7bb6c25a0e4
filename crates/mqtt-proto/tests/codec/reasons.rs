//! Reason codes: which packet may carry which (table 2-6 and the tables of the packets in 5.0).

use mqtt_proto::{
    AckPacket, Auth, ConnAck, Disconnect, Packet, PacketId, PacketType, ReasonCode, SubAck, UnsubAck, Version,
};

use crate::util::{PROTOCOL, V3, accept, complaint, encode, frame, hex, refuse, text, written};

// The tables of the standard once more.
pub(crate) const CONNACK: &str = "00 80 81 82 83 84 85 86 87 88 89 8A 8C 90 95 97 99 9A 9B 9C 9D 9F";
pub(crate) const PUBACK: &str = "00 10 80 83 87 90 91 97 99";
pub(crate) const PUBREL: &str = "00 92";
pub(crate) const SUBACK: &str = "00 01 02 80 83 87 8F 91 97 9E A1 A2";
pub(crate) const UNSUBACK: &str = "00 11 80 83 87 8F 91";
pub(crate) const DISCONNECT: &str =
    "00 04 80 81 82 83 87 89 8B 8D 8E 8F 90 93 94 95 96 97 98 99 9A 9B 9C 9D 9E 9F A0 A1 A2";
pub(crate) const AUTH: &str = "00 18 19";

// MQTT-3.2.2-8, MQTT-3.4.2-1, MQTT-3.5.2-1, MQTT-3.6.2-1, MQTT-3.7.2-1, MQTT-3.9.3-2, MQTT-3.11.3-2, MQTT-3.14.2-1,
// MQTT-3.15.2-1, bugs 25
// MQTT-3.8.4-7
#[test]
fn each_packet_carries_the_reasons_of_its_table_and_no_others() {
    let cases = [
        (PacketType::ConnAck, CONNACK, "MQTT-3.2.2-8"),
        (PacketType::PubAck, PUBACK, "MQTT-3.4.2-1"),
        (PacketType::PubRec, PUBACK, "MQTT-3.5.2-1"),
        (PacketType::PubRel, PUBREL, "MQTT-3.6.2-1"),
        (PacketType::PubComp, PUBREL, "MQTT-3.7.2-1"),
        (PacketType::SubAck, SUBACK, "MQTT-3.9.3-2"),
        (PacketType::UnsubAck, UNSUBACK, "MQTT-3.11.3-2"),
        (PacketType::Disconnect, DISCONNECT, "MQTT-3.14.2-1"),
        (PacketType::Auth, AUTH, "MQTT-3.15.2-1"),
    ];
    for (kind, listed, statement) in cases {
        let listed = hex(listed);
        for code in 0..=255 {
            let bytes = on_the_wire(kind, code);
            let packet = in_memory(kind, ReasonCode(code));
            if listed.contains(&code) {
                let read = accept(Version::V5, &bytes);
                assert_eq!(read, packet);
                assert_eq!(accept(Version::V5, written(Version::V5, &packet)), packet);
                continue;
            }
            assert_eq!(complaint(Version::V5, &packet).field(), "reason code");
            if kind == PacketType::Disconnect && code == 0x8C {
                // One table allows it, the other does not: taken, never sent.
                accept(Version::V5, bytes);
            } else {
                refuse(Version::V5, bytes, PROTOCOL, statement);
            }
        }
    }
}

fn on_the_wire(kind: PacketType, code: u8) -> Vec<u8> {
    match kind {
        PacketType::ConnAck => frame(0x20, &[0, code, 0]),
        PacketType::PubRel => frame(0x62, &[0, 1, code]),
        PacketType::SubAck | PacketType::UnsubAck => frame((kind as u8) << 4, &[0, 1, 0, code]),
        PacketType::Disconnect => frame(0xE0, &[code]),
        PacketType::Auth => frame(0xF0, &[vec![code], hex("04 15 0001 'm'")].concat()),
        _ => frame((kind as u8) << 4, &[0, 1, code]),
    }
}

fn in_memory(kind: PacketType, reason: ReasonCode) -> Packet {
    let ack = AckPacket::new(PacketId::MIN, reason);
    match kind {
        PacketType::ConnAck => Packet::ConnAck(ConnAck::new(false, reason)),
        PacketType::PubAck => Packet::PubAck(ack),
        PacketType::PubRec => Packet::PubRec(ack),
        PacketType::PubRel => Packet::PubRel(ack),
        PacketType::PubComp => Packet::PubComp(ack),
        PacketType::SubAck => Packet::SubAck(SubAck::new(PacketId::MIN, vec![reason])),
        PacketType::UnsubAck => Packet::UnsubAck(UnsubAck::new(PacketId::MIN, vec![reason])),
        PacketType::Disconnect => Packet::Disconnect(Disconnect::new(reason)),
        PacketType::Auth => Packet::Auth(Auth::new(reason).with_authentication(text("m"), None)),
        _ => panic!("{kind} carries no reason"),
    }
}

// MQTT-3.9.3-2 (3.1.1), D31-suback
#[test]
fn suback_of_3_1_1_knows_one_failure_and_that_of_3_1_none() {
    for code in 0..=255 {
        let bytes = frame(0x90, &[0, 1, code]);
        let packet = Packet::SubAck(SubAck::new(PacketId::MIN, vec![ReasonCode(code)]));
        for version in V3 {
            if code <= 2 || (code == 0x80 && version == Version::V311) {
                assert_eq!(accept(version, &bytes), packet);
                assert_eq!(written(version, &packet), bytes);
            } else {
                refuse(version, &bytes, PROTOCOL, "MQTT-3.9.3-2");
                assert_eq!(complaint(version, &packet).field(), "reason code");
            }
        }
    }
}

// U311-3.2.2.3
#[test]
fn the_return_codes_of_3_x_are_translated_both_ways() {
    let codes = [
        ReasonCode::SUCCESS,
        ReasonCode::UNSUPPORTED_PROTOCOL_VERSION,
        ReasonCode::CLIENT_IDENTIFIER_NOT_VALID,
        ReasonCode::SERVER_UNAVAILABLE,
        ReasonCode::BAD_USER_NAME_OR_PASSWORD,
        ReasonCode::NOT_AUTHORIZED,
    ];
    for version in V3 {
        for (number, reason) in (0..).zip(codes) {
            let packet = Packet::ConnAck(ConnAck::new(false, reason));
            assert_eq!(accept(version, [0x20, 2, 0, number]), packet);
            assert_eq!(written(version, &packet), [0x20, 2, 0, number]);
        }
        for number in 6..=255 {
            refuse(version, [0x20, 2, 0, number], PROTOCOL, "U311-3.2.2.3");
        }
        for reason in (0..=255).map(ReasonCode).filter(|reason| !codes.contains(reason)) {
            complaint(version, &Packet::ConnAck(ConnAck::new(false, reason)));
        }
    }
}

#[test]
fn reasons_that_3_x_cannot_say_are_refused_by_the_encoder() {
    for version in V3 {
        let ack = AckPacket::new(PacketId::MIN, ReasonCode::NOT_AUTHORIZED);
        for packet in
            [Packet::PubAck(ack.clone()), Packet::PubRec(ack), in_memory(PacketType::UnsubAck, ReasonCode::SUCCESS)]
        {
            assert_eq!(complaint(version, &packet).field(), "reason code");
        }
        let leave = Packet::Disconnect(Disconnect::new(ReasonCode::DISCONNECT_WITH_WILL));
        assert_eq!(complaint(version, &leave).field(), "reason code");
        assert!(encode(version, &Packet::Disconnect(Disconnect::new(ReasonCode::SUCCESS))).is_ok());
        complaint(version, &in_memory(PacketType::Auth, ReasonCode::SUCCESS));
    }
}

// U5-2.4
#[test]
fn failure_begins_at_0x80() {
    for code in 0..=255 {
        assert_eq!(ReasonCode(code).is_failure(), code >= 0x80);
    }
}

#[test]
fn every_listed_reason_has_words() {
    let mut listed = Vec::new();
    for table in [CONNACK, PUBACK, PUBREL, SUBACK, UNSUBACK, DISCONNECT, AUTH] {
        listed.extend(hex(table));
    }
    for code in 0..=255 {
        assert_eq!(ReasonCode(code).name() != "unknown reason", listed.contains(&code), "{code:02X}");
    }
    assert_eq!(ReasonCode::NOT_AUTHORIZED.to_string(), "0x87 not authorized");
    assert_eq!(format!("{:?}", ReasonCode(7)), "ReasonCode(0x07 unknown reason)");
}
