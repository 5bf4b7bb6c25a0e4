//! mqtt5-protocol 0.16, of which mqtt5 is made. It copies topics into `String`s, and shares payloads.

use bytes::{BufMut, Bytes};
use mqtt_benches::Row;
use mqtt_benches::samples::Sample;
use mqtt5_protocol::packet::{FixedHeader, MqttPacket, Packet, PacketType};

use crate::{is_v5, loops};

pub(crate) fn rows(sample: &Sample) -> Vec<Row> {
    let version = if is_v5(sample) { 5 } else { 4 };
    let packet = decode(&mut sample.frame(), version).expect("it is legal");
    let mut rows = Vec::new();
    rows.extend(loops::from_bytes(WHO, sample, move |frames| decode(frames, version)));
    rows.extend(loops::encode(WHO, sample, move |out| match &packet {
        // As mqtt5 itself does.
        Packet::Publish(publish) => {
            let len = publish.body_encoded_size() as u32;
            FixedHeader::new(PacketType::Publish, publish.flags(), len).encode(out).expect("it has been decoded");
            publish.encode_body_direct(out).expect("it has been decoded");
        }
        Packet::PubAck(puback) => puback.encode(out).expect("it has been decoded"),
        Packet::Connect(connect) => connect.encode(out).expect("it has been decoded"),
        _ => out.put_u8(0),
    }));
    rows
}

fn decode(frames: &mut Bytes, version: u8) -> mqtt5_protocol::Result<Packet> {
    let mut rest = &frames[..];
    let header = FixedHeader::decode(&mut rest)?;
    let start = frames.len() - rest.len();
    let mut body = frames.split_to(start + header.remaining_length as usize);
    bytes::Buf::advance(&mut body, start);
    Packet::decode_from_body_with_version(header.packet_type, &header, &mut body, version)
}

const WHO: &str = "mqtt5-protocol 0.16.2";
