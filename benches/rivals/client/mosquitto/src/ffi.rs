//! The few functions of `mosquitto.h` that are called.

use std::ffi::{c_char, c_int, c_void};

/// `struct mosquitto`, which nobody looks into.
#[repr(C)]
pub(crate) struct Mosquitto {
    _private: [u8; 0],
}

/// `struct mosquitto_message`.
#[repr(C)]
pub(crate) struct Message {
    _mid: c_int,
    _topic: *mut c_char,
    pub(crate) payload: *mut c_void,
    pub(crate) payload_len: c_int,
    _qos: c_int,
    _retain: bool,
}

pub(crate) type WithCode = extern "C" fn(*mut Mosquitto, *mut c_void, c_int);
pub(crate) type WithMessage = extern "C" fn(*mut Mosquitto, *mut c_void, *const Message);

/// `MOSQ_OPT_TCP_NODELAY`.
pub(crate) const TCP_NODELAY: c_int = 11;

unsafe extern "C" {
    pub(crate) fn mosquitto_lib_init() -> c_int;
    pub(crate) fn mosquitto_lib_version(major: *mut c_int, minor: *mut c_int, revision: *mut c_int) -> c_int;
    pub(crate) fn mosquitto_new(id: *const c_char, clean_session: bool, object: *mut c_void) -> *mut Mosquitto;
    pub(crate) fn mosquitto_destroy(client: *mut Mosquitto);
    pub(crate) fn mosquitto_int_option(client: *mut Mosquitto, option: c_int, value: c_int) -> c_int;
    pub(crate) fn mosquitto_max_inflight_messages_set(client: *mut Mosquitto, maximum: u32) -> c_int;
    pub(crate) fn mosquitto_connect(client: *mut Mosquitto, host: *const c_char, port: c_int, alive: c_int) -> c_int;
    pub(crate) fn mosquitto_disconnect(client: *mut Mosquitto) -> c_int;
    pub(crate) fn mosquitto_publish(
        client: *mut Mosquitto,
        id: *mut c_int,
        topic: *const c_char,
        payload_len: c_int,
        payload: *const c_void,
        qos: c_int,
        retain: bool,
    ) -> c_int;
    pub(crate) fn mosquitto_subscribe(
        client: *mut Mosquitto,
        id: *mut c_int,
        filter: *const c_char,
        qos: c_int,
    ) -> c_int;
    pub(crate) fn mosquitto_loop(client: *mut Mosquitto, timeout: c_int, max_packets: c_int) -> c_int;
    pub(crate) fn mosquitto_loop_read(client: *mut Mosquitto, max_packets: c_int) -> c_int;
    pub(crate) fn mosquitto_socket(client: *mut Mosquitto) -> c_int;
    pub(crate) fn mosquitto_connect_callback_set(client: *mut Mosquitto, callback: WithCode);
    pub(crate) fn mosquitto_publish_callback_set(client: *mut Mosquitto, callback: WithCode);
    pub(crate) fn mosquitto_message_callback_set(client: *mut Mosquitto, callback: WithMessage);
}
