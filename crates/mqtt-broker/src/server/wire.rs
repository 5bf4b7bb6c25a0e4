//! One connection's socket: what comes in goes to the hub, and what the hub has for it goes out.
//!
//! A layer below MQTT (TLS, WebSocket) belongs where bytes enter and leave: [`Wire::feed`] and [`Wire::flush`].

use std::io::{self, IoSlice};

use bytes::{Buf, BytesMut};
use mio::{Interest, Registry, Token};
use mqtt_proto::Instant;

use super::stream::Stream;
use crate::{Hub, Peer};

/// A connection. There are many, and most say nothing: it is 32 bytes, and owns no buffer unless half a packet is there.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) peer: Peer,
    pub(super) stream: Stream,
    /// What has come of a packet that is not complete, or what was not wanted yet. Never empty.
    tail: Option<Box<BytesMut>>,
    /// Its listener.
    pub(super) door: u32,
    /// The socket takes nothing now.
    is_full: bool,
    /// A poll tells when it takes something again.
    is_watched: bool,
    /// Its input is not wanted before something has been written.
    is_held: bool,
    /// The other side has finished: there is an end to read, of which no poll tells a second time.
    is_finished: bool,
}

/// How reading, or writing, came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The next poll that names the socket says when to go on.
    Waits,
    /// There is more to do, when others have had their turn.
    Again,
    /// They have closed the transport, or it broke.
    TheyClosed,
    /// All is said: it is to be closed.
    WeClose,
}

impl Wire {
    pub(super) fn new(peer: Peer, stream: Stream, door: u32) -> Self {
        let (is_full, is_watched, is_held, is_finished) = (false, false, false, false);
        Self { peer, stream, tail: None, door, is_full, is_watched, is_held, is_finished }
    }

    /// A poll has said that the other side has finished.
    pub(super) fn handle_finished(&mut self) {
        self.is_finished = true;
    }

    /// A poll has said that the socket takes something, or has failed. Whether there is something to write.
    pub(super) fn handle_writable(&mut self) -> bool {
        std::mem::take(&mut self.is_full)
    }

    /// Reads what is there, one turn's worth at most, and hands it to the hub.
    pub(super) fn read(&mut self, hub: &mut Hub, now: Instant, scratch: &mut [u8]) -> Outcome {
        let peer = self.peer;
        if !self.is_held && self.tail.is_some() && hub.wants_input(peer) {
            // It may have had to wait.
            self.feed(hub, now, &[]);
        }
        while hub.wants_input(peer) {
            let bound = self.tail.as_ref().map_or(0, |tail| tail.len()).clamp(READ_BOUND, READ_MAXIMUM);
            match self.stream.read(&mut scratch[..bound]) {
                Ok(0) => return self.end(hub, now),
                Ok(read) => {
                    self.feed(hub, now, &scratch[..read]);
                    if read == bound {
                        // A peer that always has more to say must not silence the others.
                        return Outcome::Again;
                    }
                    if SHORT_READS_EMPTY && !self.is_finished && hub.wants_input(peer) {
                        return Outcome::Waits;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_finished = false;
                    return Outcome::Waits;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.end(hub, now),
            }
        }
        if hub.wants_close(peer) {
            return Outcome::WeClose;
        }
        self.is_held = true;
        Outcome::Waits
    }

    fn end(&self, hub: &mut Hub, now: Instant) -> Outcome {
        hub.handle_eof(now, self.peer);
        Outcome::TheyClosed
    }

    /// Hands over what was read, after what was left of earlier reads.
    ///
    /// The hub keeps slices of what it is given, so each read has a buffer of its own, no larger than it: a message that
    /// waits for an hour holds on to what came with it, and not to a buffer that many share.
    fn feed(&mut self, hub: &mut Hub, now: Instant, bytes: &[u8]) {
        let Some(tail) = &mut self.tail else {
            let mut input = BytesMut::from(bytes);
            hub.handle_input(now, self.peer, &mut input);
            if !input.is_empty() {
                self.tail = Some(Box::new(BytesMut::from(&input[..])));
            }
            return;
        };
        tail.extend_from_slice(bytes);
        if hub.handle_input(now, self.peer, tail) > 0 {
            let rest = Some(BytesMut::from(&tail[..])).filter(|rest| !rest.is_empty());
            self.tail = rest.map(Box::new);
        }
    }

    /// Writes what the peer's outbox holds, as far as the socket takes it.
    pub(super) fn flush(&mut self, hub: &mut Hub, now: Instant, registry: &Registry, token: Token) -> Outcome {
        let mut goes_on = false;
        while !self.is_full {
            let Some(outbox) = hub.outbox(self.peer).filter(|outbox| outbox.has_remaining()) else { break };
            let result = if outbox.chunk().len() == outbox.remaining() {
                self.stream.write(outbox.chunk())
            } else {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let filled = outbox.chunks_vectored(&mut slices);
                self.stream.write_vectored(&slices[..filled])
            };
            match result {
                Ok(written @ 1..) => {
                    outbox.advance(written);
                    hub.handle_written(now, self.peer);
                    goes_on |= std::mem::take(&mut self.is_held);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !self.is_watched {
                        let both = Interest::READABLE | Interest::WRITABLE;
                        if self.stream.register_anew(registry, token, both).is_err() {
                            return self.end(hub, now);
                        }
                        self.is_watched = true;
                    }
                    self.is_full = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return self.end(hub, now),
            }
        }
        if hub.wants_close(self.peer) {
            return Outcome::WeClose;
        }
        if goes_on { Outcome::Again } else { Outcome::Waits }
    }
}

/// Bytes of one read. After it, others have their turn. More only for a packet that is longer.
const READ_BOUND: usize = 16 << 10;

/// Bytes of one read at most.
pub(super) const READ_MAXIMUM: usize = 64 << 10;

/// Buffers of one write.
const SLICES: usize = 64;

/// Whether a read that does not fill its buffer has emptied the socket, so that a poll tells when there is more (epoll(7)).
const SHORT_READS_EMPTY: bool = cfg!(any(target_os = "linux", target_os = "android"));
