//! See `mqtt_sim::checks::split`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mqtt_sim::checks::split(input));
