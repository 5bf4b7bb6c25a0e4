//! The runtime's side of a client.

use core::fmt::Display;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use bytes::BytesMut;
use mqtt_proto::{FixedHeader, Outbox};

use crate::handle::shared::{Shared, on_clock};
use crate::handle::turn::Demand;
use crate::{Endpoint, Error};

/// What a runtime drives: it opens transports, moves bytes, and tells the time. One for each client.
///
/// The loop of every adapter is the same: take a [`turn`](Self::turn), and do what it says.
///
/// 1. If it is [`done`](Turn::done), return.
/// 2. Without a transport: if there is something to [dial](Turn::open), [`poll_open`](Self::poll_open) names it; answer with
///    [`handle_open`](Self::handle_open) or [`handle_open_failed`](Self::handle_open_failed). When a turn says
///    [`close`](Turn::close) while dialling, give the dial up and call [`handle_closed`](Self::handle_closed).
/// 3. With a transport: write what is in the [`outbox`](Self::outbox); if it is to be [closed](Turn::close) and the outbox is
///    empty, close the transport and call [`handle_closed`](Self::handle_closed). If the turn says [`read`](Turn::read), hand
///    bytes that are left over or can be read to [`handle_input`](Self::handle_input).
/// 4. If something was done, take the next turn. If nothing could be done, wait until the transport is ready, the turn's waker
///    is woken, or its [`deadline`](Turn::deadline) has come; then take the next turn.
///
/// Every method can be called at any time; spurious calls do nothing. Dropping the driver stops the client.
#[derive(Debug)]
pub struct Driver {
    shared: Arc<Shared>,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Does what time asks for, and tells what there is to do. With a [store](crate::Options::store), this is also when messages
    /// are stored that cannot be sent yet.
    ///
    /// When there is more than this turn tells, `waker` is woken. What the driver itself does wakes nobody: take a turn after
    /// whatever was done, and before sleeping. Two tasks or threads can share the work: a turn of one wakes the other, if there
    /// is more than the other knew. (A third waker takes the place of one of them, which is woken.)
    #[must_use]
    pub fn turn(&self, waker: &Waker) -> Turn {
        self.shared.store_changes();
        let Demand { open, read, write, close, lingers, done, timeout, .. } = self.shared.turn(waker);
        Turn { open, write, read, close, lingers, done, deadline: timeout.map(on_clock) }
    }

    /// A server to be dialled, once for each attempt.
    #[must_use]
    pub fn poll_open(&self) -> Option<Endpoint> {
        self.shared.dial()
    }

    /// The dial succeeded.
    pub fn handle_open(&self) {
        self.shared.drive(|inner, now| inner.client.handle_open(now));
    }

    /// The dial failed.
    pub fn handle_open_failed(&self, error: &dyn Display) {
        self.shared.drive(|inner, now| inner.client.handle_open_failed(now, error));
    }

    /// Bytes from the server. Takes what it can and leaves the rest, which is to be given again, with more behind it, when a
    /// [turn](Turn::read) says so.
    pub fn handle_input(&self, input: &mut BytesMut) {
        self.shared.drive(|inner, now| {
            while !input.is_empty() && inner.client.handle_input(now, input) > 0 && !input.is_empty() {
                inner.pump(now); // it may let more in
            }
        });
    }

    /// The server closed its side.
    pub fn handle_eof(&self) {
        self.shared.drive(|inner, now| inner.client.handle_eof(now));
    }

    /// Reading or writing failed.
    pub fn handle_error(&self, error: &dyn Display) {
        self.shared.drive(|inner, now| inner.client.handle_error(now, error));
    }

    /// How many bytes to read next, at most, behind the `input` that is left over: 32 KiB, or what a large packet at its front
    /// lacks. Its message then is alone in its buffer, which goes with it and comes back with it. Never more than 15 times what
    /// has arrived: nothing is reserved for what a server only announces.
    #[must_use]
    pub fn read_size(input: &[u8]) -> usize {
        let lacking = match FixedHeader::parse(input) {
            Ok(Some(header)) => header.frame_len().saturating_sub(input.len()),
            Ok(None) | Err(_) => 0,
        };
        lacking.min(input.len().saturating_mul(GROWTH)).max(READ_AT_ONCE)
    }

    /// What is to be written, lent under the lock: `f` must not block. What it advances over counts as written, at the time of the
    /// last turn.
    ///
    /// With a [store](crate::Options::store), what depends on it is made durable first.
    pub fn outbox<T>(&self, mut f: impl FnMut(&mut Outbox) -> T) -> T {
        loop {
            let _stored = self.shared.stored();
            let lent = self.shared.go_on(|inner, now| {
                if inner.client.has_changes() {
                    return None; // the application was faster: store that, too
                }
                Some(inner.client.outbox(now, &mut f))
            });
            if let Some(value) = lent {
                return value;
            }
        }
    }

    /// The transport, or the dial, is gone. Call it once for each.
    pub fn handle_closed(&self) {
        self.shared.drive(|inner, now| inner.client.handle_closed(now));
    }
}

/// What there is to do. See [`Driver::turn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Turn {
    /// There is something to dial: [`poll_open`](Driver::poll_open) says what.
    pub open: bool,
    /// There is something in the [`outbox`](Driver::outbox).
    pub write: bool,
    /// Input would be taken. While not, do not read: the transport then slows the server down.
    pub read: bool,
    /// The transport is to be closed once the outbox is empty or cannot be written; a dial is to be given up.
    pub close: bool,
    /// Before that, the transport is to be read until the server has closed its side, or some time has passed: it may still send,
    /// and a socket that is closed before it is read may lose what was written last. Without this, the server has nothing to say.
    pub lingers: bool,
    /// Nothing will ever be dialled again.
    pub done: bool,
    /// When the next turn is due, whatever happens.
    pub deadline: Option<Instant>,
}

/// Bytes read at a time, but for large packets.
const READ_AT_ONCE: usize = 32 << 10;

/// How many times its length the buffer of an unfinished packet grows by at a time.
const GROWTH: usize = 15;

impl Drop for Driver {
    fn drop(&mut self) {
        if self.shared.look(|inner| inner.client.is_done()) {
            return;
        }
        self.shared.drive(|inner, now| inner.client.abort(now, Error::DriverGone));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of a PUBLISH of 1 MiB and 4 bytes.
    fn beginning(len: usize) -> Vec<u8> {
        let mut packet = vec![0x30, 0x80, 0x80, 0x40];
        packet.resize(len, 0);
        packet
    }

    #[test]
    fn a_large_packet_is_read_to_its_end_and_no_further() {
        assert_eq!(Driver::read_size(&beginning(512 << 10)), (512 << 10) + 4);
        assert_eq!(Driver::read_size(&beginning(1 << 20)), READ_AT_ONCE);
    }

    #[test]
    fn what_is_only_announced_reserves_nothing() {
        assert_eq!(Driver::read_size(&beginning(4)), READ_AT_ONCE);
        assert_eq!(Driver::read_size(&beginning(32 << 10)), 15 * (32 << 10));
    }
}
