//! The codecs against the statements of the standards, by subject. Comments name the statements that a test shows.

mod acks;
mod auth;
mod connack;
mod connect;
mod coverage;
mod disconnect;
mod errors;
mod filters;
mod framing;
mod generate;
mod properties;
mod publish;
mod reasons;
mod roundtrip;
mod samples;
mod subacks;
mod subscribe;
mod text;
mod util;
