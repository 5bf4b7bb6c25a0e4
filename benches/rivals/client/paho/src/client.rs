//! Paho C behind safe functions.

#![allow(unsafe_code, reason = "it is a C library")]

use std::ffi::{CStr, CString, c_int, c_ulong};
use std::ptr;

use harness::Job;

use crate::ffi::{self, ConnectOptions, Message, Raw};

/// A client in its own thread: nothing happens but in the calls of these functions.
pub(crate) struct Client(Raw);

impl Client {
    /// Connects and waits for CONNACK.
    pub(crate) fn connect(job: &Job) -> Self {
        let uri = CString::new(format!("tcp://{}", job.address)).expect("no zero in it");
        let id = CString::new(job.client_id()).expect("no zero in it");
        let mut options = ConnectOptions::new(job.window().into());
        let mut raw = ptr::null_mut();
        // SAFETY: the strings live until the calls have returned, and the library copies them.
        unsafe {
            check(ffi::create(&raw mut raw, uri.as_ptr(), id.as_ptr(), ffi::NO_PERSISTENCE, ptr::null_mut()));
            check(ffi::connect(raw, &raw mut options));
        }
        Self(raw)
    }

    /// Publishes, and waits while the window is full.
    pub(crate) fn publish(&self, topic: &CString, payload: &[u8], qos: u8) -> Token {
        let length = c_int::try_from(payload.len()).expect("it fits");
        let mut token = 0;
        // SAFETY: topic and payload live until the call has returned; it copies them.
        check(unsafe {
            ffi::publish(self.0, topic.as_ptr(), length, payload.as_ptr().cast(), qos.into(), 0, &raw mut token)
        });
        Token(token)
    }

    /// Waits for the end of what a message owes.
    pub(crate) fn wait(&self, token: Token) {
        // SAFETY: the client is there until it is dropped.
        check(unsafe { ffi::wait_for_completion(self.0, token.0, TIMEOUT) });
    }

    pub(crate) fn subscribe(&self, filter: &CString, qos: u8) {
        // SAFETY: the filter lives until the call has returned.
        check(unsafe { ffi::subscribe(self.0, filter.as_ptr(), qos.into()) });
    }

    /// Waits for a message and looks at its payload.
    pub(crate) fn receive(&self, look: impl FnOnce(&[u8])) {
        let (mut topic, mut topic_len, mut message) = (ptr::null_mut(), 0, ptr::null_mut::<Message>());
        // SAFETY: the pointers are there to be written; what they point to then is ours until it is freed.
        unsafe {
            let code = ffi::receive(self.0, &raw mut topic, &raw mut topic_len, &raw mut message, TIMEOUT);
            assert!(code == 0 && !message.is_null(), "Paho's error {code}");
            let length = usize::try_from((*message).payload_len).expect("it has a length");
            look(std::slice::from_raw_parts((*message).payload.cast::<u8>(), length));
            ffi::free_message(&raw mut message);
            ffi::free(topic.cast());
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // SAFETY: nobody else has this pointer.
        unsafe { ffi::destroy(&raw mut self.0) };
    }
}

/// A message under way.
pub(crate) struct Token(c_int);

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

/// Milliseconds after which waiting has failed.
const TIMEOUT: c_ulong = 30_000;
