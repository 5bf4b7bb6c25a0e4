//! The program as its users run it: arguments, streams, signals, exit codes, and a broker that does what the test says.

#[cfg(unix)]
mod daemon;
mod demo;
#[cfg(unix)]
#[path = "../interop/log.rs"]
mod log;
mod passwd;
mod publishing;
mod subscribing;
mod support;
mod usage;
