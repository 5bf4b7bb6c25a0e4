//! One legal packet of each shape in each version, canonical: the encoder writes the same bytes. They are the golden
//! vectors of the round trip, and the material that other tests cut, lengthen and damage.

use mqtt_proto::{Packet, Version};

use crate::util::{VERSIONS, accept, hex, written};

/// Version and bytes.
pub(crate) fn all() -> Vec<(Version, Vec<u8>)> {
    let v31 = V31.iter().chain(V3).map(|digits| (Version::V31, hex(digits)));
    let v311 = V311.iter().chain(V3).map(|digits| (Version::V311, hex(digits)));
    let v5 = V5.iter().map(|digits| (Version::V5, hex(digits)));
    v31.chain(v311).chain(v5).collect()
}

const V31: &[&str] = &[
    "10 10 0006 'MQIsdp' 03 02 003C 0002 'me'",
    "10 22 0006 'MQIsdp' 83 F6 003C 0002 'me' 0001 'w' 0002 'by' 0004 'user' 0003 'pwd'",
    "20 02 00 00",
    "20 02 00 05",
    "90 05 0001 00 01 02",
];

const V311: &[&str] = &[
    // MQTT-3.1.3-1: the order of the payload.
    "10 0E 0004 'MQTT' 04 02 003C 0002 'me'",
    "10 20 0004 'MQTT' 04 EE FFFF 0002 'me' 0001 'w' 0002 'by' 0004 'user' 0003 'pwd'",
    "10 12 0004 'MQTT' 04 82 0000 0000 0004 'user'",
    "20 02 00 00",
    "20 02 01 00",
    "20 02 00 01",
    "90 06 0001 00 01 02 80",
];

const V3: &[&str] = &[
    "30 03 0001 't'",
    "30 0B 0003 'a/b' 'hello!'",
    "31 04 0001 't' 00",
    "32 06 0001 't' 0001 'p'",
    "3A 05 0001 't' 0001",
    "3D 06 0001 't' FFFF 'p'",
    "40 02 0001",
    "50 02 0002",
    "62 02 0003",
    "70 02 FFFF",
    "82 06 0001 0001 'a' 00",
    "82 0E 000A 0003 'a/b' 01 0003 '+/#' 02",
    "A2 05 0001 0001 'a'",
    "A2 08 0001 0001 'a' 0001 '#'",
    "B0 02 0001",
    "C0 00",
    "D0 00",
    "E0 00",
];

const V5: &[&str] = &[
    "10 0F 0004 'MQTT' 05 02 003C 00 0002 'me'",
    // A password without a user name.
    "10 14 0004 'MQTT' 05 42 003C 00 0002 'me' 0003 'pwd'",
    // Every property of CONNECT, in the order of the standard's text.
    "10 3A 0004 'MQTT' 05 02 003C
     2B 11 0000000A 21 0005 27 00000064 22 0003 19 01 17 00 26 0001 'k' 0001 'v' 26 0000 0000 15 0003 'SCR' 16 0002 0102
     0002 'me'",
    // Every property of a will.
    "10 50 0004 'MQTT' 05 EE 003C 00 0002 'me'
     2E 18 0000001E 01 01 02 00000009 03 0004 'text' 08 0005 'reply' 09 0002 0102 26 0001 'k' 0001 'v' 26 0001 'k' 0001 'w'
     0001 'w' 0002 'by' 0004 'user' 0003 'pwd'",
    "20 03 00 00 00",
    "20 03 01 00 00",
    "20 0B 00 87 08 1F 0005 'never'",
    // Every property of CONNACK.
    "20 4A 00 00
     47 11 FFFFFFFF 21 0001 24 01 25 00 27 0FFFFFFF 12 0002 'id' 22 FFFF 1F 0002 'ok' 26 0001 'k' 0001 'v' 28 00 29 01 2A 00
     13 0000 1A 0004 'info' 1C 0003 'srv' 15 0003 'SCR' 16 0003 'dat'",
    "30 04 0001 't' 00",
    "30 08 0001 't' 00 'load'",
    "3D 06 0001 't' 0001 00",
    // Every property of PUBLISH, the alias first.
    "33 31 0001 't' 0007
     2A 23 0005 01 00 02 00000000 08 0001 'r' 09 0000 26 0000 0001 'v' 0B 01 0B FFFFFF7F 0B 8001 03 0000 26 0001 'k' 0000
     'p'",
    // The topic is left to the alias.
    "30 08 0000 03 23 FFFF 'xy'",
    "40 02 0001",
    "40 03 0001 10",
    "40 0E 0001 83 0A 1F 0000 26 0001 'a' 0001 'b'",
    "50 02 0001",
    "50 03 0001 97",
    "50 08 0001 00 04 1F 0001 'r'",
    "62 02 0001",
    "62 03 0001 92",
    "62 0B 0001 92 07 26 0001 'a' 0001 'b'",
    "70 02 0001",
    "70 03 0001 92",
    "70 08 0001 92 04 1F 0001 'r'",
    "82 07 0001 00 0001 'a' 00",
    "82 1D 0001 09 0B 7F 26 0001 'k' 0001 'v' 0001 'a' 2E 000A '$share/g/a' 19",
    "90 04 0001 00 00",
    "90 14 0001 04 1F 0001 'r' 00 01 02 80 83 87 8F 91 97 9E A1 A2 00",
    "A2 06 0001 00 0001 'a'",
    "A2 10 0001 07 26 0001 'k' 0001 'v' 0001 'a' 0001 '#'",
    "B0 04 0001 00 00",
    "B0 0E 0001 04 1F 0001 'r' 00 11 80 83 87 8F 91",
    "C0 00",
    "D0 00",
    "E0 00",
    "E0 01 04",
    "E0 01 8E",
    "E0 07 00 05 11 00000000",
    "E0 13 9C 11 1F 0001 'r' 26 0001 'k' 0001 'v' 1C 0003 'srv'",
    "F0 00",
    "F0 08 18 06 15 0003 'SCR'",
    "F0 17 19 15 15 0003 'SCR' 16 0002 FF00 1F 0001 'r' 26 0001 'k' 0000",
];

// MQTT-3.1.3-1, MQTT-3.1.3-3, MQTT-2.3.1-1, MQTT-2.3.1-5, MQTT-2.2.1-2, MQTT-2.2.2-1
// MQTT-3.1.2-9
#[test]
fn every_sample_is_read_and_written_back_as_it_was() {
    for (version, frame) in all() {
        let packet = accept(version, &frame);
        assert_eq!(written(version, &packet), frame, "{version}: {packet:?}");
    }
}

// bugs 6: formatting what a peer sent.
#[test]
fn every_sample_can_be_formatted() {
    for (version, frame) in all() {
        assert!(!format!("{:?} {:?}", accept(version, &frame), Packet::decode(version, &frame[..])).is_empty());
    }
}

#[test]
fn there_is_a_sample_of_each_kind_in_each_version() {
    for version in VERSIONS {
        for kind in 1..=15 {
            let wanted = !(kind == 15 && version != Version::V5);
            let found = all().iter().any(|(of, frame)| *of == version && frame[0] >> 4 == kind);
            assert_eq!(found, wanted, "{version}, kind {kind}");
        }
    }
}
