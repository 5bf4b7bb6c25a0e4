//! Runs the fuzz targets. What they find beyond the committed corpora stays in the target folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use crate::shell::{command, output, root, run, shown, target_dir};

/// The sanitizers look for what unsafe code does, and we have none; without them a target runs several times as often.
const BUILD: &str = "cargo fuzz build --sanitizer none --target-dir";

/// How many targets `smoke` runs at once.
const AT_ONCE: usize = 2;

/// One target for a minute, or as many seconds as are given; `smoke`: each of them for twenty.
pub(crate) fn fuzz(arguments: &[String]) -> Result<(), String> {
    let seconds = |default| match arguments {
        [_] => Ok(default),
        [_, seconds] => seconds.parse::<u32>().map_err(|error| format!("{seconds}: {error}")),
        _ => Err("usage: cargo xtask fuzz TARGET|smoke [SECONDS]".to_owned()),
    };
    match arguments.first().map(String::as_str) {
        Some("smoke") => smoke(seconds(20)?),
        Some(target) => one(target, seconds(60)?),
        None => Err(format!("which target? {}, or smoke for each of them", targets()?.join(", "))),
    }
}

/// The names of the targets, which are those of their files.
fn targets() -> Result<Vec<String>, String> {
    let folder = root().join("fuzz/fuzz_targets");
    let failed = |error| format!("{}: {error}", folder.display());
    let files = fs::read_dir(&folder).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let mut names: Vec<String> =
        files.iter().filter_map(|file| Some(file.path().file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    Ok(names)
}

fn one(target: &str, seconds: u32) -> Result<(), String> {
    build(Some(target))?;
    run(&mut fuzzer(target, seconds)?)
}

/// All targets, some at once; each prints into a file of its own.
fn smoke(seconds: u32) -> Result<(), String> {
    build(None)?;
    let targets = targets()?;
    let queue = Mutex::new(targets.iter());
    let next = || queue.lock().expect("no thread panics with it").next();
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(target) = next() {
                    match quietly(target, seconds) {
                        Ok(last) => println!("{target}: {last}"),
                        Err(why) => failures.lock().expect("no thread panics with it").push(why),
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no thread panicked with it");
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

/// The fuzzer's last line, which counts executions (#), edges (cov) and features (ft); or the end of what it printed.
fn quietly(target: &str, seconds: u32) -> Result<String, String> {
    let path = folder("log")?.join(target);
    let failed = |error| format!("{}: {error}", path.display());
    let log = File::create(&path).map_err(failed)?;
    let mut fuzzer = fuzzer(target, seconds)?;
    println!("$ {} 2>{}", shown(&fuzzer), path.display());
    // It prints everything to stderr; a check that panics prints what it saw to stdout.
    fuzzer.stdout(log.try_clone().map_err(failed)?).stderr(log);
    let status = fuzzer.status().map_err(|error| format!("{target}: {error}"))?;
    let printed = String::from_utf8_lossy(&fs::read(&path).map_err(failed)?).into_owned();
    let lines: Vec<&str> = printed.lines().collect();
    if !status.success() {
        let end = lines[lines.len().saturating_sub(40)..].join("\n");
        return Err(format!("{target} found something ({status}):\n{end}\nall of it: {}", path.display()));
    }
    let last = lines.iter().rfind(|line| line.contains("DONE")).copied();
    last.map(str::to_owned).ok_or_else(|| format!("{target} did not run to its end: {}", path.display()))
}

/// Builds one target, or all. The compiler may be a stable one: cargo-fuzz passes it unstable flags, and this lets it
/// take them.
fn build(target: Option<&str>) -> Result<(), String> {
    output(&mut command("cargo fuzz --version"))
        .map_err(|why| format!("{why}\n`cargo install --locked cargo-fuzz` gets it, and .ci/run which version"))?;
    let mut build = command(BUILD);
    build.arg(build_dir()).args(target).env("RUSTC_BOOTSTRAP", "1");
    run(&mut build)
}

/// The program that was built, with its corpora: new inputs go into the first of the folders.
fn fuzzer(target: &str, seconds: u32) -> Result<Command, String> {
    let found = folder("corpus")?.join(target);
    fs::create_dir_all(&found).map_err(|error| format!("{}: {error}", found.display()))?;
    let mut fuzzer = Command::new(build_dir().join(host()?).join("release").join(target));
    fuzzer.current_dir(root()).arg(found);
    for committed in ["corpus", "regressions"] {
        let inputs = root().join("fuzz").join(committed).join(target);
        if inputs.is_dir() {
            fuzzer.arg(inputs);
        }
    }
    fuzzer.arg(format!("-max_total_time={seconds}")).args(["-timeout=10", "-max_len=1024"]);
    fuzzer.arg(format!("-dict={}", root().join("fuzz/mqtt.dict").display()));
    fuzzer.arg(format!("-artifact_prefix={}/{target}-", folder("artifacts")?.display()));
    Ok(fuzzer)
}

/// The platform, as cargo names the folder of what is built for it.
fn host() -> Result<String, String> {
    let words = output(&mut command("rustc -vV"))?;
    let host = words.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| format!("rustc names no host: {words}"))
}

fn build_dir() -> PathBuf {
    target_dir().join("xtask").join("fuzz")
}

fn folder(name: &str) -> Result<PathBuf, String> {
    let folder: &Path = &target_dir().join("xtask").join(name);
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder.to_owned())
}
