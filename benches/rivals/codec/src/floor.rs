//! What physics asks: lengths are checked and fields found, and nothing else; and the bytes are written.

use std::hint::black_box;

use bytes::{Buf, BytesMut};
use mqtt_benches::Row;
use mqtt_benches::samples::Sample;
use mqtt_proto::Packet;

use crate::{is_v5, loops};

pub(crate) fn rows(sample: &Sample) -> Vec<Row> {
    let mut rows = Vec::new();
    match &sample.packet {
        Packet::Publish(publish) => {
            let is_v5 = is_v5(sample);
            rows.extend(loops::from_slice(WHO, sample, move |frame| look(publish_fields(frame, black_box(is_v5)))));
            rows.extend(loops::in_pieces(WHO, sample, move |buffer| {
                let Some((len, body)) = buffer.get(1..).and_then(length) else { return false };
                let end = buffer.len() - body.len() + len;
                if end > buffer.len() {
                    return false;
                }
                let is_read = look(publish_fields(&buffer[..end], black_box(is_v5))).is_ok();
                buffer.advance(end);
                is_read
            }));
            let frame = sample.frame();
            let (first, ..) = loops::header(&frame);
            let (topic, payload) = (publish.message.topic.clone(), publish.message.payload.clone());
            // What stands between topic and payload: packet identifier and properties.
            let topic_at = frame.windows(topic.as_bytes().len()).position(|window| window == topic.as_bytes());
            let topic_end = topic_at.expect("it holds its topic") + topic.as_bytes().len();
            let between = frame.slice(topic_end..frame.len() - payload.len());
            rows.extend(loops::encode(WHO, sample, move |out| write(out, first, topic.as_bytes(), &between, &payload)));
        }
        Packet::PubAck(_) => {
            rows.extend(loops::from_slice(WHO, sample, |frame| look(puback_fields(frame))));
            let id = 0x1234_u16;
            rows.extend(loops::encode(WHO, sample, move |out| {
                let [high, low] = black_box(id).to_be_bytes();
                out.extend_from_slice(&[0x40, 2, high, low]);
            }));
        }
        _ => rows.extend(loops::from_slice(WHO, sample, |frame| look(connect_fields(frame)))),
    }
    rows
}

/// What borrows from the frame does not outlive it.
#[inline(always)]
fn look<T>(fields: Option<T>) -> Result<(), ()> {
    black_box(&fields).is_some().then_some(()).ok_or(())
}

/// Topic, packet identifier, properties and payload.
fn publish_fields(frame: &[u8], is_v5: bool) -> Option<(&[u8], u16, &[u8], &[u8])> {
    let (first, body) = body(frame)?;
    let (topic, mut rest) = section(body)?;
    let mut id = 0;
    if first & 0b110 != 0 {
        let (bytes, after) = rest.split_first_chunk()?;
        (id, rest) = (u16::from_be_bytes(*bytes), after);
    }
    let mut properties: &[u8] = &[];
    if is_v5 {
        let (len, after) = length(rest)?;
        (properties, rest) = after.split_at_checked(len)?;
    }
    Some((topic, id, properties, rest))
}

fn puback_fields(frame: &[u8]) -> Option<(u16, Option<u8>)> {
    let (_, body) = body(frame)?;
    let (id, rest) = body.split_first_chunk()?;
    Some((u16::from_be_bytes(*id), rest.first().copied()))
}

/// Flags, keep alive, and the sections: protocol name, client identifier, and up to four more.
fn connect_fields(frame: &[u8]) -> Option<(u8, u16, [&[u8]; 6])> {
    let (_, body) = body(frame)?;
    let mut sections: [&[u8]; 6] = [&[]; 6];
    let (name, rest) = section(body)?;
    let ([level, flags, high, low], mut rest) = rest.split_first_chunk()?;
    sections[0] = name;
    let is_v5 = *level == 5;
    if is_v5 {
        rest = skip(rest)?;
    }
    (sections[1], rest) = section(rest)?;
    if flags & 0b100 != 0 {
        if is_v5 {
            rest = skip(rest)?;
        }
        (sections[2], rest) = section(rest)?;
        (sections[3], rest) = section(rest)?;
    }
    for slot in &mut sections[4..] {
        if !rest.is_empty() {
            (*slot, rest) = section(rest)?;
        }
    }
    Some((*flags, u16::from_be_bytes([*high, *low]), sections))
}

/// What follows the properties.
fn skip(bytes: &[u8]) -> Option<&[u8]> {
    let (len, rest) = length(bytes)?;
    rest.get(len..)
}

fn body(frame: &[u8]) -> Option<(u8, &[u8])> {
    let (first, rest) = frame.split_first()?;
    let (len, body) = length(rest)?;
    (body.len() == len).then_some((*first, body))
}

/// A variable byte integer.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate().take(4) {
        value |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

fn section(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u16::from_be_bytes(*len).into())
}

fn write(out: &mut BytesMut, first: u8, topic: &[u8], between: &[u8], payload: &[u8]) {
    let mut rest = 2 + topic.len() + between.len() + payload.len();
    out.reserve(5 + rest);
    let mut head = [first, 0, 0, 0, 0, 0, 0];
    let mut len = 1;
    loop {
        head[len] = rest as u8 & 0x7F;
        rest >>= 7;
        len += 1;
        if rest == 0 {
            break;
        }
        head[len - 1] |= 0x80;
    }
    head[len..len + 2].copy_from_slice(&(topic.len() as u16).to_be_bytes());
    out.extend_from_slice(&head[..len + 2]);
    out.extend_from_slice(topic);
    out.extend_from_slice(between);
    out.extend_from_slice(payload);
}

const WHO: &str = "floor";
