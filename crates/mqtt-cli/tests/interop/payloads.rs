//! Payloads around every length at which a length field grows, byte for byte.

use std::fs;
use std::sync::OnceLock;

use crate::broker::Broker;
use crate::program::{Program, Version, Whose, in_every_pairing};

const TOPIC: &str = "payload";

const TEN_MEBIBYTES: usize = 10 * 1024 * 1024;

/// The largest lengths of one, two and three bytes of a packet's length field.
const BOUNDARIES: [usize; 3] = [127, 16_383, 2_097_151];

#[test]
fn payloads_of_boundary_lengths_arrive_unchanged() {
    let broker = Broker::start();
    in_every_pairing(|version, publisher, subscriber| {
        for length in [0, 1].into_iter().chain(BOUNDARIES.iter().flat_map(|&b| [b, b + 1])) {
            carry(&broker, version, publisher, subscriber, "1", length);
        }
    });
}

#[test]
fn packets_of_boundary_lengths_arrive_unchanged() {
    let broker = Broker::start();
    in_every_pairing(|version, publisher, subscriber| {
        for boundary in BOUNDARIES {
            for qos in ["0", "2"] {
                let length = boundary - overhead(version, qos);
                carry(&broker, version, publisher, subscriber, qos, length);
                carry(&broker, version, publisher, subscriber, qos, length + 1);
            }
        }
    });
}

#[test]
fn ten_mebibytes_arrive_unchanged() {
    let broker = Broker::start();
    in_every_pairing(|version, publisher, subscriber| {
        for qos in ["0", "1", "2"] {
            carry(&broker, version, publisher, subscriber, qos, TEN_MEBIBYTES);
        }
    });
}

/// What a PUBLISH holds beside the fixed header and the payload: topic, packet id, and in 5.0 an empty property list.
fn overhead(version: Version, qos: &str) -> usize {
    let packet_id = if qos == "0" { 0 } else { 2 };
    let properties = if version == Version::V5 { 1 } else { 0 };
    2 + TOPIC.len() + packet_id + properties
}

/// Sends one payload from a file and compares every byte of what arrives, which says more than a hash of it.
fn carry(broker: &Broker, version: Version, publisher: Whose, subscriber: Whose, qos: &str, length: usize) {
    let sent = payload(length);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), sent).unwrap();

    let received = Program::subscriber(subscriber, broker, version)
        .args(["-t", TOPIC, "-q", qos, "-C", "1", "-N"])
        .subscribed(broker);
    let program = Program::publisher(publisher, broker, version).args(["-t", TOPIC, "-q", qos]);
    if length == 0 {
        program.args(["-n"]).publish();
    } else {
        program.args(["-f"]).args([file.path()]).publish();
    }

    let received = received.finish().succeeded();
    assert_eq!(received.len(), length, "length at QoS {qos}");
    if received != sent {
        let first = sent.iter().zip(&received).position(|(sent, received)| sent != received);
        panic!("byte {first:?} of {length} differs at QoS {qos}");
    }
}

/// Bytes of every value in an order that does not repeat: nothing shifted, cut or doubled stays unseen.
fn payload(length: usize) -> &'static [u8] {
    static LONGEST: OnceLock<Vec<u8>> = OnceLock::new();
    let longest = LONGEST.get_or_init(|| {
        let mut state = 0x9E37_79B9_u32;
        let mut bytes = Vec::with_capacity(TEN_MEBIBYTES);
        while bytes.len() < TEN_MEBIBYTES {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            bytes.extend_from_slice(&state.to_be_bytes());
        }
        bytes
    });
    &longest[..length]
}
