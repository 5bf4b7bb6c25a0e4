//! Mosquitto's configuration format: what a `mosquitto.conf` says, or everything that is wrong with it.
//!
//! Rules of the format, as mosquitto.conf(5) and Mosquitto 2.0.11 have them:
//! - A line is a directive, a blank and its value. `#` at the start of a line makes a comment.
//! - Directives about a listener (and with `per_listener_settings true` those about access) belong to the last `listener`
//!   above them in the same file, or above the first one to the default listener, which `port` and `bind_address` open.
//! - Without any of these three, only this machine can connect, without a password.
//! - Of two equal directives with a number or a choice the later one counts; a text may be given once.
//!
//! What is different: nothing is parsed and ignored. A directive that is unknown, not supported, without effect where it
//! stands, or at odds with another is an error with its file, its line and what to do; all errors are told at once.

mod check;
mod directive;
mod refused;
mod source;
mod value;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use directive::LARGEST_PACKET;
pub(super) use value::LogType;

/// What a configuration file says, with Mosquitto's defaults for what it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// In the order of the file; at least one.
    pub(super) listeners: Vec<Listener>,
    /// Nobody has named a listener: two that only this machine reaches.
    pub(super) local_only: bool,
    /// Retained messages are kept back once their publisher has lost the right.
    pub(super) check_retain_source: bool,
    /// `connection_messages`
    pub(super) connection_messages: bool,
    pub(super) log: LogSettings,
    /// 0: no limit.
    pub(super) max_inflight_messages: u16,
    pub(super) max_keepalive: u16,
    /// Bytes.
    pub(super) max_packet_size: Option<u32>,
    /// Bytes; 0: no limit.
    pub(super) max_queued_bytes: u64,
    /// 0: no limit.
    pub(super) max_queued_messages: u64,
    /// Bytes; 0: no limit.
    pub(super) message_size_limit: u32,
    /// Seconds.
    pub(super) persistent_client_expiration: Option<u32>,
    pub(super) pid_file: Option<PathBuf>,
    pub(super) queue_qos0_messages: bool,
    pub(super) retain_available: bool,
    /// Seconds; 0: never.
    pub(super) sys_interval: u16,
}

/// A `listener`, or the default one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listener {
    pub(super) place: ListenerPlace,
    pub(super) domain: Option<Domain>,
    pub(super) interface: Option<String>,
    /// `None`: no limit.
    pub(super) max_connections: Option<u32>,
    pub(super) max_qos: u8,
    pub(super) max_topic_alias: u16,
    pub(super) access: Access,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ListenerPlace {
    /// On every address of this machine.
    Port(u16),
    Host(String, u16),
    Unix(PathBuf),
}

/// `socket_domain`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Domain {
    Ipv4,
    Ipv6,
}

/// Who may come in at a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) allow_anonymous: bool,
    pub(super) allow_zero_length_clientid: bool,
    pub(super) auto_id_prefix: String,
    pub(super) password_file: Option<PathBuf>,
    pub(super) acl_file: Option<PathBuf>,
}

/// What is logged, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogSettings {
    pub(super) stdout: bool,
    pub(super) stderr: bool,
    pub(super) topic: bool,
    pub(super) file: Option<PathBuf>,
    pub(super) types: Vec<LogType>,
    pub(super) timestamp: bool,
    /// Of strftime; `None`: seconds since 1970.
    pub(super) timestamp_format: Option<String>,
}

/// Where a directive stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    file: Arc<Path>,
    line: usize,
    /// Of all lines of all files, in the order in which they are read.
    order: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfError {
    place: Option<Place>,
    text: String,
}

impl fmt::Display for ConfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.text)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

impl Settings {
    /// What the file and those that it includes say.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order in which it is read; at least one error.
    pub(crate) fn read(file: &Path) -> Result<Self, Vec<ConfError>> {
        let mut draft = directive::Draft::default();
        source::read(file, &mut draft);
        check::finish(draft)
    }

    /// What there is without a file: only this machine can connect.
    pub(crate) fn without_file() -> Self {
        check::finish(directive::Draft::default()).unwrap_or_else(|errors| unreachable!("{errors:?}"))
    }
}

#[cfg(test)]
mod tests;
