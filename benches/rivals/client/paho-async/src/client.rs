//! Paho C's asynchronous client behind safe functions.

#![allow(unsafe_code, reason = "it is a C library")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::{Condvar, Mutex, MutexGuard};

use harness::{Job, Meter, is_right};

use crate::ffi::{self, ConnectOptions, Message, Raw, ResponseOptions};

/// A client that the library's two threads drive.
pub(crate) struct Client {
    raw: Raw,
    state: Box<State>,
}

/// What the callbacks tell the application's thread.
struct State {
    counts: Mutex<Counts>,
    changed: Condvar,
    warm_up: u64,
    sent: Vec<u8>,
}

#[derive(Default)]
struct Counts {
    /// Calls that succeeded: the connect, and messages to the end of their QoS.
    ended: u64,
    received: u64,
    /// At which of either count somebody is to be woken.
    awaited: u64,
    meter: Option<Meter>,
}

impl Client {
    /// Connects and waits for CONNACK.
    pub(crate) fn connect(job: &Job) -> Self {
        let uri = CString::new(format!("tcp://{}", job.address)).expect("no zero in it");
        let id = CString::new(job.client_id()).expect("no zero in it");
        let state = Box::new(State {
            counts: Mutex::default(),
            changed: Condvar::new(),
            warm_up: job.warm_up(),
            sent: job.payload().to_vec(),
        });
        let context = ptr::from_ref(&*state).cast_mut().cast();
        let options = ConnectOptions::new(job.window().into(), context, on_success, on_failure);
        let mut raw = ptr::null_mut();
        // SAFETY: the strings live until the calls have returned, and the library copies them and the options. The state lives
        // until the client is destroyed.
        unsafe {
            check(ffi::create(&raw mut raw, uri.as_ptr(), id.as_ptr(), ffi::NO_PERSISTENCE, ptr::null_mut()));
            check(ffi::set_callbacks(raw, context, None, Some(on_message), ptr::null()));
            check(ffi::connect(raw, &raw const options));
        }
        let client = Self { raw, state };
        client.wait_ended(1);
        client.state.counts().ended = 0;
        client
    }

    /// Publishes: the library's thread writes it, and its end is counted.
    pub(crate) fn publish(&self, topic: &CString, payload: &[u8], qos: u8) {
        let length = c_int::try_from(payload.len()).expect("it fits");
        let mut response = self.response();
        // SAFETY: topic and payload live until the call has returned; it copies them.
        check(unsafe {
            let payload = payload.as_ptr().cast();
            ffi::send(self.raw, topic.as_ptr(), length, payload, qos.into(), 0, &raw mut response)
        });
    }

    pub(crate) fn subscribe(&self, filter: &CString, qos: u8) {
        let mut response = self.response();
        // SAFETY: the filter lives until the call has returned; it copies it.
        check(unsafe { ffi::subscribe(self.raw, filter.as_ptr(), qos.into(), &raw mut response) });
    }

    fn response(&self) -> ResponseOptions {
        ResponseOptions::new(ptr::from_ref(&*self.state).cast_mut().cast(), on_success, on_failure)
    }

    /// Waits until so many calls have ended.
    pub(crate) fn wait_ended(&self, count: u64) {
        self.state.wait(count, |counts| counts.ended);
    }

    /// Waits until so many messages have arrived, each of which was right.
    pub(crate) fn wait_received(&self, count: u64) {
        self.state.wait(count, |counts| counts.received);
    }

    /// The mark that was set when the warm-up had arrived.
    pub(crate) fn take_meter(&self) -> Option<Meter> {
        self.state.counts().meter.take()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // SAFETY: nobody else has this pointer, and no callback comes any more.
        unsafe { ffi::destroy(&raw mut self.raw) };
    }
}

impl State {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().expect("no callback panics")
    }

    fn wait(&self, count: u64, counted: impl Fn(&Counts) -> u64) {
        let mut counts = self.counts();
        counts.awaited = count;
        while counted(&counts) < count {
            counts = self.changed.wait(counts).expect("no callback panics");
        }
    }
}

/// The version of the library.
pub(crate) fn version() -> String {
    // SAFETY: a table of constant strings that ends with a null.
    unsafe {
        let mut entry = ffi::version_info();
        while !(*entry).name.is_null() {
            if CStr::from_ptr((*entry).name) == c"Version" {
                return CStr::from_ptr((*entry).value).to_string_lossy().into_owned();
            }
            entry = entry.add(1);
        }
    }
    String::new()
}

fn check(code: c_int) {
    assert_eq!(code, 0, "Paho's error");
}

/// # Safety
///
/// `context` is what was given with the callback.
unsafe fn state<'a>(context: *mut c_void) -> &'a State {
    // SAFETY: it was made from a state that lives longer than the client, and is only shared.
    unsafe { &*context.cast::<State>() }
}

extern "C" fn on_success(context: *mut c_void, _: *mut c_void) {
    // SAFETY: the library gives back what it was given.
    let state = unsafe { state(context) };
    let mut counts = state.counts();
    counts.ended += 1;
    if counts.ended == counts.awaited {
        state.changed.notify_one();
    }
}

extern "C" fn on_failure(_: *mut c_void, _: *mut c_void) {
    eprintln!("Paho says that a call failed");
    std::process::exit(1);
}

extern "C" fn on_message(context: *mut c_void, topic: *mut c_char, _: c_int, mut message: *mut Message) -> c_int {
    // SAFETY: the library gives back what it was given; topic and message are ours until they are freed.
    unsafe {
        let state = state(context);
        let length = usize::try_from((*message).payload_len).expect("it has a length");
        let payload = std::slice::from_raw_parts((*message).payload.cast::<u8>(), length);
        let mut counts = state.counts();
        assert!(is_right(counts.received, payload, &state.sent));
        counts.received += 1;
        if counts.received == state.warm_up {
            counts.meter = Some(Meter::start());
        }
        if counts.received == counts.awaited {
            state.changed.notify_one();
        }
        drop(counts);
        ffi::free_message(&raw mut message);
        ffi::free(topic.cast());
    }
    1 // it has been taken
}
