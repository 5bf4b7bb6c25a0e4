//! Allocations that one unit of everybody's rows makes: `codec-allocations [ROW...]`.

use std::process::ExitCode;

use allocation_counter::measure;

fn main() -> ExitCode {
    mqtt_benches::program::allocations(&codec::rows(), |work| measure(work).count_total)
}
