//! Decoding: from a slice that the packet borrows from, from a buffer that all packets of one read share, and CONNECT alone.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use mqtt_proto::{Connect, FixedHeader, Packet, Storage, Version};

use crate::{BATCH, Row, samples, samples::Sample};

pub(crate) fn rows() -> Vec<Row> {
    let samples = samples::all().into_iter().filter(|sample| sample.name != "publish-311-qos0-64");
    samples.flat_map(|sample| [borrowed(&sample), shared(&sample)]).chain(mixed()).chain(alone()).collect()
}

fn borrowed(sample: &Sample) -> Row {
    let (version, frame) = (sample.version, sample.frame());
    assert_eq!(digest(&Packet::<&[u8]>::decode(version, &frame).expect("it is legal")), digest(&sample.packet));
    Row::new(format!("decode/{}/borrowed", sample.name), move |n| decode_borrowed(version, &frame, n))
}

fn shared(sample: &Sample) -> Row {
    let (version, frame) = (sample.version, sample.frame());
    let input = Bytes::from(frame.repeat(BATCH as usize));
    Row::new(format!("decode/{}/shared", sample.name), move |n| decode_shared(version, &input, n))
}

/// CONNECT by those who expect nothing else.
fn alone() -> impl Iterator<Item = Row> {
    ["connect-311", "connect-5-properties"].into_iter().map(|name| {
        let frame = samples::named(name).frame();
        Row::new(format!("decode/{name}/alone"), move |n| {
            (0..n).map(|_| u64::from(black_box(&Connect::<&[u8]>::decode(black_box(&frame))).is_ok())).sum()
        })
    })
}

/// What a client sees that publishes and receives: of 64 packets 24 messages of QoS 0, 16 of QoS 1, 16 acknowledgements, and
/// 8 messages with properties.
fn mixed() -> [Row; 2] {
    let names = ["publish-5-qos1-64", "puback-5", "publish-5-qos1-64", "puback-5", "publish-5-qos1-64-properties"];
    let mut frames: Vec<Bytes> = names.into_iter().map(|name| samples::named(name).frame()).collect();
    let message = samples::message(mqtt_proto::QoS::AtMostOnce, 16);
    let mut quick = BytesMut::new();
    mqtt_proto::Publish::new(message, None).encode(Version::V5, &mut quick).expect("it can be written");
    frames.extend(vec![quick.freeze(); 3]);
    let input = Bytes::from(frames.concat().repeat(BATCH as usize / frames.len()));
    let slices = input.clone();
    [
        Row::new("decode/mixed-5/borrowed", move |n| {
            let mut sum = 0;
            for _ in 0..n / BATCH {
                let mut rest = black_box(&slices[..]);
                while let Ok(Some(header)) = FixedHeader::parse(rest) {
                    let (frame, after) = rest.split_at(header.frame_len());
                    sum += decoded(Packet::<&[u8]>::decode(Version::V5, frame));
                    rest = after;
                }
            }
            sum
        }),
        Row::new("decode/mixed-5/shared", move |n| decode_shared(Version::V5, &input, n)),
    ]
}

/// One packet, again and again.
fn decode_borrowed(version: Version, frame: &[u8], n: u64) -> u64 {
    let mut sum = 0;
    for _ in 0..n {
        sum += decoded(Packet::<&[u8]>::decode(version, black_box(frame)));
    }
    sum
}

/// A batch of packets, again and again, each cut off the front of what one read has brought.
fn decode_shared(version: Version, input: &Bytes, n: u64) -> u64 {
    let mut sum = 0;
    for _ in 0..n / BATCH {
        let mut frames = black_box(input).clone();
        while let Ok(Some(header)) = FixedHeader::parse(&frames) {
            let frame = frames.split_to(header.frame_len());
            sum += decoded(Packet::<Bytes>::decode(version, frame));
        }
    }
    sum
}

/// The packet is looked at as a whole, in memory, as far as the compiler knows.
#[inline(always)]
fn decoded<B: Storage, E>(packet: Result<Packet<B>, E>) -> u64 {
    u64::from(black_box(&packet).is_ok())
}

/// A few of the fields, to know that two packets are the same.
fn digest<B: Storage>(packet: &Packet<B>) -> (String, usize) {
    let debug = match packet {
        Packet::Publish(publish) => format!("{:?} {:?}", publish.message.topic, publish.message.properties()),
        Packet::PubAck(ack) => format!("{:?} {:?}", ack.packet_id, ack.reason),
        Packet::Connect(connect) => format!("{:?} {:?}", connect.client_id, connect.properties()),
        packet => format!("{packet:?}"),
    };
    (debug, packet.encoded_len(Version::V5).unwrap_or_default())
}
