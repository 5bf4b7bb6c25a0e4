//! Runs rows: `rows list`, or `rows run ROW N`. What the work costs, whoever watches finds out: valgrind, or a clock.

use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["list"] => {
            for row in mqtt_benches::rows() {
                println!("{} {}", row.name, row.units);
            }
            ExitCode::SUCCESS
        }
        ["run", name, n] => {
            let (Some(row), Ok(n)) = (mqtt_benches::row(name), n.parse()) else {
                eprintln!("there is no row {name}, or {n} is no number");
                return ExitCode::FAILURE;
            };
            let start = Instant::now();
            let sum = row.run(n);
            println!("{:.1} ns each, sum {sum}", start.elapsed().as_nanos() as f64 / n as f64);
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: rows list | rows run ROW N");
            ExitCode::FAILURE
        }
    }
}
