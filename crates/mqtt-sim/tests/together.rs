//! The tests that tell nearly every mutant of the state machines, in one executable. `cargo xtask mutants` alone builds it.
//!
//! The model of delivery, the attacks on limits and the corpora are not among them: of 803 mutants they caught none that these
//! had missed.

#[path = "allocations.rs"]
mod allocations;
#[path = "connection.rs"]
mod connection;
#[path = "../../mqtt-proto/tests/journal.rs"]
mod journal;
