//! The committed budgets, and the gate that compares.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use toml::{Table, Value};

use super::measure::{Cost, Programs};
use super::size;
use crate::shell::root;

/// Growth that is let through: a change elsewhere moves a few instructions.
const TOLERANCE: f64 = 0.02;
/// Below it a difference is one of rounding.
const ROUNDING: f64 = 0.06;
/// Allocations are counted to the thousandth.
const ALLOCATION_ROUNDING: f64 = 0.0015;

/// Measures the rows whose names begin with one of the prefixes, or all, and fails if one costs more than its budget.
pub(super) fn gate(prefixes: &[String]) -> Result<(), String> {
    let budgets = read()?;
    let mut faults = Vec::new();
    if prefixes.is_empty() {
        faults.extend(check_size(&budgets)?);
    }
    let programs = Programs::ours()?;
    let costs = programs.measure(prefixes)?;
    let mut better = Vec::new();
    println!("{:44} {:>12} {:>12} {:>8} {:>12}", "row", "instructions", "budget", "", "allocations");
    for (name, is) in &costs {
        let Some(was) = budget(&budgets, name)? else {
            println!("{name:44} {:12.1} {:>12} {:8} {:12.3}", is.instructions, "none", "", is.allocations);
            faults.push(format!("{name} has no budget"));
            continue;
        };
        let change = 100.0 * (is.instructions / was.instructions - 1.0);
        println!("{name:44} {:12.1} {:12.1} {change:+7.1}% {:12.3}", is.instructions, was.instructions, is.allocations);
        if is.instructions > was.instructions * (1.0 + TOLERANCE) + ROUNDING {
            let (was, is) = (was.instructions, is.instructions);
            faults.push(format!("{name}: instructions were {was}, are {is:.1} ({change:+.1} %)"));
        } else if is.instructions < was.instructions * (1.0 - TOLERANCE) - ROUNDING {
            better.push(format!("{name}: {change:+.1} %"));
        }
        if is.allocations > was.allocations + ALLOCATION_ROUNDING {
            faults.push(format!("{name}: allocations were {}, are {:.3}", was.allocations, is.allocations));
        }
    }
    if prefixes.is_empty() {
        let stale = rows_of(&budgets)?.keys().filter(|name| costs.iter().all(|(row, _)| row != *name));
        faults.extend(stale.map(|name| format!("{name} has a budget, and is no row")));
    }
    if !better.is_empty() {
        println!("\nmore than 2 % better: `cargo xtask bench budgets` would keep it so\n  {}", better.join("\n  "));
    }
    if faults.is_empty() {
        return Ok(());
    }
    let compiler = budgets.get("compiler").and_then(Value::as_str).unwrap_or_default();
    let other = if compiler == programs.compiler {
        String::new()
    } else {
        format!("\n(the budgets were measured with {compiler}, this was built by {})", programs.compiler)
    };
    Err(format!(
        "what our code costs has grown:\n  {}{other}\nMend it; or, if it has to be so, run `cargo xtask bench budgets` and say why in the commit.",
        faults.join("\n  ")
    ))
}

/// What is wrong with the size of the client role, if anything is.
fn check_size(budgets: &Table) -> Result<Option<String>, String> {
    let was = budgets.get("size").and_then(|size| size.get("client")).and_then(Value::as_integer);
    let was = was.ok_or_else(|| format!("{} has no size of the client", path().display()))? as f64;
    let is = size::client()?;
    println!("the client role without std: {is} bytes of code and constants, budget {was}\n");
    Ok((is > was * (1.0 + TOLERANCE)).then(|| format!("the client role without std: bytes were {was}, are {is}")))
}

/// Measures all rows and makes what they cost their budgets.
pub(super) fn rewrite() -> Result<(), String> {
    let programs = Programs::ours()?;
    let mut text = String::from(HEAD);
    let mut line = |words: String| writeln!(text, "{words}").expect("a string takes everything");
    line(format!("compiler = \"{}\"\n", programs.compiler));
    line(format!(
        "[size]\n# The client role in a program without std, opt-level \"z\", LTO: code and constants, in bytes.\nclient = {}\n",
        size::client()?
    ));
    line("[rows]".to_owned());
    for (name, Cost { instructions, allocations }) in programs.measure(&[])? {
        // What is counted twice may differ by one, either way.
        let allocations = allocations.max(0.0);
        line(format!("\"{name}\" = {{ instructions = {instructions:.1}, allocations = {allocations:.3} }}"));
    }
    fs::write(path(), text).map_err(|error| format!("cannot write {}: {error}", path().display()))
}

const HEAD: &str = "\
# What one unit of each row of benches/src may cost: `cargo xtask bench gate` compares, `cargo xtask bench budgets` writes.
# A commit that changes this file says why.
";

fn path() -> PathBuf {
    root().join("benches/budgets.toml")
}

fn read() -> Result<Table, String> {
    let text = fs::read_to_string(path()).map_err(|error| format!("cannot read {}: {error}", path().display()))?;
    text.parse().map_err(|error| format!("{}: {error}", path().display()))
}

fn rows_of(budgets: &Table) -> Result<&Table, String> {
    budgets.get("rows").and_then(Value::as_table).ok_or_else(|| format!("{} has no [rows]", path().display()))
}

fn budget(budgets: &Table, name: &str) -> Result<Option<Cost>, String> {
    let Some(row) = rows_of(budgets)?.get(name) else { return Ok(None) };
    let number = |field: &str| {
        let value = row.get(field);
        let value = value.and_then(|value| value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64)));
        value.ok_or_else(|| format!("{name} has no {field} in {}", path().display()))
    };
    Ok(Some(Cost { instructions: number("instructions")?, allocations: number("allocations")? }))
}
