//! CONNACK, in its three versions.

use bytes::Bytes;
use mqtt_proto::{ConnAck, Packet, QoS, ReasonCode, Version};

use crate::util::{MALFORMED, PROTOCOL, accept, complaint, frame, names, refuse, same, text, written};

#[test]
fn session_present_is_bit_0() {
    same(Version::V311, "20 02 01 00", Packet::ConnAck(ConnAck::new(true, ReasonCode::SUCCESS)));
    same(Version::V5, "20 03 01 00 00", Packet::ConnAck(ConnAck::new(true, ReasonCode::SUCCESS)));
}

// MQTT-3.2.2-1 (5.0), U311-3.2.2.1, D31-connack
#[test]
fn the_other_bits_are_0_where_they_are_flags() {
    for flags in 2..=255 {
        refuse(Version::V311, [0x20, 2, flags, 0], MALFORMED, "U311-3.2.2.1");
        refuse(Version::V5, [0x20, 3, flags, 0, 0], MALFORMED, "MQTT-3.2.2-1");
    }
    for reserved in 0..=255 {
        let packet = accept(Version::V31, [0x20, 2, reserved, 0]);
        assert_eq!(packet, Packet::ConnAck(ConnAck::new(false, ReasonCode::SUCCESS)));
    }
    let present = Packet::ConnAck(ConnAck::new(true, ReasonCode::SUCCESS));
    assert_eq!(complaint(Version::V31, &present).field(), "Session Present");
}

// MQTT-3.2.2-4 (3.1.1), MQTT-3.2.2-6 (5.0)
#[test]
fn a_refusal_has_no_session() {
    for code in 1..=5 {
        refuse(Version::V311, [0x20, 2, 1, code], PROTOCOL, "MQTT-3.2.2-4");
    }
    for code in [0x80, 0x87, 0x9F] {
        refuse(Version::V5, [0x20, 3, 1, code, 0], PROTOCOL, "MQTT-3.2.2-6");
    }
    let packet = Packet::ConnAck(ConnAck::new(true, ReasonCode::NOT_AUTHORIZED));
    for version in [Version::V311, Version::V5] {
        assert_eq!(complaint(version, &packet).field(), "Session Present");
    }
}

// The 5.0 packet always has its Property Length: there is no short form.
#[test]
fn a_connack_of_5_0_has_its_properties() {
    refuse(Version::V5, [0x20, 2, 0, 0], MALFORMED, "U5-2.1.4");
    refuse(Version::V5, [0x20, 1, 0], MALFORMED, "U5-2.1.4");
    refuse(Version::V5, frame(0x20, &[0, 0, 0, 0]), MALFORMED, "U5-2.1.4");
}

// U5-3.2.2.3.4, U5-3.2.2.3.5
#[test]
fn every_property_of_connack_reads_back_as_it_was_set() {
    let connack = ConnAck::new(false, ReasonCode::SUCCESS)
        .with_session_expiry_interval(1)
        .with_receive_maximum(2.try_into().unwrap())
        .with_maximum_qos(QoS::AtLeastOnce)
        .with_retain_available(false)
        .with_maximum_packet_size(3.try_into().unwrap())
        .with_assigned_client_identifier(text("id"))
        .with_topic_alias_maximum(4)
        .with_reason_string(text("why"))
        .with_user_property(text("k"), text("v"))
        .with_wildcard_subscription_available(false)
        .with_subscription_identifier_available(false)
        .with_shared_subscription_available(true)
        .with_server_keep_alive(5)
        .with_response_information(text("info"))
        .with_server_reference(text("server"))
        .with_authentication(text("SCRAM"), Some(Bytes::from("data")));
    let bytes = written(Version::V5, &Packet::ConnAck(connack));
    let Packet::ConnAck(connack) = accept(Version::V5, bytes) else { panic!() };
    let properties = connack.properties();
    assert_eq!(properties.session_expiry_interval(), Some(1));
    assert_eq!(properties.receive_maximum().map(u16::from), Some(2));
    assert_eq!(properties.maximum_qos(), Some(QoS::AtLeastOnce));
    assert_eq!(properties.retain_available(), Some(false));
    assert_eq!(properties.maximum_packet_size().map(u32::from), Some(3));
    assert_eq!(properties.assigned_client_identifier(), Some("id"));
    assert_eq!(properties.topic_alias_maximum(), Some(4));
    assert_eq!(properties.reason_string(), Some("why"));
    assert_eq!(properties.wildcard_subscription_available(), Some(false));
    assert_eq!(properties.subscription_identifier_available(), Some(false));
    assert_eq!(properties.shared_subscription_available(), Some(true));
    assert_eq!(properties.server_keep_alive(), Some(5));
    assert_eq!(properties.response_information(), Some("info"));
    assert_eq!(properties.server_reference(), Some("server"));
    assert_eq!(properties.authentication_method(), Some("SCRAM"));
    assert_eq!(properties.authentication_data(), Some(&b"data"[..]));
    assert_eq!(names(properties).len(), 17);
}

// U5-3.2.2.3.4: 2 is said by saying nothing.
#[test]
fn a_maximum_qos_of_2_is_left_out() {
    let connack = ConnAck::new(false, ReasonCode::SUCCESS);
    assert_eq!(connack.clone().with_maximum_qos(QoS::ExactlyOnce), connack);
    assert_eq!(connack.clone().with_maximum_qos(QoS::AtMostOnce).with_maximum_qos(QoS::ExactlyOnce), connack);
}
