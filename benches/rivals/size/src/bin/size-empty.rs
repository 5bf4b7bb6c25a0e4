//! The same program without MQTT.
#![no_std]
#![no_main]

extern crate alloc;

/// Echoes.
#[unsafe(no_mangle)]
pub extern "C" fn main() -> i32 {
    let mut buffer = alloc::vec![0; 512];
    loop {
        let len = size::receive(&mut buffer);
        if len == 0 || size::send(&buffer[..len]) == 0 {
            return 0;
        }
    }
}
