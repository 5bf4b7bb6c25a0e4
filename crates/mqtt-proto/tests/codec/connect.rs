//! CONNECT, in its three versions.

use bytes::Bytes;
use mqtt_proto::{Connect, Message, Packet, QoS, ReasonCode, TopicName, Version, Will};

use crate::util::{
    MALFORMED, V3, VERSIONS, accept, complaint, edited, frame, hex, refuse, same, section, text, written,
};

fn connect(version: Version) -> Connect {
    Connect::new(version, text("me"))
}

fn packet(connect: Connect) -> Packet {
    Packet::Connect(Box::new(connect))
}

fn will(qos: QoS, retain: bool) -> Will {
    Will::new(Message::new(TopicName::from_static("w"), "by").with_qos(qos).with_retain(retain))
}

// D31-name
#[test]
fn a_plain_connect_is_what_the_standard_shows() {
    same(Version::V31, "10 10 0006 'MQIsdp' 03 02 003C 0002 'me'", packet(connect(Version::V31)));
    same(Version::V311, "10 0E 0004 'MQTT' 04 02 003C 0002 'me'", packet(connect(Version::V311)));
    same(Version::V5, "10 0F 0004 'MQTT' 05 02 003C 00 0002 'me'", packet(connect(Version::V5)));
}

// D31-name
#[test]
fn a_bridge_of_3_1_says_so_in_its_level() {
    let bridge = edited(connect(Version::V31), |connect| connect.bridge = true);
    same(Version::V31, "10 10 0006 'MQIsdp' 83 02 003C 0002 'me'", packet(bridge));
    for version in [Version::V311, Version::V5] {
        let bridge = edited(connect(version), |connect| connect.bridge = true);
        assert_eq!(complaint(version, &packet(bridge)).field(), "bridge");
    }
}

// MQTT-3.1.2-1, MQTT-3.1.2-2, D31-name: the version is what CONNECT says, whatever was expected.
#[test]
fn only_three_names_and_levels_go_together() {
    for name in ["MQTT", "MQIsdp", "mqtt", "MQT", "MQTTT", "", "MQIsdP"] {
        for level in 0..=255 {
            let v5 = if level == 5 { &[0][..] } else { &[] };
            let bytes = frame(0x10, &[&section(name)[..], &[level, 2, 0, 60], v5, &section("me")].concat());
            let expected = match (name, level) {
                ("MQIsdp", 3 | 0x83) => Some(Version::V31),
                ("MQTT", 4) => Some(Version::V311),
                ("MQTT", 5) => Some(Version::V5),
                _ => None,
            };
            for version in VERSIONS {
                match expected {
                    Some(expected) => {
                        let Packet::Connect(connect) = accept(version, &bytes) else { panic!() };
                        assert_eq!((connect.version, connect.bridge), (expected, level == 0x83));
                    }
                    None => {
                        let is_name_known = name == "MQTT" || name == "MQIsdp";
                        let statement = if is_name_known { "MQTT-3.1.2-2" } else { "MQTT-3.1.2-1" };
                        refuse(version, &bytes, ReasonCode::UNSUPPORTED_PROTOCOL_VERSION, statement);
                    }
                }
            }
        }
    }
}

// MQTT-3.1.2-3, MQTT-3.1.2-9, U5-3.1.2.8, MQTT-3.1.2-11,
// MQTT-3.1.2-12, MQTT-3.1.2-13, MQTT-3.1.2-14, MQTT-3.1.2-15, MQTT-3.1.2-16, MQTT-3.1.2-17, MQTT-3.1.2-18,
// MQTT-3.1.2-19, MQTT-3.1.2-20, MQTT-3.1.2-21, MQTT-3.1.2-22, D31-password, D31-will, MQTT-3.1.4-1, bugs 26, 75
#[test]
fn each_of_the_256_flag_bytes_is_accepted_or_refused_by_its_rule() {
    for version in VERSIONS {
        for flags in 0..=255_u8 {
            let has = |bit: u8| flags & bit != 0;
            let (reserved, with_will, qos, retain) = (has(1), has(4), flags >> 3 & 3, has(0x20));
            let (password, username) = (has(0x40), has(0x80));
            let rule = if version != Version::V5 && password && !username {
                Some("MQTT-3.1.2-22")
            } else if with_will && qos == 3 {
                Some(if version == Version::V5 { "MQTT-3.1.2-12" } else { "MQTT-3.1.2-14" })
            } else if version == Version::V31 {
                None
            } else if reserved {
                Some("MQTT-3.1.2-3")
            } else if !with_will && qos != 0 {
                Some(if version == Version::V5 { "MQTT-3.1.2-11" } else { "MQTT-3.1.2-13" })
            } else if !with_will && retain {
                Some(if version == Version::V5 { "MQTT-3.1.2-13" } else { "MQTT-3.1.2-15" })
            } else {
                None
            };
            let bytes = with_flags(version, flags);
            if let Some(statement) = rule {
                refuse(version, bytes, MALFORMED, statement);
                continue;
            }
            let Packet::Connect(connect) = accept(version, &bytes) else { panic!() };
            assert_eq!(connect.clean_start, has(2));
            assert_eq!(connect.will, with_will.then(|| will(QoS::new(qos).unwrap(), retain)));
            assert_eq!(connect.username, username.then(|| text("user")));
            assert_eq!(connect.password, password.then(|| Bytes::from("pwd")));
            if version != Version::V31 {
                assert_eq!(written(version, &packet(*connect)), bytes);
            }
        }
    }
}

/// A CONNECT with these flags, and the fields that they announce.
fn with_flags(version: Version, flags: u8) -> Vec<u8> {
    let no_properties: &[u8] = if version == Version::V5 { &[0] } else { &[] };
    let mut body = section(version.protocol_name());
    body.extend([version.level(), flags, 0, 60]);
    body.extend_from_slice(no_properties);
    body.extend(section("me"));
    if flags & 4 != 0 {
        body.extend_from_slice(no_properties);
        body.extend(section("w"));
        body.extend(section("by"));
    }
    if flags & 0x80 != 0 {
        body.extend(section("user"));
    }
    if flags & 0x40 != 0 {
        body.extend(section("pwd"));
    }
    frame(0x10, &body)
}

// D31-will
#[test]
fn will_bits_without_a_will_are_masked_in_3_1() {
    for flags in ["0A", "12", "1A", "22", "3A", "03"] {
        let bytes = hex(&format!("10 10 0006 'MQIsdp' 03 {flags} 003C 0002 'me'"));
        assert_eq!(accept(Version::V31, bytes), packet(connect(Version::V31)));
    }
}

// D31-missing
#[test]
fn a_flagged_user_name_or_password_may_be_left_out_in_3_1_alone() {
    let plain = packet(connect(Version::V31));
    assert_eq!(accept(Version::V31, hex("10 10 0006 'MQIsdp' 03 82 003C 0002 'me'")), plain);
    assert_eq!(accept(Version::V31, hex("10 10 0006 'MQIsdp' 03 C2 003C 0002 'me'")), plain);
    let named = packet(connect(Version::V31).with_credentials(text("u"), None));
    assert_eq!(accept(Version::V31, hex("10 13 0006 'MQIsdp' 03 C2 003C 0002 'me' 0001 'u'")), named);
    refuse(Version::V31, hex("10 12 0006 'MQIsdp' 03 82 003C 0002 'me' 0001"), MALFORMED, "MQTT-4.8.0-1");
    refuse(Version::V31, hex("10 11 0006 'MQIsdp' 03 82 003C 0002 'me' 00"), MALFORMED, "MQTT-4.8.0-1");
    refuse(Version::V311, hex("10 0E 0004 'MQTT' 04 82 003C 0002 'me'"), MALFORMED, "MQTT-4.8.0-1");
    refuse(Version::V5, hex("10 0F 0004 'MQTT' 05 C2 003C 00 0002 'me'"), MALFORMED, "U5-2.1.4");
}

// MQTT-3.1.3-3, U311-3.1.2.6, U5-2.1.4
#[test]
fn the_client_identifier_is_always_there_and_nothing_follows_the_last_field() {
    refuse(Version::V311, hex("10 0A 0004 'MQTT' 04 02 003C"), MALFORMED, "MQTT-4.8.0-1");
    refuse(Version::V5, hex("10 0B 0004 'MQTT' 05 02 003C 00"), MALFORMED, "U5-2.1.4");
    // Fields that no flag announces.
    refuse(Version::V311, hex("10 13 0004 'MQTT' 04 02 003C 0002 'me' 0003 'pwd'"), MALFORMED, "U311-3.1.2.6");
    refuse(Version::V31, hex("10 15 0006 'MQIsdp' 03 02 003C 0002 'me' 0003 'pwd'"), MALFORMED, "U311-3.1.2.6");
    refuse(Version::V5, hex("10 14 0004 'MQTT' 05 02 003C 00 0002 'me' 0003 'pwd'"), MALFORMED, "U5-2.1.4");
}

// MQTT-3.1.3-7
#[test]
fn an_empty_client_identifier_is_encoded_where_the_server_may_choose_one() {
    let nameless = |version, clean_start| packet(Connect::new(version, text("")).with_clean_start(clean_start));
    for (version, clean_start, is_legal) in [
        (Version::V31, true, false),
        (Version::V31, false, false),
        (Version::V311, true, true),
        (Version::V311, false, false),
        (Version::V5, true, true),
        (Version::V5, false, true),
    ] {
        let packet = nameless(version, clean_start);
        if is_legal {
            assert_eq!(accept(version, written(version, &packet)), packet);
        } else {
            assert_eq!(complaint(version, &packet).field(), "client identifier");
        }
    }
    // The server reads them all: it has an answer of its own. // MQTT-3.1.3-8
    accept(Version::V311, hex("10 0C 0004 'MQTT' 04 00 003C 0000"));
    accept(Version::V31, hex("10 0E 0006 'MQIsdp' 03 02 003C 0000"));
}

// MQTT-3.1.2-22, MQTT-3.1.2-19, D31-password
#[test]
fn a_password_needs_a_user_name_before_5_0() {
    for version in V3 {
        let lone = edited(connect(version), |connect| connect.password = Some(Bytes::from("pwd")));
        assert_eq!(complaint(version, &packet(lone)).field(), "password");
    }
    let lone = edited(connect(Version::V5), |connect| connect.password = Some(Bytes::from("pwd")));
    same(Version::V5, "10 14 0004 'MQTT' 05 42 003C 00 0002 'me' 0003 'pwd'", packet(lone));
}

// MQTT-4.7.1-1, MQTT-4.7.0-1, MQTT-4.7.3-1
#[test]
fn a_will_topic_is_a_topic_name() {
    for (topic, v3, v5) in [
        ("a/#", "MQTT-4.7.1-1", "MQTT-4.7.0-1"),
        ("+", "MQTT-4.7.1-1", "MQTT-4.7.0-1"),
        ("", "MQTT-4.7.3-1", "MQTT-4.7.3-1"),
    ] {
        let before = hex("0004 'MQTT' 04 06 003C 0001 'c'");
        refuse(Version::V311, frame(0x10, &[before, section(topic), section("p")].concat()), MALFORMED, v3);
        let before = hex("0004 'MQTT' 05 06 003C 00 0001 'c' 00");
        refuse(Version::V5, frame(0x10, &[before, section(topic), section("p")].concat()), MALFORMED, v5);
    }
}

#[test]
fn fields_longer_than_65_535_bytes_are_refused_by_the_encoder() {
    for version in VERSIONS {
        let long = Bytes::from(vec![7; 65_536]);
        let with_password = connect(version).with_credentials(text("u"), Some(long.clone()));
        assert_eq!(complaint(version, &packet(with_password)).field(), "password");
        let with_will = connect(version).with_will(Will::new(Message::new(TopicName::from_static("w"), long.clone())));
        assert_eq!(complaint(version, &packet(with_will)).field(), "will payload");
        let longest = long.slice(1..);
        let all = connect(version)
            .with_credentials(text("u"), Some(longest.clone()))
            .with_will(Will::new(Message::new(TopicName::from_static("w"), longest)));
        assert_eq!(accept(version, written(version, &packet(all.clone()))), packet(all));
    }
}

#[test]
fn a_log_holds_no_password() {
    let connect = connect(Version::V5)
        .with_credentials(text("user"), Some(Bytes::from("secret")))
        .with_authentication(text("SCRAM"), Some(Bytes::from("secret")));
    let debug = format!("{:?}", packet(connect));
    assert!(debug.contains("user") && debug.contains("SCRAM") && !debug.contains("secret"), "{debug}");
    assert!(!debug.contains("115, 101"), "{debug}");
}

#[test]
fn every_property_of_connect_reads_back_as_it_was_set() {
    let connect = connect(Version::V5)
        .with_session_expiry_interval(u32::MAX)
        .with_receive_maximum(7.try_into().unwrap())
        .with_maximum_packet_size(1000.try_into().unwrap())
        .with_topic_alias_maximum(16)
        .with_request_response_information(true)
        .with_request_problem_information(false)
        .with_authentication(text("SCRAM"), Some(Bytes::from("data")))
        .with_user_property(text("k"), text("v"));
    let bytes = written(Version::V5, &packet(connect));
    let Packet::Connect(connect) = accept(Version::V5, bytes) else { panic!() };
    let properties = connect.properties();
    assert_eq!(properties.session_expiry_interval(), Some(u32::MAX));
    assert_eq!(properties.receive_maximum().map(u16::from), Some(7));
    assert_eq!(properties.maximum_packet_size().map(u32::from), Some(1000));
    assert_eq!(properties.topic_alias_maximum(), Some(16));
    assert_eq!(properties.request_response_information(), Some(true));
    assert_eq!(properties.request_problem_information(), Some(false));
    assert_eq!(properties.authentication_method(), Some("SCRAM"));
    assert_eq!(properties.authentication_data(), Some(&b"data"[..]));
    assert_eq!(properties.user_properties().collect::<Vec<_>>(), [("k", "v")]);
}

// MQTT-3.1.0-1: `decode` of these tests compares the two ways of reading one.
#[test]
fn what_is_no_connect_is_refused_where_a_connect_is_expected() {
    let error = Connect::decode(&hex("C0 00")[..]).unwrap_err();
    assert_eq!((error.field(), error.statement()), ("packet type", "MQTT-3.1.0-1"));
    let error = Connect::decode(&hex("11 0E 0004 'MQTT' 04 02 003C 0002 'me'")[..]).unwrap_err();
    assert_eq!((error.field(), error.statement()), ("flags", "MQTT-2.1.3-1"));
    assert!(Connect::decode(&hex("10 0E 0004 'MQTT'")[..]).is_err());
    assert!(Connect::decode(&[][..]).is_err());
}
