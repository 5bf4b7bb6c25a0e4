//! Allocations that one unit of a row makes: `allocations [ROW...]`, of all rows if none is named. One line for each: the
//! row and the number.
//!
//! A program of its own, because the allocator that counts takes instructions too.

use std::process::ExitCode;

use allocation_counter::measure;
use mqtt_benches::Row;

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut rows = mqtt_benches::rows();
    if let Some(unknown) = wanted.iter().find(|name| rows.iter().all(|row| row.name != **name)) {
        eprintln!("there is no row {unknown}; `rows list` names all");
        return ExitCode::FAILURE;
    }
    rows.retain(|row| wanted.is_empty() || wanted.contains(&row.name));
    for row in rows {
        println!("{} {:.3}", row.name, per_unit(&row));
    }
    ExitCode::SUCCESS
}

fn per_unit(row: &Row) -> f64 {
    let count = |n| {
        let counted = measure(|| {
            assert!(row.run(n) > 0);
        });
        counted.count_total as f64
    };
    (count(2 * row.units) - count(row.units)) / row.units as f64
}
