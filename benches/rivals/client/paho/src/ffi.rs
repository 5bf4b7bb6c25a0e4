//! The few functions of `MQTTClient.h` that are called.

use std::ffi::{c_char, c_int, c_ulong, c_void};
use std::ptr;

/// `MQTTClient`, which nobody looks into.
pub(crate) type Raw = *mut c_void;

/// `MQTTClient_connectOptions`, in the version that has a number of messages in flight.
#[repr(C)]
pub(crate) struct ConnectOptions {
    struct_id: [u8; 4],
    struct_version: c_int,
    keep_alive: c_int,
    clean_session: c_int,
    reliable: c_int,
    will: *mut c_void,
    username: *const c_char,
    password: *const c_char,
    connect_timeout: c_int,
    retry_interval: c_int,
    ssl: *mut c_void,
    server_count: c_int,
    servers: *const *mut c_char,
    version: c_int,
    returned_server: *const c_char,
    returned_version: c_int,
    returned_session_present: c_int,
    password_len: c_int,
    password_data: *const c_void,
    max_inflight: c_int,
    clean_start: c_int,
    http_headers: *const c_void,
    http_proxy: *const c_char,
    https_proxy: *const c_char,
}

impl ConnectOptions {
    pub(crate) fn new(max_inflight: c_int) -> Self {
        Self {
            struct_id: *b"MQTC",
            struct_version: 8,
            keep_alive: 3_600,
            clean_session: 1,
            reliable: 0, // or there is one message in flight
            will: ptr::null_mut(),
            username: ptr::null(),
            password: ptr::null(),
            connect_timeout: 30,
            retry_interval: 0,
            ssl: ptr::null_mut(),
            server_count: 0,
            servers: ptr::null(),
            version: 4, // 3.1.1
            returned_server: ptr::null(),
            returned_version: 0,
            returned_session_present: 0,
            password_len: 0,
            password_data: ptr::null(),
            max_inflight,
            clean_start: 0,
            http_headers: ptr::null(),
            http_proxy: ptr::null(),
            https_proxy: ptr::null(),
        }
    }
}

/// The beginning of `MQTTClient_message`.
#[repr(C)]
pub(crate) struct Message {
    _struct_id: [u8; 4],
    _struct_version: c_int,
    pub(crate) payload_len: c_int,
    pub(crate) payload: *mut c_void,
}

/// `MQTTClient_nameValue`.
#[repr(C)]
pub(crate) struct NameValue {
    pub(crate) name: *const c_char,
    pub(crate) value: *const c_char,
}

unsafe extern "C" {
    #[link_name = "MQTTClient_getVersionInfo"]
    pub(crate) fn version_info() -> *const NameValue;
    #[link_name = "MQTTClient_create"]
    pub(crate) fn create(
        client: *mut Raw,
        uri: *const c_char,
        id: *const c_char,
        persistence: c_int,
        context: *mut c_void,
    ) -> c_int;
    #[link_name = "MQTTClient_connect"]
    pub(crate) fn connect(client: Raw, options: *mut ConnectOptions) -> c_int;
    #[link_name = "MQTTClient_destroy"]
    pub(crate) fn destroy(client: *mut Raw);
    #[link_name = "MQTTClient_publish"]
    pub(crate) fn publish(
        client: Raw,
        topic: *const c_char,
        payload_len: c_int,
        payload: *const c_void,
        qos: c_int,
        retained: c_int,
        token: *mut c_int,
    ) -> c_int;
    #[link_name = "MQTTClient_waitForCompletion"]
    pub(crate) fn wait_for_completion(client: Raw, token: c_int, timeout: c_ulong) -> c_int;
    #[link_name = "MQTTClient_subscribe"]
    pub(crate) fn subscribe(client: Raw, filter: *const c_char, qos: c_int) -> c_int;
    #[link_name = "MQTTClient_receive"]
    pub(crate) fn receive(
        client: Raw,
        topic: *mut *mut c_char,
        topic_len: *mut c_int,
        message: *mut *mut Message,
        timeout: c_ulong,
    ) -> c_int;
    #[link_name = "MQTTClient_freeMessage"]
    pub(crate) fn free_message(message: *mut *mut Message);
    #[link_name = "MQTTClient_free"]
    pub(crate) fn free(pointer: *mut c_void);
}

/// `MQTTCLIENT_PERSISTENCE_NONE`.
pub(crate) const NO_PERSISTENCE: c_int = 1;
