//! The model of delivery in `mqtt-sim`: more schedules than the tests play.

use crate::shell::{command, run};

/// Plays random schedules, on two cores: `--seeds N` of them, or `--seeds FIRST..LAST`. All are played, whether or not one fails.
pub(crate) fn sim(arguments: &[String]) -> Result<(), String> {
    let seeds = match arguments {
        [] => "0..100000".to_owned(),
        [flag, seeds] if flag == "--seeds" && seeds.contains("..") => seeds.clone(),
        [flag, count] if flag == "--seeds" => format!("0..{count}"),
        _ => return Err("usage: cargo xtask sim [--seeds N | --seeds FIRST..LAST]".into()),
    };
    let mut test = command("cargo test --locked --release -p mqtt-sim --test model_random random -- --nocapture");
    // Twice as fast as the code that the tests use, and compiled in a minute more.
    test.env("CARGO_PROFILE_RELEASE_LTO", "fat").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1");
    run(test.env("MODEL_SEEDS", seeds))
}
