//! From the draft to the settings: defaults, and what contradicts itself.

use std::net::IpAddr;
use std::path::PathBuf;

use super::directive::{AccessDraft, Draft, ListenerDraft, LogDraft, Placed};
use super::value::LogType;
use super::{Access, ConfError, Domain, Listener, ListenerPlace, LogSettings, Place, Settings};

/// What was said, or everything that is wrong with it.
pub(super) fn finish(mut draft: Draft) -> Result<Settings, Vec<ConfError>> {
    let asks_for_default = draft.port.is_some() || draft.bind_address.is_some();
    let local_only = draft.listeners.is_empty() && !asks_for_default;
    let mut errors = std::mem::take(&mut draft.errors);
    let mut drafts = std::mem::take(&mut draft.listeners);
    let default_listener = std::mem::take(&mut draft.default_listener);
    if asks_for_default {
        drafts.insert(0, the_default(&draft, default_listener));
    } else if local_only {
        drafts.extend(local(&default_listener));
    } else {
        errors.extend(homeless(&default_listener));
    }
    drafts.iter().for_each(|listener| errors.extend(contradictions(listener)));
    let listeners = drafts.into_iter().map(|listener| listener.finish(&draft, local_only)).collect();
    errors.sort_by_key(|error| error.place.as_ref().map(|place| place.order));
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(Settings {
        listeners,
        local_only,
        check_retain_source: draft.check_retain_source.unwrap_or(true),
        connection_messages: draft.connection_messages.unwrap_or(true),
        log: draft.log.finish(),
        max_inflight_messages: draft.max_inflight_messages.unwrap_or(20),
        max_keepalive: draft.max_keepalive.unwrap_or(u16::MAX),
        max_packet_size: draft.max_packet_size,
        max_queued_bytes: draft.max_queued_bytes.unwrap_or(0),
        max_queued_messages: draft.max_queued_messages.unwrap_or(1_000),
        message_size_limit: draft.message_size_limit.unwrap_or(0),
        persistent_client_expiration: draft.persistent_client_expiration,
        pid_file: draft.pid_file.map(|(path, _)| path),
        queue_qos0_messages: draft.queue_qos0_messages.unwrap_or(false),
        retain_available: draft.retain_available.unwrap_or(true),
        sys_interval: draft.sys_interval.unwrap_or(10),
    })
}

/// The listener of `port` and `bind_address`.
fn the_default(draft: &Draft, mut listener: ListenerDraft) -> ListenerDraft {
    let port = draft.port.as_ref().map_or(DEFAULT_PORT, |(port, _)| *port);
    let place = match &draft.bind_address {
        Some((host, _)) => ListenerPlace::Host(host.clone(), port),
        None => ListenerPlace::Port(port),
    };
    listener.host = Some(place);
    listener.stands = draft.bind_address.as_ref().map(|(_, place)| place.clone());
    listener
}

/// Both loopback addresses, with what was said about the default listener.
fn local(listener: &ListenerDraft) -> impl Iterator<Item = ListenerDraft> {
    let listener = listener.clone();
    LOOPBACK.into_iter().map(move |host| {
        let mut listener = listener.clone();
        listener.host = Some(ListenerPlace::Host(host.to_owned(), DEFAULT_PORT));
        listener
    })
}

/// Directives about a listener above the first one.
fn homeless(listener: &ListenerDraft) -> Vec<ConfError> {
    let error = |(name, place): &(String, Place)| ConfError {
        place: Some(place.clone()),
        text: format!(
            "{name}: stands above the first 'listener' of its file and so belongs to none; move it below the listener that \
             it is for"
        ),
    };
    listener.directives.iter().map(error).collect()
}

/// What a listener says against itself.
fn contradictions(listener: &ListenerDraft) -> Vec<ConfError> {
    let (Some(place), Some(stands)) = (&listener.host, &listener.stands) else { return Vec::new() };
    let mut errors = Vec::new();
    let mut error = |place: &Place, text: String| errors.push(ConfError { place: Some(place.clone()), text });
    match place {
        ListenerPlace::Unix(path) => {
            let domain = listener.domain.as_ref().map(|(_, place)| ("socket_domain", place));
            let interface = listener.interface.as_ref().map(|(_, place)| ("bind_interface", place));
            for (name, place) in domain.into_iter().chain(interface) {
                let path = path.display();
                error(
                    place,
                    format!("{name}: the listener in line {} is the Unix socket {path}; delete the line", stands.line),
                );
            }
        }
        ListenerPlace::Host(host, _) => {
            if let Some((domain, place)) = &listener.domain {
                if let Some(text) = wrong_family(host, *domain, stands) {
                    error(place, text);
                }
            }
        }
        ListenerPlace::Port(_) => {}
    }
    errors
}

/// An address of one family with the other one's `socket_domain`.
fn wrong_family(host: &str, domain: Domain, stands: &Place) -> Option<String> {
    let address: IpAddr = host.parse().ok()?;
    let (said, family, right, example) = match (domain, address) {
        (Domain::Ipv4, IpAddr::V6(_)) => ("ipv4", "IPv6", "ipv6", "IPv4 address such as 0.0.0.0"),
        (Domain::Ipv6, IpAddr::V4(_)) => ("ipv6", "IPv4", "ipv4", "IPv6 address such as ::"),
        (Domain::Ipv4, IpAddr::V4(_)) | (Domain::Ipv6, IpAddr::V6(_)) => return None,
    };
    Some(format!(
        "socket_domain: '{said}' contradicts the address '{host}' of the listener in line {}, which is {family}; write \
         'socket_domain {right}' here, or an {example} there",
        stands.line
    ))
}

impl ListenerDraft {
    fn finish(self, draft: &Draft, local_only: bool) -> Listener {
        let access = if draft.per_listener_settings { &self.access } else { &draft.access };
        Listener {
            // There is always one, but where `listener` itself is wrong; and then this is not used.
            place: self.host.unwrap_or(ListenerPlace::Port(DEFAULT_PORT)),
            domain: self.domain.map(|(domain, _)| domain),
            interface: self.interface.map(|(name, _)| name),
            max_connections: self.max_connections.flatten(),
            max_qos: self.max_qos.unwrap_or(DEFAULT_QOS),
            max_topic_alias: self.max_topic_alias.unwrap_or(DEFAULT_ALIASES),
            access: access.finish(local_only),
        }
    }
}

impl AccessDraft {
    fn finish(&self, local_only: bool) -> Access {
        let placed = |path: &Placed<PathBuf>| path.as_ref().map(|(path, _)| path.clone());
        let prefix = self.auto_id_prefix.as_ref();
        Access {
            // Mosquitto lets everybody on this machine in even where the file says false. Here false is false.
            allow_anonymous: self.allow_anonymous.unwrap_or(local_only),
            allow_zero_length_clientid: self.allow_zero_length_clientid.unwrap_or(true),
            auto_id_prefix: prefix.map_or_else(|| DEFAULT_PREFIX.to_owned(), |(prefix, _)| prefix.clone()),
            password_file: placed(&self.password_file),
            acl_file: placed(&self.acl_file),
        }
    }
}

impl LogDraft {
    fn finish(self) -> LogSettings {
        LogSettings {
            stdout: self.stdout,
            stderr: self.stderr || !self.dest_is_set,
            topic: self.topic,
            file: self.file.map(|(path, _)| path),
            types: self.types.unwrap_or_else(|| LogType::DEFAULT.to_vec()),
            timestamp: self.timestamp.unwrap_or(true),
            timestamp_format: self.timestamp_format.map(|(format, _)| format),
        }
    }
}

const LOOPBACK: [&str; 2] = ["127.0.0.1", "::1"];
const DEFAULT_PORT: u16 = 1883;
const DEFAULT_QOS: u8 = 2;
const DEFAULT_ALIASES: u16 = 10;
const DEFAULT_PREFIX: &str = "auto-";
