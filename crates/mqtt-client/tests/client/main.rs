//! The pure client in virtual time, and the handle with a hand-cranked driver.

mod authentication;
mod connect;
mod ending;
mod handle;
mod journal;
mod queue;
mod reconnect;
mod resume;
mod rig;
mod room;
mod streams;
mod subscriptions;
mod tickets;
mod unclaimed;
mod world;
