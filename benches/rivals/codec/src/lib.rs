//! The codec rows of everybody: `ROW@WHO`. Ours are those that the gate measures.
//!
//! Every rival decodes the same bytes by its fastest documented way, and encodes the packet that it has decoded: the bytes must be
//! those that it was given, so that both ways are checked. What a rival cannot do is left out.

mod akasamq;
mod floor;
mod loops;
mod mqtt5;
mod mqttbytes;
mod mqttrs;
mod ntex;
mod protocol_core;

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use mqtt_benches::Row;
use mqtt_benches::samples::{self, Sample};
use mqtt_proto::{FixedHeader, Packet, Version};

/// All rows.
#[must_use]
pub fn rows() -> Vec<Row> {
    let mut rows = ours();
    for sample in samples::all() {
        rows.extend(loops::refill(&sample));
        rows.extend(loops::in_pieces("ours, shared", &sample, take_frame));
        rows.extend(floor::rows(&sample));
        rows.extend(mqttrs::rows(&sample));
        rows.extend(mqttbytes::rows(&sample));
        rows.extend(mqtt5::rows(&sample));
        rows.extend(protocol_core::rows(&sample));
        rows.extend(ntex::rows(&sample));
        rows.extend(akasamq::rows(&sample));
    }
    rows
}

/// Rows of ours that rivals have, too.
fn ours() -> Vec<Row> {
    let mut rows = mqtt_benches::rows();
    rows.retain(|row| {
        let is_codec = row.name.starts_with("decode/publish") || row.name.starts_with("decode/puback");
        let is_whole = row.name.starts_with("stream/") || row.name.starts_with("outbox/");
        is_codec || is_whole || row.name.starts_with("decode/connect") || row.name.starts_with("encode/")
    });
    for row in &mut rows {
        let (name, way) = row.name.rsplit_once('/').expect("decode/SAMPLE/WAY or encode/SAMPLE");
        row.name = match way {
            "borrowed" | "shared" | "alone" => format!("{name}@ours, {way}"),
            // A Connection does more than a codec.
            _ if name.starts_with("stream/") || name == "outbox" => format!("{}@ours, Connection", row.name),
            _ => format!("{}@ours", row.name),
        };
    }
    rows
}

/// Our codec by itself, as a connection uses it. (A second loop of the kind in `mqtt-benches` would change what is inlined in the first.)
fn take_frame(buffer: &mut BytesMut) -> bool {
    let Ok(Some(header)) = FixedHeader::parse(buffer) else { return false };
    if header.frame_len() > buffer.len() {
        return false;
    }
    let frame = buffer.split_to(header.frame_len()).freeze();
    black_box(&Packet::<Bytes>::decode(Version::V311, frame)).is_ok()
}

/// Whether the sample is a packet of 5.0.
fn is_v5(sample: &Sample) -> bool {
    sample.version == Version::V5
}
