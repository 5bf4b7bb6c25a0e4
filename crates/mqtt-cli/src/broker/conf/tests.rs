use std::fs;

use tempfile::TempDir;

use super::*;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Writes a file, whose text may name the folder as FOLDER.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text.replace("FOLDER", self.0.path().to_str().unwrap())).unwrap();
        path
    }

    fn read(&self) -> Result<Settings, Vec<String>> {
        let folder = format!("{}/", self.0.path().display());
        Settings::read(&self.0.path().join("a.conf"))
            .map_err(|errors| errors.iter().map(|error| error.to_string().replace(&folder, "")).collect())
    }
}

fn read(text: &str) -> Result<Settings, Vec<String>> {
    let folder = Folder::new();
    folder.write("a.conf", text);
    folder.read()
}

fn settings(text: &str) -> Settings {
    read(text).unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// The errors, each of which must be of one line and end with what to do.
#[track_caller]
fn errors(text: &str) -> Vec<String> {
    match read(text) {
        Ok(settings) => panic!("{settings:?}"),
        Err(errors) => {
            assert!(errors.iter().all(|error| !error.contains('\n')), "{errors:?}");
            errors
        }
    }
}

#[track_caller]
fn error(text: &str) -> String {
    let mut errors = errors(text);
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.remove(0)
}

/// What this project's users run, word for word, and the same with its one word mended.
const USERS: &str = include_str!("../../../tests/conf/users.conf");
const MENDED: &str = include_str!("../../../tests/conf/users-mended.conf");

#[test]
fn the_contradiction_in_our_users_file_is_told_with_its_line_and_remedy_beside_the_websockets() {
    assert_eq!(
        errors(USERS),
        [
            "a.conf:18: protocol: websockets: WebSocket is not supported yet; delete this listener, or stay with Mosquitto for it",
            "a.conf:22: protocol: websockets: WebSocket is not supported yet; delete this listener, or stay with Mosquitto for it",
            "a.conf:23: socket_domain: 'ipv4' contradicts the address '::' of the listener in line 21, which is IPv6; write \
         'socket_domain ipv6' here, or an IPv4 address such as 0.0.0.0 there",
        ]
    );
}

#[test]
fn our_users_mended_file_runs_but_for_websockets() {
    let found = errors(MENDED);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|error| error.contains("WebSocket is not supported yet")), "{found:?}");

    let lines: Vec<_> = MENDED.lines().collect();
    let without: Vec<_> = lines[..15].iter().chain(&lines[24..]).copied().collect();
    let settings = settings(&without.join("\n"));
    let listener = |host: &str, domain| Listener {
        place: ListenerPlace::Host(host.to_owned(), 1883),
        domain: Some(domain),
        interface: None,
        max_connections: None,
        max_qos: 2,
        max_topic_alias: 10,
        access: Access {
            allow_anonymous: true,
            allow_zero_length_clientid: true,
            auto_id_prefix: "auto-".into(),
            password_file: Some("/etc/mosquitto/pwfile.example".into()),
            acl_file: None,
        },
    };
    assert_eq!(settings.listeners, [listener("0.0.0.0", Domain::Ipv4), listener("::", Domain::Ipv6)]);
    assert!(!settings.local_only);
}

#[test]
fn without_a_listener_only_this_machine_comes_in_and_without_a_password() {
    for settings in [Settings::without_file(), settings(""), settings("# nothing\n\n"), settings("max_connections 5")] {
        let hosts: Vec<_> = settings.listeners.iter().map(|listener| listener.place.clone()).collect();
        assert_eq!(hosts, ["127.0.0.1", "::1"].map(|host| ListenerPlace::Host(host.into(), 1883)));
        assert!(settings.local_only && settings.listeners.iter().all(|listener| listener.access.allow_anonymous));
    }
    assert_eq!(settings("max_connections 5").listeners[0].max_connections, Some(5));
    assert!(!settings("allow_anonymous false").listeners[0].access.allow_anonymous);
}

#[test]
fn with_a_listener_nobody_comes_in_without_a_password_unless_the_file_says_so() {
    for text in ["listener 1883", "port 1883", "bind_address 127.0.0.1"] {
        let settings = settings(text);
        assert_eq!(settings.listeners.len(), 1);
        assert!(!settings.local_only && !settings.listeners[0].access.allow_anonymous, "{text}");
    }
    assert!(settings("listener 1883\nallow_anonymous true").listeners[0].access.allow_anonymous);
}

#[test]
fn listeners_of_every_kind_are_read() {
    let place = |text: &str| settings(text).listeners[0].place.clone();
    assert_eq!(place("listener 1883"), ListenerPlace::Port(1883));
    assert_eq!(place("listener 1883 # everywhere"), ListenerPlace::Port(1883));
    assert_eq!(place("  listener   1883   broker.example"), ListenerPlace::Host("broker.example".into(), 1883));
    assert_eq!(place("listener 0 /run/a b.sock"), ListenerPlace::Unix("/run/a b.sock".into()));
    assert_eq!(place("port 1884"), ListenerPlace::Port(1884));
    assert_eq!(place("port 1884\nport 1885"), ListenerPlace::Port(1885));
    assert_eq!(place("bind_address ::1\nport 1884"), ListenerPlace::Host("::1".into(), 1884));
    assert_eq!(place("bind_address 127.0.0.1"), ListenerPlace::Host("127.0.0.1".into(), 1883));
    assert_eq!(settings("listener 1883\nport 1884").listeners.len(), 2);
}

#[test]
fn directives_about_a_listener_belong_to_the_one_above_them() {
    let settings = settings(
        "port 1882\nmax_connections 1\nlistener 1883\nmax_connections 2\nbind_interface lo\nlistener 1884\n\
         max_connections -1\nlistener 1885\nsocket_domain ipv6\nmax_connections 4\nmax_connections 5",
    );
    let limits: Vec<_> = settings.listeners.iter().map(|listener| listener.max_connections).collect();
    assert_eq!(limits, [Some(1), Some(2), None, Some(5)]);
    assert_eq!(settings.listeners[1].interface.as_deref(), Some("lo"));
    assert_eq!(settings.listeners[2].interface, None);
    assert_eq!(settings.listeners[3].domain, Some(Domain::Ipv6));
}

#[test]
fn a_directive_about_a_listener_above_the_first_one_is_told_to_move() {
    assert_eq!(
        error("max_connections 5\nlistener 1883"),
        "a.conf:1: max_connections: stands above the first 'listener' of its file and so belongs to none; move it below \
         the listener that it is for"
    );
    let text = "per_listener_settings true\npassword_file /p\nlistener 1883";
    assert!(error(text).starts_with("a.conf:2: password_file: stands above the first 'listener'"));
}

#[test]
fn access_is_common_to_all_listeners_or_each_ones_own() {
    let common = settings("listener 1883\nallow_anonymous true\nlistener 1884\nacl_file /a");
    assert!(common.listeners.iter().all(|listener| listener.access.allow_anonymous));
    assert!(common.listeners.iter().all(|listener| listener.access.acl_file == Some("/a".into())));

    let own = settings(
        "per_listener_settings true\nlistener 1883\nallow_anonymous true\nlistener 1884\npassword_file /p\nport 1882",
    );
    let anonymous: Vec<_> = own.listeners.iter().map(|listener| listener.access.allow_anonymous).collect();
    assert_eq!(anonymous, [false, true, false]);
    assert_eq!(own.listeners[2].access.password_file, Some("/p".into()));
    assert_eq!(own.listeners[1].access.password_file, None);

    let late = error("allow_anonymous true\nper_listener_settings true");
    assert!(late.starts_with("a.conf:2: per_listener_settings: must stand before"), "{late}");
}

#[test]
fn quality_aliases_and_identifiers_are_each_listeners_own() {
    let of_all = |text: &str| -> Vec<_> {
        let listeners = settings(text).listeners.into_iter();
        let own = |listener: Listener| {
            let Access { allow_zero_length_clientid, auto_id_prefix, .. } = listener.access;
            (listener.max_qos, listener.max_topic_alias, allow_zero_length_clientid, auto_id_prefix)
        };
        listeners.map(own).collect()
    };
    let two = "listener 1883\nmax_qos 1\nmax_topic_alias 0\nlistener 1884\nmaximum_qos 0";
    assert_eq!(of_all(two), [(1, 0, true, "auto-".into()), (0, 10, true, "auto-".into())]);
    let access = "\nallow_zero_length_clientid false\nauto_id_prefix a-";
    let common = format!("listener 1883{access}\nlistener 1884");
    assert_eq!(of_all(&common), [(2, 10, false, "a-".into()), (2, 10, false, "a-".into())], "access is common to all");
    let own = format!("per_listener_settings true\n{common}\nauto_id_prefix b-");
    assert_eq!(of_all(&own), [(2, 10, false, "a-".into()), (2, 10, true, "b-".into())]);
}

#[test]
fn defaults_are_those_of_mosquitto() {
    let settings = settings("listener 1883");
    assert_eq!(settings.max_inflight_messages, 20);
    assert_eq!(settings.max_queued_messages, 1_000);
    assert_eq!((settings.max_queued_bytes, settings.message_size_limit, settings.max_packet_size), (0, 0, None));
    assert_eq!((settings.max_keepalive, settings.sys_interval), (65_535, 10));
    assert_eq!(settings.persistent_client_expiration, None);
    assert!(settings.retain_available && settings.connection_messages && !settings.queue_qos0_messages);
    assert!(settings.check_retain_source);
    let log = settings.log;
    assert!(log.stderr && !log.stdout && !log.topic && log.file.is_none() && log.timestamp);
    assert_eq!(log.types, LogType::DEFAULT);
}

#[test]
fn every_directive_sets_what_it_names() {
    let settings = settings(
        "listener 1883\nmax_inflight_messages 0\nmax_queued_messages 7\nmax_queued_bytes 8\nmessage_size_limit 9\n\
         max_packet_size 20\nmax_keepalive 10\npersistent_client_expiration 2w\nqueue_qos0_messages true\n\
         retain_available false\nsys_interval 0\nconnection_messages false\npid_file /p i d\nmaximum_qos 1\n\
         max_topic_alias 0\nallow_zero_length_clientid false\nauto_id_prefix my-\n\
         check_retain_source false",
    );
    assert_eq!((settings.max_inflight_messages, settings.max_queued_messages, settings.max_queued_bytes), (0, 7, 8));
    assert_eq!((settings.message_size_limit, settings.max_packet_size, settings.max_keepalive), (9, Some(20), 10));
    assert_eq!(settings.persistent_client_expiration, Some(1_209_600));
    assert!(settings.queue_qos0_messages && !settings.retain_available && !settings.connection_messages);
    assert!(!settings.check_retain_source);
    assert_eq!((settings.sys_interval, settings.pid_file), (0, Some("/p i d".into())));
    let listener = &settings.listeners[0];
    assert_eq!((listener.max_qos, listener.max_topic_alias), (1, 0));
    assert!(!listener.access.allow_zero_length_clientid);
    assert_eq!(listener.access.auto_id_prefix, "my-");
}

#[test]
fn durations_and_limits_are_read_as_mosquitto_reads_them() {
    for (text, seconds) in [("1h", 3_600), ("1d", 86_400), ("1w", 604_800), ("2m", 5_184_000), ("1y", 31_536_000)] {
        let text = format!("persistent_client_expiration {text}");
        assert_eq!(settings(&text).persistent_client_expiration, Some(seconds));
    }
    assert_eq!(settings("persistent_client_expiration 999y").persistent_client_expiration, Some(u32::MAX));
    assert_eq!(settings("max_queued_messages -1").max_queued_messages, 0);
    assert_eq!(settings("max_inflight_messages -1").max_inflight_messages, 0);
    assert_eq!(settings("max_queued_bytes 1\nmax_queued_bytes 2").max_queued_bytes, 2);
}

#[test]
fn logs_go_where_the_file_says() {
    let log = settings("log_dest stdout\nlog_dest topic\nlog_dest file /var/log/a b\nlog_timestamp false").log;
    assert!(log.stdout && log.topic && !log.stderr && !log.timestamp);
    assert_eq!(log.file, Some("/var/log/a b".into()));
    let none = settings("log_dest stdout\nlog_dest none\nlog_timestamp_format %H:%M").log;
    assert!(!none.stdout && !none.stderr);
    assert_eq!(none.timestamp_format.as_deref(), Some("%H:%M"));
    assert_eq!(settings("log_type debug\nlog_type subscribe").log.types, [LogType::Debug, LogType::Subscribe]);
    assert_eq!(settings("log_type all").log.types, LogType::ALL);
    assert_eq!(settings("log_type error\nlog_type none").log.types, []);
}

#[test]
fn every_mistake_is_answered_with_the_line_the_rule_and_the_remedy() {
    for (text, words) in [
        ("listener", "listener: the value is missing"),
        ("listener mqtt", "listener: takes a number from 0 to 65535, not 'mqtt'"),
        ("listener 65536", "from 0 to 65535"),
        ("listener 0", "write 'listener 0 /path/of/socket'"),
        ("listener 0 # none", "write 'listener 0 /path/of/socket'"),
        ("listener 1883 a b", "takes a port and an address, not '1883 a b'"),
        ("port 0", "port: takes a number from 1 to 65535"),
        ("listener 1\nsocket_domain ipv5", "takes ipv4 or ipv6, not 'ipv5'"),
        ("listener 1\nprotocol amqp", "takes mqtt, not 'amqp'"),
        (
            "listener 1 127.0.0.1\nsocket_domain ipv6",
            "write 'socket_domain ipv4' here, or an IPv6 address such as :: there",
        ),
        ("bind_address ::\nsocket_domain ipv4", "socket_domain: 'ipv4' contradicts the address '::'"),
        ("listener 0 /s\nbind_interface lo", "bind_interface: the listener in line 1 is the Unix socket /s"),
        ("listener 0 /s\nsocket_domain ipv4", "delete the line"),
        ("listener 1\nmax_connections many", "not 'many'"),
        ("listener 1\nmax_qos 3", "max_qos: takes a number from 0 to 2"),
        ("allow_anonymous yes", "allow_anonymous: takes true or false, not 'yes'"),
        ("allow_anonymous true false", "takes one value, not 'true false'"),
        ("allow_anonymous # true", "write it before the '#'"),
        ("password_file", "password_file: the value is missing"),
        ("password_file /a\npassword_file /b", "a.conf:1 already; delete one of the two"),
        ("max_keepalive 9", "from 10 to 65535"),
        ("max_packet_size 19", "from 20 to 268435460"),
        ("message_size_limit 268435456", "from 0 to 268435455"),
        ("max_inflight_messages 65536", "to 65535"),
        ("persistent_client_expiration 5", "for example 14d"),
        ("persistent_client_expiration 0d", "for example 14d"),
        ("persistent_client_expiration d", "for example 14d"),
        ("sys_interval 65536", "to 65535"),
        ("log_dest", "log_dest: the value is missing"),
        ("log_dest file", "file: the path is missing"),
        ("log_dest syslog", "syslog is not supported; log to stderr"),
        ("log_dest paper", "takes stdout, stderr"),
        ("log_type websockets", "WebSocket is not supported yet"),
        ("log_type some", "takes error, warning"),
        ("persistance true", "persistance: unknown; compare the spelling"),
        ("Listener 1883", "Listener: unknown"),
        ("include_dir /no/such/folder", "include_dir: cannot read the folder /no/such/folder: "),
    ] {
        let found = error(text);
        let last = text.lines().count();
        assert!(found.starts_with(&format!("a.conf:{last}: ")) && found.contains(words), "{text:?}: {found}");
    }
}

#[test]
fn what_mosquitto_has_and_we_have_not_is_refused_by_name_unless_it_asks_for_nothing() {
    for name in refused::names() {
        let name = name.replace('*', "x");
        // The one that is refused for being false.
        let value = if name == "set_tcp_nodelay" { 0 } else { 1 };
        let found = error(&format!("{name} {value}"));
        assert!(found.starts_with(&format!("a.conf:1: {name}: ")) && !found.contains("unknown"), "{found}");
        assert!(found.contains("delete"), "{found}");
    }
    settings(
        "persistence false\nautosave_on_changes false\nrequire_certificate false\nuse_username_as_clientid 0\n\
         upgrade_outgoing_qos false\nset_tcp_nodelay true\nmax_inflight_bytes 0",
    );
}

#[test]
fn all_errors_of_all_files_are_told_in_the_order_in_which_they_are_read() {
    let folder = Folder::new();
    folder.write("a.conf", "x 1\nmax_connections 1\ninclude_dir FOLDER/d\ny 1\nlistener 1883\n");
    folder.write("d/B.conf", "z 1\ninclude_dir FOLDER\n");
    folder.write("d/b.conf", "listener 1884\nsocket_domain ipv5\n");
    folder.write("d/a.conf", "max_keepalive 1\n");
    folder.write("d/c.txt", "not read\n");
    let found = folder.read().unwrap_err();
    let places: Vec<_> = found.iter().map(|error| error.split(": ").take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        places,
        [
            "a.conf:1 x",
            "a.conf:2 max_connections",
            "d/a.conf:1 max_keepalive",
            "d/B.conf:1 z",
            "d/B.conf:2 include_dir",
            "d/b.conf:2 socket_domain",
            "a.conf:4 y",
        ]
    );
}

#[test]
fn a_listener_of_an_included_file_ends_with_it() {
    let folder = Folder::new();
    folder.write("a.conf", "listener 1883\ninclude_dir FOLDER/d\nmax_connections 1\n");
    folder.write("d/a.conf", "listener 1884\nmax_connections 2\n");
    let limits: Vec<_> = folder.read().unwrap().listeners.iter().map(|listener| listener.max_connections).collect();
    assert_eq!(limits, [Some(1), Some(2)]);
}

#[test]
fn files_that_cannot_be_read_are_errors() {
    let folder = Folder::new();
    assert!(folder.read().unwrap_err()[0].starts_with("cannot read a.conf: "));
    fs::write(folder.0.path().join("a.conf"), b"listener 1883\npid_file \xff\n").unwrap();
    assert_eq!(folder.read().unwrap_err(), ["a.conf:2: the line is not UTF-8 text; save the file as UTF-8"]);
}

/// The rows of the table in docs/broker.md: names and state.
fn documented() -> Vec<(String, String)> {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/broker.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let state = cells[2].to_owned();
        let names: Vec<_> = cells[1].split(", ").map(|name| name.trim_matches('`').to_owned()).collect();
        names.into_iter().map(move |name| (name, state.clone()))
    })
    .collect()
}

#[test]
fn the_documentation_lists_every_directive_with_its_state() {
    let documented = documented();
    for (name, state) in &documented {
        let found = errors(&name.replace('*', "x"));
        let is_refused = refused::names().any(|refused| refused == name);
        match state.as_str() {
            "yes" => assert!(!is_refused && found[0].contains("the value is missing"), "{name}: {found:?}"),
            "partly" => assert!(found[0].contains("the value is missing"), "{name}: {found:?}"),
            "no" => assert!(is_refused, "{name}: {found:?}"),
            other => panic!("{name}: {other}"),
        }
    }
    let is_documented = |name: &str| documented.iter().any(|(documented, _)| documented == name);
    for name in refused::names().chain(SUPPORTED.iter().copied()) {
        assert!(is_documented(name), "{name}");
    }
}

/// What the issue asks for, and what is here beyond it.
const SUPPORTED: &[&str] = &[
    "acl_file",
    "allow_anonymous",
    "allow_zero_length_clientid",
    "auto_id_prefix",
    "bind_address",
    "bind_interface",
    "check_retain_source",
    "connection_messages",
    "include_dir",
    "listener",
    "log_dest",
    "log_timestamp",
    "log_timestamp_format",
    "log_type",
    "max_connections",
    "max_inflight_messages",
    "max_keepalive",
    "max_packet_size",
    "max_qos",
    "max_queued_bytes",
    "max_queued_messages",
    "max_topic_alias",
    "maximum_qos",
    "message_size_limit",
    "password_file",
    "per_listener_settings",
    "persistent_client_expiration",
    "pid_file",
    "port",
    "protocol",
    "queue_qos0_messages",
    "retain_available",
    "socket_domain",
    "sys_interval",
];
