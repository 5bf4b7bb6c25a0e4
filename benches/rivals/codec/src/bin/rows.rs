//! Runs everybody's rows: `codec-rows list`, `codec-rows run ROW N` or `codec-rows twice ROW...`.

use std::process::ExitCode;

fn main() -> ExitCode {
    mqtt_benches::program::rows(&codec::rows())
}
