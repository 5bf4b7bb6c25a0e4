//! Runs the fuzz targets. What they find beyond the committed corpora stays in the target folder.

use std::fs;

use crate::shell::{command, root, run, target_dir};

/// One target for a minute, or as many seconds as are given; `smoke`: each of them for twenty.
pub(crate) fn fuzz(arguments: &[String]) -> Result<(), String> {
    let [target, rest @ ..] = arguments else {
        return Err("which target? `cargo fuzz list` names them, and `smoke` is each of them for twenty seconds".into());
    };
    let seconds = rest.first().map(String::as_str);
    if target != "smoke" {
        return one(target, seconds.unwrap_or("60"));
    }
    let files =
        fs::read_dir(root().join("fuzz/fuzz_targets")).map_err(|error| format!("fuzz/fuzz_targets: {error}"))?;
    let names = files.filter_map(|file| Some(file.ok()?.path().file_stem()?.to_string_lossy().into_owned()));
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.iter().try_for_each(|name| one(name, seconds.unwrap_or("20")))
}

fn one(target: &str, seconds: &str) -> Result<(), String> {
    let found = target_dir().join("xtask").join("corpus").join(target);
    fs::create_dir_all(&found).map_err(|error| format!("{}: {error}", found.display()))?;
    let mut fuzz = command("cargo fuzz run --sanitizer none");
    // New inputs go into the first of the folders.
    fuzz.arg(target).arg(found).arg(root().join("fuzz/corpus").join(target));
    fuzz.arg("--").arg(format!("-max_total_time={seconds}")).args(["-timeout=10", "-max_len=1024"]);
    fuzz.arg(format!("-dict={}", root().join("fuzz/mqtt.dict").display()));
    // cargo-fuzz passes unstable flags to the compiler; this lets a stable one take them.
    run(fuzz.env("RUSTC_BOOTSTRAP", "1"))
}
