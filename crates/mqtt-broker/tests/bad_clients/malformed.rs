//! Bytes that are no MQTT, or not what may come now. The codec's own tests have each rule (`mqtt-proto/tests/codec`); here is one
//! case of each class, for the server: it hangs up, in 5.0 with a reason, and nobody else notices.

use std::fs;
use std::net::Shutdown;
use std::path::{Path, PathBuf};

use mqtt_broker::Config;
use mqtt_proto::Version;

use super::field::withstand;
use super::{MIB, VERSIONS, hello};

/// What a stranger sends first.
const STRANGERS: [(&str, &[u8]); 22] = [
    ("HTTP", b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n"),
    ("TLS", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"),
    ("no packet type", b"\0\0"),
    ("AUTH or nothing", b"\xf0\0"),
    ("PUBLISH before CONNECT", b"\x30\x04\0\x01ax"),
    ("PUBACK before CONNECT, bugs.tsv 14", b"\x40\x02\0\x01"),
    ("SUBSCRIBE before CONNECT", b"\x82\x06\0\x01\0\x01a\0"),
    ("PINGREQ before CONNECT", b"\xc0\0"),
    ("DISCONNECT before CONNECT", b"\xe0\0"),
    ("a length of five bytes, bugs.tsv 2", b"\x10\xff\xff\xff\xff\x01"),
    ("a length of 256 MiB, bugs.tsv 21", b"\x10\xff\xff\xff\x7f\0\x04MQTT"),
    ("a wrong name", b"\x10\x0d\0\x04MQTX\x04\x02\0\0\0\x01a"),
    ("a level that is none", b"\x10\x0d\0\x04MQTT\x09\x02\0\0\0\x01a"),
    ("a reserved flag", b"\x10\x0d\0\x04MQTT\x04\x03\0\0\0\x01a"),
    ("wrong flags of CONNECT", b"\x11\x0d\0\x04MQTT\x04\x02\0\0\0\x01a"),
    ("Will QoS without a will, bugs.tsv 75", b"\x10\x0d\0\x04MQTT\x04\x0a\0\0\0\x01a"),
    ("Will QoS 3, bugs.tsv 26", b"\x10\x13\0\x04MQTT\x04\x1e\0\0\0\x01a\0\x01t\0\x01p"),
    ("a password alone", b"\x10\x10\0\x04MQTT\x04\x42\0\0\0\x01a\0\x01p"),
    ("an identifier that is not UTF-8", b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01\xff"),
    ("an identifier beyond the packet, bugs.tsv 7", b"\x10\x0d\0\x04MQTT\x04\x02\0\0\xff\xffa"),
    ("properties beyond the packet, bugs.tsv 3", b"\x10\x0e\0\x04MQTT\x05\x02\0\0\x7f\0\x01a"),
    ("Receive Maximum 0", b"\x10\x11\0\x04MQTT\x05\x02\0\0\x03\x21\0\0\0\x01a"),
];

/// What a client sends after it was let in, whatever its version.
const CLIENTS: [(&str, &[u8]); 34] = [
    ("a second CONNECT", b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01a"),
    ("CONNACK, bugs.tsv 13", b"\x20\x02\0\0"),
    ("SUBACK, bugs.tsv 29", b"\x90\x03\0\x01\0"),
    ("UNSUBACK, bugs.tsv 29", b"\xb0\x02\0\x01"),
    ("PINGRESP, bugs.tsv 29", b"\xd0\0"),
    ("no packet type", b"\0\0"),
    ("wrong flags of PUBACK", b"\x41\x02\0\x01"),
    ("wrong flags of PUBREC", b"\x51\x02\0\x01"),
    ("wrong flags of PUBREL", b"\x60\x02\0\x01"),
    ("wrong flags of PUBCOMP", b"\x71\x02\0\x01"),
    ("wrong flags of SUBSCRIBE", b"\x80\x06\0\x01\0\x01a\0"),
    ("wrong flags of UNSUBSCRIBE", b"\xa0\x05\0\x01\0\x01a"),
    ("wrong flags of PINGREQ", b"\xc1\0"),
    ("wrong flags of DISCONNECT", b"\xe1\0"),
    ("a PINGREQ with a body", b"\xc0\x01\0"),
    ("a PUBACK of one byte", b"\x40\x01\0"),
    ("a packet identifier of 0", b"\x40\x02\0\0"),
    ("a length of five bytes, bugs.tsv 2", b"\x30\xff\xff\xff\xff\x01"),
    ("a length of 256 MiB", b"\x30\xff\xff\xff\x7f"),
    ("QoS 3", b"\x36\x07\0\x01a\0\x01xy"),
    ("a topic beyond the packet, bugs.tsv 8 and 9", b"\x31\x02\0\x05"),
    ("a topic with a wildcard", b"\x30\x04\0\x02a#"),
    ("a topic with U+0000", b"\x30\x04\0\x02a\0"),
    ("a topic that is not UTF-8, bugs.tsv 28", b"\x30\x04\0\x02a\xff"),
    ("a topic of surrogates", b"\x30\x05\0\x03\xed\xa0\x80"),
    ("an empty topic, bugs.tsv 12", b"\x30\x03\0\0\0"),
    ("a message without its identifier", b"\x32\x03\0\x01a"),
    ("a SUBSCRIBE for nothing, bugs.tsv 75", b"\x82\x02\0\x01"),
    ("a SUBSCRIBE without options", b"\x82\x05\0\x01\0\x01a"),
    ("a SUBSCRIBE with identifier 0", b"\x82\x06\0\0\0\x01a\0"),
    ("an UNSUBSCRIBE from nothing", b"\xa2\x02\0\x01"),
    ("an UNSUBSCRIBE cut off", b"\xa2\x03\0\x01\0"),
    ("a share without a name, bugs.tsv 39", b"\x82\x10\0\x01\0\x0b$share//a/b\0"),
    ("a filter with # in the middle", b"\x82\x08\0\x01\0\x03#/a\0"),
];

/// What only a client of 5.0 can do wrong.
const CLIENTS_OF_V5: [(&str, &[u8]); 16] = [
    ("Topic Alias 0", b"\x30\x07\0\x01a\x03\x23\0\0"),
    ("a Topic Alias above the maximum", b"\x30\x07\0\x01a\x03\x23\xff\xff"),
    ("a Topic Alias that was never given", b"\x30\x06\0\0\x03\x23\0\x05"),
    ("a property that is none, bugs.tsv 11", b"\x30\x06\0\x01a\x02\x7f\0"),
    ("a property of another packet", b"\x30\x07\0\x01a\x03\x13\0\x01"),
    ("a property twice", b"\x30\x08\0\x01a\x04\x01\0\x01\0"),
    ("a Payload Format Indicator of 2", b"\x30\x06\0\x01a\x02\x01\x02"),
    ("a Response Topic with a wildcard", b"\x30\x08\0\x01a\x04\x08\0\x01#"),
    ("a Subscription Identifier from a client", b"\x30\x06\0\x01a\x02\x0b\x01"),
    ("properties of five bytes' length, bugs.tsv 3", b"\x30\x08\0\x01a\xff\xff\xff\xff\x01"),
    ("Subscription Identifier 0", b"\x82\x09\0\x01\x02\x0b\0\0\x01a\0"),
    ("No Local on a share", b"\x82\x11\0\x01\0\0\x0b$share/s/ab\x04"),
    ("reserved options", b"\x82\x07\0\x01\0\0\x01a\xc0"),
    ("Retain Handling 3", b"\x82\x07\0\x01\0\0\x01a\x30"),
    ("AUTH without a method", b"\xf0\x02\x18\0"),
    ("a reason for DISCONNECT that is none", b"\xe0\x01\x7f"),
];

#[test]
fn each_class_of_malformed_packets_ends_one_connection_and_disturbs_nobody() {
    withstand(Config::default(), 3, 32 * MIB, |field, number| {
        let version = VERSIONS[number];
        for (class, bytes) in STRANGERS {
            let mut stream = field.dial(bytes);
            let Some(words) = field.last_words(&mut stream) else { return };
            let is_refused = matches!(&words[..], [] | [0x20, _, 0, 1..=0xff, ..]);
            assert!(is_refused, "{class} from a stranger is answered {words:02X?}");
        }
        let own: &[(&str, &[u8])] = if version == Version::V5 { &CLIENTS_OF_V5 } else { &[] };
        for (class, bytes) in CLIENTS.iter().chain(own) {
            let mut stream = field.dial(&hello(version, format!("malformed {number}")));
            field.push(&mut stream, bytes);
            let Some(words) = field.last_words(&mut stream) else { return };
            check_last_words(version, class, &words);
        }
    });
}

/// CONNACK; then, in 5.0 alone, DISCONNECT with a reason that is an error.
fn check_last_words(version: Version, class: &str, words: &[u8]) {
    assert!(words.len() >= 4 && words[0] == 0x20 && words[3] == 0, "{class}: not let in: {words:02X?}");
    let rest = &words[2 + usize::from(words[1])..];
    let is_told = match version {
        Version::V31 | Version::V311 => rest.is_empty(),
        Version::V5 => matches!(rest, [0xe0, _, 0x80..=0xff, ..]),
    };
    assert!(is_told, "{version}, {class}: the last words are {rest:02X?}");
}

/// What fuzzing the decoder and the server connection has found to be worth keeping.
#[test]
fn what_fuzzing_has_collected_disturbs_nobody() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let mut corpus: Vec<PathBuf> = ["corpus/decode", "corpus/server", "corpus/split", "regressions/decode"]
        .iter()
        .flat_map(|name| fs::read_dir(folder.join(name)).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    corpus.sort();
    assert!(corpus.len() > 500, "the corpora are where they are expected");
    let inputs: Vec<Vec<u8>> = corpus.iter().map(|path| fs::read(path).unwrap()).collect();
    withstand(Config::default(), 3, 64 * MIB, |field, number| {
        for bytes in inputs.iter().skip(number).step_by(3) {
            let mut stream = field.dial(&hello(VERSIONS[number], format!("fuzzer {number}")));
            field.push(&mut stream, bytes);
            // The server may have hung up already.
            if stream.shutdown(Shutdown::Write).is_ok() && field.last_words(&mut stream).is_none() {
                return;
            }
        }
    });
}
