//! Properties: which may stand where, how often, with which values (tables 2-4 and section 2.2.2 of 5.0).

use std::num::NonZeroU16;

use bytes::Bytes;
use mqtt_proto::{
    AckPacket, Auth, Connect, Disconnect, Message, Packet, PacketId, PropertyId, PropertyValue, Publish, ReasonCode,
    SubscriptionId, TopicName, Version, Will,
};

use crate::util::{
    MALFORMED, PROTOCOL, V3, accept, complaint, encode, frame, hex, names, refuse, section, text, varint, written,
};

/// The table of the standard once more, as its own text has it: number, a legal value, the packets that may carry it.
/// `W` is the will of a CONNECT; packets are named by their number in hexadecimal.
pub(crate) const TABLE: [(u8, &str, &str); 27] = [
    (1, "01", "3W"),
    (2, "00000001", "3W"),
    (3, "0001 'a'", "3W"),
    (8, "0001 'a'", "3W"),
    (9, "0001 FF", "3W"),
    (11, "01", "38"),
    (17, "00000000", "12E"),
    (18, "0001 'a'", "2"),
    (19, "0000", "2"),
    (21, "0001 'a'", "12F"),
    (22, "0001 FF", "12F"),
    (23, "00", "1"),
    (24, "00000001", "W"),
    (25, "01", "1"),
    (26, "0001 'a'", "2"),
    (28, "0001 'a'", "2E"),
    (31, "0001 'a'", "245679BEF"),
    (33, "0001", "12"),
    (34, "0000", "12"),
    (35, "0001", "3"),
    (36, "01", "2"),
    (37, "00", "2"),
    (38, "0001 'a' 0001 'b'", "123W456789ABEF"),
    (39, "00000001", "12"),
    (40, "00", "2"),
    (41, "01", "2"),
    (42, "00", "2"),
];

const PLACES: &str = "123W456789ABEF";

/// A packet of this place with these properties.
fn packet(place: char, properties: &[u8]) -> Vec<u8> {
    let block = [&varint(properties.len()), properties].concat();
    let around =
        |first_byte, before: &str, after: &str| frame(first_byte, &[hex(before), block.clone(), hex(after)].concat());
    match place {
        '1' => around(0x10, "0004 'MQTT' 05 02 003C", "0001 'c'"),
        'W' => around(0x10, "0004 'MQTT' 05 06 003C 00 0001 'c'", "0001 't' 0001 'p'"),
        '2' => around(0x20, "00 00", ""),
        '3' => around(0x32, "0001 't' 0001", "'payload'"),
        '4' => around(0x40, "0001 00", ""),
        '5' => around(0x50, "0001 00", ""),
        '6' => around(0x62, "0001 00", ""),
        '7' => around(0x70, "0001 00", ""),
        '8' => around(0x82, "0001", "0001 'a' 00"),
        '9' => around(0x90, "0001", "00"),
        'A' => around(0xA2, "0001", "0001 'a'"),
        'B' => around(0xB0, "0001", "00"),
        'E' => around(0xE0, "00", ""),
        'F' => around(0xF0, "18", ""),
        _ => panic!("{place}"),
    }
}

/// What must be there besides: AUTH has a method always, and data have one.
fn beside(place: char, id: u8) -> Vec<u8> {
    let needs_method = (place == 'F' || id == 22) && id != 21;
    if needs_method { hex("15 0003 'SCR'") } else { Vec::new() }
}

fn property(id: u8, value: &str) -> Vec<u8> {
    [vec![id], hex(value)].concat()
}

// U5-2.2.2a, bugs 11, 20, 25: every identifier in every packet.
#[test]
fn each_property_stands_where_the_table_allows_it_and_nowhere_else() {
    for place in PLACES.chars() {
        for id in 0..=255_u8 {
            // An unknown property has no value: any will do.
            let (value, places) = TABLE.iter().find(|row| row.0 == id).map_or(("01", ""), |row| (row.1, row.2));
            let bytes = packet(place, &[beside(place, id), property(id, value)].concat());
            if places.contains(place) {
                let packet = accept(Version::V5, &bytes);
                assert_eq!(accept(Version::V5, written(Version::V5, &packet)), packet);
            } else {
                refuse(Version::V5, bytes, MALFORMED, "U5-2.2.2a");
            }
        }
    }
}

// U5-2.2.2b, U5-3.8.2.1.2
#[test]
fn a_property_stands_once_but_for_user_properties_and_the_identifiers_of_a_publish() {
    for place in PLACES.chars() {
        for (id, value, _) in TABLE.iter().filter(|row| row.2.contains(place)) {
            let twice = [beside(place, *id), property(*id, value), property(*id, value)].concat();
            if *id == 38 || (*id == 11 && place == '3') {
                accept(Version::V5, packet(place, &twice));
            } else {
                refuse(Version::V5, packet(place, &twice), PROTOCOL, "U5-2.2.2b");
                // Also with others in between.
                let apart = [property(*id, value), property(38, "0000 0000"), property(*id, value)].concat();
                let apart = [beside(place, *id), apart].concat();
                refuse(Version::V5, packet(place, &apart), PROTOCOL, "U5-2.2.2b");
            }
        }
    }
}

// U5-3.1.2.11.3, U5-3.1.2.11.4a, U5-3.1.2.11.6, U5-3.1.2.11.7a, U5-3.1.3.2.3, U5-3.2.2.3.4, U5-3.2.2.3.5,
// U5-3.2.2.3.11, U5-3.2.2.3.12, U5-3.2.2.3.13, U5-3.3.2.3.8a, MQTT-3.3.2-8, MQTT-3.3.2-14, bugs 10
#[test]
fn each_property_has_its_values_and_no_others() {
    let booleans = [
        (1, "U5-3.1.3.2.3"),
        (23, "U5-3.1.2.11.7a"),
        (25, "U5-3.1.2.11.6"),
        (36, "U5-3.2.2.3.4"),
        (37, "U5-3.2.2.3.5"),
        (40, "U5-3.2.2.3.11"),
        (41, "U5-3.2.2.3.12"),
        (42, "U5-3.2.2.3.13"),
    ];
    for (id, statement) in booleans {
        for place in places(id) {
            for value in 0..=255 {
                let bytes = packet(place, &[id, value]);
                if value < 2 {
                    accept(Version::V5, bytes);
                } else {
                    refuse(Version::V5, bytes, PROTOCOL, statement);
                }
            }
        }
    }
    let never_zero = [(11, "00", "U5-3.3.2.3.8a"), (33, "0000", "U5-3.1.2.11.3"), (39, "00000000", "U5-3.1.2.11.4a")];
    for (id, zero, statement) in never_zero {
        for place in places(id) {
            refuse(Version::V5, packet(place, &property(id, zero)), PROTOCOL, statement);
        }
    }
    refuse(Version::V5, packet('3', &hex("23 0000")), ReasonCode::TOPIC_ALIAS_INVALID, "MQTT-3.3.2-8");
    for topic in ["", "+", "a/#"] {
        for place in places(8) {
            let bytes = packet(place, &[&[8][..], &section(topic)].concat());
            refuse(Version::V5, bytes, MALFORMED, "MQTT-3.3.2-14");
        }
    }
    // The ends of every range.
    for (place, value) in [
        ('3', "0B FFFFFF7F"),
        ('8', "0B FFFFFF7F"),
        ('1', "21 FFFF"),
        ('2', "21 FFFF"),
        ('1', "27 FFFFFFFF"),
        ('1', "22 0000"),
        ('1', "22 FFFF"),
        ('2', "13 FFFF"),
        ('E', "11 FFFFFFFF"),
        ('W', "18 FFFFFFFF"),
        ('W', "18 00000000"),
        ('3', "02 00000000"),
        ('3', "02 FFFFFFFF"),
        ('3', "23 FFFF"),
        ('3', "09 0000"),
        ('3', "03 0000"),
        ('2', "12 0000"),
        ('2', "1F 0000"),
        ('E', "1C 0000"),
        ('1', "26 0000 0000"),
    ] {
        accept(Version::V5, packet(place, &hex(value)));
    }
}

fn places(id: u8) -> impl Iterator<Item = char> {
    TABLE.iter().find(|row| row.0 == id).unwrap().2.chars()
}

// U5-1.5.5, MQTT-1.5.5-1, bugs 3: every variable byte integer.
#[test]
fn every_integer_of_five_bytes_and_every_padded_one_is_malformed() {
    for (long, statement) in
        [("8080808001", "U5-1.5.5"), ("FFFFFFFF7F", "U5-1.5.5"), ("8100", "MQTT-1.5.5-1"), ("81808000", "MQTT-1.5.5-1")]
    {
        for place in ['3', '8'] {
            // As a Subscription Identifier, and as the identifier of a property.
            refuse(Version::V5, packet(place, &[hex("0B"), hex(long)].concat()), MALFORMED, statement);
            refuse(Version::V5, packet(place, &hex(long)), MALFORMED, statement);
        }
        // As a Property Length.
        for (first_byte, before) in
            [(0x30, "0001 't'"), (0x20, "00 00"), (0x82, "0001"), (0x40, "0001 00"), (0xE0, "00")]
        {
            let bytes = frame(first_byte, &[hex(before), hex(long), vec![0; 200]].concat());
            refuse(Version::V5, bytes, MALFORMED, statement);
        }
    }
}

// U5-2.2.2c, bugs 8, 16
#[test]
fn properties_end_with_their_length_and_their_length_within_the_packet() {
    for place in PLACES.chars() {
        for (id, value, _) in TABLE.iter().filter(|row| row.2.contains(place)) {
            let whole = property(*id, value);
            for cut in 1..whole.len() {
                // What follows the properties may be read as the rest of a value: that crosses the boundary.
                let bytes = packet(place, &whole[..cut]);
                refuse(Version::V5, bytes, MALFORMED, "U5-2.1.4");
            }
        }
    }
    for (first_byte, before) in [(0x30, "0001 't'"), (0x20, "00 00"), (0x82, "0001"), (0x40, "0001 00"), (0xE0, "00")] {
        refuse(Version::V5, frame(first_byte, &[hex(before), hex("06 26 0000 00")].concat()), MALFORMED, "U5-2.2.2c");
        refuse(Version::V5, frame(first_byte, &[hex(before), hex("FFFFFF7F")].concat()), MALFORMED, "U5-2.2.2c");
        refuse(Version::V5, frame(first_byte, &[hex(before), hex("80")].concat()), MALFORMED, "U5-2.1.4");
    }
}

// U5-3.1.2.11.10
#[test]
fn authentication_data_need_a_method() {
    for place in ['1', '2', 'F'] {
        refuse(Version::V5, packet(place, &hex("16 0001 FF")), PROTOCOL, "U5-3.1.2.11.10");
        accept(Version::V5, packet(place, &hex("16 0001 FF 15 0001 'm'")));
        accept(Version::V5, packet(place, &hex("15 0001 'm' 16 0001 FF")));
    }
}

// MQTT-2.2.2-1
#[test]
fn no_properties_are_written_as_length_0() {
    for (place, bytes) in PLACES.chars().map(|place| (place, packet(place, &[]))).filter(|(place, _)| *place != 'F') {
        let packet = accept(Version::V5, &bytes);
        if matches!(place, '4' | '5' | '6' | '7' | 'E') {
            continue; // They have a shorter form yet.
        }
        assert_eq!(written(Version::V5, &packet), bytes, "{place}");
    }
}

// U5-3.3.2.3.8c, bugs "three subscription identifiers corrupt the payload"
#[test]
fn a_publish_has_as_many_subscription_identifiers_as_it_likes() {
    let bytes = packet('3', &hex("0B 01 26 0001 'k' 0001 'v' 0B FF7F 0B FFFFFF7F 0B 01"));
    let Packet::Publish(publish) = accept(Version::V5, &bytes) else { panic!() };
    let ids: Vec<u32> = publish.message.properties().subscription_identifiers().map(SubscriptionId::get).collect();
    assert_eq!(ids, [1, 16_383, 268_435_455, 1]);
    assert_eq!(publish.message.payload, "payload");
    assert_eq!(written(Version::V5, &Packet::Publish(publish)), bytes);
}

#[test]
fn an_alias_or_will_delay_is_a_field_wherever_it_stands_among_the_properties() {
    let other = hex("26 0001 'k' 0001 'v'");
    let orders: [(&[&str], usize); 4] = [(&["A"], 0), (&["A", "p"], 1), (&["p", "A"], 1), (&["p", "A", "p"], 2)];
    for (order, others) in orders {
        let lay = |special: &str| {
            order.iter().flat_map(|part| if *part == "A" { hex(special) } else { other.clone() }).collect::<Vec<_>>()
        };
        let Packet::Publish(publish) = accept(Version::V5, packet('3', &lay("23 0102"))) else { panic!() };
        assert_eq!(publish.topic_alias.map(NonZeroU16::get), Some(0x0102));
        assert_eq!(names(publish.message.properties()), vec![PropertyId::UserProperty; others]);
        assert_eq!(publish.message.properties().is_empty(), others == 0);
        assert!(!publish.message.properties().contains(PropertyId::TopicAlias));

        let Packet::Connect(connect) = accept(Version::V5, packet('W', &lay("18 00000102"))) else { panic!() };
        let will = connect.will.clone().unwrap();
        assert_eq!(will.delay_interval, 0x0102);
        assert_eq!(names(will.message.properties()), vec![PropertyId::UserProperty; others]);

        // What is written has it first, and is equal all the same.
        for packet in [Packet::Publish(publish), Packet::Connect(connect)] {
            let again = accept(Version::V5, written(Version::V5, &packet));
            assert_eq!(again, packet);
            assert_eq!(hash(&again), hash(&packet));
        }
    }
}

fn hash(packet: &Packet) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    packet.hash(&mut hasher);
    hasher.finish()
}

// A broker passes a message on: without the publisher's alias. (bugs 68)
#[test]
fn a_message_taken_out_of_its_publish_leaves_the_alias_behind() {
    let bytes = packet('3', &hex("26 0000 0000 23 0005 01 01"));
    let Packet::Publish(publish) = accept(Version::V5, bytes) else { panic!() };
    let passed_on = Packet::Publish(Publish::new(publish.message, PacketId::new(9)));
    let Packet::Publish(again) = accept(Version::V5, written(Version::V5, &passed_on)) else { panic!() };
    assert_eq!(again.topic_alias, None);
    assert_eq!(names(again.message.properties()), [PropertyId::UserProperty, PropertyId::PayloadFormatIndicator]);
}

// U5-2.2.2a: what the encoder refuses.
#[test]
fn a_property_from_elsewhere_is_not_written_where_it_may_not_stand() {
    let message = Message::new(TopicName::from_static("t"), "").with_subscription_identifier(SubscriptionId::MIN);
    let connect = Connect::new(Version::V5, text("c")).with_will(Will::new(message));
    let error = complaint(Version::V5, &Packet::Connect(Box::new(connect)));
    assert_eq!(error.field(), "Subscription Identifier");
}

// MQTT-1.5.5-1 and the limits of two-byte lengths: never cut silently.
#[test]
fn binary_data_longer_than_65_535_bytes_are_refused_by_the_encoder() {
    let message = |len| Message::new(TopicName::from_static("t"), "").with_correlation_data(vec![7; len]);
    assert!(encode(Version::V5, &Packet::Publish(Publish::new(message(65_535), None))).is_ok());
    let error = complaint(Version::V5, &Packet::Publish(Publish::new(message(65_536), None)));
    assert_eq!(error.field(), "Correlation Data");
    let auth = Auth::new(ReasonCode::CONTINUE_AUTHENTICATION)
        .with_authentication(text("m"), Some(Bytes::from(vec![7; 65_536])));
    assert_eq!(complaint(Version::V5, &Packet::Auth(auth)).field(), "Authentication Data");
    let will = Connect::new(Version::V5, text("c")).with_will(Will::new(message(65_536)));
    assert_eq!(complaint(Version::V5, &Packet::Connect(Box::new(will))).field(), "Correlation Data");
    let replaced = message(65_536).with_correlation_data(vec![7; 2]);
    assert!(encode(Version::V5, &Packet::Publish(Publish::new(replaced, None))).is_ok());
    // Also in a version that has no such property.
    complaint(Version::V311, &Packet::Publish(Publish::new(message(65_536), None)));
}

#[test]
fn properties_are_refused_by_the_encoder_before_5_0() {
    let message = Message::new(TopicName::from_static("t"), "").with_content_type(text("text/plain"));
    let packets = [
        Packet::Publish(Publish::new(message.clone(), None)),
        Packet::PubAck(AckPacket::new(PacketId::MIN, ReasonCode::SUCCESS).with_reason_string(text("r"))),
        Packet::Disconnect(Disconnect::new(ReasonCode::SUCCESS).with_server_reference(text("s"))),
    ];
    for version in V3 {
        for (packet, field) in packets.iter().zip(["Content Type", "Reason String", "Server Reference"]) {
            assert_eq!(complaint(version, packet).field(), field);
        }
        let connect = Connect::new(version, text("c"));
        let with_will = connect.clone().with_will(Will::new(message.clone()));
        assert_eq!(complaint(version, &Packet::Connect(Box::new(with_will))).field(), "Content Type");
        let delayed = Will { message: Message::new(TopicName::from_static("t"), ""), delay_interval: 1 };
        let with_delay = connect.clone().with_will(delayed);
        assert_eq!(complaint(version, &Packet::Connect(Box::new(with_delay))).field(), "Will Delay Interval");
        let with_expiry = connect.with_session_expiry_interval(1);
        assert_eq!(complaint(version, &Packet::Connect(Box::new(with_expiry))).field(), "Session Expiry Interval");
        let alias = Publish {
            topic_alias: NonZeroU16::new(1),
            ..Publish::new(Message::new(TopicName::from_static("t"), ""), None)
        };
        assert_eq!(complaint(version, &Packet::Publish(alias)).field(), "Topic Alias");
    }
}

#[test]
fn every_property_reads_back_as_it_was_set() {
    let publish = Message::new(TopicName::from_static("t"), "p")
        .with_payload_format_indicator(true)
        .with_message_expiry_interval(9)
        .with_content_type(text("type"))
        .with_response_topic(TopicName::from_static("reply"))
        .with_correlation_data(&b"\x00\xFF"[..])
        .with_user_property(text("k"), text("v"))
        .with_user_property(text("k"), text("w"))
        .with_subscription_identifier(SubscriptionId::new(300).unwrap());
    let bytes = written(Version::V5, &Packet::Publish(Publish::new(publish, None)));
    let Packet::Publish(publish) = accept(Version::V5, bytes) else { panic!() };
    let properties = publish.message.properties();
    assert_eq!(properties.payload_format_indicator(), Some(true));
    assert_eq!(properties.message_expiry_interval(), Some(9));
    assert_eq!(properties.content_type(), Some("type"));
    assert_eq!(properties.response_topic(), Some("reply"));
    assert_eq!(properties.correlation_data(), Some(&b"\x00\xFF"[..]));
    assert_eq!(properties.user_properties().collect::<Vec<_>>(), [("k", "v"), ("k", "w")]);
    assert_eq!(properties.subscription_identifiers().map(SubscriptionId::get).collect::<Vec<_>>(), [300]);
    assert_eq!((properties.reason_string(), properties.receive_maximum()), (None, None));
    assert_eq!(properties.to_shared(), *properties);
    let entries = properties.iter().collect::<Vec<_>>();
    assert_eq!(entries[0], (PropertyId::PayloadFormatIndicator, PropertyValue::Byte(1)));
    assert_eq!(entries[7], (PropertyId::SubscriptionIdentifier, PropertyValue::Number(300)));
}

// Each of both values: of one alone a constant would do.
#[test]
fn flags_among_the_properties_read_back_in_both_positions() {
    for value in [0, 1] {
        let digits = format!("{value:02X}");
        let Packet::Publish(publish) = accept(Version::V5, packet('3', &property(1, &digits))) else { panic!() };
        assert_eq!(publish.message.properties().payload_format_indicator(), Some(value == 1));
        assert_eq!(publish.message.properties().encoded_len(), 2);
        let Packet::Connect(connect) = accept(Version::V5, packet('1', &property(25, &digits))) else { panic!() };
        assert_eq!(connect.properties().request_response_information(), Some(value == 1));
        let Packet::Connect(connect) = accept(Version::V5, packet('1', &property(23, &digits))) else { panic!() };
        assert_eq!(connect.properties().request_problem_information(), Some(value == 1));
        let flags = [37, 40, 41, 42].map(|id| property(id, &digits)).concat();
        let Packet::ConnAck(connack) = accept(Version::V5, packet('2', &flags)) else { panic!() };
        let properties = connack.properties();
        assert_eq!(properties.retain_available(), Some(value == 1));
        assert_eq!(properties.wildcard_subscription_available(), Some(value == 1));
        assert_eq!(properties.subscription_identifier_available(), Some(value == 1));
        assert_eq!(properties.shared_subscription_available(), Some(value == 1));
        assert_eq!(properties.encoded_len(), 8);
    }
}

#[test]
fn packets_with_other_properties_are_other_packets() {
    let message = |pair| Message::new(TopicName::from_static("t"), "").with_user_property(text("k"), text(pair));
    let packets = ["v", "w"].map(|value| Packet::Publish(Publish::new(message(value), None)));
    assert_ne!(packets[0], packets[1]);
    assert_ne!(hash(&packets[0]), hash(&packets[1]));
    assert_eq!(packets[0], Packet::Publish(Publish::new(message("v"), None)));
}

#[test]
fn a_property_set_twice_has_its_last_value() {
    let message = Message::new(TopicName::from_static("t"), "")
        .with_message_expiry_interval(1)
        .with_user_property(text("k"), text("v"))
        .with_message_expiry_interval(2);
    assert_eq!(names(message.properties()), [PropertyId::UserProperty, PropertyId::MessageExpiryInterval]);
    assert_eq!(message.properties().message_expiry_interval(), Some(2));
}

// bugs 18: reading n properties is linear; here, that very many are read at all.
#[test]
fn a_hundred_thousand_user_properties_are_read() {
    let block = hex("26 0001 'k' 0001 'v'").repeat(100_000);
    let Packet::Publish(publish) = accept(Version::V5, packet('3', &block)) else { panic!() };
    assert_eq!(publish.message.properties().user_properties().count(), 100_000);
}

#[test]
fn names_and_numbers_of_properties_agree() {
    for number in 0..=300 {
        let known = TABLE.iter().any(|row| u32::from(row.0) == number);
        let found = PropertyId::new(number);
        assert_eq!(found.is_some(), known, "{number}");
        if let Some(id) = found {
            assert_eq!(id as u32, number);
            assert!(!id.name().is_empty());
        }
    }
    assert_eq!(PropertyId::MaximumQoS.name(), "Maximum QoS");
}
