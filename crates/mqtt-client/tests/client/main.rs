//! The pure client in virtual time, and the handle with a hand-cranked driver.

mod reconnect;
mod world;
