//! PUBLISH through the codec: what one message costs before any connection, queue or socket.
//!
//! `borrowed` decodes from `&[u8]`, as from a read buffer; `shared` from `Bytes`, as every adapter does. Encoding writes
//! into a buffer that keeps its memory. The throughput is in packets: a decoder does not touch the payload.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{BenchmarkId, Criterion, Throughput};
use mqtt_proto::{Message, Packet, PacketId, Publish, QoS, TopicName, Version};

/// Payload lengths in bytes: a reading of a sensor, a document, an image.
const PAYLOADS: [usize; 3] = [16, 1024, 65_536];

const VERSIONS: [Version; 2] = [Version::V311, Version::V5];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    decode(&mut criterion);
    encode(&mut criterion);
    criterion.final_summary();
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("publish/decode");
    for version in VERSIONS {
        for length in PAYLOADS {
            let frame = encoded(version, length);
            let parameter = format!("{version:?}/{length}");
            group.throughput(Throughput::Elements(1));
            group.bench_with_input(BenchmarkId::new("borrowed", &parameter), &frame, |bencher, frame| {
                bencher.iter(|| Packet::<&[u8]>::decode(version, black_box(frame)).unwrap());
            });
            group.bench_with_input(BenchmarkId::new("shared", &parameter), &frame, |bencher, frame| {
                bencher.iter(|| Packet::<Bytes>::decode(version, black_box(frame).clone()).unwrap());
            });
        }
    }
    group.finish();
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("publish/encode");
    for version in VERSIONS {
        for length in PAYLOADS {
            let packet = publish(length);
            let frame_len = packet.encoded_len(version).unwrap();
            let mut out = BytesMut::with_capacity(frame_len);
            group.throughput(Throughput::Elements(1));
            group.bench_function(format!("{version:?}/{length}"), |bencher| {
                bencher.iter(|| {
                    out.clear();
                    black_box(&packet).encode(version, &mut out).unwrap();
                    out.len()
                });
            });
        }
    }
    group.finish();
}

fn publish(length: usize) -> Packet {
    let topic = TopicName::from_static("building/7/floor/3/room/42/temperature");
    let message = Message::new(topic, vec![b'x'; length]).with_qos(QoS::AtLeastOnce);
    Packet::Publish(Publish { message, dup: false, packet_id: Some(PacketId::MIN), topic_alias: None })
}

fn encoded(version: Version, length: usize) -> Bytes {
    let mut out = BytesMut::new();
    publish(length).encode(version, &mut out).unwrap();
    out.freeze()
}
