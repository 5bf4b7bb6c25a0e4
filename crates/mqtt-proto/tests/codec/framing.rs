//! Where a packet ends, and what may stand in its first bytes.

use bytes::BytesMut;
use mqtt_proto::{FixedHeader, Packet, PacketType, Version};

use crate::{
    samples,
    util::{MALFORMED, V3, VERSIONS, accept, body, decode, frame, hex, refuse, varint},
};

// U311-2.2.3, U5-1.5.5, bugs 1
#[test]
fn the_length_is_found_at_every_boundary() {
    let lengths = [
        (0, "00"),
        (1, "01"),
        (127, "7F"),
        (128, "8001"),
        (16_383, "FF7F"),
        (16_384, "808001"),
        (2_097_151, "FFFF7F"),
        (2_097_152, "80808001"),
        (268_435_455, "FFFFFF7F"),
    ];
    for (length, digits) in lengths {
        let bytes = [vec![0x30], hex(digits)].concat();
        let header = FixedHeader::parse(&bytes).unwrap().unwrap();
        assert_eq!(header.remaining_len(), length);
        assert_eq!(header.header_len(), bytes.len());
        assert_eq!(header.frame_len(), bytes.len() + length);
        assert_eq!((header.packet_type(), header.first_byte(), header.flags()), (PacketType::Publish, 0x30, 0));
        for cut in 0..bytes.len() {
            assert_eq!(FixedHeader::parse(&bytes[..cut]), Ok(None), "{digits} cut at {cut}");
        }
    }
}

// U5-1.5.5, bugs 2
#[test]
fn a_fifth_byte_of_the_length_is_malformed_before_it_arrives() {
    for digits in ["30 80808080", "30 FFFFFFFF", "30 8080808001", "10 FFFFFFFFFF"] {
        let error = FixedHeader::parse(&hex(digits)).unwrap_err();
        assert_eq!((error.reason(), error.statement(), error.offset()), (MALFORMED, "U5-1.5.5", Some(1)));
    }
}

// MQTT-1.5.5-1
#[test]
fn a_length_with_more_bytes_than_it_needs_is_malformed() {
    for digits in ["C0 8000", "C0 808000", "C0 80808000", "30 FF00"] {
        let error = FixedHeader::parse(&hex(digits)).unwrap_err();
        assert_eq!((error.reason(), error.statement()), (MALFORMED, "MQTT-1.5.5-1"));
    }
}

// U5-2.1.2, U311-2.2.1
#[test]
fn packet_type_0_is_malformed() {
    for first_byte in 0..16 {
        let error = FixedHeader::parse(&[first_byte]).unwrap_err();
        assert_eq!((error.reason(), error.statement(), error.packet()), (MALFORMED, "U5-2.1.2", None));
    }
}

// U311-2.2.1
#[test]
fn packet_type_15_is_malformed_before_5_0() {
    for version in V3 {
        refuse(version, [0xF0, 0], MALFORMED, "U311-2.2.1");
        refuse(version, hex("F0 08 18 06 15 0003 'SCR'"), MALFORMED, "U311-2.2.1");
    }
    assert_eq!(accept(Version::V5, [0xF0, 0]).packet_type(), PacketType::Auth);
}

// MQTT-2.2.2-1, MQTT-2.2.2-2, MQTT-2.1.3-1, MQTT-3.6.1-1, MQTT-3.8.1-1, MQTT-3.10.1-1, MQTT-3.14.1-1, MQTT-3.15.1-1,
// D31-flags, D31-qosbits, bugs 29
#[test]
fn each_kind_has_its_flags_and_no_others() {
    for (version, mut bytes) in samples::all() {
        let kind = PacketType::new(bytes[0] >> 4).unwrap();
        let (legal, statement) = match kind {
            PacketType::Publish => continue,
            PacketType::PubRel => (0b0010, "MQTT-3.6.1-1"),
            PacketType::Subscribe => (0b0010, "MQTT-3.8.1-1"),
            PacketType::Unsubscribe => (0b0010, "MQTT-3.10.1-1"),
            PacketType::Disconnect => (0, "MQTT-3.14.1-1"),
            PacketType::Auth => (0, "MQTT-3.15.1-1"),
            // A CONNECT's version is not known when its flags are looked at.
            _ if version == Version::V5 => (0, "MQTT-2.1.3-1"),
            _ => (0, "MQTT-2.2.2-2"),
        };
        for flags in 0..16 {
            bytes[0] = (kind as u8) << 4 | flags;
            let may_repeat = version == Version::V31 && legal != 0 && flags == legal | 0b1000;
            if flags == legal || may_repeat {
                accept(version, &bytes);
            } else {
                refuse(version, &bytes, MALFORMED, statement);
            }
        }
    }
}

// U5-2.1.4, U5-2.2.2c, bugs 7, 8
#[test]
fn a_packet_cut_anywhere_with_a_consistent_length_is_refused_and_never_wants_more() {
    for (version, bytes) in samples::all() {
        let whole = body(&bytes);
        for cut in 0..whole.len() {
            let shorter = frame(bytes[0], &whole[..cut]);
            let result = decode(version, &shorter);
            if let Ok(packet) = &result {
                assert!(may_end_at(version, &bytes, cut), "{version}, {shorter:02X?}: accepted as {packet:?}");
            }
        }
    }
}

/// Where a legal packet is the beginning of another one.
fn may_end_at(version: Version, bytes: &[u8], cut: usize) -> bool {
    let whole = body(bytes);
    match PacketType::new(bytes[0] >> 4).unwrap() {
        // The payload is what there is.
        PacketType::Publish => {
            let payload = match accept(version, bytes) {
                Packet::Publish(publish) => publish.message.payload.len(),
                packet => panic!("{packet:?}"),
            };
            cut >= whole.len() - payload
        }
        // After the packet identifier, and after the reason code. // U5-3.4.2.1
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => cut == 2 || cut == 3,
        // At once, and after the reason code. // U5-3.14.2.1a
        PacketType::Disconnect => cut == 0 || cut == 1,
        PacketType::Auth => cut == 0,
        // After any whole subscription, filter or reason.
        PacketType::Subscribe | PacketType::Unsubscribe => {
            let end = match accept(version, bytes) {
                Packet::Subscribe(packet) => packet.subscriptions.last().unwrap().filter.len() + 3,
                Packet::Unsubscribe(packet) => packet.filters.last().unwrap().len() + 2,
                packet => panic!("{packet:?}"),
            };
            cut == whole.len() - end
        }
        PacketType::SubAck | PacketType::UnsubAck => {
            let reasons = match accept(version, bytes) {
                Packet::SubAck(packet) => packet.reasons.len(),
                Packet::UnsubAck(packet) => packet.reasons.len(),
                packet => panic!("{packet:?}"),
            };
            cut > whole.len() - reasons
        }
        // A flagged user name or password may be left out at the end. // D31-missing
        PacketType::Connect if version == Version::V31 => {
            let Packet::Connect(connect) = accept(version, bytes) else { panic!() };
            let password = connect.password.as_ref().map_or(0, |password| password.len() + 2);
            let username = connect.username.as_ref().map_or(0, |username| username.len() + 2);
            password + username > 0 && (cut == whole.len() - password || cut == whole.len() - password - username)
        }
        PacketType::Connect | PacketType::ConnAck | PacketType::PingReq | PacketType::PingResp => false,
    }
}

// U5-2.1.4, U311-3.1.2.6, U311-fixed-len, bugs 25, 29
#[test]
fn bytes_after_the_last_field_are_malformed_in_every_packet() {
    for (version, bytes) in samples::all() {
        for tail in [&[0][..], &[0xFF], &[0, 0, 0, 0]] {
            let longer = frame(bytes[0], &[body(&bytes), tail].concat());
            match PacketType::new(bytes[0] >> 4).unwrap() {
                // They are payload, or a further reason.
                PacketType::Publish | PacketType::SubAck => {}
                PacketType::UnsubAck if version == Version::V5 => {}
                // A packet that ends early has other fields to be read.
                _ if version == Version::V5 && is_short_form(&bytes) => {}
                _ => {
                    let error = decode(version, &longer).unwrap_err();
                    assert_eq!(error.packet(), PacketType::new(bytes[0] >> 4), "{version}, {longer:02X?}: {error}");
                }
            }
        }
    }
}

fn is_short_form(bytes: &[u8]) -> bool {
    match PacketType::new(bytes[0] >> 4).unwrap() {
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => body(bytes).len() < 4,
        PacketType::Disconnect | PacketType::Auth => body(bytes).len() < 2,
        _ => false,
    }
}

// U311-fixed-len, U5-2.1.4
#[test]
fn packets_of_fixed_length_have_it() {
    for version in V3 {
        for first_byte in [0x40, 0x50, 0x62, 0x70, 0xB0] {
            accept(version, frame(first_byte, &[0, 1]));
            refuse(version, frame(first_byte, &[0, 1, 0]), MALFORMED, "U311-fixed-len");
            refuse(version, frame(first_byte, &[0]), MALFORMED, "MQTT-4.8.0-1");
        }
        refuse(version, [0x20, 3, 0, 0, 0], MALFORMED, "U311-fixed-len");
        refuse(version, [0xE0, 1, 0], MALFORMED, "U311-fixed-len");
    }
    for version in VERSIONS {
        let statement = if version == Version::V5 { "U5-2.1.4" } else { "U311-fixed-len" };
        refuse(version, [0xC0, 1, 0], MALFORMED, statement);
        refuse(version, [0xD0, 2, 0, 0], MALFORMED, statement);
    }
}

#[test]
fn decode_takes_exactly_one_frame() {
    for version in VERSIONS {
        let statement = if version == Version::V5 { "U5-2.1.4" } else { "MQTT-4.8.0-1" };
        for digits in ["", "C0", "C0 00 C0 00", "30 05 0001 't'", "30 80"] {
            refuse(version, hex(digits), MALFORMED, statement);
        }
    }
}

// bugs 21: the peer claims much and sends nothing.
#[test]
fn a_claimed_length_is_not_believed() {
    let claims = ["30 FFFFFF7F", "10 FFFFFF7F 0004 'MQTT'", "30 04 FFFF 't'", "90 04 0001 FFFF"];
    for claim in claims {
        assert!(decode(Version::V5, &hex(claim)).is_err());
    }
}

// U311-2.2.3: encoded packets grow their length where they must.
// MQTT-1.5.5-1
#[test]
fn the_encoder_writes_the_shortest_length_at_every_boundary() {
    for length in [127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455] {
        let payload = vec![0x55; length - 3];
        let bytes = [&[0x30][..], &varint(length), &[0, 1, b't'], &payload].concat();
        let packet = Packet::decode(Version::V311, &bytes[..]).unwrap();
        let mut out = BytesMut::new();
        packet.encode(Version::V311, &mut out).unwrap();
        assert!(out == bytes, "a Remaining Length of {length}");
    }
    let too_long = vec![0x55; 268_435_456 - 3];
    let message = mqtt_proto::Message::new(mqtt_proto::TopicName::from_static("t"), too_long);
    let mut out = BytesMut::new();
    let error = mqtt_proto::Publish::new(message, None).encode(Version::V311, &mut out).unwrap_err();
    assert_eq!((error.field(), out.len()), ("Remaining Length", 0));
}

// bugs 27: no panic, whatever comes. The fuzz targets go on from here.
#[test]
fn every_single_changed_byte_is_survived() {
    for (version, bytes) in samples::all() {
        for index in 0..bytes.len() {
            for value in 0..=255 {
                let mut changed = bytes.clone();
                changed[index] = value;
                for version in VERSIONS {
                    drop(Packet::decode(version, &changed[..]));
                }
            }
        }
        drop(decode(version, &bytes));
    }
}

// However the rest would read: the second byte of a topic's length may look like one of the packet's.
#[test]
fn a_publish_has_exactly_the_length_that_it_says() {
    let publish = |length: &[u8], topic: &[u8], len: usize| {
        let packet = [&[0x30], length, topic, &*vec![b'x'; len - topic.len()]].concat();
        decode(Version::V311, &packet).is_ok()
    };
    for low in 0..0x80 {
        for len in [4, 5, 6, 60, 126, 127, 128, 131] {
            assert_eq!(publish(&[low], &[0, 1, b't'], len), usize::from(low) == len, "{low} for {len}");
            assert!(!publish(&[low], &[1, 0, 1, b't'], len), "a topic of 256 bytes, {low} for {len}");
        }
    }
    for low in [0x80, 0x81, 0x85, 0xC0, 0xFF] {
        for high in [1, 2, 3, 0x7F] {
            let says = usize::from(high) << 7 | usize::from(low & 0x7F);
            for len in 4..530 {
                assert_eq!(publish(&[low, high], &[0, 1, b't'], len), says == len, "{low:02X} {high:02X} for {len}");
            }
        }
    }
}
