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
    /// Mutants that are the same program, by a pattern of their names.
    same: &'static [&'static str],
    /// Packages whose tests must notice.
    tested: &'static [&'static str],
    features: &'static str,
    /// What follows `cargo test` but for these.
    tests: &'static str,
}

const AREAS: [Area; 3] = [
    Area {
        name: "codec",
        package: "mqtt-proto",
        files: &["crates/mqtt-proto/src/**"],
        except: &["**/connection/**", "**/session/**", "**/session.rs"],
        // Constants that join sets of packets: no two of a constant's have a packet in common.
        same: &[r"property/table\.rs:\d+:\d+: replace \| with \^$"],
        tested: &["mqtt-proto"],
        features: "",
        // Random packets until each feature was seen take longer than all else together, and find little that it does not.
        tests: "--test codec --lib -- --skip coverage",
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
        same: &[],
        tested: &["mqtt-sim", "mqtt-proto"],
        features: "--no-default-features --features mqtt-proto/std",
        // The codec's tests know the words of errors. What is skipped takes longer than all else together, and found nothing that
        // it did not.
        tests: "--test together --test codec --lib -- connection:: journal:: session:: allocations:: errors:: \
                --skip cut_twice --skip splits:: --skip malformed::random --skip malformed::a_packet_with_any \
                --skip repeated_for_ever --skip no_tolerance --skip every_file",
    },
    Area {
        name: "client",
        package: "mqtt-client",
        files: &["crates/mqtt-client/src/client/**", "crates/mqtt-client/src/{backoff,options,url}.rs"],
        except: &[],
        same: &[],
        tested: &["mqtt-client"],
        features: "",
        tests: "--test client --lib",
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
    // What fails without a mutant would count every one of them as caught. cargo-mutants would look for the tests in the
    // mutated package alone, so it is done here.
    let mut unmutated = command("cargo test --profile mutants");
    unmutated.args(area.tested.iter().flat_map(|package| ["--package", package]));
    unmutated.args(area.features.split_whitespace()).args(area.tests.split_whitespace());
    unmutated.envs(ENVIRONMENT);
    run(&mut unmutated)?;
    // A mutant that loops for ever is caught by the time limit: the tests take one to four seconds on a quiet machine.
    let mut mutants =
        command("cargo mutants --profile mutants --baseline skip --timeout 60 --build-timeout 300 --output");
    let outcome = target_dir().join("xtask").join("mutants").join(area.name);
    std::fs::create_dir_all(&outcome).map_err(|error| format!("{}: {error}", outcome.display()))?;
    mutants.arg(outcome);
    // Round robin makes each shard a sample of the whole area; without a shard cargo-mutants refuses the option.
    if arguments.iter().any(|argument| argument.starts_with("--shard")) {
        mutants.args(["--sharding", "round-robin"]);
    }
    // Without it, only the workspace's default members are looked at.
    mutants.args(["--package", area.package]);
    mutants.args(area.files.iter().flat_map(|file| ["--file", file]));
    mutants.args(area.except.iter().flat_map(|file| ["--exclude", file]));
    mutants.args(area.same.iter().flat_map(|pattern| ["--exclude-re", pattern]));
    mutants.args(area.tested.iter().flat_map(|package| ["--test-package", package]));
    mutants.args(area.features.split_whitespace()).args(&arguments[1..]).arg("--").args(area.tests.split_whitespace());
    mutants.envs(ENVIRONMENT);
    run(&mut mutants)
}

/// A failure needs no smallest example here.
const ENVIRONMENT: [(&str, &str); 3] =
    [("CARGO_INCREMENTAL", "1"), ("PROPTEST_MAX_SHRINK_ITERS", "0"), ("PROPTEST_CASES", "64")];
