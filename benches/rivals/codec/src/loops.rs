//! The loops: those of our rows, for other decoders and encoders.

use std::fmt::Debug;
use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use mqtt_benches::samples::Sample;
use mqtt_benches::stream::PIECE;
use mqtt_benches::{BATCH, Row};
use mqtt_proto::Packet;

/// Decodes from a slice.
pub(crate) fn from_slice<P, E: Debug>(
    who: &str,
    sample: &Sample,
    decode: impl Fn(&[u8]) -> Result<P, E> + 'static,
) -> Option<Row> {
    let frame = sample.frame();
    is_decoded(sample).then(|| {
        Row::new(format!("decode/{}@{who}", sample.name), move |n| {
            let mut sum = 0;
            for _ in 0..n {
                sum += u64::from(black_box(&decode(black_box(&frame))).is_ok());
            }
            assert_eq!(sum, n);
            sum
        })
    })
}

/// Decodes each of a batch of packets that share one buffer, and is given a handle of each.
pub(crate) fn from_bytes<P, E: Debug>(
    who: &str,
    sample: &Sample,
    decode: impl Fn(&mut Bytes) -> Result<P, E> + 'static,
) -> Option<Row> {
    let input = batch(sample);
    is_decoded(sample).then(|| {
        Row::new(format!("decode/{}@{who}", sample.name), move |n| {
            let mut sum = 0;
            for _ in 0..n / BATCH {
                let mut frames = black_box(&input).clone();
                while !frames.is_empty() {
                    sum += u64::from(black_box(&decode(&mut frames)).is_ok());
                }
            }
            assert_eq!(sum, n);
            sum
        })
    })
}

/// Takes packets off the front of a read buffer. That the buffer has to be filled is not the decoder's fault: [`refill`].
pub(crate) fn from_read_buffer<P, E: Debug>(
    who: &str,
    sample: &Sample,
    decode: impl Fn(&mut BytesMut) -> Result<P, E> + 'static,
) -> Option<Row> {
    let input = batch(sample);
    let row = Row::new(format!("decode/{}@{who}", sample.name), move |n| {
        let mut buffer = BytesMut::with_capacity(2 * input.len());
        let mut sum = 0;
        for _ in 0..n / BATCH {
            buffer.extend_from_slice(black_box(&input));
            while !buffer.is_empty() {
                sum += u64::from(black_box(&decode(&mut buffer)).is_ok());
            }
        }
        assert_eq!(sum, n);
        sum
    });
    is_decoded(sample).then(|| row.minus(format!("refill/{}@bytes", sample.name)))
}

/// Takes packets off the front of a read buffer that grows by a few bytes at a time. `decode` takes none while there is no whole one.
pub(crate) fn in_pieces(who: &str, sample: &Sample, decode: impl Fn(&mut BytesMut) -> bool + 'static) -> Option<Row> {
    let input = batch(sample);
    (sample.name == IN_PIECES).then(|| {
        Row::new(format!("stream/{}/chunks-{PIECE}@{who}", sample.name), move |n| {
            let mut buffer = BytesMut::with_capacity(4 << 10);
            let mut sum = 0;
            for _ in 0..n / BATCH {
                for chunk in black_box(&input[..]).chunks(PIECE) {
                    buffer.extend_from_slice(chunk);
                    while decode(&mut buffer) {
                        sum += 1;
                    }
                }
            }
            assert_eq!(sum, n);
            sum
        })
    })
}

/// Encodes a PUBLISH of 1 MiB and lets it leave: `send` says how many bytes it was, and holds nothing of it afterwards.
pub(crate) fn large(who: &str, sample: &Sample, send: impl Fn(&mut BytesMut) -> usize + 'static) -> Option<Row> {
    (sample.name == IN_PIECES).then(|| {
        let row = Row::new(format!("outbox/publish-311-qos0-1MiB@{who}"), move |n| {
            let (mut out, mut sum) = (BytesMut::with_capacity(2 * LARGE), 0);
            for _ in 0..n {
                out.clear();
                sum += send(&mut out) as u64;
            }
            assert!(sum > n * LARGE as u64);
            sum
        });
        row.with_units(8) // a copied byte is an instruction, and valgrind is slow
    })
}

/// The frame of such a PUBLISH.
pub(crate) fn large_frame(sample: &Sample) -> BytesMut {
    let Packet::Publish(publish) = &sample.packet else { unreachable!("{} is a PUBLISH", sample.name) };
    let mut publish = publish.clone();
    publish.message.payload = Bytes::from(vec![b'x'; LARGE]);
    let mut frame = BytesMut::new();
    publish.encode(sample.version, &mut frame).expect("it can be written");
    frame
}

/// Bytes of a large payload.
pub(crate) const LARGE: usize = 1 << 20;

/// The sample that comes in pieces, and leaves with a large payload.
pub(crate) const IN_PIECES: &str = "publish-311-qos0-16";

/// What [`from_read_buffer`] does besides decoding.
pub(crate) fn refill(sample: &Sample) -> Option<Row> {
    let input = batch(sample);
    is_decoded(sample).then(|| {
        Row::new(format!("refill/{}@bytes", sample.name), move |n| {
            let mut buffer = BytesMut::with_capacity(2 * input.len());
            let mut sum = 0;
            for _ in 0..n / BATCH {
                buffer.extend_from_slice(black_box(&input));
                sum += black_box(buffer.split_to(input.len())).len() as u64;
            }
            sum
        })
    })
}

/// Encodes into a buffer that keeps its memory.
pub(crate) fn encode(who: &str, sample: &Sample, encode: impl Fn(&mut BytesMut) + 'static) -> Option<Row> {
    let mut written = BytesMut::with_capacity(8 << 10);
    encode(&mut written);
    (is_encoded(sample) && is_same(who, sample, &written)).then(|| {
        Row::new(format!("encode/{}@{who}", sample.name), move |n| {
            let (mut out, mut sum) = (BytesMut::with_capacity(8 << 10), 0);
            for _ in 0..n {
                out.clear();
                black_box(&encode)(&mut out);
                sum += black_box(&out[..]).len() as u64;
            }
            sum
        })
    })
}

/// The same with a `Vec`, for encoders that write to no `BufMut`.
pub(crate) fn encode_into_vec(who: &str, sample: &Sample, encode: impl Fn(&mut Vec<u8>) + 'static) -> Option<Row> {
    let mut written = Vec::new();
    encode(&mut written);
    (is_encoded(sample) && is_same(who, sample, &written)).then(|| {
        Row::new(format!("encode/{}@{who}", sample.name), move |n| {
            let (mut out, mut sum) = (Vec::with_capacity(8 << 10), 0);
            for _ in 0..n {
                out.clear();
                black_box(&encode)(&mut out);
                sum += black_box(&out[..]).len() as u64;
            }
            sum
        })
    })
}

/// Encodes into something that the encoder makes itself.
pub(crate) fn encode_owned<T: AsRef<[u8]>>(
    who: &str,
    sample: &Sample,
    encode: impl Fn() -> T + 'static,
) -> Option<Row> {
    (is_encoded(sample) && is_same(who, sample, encode().as_ref())).then(|| {
        Row::new(format!("encode/{}@{who}", sample.name), move |n| {
            let mut sum = 0;
            for _ in 0..n {
                sum += black_box(black_box(&encode)()).as_ref().len() as u64;
            }
            sum
        })
    })
}

/// Whether these bytes are the sample, its properties in any order. If not, says so.
pub(crate) fn is_same(who: &str, sample: &Sample, bytes: &[u8]) -> bool {
    let sorted = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.sort_unstable();
        bytes
    };
    let decoded = Packet::<&[u8]>::decode(sample.version, bytes);
    let is_same = decoded.is_ok_and(|packet| packet.packet_type() == sample.packet.packet_type())
        && sorted(bytes) == sorted(&sample.frame());
    if !is_same {
        eprintln!("{who} writes {} otherwise than it has read it: {:02x?}", sample.name, bytes);
    }
    is_same
}

/// Whether encoding has a row for this sample, as ours has.
pub(crate) fn is_encoded(sample: &Sample) -> bool {
    !matches!(sample.name, "publish-311-qos1-4096" | "puback-5-reason")
}

/// Whether decoding has.
pub(crate) fn is_decoded(sample: &Sample) -> bool {
    sample.name != "publish-311-qos0-64"
}

/// First byte, length of the fixed header, and of the whole packet.
pub(crate) fn header(frame: &[u8]) -> (u8, usize, usize) {
    let header = mqtt_proto::FixedHeader::parse(frame).expect("it is legal").expect("it is whole");
    (header.first_byte(), header.header_len(), header.frame_len())
}

fn batch(sample: &Sample) -> Bytes {
    Bytes::from(sample.frame().repeat(BATCH as usize))
}
