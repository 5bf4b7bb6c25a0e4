//! The broker core, driven by real connections in virtual time. Each test names the statements that it shows.

mod connecting;
mod rig;
mod routing;
