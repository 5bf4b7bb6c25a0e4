//! SUBACK and UNSUBACK, in their three versions.

use mqtt_proto::{Packet, PacketId, ReasonCode, SubAck, UnsubAck, Version};

use crate::util::{MALFORMED, PROTOCOL, V3, VERSIONS, accept, complaint, hex, refuse, same, text};

fn id() -> PacketId {
    PacketId::new(10).unwrap()
}

// MQTT-3.8.4-5 (3.1.1), MQTT-3.8.4-6 (5.0), bugs 15
#[test]
fn a_suback_has_a_reason_for_each_filter_so_at_least_one() {
    let reasons = vec![ReasonCode::GRANTED_QOS_1, ReasonCode::UNSPECIFIED_ERROR];
    let packet = Packet::SubAck(SubAck::new(id(), reasons));
    same(Version::V311, "90 04 000A 01 80", packet.clone());
    same(Version::V5, "90 05 000A 00 01 80", packet);
    for version in V3 {
        refuse(version, hex("90 02 000A"), PROTOCOL, "MQTT-3.8.4-5");
    }
    refuse(Version::V5, hex("90 03 000A 00"), PROTOCOL, "MQTT-3.8.4-6");
    for version in VERSIONS {
        let packet = Packet::SubAck(SubAck::new(id(), Vec::new()));
        assert_eq!(complaint(version, &packet).field(), "reason code");
    }
}

// MQTT-3.11.3-2, U311-fixed-len, bugs 15
#[test]
fn an_unsuback_has_reasons_in_5_0_alone() {
    let reasons = vec![ReasonCode::SUCCESS, ReasonCode::NO_SUBSCRIPTION_EXISTED];
    same(Version::V5, "B0 05 000A 00 00 11", Packet::UnsubAck(UnsubAck::new(id(), reasons)));
    refuse(Version::V5, hex("B0 03 000A 00"), PROTOCOL, "MQTT-3.11.3-2");
    let bare = Packet::UnsubAck(UnsubAck::new(id(), Vec::new()));
    assert_eq!(complaint(Version::V5, &bare).field(), "reason code");
    for version in V3 {
        same(version, "B0 02 000A", bare.clone());
        refuse(version, hex("B0 03 000A 00"), MALFORMED, "U311-fixed-len");
    }
}

#[test]
fn the_properties_of_both_read_back_as_they_were_set() {
    let suback = SubAck::new(id(), vec![ReasonCode::SUCCESS]).with_reason_string(text("r"));
    same(Version::V5, "90 08 000A 04 1F 0001 'r' 00", Packet::SubAck(suback.clone()));
    assert_eq!(suback.properties().reason_string(), Some("r"));
    let unsuback = UnsubAck::new(id(), vec![ReasonCode::SUCCESS]).with_user_property(text("k"), text("v"));
    same(Version::V5, "B0 0B 000A 07 26 0001 'k' 0001 'v' 00", Packet::UnsubAck(unsuback.clone()));
    for version in V3 {
        complaint(version, &Packet::SubAck(suback.clone()));
        complaint(version, &Packet::UnsubAck(unsuback.clone()));
    }
}

#[test]
fn the_packet_identifier_is_not_0() {
    for version in VERSIONS {
        let statement = if version == Version::V5 { "MQTT-2.2.1-3" } else { "MQTT-2.3.1-1" };
        refuse(version, hex("90 04 0000 00 00"), PROTOCOL, statement);
        refuse(version, hex("B0 02 0000"), PROTOCOL, statement);
    }
    accept(Version::V5, hex("90 04 FFFF 00 00"));
}
