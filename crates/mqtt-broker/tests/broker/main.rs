//! The broker core, driven by real connections in virtual time. Each test names the statements that it shows.

mod connecting;
mod limits;
mod locals;
mod policies;
mod retained;
mod rig;
mod routing;
mod sessions;
mod shares;
mod status;
mod wills;
