//! mqttrs 0.4: MQTT 3.1.1. Decodes borrowed; checks UTF-8, and nothing else of a text.

use std::hint::black_box;

use bytes::Buf;
use mqtt_benches::Row;
use mqtt_benches::samples::Sample;
use mqttrs::{decode_slice, encode_slice};

use crate::{is_v5, loops};

pub(crate) fn rows(sample: &Sample) -> Vec<Row> {
    if is_v5(sample) {
        return Vec::new();
    }
    // The packet borrows from its frame, which lives as long as the program.
    let frame: &'static [u8] = sample.frame().to_vec().leak();
    let packet = decode_slice(frame).expect("it is legal").expect("it is whole");
    let mut rows = Vec::new();
    rows.extend(loops::from_slice(WHO, sample, |frame| decode_slice(frame).map(|packet| look(&packet))));
    rows.extend(loops::in_pieces(WHO, sample, |buffer| {
        // It does not say how long the packet was.
        let Ok(Some(packet)) = decode_slice(black_box(&buffer[..])) else { return false };
        black_box(&packet);
        let (.., len) = loops::header(buffer);
        buffer.advance(len);
        true
    }));
    rows.extend(loops::encode(WHO, sample, move |out| {
        // It writes into a slice, which has to be there.
        out.resize(frame.len(), 0);
        encode_slice(&packet, out).expect("it has been decoded");
    }));
    rows
}

/// The packet does not outlive its frame, so it is looked at here.
#[inline(always)]
fn look(packet: &Option<mqttrs::Packet<'_>>) -> bool {
    black_box(packet).is_some()
}

const WHO: &str = "mqttrs 0.4.1";
