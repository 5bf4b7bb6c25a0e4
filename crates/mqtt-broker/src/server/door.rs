//! Lets connections in, and goes on whatever the system says.

use std::io;
use std::time::Duration;

use mqtt_proto::Instant;

use super::stream::{Acceptor, Stream};
use crate::Notice;

/// A listening socket.
#[derive(Debug)]
pub(super) struct Door {
    /// The embedder's listener, which may have several sockets.
    pub(super) listener: u32,
    acceptor: Acceptor,
    pause: Duration,
    /// When to try again after a failure.
    pub(super) opens_at: Option<Instant>,
    failures: Failures,
}

/// What came of looking for a connection.
#[derive(Debug)]
pub(super) enum Knock {
    /// A connection, and where it comes from.
    Guest(Stream, Box<str>),
    /// None is there.
    Nobody,
    /// This one came to nothing.
    Gone,
    /// The door is shut for a while.
    Shut(Option<Notice>),
}

impl Door {
    pub(super) fn new(listener: u32, acceptor: Acceptor) -> Self {
        Self { listener, acceptor, pause: SHORTEST_PAUSE, opens_at: None, failures: Failures::default() }
    }

    /// The next connection.
    pub(super) fn accept(&mut self, now: Instant) -> Knock {
        match self.acceptor.accept() {
            Ok((stream, address)) => {
                self.pause = SHORTEST_PAUSE;
                Knock::Guest(stream, address)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Knock::Nobody,
            // The client has given up meanwhile.
            Err(error) if is_of_one_connection(&error) => Knock::Gone,
            // No file descriptors or no memory, most likely. The connection stays in the system's queue, so trying again at
            // once would spin.
            Err(error) => {
                self.opens_at = Some(now + self.pause);
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                let failures = self.failures.count(now);
                let notice =
                    |failures| Notice::AcceptFailed { listener: self.listener, why: error.to_string(), failures };
                Knock::Shut(failures.map(notice))
            }
        }
    }
}

/// Counts failures to accept, and says when it is time to tell them.
#[derive(Debug, Default)]
struct Failures {
    untold: u64,
    told_at: Option<Instant>,
}

impl Failures {
    /// One more. How many there are to tell, unless some have been told just now.
    fn count(&mut self, now: Instant) -> Option<u64> {
        self.untold += 1;
        if self.told_at.is_some_and(|at| now.since(at) < NOTICE_INTERVAL) {
            return None;
        }
        self.told_at = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

/// Whether accepting failed for one connection, so that the next may be tried at once.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Between two notices that accepting fails.
const NOTICE_INTERVAL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_at_once_and_then_every_ten_seconds_with_their_number() {
        let mut failures = Failures::default();
        let told: Vec<_> = (0..25)
            .filter_map(|second| Some((second, failures.count(Instant::from_millis(second * 1_000))?)))
            .collect();
        assert_eq!(told, [(0, 1), (10, 10), (20, 10)]);
    }
}
