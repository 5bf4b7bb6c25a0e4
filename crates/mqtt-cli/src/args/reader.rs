//! Options and their values, read one after the other; every error names the option as the user wrote it.

use std::ffi::OsString;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use bytes::Bytes;
use mqtt_tokio::{QoS, Text, TopicFilter, TopicName};

use super::UsageError;

/// A cursor over the arguments of one command.
pub(crate) struct Reader {
    parser: lexopt::Parser,
    option: String,
}

impl Reader {
    pub(super) fn new(arguments: impl Iterator<Item = OsString>) -> Self {
        Self { parser: lexopt::Parser::from_args(arguments.collect::<Vec<_>>()), option: String::new() }
    }

    /// The next option with its dashes, as the user wrote it; `None` after the last.
    pub(super) fn next_option(&mut self) -> Result<Option<String>, UsageError> {
        self.option = match self.parser.next()? {
            None => return Ok(None),
            Some(lexopt::Arg::Short(letter)) => format!("-{letter}"),
            Some(lexopt::Arg::Long(name)) => format!("--{name}"),
            Some(lexopt::Arg::Value(value)) => {
                return Err(UsageError(format!(
                    "'{}' stands alone; every value follows its option, and one with blanks needs quotes",
                    value.to_string_lossy()
                )));
            }
        };
        Ok(Some(self.option.clone()))
    }

    /// An error about the present option: its name, then `rule`.
    pub(crate) fn error(&self, rule: impl Display) -> UsageError {
        UsageError(format!("{} {rule}", self.option))
    }

    fn wrong(&self, rule: impl Display, value: impl Display) -> UsageError {
        self.error(format_args!("{rule}, not '{value}'"))
    }

    /// The value as the shell gave it.
    fn os_value(&mut self) -> Result<OsString, UsageError> {
        self.parser.value().map_err(|_| self.error("needs a value after it"))
    }

    pub(crate) fn string(&mut self) -> Result<String, UsageError> {
        let value = self.os_value()?;
        value.into_string().map_err(|value| self.wrong("takes UTF-8 text", value.to_string_lossy()))
    }

    pub(super) fn path(&mut self) -> Result<PathBuf, UsageError> {
        Ok(self.os_value()?.into())
    }

    /// Bytes of any kind, where the platform's arguments can hold them.
    pub(crate) fn bytes(&mut self) -> Result<Bytes, UsageError> {
        Ok(self.os_value()?.into_encoded_bytes().into())
    }

    pub(crate) fn text(&mut self) -> Result<Text, UsageError> {
        let value = self.string()?;
        Text::try_from(value.as_str()).map_err(|error| self.error(format_args!("takes a text of MQTT: {error}")))
    }

    pub(crate) fn topic(&mut self) -> Result<TopicName, UsageError> {
        let value = self.string()?;
        TopicName::try_from(value.as_str())
            .map_err(|error| self.error(format_args!("takes a topic to publish to, which '{value}' is not: {error}")))
    }

    pub(super) fn filter(&mut self) -> Result<TopicFilter, UsageError> {
        let value = self.string()?;
        TopicFilter::try_from(value.as_str())
            .map_err(|error| self.error(format_args!("takes a topic filter, which '{value}' is not: {error}")))
    }

    pub(super) fn qos(&mut self) -> Result<QoS, UsageError> {
        let value = self.string()?;
        match value.as_str() {
            "0" => Ok(QoS::AtMostOnce),
            "1" => Ok(QoS::AtLeastOnce),
            "2" => Ok(QoS::ExactlyOnce),
            _ => Err(self.wrong("takes 0, 1 or 2", value)),
        }
    }

    /// A whole number within `range`; `what` names it for the error, for example "a port".
    pub(crate) fn number<N>(&mut self, what: &str, range: RangeInclusive<N>) -> Result<N, UsageError>
    where
        N: FromStr + PartialOrd + Display,
    {
        let value = self.string()?;
        let number = value.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| self.wrong(format_args!("takes {what} from {} to {}", range.start(), range.end()), value))
    }
}
