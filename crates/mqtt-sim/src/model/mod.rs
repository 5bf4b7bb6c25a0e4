//! A model of delivery: two shipping [`Connection`](mqtt_proto::Connection)s, an unreliable network between them, and a
//! reference that knows what must arrive.
//!
//! [`World`] is a value, so that it can be forked (model checking) and replayed (schedules). It moves by [`Step`]s; after
//! each one everything that either end has written or told its application is judged:
//!
//! - the *ledger* knows every message that an application published, and what its receiver got (I6, I7, I8, I13, I14, I20,
//!   I23 of the reliability plan);
//! - the *monitor* decodes every packet on the wire and holds the rules that two connections of one session must keep (I5,
//!   I9, I10, I12, I13, I15, I16, I17, I22);
//! - [`World::settle`] ends all faults, lets everything finish, and asks for an empty table and a full window (I11, I23).
//!
//! What the model takes as given: TCP delivers a prefix of what was written, in order; of two transports of one client, the
//! server keeps the newer; an application polls the events of a connection before it takes the session out; a server treats a new session as unknown to the client until the client
//! has sent something after CONNACK (or a lost CONNACK would make the client resume a session that no longer exists); and
//! an application that drops a session drops its unused `Ack`s too.

mod app;
mod canon;
#[cfg(feature = "parity")]
pub mod client;
mod client_end;
mod golden;
mod ledger;
mod link;
mod monitor;
mod moving;
mod schedule;
mod server_end;
mod settle;
mod setup;
mod trace;
mod world;

pub use golden::{Scenario, scenarios};
pub use schedule::Trace;
pub use setup::{Cut, Load, Setup, Side, Step};
#[cfg(mqtt_seeded_faults)]
pub use trace::find_each;
pub use trace::{Schedule, caught, play_seeds, shrink};
pub use world::World;

/// A broken invariant: what is wrong with the machines, or with the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Violation {
    /// Its name in the reliability plan.
    pub invariant: &'static str,
    /// What happened.
    pub what: String,
}

/// What judging a step says.
pub type Verdict = Result<(), Violation>;

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

fn broken<T>(invariant: &'static str, what: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { invariant, what: what.into() })
}

fn ensure(holds: bool, invariant: &'static str, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { broken(invariant, what()) }
}
