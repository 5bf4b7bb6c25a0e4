//! The model of delivery with a whole client at one end: [`mqtt_client::Client`], which queues, reconnects, subscribes again
//! and comes back from its store. At the other end is a shipping `Connection<Server>` whose application is as simple as can be.
//!
//! A [`World`] moves by [`Step`]s. After each one everything that either end has written or told is judged, by the ledger and
//! the monitor of the [model](super) and by what the client's owner knows:
//!
//! - the client exists twice, and the twin gets its input byte by byte: nobody can tell them apart (I2);
//! - what is written is written as the packet in it is (I4), and all the rules of the monitor hold (I5, I9 to I17, I22);
//! - each message that was published has one end, and the right one: acknowledged, refused, expired, superseded, in doubt
//!   (I6, I7, I8, I23); none is published again after its end, or in another order (I13, I20);
//! - CONNECT says the will each time, and only a client that was asked to takes it back by DISCONNECT 0x00 (I18);
//! - it has one transport at a time, and waits before the next one as long as its options say (I19, I25);
//! - a message is routed to the subscriptions that match it naively, and at rest the server has those that are wanted (I21);
//! - the queue keeps to its bound (I25), and the store has what it must have (I24).
//!
//! I3 is about what a peer that lies can make us hold, and the server here never does: `tests/limits.rs` shows it. I1 is
//! judged by whoever plays a [`Trace`].
//!
//! A server of 3.1 does not forget sessions here: it cannot say so (`checks::pair` says what holds then).

mod golden;
mod kept;
mod network;
mod owner;
mod schedule;
mod server;
mod settle;
mod setup;
mod twins;
mod world;

pub use golden::{Scenario, scenarios};
pub use schedule::Trace;
pub use setup::{FILTERS, Network, Setup, Step};
pub use world::World;
