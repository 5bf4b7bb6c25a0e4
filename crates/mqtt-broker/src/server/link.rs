//! One connection's task: reads, feeds the hub, and writes where the socket was full.
//!
//! A layer below MQTT (TLS, WebSocket) belongs where bytes enter and leave: [`Input::feed`] and `Wire::flush`.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use mqtt_proto::Instant;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::run::{READ_MAXIMUM, Shared, State, Tripwire};
use super::stream::Reader;
use crate::{Hub, Peer};

/// Serves a connection until it is closed.
pub(super) async fn serve(shared: Rc<Shared>, peer: Peer, mut reader: Reader) {
    let _tripwire = Tripwire(Rc::clone(&shared));
    let mut input = Input::default();
    let end = poll_fn(|cx| {
        let state = &mut *shared.state.borrow_mut();
        let polled = poll(&shared, state, peer, &mut reader, &mut input, cx);
        state.tell();
        polled
    });
    let end = end.await;
    drop(input);
    {
        let state = &mut *shared.state.borrow_mut();
        state.hub.handle_closed(shared.now(), peer);
        // The half that writes goes with it: the client hears that nothing more will come.
        state.wires.remove(&peer);
    }
    shared.sweep_soon();
    match end {
        End::Theirs => {}
        End::Ours => linger(&shared, &mut reader).await,
    }
}

/// Which side ended the transport.
enum End {
    Ours,
    Theirs,
}

fn poll(
    shared: &Shared,
    state: &mut State,
    peer: Peer,
    reader: &mut Reader,
    input: &mut Input,
    cx: &mut Context<'_>,
) -> Poll<End> {
    let State { hub, wires, scratch, .. } = state;
    let Some(wire) = wires.get_mut(&peer) else { return Poll::Ready(End::Theirs) };
    if !wire.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
        wire.waker = Some(cx.waker().clone());
    }
    let now = shared.now();
    if wire.is_full && wire.writer.poll_writable(cx).is_ready() {
        wire.is_full = false;
        wire.flush(hub, now, peer);
    }
    if !input.tail.is_empty() && !wire.is_held {
        // It may have had to wait.
        input.feed(hub, now, peer, &[]);
        shared.sweep_soon();
    }
    while hub.wants_input(peer) {
        let bound = input.tail.len().clamp(READ_BOUND, READ_MAXIMUM);
        match reader.poll_read(cx, &mut scratch[..bound]) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(0) | Err(_)) => {
                hub.handle_eof(now, peer);
                shared.sweep_soon();
                return Poll::Ready(End::Theirs);
            }
            Poll::Ready(Ok(read)) => {
                input.feed(hub, now, peer, &scratch[..read]);
                shared.sweep_soon();
                if read == bound {
                    // A peer that always has more to say must not silence the others. A task that wakes itself at once has
                    // many turns before the runtime asks the system what others have sent; one that yields has one.
                    let _ = pin!(yield_now()).poll(cx);
                    return Poll::Pending;
                }
            }
        }
    }
    if hub.wants_close(peer) {
        return Poll::Ready(End::Ours);
    }
    // Whoever writes to the peer wakes this task.
    wire.is_held = true;
    Poll::Pending
}

/// What has come of a packet that is not complete. An idle connection has no buffer.
#[derive(Default)]
struct Input {
    tail: BytesMut,
}

impl Input {
    /// Hands over what was read, after what was left of earlier reads.
    ///
    /// The hub keeps slices of what it is given, so each read has a buffer of its own, no larger than it: a message that
    /// waits for an hour holds on to what came with it, and not to a buffer that many share.
    fn feed(&mut self, hub: &mut Hub, now: Instant, peer: Peer, bytes: &[u8]) {
        if self.tail.is_empty() {
            let mut input = BytesMut::from(bytes);
            hub.handle_input(now, peer, &mut input);
            self.tail.extend_from_slice(&input);
        } else {
            self.tail.extend_from_slice(bytes);
            if hub.handle_input(now, peer, &mut self.tail) > 0 {
                self.tail = BytesMut::from(&self.tail[..]);
            }
        }
    }
}

/// Closing a socket with unread bytes resets the connection, and with it what we wrote last: reads to the end.
async fn linger(shared: &Shared, reader: &mut Reader) {
    let end = async {
        loop {
            let read = poll_fn(|cx| reader.poll_read(cx, &mut shared.state.borrow_mut().scratch)).await;
            if !read.is_ok_and(|read| read > 0) {
                break;
            }
        }
    };
    // Whether it has ended or is taking too long: it is closed now.
    let _ = timeout(LINGER, end).await;
}

/// Bytes of one read. After it, others have their turn. More only for a packet that is longer.
const READ_BOUND: usize = 16 << 10;

/// How long a client may take to close its side after us.
const LINGER: Duration = Duration::from_secs(1);
