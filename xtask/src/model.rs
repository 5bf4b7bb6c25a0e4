//! The models of delivery and of the client (`mqtt-sim`) and of the broker (`mqtt-broker`): more schedules than the tests play.

use crate::shell::{command, run};

/// Plays random schedules, of the broker with `--broker`, of a whole client with `--client`: `--seeds N` of them, or
/// `--seeds FIRST..LAST`.
pub(crate) fn sim(arguments: &[String]) -> Result<(), String> {
    let (test, arguments) = match arguments {
        [flag, rest @ ..] if flag == "--broker" => ("-p mqtt-broker --test model", rest),
        [flag, rest @ ..] if flag == "--client" => ("-p mqtt-sim --test client_random", rest),
        rest => ("-p mqtt-sim --test model_random", rest),
    };
    let seeds = match arguments {
        [] => "0..100000".to_owned(),
        [flag, seeds] if flag == "--seeds" && seeds.contains("..") => seeds.clone(),
        [flag, count] if flag == "--seeds" => format!("0..{count}"),
        _ => return Err("usage: cargo xtask sim [--broker | --client] [--seeds N | --seeds FIRST..LAST]".into()),
    };
    let mut test = command(&format!("cargo test --locked {test} random -- --nocapture"));
    run(test.env("MODEL_SEEDS", seeds))
}
