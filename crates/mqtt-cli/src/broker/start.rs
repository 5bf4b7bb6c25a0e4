//! From settings to a running server.

use std::net::{Ipv6Addr, TcpListener};
use std::num::NonZeroU16;
use std::path::Path;
use std::time::Duration;

use mqtt_broker::access::AccessPolicy;
use mqtt_broker::{Config, Listener, ListenerConfig, Notice, Server};
use mqtt_tokio::{QoS, Text};

use super::conf::{self, Domain, ListenerPlace, Settings};

/// Starts the server. The error is for the user.
pub(super) fn start(
    settings: &Settings,
    policy: AccessPolicy,
    on_notice: impl FnMut(Notice) + Send + 'static,
) -> Result<Server, String> {
    let mut builder = Server::builder().config(config(settings)?).policy(policy).on_notice(on_notice);
    for listener in &settings.listeners {
        builder = builder.listen(socket(listener)?);
    }
    builder.start().map_err(|error| error.to_string())
}

/// Whether this machine has ::1, on which a broker for this machine alone listens, too.
pub(super) fn has_ipv6_loopback() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

/// Whoever is in the broker's group may connect to its Unix socket, and nobody else: as with Mosquitto.
#[cfg(unix)]
pub(super) fn let_group_in(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;

    let rights = std::fs::Permissions::from_mode(0o770);
    std::fs::set_permissions(path, rights)
        .map_err(|error| format!("cannot set the permissions of the socket {}: {error}", path.display()))
}

#[cfg(not(unix))]
pub(super) fn let_group_in(_path: &Path) -> Result<(), String> {
    Ok(())
}

fn socket(listener: &conf::Listener) -> Result<Listener, String> {
    let mut socket = match &listener.place {
        ListenerPlace::Port(port) => Listener::port(*port),
        ListenerPlace::Host(host, port) if host.contains(':') => Listener::tcp(format!("[{host}]:{port}")),
        ListenerPlace::Host(host, port) => Listener::tcp(format!("{host}:{port}")),
        #[cfg(unix)]
        ListenerPlace::Unix(path) => Listener::unix(path),
        #[cfg(not(unix))]
        ListenerPlace::Unix(path) => unreachable!("{}: the configuration refuses it", path.display()),
    };
    socket = match listener.domain {
        Some(Domain::Ipv4) => socket.ipv4_only(),
        Some(Domain::Ipv6) => socket.ipv6_only(),
        None => socket,
    };
    if let Some(interface) = &listener.interface {
        socket = socket.interface(interface);
    }
    if let Some(limit) = listener.max_connections {
        socket = socket.maximum_connections(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    Ok(socket.config(of_its_own(listener)?))
}

/// What holds for the clients of one listener.
fn of_its_own(listener: &conf::Listener) -> Result<ListenerConfig, String> {
    let prefix = &listener.access.auto_id_prefix;
    let prefix = Text::try_from(prefix.as_str()).map_err(|error| format!("auto_id_prefix '{prefix}': {error}"))?;
    Ok(ListenerConfig {
        maximum_qos: Some(match listener.max_qos {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        }),
        topic_alias_maximum: Some(listener.max_topic_alias),
        allow_empty_client_id: Some(listener.access.allow_zero_length_clientid),
        assigned_id_prefix: Some(prefix),
    })
}

/// Where Mosquitto has no limit we have one that is out of the way, or none.
fn config(settings: &Settings) -> Result<Config, String> {
    let size = |limit: u64| if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
    let limits = settings.listeners.iter().map(|listener| listener.max_connections.map(u64::from));
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(|error| format!("the system has no random number to give: {error}"))?;
    Ok(Config {
        maximum_connections: limits
            .sum::<Option<u64>>()
            .map_or(usize::MAX, |sum| usize::try_from(sum).unwrap_or(usize::MAX)),
        maximum_queued_messages: size(settings.max_queued_messages),
        maximum_queued_bytes: size(settings.max_queued_bytes),
        queue_qos0: settings.queue_qos0_messages,
        maximum_retained_messages: 1_000_000,
        maximum_retained_messages_per_client: 500_000,
        maximum_retained_bytes_per_client: 128 << 20,
        maximum_inflight: NonZeroU16::new(settings.max_inflight_messages).unwrap_or(NonZeroU16::MAX),
        maximum_packet_size: settings.max_packet_size.unwrap_or(conf::LARGEST_PACKET),
        message_size_limit: usize::try_from(settings.message_size_limit).ok().filter(|limit| *limit > 0),
        maximum_keep_alive: NonZeroU16::new(settings.max_keepalive).filter(|limit| *limit < NonZeroU16::MAX),
        maximum_session_expiry: settings.persistent_client_expiration,
        maximum_sessions: 1_000_000,
        retain_available: settings.retain_available,
        status_interval: Duration::from_secs(settings.sys_interval.into()),
        seed: u64::from_le_bytes(seed),
        ..Config::default()
    })
}
