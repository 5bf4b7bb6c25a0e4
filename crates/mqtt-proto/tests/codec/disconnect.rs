//! DISCONNECT, and PINGREQ and PINGRESP.

use mqtt_proto::{Disconnect, Packet, ReasonCode, Version};

use crate::util::{MALFORMED, V3, VERSIONS, accept, hex, refuse, same, text};

// U5-3.14.2.1a
#[test]
fn short_forms_are_read_and_written() {
    let plain = Packet::Disconnect(Disconnect::new(ReasonCode::SUCCESS));
    for version in VERSIONS {
        same(version, "E0 00", plain.clone());
    }
    assert_eq!(accept(Version::V5, hex("E0 01 00")), plain);
    assert_eq!(accept(Version::V5, hex("E0 02 00 00")), plain);
    same(Version::V5, "E0 01 04", Packet::Disconnect(Disconnect::new(ReasonCode::DISCONNECT_WITH_WILL)));
    assert_eq!(
        accept(Version::V5, hex("E0 02 04 00")),
        Packet::Disconnect(Disconnect::new(ReasonCode::DISCONNECT_WITH_WILL))
    );
}

#[test]
fn before_5_0_it_says_nothing() {
    for version in V3 {
        refuse(version, hex("E0 01 00"), MALFORMED, "U311-fixed-len");
        refuse(version, hex("E0 02 00 00"), MALFORMED, "U311-fixed-len");
    }
}

#[test]
fn its_properties_read_back_as_they_were_set() {
    let client = Disconnect::new(ReasonCode::SUCCESS).with_session_expiry_interval(7);
    same(Version::V5, "E0 07 00 05 11 00000007", Packet::Disconnect(client.clone()));
    assert_eq!(client.properties().session_expiry_interval(), Some(7));
    let server = Disconnect::new(ReasonCode::SERVER_MOVED)
        .with_server_reference(text("srv"))
        .with_reason_string(text("r"))
        .with_user_property(text("k"), text("v"));
    assert_eq!(server.properties().server_reference(), Some("srv"));
    same(Version::V5, "E0 13 9D 11 1C 0003 'srv' 1F 0001 'r' 26 0001 'k' 0001 'v'", Packet::Disconnect(server));
}

// MQTT-3.14.2-1: the standard's two tables differ about this code.
#[test]
fn a_bad_authentication_method_is_taken_and_never_sent() {
    let Packet::Disconnect(read) = accept(Version::V5, hex("E0 01 8C")) else { panic!() };
    assert_eq!(read.reason, ReasonCode::BAD_AUTHENTICATION_METHOD);
    crate::util::complaint(Version::V5, &Packet::Disconnect(read));
}

// U5-2.1.4
#[test]
fn the_ends_of_its_fields_are_the_end_of_the_packet() {
    for digits in ["E0 03 00 00 00", "E0 08 00 05 11 00000007 00", "E0 06 00 05 11 000000", "E0 02 00 01"] {
        assert_eq!(crate::util::decode(Version::V5, &hex(digits)).unwrap_err().reason(), MALFORMED, "{digits}");
    }
}

// bugs "PINGREQ with a body"
#[test]
fn pings_have_no_body() {
    for version in VERSIONS {
        same(version, "C0 00", Packet::PingReq);
        same(version, "D0 00", Packet::PingResp);
        let statement = if version == Version::V5 { "U5-2.1.4" } else { "U311-fixed-len" };
        refuse(version, hex("C0 01 00"), MALFORMED, statement);
        refuse(version, hex("D0 01 00"), MALFORMED, statement);
    }
}
