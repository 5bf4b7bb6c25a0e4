//! The laws of the codecs.

use bytes::{Bytes, BytesMut};
use mqtt_proto::{FixedHeader, Packet, ReasonCode, Storage, Version};

use super::source::Source;
use super::{build, display, format};

/// Decodes a stream of packets in one version, which the first byte chooses. The laws:
///
/// - nothing panics, and a decoder that does not fail takes the whole frame;
/// - from a slice and from shared bytes comes the same packet, or the same error, and both have words;
/// - a packet that was decoded can be encoded, to no more bytes than it came in, and those decode to the same packet; in
///   3.1.1 they *are* the bytes it came in. There are two exceptions. A CONNECT without the client identifier that it needs
///   has to be read, to be answered (MQTT-3.1.3-8), and no client may send it. DISCONNECT 0x8C is in one table of the
///   standard and not in another, so it is taken and never sent.
pub fn decode(input: &[u8]) {
    let mut source = Source::new(input);
    let version = source.version();
    let mut rest = source.rest();
    while let Some(frame) = first_frame(rest) {
        decode_frame(version, frame);
        rest = &rest[frame.len()..];
    }
}

/// Encodes packets built from the input. The laws:
///
/// - the length of a packet is known before it is written; one that cannot be written leaves no byte behind;
/// - what is written decodes to the packet it was written from;
/// - a packet cut short at any byte, with a length that fits, is no such packet: it fails, or is another one that is legal.
pub fn encode(input: &[u8]) {
    let mut source = Source::new(input);
    let version = source.version();
    while !source.is_empty() {
        let packet = build::packet(&mut source, version);
        let mut out = BytesMut::from(&b"before"[..]);
        let len = packet.encoded_len(version);
        match packet.encode(version, &mut out) {
            Err(error) => {
                assert_eq!(len, Err(error));
                assert_eq!(out, "before", "what cannot be written leaves nothing behind");
                display(&error);
            }
            Ok(()) => {
                let frame = out.split_off(b"before".len()).freeze();
                assert_eq!(len, Ok(frame.len()));
                assert_eq!(out, "before", "what was there stays");
                let decoded = Packet::<Bytes>::decode(version, frame.clone());
                assert_eq!(decoded.as_ref(), Ok(&packet), "from {frame:02x?}");
                decode_frame(version, &frame);
                decode_shorter(version, &frame, source.u16());
            }
        }
    }
}

/// The first whole frame, if there is one. A header says what it says as soon as it is complete, and not before.
pub(super) fn first_frame(stream: &[u8]) -> Option<&[u8]> {
    let header = match FixedHeader::parse(stream) {
        Ok(header) => header?,
        Err(error) => {
            display(&error);
            return None;
        }
    };
    let header_len = header.frame_len() - header.remaining_len();
    for cut in 0..header_len {
        assert_eq!(FixedHeader::parse(&stream[..cut]), Ok(None), "{cut} bytes of a header are no header");
    }
    assert_eq!(FixedHeader::parse(&stream[..header_len]), Ok(Some(header)));
    stream.get(..header.frame_len())
}

pub(super) fn decode_frame(version: Version, frame: &[u8]) {
    let borrowed = Packet::<&[u8]>::decode(version, frame);
    let shared = Packet::<Bytes>::decode(version, Bytes::copy_from_slice(frame));
    let (borrowed, shared) = match (borrowed, shared) {
        (Ok(borrowed), Ok(shared)) => (borrowed, shared),
        (Err(borrowed), Err(shared)) => {
            assert_eq!(borrowed, shared, "both storages meet the same error");
            assert!(!shared.to_string().is_empty(), "an error has words");
            return;
        }
        (borrowed, shared) => panic!("the storages disagree: {borrowed:?} and {shared:?}"),
    };
    // A longer frame has more of the same letters, and the words for each of them are most of the time that a fuzzer has.
    if frame.len() <= 1_000 {
        format(&shared);
    }

    // CONNECT says its own version.
    let version = if let Packet::Connect(connect) = &shared { connect.version } else { version };
    if lacks_client_id(&shared) || is_bad_method_disconnect(&shared) {
        assert!(shared.encode(version, &mut BytesMut::new()).is_err(), "nobody may send it");
        return;
    }
    let encoded = encoded(version, &shared);
    assert_eq!(self::encoded(version, &borrowed), encoded, "both storages encode alike");
    assert!(encoded.len() <= frame.len(), "{} bytes became {}", frame.len(), encoded.len());
    let again = Packet::<Bytes>::decode(version, encoded.clone());
    assert_eq!(again.as_ref(), Ok(&shared), "what was encoded decodes to the same packet");
    if version == Version::V311 {
        assert_eq!(encoded, frame, "3.1.1 has one way to say a packet");
    }
}

fn lacks_client_id(packet: &Packet) -> bool {
    let Packet::Connect(connect) = packet else { return false };
    let may_lack_it = match connect.version {
        Version::V31 => false,
        Version::V311 => connect.clean_start,
        Version::V5 => true,
    };
    connect.client_id.as_bytes().is_empty() && !may_lack_it
}

fn is_bad_method_disconnect(packet: &Packet) -> bool {
    matches!(packet, Packet::Disconnect(disconnect) if disconnect.reason == ReasonCode::BAD_AUTHENTICATION_METHOD)
}

fn encoded<B: Storage>(version: Version, packet: &Packet<B>) -> Bytes {
    let mut out = BytesMut::new();
    packet.encode(version, &mut out).expect("a packet that was decoded can be encoded");
    assert_eq!(packet.encoded_len(version), Ok(out.len()), "the length is known beforehand");
    out.freeze()
}

/// The packet without its last bytes, its Remaining Length corrected.
fn decode_shorter(version: Version, frame: &[u8], choice: u16) {
    let Ok(Some(header)) = FixedHeader::parse(frame) else { panic!("a frame has a header") };
    if header.remaining_len() == 0 {
        return;
    }
    let body = &frame[header.header_len()..][..usize::from(choice) % header.remaining_len()];
    decode_frame(version, &self::frame(header.first_byte(), body));
}

/// A frame with this first byte and this body.
pub(super) fn frame(first_byte: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![first_byte];
    let mut len = body.len();
    while len > 127 {
        frame.push(len as u8 | 0x80);
        len >>= 7;
    }
    frame.push(len as u8);
    frame.extend_from_slice(body);
    frame
}
