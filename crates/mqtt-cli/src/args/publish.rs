//! `mqtt pub`.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use mqtt_tokio::{QoS, TopicName};

use super::connection::Draft;
use super::{Command, ConnectionArgs, Reader, UsageError, refused, subscribe, version};
use crate::properties::PropertyArgs;

/// Checked options of `mqtt pub`.
#[derive(Debug)]
pub(crate) struct PublishArgs {
    pub(crate) connection: ConnectionArgs,
    pub(crate) topic: TopicName,
    pub(crate) source: Source,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) repeat: u32,
    pub(crate) repeat_delay: Duration,
    pub(crate) properties: PropertyArgs,
}

/// Where the payload comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// `-m`.
    Argument(Bytes),
    /// `-n`.
    Empty,
    /// `-f`: the whole file.
    File(PathBuf),
    /// `-s`: all of stdin.
    Stdin,
    /// `-l`: every line of stdin is a message.
    Lines,
}

/// The options that only this command has, while they are being read.
#[derive(Debug, Default)]
struct PublishOptions {
    topic: Option<TopicName>,
    source: Option<Source>,
    qos: QoS,
    retain: bool,
    repeat: Option<u32>,
    repeat_delay: Option<Duration>,
}

pub(super) fn parse(reader: &mut Reader) -> Result<Command, UsageError> {
    let mut draft = Draft::default();
    let mut options = PublishOptions::default();
    while let Some(option) = reader.next_option()? {
        match option.as_str() {
            "--help" => return Ok(Command::Show(HELP.into())),
            "--version" => return Ok(Command::Show(version())),
            _ => {}
        }
        if !options.take(&option, reader)? && !draft.take(&option, reader)? {
            return Err(refused::refuse(&option, "sub", subscribe::OWN_OPTIONS));
        }
    }
    options.finish(draft)
}

impl PublishOptions {
    /// Takes `option` if it is one of these. `false`: it is not, and no value has been read.
    fn take(&mut self, option: &str, reader: &mut Reader) -> Result<bool, UsageError> {
        match option {
            "-t" | "--topic" => match self.topic.replace(reader.topic()?) {
                None => {}
                Some(_) => return Err(reader.error("is given twice; 'mqtt pub' sends to one topic")),
            },
            "-m" | "--message" => self.set_source(Source::Argument(reader.bytes()?))?,
            "-f" | "--file" => self.set_source(Source::File(reader.path()?))?,
            "-l" | "--stdin-line" => self.set_source(Source::Lines)?,
            "-n" | "--null-message" => self.set_source(Source::Empty)?,
            "-s" | "--stdin-file" => self.set_source(Source::Stdin)?,
            "-q" | "--qos" => self.qos = reader.qos()?,
            "-r" | "--retain" => self.retain = true,
            "--repeat" => self.repeat = Some(reader.number("a count", 1..=u32::MAX)?),
            "--repeat-delay" => self.repeat_delay = Some(seconds(reader)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn set_source(&mut self, source: Source) -> Result<(), UsageError> {
        match self.source.replace(source) {
            None => Ok(()),
            Some(_) => Err(UsageError::new("only one of -m, -f, -l, -n and -s can give the message")),
        }
    }

    fn finish(self, mut draft: Draft) -> Result<Command, UsageError> {
        let topic = match (self.topic, draft.url_topic.take()) {
            (Some(_), Some(_)) => return Err(UsageError::new("-t and the URL of -L both name a topic; give one")),
            (Some(topic), None) => topic,
            (None, Some(topic)) => TopicName::try_from(topic.as_str()).map_err(|error| {
                UsageError(format!("-L has the topic '{topic}', to which nothing can be sent: {error}"))
            })?,
            (None, None) => return Err(UsageError::new("the topic is missing; give it with -t")),
        };
        let Some(source) = self.source else {
            return Err(UsageError::new("the message is missing; give it with -m, -f, -l, -n or -s"));
        };
        if source == Source::Lines && self.repeat.is_some() {
            return Err(UsageError::new("--repeat works with -m, -f, -n and -s; with -l every line is sent once"));
        }
        if self.repeat_delay.is_some() && self.repeat.is_none() {
            return Err(UsageError::new("--repeat-delay needs --repeat"));
        }
        let (connection, properties) = draft.finish()?;
        if let Some(packet) = properties.subscriber_packet() {
            return Err(UsageError(format!("-D {packet} has no meaning in 'mqtt pub', which does not {packet}")));
        }
        Ok(Command::Publish(Box::new(PublishArgs {
            connection,
            topic,
            source,
            qos: self.qos,
            retain: self.retain,
            repeat: self.repeat.unwrap_or(1),
            repeat_delay: self.repeat_delay.unwrap_or_default(),
            properties,
        })))
    }
}

/// For the hint that an option belongs to this command.
pub(super) const OWN_OPTIONS: &[&str] = &[
    "-m",
    "--message",
    "-f",
    "--file",
    "-l",
    "--stdin-line",
    "-n",
    "--null-message",
    "-s",
    "--stdin-file",
    "-r",
    "--retain",
    "--repeat",
    "--repeat-delay",
];

/// Seconds with a fraction.
fn seconds(reader: &mut Reader) -> Result<Duration, UsageError> {
    let value = reader.string()?;
    let duration = value.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| reader.error(format_args!("takes seconds such as 2 or 0.5, not '{value}'")))
}

const HELP: &str = include_str!("publish.txt");
