//! The pure client in virtual time, and the handle with a hand-cranked driver.

mod queue;
mod reconnect;
mod resume;
mod subscriptions;
mod world;
