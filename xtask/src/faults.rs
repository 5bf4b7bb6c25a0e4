//! Seeded faults: the models of delivery, of the client and of the broker must be able to fail.
//!
//! The faults are patches ([`PATCHES`]), so that the code that ships carries no trace of them. They are applied to a copy of
//! the workspace, where one fault at a time can be switched on, and the model has to find each.

use std::path::{Path, PathBuf};

use crate::shell::{command, output, root, run as run_command, target_dir};

/// Each with the tests that look for its faults, each of which has a process of its own: a fault is switched on for all
/// threads.
const PATCHES: [(&str, &str); 2] = [
    ("crates/mqtt-sim/faults.patch", "-p mqtt-sim --test model_faults --test client_faults"),
    ("crates/mqtt-broker/faults.patch", "-p mqtt-broker --test model faults::"),
];

pub(crate) fn run(_: &[String]) -> Result<(), String> {
    let faults = target_dir().join("xtask").join("faults");
    let (fresh, tree) = (faults.join("fresh"), faults.join("tree"));
    let _ = std::fs::remove_dir_all(&fresh);
    for file in tracked_files()? {
        copy(&root().join(&file), &fresh.join(&file))?;
    }
    for (patch, _) in PATCHES {
        // Outside of a repository, or git would look for the files in ours.
        let mut apply = command("git apply --whitespace=nowarn");
        apply.arg(root().join(patch)).current_dir(&fresh).env("GIT_CEILING_DIRECTORIES", &faults);
        run_command(&mut apply).map_err(|why| {
            format!(
                "{why}\nthe code has moved on: apply the patch by hand in {}, mend it, and write it anew",
                fresh.display()
            )
        })?;
    }
    // Only what differs is written, so that cargo builds only that.
    sync(&fresh, &tree)?;
    for (_, test) in PATCHES {
        let mut test = command(&format!("cargo test --locked {test}"));
        test.arg("--target-dir").arg(faults.join("target"));
        test.args(["--", "--nocapture"]).current_dir(&tree);
        run_command(test.env("RUSTFLAGS", "--cfg mqtt_seeded_faults"))?;
    }
    Ok(())
}

fn tracked_files() -> Result<Vec<PathBuf>, String> {
    let list = output(&mut command("git ls-files Cargo.toml Cargo.lock crates benches xtask"))?;
    Ok(list.lines().map(PathBuf::from).filter(|file| root().join(file).exists()).collect())
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let folder = to.parent().expect("a file lies in a folder");
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    std::fs::copy(from, to).map_err(|error| format!("{}: {error}", from.display()))?;
    Ok(())
}

fn sync(fresh: &Path, tree: &Path) -> Result<(), String> {
    let entries = std::fs::read_dir(fresh).map_err(|error| format!("{}: {error}", fresh.display()))?;
    for entry in entries.map_while(Result::ok) {
        let (from, to) = (entry.path(), tree.join(entry.file_name()));
        if from.is_dir() {
            sync(&from, &to)?;
        } else if std::fs::read(&from).ok() != std::fs::read(&to).ok() {
            copy(&from, &to)?;
        }
    }
    Ok(())
}
