//! The checks and chores of this workspace. `cargo xtask` alone lists them.
//!
//! Every command that a task starts is printed first, so that it can be copied and run by itself.

mod bench;
mod ci;
mod conformance;
mod faults;
mod fuzz;
mod interop;
mod model;
mod mutants;
mod no_std;
mod readme;
mod shell;

use std::process::ExitCode;

type Task = fn(&[String]) -> Result<(), String>;

/// Name, what it does, how.
const TASKS: [(&str, &str, Task); 11] = [
    ("bench", "gate|budgets|save|compare|table: what our code costs, and others' (docs/performance.md)", bench::run),
    ("ci", "every check, in order, stopping at the first failure", ci::all),
    (
        "conformance",
        "check the statements of the standards and write their matrix; --check only compares",
        conformance::run,
    ),
    (
        "faults",
        "switch seeded faults on, one at a time: the models of delivery, client and broker must see each",
        faults::run,
    ),
    ("fuzz", "fuzz TARGET|smoke [SECONDS]: smoke is 20 s of each; needs cargo-fuzz", fuzz::fuzz),
    ("interop", "our broker serves paho-mqtt and mqtt.js, which this installs into the target folder", interop::run),
    ("msrv", "compile everything with the oldest supported compiler", ci::msrv),
    ("mutants", "mutants AREA: needs `cargo install --locked cargo-mutants`", mutants::run_area),
    ("no-std", "prove that mqtt-proto names nothing of std", no_std::prove),
    ("readme", "write the examples into README.md; --check only compares", readme::run),
    ("sim", "play random schedules of a model: [--broker | --client] --seeds N or FIRST..LAST", model::sim),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();

    let Some((_, _, task)) = TASKS.iter().find(|(known, _, _)| *known == name) else {
        eprintln!("usage: cargo xtask TASK\n");
        for (name, what, _) in TASKS {
            eprintln!("  {name:11} {what}");
        }
        return ExitCode::from(1);
    };
    match task(&rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("cargo xtask {name}: {why}");
            ExitCode::FAILURE
        }
    }
}
