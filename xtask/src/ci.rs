//! What `.ci/run` runs, and the parts of it that are worth running alone.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::shell::{command, output, run, target_dir};
use crate::{bench, conformance, faults, fuzz, interop, no_std, readme};

type Step = fn() -> Result<(), String>;

/// Cheap and often broken first.
const STEPS: [(&str, Step); 15] = [
    ("format", || run(&mut command("cargo fmt --all --check"))),
    ("readme", || readme::run(&["--check".to_owned()])),
    ("conformance", || conformance::run(&["--check".to_owned()])),
    ("clippy", || run(&mut command("cargo clippy --locked --workspace --all-targets --all-features -- -D warnings"))),
    ("no-std", || no_std::prove(&[])),
    ("documentation", || {
        let mut doc = command("cargo doc --locked --workspace --all-features --no-deps");
        run(doc.env("RUSTDOCFLAGS", "-D warnings"))
    }),
    // Unit tests, examples, doc tests, replay of the fuzz corpora, and the interop tests against Mosquitto.
    ("tests", || run(&mut command("cargo test --locked --workspace --all-features"))),
    ("interop", || interop::run(&[])),
    ("seeded faults", || faults::run(&[])),
    // As the README's first line says it.
    ("demo", || run(&mut command("cargo run --locked --release -- demo"))),
    ("benches compile", || run(&mut command("cargo bench --locked --workspace --no-run"))),
    ("what our code costs", || bench::run(&["gate".to_owned()])),
    ("fuzz targets compile", fuzz_targets_compile),
    ("fuzz smoke", || fuzz::fuzz(&["smoke".to_owned()])),
    ("msrv", || msrv(&[])),
];

pub(crate) fn all(_: &[String]) -> Result<(), String> {
    let mut times: Vec<(&str, Duration)> = Vec::new();
    for (name, step) in STEPS {
        println!("\n=== {name}");
        let start = Instant::now();
        step().map_err(|why| format!("{name}: {why}"))?;
        times.push((name, start.elapsed()));
    }
    println!("\n=== all checks passed");
    for (name, time) in times {
        println!("{:6.1} s  {name}", time.as_secs_f64());
    }
    Ok(())
}

/// Compiles the workspace, tests and benches included, with the compiler that `rust-version` promises.
///
/// `MSRV_RUSTC` names that compiler where rustup cannot fetch it.
pub(crate) fn msrv(_: &[String]) -> Result<(), String> {
    let promised = env!("CARGO_PKG_RUST_VERSION");
    let target = target_dir().join("xtask").join("msrv");
    let mut check = pinned("cargo check --locked --workspace --all-targets --all-features --target-dir");
    let mut version = pinned("rustc --version");
    let found = output(&mut version)
        .map_err(|why| format!("{why}\nrustup toolchain install --profile minimal {promised} gets it"))?;
    print!("{found}");
    if !found.starts_with(&format!("rustc {promised}")) {
        return Err(format!("Cargo.toml promises {promised}, and this is another compiler"));
    }
    run(check.arg(target))
}

/// A command line for the compiler that `rust-version` names: `cargo ...` or `rustc ...`.
pub(crate) fn pinned(line: &str) -> Command {
    match (std::env::var_os("MSRV_RUSTC"), line.strip_prefix("rustc ")) {
        (Some(rustc), Some(arguments)) => {
            let mut command = Command::new(rustc);
            command.args(arguments.split_whitespace());
            command
        }
        (Some(rustc), None) => {
            let mut command = command(line);
            command.env("RUSTC", rustc);
            command
        }
        (None, _) => command(&format!("rustup run {} {line}", env!("CARGO_PKG_RUST_VERSION"))),
    }
}

/// The targets stand outside the workspace, so no other step sees them. Without its default feature libfuzzer-sys
/// compiles no C++; the corpora are replayed by the workspace's tests.
fn fuzz_targets_compile() -> Result<(), String> {
    let target = target_dir().join("xtask").join("fuzz");
    run(&mut command("cargo fmt --manifest-path fuzz/Cargo.toml --check"))?;
    let mut clippy = command("cargo clippy --locked --manifest-path fuzz/Cargo.toml --no-default-features");
    clippy.arg("--target-dir").arg(&target);
    run(clippy.args(["--", "-D", "warnings"]))?;
    // The table of differences between our decoder and others is complete for the committed inputs.
    let mut differences = command("cargo test --locked --manifest-path fuzz/Cargo.toml --no-default-features --lib");
    run(differences.arg("--target-dir").arg(target))
}
