//! What the programs that hold rows do: one is watched by valgrind, another one counts allocations.

use std::process::ExitCode;
use std::time::Instant;

use crate::Row;

/// `list` names the rows: name, units, and the row that counts for less, if any. `run ROW N` shows the time of N units.
/// `twice ROW...` does each row's units and then twice as many, for valgrind.
#[must_use]
pub fn rows(rows: &[Row]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["list"] => {
            for Row { name, units, less, .. } in rows {
                println!("{name} {units} {}", less.as_deref().unwrap_or_default());
            }
            ExitCode::SUCCESS
        }
        ["run", name, n] => {
            let (Some(row), Ok(n)) = (rows.iter().find(|row| row.name == name), n.parse()) else {
                return unknown(name);
            };
            let start = Instant::now();
            let sum = row.run(n);
            println!("{:.1} ns each, sum {sum}", start.elapsed().as_nanos() as f64 / n as f64);
            ExitCode::SUCCESS
        }
        ["twice", ref names @ ..] => {
            for name in names {
                let Some(row) = rows.iter().find(|row| row.name == *name) else { return unknown(name) };
                println!("sums {} and {}", row.run(row.units), row.run(2 * row.units));
            }
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: list | run ROW N | twice ROW...");
            ExitCode::FAILURE
        }
    }
}

/// The allocations of one unit of each row named by the arguments, or of all rows; `count` says how many a piece of work makes.
#[must_use]
pub fn allocations(rows: &[Row], count: impl Fn(&mut dyn FnMut()) -> u64) -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some(name) = wanted.iter().find(|name| rows.iter().all(|row| row.name != **name)) {
        return unknown(name);
    }
    for row in rows.iter().filter(|row| wanted.is_empty() || wanted.contains(&row.name)) {
        let [once, twice] = [row.units, 2 * row.units].map(|n| count(&mut || assert!(row.run(n) > 0)));
        println!("{} {:.3}", row.name, (twice as f64 - once as f64) / row.units as f64);
    }
    ExitCode::SUCCESS
}

fn unknown(name: &str) -> ExitCode {
    eprintln!("there is no row {name}; `list` names all");
    ExitCode::FAILURE
}
