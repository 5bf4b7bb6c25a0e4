//! What must hold for any bytes: the bodies of the fuzz targets, also run by `cargo test` over their corpora.
//!
//! A check panics when a law is broken and returns otherwise. It is deterministic, so an input that breaks a law once
//! breaks it whenever it is replayed. Each reads its input as a list of choices, so every input means something; what a
//! byte means is decided by the code that reads it, and corpora are made again when that changes.

mod build;
mod codec;
mod filter;
mod hostile;
mod pair;
mod properties;
mod source;
mod split;
mod wire;

pub use codec::{decode, encode};
pub use filter::filter;
#[cfg(feature = "parity")]
pub(crate) use filter::naively_matches;
pub use hostile::{client, server};
pub use pair::pair;
pub use properties::properties;
pub use split::split;

use std::fmt::{self, Debug, Display, Write};

/// Exercises the words of a value without keeping them.
fn format(value: &impl Debug) {
    write!(Nowhere, "{value:?}").expect("a value has words");
}

fn display(value: &impl Display) {
    write!(Nowhere, "{value}").expect("a value has words");
}

struct Nowhere;

impl Write for Nowhere {
    fn write_str(&mut self, _: &str) -> fmt::Result {
        Ok(())
    }
}
