//! Runs rows: `rows list`, `rows run ROW N`, which shows the time, or `rows twice ROW...` for valgrind.

use std::process::ExitCode;

fn main() -> ExitCode {
    mqtt_benches::program::rows(&mqtt_benches::rows())
}
