//! Messages for a client, as fast as it takes them.

use std::io::{self, Write};

use harness::window;

/// What a client that subscribes is sent: a number of messages, and when all are acknowledged, one more.
pub(crate) struct Source {
    qos: u8,
    /// One PUBLISH, with room for a packet id.
    frame: Vec<u8>,
    id_at: usize,
    unsent: u64,
    is_started: bool,
    is_ended: bool,
    window: usize,
    /// Packet ids that are free.
    ids: Vec<[u8; 2]>,
    out: Vec<u8>,
}

impl Source {
    /// From `receive-SIZE-QOS-COUNT`.
    pub(crate) fn from_client_id(client_id: &str, is_v5: bool) -> Option<Self> {
        let mut numbers = client_id.strip_prefix("receive-")?.split('-').map(str::parse::<u64>);
        let mut number = || numbers.next()?.ok();
        let (size, qos, unsent) = (number()? as usize, number()? as u8, number()?);
        let (frame, id_at) = harness::publish_frame(qos, &harness::payload(size), is_v5);
        let ids: Vec<_> = (1..=window(size)).rev().map(u16::to_be_bytes).collect();
        Some(Self {
            qos,
            frame,
            id_at,
            unsent,
            is_started: false,
            is_ended: false,
            window: ids.len(),
            ids,
            out: Vec::new(),
        })
    }

    /// The client has subscribed.
    pub(crate) fn start(&mut self) {
        self.is_started = true;
    }

    /// The client has acknowledged a message to its end.
    pub(crate) fn free(&mut self, ack: &[u8]) {
        self.ids.push([ack[0], ack[1]]);
    }

    /// Sends what the window allows.
    pub(crate) fn send(&mut self, stream: &mut impl Write) -> io::Result<()> {
        if !self.is_started {
            return Ok(());
        }
        while self.unsent > 0 && self.push(stream)? {
            self.unsent -= 1;
        }
        if self.unsent == 0 && !self.is_ended && self.ids.len() == self.window {
            self.is_ended = self.push(stream)?;
        }
        self.flush(stream)
    }

    /// Adds a message, if a packet id is free.
    fn push(&mut self, stream: &mut impl Write) -> io::Result<bool> {
        if self.qos > 0 {
            let Some(id) = self.ids.pop() else { return Ok(false) };
            self.frame[self.id_at..self.id_at + 2].copy_from_slice(&id);
        }
        if self.frame.len() >= BLOCK {
            stream.write_all(&self.frame)?;
            return Ok(true);
        }
        self.out.extend_from_slice(&self.frame);
        if self.out.len() >= BLOCK {
            self.flush(stream)?;
        }
        Ok(true)
    }

    fn flush(&mut self, stream: &mut impl Write) -> io::Result<()> {
        stream.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }
}

/// Bytes in one write.
const BLOCK: usize = 64 << 10;
