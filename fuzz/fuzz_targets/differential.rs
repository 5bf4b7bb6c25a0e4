//! See `mqtt_fuzz::differential`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mqtt_fuzz::differential(input));
