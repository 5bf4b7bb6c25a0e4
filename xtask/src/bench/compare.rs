//! Ours now beside ours then: `save` keeps programs and figures, `compare` measures again.

use std::fs;
use std::path::PathBuf;

use super::measure::{Cost, Programs};
use super::results::{self, Figure, medians};
use super::rivals;
use crate::shell::target_dir;

/// Rounds of each scenario.
const ROUNDS: u32 = 5;

/// Measures our rows, and keeps the figures and the client programs under this name.
pub(super) fn save(name: &str) -> Result<(), String> {
    let folder = folder(name);
    fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let programs = Programs::ours()?;
    results::write(&folder.with_extension("json"), &rows(&programs)?)?;
    programs.keep(&folder)?;
    rivals::keep(&rivals::build()?, &folder)?;
    println!("kept in {}", folder.display());
    Ok(())
}

/// Measures our rows again, and the scenarios of clients that have these names (or all), in turn with the programs that were kept.
pub(super) fn compare(name: &str, scenarios: &[String]) -> Result<(), String> {
    let folder = folder(name);
    let then = results::read(&folder.with_extension("json"))?;
    if then.is_empty() {
        return Err(format!("nothing is kept under this name: `cargo xtask bench save {name}` does"));
    }
    let now = rows(&Programs::ours()?)?;
    println!("{:48} {:14} {:>10} {:>10} {:>7}", "row", "", "then", "now", "ratio");
    for was in &then {
        let same = |is: &&Figure| is.row == was.row && is.metric == was.metric;
        let Some(is) = now.iter().find(same) else { continue };
        if (is.value - was.value).abs() > 0.0015 {
            let ratio = is.value / was.value;
            println!("{:48} {:14} {:10.1} {:10.1} {ratio:7.3}", is.row, is.metric, was.value, is.value);
        }
    }
    let present = rivals::build()?;
    let mut arguments = ["--rounds".to_owned(), "1".to_owned()].to_vec();
    arguments.extend(scenarios.iter().flat_map(|scenario| ["--row".to_owned(), scenario.clone()]));
    let mut figures = Vec::new();
    for _ in 0..ROUNDS {
        figures.extend(rivals::measure(&present, "client", &arguments)?);
        let then = rivals::measure(&folder, "client", &arguments)?;
        figures.extend(then.into_iter().map(|figure| Figure { who: format!("then: {}", figure.who), ..figure }));
    }
    let figures = medians(&figures);
    for figure in figures.iter().filter(|figure| figure.metric == "cpu_ns") {
        let best = figures.iter().filter(|other| other.row == figure.row && other.metric == "cpu_ns");
        let best = best.map(|other| other.value).fold(f64::INFINITY, f64::min);
        println!(
            "{:24} {:32} {:12.0} ns {:6.2} of the least",
            figure.row,
            figure.who,
            figure.value,
            figure.value / best
        );
    }
    Ok(())
}

/// Our rows as figures.
pub(super) fn rows(programs: &Programs) -> Result<Vec<Figure>, String> {
    let costs = programs.measure(&[])?;
    let both = |(row, Cost { instructions, allocations }): &(String, Cost)| {
        [
            Figure::new("rows", row, "ours", "instructions", *instructions),
            Figure::new("rows", row, "ours", "allocations", *allocations),
        ]
    };
    Ok(costs.iter().flat_map(both).collect())
}

fn folder(name: &str) -> PathBuf {
    target_dir().join("bench").join(name)
}
