//! Bytes that come in pieces, and payloads that leave whole: the codec behind a connection.

use std::hint::black_box;

use bytes::{Buf, Bytes, BytesMut};
use mqtt_proto::{Client, ClientEvent, Config, Instant, Message, QoS, TopicName, Version};

use crate::wire::End;
use crate::{BATCH, Row, samples};

pub(crate) fn rows() -> Vec<Row> {
    let frame = samples::named("publish-311-qos0-16").frame();
    let input = Bytes::from(frame.repeat(BATCH as usize));
    vec![
        Row::new("stream/publish-311-qos0-16/chunks-7", move |n| in_pieces(&input, PIECE, n)),
        Row::new("outbox/publish-311-qos0-1MiB", publish_large).with_units(8 * BATCH),
    ]
}

fn in_pieces(input: &Bytes, piece: usize, n: u64) -> u64 {
    let mut client = Client::open(Version::V311, Config::default());
    let mut buffer = BytesMut::with_capacity(4 << 10);
    let mut received = 0;
    for _ in 0..n / BATCH {
        for chunk in black_box(&input[..]).chunks(piece) {
            buffer.extend_from_slice(chunk);
            client.handle_input(Instant::ZERO, &mut buffer);
            while let Some(event) = client.poll_event() {
                received += u64::from(matches!(black_box(&event), ClientEvent::Message(_)));
            }
        }
    }
    assert_eq!(received, n / BATCH * BATCH);
    received
}

/// A mebibyte is not copied on its way out.
fn publish_large(n: u64) -> u64 {
    let mut client = Client::open(Version::V311, Config::default());
    let topic = TopicName::from_static(samples::TOPIC);
    let payload = Bytes::from(vec![b'x'; 1 << 20]);
    let mut sent = 0;
    for _ in 0..n {
        let message = Message::new(topic.clone(), payload.clone()).with_qos(QoS::AtMostOnce);
        client.publish(Instant::ZERO, message).expect("it is connected");
        let outbox = client.outbox();
        while outbox.has_remaining() {
            let chunk = black_box(outbox.chunk()).len();
            outbox.advance(chunk);
            sent += chunk as u64;
        }
    }
    assert!(sent > n << 20);
    sent
}

/// Bytes that come at a time.
pub const PIECE: usize = 7;
