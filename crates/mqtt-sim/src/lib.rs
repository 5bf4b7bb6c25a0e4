//! Test support for the MQTT stack.
#![forbid(unsafe_code)]

pub mod checks;
