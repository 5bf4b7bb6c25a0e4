//! libmosquitto behind safe functions.

#![allow(unsafe_code, reason = "it is a C library")]

use std::cell::{Cell, RefCell};
use std::ffi::{CString, c_int, c_void};
use std::os::fd::BorrowedFd;
use std::ptr;

use harness::{Job, Meter, is_right};
use rustix::event::{PollFd, PollFlags, poll};

use crate::ffi::{self, Message, Mosquitto};

/// A client in its own thread: nothing happens but in the calls of these functions.
pub(crate) struct Client {
    raw: *mut Mosquitto,
    state: Box<State>,
}

/// What the callbacks know.
struct State {
    is_connected: Cell<bool>,
    published: Cell<u64>,
    received: Cell<u64>,
    warm_up: u64,
    sent: Vec<u8>,
    meter: RefCell<Option<Meter>>,
}

impl Client {
    /// Connects and waits for CONNACK.
    pub(crate) fn connect(job: &Job) -> Self {
        let state = Box::new(State {
            is_connected: Cell::new(false),
            published: Cell::new(0),
            received: Cell::new(0),
            warm_up: job.warm_up(),
            sent: job.payload().to_vec(),
            meter: RefCell::new(None),
        });
        let id = CString::new(job.client_id()).expect("no zero in it");
        let host = CString::new(job.address.ip().to_string()).expect("no zero in it");
        // SAFETY: the strings live until the calls have returned; the state lives longer than the client.
        let raw = unsafe {
            let raw = ffi::mosquitto_new(id.as_ptr(), true, ptr::from_ref(&*state).cast_mut().cast());
            assert!(!raw.is_null());
            check(ffi::mosquitto_int_option(raw, ffi::TCP_NODELAY, 1));
            check(ffi::mosquitto_max_inflight_messages_set(raw, job.window().into()));
            ffi::mosquitto_connect_callback_set(raw, on_connect);
            ffi::mosquitto_publish_callback_set(raw, on_publish);
            ffi::mosquitto_message_callback_set(raw, on_message);
            check(ffi::mosquitto_connect(raw, host.as_ptr(), job.address.port().into(), 0));
            raw
        };
        let client = Self { raw, state };
        while !client.state.is_connected.get() {
            client.wait_readable();
            // SAFETY: the client is there until it is dropped.
            check(unsafe { ffi::mosquitto_loop_read(raw, 1) });
        }
        client
    }

    fn wait_readable(&self) {
        // SAFETY: the socket is open until the client is disconnected.
        let socket = unsafe { BorrowedFd::borrow_raw(ffi::mosquitto_socket(self.raw)) };
        poll(&mut [PollFd::new(&socket, PollFlags::IN)], None).expect("it can be waited for");
    }

    /// Publishes: what can be written is written at once.
    pub(crate) fn publish(&self, topic: &CString, payload: &[u8], qos: u8) {
        let length = c_int::try_from(payload.len()).expect("it fits");
        let payload = payload.as_ptr().cast();
        // SAFETY: topic and payload live until the call has returned; it copies them.
        check(unsafe {
            ffi::mosquitto_publish(self.raw, ptr::null_mut(), topic.as_ptr(), length, payload, qos.into(), false)
        });
    }

    pub(crate) fn subscribe(&self, filter: &CString, qos: u8) {
        // SAFETY: the filter lives until the call has returned.
        check(unsafe { ffi::mosquitto_subscribe(self.raw, ptr::null_mut(), filter.as_ptr(), qos.into()) });
    }

    /// Waits for the socket, reads and writes once.
    pub(crate) fn turn(&self) {
        // SAFETY: the client is there until it is dropped.
        check(unsafe { ffi::mosquitto_loop(self.raw, 1_000, 100) });
    }

    /// Messages that were sent (QoS 0) or acknowledged to their end.
    pub(crate) fn published(&self) -> u64 {
        self.state.published.get()
    }

    /// Messages that arrived, each of which was right.
    pub(crate) fn received(&self) -> u64 {
        self.state.received.get()
    }

    /// The mark that was set when the warm-up had arrived.
    pub(crate) fn take_meter(&self) -> Option<Meter> {
        self.state.meter.take()
    }

    pub(crate) fn disconnect(self) {
        // SAFETY: the client is there until it is dropped.
        check(unsafe { ffi::mosquitto_disconnect(self.raw) });
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // SAFETY: nobody else has this pointer, and no callback comes any more.
        unsafe { ffi::mosquitto_destroy(self.raw) };
    }
}

/// To be called before anything else. The version of the library.
pub(crate) fn init() -> String {
    let [mut major, mut minor, mut revision] = [0; 3];
    // SAFETY: there is one thread, and the numbers are there to be written.
    unsafe {
        check(ffi::mosquitto_lib_init());
        ffi::mosquitto_lib_version(&raw mut major, &raw mut minor, &raw mut revision);
    }
    format!("{major}.{minor}.{revision}")
}

fn check(code: c_int) {
    assert_eq!(code, 0, "libmosquitto's error");
}

/// # Safety
///
/// `object` is what was given to `mosquitto_new`.
unsafe fn state<'a>(object: *mut c_void) -> &'a State {
    // SAFETY: it was made from a state that lives longer than the client, and is only shared.
    unsafe { &*object.cast::<State>() }
}

extern "C" fn on_connect(_: *mut Mosquitto, object: *mut c_void, code: c_int) {
    assert_eq!(code, 0);
    // SAFETY: the library gives back what it was given.
    unsafe { state(object) }.is_connected.set(true);
}

extern "C" fn on_publish(_: *mut Mosquitto, object: *mut c_void, _: c_int) {
    // SAFETY: the library gives back what it was given.
    let published = unsafe { &state(object).published };
    published.set(published.get() + 1);
}

extern "C" fn on_message(_: *mut Mosquitto, object: *mut c_void, message: *const Message) {
    // SAFETY: the library gives back what it was given, and the message lives until this returns.
    let (state, payload) = unsafe {
        let message = &*message;
        let length = usize::try_from(message.payload_len).expect("it has a length");
        (state(object), std::slice::from_raw_parts(message.payload.cast::<u8>(), length))
    };
    assert!(is_right(state.received.get(), payload, &state.sent));
    state.received.set(state.received.get() + 1);
    if state.received.get() == state.warm_up {
        *state.meter.borrow_mut() = Some(Meter::start());
    }
}
