//! AUTH.

use bytes::Bytes;
use mqtt_proto::{Auth, Packet, ReasonCode, Version};

use crate::util::{MALFORMED, PROTOCOL, complaint, hex, refuse, same, text};

#[test]
fn each_step_carries_its_method() {
    let auth =
        Auth::new(ReasonCode::CONTINUE_AUTHENTICATION).with_authentication(text("SCR"), Some(Bytes::from("data")));
    same(Version::V5, "F0 0F 18 0D 15 0003 'SCR' 16 0004 'data'", Packet::Auth(auth.clone()));
    assert_eq!(auth.properties().authentication_method(), Some("SCR"));
    assert_eq!(auth.properties().authentication_data(), Some(&b"data"[..]));
    let with_words = Auth::new(ReasonCode::SUCCESS)
        .with_authentication(text("m"), None)
        .with_reason_string(text("r"))
        .with_user_property(text("k"), text("v"));
    same(Version::V5, "F0 11 00 0F 15 0001 'm' 1F 0001 'r' 26 0001 'k' 0001 'v'", Packet::Auth(with_words));
}

// U5-3.15.2.2.2: the two texts of the standard clash. A packet of no bytes is read as success without properties, and
// the connection refuses it; one that has a reason and no method is refused here.
#[test]
fn a_step_without_a_method_is_refused_unless_it_has_no_bytes_at_all() {
    same(Version::V5, "F0 00", Packet::Auth(Auth::new(ReasonCode::SUCCESS)));
    for digits in ["F0 02 00 00", "F0 02 18 00", "F0 06 18 04 1F 0001 'r'"] {
        refuse(Version::V5, hex(digits), PROTOCOL, "U5-3.15.2.2.2");
    }
    for reason in [ReasonCode::CONTINUE_AUTHENTICATION, ReasonCode::REAUTHENTICATE] {
        assert_eq!(complaint(Version::V5, &Packet::Auth(Auth::new(reason))).field(), "Authentication Method");
    }
    let worded = Auth::new(ReasonCode::SUCCESS).with_reason_string(text("r"));
    assert_eq!(complaint(Version::V5, &Packet::Auth(worded)).field(), "Authentication Method");
}

// U5-2.1.4: unlike DISCONNECT it has no form of one byte.
#[test]
fn a_reason_without_a_property_length_is_malformed() {
    refuse(Version::V5, hex("F0 01 00"), MALFORMED, "U5-2.1.4");
    refuse(Version::V5, hex("F0 01 18"), MALFORMED, "U5-2.1.4");
}
