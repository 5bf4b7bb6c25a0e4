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

/// Runs a check over its corpus; the last line of a failure's captured output says which input it was.
fn replay_all(target: &str, check: impl Fn(&[u8])) {
    let inputs = inputs(target);
    assert!(inputs.len() >= 40, "the corpus is there: {} files", inputs.len());
    for (name, input) in inputs {
        replay(&name, &input, &check);
    }
}

fn replay(name: &Path, input: &[u8], check: impl Fn(&[u8])) {
    println!("{}: {input:02x?}", name.display());
    check(input);
}

#[test]
fn what_is_decoded_is_encoded_again() {
    replay_all("decode", checks::decode);
}

#[test]
fn what_is_encoded_is_decoded_again() {
    replay_all("encode", checks::encode);
}

#[test]
fn properties_are_what_a_naive_reader_finds() {
    replay_all("properties", checks::properties);
}

#[test]
fn filters_match_what_a_naive_matcher_matches() {
    replay_all("filter", checks::filter);
}

#[test]
fn input_in_any_pieces_is_the_same_input() {
    replay_all("split", checks::split);
}

#[test]
fn a_client_stands_any_server() {
    replay_all("client", checks::client);
}

#[test]
fn a_server_stands_any_client() {
    replay_all("server", checks::server);
}

#[test]
fn two_ends_deliver_over_any_network() {
    replay_all("pair", checks::pair);
}

/// In 3.1 a server that forgets cannot say so, and what may go wrong then is little: beyond the corpus, for random inputs.
#[test]
fn two_ends_of_3_1_deliver_whatever_its_server_forgets() {
    let mut random: u64 = 1;
    for number in 0..3_000 {
        let mut input = vec![0; 400];
        for byte in &mut input[1..] {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (random >> 56) as u8;
        }
        replay(Path::new(&format!("random input {number}")), &input, checks::pair);
    }
}

/// What a fuzzer does first, done for the hand-written seeds: cut them short, and flip each of their bits.
#[test]
fn the_decoders_laws_hold_next_to_the_seeds() {
    for (name, input) in inputs("decode") {
        // Those that a fuzzer has found are named by their hash.
        if name.extension().is_none() && name.file_name().is_some_and(|name| name.len() == 40) {
            continue;
        }
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
