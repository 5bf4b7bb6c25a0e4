//! What one connection does, a module per subject: one program, because each program of tests links the whole simulator.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

mod acknowledging;
mod authentication;
mod connecting;
mod disconnecting;
mod falling_behind;
mod flow_control;
mod given_back;
mod keep_alive;
mod legality;
mod malformed;
mod packet_size;
mod qos1;
mod qos2;
mod sessions;
mod splits;
mod statements_flows;
mod statements_limits;
mod subscribing;
mod topic_aliases;

/// Cargo is told not to look for tests by itself, so that these modules are not programs too. A file that is neither would
/// never run.
#[test]
fn every_file_of_tests_is_a_program_or_a_module_of_one() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
    let modules = fs::read_to_string(package.join("tests/connection.rs")).unwrap();
    let lines: BTreeSet<&str> = manifest.lines().chain(modules.lines()).collect();
    for entry in fs::read_dir(package.join("tests")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy();
        let is_compiled = [format!("name = \"{name}\""), format!("mod {name};")];
        assert!(is_compiled.iter().any(|line| lines.contains(line.as_str())), "{} is not compiled", path.display());
    }
}
