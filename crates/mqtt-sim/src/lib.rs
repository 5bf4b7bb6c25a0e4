//! Test support for the MQTT stack: two machines, a wire and a hand-cranked clock, and what must hold for any bytes.
#![forbid(unsafe_code)]

pub mod checks;
mod cpu_time;
pub mod model;
pub mod pair;
#[cfg(feature = "parity")]
pub mod parity;

pub use cpu_time::cpu_time;
pub use pair::Pair;
