//! The proof that `mqtt-proto` needs nothing of std.
//!
//! A plain build of a `#![no_std]` crate proves little: a dependency may still link std, and on this host it would be
//! found. So the crate is built against a sysroot that holds `core`, `alloc` and `compiler_builtins` and nothing else.
//! The same sysroot is first shown to refuse a crate that names std, so the proof cannot rot into one that always holds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{command, output, run, target_dir};

const LINKED: [&str; 3] = ["libcore-", "liballoc-", "libcompiler_builtins-"];

pub(crate) fn prove(_: &[String]) -> Result<(), String> {
    let host = host()?;
    let sysroot = sysroot(&host)?;

    compile_probe(&sysroot, &host, "extern crate alloc;")
        .map_err(|why| format!("the reduced sysroot does not even hold alloc: {why}"))?;
    match compile_probe(&sysroot, &host, "extern crate std;") {
        Err(why) if why.contains("can't find crate for `std`") => {}
        Err(why) => {
            return Err(format!("the probe that names std failed for another reason: {why}"));
        }
        Ok(()) => return Err("a crate that names std compiled: the proof proves nothing".into()),
    }
    println!("the reduced sysroot refuses a crate that names std, as it must");

    // With --target, the flag reaches the crate and its dependencies but no build script.
    let mut build = command("cargo build --locked --package mqtt-proto --target");
    build.arg(&host).arg("--target-dir").arg(folder().join("build"));
    run(build.env("RUSTFLAGS", format!("--sysroot={}", sysroot.display())))
}

fn folder() -> PathBuf {
    target_dir().join("xtask").join("no-std")
}

/// The target triple of the compiler's own machine.
fn host() -> Result<String, String> {
    let version = output(&mut command("rustc -vV"))?;
    version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .ok_or_else(|| "`rustc -vV` names no host".to_owned())
}

/// Makes the reduced sysroot anew and returns its folder.
fn sysroot(host: &str) -> Result<PathBuf, String> {
    let installed = PathBuf::from(output(&mut command("rustc --print sysroot"))?.trim());
    let libraries = Path::new("lib/rustlib").join(host).join("lib");
    let reduced = folder().join("sysroot");
    let failed = |error| format!("cannot make {}: {error}", reduced.display());

    if reduced.exists() {
        fs::remove_dir_all(&reduced).map_err(failed)?;
    }
    fs::create_dir_all(reduced.join(&libraries)).map_err(failed)?;
    for entry in fs::read_dir(installed.join(&libraries)).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if LINKED.iter().any(|name| entry.file_name().to_string_lossy().starts_with(name)) {
            fs::copy(entry.path(), reduced.join(&libraries).join(entry.file_name())).map_err(failed)?;
        }
    }
    Ok(reduced)
}

/// Compiles `#![no_std]` and one more line against the sysroot; the error is the compiler's.
fn compile_probe(sysroot: &Path, host: &str, line: &str) -> Result<(), String> {
    let source = folder().join("probe.rs");
    fs::write(&source, format!("#![no_std]\n{line}\n")).map_err(|error| error.to_string())?;
    let mut rustc: Command = command("rustc --edition 2024 --crate-type lib --emit metadata --target");
    rustc.arg(host).arg("--sysroot").arg(sysroot);
    output(rustc.arg("--out-dir").arg(folder()).arg(source)).map(drop)
}
