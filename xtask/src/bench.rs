//! What our code costs: the rows of `benches/src`, in instructions and allocations, held to `benches/budgets.toml`; and what
//! others' code costs beside it, measured by the programs of `benches/rivals`.
//!
//! Both numbers of a row are the same on a busy machine and on an idle one, so a check can insist on them. They do depend on the
//! compiler, which is therefore the one that `rust-version` names, and a little on the C library. Processor time is compared
//! within one run alone: rounds take turns, and the median counts.

mod aims;
mod budgets;
mod compare;
mod measure;
mod results;
mod rivals;
mod size;
mod table;

/// `cargo xtask bench PART ...`
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    match arguments.split_first() {
        Some((part, prefixes)) if part == "gate" => budgets::gate(prefixes),
        Some((part, [])) if part == "budgets" => budgets::rewrite(),
        Some((part, [name])) if part == "save" => compare::save(name),
        Some((part, [name, scenarios @ ..])) if part == "compare" => compare::compare(name, scenarios),
        Some((part, areas)) if part == "table" => table::run(areas),
        Some((part, [])) if part == "document" => table::rewrite(),
        _ => Err("usage: cargo xtask bench gate [PREFIX...] | budgets | save NAME | compare NAME [SCENARIO...] | \
             table [codec] [rows] [client] [broker] [--rounds N] | document"
            .into()),
    }
}
