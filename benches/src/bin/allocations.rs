//! Allocations that one unit of a row makes: `allocations [ROW...]`, of all rows if none is named. One line for each: the
//! row and the number.
//!
//! A program of its own, because the allocator that counts takes instructions too.

use std::process::ExitCode;

use allocation_counter::measure;

fn main() -> ExitCode {
    mqtt_benches::program::allocations(&mqtt_benches::rows(), |work| measure(work).count_total)
}
