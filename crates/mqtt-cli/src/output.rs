//! stdout: binary-safe, written in large pieces by a thread of its own, so that a reader who falls behind stops the
//! reading of messages and not the keep-alive.

use std::io::{self, Write};
use std::thread;

use tokio::sync::mpsc;

/// The writing end; one piece is under way at a time.
pub(crate) struct Output {
    pieces: mpsc::Sender<Vec<u8>>,
    written: mpsc::Receiver<(Vec<u8>, io::Result<()>)>,
}

impl Output {
    /// The process's stdout.
    pub(crate) fn stdout() -> Self {
        Self::new(io::stdout())
    }

    fn new(mut writer: impl Write + Send + 'static) -> Self {
        let (pieces, mut incoming) = mpsc::channel::<Vec<u8>>(1);
        let (done, written) = mpsc::channel(1);
        thread::spawn(move || {
            while let Some(mut piece) = incoming.blocking_recv() {
                let result = writer.write_all(&piece).and_then(|()| writer.flush());
                piece.clear();
                if done.blocking_send((piece, result)).is_err() {
                    break;
                }
            }
        });
        Self { pieces, written }
    }

    /// Writes and flushes `piece`, and leaves it empty with its memory for the next.
    pub(crate) async fn write(&mut self, piece: &mut Vec<u8>) -> io::Result<()> {
        let gone = || io::Error::other("the thread that writes stdout is gone");
        self.pieces.send(std::mem::take(piece)).await.map_err(|_| gone())?;
        let (emptied, result) = self.written.recv().await.ok_or_else(gone)?;
        *piece = emptied;
        result
    }
}

/// Waits until nobody can read stdout any more, as far as that can be told before writing; for a file it never comes.
#[cfg(unix)]
pub(crate) async fn reader_gone() {
    use rustix::event::{PollFd, PollFlags, poll};
    use tokio::sync::oneshot;
    let (sender, gone) = oneshot::channel();
    // Never joined: it waits for as long as the process lives.
    thread::spawn(move || {
        let stdout = io::stdout();
        // Without being asked for, errors and hang-ups are reported alone.
        let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
        loop {
            match poll(&mut watched, None) {
                Err(rustix::io::Errno::INTR) => {}
                Ok(count) if count > 0 => break,
                Ok(_) | Err(_) => return,
            }
        }
        let _nobody_waits = sender.send(());
    });
    if gone.await.is_err() {
        std::future::pending().await
    }
}

/// Waits until nobody can read stdout any more: here that is known only when a write fails.
#[cfg(not(unix))]
pub(crate) async fn reader_gone() {
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if bytes.starts_with(b"break") {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn pieces_are_written_in_order_and_their_memory_is_used_again() {
        let shared = Shared::default();
        let mut output = Output::new(shared.clone());
        let mut piece = Vec::with_capacity(1000);
        for text in ["one\n", "two\0\n"] {
            piece.extend_from_slice(text.as_bytes());
            output.write(&mut piece).await.unwrap();
            assert!(piece.is_empty() && piece.capacity() == 1000);
        }
        assert_eq!(*shared.0.lock().unwrap(), b"one\ntwo\0\n");
    }

    #[tokio::test]
    async fn a_closed_reader_is_an_error_that_can_be_told_from_others() {
        let mut output = Output::new(Shared::default());
        let error = output.write(&mut b"break".to_vec()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
