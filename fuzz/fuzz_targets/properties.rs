//! See `mqtt_sim::checks::properties`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mqtt_sim::checks::properties(input));
