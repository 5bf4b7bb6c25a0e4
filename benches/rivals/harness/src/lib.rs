//! What all client programs share: what is to be done, the marks between which it is measured, and the line of results.
//!
//! A program is one library's, so that nobody's runtime or allocator disturbs another's. It is called
//! `PROGRAM SCENARIO ADDRESS COUNT SIZE [VERSION]`, does the scenario against the peer, and prints one line of JSON.

mod allocator;
mod frames;
mod job;
mod meter;
mod peer;

pub use allocator::Counting;
pub use frames::{Frame, Frames};
pub use job::{Job, Task, window};
pub use meter::{Latencies, Memory, Meter};
pub use peer::verify_sink;

/// The topic of every message: 28 bytes.
pub const TOPIC: &str = "building/7/floor/3/room/42/t";

/// The bytes of every payload: the same in all programs and in the peer, so that both sides can tell whether they arrived.
#[must_use]
pub fn payload(size: usize) -> Vec<u8> {
    (0..size).map(|index| (index % 251) as u8).collect()
}

/// Whether a received payload is the one that was sent. Each is judged by its length and its last byte, one in 1,024 by all.
#[must_use]
pub fn is_right(index: u64, received: &[u8], sent: &[u8]) -> bool {
    received.len() == sent.len() && received.last() == sent.last() && (!index.is_multiple_of(1024) || received == sent)
}

/// A PUBLISH, and where its packet id begins (at QoS 0, where it would).
#[must_use]
pub fn publish_frame(qos: u8, payload: &[u8], is_v5: bool) -> (Vec<u8>, usize) {
    let mut body = (TOPIC.len() as u16).to_be_bytes().to_vec();
    body.extend_from_slice(TOPIC.as_bytes());
    body.extend_from_slice(if qos > 0 { &[0; 2] } else { &[] });
    body.extend_from_slice(if is_v5 { &[0] } else { &[] });
    body.extend_from_slice(payload);
    let mut frame = vec![0x30 | qos << 1];
    let mut remaining = body.len();
    while remaining >= 0x80 {
        frame.push(remaining as u8 | 0x80);
        remaining >>= 7;
    }
    frame.push(remaining as u8);
    let id_at = frame.len() + 2 + TOPIC.len();
    frame.extend(body);
    (frame, id_at)
}
