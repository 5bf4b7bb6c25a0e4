//! What the client role of `mqtt-proto` adds to a program without std: code and constants, in bytes.

use std::process::Command;

use crate::ci::pinned;
use crate::shell::{output, run, target_dir};

/// The bytes of `benches/rivals/size`, less those of the same program without MQTT.
pub(super) fn client() -> Result<f64, String> {
    let target = target_dir().join("xtask").join("bench");
    let mut build =
        pinned("cargo build --quiet --locked --profile size --package size --manifest-path benches/rivals/Cargo.toml");
    run(build.arg("--target-dir").arg(&target))?;
    let bytes = |name: &str| {
        let table = output(Command::new("size").arg(target.join("size").join(name)))?;
        // "   text    data     bss     dec     hex filename", and the numbers below.
        let numbers = table.lines().nth(1).map(|line| line.split_whitespace().take(2).map(str::parse::<f64>));
        let sum = numbers.and_then(|numbers| numbers.collect::<Result<Vec<_>, _>>().ok());
        Ok::<_, String>(sum.ok_or_else(|| format!("`size` said: {table}"))?.iter().sum::<f64>())
    };
    Ok(bytes("size-client")? - bytes("size-empty")?)
}
