//! MQTT 3.1, 3.1.1 and 5.0 without I/O: codecs and a connection state machine for both roles.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
