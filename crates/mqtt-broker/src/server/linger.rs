//! Connections that we have closed and the other side has not.
//!
//! Closing a socket with unread bytes resets the connection, and with it what we wrote last: they are read to their end.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use mio::{Interest, Registry, Token};
use mqtt_proto::Instant;

use super::stream::Stream;
use super::wire::Outcome;
use crate::slab::Slab;

/// All that are closing.
#[derive(Debug, Default)]
pub(super) struct Lingering {
    leaving: Slab<Leaving>,
    /// When their time is over. All have the same, so this is in order; some are gone already.
    deadlines: VecDeque<(Instant, u32)>,
}

#[derive(Debug)]
struct Leaving {
    stream: Stream,
    door: u32,
    until: Instant,
}

impl Lingering {
    /// Says that nothing more will come, and waits for the other side to say so. False if it is gone.
    pub(super) fn insert(&mut self, now: Instant, stream: Stream, door: u32, registry: &Registry) -> bool {
        let until = now + TIMEOUT;
        let key = self.leaving.insert(Leaving { stream, door, until });
        let Some(Leaving { stream, .. }) = self.leaving.get_mut(key) else { return false };
        let is_open = stream.finish().is_ok();
        if !is_open || stream.register_anew(registry, token(key), Interest::READABLE).is_err() {
            self.leaving.remove(key);
            return false;
        }
        self.deadlines.push_back((until, key));
        true
    }

    /// The number of the connection that is known to polls by this token.
    pub(super) fn key(token: Token) -> Option<u32> {
        token.0.checked_sub(FIRST_TOKEN).filter(|key| *key < TOKENS).and_then(|key| u32::try_from(key).ok())
    }

    /// Reads once, and forgets it. When it is closed, gives the number of its listener.
    pub(super) fn read(&mut self, key: u32, scratch: &mut [u8]) -> Result<Outcome, u32> {
        let Some(leaving) = self.leaving.get_mut(key) else { return Ok(Outcome::Waits) };
        match leaving.stream.read(scratch) {
            Ok(1..) => Ok(Outcome::Again),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Outcome::Waits),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Outcome::Again),
            Ok(0) | Err(_) => {
                let door = leaving.door;
                self.leaving.remove(key);
                Err(door)
            }
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.front().map(|(until, _)| *until)
    }

    /// Closes one whose time is over, and gives the number of its listener.
    pub(super) fn take_late(&mut self, now: Instant) -> Option<u32> {
        while let Some((until, key)) = self.deadlines.front().copied().filter(|(until, _)| *until <= now) {
            self.deadlines.pop_front();
            // Its number may be that of a later one.
            if self.leaving.get(key).is_some_and(|leaving| leaving.until == until) {
                return self.leaving.remove(key).map(|leaving| leaving.door);
            }
        }
        None
    }
}

fn token(key: u32) -> Token {
    Token(FIRST_TOKEN + key as usize)
}

/// Tokens of connections that are closing: after those of connections, of which there are no more than that.
const FIRST_TOKEN: usize = TOKENS;
pub(super) const TOKENS: usize = 1 << 24;

/// How long a client may take to close its side after us.
const TIMEOUT: Duration = Duration::from_secs(1);
