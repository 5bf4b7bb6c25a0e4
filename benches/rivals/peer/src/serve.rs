//! One connection: what is received is checked, counted and acknowledged; what is to be sent is sent.

use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use harness::{Frame, Frames, TOPIC, window};

use crate::Seen;
use crate::source::Source;

/// How a connection begins.
pub(crate) enum Greeting {
    /// `r`: what have you seen?
    Question,
    /// A CONNECT, which has been answered.
    Connect(Connect),
}

/// What matters of a CONNECT.
pub(crate) struct Connect {
    pub(crate) client_id: String,
    pub(crate) is_v5: bool,
}

/// Reads the first packet and answers it.
pub(crate) fn greet(stream: &mut TcpStream, frames: &mut Frames) -> io::Result<Greeting> {
    while frames.fill(stream)? {
        if frames.first() == Some(b'r') {
            return Ok(Greeting::Question);
        }
        if let Some(frame) = frames.take() {
            let connect = Connect::parse(frame).ok_or(ErrorKind::InvalidData)?;
            let [maximum_high, maximum_low] = window(connect.size()).to_be_bytes();
            match connect.is_v5 {
                true => stream.write_all(&[0x20, 6, 0, 0, 3, 0x21, maximum_high, maximum_low])?,
                false => stream.write_all(&[0x20, 2, 0, 0])?,
            }
            return Ok(Greeting::Connect(connect));
        }
    }
    Err(ErrorKind::UnexpectedEof.into())
}

impl Connect {
    fn parse(frame: Frame<'_>) -> Option<Self> {
        let (name, rest) = prefixed(frame.body)?;
        let is_v5 = *rest.first()? == 5;
        let mut rest = rest.get(4..)?;
        if frame.first != 0x10 || name != b"MQTT" {
            return None;
        }
        if is_v5 {
            rest = rest.get(1 + usize::from(*rest.first().filter(|length| **length < 0x80)?)..)?;
        }
        let (client_id, _) = prefixed(rest)?;
        Some(Self { client_id: String::from_utf8(client_id.to_vec()).ok()?, is_v5 })
    }

    /// The size of the payloads, which is the first number in the client id, if there is one.
    fn size(&self) -> usize {
        self.client_id.split('-').nth(1).and_then(|size| size.parse().ok()).unwrap_or(0)
    }
}

/// Splits what has its length in two bytes before it from the rest.
fn prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::from(u16::from_be_bytes(*bytes.first_chunk()?));
    bytes[2..].split_at_checked(length)
}

/// A connection after its CONNACK.
pub(crate) struct Serving {
    stream: TcpStream,
    frames: Frames,
    is_v5: bool,
    answers: Vec<u8>,
    source: Option<Source>,
    sink: Sink,
    shared: Arc<Mutex<Seen>>,
}

/// What is expected, and how much of it has come.
struct Sink {
    payload: Vec<u8>,
    seen: Seen,
}

impl Serving {
    pub(crate) fn new(stream: TcpStream, frames: Frames, connect: Connect, shared: Arc<Mutex<Seen>>) -> Self {
        let Connect { client_id, is_v5 } = connect;
        let source = Source::from_client_id(&client_id, is_v5);
        let sink = Sink { payload: Vec::new(), seen: Seen::default() };
        Self { stream, frames, is_v5, answers: Vec::new(), source, sink, shared }
    }

    /// Serves until the client goes.
    pub(crate) fn run(mut self) -> io::Result<()> {
        loop {
            let goes_on = self.take_frames();
            // Before the answer: whoever has it may ask.
            *self.shared.lock().expect("nobody panics with it") = self.sink.seen;
            self.stream.write_all(&self.answers)?;
            self.answers.clear();
            if let Some(source) = &mut self.source {
                source.send(&mut self.stream)?;
            }
            if !goes_on || !self.frames.fill(&mut self.stream)? {
                return Ok(());
            }
        }
    }

    /// Takes what has come and collects the answers. False after DISCONNECT.
    fn take_frames(&mut self) -> bool {
        while let Some(frame) = self.frames.take() {
            match frame.first >> 4 {
                3 => self.sink.publish(frame, self.is_v5, &mut self.answers),
                4 => self.source.iter_mut().for_each(|source| source.free(frame.body)),
                5 => self.answers.extend([0x62, 2, frame.body[0], frame.body[1]]),
                6 => {
                    self.sink.seen.by_qos[2] += 1;
                    self.answers.extend([0x70, 2, frame.body[0], frame.body[1]]);
                }
                7 => self.source.iter_mut().for_each(|source| source.free(frame.body)),
                8 => {
                    let qos = frame.body.last().map_or(0, |options| options & 3);
                    let [high, low] = [frame.body[0], frame.body[1]];
                    match self.is_v5 {
                        true => self.answers.extend([0x90, 4, high, low, 0, qos]),
                        false => self.answers.extend([0x90, 3, high, low, qos]),
                    }
                    self.source.iter_mut().for_each(Source::start);
                }
                12 => self.answers.extend([0xd0, 0]),
                14 => return false,
                _ => self.sink.seen.wrong += 1,
            }
        }
        true
    }
}

impl Sink {
    fn publish(&mut self, frame: Frame<'_>, is_v5: bool, answers: &mut Vec<u8>) {
        let qos = usize::from(frame.first >> 1 & 3);
        let head = 2 + TOPIC.len() + if qos > 0 { 2 } else { 0 };
        let properties = usize::from(is_v5);
        let payload = frame.body.get(head + properties..).unwrap_or_default();
        let count = self.seen.by_qos.iter().sum();
        if self.payload.is_empty() {
            self.payload = harness::payload(payload.len());
        }
        let is_right = harness::is_right(count, payload, &self.payload)
            && &frame.body[2..2 + TOPIC.len()] == TOPIC.as_bytes()
            && (!is_v5 || frame.body[head] == 0);
        self.seen.wrong += u64::from(!is_right);
        match qos {
            0 => self.seen.by_qos[0] += 1,
            1 => {
                self.seen.by_qos[1] += 1;
                answers.extend([0x40, 2, frame.body[head - 2], frame.body[head - 1]]);
            }
            // It counts when PUBREL comes.
            _ => answers.extend([0x50, 2, frame.body[head - 2], frame.body[head - 1]]),
        }
    }
}
