//! A client of prepared bytes: it knows just enough of MQTT 3.1.1 to publish in batches, to receive and to acknowledge.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use harness::Frames;

/// A client on a blocking socket.
pub(crate) struct Peer {
    stream: TcpStream,
    frames: Frames,
    out: Vec<u8>,
    /// A batch of PUBLISH, with packet ids from 1 on.
    batch: Vec<u8>,
    payload_len: usize,
    pub(crate) received: usize,
    pub(crate) acknowledged: usize,
}

impl Peer {
    pub(crate) fn connect(address: SocketAddr, id: &str) -> Self {
        let stream = connect(address, id);
        let (frames, out, batch) = (Frames::default(), Vec::new(), Vec::new());
        Self { stream, frames, out, batch, payload_len: 0, received: 0, acknowledged: 0 }
    }

    pub(crate) fn subscribe(&mut self, filter: &str, qos: u8, payload_len: usize) {
        self.payload_len = payload_len;
        subscribe(&mut self.stream, filter, qos);
    }

    /// Prepares what [`publish`](Self::publish) sends.
    pub(crate) fn prepare(&mut self, topic: &str, qos: u8, batch: u16, payload: &[u8]) {
        self.batch.clear();
        let id_len = if qos > 0 { 2 } else { 0 };
        let remaining = 2 + topic.len() + id_len + payload.len();
        assert!(remaining < 0x80, "its length takes one byte");
        for id in 1..=batch {
            self.batch.extend([0x30 | qos << 1, remaining as u8, 0, topic.len() as u8]);
            self.batch.extend_from_slice(topic.as_bytes());
            self.batch.extend_from_slice(&id.to_be_bytes()[..id_len]);
            self.batch.extend_from_slice(payload);
        }
    }

    pub(crate) fn publish(&mut self) {
        (self.received, self.acknowledged) = (0, 0);
        self.stream.write_all(&self.batch).expect("the broker reads");
    }

    /// Reads and answers until something is so; what is counted begins anew then.
    pub(crate) fn until(&mut self, is_so: impl Fn(&Self) -> bool) {
        while !is_so(self) {
            assert!(self.frames.fill(&mut self.stream).expect("the broker answers"), "the broker closed");
            while let Some(frame) = self.frames.take() {
                match frame.first >> 4 {
                    3 => {
                        let (qos, topic) = (frame.first >> 1 & 3, usize::from(frame.body[1]));
                        let head = 2 + topic + if qos > 0 { 2 } else { 0 };
                        assert_eq!(frame.body.len() - head, self.payload_len);
                        assert_eq!(frame.body.last(), Some(&LAST_BYTE));
                        self.received += 1;
                        if qos > 0 {
                            let first = if qos == 1 { 0x40 } else { 0x50 };
                            self.out.extend([first, 2, frame.body[head - 2], frame.body[head - 1]]);
                        }
                    }
                    4 | 7 => self.acknowledged += 1,
                    5 => self.out.extend([0x62, 2, frame.body[0], frame.body[1]]),
                    6 => self.out.extend([0x70, 2, frame.body[0], frame.body[1]]),
                    other => panic!("a packet of type {other}"),
                }
            }
            self.stream.write_all(&self.out).expect("the broker reads");
            self.out.clear();
        }
        (self.received, self.acknowledged) = (0, 0);
    }
}

/// Connects and waits for CONNACK.
pub(crate) fn connect(address: SocketAddr, id: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("the broker listens");
    stream.set_nodelay(true).expect("a socket");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
    let mut packet = vec![0x10, 12 + id.len() as u8, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0x70, 0x80, 0, id.len() as u8];
    packet.extend_from_slice(id.as_bytes());
    stream.write_all(&packet).expect("the broker reads");
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).expect("the broker answers");
    assert_eq!(connack, [0x20, 2, 0, 0], "the broker refuses");
    stream
}

/// Subscribes to one filter and waits for SUBACK.
pub(crate) fn subscribe(stream: &mut TcpStream, filter: &str, qos: u8) {
    let mut packet = vec![0x82, 5 + filter.len() as u8, 0, 1, 0, filter.len() as u8];
    packet.extend_from_slice(filter.as_bytes());
    packet.push(qos);
    stream.write_all(&packet).expect("the broker reads");
    let mut suback = [0; 5];
    stream.read_exact(&mut suback).expect("the broker answers");
    assert_eq!(suback, [0x90, 3, 0, 1, qos]);
}

/// Payloads end with it.
pub(crate) const LAST_BYTE: u8 = b'x';
