//! Our programs and our library against programs that are not ours: Mosquitto's broker and its two clients.
//!
//! `mqtt pub` and `mqtt sub` take the options of `mosquitto_pub` and `mosquitto_sub`, so one case serves every pairing
//! of the four. Each test has a broker of its own, on a port the system chose and in a folder that is gone afterwards.
//! Nothing sleeps: the broker's log says when a subscription stands or a client is gone, and pipes say when a program
//! has ended.
#![cfg(unix)]

mod broker;
mod broker_death;
mod credentials;
#[path = "../process/daemon.rs"]
mod daemon;
mod delivery;
mod link;
mod log;
mod passwd;
mod payloads;
mod program;
mod retained;
mod rules;
mod session;
mod will;
