//! `mqtt sub`.

use std::time::Duration;

use mqtt_tokio::{QoS, RetainHandling, TopicFilter};

use super::connection::Draft;
use super::{Command, ConnectionArgs, Reader, UsageError, publish, refused, version};
use crate::format::{Format, Layout};
use crate::properties::PropertyArgs;

/// Checked options of `mqtt sub`.
#[derive(Debug)]
pub(crate) struct SubscribeArgs {
    pub(crate) connection: ConnectionArgs,
    pub(crate) options: SubscribeOptions,
    pub(crate) properties: PropertyArgs,
}

/// The options that only this command has.
#[derive(Debug, Default)]
pub(crate) struct SubscribeOptions {
    pub(crate) filters: Vec<TopicFilter>,
    pub(crate) unsubscribe: Vec<TopicFilter>,
    /// `-T`: topics that are not printed.
    pub(crate) filter_out: Vec<TopicFilter>,
    pub(crate) qos: QoS,
    pub(crate) format: Format,
    pub(crate) layout: Layout,
    /// `-C`: stop after so many messages.
    pub(crate) count: Option<u64>,
    /// `-W`: stop after so long.
    pub(crate) timeout: Option<Duration>,
    /// `-E`: stop when the broker has answered the subscriptions.
    pub(crate) exit_after_subscribe: bool,
    /// `-R`: do not print retained messages.
    pub(crate) skip_retained: bool,
    /// `--retained-only`: stop at the first message that is not retained.
    pub(crate) retained_only: bool,
    /// `--remove-retained`: clear every retained message that arrives.
    pub(crate) remove_retained: bool,
    pub(crate) retain_as_published: bool,
    pub(crate) retain_handling: RetainHandling,
}

pub(super) fn parse(reader: &mut Reader) -> Result<Command, UsageError> {
    let mut draft = Draft::default();
    let mut options = SubscribeOptions::default();
    while let Some(option) = reader.next_option()? {
        match option.as_str() {
            "--help" => return Ok(Command::Show(HELP.into())),
            "--version" => return Ok(Command::Show(version())),
            "--retain-as-published" | "--retain-handling" => draft.require_version_5(&option),
            _ => {}
        }
        if !options.take(&option, reader)? && !draft.take(&option, reader)? {
            return Err(refused::refuse(&option, "pub", publish::OWN_OPTIONS));
        }
    }
    if let Some(topic) = draft.url_topic.take() {
        let filter = TopicFilter::try_from(topic.as_str())
            .map_err(|error| UsageError(format!("-L has '{topic}', which is not a topic filter: {error}")))?;
        options.filters.push(filter);
    }
    if options.filters.is_empty() && options.unsubscribe.is_empty() {
        return Err(UsageError::new("there is nothing to subscribe to; give a topic filter with -t"));
    }
    if options.skip_retained && options.retained_only {
        return Err(UsageError::new(
            "-R prints no retained messages and --retained-only prints nothing else; give one of them",
        ));
    }
    let (connection, properties) = draft.finish()?;
    for (option, filters) in [("-t", &options.filters), ("-U", &options.unsubscribe)] {
        if let Some(filter) = filters.iter().find(|filter| !filter.is_legal_in(connection.version)) {
            return Err(UsageError(format!(
                "{option} has '{filter}', which MQTT 5 does not know: it has $share/NAME/FILTER alone, NAME without + and #"
            )));
        }
    }
    if !properties.publish.is_empty() {
        return Err(UsageError::new("-D publish has no meaning in 'mqtt sub', which does not publish"));
    }
    if options.format.prints_topic_alias() && properties.connect.topic_alias_maximum.is_some_and(|limit| limit > 0) {
        return Err(UsageError::new(
            "-F %A cannot print aliases, which the client puts the topics back for; leave out topic-alias-maximum, and there \
             are none",
        ));
    }
    Ok(Command::Subscribe(Box::new(SubscribeArgs { connection, options, properties })))
}

impl SubscribeOptions {
    /// Takes `option` if it is one of these. `false`: it is not, and no value has been read.
    fn take(&mut self, option: &str, reader: &mut Reader) -> Result<bool, UsageError> {
        match option {
            "-t" | "--topic" => self.filters.push(reader.filter()?),
            "-U" | "--unsubscribe" => self.unsubscribe.push(reader.filter()?),
            "-T" | "--filter-out" => self.filter_out.push(reader.filter()?),
            "-q" | "--qos" => self.qos = reader.qos()?,
            "-F" => {
                let text = reader.string()?;
                self.format = Format::parse(&text).map_err(|error| reader.error(format_args!("'{text}': {error}")))?;
            }
            // -F overrides it, whichever comes first.
            "-v" | "--verbose" if self.format == Format::Payload => self.format = Format::Verbose,
            "-v" | "--verbose" => {}
            "-N" => self.layout.end_of_line = false,
            "--pretty" => self.layout.pretty = true,
            "-C" => self.count = Some(reader.number("a count of messages", 1..=u64::MAX)?),
            "-W" => self.timeout = Some(Duration::from_secs(reader.number("seconds", 1..=u32::MAX)?.into())),
            "-E" => self.exit_after_subscribe = true,
            "-R" => self.skip_retained = true,
            "--retained-only" => self.retained_only = true,
            "--remove-retained" => self.remove_retained = true,
            "--retain-as-published" => self.retain_as_published = true,
            "--retain-handling" => self.retain_handling = retain_handling(reader)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// For the hint that an option belongs to this command.
pub(super) const OWN_OPTIONS: &[&str] = &[
    "-C",
    "-E",
    "-F",
    "-N",
    "--pretty",
    "-R",
    "--retained-only",
    "--remove-retained",
    "--retain-as-published",
    "--retain-handling",
    "-T",
    "--filter-out",
    "-U",
    "--unsubscribe",
    "-v",
    "--verbose",
    "-W",
];

fn retain_handling(reader: &mut Reader) -> Result<RetainHandling, UsageError> {
    let value = reader.string()?;
    match value.as_str() {
        "always" => Ok(RetainHandling::Send),
        "new" => Ok(RetainHandling::SendIfNew),
        "never" => Ok(RetainHandling::DoNotSend),
        _ => Err(reader.error(format_args!("takes always, new or never, not '{value}'"))),
    }
}

const HELP: &str = include_str!("subscribe.txt");
