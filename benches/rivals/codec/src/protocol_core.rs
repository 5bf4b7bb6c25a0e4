//! mqtt-protocol-core 0.7: copies texts, and a PUBLISH as a whole into an `Arc` that its payload then shares.

use std::hint::black_box;
use std::sync::Arc;

use mqtt_benches::Row;
use mqtt_benches::samples::{self, Sample};
use mqtt_proto::Packet;
use mqtt_protocol_core::mqtt::packet::{Qos, v3_1_1, v5_0};

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
            let mut rows = rows!(sample, |flags, body: &[u8]| v3_1_1::Publish::parse(flags, Arc::from(body)));
            rows.extend(large(sample));
            rows
        }
        (Packet::Publish(_), true) => rows!(sample, |flags, body: &[u8]| v5_0::Publish::parse(flags, Arc::from(body))),
        (Packet::PubAck(_), false) => rows!(sample, |_, body: &[u8]| v3_1_1::Puback::parse(body)),
        (Packet::PubAck(_), true) => rows!(sample, |_, body: &[u8]| v5_0::Puback::parse(body)),
        (_, false) => rows!(sample, |_, body: &[u8]| v3_1_1::Connect::parse(body)),
        (_, true) => rows!(sample, |_, body: &[u8]| v5_0::Connect::parse(body)),
    }
}

/// Its packets can be written in parts, the payload as one.
fn large(sample: &Sample) -> Option<Row> {
    let payload: Arc<[u8]> = Arc::from(vec![b'x'; loops::LARGE]);
    loops::large(WHO, sample, move |_| {
        let publish = v3_1_1::Publish::builder().topic_name(samples::TOPIC).expect("it is legal");
        let publish = publish.qos(Qos::AtMostOnce).payload(Arc::clone(&payload)).build().expect("it is legal");
        black_box(&publish.to_buffers()).iter().map(|part| part.len()).sum()
    })
}

const WHO: &str = "mqtt-protocol-core 0.7.9";
