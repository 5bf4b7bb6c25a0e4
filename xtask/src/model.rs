//! The model of delivery in `mqtt-sim`: more schedules than the tests play.

use crate::shell::{command, run};

/// Plays random schedules: `--seeds N` of them, or `--seeds FIRST..LAST`.
pub(crate) fn sim(arguments: &[String]) -> Result<(), String> {
    let seeds = match arguments {
        [] => "0..100000".to_owned(),
        [flag, seeds] if flag == "--seeds" && seeds.contains("..") => seeds.clone(),
        [flag, count] if flag == "--seeds" => format!("0..{count}"),
        _ => return Err("usage: cargo xtask sim [--seeds N | --seeds FIRST..LAST]".into()),
    };
    let mut test = command("cargo test --locked -p mqtt-sim --test model_random random -- --nocapture");
    run(test.env("MODEL_SEEDS", seeds))
}
