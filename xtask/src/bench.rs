//! What our code costs: the rows of `benches/src`, in instructions and allocations, held to `benches/budgets.toml`.
//!
//! Both numbers are the same on a busy machine and on an idle one, so a check can insist on them. They do depend on the
//! compiler, which is therefore the one that `rust-version` names, and a little on the C library.

mod budgets;
mod measure;

/// `cargo xtask bench PART ...`
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    match arguments.split_first() {
        Some((part, prefixes)) if part == "gate" => budgets::gate(prefixes),
        Some((part, [])) if part == "budgets" => budgets::rewrite(),
        _ => Err("usage: cargo xtask bench gate [PREFIX...] | budgets".into()),
    }
}
