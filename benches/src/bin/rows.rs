//! Runs rows: `rows list`, `rows run ROW N`, which shows the time, or `rows twice ROW N`: N units, then 2N, for valgrind.

use std::process::ExitCode;

fn main() -> ExitCode {
    mqtt_benches::program::rows(&mqtt_benches::rows())
}
