//! The program as its users run it: arguments, streams, signals, exit codes, and a broker that does what the test says.

#[cfg(unix)]
mod clients;
#[cfg(unix)]
mod daemon;
mod demo;
#[cfg(unix)]
#[path = "../interop/log.rs"]
mod log;
mod passwd;
mod publishing;
#[cfg(unix)]
mod rights;
#[cfg(unix)]
mod serving;
mod subscribing;
mod support;
mod usage;
