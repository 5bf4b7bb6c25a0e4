//! Directives of Mosquitto that this broker does not have: each is refused by name, with what to do instead.

use super::directive::Directive;

/// Why the directive is not taken. `None`: with this value it asks for nothing that is not there.
pub(super) fn refuse(directive: &Directive<'_>) -> Result<Option<&'static str>, String> {
    let (_, kind, why) = match REFUSED.iter().find(|(names, _, _)| is_among(directive.name, names)) {
        Some(found) => found,
        None => return Err("unknown; compare the spelling with mosquitto.conf(5), or delete the line".into()),
    };
    match kind {
        Kind::Flag if !directive.flag()? => Ok(None),
        Kind::Flag | Kind::Any => Ok(Some(why)),
        Kind::Zero if directive.limit(u64::MAX)? == 0 => Ok(None),
        Kind::Zero => Ok(Some(why)),
        Kind::True if directive.flag()? => Ok(None),
        Kind::True => Ok(Some(why)),
    }
}

fn is_among(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| match known.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *known,
    })
}

#[derive(Clone, Copy)]
enum Kind {
    /// Refused whatever it says.
    Any,
    /// `false` asks for nothing.
    Flag,
    /// `true` is how it is here.
    True,
    /// 0 asks for nothing.
    Zero,
}

const REFUSED: &[(&[&str], Kind, &str)] = &[
    (&["persistence", "retained_persistence"], Kind::Flag, PERSISTENCE),
    (&["persistence_file", "persistence_location", "autosave_interval"], Kind::Any, PERSISTENCE),
    (&["autosave_on_changes"], Kind::Flag, PERSISTENCE),
    (
        &[
            "cafile",
            "capath",
            "certfile",
            "keyfile",
            "crlfile",
            "dhparamfile",
            "ciphers",
            "ciphers_tls1.3",
            "tls_engine",
            "tls_engine_kpass_sha1",
            "tls_keyform",
            "tls_version",
            "psk_file",
            "psk_hint",
        ],
        Kind::Any,
        TLS,
    ),
    (&["require_certificate", "use_identity_as_username", "use_subject_as_username"], Kind::Flag, TLS),
    (&["http_dir", "websockets_log_level", "websockets_headers_size"], Kind::Any, WEBSOCKETS),
    (
        &[
            "auth_plugin",
            "plugin",
            "auth_plugin_deny_special_chars",
            "auth_opt_*",
            "plugin_opt_*",
            "plugin_load",
            "plugin_use",
        ],
        Kind::Any,
        "plugins written for Mosquitto cannot be loaded; delete the line and use password_file and acl_file, or embed the \
         crate mqtt-broker with a policy of your own",
    ),
    (
        &[
            "connection",
            "address",
            "addresses",
            "bridge_*",
            "cleansession",
            "clientid",
            "remote_clientid",
            "idle_timeout",
            "keepalive_interval",
            "lazy",
            "local_cleansession",
            "local_clientid",
            "local_password",
            "local_username",
            "notification_topic",
            "notifications",
            "notifications_local_only",
            "once",
            "password",
            "remote_password",
            "remote_username",
            "restart_timeout",
            "round_robin",
            "start_type",
            "threshold",
            "topic",
            "try_private",
            "username",
        ],
        Kind::Any,
        "bridges to other brokers are not supported; delete the line, and let Mosquitto be the end of the bridge that connects",
    ),
    (
        &["user"],
        Kind::Any,
        "this program does not change its user; delete the line and start it as that user (systemd: User=)",
    ),
    (
        &["mount_point"],
        Kind::Any,
        "listeners cannot have a topic prefix; delete the line and keep groups apart with acl_file",
    ),
    (
        &["use_username_as_clientid"],
        Kind::Flag,
        "not supported; delete the line and write patterns with %u in acl_file",
    ),
    (
        &["clientid_prefixes"],
        Kind::Any,
        "not supported, and deprecated in Mosquitto; delete the line and use password_file",
    ),
    (
        &["max_inflight_bytes"],
        Kind::Zero,
        "not supported; delete the line and limit the count with max_inflight_messages",
    ),
    (
        &["memory_limit"],
        Kind::Any,
        "not supported; delete the line, and limit max_connections, max_packet_size and max_queued_bytes",
    ),
    (&["upgrade_outgoing_qos"], Kind::Flag, "the standard forbids it and it is not supported; delete the line"),
    (
        &["allow_duplicate_messages"],
        Kind::Any,
        "deprecated in Mosquitto; delete the line: overlapping subscriptions get one copy",
    ),
    (&["set_tcp_nodelay"], Kind::True, "small messages are never held back here; delete the line, or write true"),
    (&["log_facility"], Kind::Any, "syslog is not supported; delete the line, and under systemd log to stderr"),
    (&["retry_interval"], Kind::Any, "MQTT no longer has retries on an open connection; delete the line"),
];

const PERSISTENCE: &str = "sessions and retained messages are not kept on disk yet; delete the line, or stay with Mosquitto \
                           if they must survive a restart";
const TLS: &str = "TLS is not supported yet; delete the line and put a TLS proxy in front, or stay with Mosquitto for this \
                   listener";
pub(super) const WEBSOCKETS: &str =
    "WebSocket is not supported yet; delete this listener, or stay with Mosquitto for it";

#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    REFUSED.iter().flat_map(|(names, _, _)| names.iter().copied())
}
