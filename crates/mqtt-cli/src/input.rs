//! Payloads from files and from stdin. Lines come through a thread of their own, because reading a terminal or a pipe
//! blocks, and in blocks of many lines, because handing over each line would cost more than sending it.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::thread;

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

/// The whole of a file.
pub(crate) fn file(path: &Path) -> io::Result<Bytes> {
    let text = fs::read(path).map_err(|error| named(&path.display().to_string(), &error))?;
    Ok(text.into())
}

/// All of stdin.
pub(crate) fn stdin() -> io::Result<Bytes> {
    let mut all = Vec::new();
    io::stdin().lock().read_to_end(&mut all).map_err(|error| named("stdin", &error))?;
    Ok(all.into())
}

fn named(name: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot read {name}: {error}"))
}

/// The lines of a reader, without their `\n`; a last line without one counts. What is read ahead is bounded: two blocks
/// of whole lines, each of about [`BLOCK`] bytes or one line.
pub(crate) struct Lines {
    blocks: mpsc::Receiver<io::Result<Bytes>>,
    block: Bytes,
}

impl Lines {
    /// The lines of stdin.
    pub(crate) fn stdin() -> Self {
        Self::read(io::stdin())
    }

    fn read(reader: impl Read + Send + 'static) -> Self {
        let (sender, blocks) = mpsc::channel(1);
        // Never joined: a read of stdin cannot be interrupted, and the process ends without it.
        thread::spawn(move || send_blocks(reader, &sender, LONGEST_LINE));
        Self { blocks, block: Bytes::new() }
    }

    /// The next line; `None` after the last. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.block.is_empty() {
            match self.blocks.recv().await? {
                Ok(block) => self.block = block,
                Err(error) => return Some(Err(error)),
            }
        }
        let end = self.block.iter().position(|byte| *byte == b'\n');
        let mut line = self.block.split_to(end.map_or(self.block.len(), |end| end + 1));
        if end.is_some() {
            line.truncate(line.len() - 1);
        }
        Some(Ok(line))
    }
}

/// Sends blocks that end with a line; the last may lack its `\n`.
fn send_blocks(mut reader: impl Read, sender: &mpsc::Sender<io::Result<Bytes>>, longest_line: usize) {
    let mut chunk = vec![0; BLOCK];
    let mut pending = BytesMut::new();
    loop {
        let read = match reader.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => &chunk[..read],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let _receiver_gone = sender.blocking_send(Err(named("stdin", &error)));
                return;
            }
        };
        let block = match read.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => {
                pending.extend_from_slice(&read[..=last]);
                let block = pending.split().freeze();
                pending.extend_from_slice(&read[last + 1..]);
                block
            }
            None => {
                pending.extend_from_slice(read);
                Bytes::new()
            }
        };
        if !block.is_empty() && sender.blocking_send(Ok(block)).is_err() {
            return;
        }
        if pending.len() > longest_line {
            let error = io::Error::other(format!("a line of stdin has more than the {longest_line} bytes of a packet"));
            let _receiver_gone = sender.blocking_send(Err(error));
            return;
        }
    }
    if !pending.is_empty() {
        let _receiver_gone = sender.blocking_send(Ok(pending.freeze()));
    }
}

/// Bytes asked of stdin at once.
const BLOCK: usize = 64 * 1024;

/// The most that the Remaining Length of a packet can say (section 1.5.5 of 5.0).
const LONGEST_LINE: usize = 268_435_455;

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(reader: impl Read + Send + 'static) -> Vec<Vec<u8>> {
        let mut lines = Lines::read(reader);
        let mut all = Vec::new();
        while let Some(line) = lines.next().await {
            all.push(line.unwrap().to_vec());
        }
        all
    }

    /// Reads at most `step` bytes at once.
    struct Slowly<'a>(&'a [u8], usize);

    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let step = self.1.min(self.0.len()).min(buffer.len());
            self.0.read(&mut buffer[..step])
        }
    }

    #[tokio::test]
    async fn lines_are_the_same_however_the_bytes_arrive() {
        let text = b"one\n\nthree\r\n\xff\x00four\nlast";
        let expected: [&[u8]; 5] = [b"one", b"", b"three\r", b"\xff\x00four", b"last"];
        for step in 1..=text.len() {
            assert_eq!(lines(Slowly(text, step)).await, expected, "{step} bytes at once");
        }
    }

    #[tokio::test]
    async fn empty_input_has_no_line_and_a_lone_end_of_line_is_one() {
        assert_eq!(lines(&b""[..]).await, Vec::<Vec<u8>>::new());
        assert_eq!(lines(&b"\n"[..]).await, [b""]);
    }

    #[tokio::test]
    async fn a_line_longer_than_a_block_stays_whole() {
        let mut text = vec![b'x'; 3 * BLOCK + 1];
        text.extend_from_slice(b"\nend\n");
        let all = lines(io::Cursor::new(text)).await;
        assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [3 * BLOCK + 1, 3]);
    }

    #[tokio::test]
    async fn a_line_that_fits_no_packet_is_an_error() {
        let (sender, blocks) = mpsc::channel(2);
        thread::spawn(move || send_blocks(io::repeat(b'x'), &sender, 1_000_000));
        let error = Lines { blocks, block: Bytes::new() }.next().await.unwrap().unwrap_err();
        assert!(error.to_string().contains("1000000 bytes"), "{error}");
    }
}
