//! The rows of the benchmarks: each a small piece of work that is measured in time, in instructions and in allocations.
//!
//! A [`Row`] does one unit of its work `n` times: a packet decoded, a message sent. Whoever measures runs it with `n` and with
//! `2n` and takes the difference, so that what comes before the loop counts for nothing. `docs/performance.md` says how.

#![forbid(unsafe_code)]

mod broker;
mod client;
mod connection;
mod decode;
mod encode;
pub mod program;
pub mod samples;
pub mod stream;
mod wire;

/// A piece of work that can be measured.
pub struct Row {
    /// `decode/publish-311-qos0-16/borrowed`: what is done, to what, and how.
    pub name: String,
    /// How often to do it under valgrind: enough that what happens now and then is among it.
    pub units: u64,
    /// A row whose cost is no part of this one: it fills the buffer that this one empties. For rivals alone.
    pub less: Option<String>,
    work: Box<dyn Fn(u64) -> u64>,
}

impl Row {
    /// A row of this name, which does its work as often as it is told and returns a sum that is not zero.
    pub fn new(name: impl Into<String>, work: impl Fn(u64) -> u64 + 'static) -> Self {
        Self { name: name.into(), units: 32 * BATCH, less: None, work: Box::new(work) }
    }

    /// The same row, less what that other one costs.
    #[must_use]
    pub fn minus(self, row: String) -> Self {
        Self { less: Some(row), ..self }
    }

    /// Does so many units for a figure.
    #[must_use]
    pub fn with_units(self, units: u64) -> Self {
        Self { units, ..self }
    }

    /// Does `n` units, and returns a sum over what came out, which is not zero.
    ///
    /// # Panics
    ///
    /// If something else comes out than should.
    #[must_use]
    // Callgrind knows it by its name.
    #[inline(never)]
    pub fn run(&self, n: u64) -> u64 {
        (self.work)(n)
    }
}

/// All rows, in the order in which tables show them.
#[must_use]
pub fn rows() -> Vec<Row> {
    let all = [decode::rows(), encode::rows(), stream::rows(), connection::rows(), client::rows(), broker::rows()];
    all.into_iter().flatten().collect()
}

/// Packets that come with one read, and share its buffer.
pub const BATCH: u64 = 64;
