//! What happens in the broker, in the words of Mosquitto's log where it has some.

use std::collections::BTreeSet;

use mqtt_broker::{ClientInfo, DropReason, Notice};
use mqtt_tokio::{Text, Version};

use super::conf::LogType;
use super::log::Log;

/// Turns notices into lines.
pub(super) struct Lines {
    log: Log,
    /// `connection_messages`
    connections: bool,
    /// Clients that have been told of as losing messages, so that a flood of them is one line for each.
    losing: BTreeSet<Text>,
}

impl Lines {
    pub(super) fn new(log: Log, connections: bool) -> Self {
        Self { log, connections, losing: BTreeSet::new() }
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Connected { client, clean_start, keep_alive, .. } => {
                self.losing.remove(&client.client_id);
                let (from, who) = (address(&client), client.client_id.as_str());
                let version = match client.version {
                    Version::V31 => 1,
                    Version::V311 => 2,
                    Version::V5 => 5,
                };
                let user = client.username.as_ref().map(|name| format!(", u'{name}'")).unwrap_or_default();
                let clean = u8::from(clean_start);
                self.connection(format_args!(
                    "New client connected from {from} as {who} (p{version}, c{clean}, k{keep_alive}{user})."
                ));
            }
            Notice::Refused { client, reason, .. } => {
                let (from, who) = (address(&client), &client.client_id);
                self.connection(format_args!("Client {who} from {from} was not let in: {reason}."));
            }
            Notice::Disconnected { client_id, why, .. } => {
                self.connection(format_args!("Client {client_id} disconnected: {why}."));
            }
            Notice::SessionEnded { client_id } => {
                self.losing.remove(&client_id);
                self.log.line(LogType::Debug, format_args!("The session of client {client_id} has ended."));
            }
            Notice::Subscribed { client_id, filter, reason } => {
                self.log.line(LogType::Subscribe, format_args!("{client_id} {} {filter}", reason.0));
            }
            Notice::Unsubscribed { client_id, filter } => {
                self.log.line(LogType::Unsubscribe, format_args!("{client_id} {filter}"));
            }
            // What the broker itself publishes is not worth a line, least of all a published one.
            Notice::Published { client_id: None, .. } => {}
            Notice::Published { client_id: Some(client_id), topic, len } => {
                self.log.line(
                    LogType::Debug,
                    format_args!("Received PUBLISH from {client_id} ('{topic}', ... ({len} bytes))"),
                );
            }
            Notice::Dropped { client_id, topic, why } => self.dropped(client_id, &topic, why),
            Notice::TurnedAway { origin, maximum } => {
                let from = origin.address.as_deref().unwrap_or("this process");
                self.connection(format_args!(
                    "Client connection from {from} denied: max_connections exceeded ({maximum} are there)."
                ));
            }
            Notice::AcceptFailed { listener, why, failures } => {
                let text =
                    format!("Error: listener {} cannot accept connections ({failures} times): {why}.", listener + 1);
                self.log.line(LogType::Error, text);
            }
            // A kind that is newer than this program.
            other => self.log.line(LogType::Debug, format_args!("{other:?}")),
        }
    }

    fn connection(&self, text: std::fmt::Arguments<'_>) {
        if self.connections {
            self.log.line(LogType::Notice, text);
        }
    }

    fn dropped(&mut self, client_id: Option<Text>, topic: &str, why: DropReason) {
        let who = client_id.as_ref().map_or("nobody in particular", |id| id.as_str()).to_owned();
        let (kind, text) = match why {
            DropReason::QueueFull | DropReason::MemoryFull => {
                if client_id.is_none_or(|id| self.losing.insert(id)) {
                    let text = format!("Outgoing messages are being dropped for client {who}: {}.", full(why));
                    self.log.line(LogType::Notice, text);
                }
                return;
            }
            DropReason::Refused(reason) => (LogType::Debug, format!("Denied PUBLISH from {who} ('{topic}'): {reason}")),
            DropReason::Expired => (LogType::Debug, format!("A message for {who} expired ('{topic}')")),
            DropReason::Unsendable => (LogType::Debug, format!("A message cannot be sent to {who} ('{topic}')")),
            DropReason::RefusedByClient(reason) => {
                (LogType::Debug, format!("{who} refused a message ('{topic}'): {reason}"))
            }
            DropReason::NoMember => {
                (LogType::Debug, format!("No member of the share group takes a message ('{topic}')"))
            }
        };
        self.log.line(kind, text);
    }
}

fn full(why: DropReason) -> &'static str {
    if why == DropReason::MemoryFull {
        "all queues together are full"
    } else {
        "its queue is full (max_queued_messages, max_queued_bytes)"
    }
}

fn address(client: &ClientInfo) -> &str {
    client.origin.address.as_deref().unwrap_or("this process")
}
