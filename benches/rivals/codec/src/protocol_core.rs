//! mqtt-protocol-core 0.7: copies texts, and a PUBLISH as a whole into an `Arc` that its payload then shares.

use std::sync::Arc;

use mqtt_benches::Row;
use mqtt_benches::samples::Sample;
use mqtt_proto::Packet;
use mqtt_protocol_core::mqtt::packet::{v3_1_1, v5_0};

use crate::{is_v5, loops};

/// Rows of a type: how it is parsed from the packet's first byte and body, and what its bytes are.
macro_rules! rows {
    ($sample:ident, $parse:expr) => {{
        let parse = $parse;
        let decode = move |frame: &[u8]| {
            let (first, start, _) = loops::header(frame);
            parse(first & 0b1111, &frame[start..])
        };
        let (packet, _) = decode(&$sample.frame()).expect("it is legal");
        let mut rows = Vec::new();
        rows.extend(loops::from_slice(WHO, $sample, decode));
        rows.extend(loops::encode_owned(WHO, $sample, move || packet.to_continuous_buffer()));
        rows
    }};
}

pub(crate) fn rows(sample: &Sample) -> Vec<Row> {
    match (&sample.packet, is_v5(sample)) {
        (Packet::Publish(_), false) => {
            rows!(sample, |flags, body: &[u8]| v3_1_1::Publish::parse(flags, Arc::from(body)))
        }
        (Packet::Publish(_), true) => rows!(sample, |flags, body: &[u8]| v5_0::Publish::parse(flags, Arc::from(body))),
        (Packet::PubAck(_), false) => rows!(sample, |_, body: &[u8]| v3_1_1::Puback::parse(body)),
        (Packet::PubAck(_), true) => rows!(sample, |_, body: &[u8]| v5_0::Puback::parse(body)),
        (_, false) => rows!(sample, |_, body: &[u8]| v3_1_1::Connect::parse(body)),
        (_, true) => rows!(sample, |_, body: &[u8]| v5_0::Connect::parse(body)),
    }
}

const WHO: &str = "mqtt-protocol-core 0.7.9";
