//! The few functions of `MQTTAsync.h` that are called.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;

/// `MQTTAsync`, which nobody looks into.
pub(crate) type Raw = *mut c_void;

pub(crate) type OnEnd = extern "C" fn(context: *mut c_void, data: *mut c_void);
pub(crate) type OnMessage =
    extern "C" fn(context: *mut c_void, topic: *mut c_char, topic_len: c_int, message: *mut Message) -> c_int;

/// `MQTTProperties`, empty.
#[repr(C)]
struct Properties {
    count: c_int,
    max_count: c_int,
    length: c_int,
    array: *mut c_void,
}

impl Properties {
    const NONE: Self = Self { count: 0, max_count: 0, length: 0, array: ptr::null_mut() };
}

/// `MQTTSubscribe_options`.
#[repr(C)]
struct SubscribeOptions {
    struct_id: [u8; 4],
    struct_version: c_int,
    flags: [u8; 3],
}

/// `MQTTAsync_responseOptions`.
#[repr(C)]
pub(crate) struct ResponseOptions {
    struct_id: [u8; 4],
    struct_version: c_int,
    on_success: Option<OnEnd>,
    on_failure: Option<OnEnd>,
    context: *mut c_void,
    token: c_int,
    on_success5: Option<OnEnd>,
    on_failure5: Option<OnEnd>,
    properties: Properties,
    subscribe_options: SubscribeOptions,
    subscribe_options_count: c_int,
    subscribe_options_list: *mut SubscribeOptions,
}

impl ResponseOptions {
    pub(crate) fn new(context: *mut c_void, on_success: OnEnd, on_failure: OnEnd) -> Self {
        Self {
            struct_id: *b"MQTR",
            struct_version: 1,
            on_success: Some(on_success),
            on_failure: Some(on_failure),
            context,
            token: 0,
            on_success5: None,
            on_failure5: None,
            properties: Properties::NONE,
            subscribe_options: SubscribeOptions { struct_id: *b"MQSO", struct_version: 0, flags: [0; 3] },
            subscribe_options_count: 0,
            subscribe_options_list: ptr::null_mut(),
        }
    }
}

/// `MQTTAsync_connectOptions`.
#[repr(C)]
pub(crate) struct ConnectOptions {
    struct_id: [u8; 4],
    struct_version: c_int,
    keep_alive: c_int,
    clean_session: c_int,
    max_inflight: c_int,
    will: *mut c_void,
    username: *const c_char,
    password: *const c_char,
    connect_timeout: c_int,
    retry_interval: c_int,
    ssl: *mut c_void,
    on_success: Option<OnEnd>,
    on_failure: Option<OnEnd>,
    context: *mut c_void,
    server_count: c_int,
    servers: *const *mut c_char,
    version: c_int,
    automatic_reconnect: c_int,
    min_retry_interval: c_int,
    max_retry_interval: c_int,
    password_len: c_int,
    password_data: *const c_void,
    clean_start: c_int,
    connect_properties: *mut c_void,
    will_properties: *mut c_void,
    on_success5: Option<OnEnd>,
    on_failure5: Option<OnEnd>,
    http_headers: *const c_void,
    http_proxy: *const c_char,
    https_proxy: *const c_char,
}

impl ConnectOptions {
    pub(crate) fn new(max_inflight: c_int, context: *mut c_void, on_success: OnEnd, on_failure: OnEnd) -> Self {
        Self {
            struct_id: *b"MQTC",
            struct_version: 8,
            keep_alive: 3_600,
            clean_session: 1,
            max_inflight,
            will: ptr::null_mut(),
            username: ptr::null(),
            password: ptr::null(),
            connect_timeout: 30,
            retry_interval: 0,
            ssl: ptr::null_mut(),
            on_success: Some(on_success),
            on_failure: Some(on_failure),
            context,
            server_count: 0,
            servers: ptr::null(),
            version: 4, // 3.1.1
            automatic_reconnect: 0,
            min_retry_interval: 1,
            max_retry_interval: 60,
            password_len: 0,
            password_data: ptr::null(),
            clean_start: 0,
            connect_properties: ptr::null_mut(),
            will_properties: ptr::null_mut(),
            on_success5: None,
            on_failure5: None,
            http_headers: ptr::null(),
            http_proxy: ptr::null(),
            https_proxy: ptr::null(),
        }
    }
}

/// The beginning of `MQTTAsync_message`.
#[repr(C)]
pub(crate) struct Message {
    _struct_id: [u8; 4],
    _struct_version: c_int,
    pub(crate) payload_len: c_int,
    pub(crate) payload: *mut c_void,
}

/// `MQTTAsync_nameValue`.
#[repr(C)]
pub(crate) struct NameValue {
    pub(crate) name: *const c_char,
    pub(crate) value: *const c_char,
}

unsafe extern "C" {
    #[link_name = "MQTTAsync_getVersionInfo"]
    pub(crate) fn version_info() -> *const NameValue;
    #[link_name = "MQTTAsync_create"]
    pub(crate) fn create(
        client: *mut Raw,
        uri: *const c_char,
        id: *const c_char,
        persistence: c_int,
        context: *mut c_void,
    ) -> c_int;
    #[link_name = "MQTTAsync_setCallbacks"]
    pub(crate) fn set_callbacks(
        client: Raw,
        context: *mut c_void,
        on_lost: Option<OnEnd>,
        on_message: Option<OnMessage>,
        on_delivered: *const c_void,
    ) -> c_int;
    #[link_name = "MQTTAsync_connect"]
    pub(crate) fn connect(client: Raw, options: *const ConnectOptions) -> c_int;
    #[link_name = "MQTTAsync_destroy"]
    pub(crate) fn destroy(client: *mut Raw);
    #[link_name = "MQTTAsync_send"]
    pub(crate) fn send(
        client: Raw,
        topic: *const c_char,
        payload_len: c_int,
        payload: *const c_void,
        qos: c_int,
        retained: c_int,
        response: *mut ResponseOptions,
    ) -> c_int;
    #[link_name = "MQTTAsync_subscribe"]
    pub(crate) fn subscribe(client: Raw, filter: *const c_char, qos: c_int, response: *mut ResponseOptions) -> c_int;
    #[link_name = "MQTTAsync_freeMessage"]
    pub(crate) fn free_message(message: *mut *mut Message);
    #[link_name = "MQTTAsync_free"]
    pub(crate) fn free(pointer: *mut c_void);
}

/// `MQTTCLIENT_PERSISTENCE_NONE`.
pub(crate) const NO_PERSISTENCE: c_int = 1;
