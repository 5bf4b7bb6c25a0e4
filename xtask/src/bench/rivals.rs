//! The programs of `benches/rivals`: clients and brokers as processes. Its `run` starts them, in interleaved rounds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::measure::rivals_target;
use super::results::Figure;
use crate::shell::{command, output, root, run};

/// Builds all of them, each with the features that it asks for itself, as an application has them: together, all would have
/// the Tokio of the one that asks for most, and an idle task of it takes more memory. Says in which folder they then lie.
pub(super) fn build() -> Result<PathBuf, String> {
    let mut packages = vec!["peer".to_owned(), "run".to_owned()];
    for area in ["broker", "client"] {
        let folder = root().join("benches/rivals").join(area);
        let failed = |error| format!("cannot read {}: {error}", folder.display());
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.path().join("src/main.rs").exists() {
                packages.push(format!("{area}-{}", entry.file_name().to_string_lossy()));
            }
        }
    }
    packages.sort();
    for package in packages {
        let mut build = command("cargo build --quiet --locked --release --manifest-path benches/rivals/Cargo.toml");
        run(build.args(["--package", &package, "--target-dir"]).arg(rivals_target()))?;
    }
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
