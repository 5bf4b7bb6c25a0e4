//! Runs rows: `rows list`, `rows run ROW N`, which shows the time, or `rows twice ROW N`: N units, then 2N, for valgrind.

use std::process::ExitCode;
use std::time::Instant;

use mqtt_benches::Row;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["list"] => {
            for row in mqtt_benches::rows() {
                println!("{} {}", row.name, row.units);
            }
            ExitCode::SUCCESS
        }
        ["run", name, n] => with_row(name, n, |row, n| {
            let start = Instant::now();
            let sum = row.run(n);
            println!("{:.1} ns each, sum {sum}", start.elapsed().as_nanos() as f64 / n as f64);
        }),
        ["twice", name, n] => with_row(name, n, |row, n| println!("sums {} and {}", row.run(n), row.run(2 * n))),
        _ => {
            eprintln!("usage: rows list | rows run ROW N | rows twice ROW N");
            ExitCode::FAILURE
        }
    }
}

fn with_row(name: &str, n: &str, work: impl FnOnce(&Row, u64)) -> ExitCode {
    let (Some(row), Ok(n)) = (mqtt_benches::row(name), n.parse()) else {
        eprintln!("there is no row {name}, or {n} is no number");
        return ExitCode::FAILURE;
    };
    work(&row, n);
    ExitCode::SUCCESS
}
