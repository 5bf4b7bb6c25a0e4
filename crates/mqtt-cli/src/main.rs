//! The `mqtt` command: `mqtt pub` sends messages, `mqtt sub` prints them, `mqtt broker` carries them.
//!
//! Everything about the protocol is in `mqtt-client`, `mqtt-broker` and below them. Here are the options of Mosquitto's tools, where
//! payloads come from and go to, and what is said on stderr.

mod args;
mod broker;
mod demo;
mod format;
mod input;
mod interrupt;
mod output;
mod passwd;
mod pipeline;
mod printer;
mod properties;
mod publish;
mod report;
mod session;
mod subscribe;

use std::future::Future;
use std::io::Write;
use std::process::ExitCode;

use args::Command;
use report::{Outcome, say};

fn main() -> ExitCode {
    let outcome = match args::parse(std::env::args_os().skip(1)) {
        Ok(Command::Show(text)) => show(&text),
        Ok(Command::Publish(args)) => block_on(publish::run(*args)),
        Ok(Command::Subscribe(args)) => block_on(subscribe::run(*args)),
        Ok(Command::Broker(args)) => block_on(broker::run(*args)),
        Ok(Command::Demo) => block_on(demo::run()),
        Ok(Command::Passwd(args)) => passwd::run(*args),
        Err(error) => {
            say(format_args!("mqtt: {error}"));
            Outcome::Usage
        }
    };
    outcome.into()
}

/// Prints a text; a reader that has seen enough of it is no failure.
fn show(text: &str) -> Outcome {
    let _reader_gone = std::io::stdout().write_all(text.as_bytes());
    Outcome::Done
}

/// Runs one command on one thread.
fn block_on(command: impl Future<Output = Outcome>) -> Outcome {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(format_args!("mqtt: cannot start: {error}"));
            return Outcome::Failed;
        }
    };
    let outcome = runtime.block_on(command);
    // A name that is still being looked up must not keep the program from ending.
    runtime.shutdown_background();
    outcome
}
