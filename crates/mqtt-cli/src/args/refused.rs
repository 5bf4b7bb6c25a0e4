//! Options of Mosquitto's tools that this program does not have: each is refused by name, with the reason.

use super::UsageError;

/// Why `option` is not taken by this command.
pub(super) fn refuse(option: &str, other_command: &str, options_of_other: &[&str]) -> UsageError {
    if let Some((_, why)) = REFUSED.iter().find(|(name, _)| *name == option) {
        return UsageError(format!("{option}: {why}"));
    }
    if options_of_other.contains(&option) {
        return UsageError(format!("{option} is an option of 'mqtt {other_command}', not of this command"));
    }
    UsageError(format!("{option} is not an option of this command; --help lists them"))
}

const REFUSED: &[(&str, &str)] = &[
    ("--cafile", TLS),
    ("--capath", TLS),
    ("--cert", TLS),
    ("--ciphers", TLS),
    ("--insecure", TLS),
    ("--key", TLS),
    ("--keyform", TLS),
    ("--psk", TLS),
    ("--psk-identity", TLS),
    ("--tls-alpn", TLS),
    ("--tls-engine", TLS),
    ("--tls-engine-kpass-sha1", TLS),
    ("--tls-keylog", TLS),
    ("--tls-use-os-certs", TLS),
    ("--tls-version", TLS),
    ("--proxy", "proxies are not supported yet; this version connects directly, over TCP"),
    ("--ws", "WebSocket is not supported yet; this version speaks MQTT over TCP"),
    // Taken where there are any.
    ("--unix", "this system has no Unix sockets; connect over TCP"),
    ("-S", "DNS service records are not looked up; give the broker with -h and -p"),
    ("-o", "options files are not read; write the options on the command line"),
    ("--random-filter", "random filtering is not supported; filter what is printed instead"),
    ("-w", WATCH),
    ("--watch", WATCH),
    ("--message-rate", "message rates are not counted; count the printed lines instead"),
];

const TLS: &str = "TLS is not supported yet; this version speaks MQTT over plain TCP";
const WATCH: &str = "the watch display is not supported; 'mqtt sub -v' prints a line per message";
