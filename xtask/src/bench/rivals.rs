//! The programs of `benches/rivals`: clients and brokers as processes. Its `run` starts them, in interleaved rounds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::measure::rivals_target;
use super::results::Figure;
use crate::shell::{command, output, run};

/// Builds all of them; the folder in which they then lie.
pub(super) fn build() -> Result<PathBuf, String> {
    // Those that count instructions have profiles of their own.
    let mut build = command("cargo build --quiet --locked --release --workspace --exclude codec --exclude size");
    run(build.args(["--manifest-path", "benches/rivals/Cargo.toml", "--target-dir"]).arg(rivals_target()))?;
    Ok(rivals_target().join("release"))
}

/// The medians that `run` in this folder prints for `client` or `broker`.
pub(super) fn measure(folder: &Path, area: &str, arguments: &[String]) -> Result<Vec<Figure>, String> {
    let printed = output(Command::new(folder.join("run")).arg(area).args(arguments))?;
    printed.lines().filter(|line| line.starts_with('{')).map(Figure::from_json).collect()
}

/// Copies what measures our clients, and them, to another folder.
pub(super) fn keep(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error| format!("cannot copy programs to {}: {error}", to.display());
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_ours = name.starts_with("client-ours") || ["run", "peer", "client-floor"].contains(&name.as_str());
        if is_ours && !name.contains('.') {
            fs::copy(entry.path(), to.join(name)).map_err(failed)?;
        }
    }
    Ok(())
}
