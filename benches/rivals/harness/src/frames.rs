//! Finds packets in what is read.

use std::io::{self, Read};

/// A buffer that is read into and taken from packet by packet.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// A whole packet.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The first byte: type and flags.
    pub first: u8,
    /// All after the remaining length.
    pub body: &'a [u8],
}

impl Frames {
    /// Reads once. False at the end.
    ///
    /// # Errors
    ///
    /// Those of reading.
    pub fn fill(&mut self, stream: &mut impl Read) -> io::Result<bool> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.buffer.len() - self.end < ROOM / 2 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.buffer.len() - self.end < ROOM / 2 {
            self.buffer.resize((self.end + ROOM).max(2 * self.buffer.len()), 0);
        }
        let read = stream.read(&mut self.buffer[self.end..])?;
        self.end += read;
        Ok(read > 0)
    }

    /// The byte that comes next.
    #[must_use]
    pub fn first(&self) -> Option<u8> {
        self.buffer[self.start..self.end].first().copied()
    }

    /// The next whole packet.
    pub fn take(&mut self) -> Option<Frame<'_>> {
        let bytes = &self.buffer[self.start..self.end];
        let (mut remaining, mut header) = (0, 1);
        loop {
            let byte = *bytes.get(header)?;
            remaining |= usize::from(byte & 0x7f) << (7 * (header - 1));
            header += 1;
            if byte < 0x80 || header == 5 {
                break;
            }
        }
        let body = bytes.get(header..header + remaining)?;
        self.start += header + remaining;
        Some(Frame { first: bytes[0], body })
    }
}

const ROOM: usize = 512 << 10;
