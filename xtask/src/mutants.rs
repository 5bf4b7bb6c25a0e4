//! Mutation testing by areas: a mutant is built and tested by the smallest executable that ought to notice it.
//!
//! One executable per area, built without optimisation and without debug information, makes a mutant cost two to five
//! seconds of CPU instead of a minute; there are some 2,600 of them.

use crate::shell::{command, run, target_dir};

/// What is mutated, and what must notice.
struct Area {
    name: &'static str,
    package: &'static str,
    files: &'static [&'static str],
    except: &'static [&'static str],
    tests: &'static str,
}

const AREAS: [Area; 3] = [
    Area {
        name: "codec",
        package: "mqtt-proto",
        files: &["crates/mqtt-proto/src/**"],
        except: &["**/connection/**", "**/session/**", "**/session.rs"],
        // Random packets until each feature was seen take longer than all else together, and find little that it does not.
        tests: "--test-package mqtt-proto -- --test codec --lib -- --skip coverage",
    },
    Area {
        name: "machine",
        package: "mqtt-proto",
        files: &[
            "crates/mqtt-proto/src/connection/**",
            "crates/mqtt-proto/src/session/**",
            "crates/mqtt-proto/src/session.rs",
        ],
        except: &[],
        // How time grows with the work is not to be measured on a busy machine. The codec's tests know the words of errors.
        tests: "--test-package mqtt-sim --test-package mqtt-proto --no-default-features --features mqtt-proto/std \
                -- --test together --test codec --lib -- --skip work_grows --skip coverage",
    },
    Area {
        name: "client",
        package: "mqtt-client",
        files: &["crates/mqtt-client/src/client/**", "crates/mqtt-client/src/{backoff,options,url}.rs"],
        except: &[],
        tests: "--test-package mqtt-client -- --test client --lib",
    },
];

/// Tests the mutants of one area, in a copy of the workspace. What follows the area's name goes to cargo-mutants.
pub(crate) fn run_area(arguments: &[String]) -> Result<(), String> {
    let area = arguments.first().and_then(|name| AREAS.iter().find(|area| area.name == name));
    let Some(area) = area else {
        return Err(
            "usage: cargo xtask mutants codec|machine|client [--shard K/N] [other options of cargo mutants]".into()
        );
    };
    // A mutant that loops for ever is caught by the time limit: the tests take one to four seconds on a quiet machine.
    // Round robin makes each shard a sample of the whole area.
    let mut mutants =
        command("cargo mutants --profile mutants --timeout 60 --build-timeout 300 --sharding round-robin --output");
    let outcome = target_dir().join("xtask").join("mutants").join(area.name);
    std::fs::create_dir_all(&outcome).map_err(|error| format!("{}: {error}", outcome.display()))?;
    mutants.arg(outcome);
    // Without it, cargo-mutants looks for files in the workspace's default members alone.
    mutants.args(["--package", area.package]);
    mutants.args(area.files.iter().flat_map(|file| ["--file", file]));
    mutants.args(area.except.iter().flat_map(|file| ["--exclude", file]));
    mutants.args(&arguments[1..]).args(area.tests.split_whitespace());
    // A failure needs no smallest example here.
    mutants.envs([("CARGO_INCREMENTAL", "1"), ("PROPTEST_MAX_SHRINK_ITERS", "0"), ("PROPTEST_CASES", "64")]);
    run(&mut mutants)
}
