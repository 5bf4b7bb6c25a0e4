//! PUBACK, PUBREC, PUBREL and PUBCOMP.

use mqtt_proto::{AckPacket, EncodeError, Packet, PacketId, PacketType, ReasonCode, Version};

use crate::util::{MALFORMED, PROTOCOL, V3, VERSIONS, accept, frame, hex, refuse, same, text};

/// How a packet is made of its content.
type Kind = fn(AckPacket) -> Packet;

const ACKS: [(u8, Kind); 4] =
    [(0x40, Packet::PubAck), (0x50, Packet::PubRec), (0x62, Packet::PubRel), (0x70, Packet::PubComp)];

#[test]
fn before_5_0_they_say_their_identifier_and_no_more() {
    for (first_byte, packet) in ACKS {
        for version in V3 {
            same(version, &format!("{first_byte:02X} 02 1234"), packet(AckPacket::new(id(), ReasonCode::SUCCESS)));
        }
    }
}

// U5-3.4.2.1
#[test]
fn short_forms_are_read_and_written() {
    for (first_byte, packet) in ACKS {
        let code = if first_byte < 0x60 { 0x97 } else { 0x92 };
        let (fine, failed) = (AckPacket::new(id(), ReasonCode::SUCCESS), AckPacket::new(id(), ReasonCode(code)));
        same(Version::V5, &format!("{first_byte:02X} 02 1234"), packet(fine.clone()));
        same(Version::V5, &format!("{first_byte:02X} 03 1234 {code:02X}"), packet(failed.clone()));
        let worded = failed.clone().with_reason_string(text("r"));
        same(Version::V5, &format!("{first_byte:02X} 08 1234 {code:02X} 04 1F 0001 'r'"), packet(worded));
        // Longer forms that say the same.
        assert_eq!(accept(Version::V5, frame(first_byte, &hex("1234 00"))), packet(fine.clone()));
        assert_eq!(accept(Version::V5, frame(first_byte, &hex("1234 00 00"))), packet(fine.clone()));
        assert_eq!(accept(Version::V5, frame(first_byte, &[0x12, 0x34, code, 0])), packet(failed));
        // A success with properties has all its fields.
        let worded = fine.with_user_property(text("k"), text("v"));
        same(Version::V5, &format!("{first_byte:02X} 0B 1234 00 07 26 0001 'k' 0001 'v'"), packet(worded));
    }
}

// MQTT-2.3.1-1, MQTT-2.2.1-3, bugs 25
#[test]
fn what_is_too_short_too_long_or_0_is_refused() {
    for (first_byte, _) in ACKS {
        for version in VERSIONS {
            let short = if version == Version::V5 { "U5-2.1.4" } else { "MQTT-4.8.0-1" };
            refuse(version, [first_byte, 0], MALFORMED, short);
            refuse(version, [first_byte, 1, 0], MALFORMED, short);
            let zero = if version == Version::V5 { "MQTT-2.2.1-3" } else { "MQTT-2.3.1-1" };
            refuse(version, [first_byte, 2, 0, 0], PROTOCOL, zero);
        }
        refuse(Version::V5, frame(first_byte, &hex("1234 00 00 00")), MALFORMED, "U5-2.1.4");
        refuse(Version::V5, frame(first_byte, &hex("1234 00 04 1F 0001 'r' FF")), MALFORMED, "U5-2.1.4");
    }
}

#[test]
fn the_encoder_takes_only_the_four_kinds() {
    let ack = AckPacket::new(id(), ReasonCode::SUCCESS);
    let error = ack.encoded_len(PacketType::SubAck, Version::V5).unwrap_err();
    assert!(matches!(error, EncodeError::Forbidden { packet: PacketType::SubAck, .. }));
    assert_eq!(ack.encoded_len(PacketType::PubComp, Version::V5), Ok(4));
}

fn id() -> PacketId {
    PacketId::new(0x1234).unwrap()
}
