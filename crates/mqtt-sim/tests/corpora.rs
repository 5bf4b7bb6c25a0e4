//! Every input that a fuzz target has been given or has found, replayed without a fuzzer.

use std::fs;
use std::path::{Path, PathBuf};

use mqtt_sim::checks;

/// The files of a target: seeds in `corpus`, inputs that once broke a law in `regressions`.
fn inputs(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let mut inputs = Vec::new();
    for folder in ["corpus", "regressions"] {
        // A target that never failed has no regressions.
        let Ok(entries) = fs::read_dir(fuzz.join(folder).join(target)) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            inputs.push((path, bytes));
        }
    }
    inputs.sort();
    inputs
}

/// Runs a check; the last line of a failure's captured output says which input it was.
fn replay(name: &Path, input: &[u8], check: impl Fn(&[u8])) {
    println!("{}: {input:02x?}", name.display());
    check(input);
}

#[test]
fn the_decoders_laws_hold_for_the_corpus() {
    let inputs = inputs("decode");
    assert!(inputs.len() >= 60, "the corpus is there: {} files", inputs.len());
    for (name, input) in inputs {
        replay(&name, &input, checks::decode);
    }
}

/// What a fuzzer does first, done for every input: cut it short, and flip each of its bits.
#[test]
fn the_decoders_laws_hold_next_to_the_corpus() {
    for (name, input) in inputs("decode") {
        for end in 0..input.len() {
            replay(&name, &input[..end], checks::decode);
        }
        let mut input = input;
        for bit in 0..input.len() * 8 {
            let (byte, mask) = (bit / 8, 1 << (bit % 8));
            input[byte] ^= mask;
            replay(&name, &input, checks::decode);
            input[byte] ^= mask;
        }
    }
}
