//! Encoding: into a buffer that keeps its memory.

use std::hint::black_box;

use bytes::BytesMut;
use mqtt_proto::{Packet, PacketType};

use crate::{Row, samples, samples::Sample};

pub(crate) fn rows() -> Vec<Row> {
    let samples = samples::all().into_iter();
    samples.filter(|sample| !["publish-311-qos1-4096", "puback-5-reason"].contains(&sample.name)).map(row).collect()
}

fn row(sample: Sample) -> Row {
    let Sample { name, version, packet } = sample;
    let name = format!("encode/{name}");
    let mut out = BytesMut::with_capacity(8 << 10);
    // As who knows the kind of packet writes it.
    match packet {
        Packet::Publish(packet) => repeated(name, move |out| packet.encode(version, out).is_ok()),
        Packet::PubAck(packet) => {
            repeated(name, move |out| packet.encode(black_box(PacketType::PubAck), version, out).is_ok())
        }
        Packet::Connect(packet) => repeated(name, move |out| packet.encode(out).is_ok()),
        packet => {
            packet.encode(version, &mut out).expect("it can be written");
            repeated(name, move |out| packet.encode(version, out).is_ok())
        }
    }
}

fn repeated(name: String, encode: impl Fn(&mut BytesMut) -> bool + 'static) -> Row {
    Row::new(name, move |n| {
        let mut out = BytesMut::with_capacity(8 << 10);
        let mut sum = 0;
        for _ in 0..n {
            out.clear();
            assert!(black_box(&encode)(&mut out));
            sum += black_box(&out[..]).len() as u64;
        }
        sum
    })
}
