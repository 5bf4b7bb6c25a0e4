//! Short words for the tests: bytes from hexadecimal, frames around bodies, what is refused and why.

use bytes::{Bytes, BytesMut};
use mqtt_proto::{
    Connect, EncodeError, Packet, Properties, PropertyId, ProtocolError, ReasonCode, Storage, Text, Version,
};

pub(crate) const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];
pub(crate) const V3: [Version; 2] = [Version::V31, Version::V311];

pub(crate) const MALFORMED: ReasonCode = ReasonCode::MALFORMED_PACKET;
pub(crate) const PROTOCOL: ReasonCode = ReasonCode::PROTOCOL_ERROR;

/// Bytes from hexadecimal digits; blanks are left out, and `'text'` stands for its own bytes.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, part) in digits.split('\'').enumerate() {
        if index % 2 == 1 {
            bytes.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: Vec<u32> = part.chars().filter_map(|digit| digit.to_digit(16)).collect();
        bytes.extend(digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8));
    }
    bytes
}

pub(crate) fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 127 {
        bytes.push(value as u8 | 0x80);
        value /= 128;
    }
    bytes.push(value as u8);
    bytes
}

/// A packet with this first byte and body, and the Remaining Length that fits.
pub(crate) fn frame(first_byte: u8, body: &[u8]) -> Vec<u8> {
    [&[first_byte], &*varint(body.len()), body].concat()
}

/// The body of a packet: what follows its Remaining Length.
pub(crate) fn body(frame: &[u8]) -> &[u8] {
    let length = 1 + frame[1..].iter().take_while(|&&byte| byte >= 128).count() + 1;
    &frame[length..]
}

/// A two-byte length and the bytes.
pub(crate) fn section(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

/// Decodes from both storages, which must agree.
pub(crate) fn decode(version: Version, frame: &[u8]) -> Result<Packet, ProtocolError> {
    let shared = Packet::decode(version, Bytes::copy_from_slice(frame));
    let borrowed = Packet::decode(version, frame);
    match (&shared, &borrowed) {
        (Ok(shared), Ok(borrowed)) => assert_eq!(encode_any(shared, version), encode_any(borrowed, version)),
        (Err(shared), Err(borrowed)) => assert_eq!(shared, borrowed),
        (_, _) => panic!("{shared:?} is not {borrowed:?}"),
    }
    decode_connect(version, frame, &shared);
    shared
}

/// A CONNECT that is read alone is the one that is read as any packet, and nothing else is one.
fn decode_connect(version: Version, frame: &[u8], packet: &Result<Packet, ProtocolError>) {
    let connect = Connect::decode(Bytes::copy_from_slice(frame));
    match packet {
        Ok(Packet::Connect(packet)) => assert_eq!(connect.as_ref(), Ok(&**packet)),
        Ok(_) => assert_eq!(connect.map_err(|error| error.statement()), Err("MQTT-3.1.0-1")),
        // Until it says its version, errors are those of 5.0.
        Err(error) if frame.first().is_some_and(|first| first >> 4 == 1) && version == Version::V5 => {
            assert_eq!(connect.as_ref(), Err(error));
        }
        Err(_) => assert!(connect.is_err()),
    }
}

fn encode_any<B: Storage>(packet: &Packet<B>, version: Version) -> Result<Vec<u8>, EncodeError> {
    let mut out = BytesMut::new();
    packet.encode(version, &mut out).map(|()| out.to_vec())
}

/// Decodes what must be legal.
#[track_caller]
pub(crate) fn accept(version: Version, frame: impl AsRef<[u8]>) -> Packet {
    let frame = frame.as_ref();
    match decode(version, frame) {
        Ok(packet) => packet,
        Err(error) => panic!("{version}, {frame:02X?}: {error}"),
    }
}

/// Decodes what must be refused, with this reason code and statement.
#[track_caller]
pub(crate) fn refuse(version: Version, frame: impl AsRef<[u8]>, reason: ReasonCode, statement: &str) -> ProtocolError {
    let frame = frame.as_ref();
    match decode(version, frame) {
        Ok(packet) => panic!("{version}, {frame:02X?}: accepted as {packet:?}"),
        Err(error) => {
            assert_eq!((error.reason(), error.statement()), (reason, statement), "{version}, {frame:02X?}: {error}");
            error
        }
    }
}

/// Encodes, and checks that the length was foretold.
pub(crate) fn encode(version: Version, packet: &Packet) -> Result<Vec<u8>, EncodeError> {
    let mut out = BytesMut::from("before");
    let result = packet.encode(version, &mut out);
    let foretold = packet.encoded_len(version);
    match result {
        Ok(()) => {
            assert_eq!(foretold, Ok(out.len() - 6));
            Ok(out[6..].to_vec())
        }
        Err(error) => {
            assert_eq!((foretold, &out[..]), (Err(error), &b"before"[..]), "an error leaves the buffer as it was");
            Err(error)
        }
    }
}

/// Encodes what must be writable.
#[track_caller]
pub(crate) fn written(version: Version, packet: &Packet) -> Vec<u8> {
    match encode(version, packet) {
        Ok(frame) => frame,
        Err(error) => panic!("{version}, {packet:?}: {error}"),
    }
}

/// These bytes are this packet, in both directions.
#[track_caller]
pub(crate) fn same(version: Version, digits: &str, packet: Packet) {
    let frame = hex(digits);
    assert_eq!(accept(version, &frame), packet, "decoded from {digits}");
    assert_eq!(written(version, &packet), frame, "encoded to {digits}");
}

/// The field that an encoder complains about.
#[track_caller]
pub(crate) fn complaint(version: Version, packet: &Packet) -> EncodeError {
    match encode(version, packet) {
        Ok(frame) => panic!("{version}, {packet:?}: written as {frame:02X?}"),
        Err(error) => {
            assert_eq!(error.packet(), packet.packet_type());
            error
        }
    }
}

/// The value, after a change.
pub(crate) fn edited<T>(mut value: T, edit: impl FnOnce(&mut T)) -> T {
    edit(&mut value);
    value
}

pub(crate) fn text(text: &'static str) -> Text {
    Text::from_static(text)
}

/// The names of the properties, in their order.
pub(crate) fn names(properties: &Properties) -> Vec<PropertyId> {
    properties.iter().map(|(id, _)| id).collect()
}
