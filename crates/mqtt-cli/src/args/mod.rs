//! The command line: which command, and its options as values that are already checked.
//!
//! Rules of this module: nothing is parsed and ignored; an error names the option, the rule and the remedy; whatever is
//! wrong with the arguments is found before anything is dialled.

mod broker;
mod connection;
mod passwd;
mod publish;
mod reader;
mod refused;
mod subscribe;

use std::ffi::OsString;
use std::fmt;

pub(crate) use broker::BrokerArgs;
pub(crate) use connection::{ClientId, ConnectionArgs, Target};
pub(crate) use passwd::{Change, PasswdArgs, checked};
pub(crate) use publish::{PublishArgs, Source};
pub(crate) use reader::Reader;
pub(crate) use subscribe::{SubscribeArgs, SubscribeOptions};

/// What the user asked for.
#[derive(Debug)]
pub(crate) enum Command {
    Publish(Box<PublishArgs>),
    Subscribe(Box<SubscribeArgs>),
    Broker(Box<BrokerArgs>),
    Demo,
    Passwd(Box<PasswdArgs>),
    /// A text for stdout.
    Show(String),
}

/// A mistake in the arguments, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsageError(String);

impl UsageError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<lexopt::Error> for UsageError {
    fn from(error: lexopt::Error) -> Self {
        Self(error.to_string())
    }
}

/// Reads the arguments after the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut arguments = arguments.into_iter();
    let command = arguments.next().unwrap_or_default();
    if command == "passwd" {
        return passwd::parse(arguments);
    }
    let mut reader = Reader::new(arguments);
    match command.to_str() {
        Some("pub") => publish::parse(&mut reader),
        Some("sub") => subscribe::parse(&mut reader),
        Some("broker") => broker::parse(&mut reader),
        Some("demo") => demo(&mut reader),
        Some("--help" | "help") => Ok(Command::Show(OVERVIEW.into())),
        Some("--version") => Ok(Command::Show(version())),
        Some("") => Err(UsageError::new("a command is missing; 'mqtt --help' lists them")),
        _ => Err(UsageError(format!("'{}' is not a command; 'mqtt --help' lists them", command.to_string_lossy()))),
    }
}

fn demo(reader: &mut Reader) -> Result<Command, UsageError> {
    match reader.next_option()?.as_deref() {
        None => Ok(Command::Demo),
        Some("-h" | "--help") => Ok(Command::Show(DEMO.into())),
        Some("--version") => Ok(Command::Show(version())),
        Some(_) => Err(reader.error("is not an option of this command, which has none")),
    }
}

fn version() -> String {
    format!("mqtt {}\n", env!("CARGO_PKG_VERSION"))
}

const OVERVIEW: &str = "\
mqtt: publish, subscribe and be the broker, over MQTT 3.1, 3.1.1 and 5.0

  mqtt pub -t TOPIC -m MESSAGE     send a message
  mqtt sub -t FILTER               print the messages that match
  mqtt demo                        see in a second what MQTT is, without any other program
  mqtt broker                      be the broker
  mqtt passwd FILE USER            users and passwords for a broker
  mqtt COMMAND --help              the options of each
  mqtt --version                   the version of this program

The option letters mean what they mean in mosquitto_pub, mosquitto_sub and mosquitto_passwd.
Exit codes of pub and sub: 0 done, 1 wrong usage, 2 refused or failed, 27 timeout of -W, 130 interrupted before the work was done.
";

const DEMO: &str = "\
mqtt demo: a broker and four clients in one process, and what MQTT does between them

  mqtt demo

It needs no other program and no network, takes a second, and ends by itself. Exit codes: 0 done, 2 failed.
";

#[cfg(test)]
mod tests;
