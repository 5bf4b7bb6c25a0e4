//! akasamq's codec, `mqtt-proto` 0.4 on crates.io: everything is copied.

use akasamq::{Encodable, PollHeader, v3, v5};
use mqtt_benches::Row;
use mqtt_benches::samples::Sample;

use crate::{is_v5, loops};

pub(crate) fn rows(sample: &Sample) -> Vec<Row> {
    if is_v5(sample) { v5_rows(sample) } else { v3_rows(sample) }
}

fn v3_rows(sample: &Sample) -> Vec<Row> {
    let decode = |frame: &[u8]| {
        let (first, start, end) = loops::header(frame);
        let header = v3::Header::new_with(first, (end - start) as u32, end as u32)?;
        header.decode_buffer(&frame[start..], &mut 0)
    };
    let packet = decode(&sample.frame()).expect("it is legal");
    let mut rows = Vec::new();
    rows.extend(loops::from_slice(WHO, sample, decode));
    rows.extend(match packet {
        // The quickest that is public: into a buffer that is there.
        v3::Packet::Publish(publish) => into_buffer(sample, publish),
        packet => loops::encode_owned(WHO, sample, move || packet.encode().expect("it has been decoded")),
    });
    rows
}

fn v5_rows(sample: &Sample) -> Vec<Row> {
    let decode = |frame: &[u8]| {
        let (first, start, end) = loops::header(frame);
        let header = v5::Header::new_with(first, (end - start) as u32, end as u32)?;
        header.decode_buffer(&frame[start..], &mut 0)
    };
    let packet = decode(&sample.frame()).expect("it is legal");
    let mut rows = Vec::new();
    rows.extend(loops::from_slice(WHO, sample, decode));
    rows.extend(match packet {
        v5::Packet::Publish(publish) => into_buffer(sample, publish),
        packet => loops::encode_owned(WHO, sample, move || packet.encode().expect("it has been decoded")),
    });
    rows
}

fn into_buffer(sample: &Sample, publish: impl Encodable + 'static) -> Option<Row> {
    let (first, ..) = loops::header(&sample.frame());
    loops::encode_into_vec(WHO, sample, move |out| {
        let mut rest = publish.encode_len();
        out.push(first);
        while rest > 0x7F {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
        publish.encode(out).expect("it has been decoded");
    })
}

const WHO: &str = "akasamq 0.4.0";
