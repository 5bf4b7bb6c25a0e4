//! ntex-mqtt 9: topics and payloads share the read buffer, which has no atomic counts; properties are copied.

use std::hint::black_box;

use mqtt_benches::samples::{self, Sample};
use mqtt_benches::stream::PIECE;
use mqtt_benches::{BATCH, Row};
use ntex_bytes::{BytePageSize, BytePages, ByteString, Bytes, BytesMut};
use ntex_codec::{Decoder, Encoder};
use ntex_mqtt::{v3, v5};

use crate::{is_v5, loops};

pub(crate) fn rows(sample: &Sample) -> Vec<Row> {
    if is_v5(sample) {
        let codec = v5::codec::Codec::new();
        let item = codec.decode(&mut buffer(&sample.frame())).expect("it is legal").expect("it is whole");
        let item = match item {
            v5::codec::Decoded::Packet(packet, _) => v5::codec::Encoded::Packet(packet),
            v5::codec::Decoded::Publish(publish, payload, _) => v5::codec::Encoded::Publish(publish, Some(payload)),
            v5::codec::Decoded::PayloadChunk(..) => unreachable!("no sample is that large"),
        };
        both(sample, v5::codec::Codec::new, item)
    } else {
        let codec = v3::codec::Codec::new();
        let item = codec.decode(&mut buffer(&sample.frame())).expect("it is legal").expect("it is whole");
        let item = match item {
            v3::codec::Decoded::Packet(packet, _) => v3::codec::Encoded::Packet(packet),
            v3::codec::Decoded::Publish(publish, payload, _) => v3::codec::Encoded::Publish(publish, Some(payload)),
            v3::codec::Decoded::PayloadChunk(..) => unreachable!("no sample is that large"),
        };
        let mut rows = both(sample, v3::codec::Codec::new, item);
        if sample.name == loops::IN_PIECES {
            rows.extend([in_pieces(sample), large()]);
        }
        rows
    }
}

fn in_pieces(sample: &Sample) -> Row {
    let input = sample.frame().repeat(BATCH as usize);
    Row::new(format!("stream/{}/chunks-{PIECE}@{WHO}", sample.name), move |n| {
        let codec = v3::codec::Codec::new();
        codec.set_min_chunk_size(loops::LARGE as u32); // or it would hand on parts of payloads
        let (mut buffer, mut sum) = (BytesMut::with_capacity(4 << 10), 0);
        for _ in 0..n / BATCH {
            for chunk in black_box(&input[..]).chunks(PIECE) {
                buffer.extend_from_slice(chunk);
                while let Ok(Some(packet)) = codec.decode(&mut buffer) {
                    let is_begun =
                        matches!(black_box(&packet), v3::codec::Decoded::Publish(_, payload, _) if payload.is_empty());
                    sum += u64::from(!is_begun);
                }
            }
        }
        assert_eq!(sum, n);
        sum
    })
}

/// A large payload becomes a page of its own.
fn large() -> Row {
    let (topic, payload) = (ByteString::from_static(samples::TOPIC), Bytes::from(vec![b'x'; loops::LARGE]));
    let row = Row::new(format!("outbox/publish-311-qos0-1MiB@{WHO}"), move |n| {
        let codec = v3::codec::Codec::new();
        let (mut pages, mut sum) = (BytePages::new(BytePageSize::Size16), 0);
        for _ in 0..n {
            let publish = v3::codec::Publish {
                dup: false,
                retain: false,
                qos: v3::QoS::AtMostOnce,
                topic: topic.clone(),
                packet_id: None,
                payload_size: loops::LARGE as u32,
            };
            let item = v3::codec::Encoded::Publish(publish, Some(payload.clone()));
            codec.encodev(item, &mut pages).expect("it can be written");
            while let Some(page) = pages.take() {
                sum += black_box(&page[..]).len() as u64;
            }
        }
        assert!(sum > n * loops::LARGE as u64);
        sum
    });
    row.with_units(8 * BATCH)
}

fn both<C>(sample: &Sample, new: fn() -> C, item: <C as Encoder>::Item) -> Vec<Row>
where
    C: Decoder + Encoder + 'static,
    <C as Encoder>::Item: Clone + 'static,
{
    let mut rows = Vec::new();
    if loops::is_decoded(sample) {
        rows.extend(decode(sample, new));
    }
    if loops::is_encoded(sample) {
        rows.extend(encode(sample, new, item));
    }
    rows
}

fn decode<C: Decoder + 'static>(sample: &Sample, new: fn() -> C) -> [Row; 2] {
    let input = sample.frame().repeat(BATCH as usize);
    let refilled = input.clone();
    let refill = format!("refill/{}@ntex", sample.name);
    let row = Row::new(format!("decode/{}@{WHO}", sample.name), move |n| {
        let codec = new();
        let (mut buffer, mut sum) = (BytesMut::with_capacity(2 * input.len()), 0);
        for _ in 0..n / BATCH {
            buffer.reserve(input.len());
            buffer.extend_from_slice(black_box(&input));
            while !buffer.is_empty() {
                sum += u64::from(black_box(&codec.decode(&mut buffer)).is_ok());
            }
        }
        assert_eq!(sum, n);
        sum
    });
    [
        row.minus(refill.clone()),
        Row::new(refill, move |n| {
            let (mut buffer, mut sum) = (BytesMut::with_capacity(2 * refilled.len()), 0);
            for _ in 0..n / BATCH {
                buffer.reserve(refilled.len());
                buffer.extend_from_slice(black_box(&refilled));
                sum += black_box(buffer.split_to(refilled.len())).len() as u64;
            }
            sum
        }),
    ]
}

/// Its encoder takes packets by value, so a copy is part of it.
fn encode<C>(sample: &Sample, new: fn() -> C, item: <C as Encoder>::Item) -> Option<Row>
where
    C: Encoder + 'static,
    <C as Encoder>::Item: Clone + 'static,
{
    let mut pages = BytePages::new(BytePageSize::Size16);
    new().encodev(item.clone(), &mut pages).expect("it has been decoded");
    if !loops::is_same(WHO, sample, &pages.freeze()) {
        return None;
    }
    Some(Row::new(format!("encode/{}@{WHO}", sample.name), move |n| {
        let codec = new();
        let (mut pages, mut sum) = (BytePages::new(BytePageSize::Size16), 0);
        for _ in 0..n {
            pages.clear();
            codec.encodev(black_box(&item).clone(), &mut pages).expect("it has been decoded");
            sum += black_box(&pages).len() as u64;
        }
        sum
    }))
}

fn buffer(bytes: &[u8]) -> BytesMut {
    BytesMut::copy_from_slice(bytes)
}

const WHO: &str = "ntex-mqtt 9";
