//! One suite of scenarios for all adapters, so that they cannot drift apart.
//!
//! An adapter's tests say how to start a client on its runtime ([`Adapter`]) and call [`parity_tests!`](crate::parity_tests);
//! each scenario becomes a test of that adapter. Scenarios are plain blocking code on the test's thread: a
//! [`Handle`] belongs to no runtime, and the adapter's runtime works in the background. Every wait is bounded by
//! [`PATIENCE`] and says what it waited for.

use std::{
    future::Future,
    net::SocketAddr,
    ops::Deref,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use mqtt_client::{Backoff, Driver, Error, Handle, Options};

mod cancelling;
mod connecting;
mod cutting;
mod delivery;
mod ending;
mod host;
mod link;
mod peer;
mod pressure;

pub use cancelling::*;
pub use connecting::*;
pub use cutting::*;
pub use delivery::*;
pub use ending::*;
pub use pressure::*;

/// How long a scenario waits for anything before it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How one adapter starts a client.
#[derive(Clone, Copy)]
pub struct Adapter {
    /// The adapter's `connect`: ready at the first CONNACK.
    pub connect: fn(Options) -> Connecting,
    /// Runs the adapter's `drive` over TCP in the background, and calls the function when it has returned.
    pub spawn: fn(Driver, Done),
}

/// Called when `drive` has returned.
pub type Done = Box<dyn FnOnce() + Send>;

/// What an adapter's `connect` returns, whatever its type is there.
pub type Connecting = Pin<Box<dyn Future<Output = Result<Handle, Error>>>>;

impl Adapter {
    /// Starts a client without waiting for its connection.
    fn start(&self, options: Options) -> Handle {
        let (handle, driver) = mqtt_client::new(options).expect("the options are legal");
        (self.spawn)(driver, Box::new(|| ()));
        handle
    }

    /// Starts a client and waits for its first connection.
    fn connect(&self, options: Options) -> Client {
        let handle = self.start(options);
        within("the first CONNACK", handle.connected()).expect("the peer lets the client in");
        Client(handle)
    }
}

/// A client that is gone when the scenario ends. Otherwise it might still flush then, and reconnect, to a port that belongs
/// to another peer by now.
struct Client(Handle);

impl Deref for Client {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.0
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if !thread::panicking() {
            // It may have ended before, and badly: that is the scenario's to judge.
            let _ = within("the end of the client", self.0.disconnect());
        }
    }
}

/// Makes a test of each scenario: `mqtt_sim::parity_tests!(adapter())`.
#[macro_export]
macro_rules! parity_tests {
    ($adapter:expr) => {
        $crate::parity_tests! { $adapter;
            connects_over_ipv4
            connects_over_ipv6
            tries_every_address_of_a_name
            speaks_every_version
            the_user_name_and_password_of_a_url_arrive
            a_refusal_reaches_the_caller_with_its_reason
            a_refused_connection_reaches_the_caller
            keeps_trying_until_the_server_is_there
            a_name_that_does_not_resolve_reaches_the_caller
            a_connect_that_takes_too_long_is_given_up
            a_server_that_never_answers_connect_is_given_up
            messages_travel_both_ways_at_every_qos
            each_stream_gets_its_own_messages
            payloads_of_every_size_arrive_whole
            a_cut_loses_nothing_published_at_qos_1
            a_cut_neither_loses_nor_repeats_anything_published_at_qos_2
            a_cut_loses_nothing_subscribed_at_qos_1
            a_cut_neither_loses_nor_repeats_anything_subscribed_at_qos_2
            what_is_published_offline_is_sent_later
            a_forgotten_session_is_made_anew
            what_a_resumed_session_brings_waits_for_its_stream
            ten_mebibytes_travel_both_ways_at_once
            the_client_reads_while_it_cannot_write
            many_messages_travel_both_ways_at_once
            a_stalled_consumer_neither_loses_the_link_nor_fills_the_memory
            what_came_before_the_end_is_delivered
            publishing_from_the_receiving_task_never_deadlocks
            publishing_into_a_full_queue_from_the_receiving_task_never_deadlocks
            a_flood_does_not_hold_up_the_pings
            a_half_open_link_is_found_by_the_keep_alive
            a_half_open_link_is_found_while_writing
            a_dropped_connect_leaves_no_connection_behind
            a_dropped_connected_changes_nothing
            a_dropped_ticket_still_sends_its_message
            a_dropped_subscribe_or_unsubscribe_can_be_made_again
            a_dropped_next_loses_no_message
            a_dropped_event_is_told_again
            a_dropped_disconnect_still_disconnects
            disconnect_flushes_what_was_accepted
            disconnect_flushes_while_the_peer_floods
            the_last_packet_arrives_before_the_end
            the_last_handle_dropped_disconnects_cleanly
            the_driver_returns_when_the_client_is_done
            after_the_end_every_call_says_so
        }
    };
    ($adapter:expr; $($scenario:ident)*) => {
        $(
            #[test]
            fn $scenario() {
                $crate::parity::$scenario(&$adapter);
            }
        )*
    };
}

/// Blocks until `future` is ready.
///
/// # Panics
///
/// After [`PATIENCE`], saying that `what` did not happen.
pub fn within<F: Future>(what: &str, future: F) -> F::Output {
    let mut future = pin!(future);
    let alarm = Alarm::new();
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&alarm.waker())) {
            Poll::Ready(output) => return output,
            Poll::Pending => alarm.wait(what),
        }
    }
}

/// A waker that counts and wakes the thread that made it.
pub(crate) struct Alarm {
    thread: Thread,
    rung: AtomicUsize,
}

impl Alarm {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { thread: thread::current(), rung: AtomicUsize::new(0) })
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        Arc::clone(self).into()
    }

    /// Waits until it has rung since the last wait.
    pub(crate) fn wait(&self, what: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.rung.swap(0, Ordering::SeqCst) == 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain for {what}");
            thread::park_timeout(left);
        }
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.rung.fetch_add(1, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// A client for the server there, all else by default.
fn options_for_address(address: SocketAddr) -> Options {
    Options::new(address.ip().to_string(), address.port())
}

/// `len` bytes without a pattern, the same ones for the same seed.
fn noise(len: usize, seed: u64) -> bytes::Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes.into()
}

/// With a short way back after a broken connection.
fn quick(options: Options) -> Options {
    options.backoff(Backoff {
        initial: Duration::from_millis(1),
        maximum: Duration::from_millis(10),
        ..Backoff::default()
    })
}
