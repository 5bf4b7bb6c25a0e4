//! `mqtt broker` as a program: settings, reloads, signals, logs.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::log::Log;
use crate::support::{Finished, finish, mqtt, run};

/// A broker with settings of its own. It does not outlive this value.
struct Daemon {
    process: Child,
    log: Log,
    port: u16,
    folder: TempDir,
}

impl Daemon {
    /// Starts it with a listener on a port that was free a moment ago, and again if somebody else has taken it. FOLDER in
    /// the settings is a folder of the test's own, PORT the port.
    fn start(files: &[(&str, &str)], settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        for _ in 0..10 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            let settings =
                settings.replace("FOLDER", folder.path().to_str().unwrap()).replace("PORT", &port.to_string());
            let conf = folder.path().join("mqtt.conf");
            fs::write(&conf, settings).unwrap();
            let mut command = Command::new(env!("CARGO_BIN_EXE_mqtt"));
            command.args(["broker", "-c"]).arg(conf).env_remove("NOTIFY_SOCKET");
            let mut process = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
            let log = Log::of(process.stderr.take().unwrap());
            if log.wait_for(" running", 1) {
                return Self { process, log, port, folder };
            }
            process.wait().unwrap();
            assert!(log.text().contains("another program listens there"), "{}", log.text());
        }
        panic!("no port is free");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    fn wait_for(&self, text: &str, times: usize) {
        assert!(self.log.wait_for(text, times), "the broker ended:\n{}", self.log.text());
    }

    /// Reads the files again, and returns when they are in force.
    fn reload(&self) {
        let times = self.log.count("Config reloaded.");
        self.signal(Signal::HUP);
        self.wait_for("Config reloaded.", times + 1);
    }

    fn client(&self, command: &str) -> String {
        let (verb, rest) = command.split_once(' ').unwrap();
        format!("{verb} -h 127.0.0.1 -p {} {rest}", self.port)
    }

    fn run(&self, command: &str) -> Finished {
        run(&self.client(command))
    }

    /// Starts a subscriber; its subscription stands when this returns. The settings must log subscriptions.
    fn subscriber(&self, command: &str) -> Child {
        let times = self.log.count(": sub ");
        let child = mqtt(&self.client(command));
        self.wait_for(": sub ", times + 1);
        child
    }

    fn end(&mut self) -> String {
        self.signal(Signal::TERM);
        assert_eq!(self.process.wait().unwrap().code(), Some(0), "{}", self.log.text());
        assert!(!self.log.wait_for("never logged", 1));
        self.log.text()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Logs subscriptions of clients called `sub`.
const OPEN: &str = "listener PORT 127.0.0.1\nallow_anonymous true\nlog_type all\n";

fn password_file(folder: &Path, users: &[(&str, &str)]) {
    fs::write(folder.join("users"), "").unwrap();
    for (user, password) in users {
        run(&format!("passwd -b {} {user} {password}", folder.join("users").display())).assert(0, &[]);
    }
}

#[test]
fn it_carries_messages_until_a_signal_ends_it_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut child = mqtt("broker -p 0 -v");
        let log = Log::of(child.stderr.take().unwrap());
        assert!(log.wait_for(" running", 1), "{}", log.text());
        let text = log.text();
        let port = text.split("listen socket on port ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
        let subscriber = mqtt(&format!("sub -h 127.0.0.1 -p {port} -i sub -t a -q 2 -C 1"));
        assert!(log.wait_for(": sub ", 1), "{}", log.text());
        run(&format!("pub -h 127.0.0.1 -p {port} -t a -m hello -q 2")).assert(0, &[]);
        assert_eq!(finish(subscriber).stdout, "hello\n");
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(!log.wait_for("never logged", 1));
        assert!(log.text().ends_with(" terminating"), "{}", log.text());
    }
}

#[test]
fn our_users_file_is_refused_with_every_line_that_is_wrong() {
    let conf = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conf/users.conf");
    let finished = run(&format!("broker -c {conf}"));
    finished.assert(1, &["users.conf:18: protocol: websockets", "users.conf:22: protocol: websockets"]);
    let contradiction = "users.conf:23: socket_domain: 'ipv4' contradicts the address '::' of the listener in line 21";
    assert!(finished.stderr.contains(contradiction) && finished.stderr.contains("write 'socket_domain ipv6'"));
    assert_eq!(finished.stderr.lines().count(), 3);

    let mended = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conf/users-mended.conf");
    let finished = run(&format!("broker -c {mended}"));
    finished.assert(1, &["WebSocket is not supported yet"]);
    assert_eq!(finished.stderr.lines().count(), 2, "{finished:?}");
}

#[test]
fn our_users_mended_file_without_its_websockets_runs() {
    let mended = include_str!("../conf/users-mended.conf");
    let lines: Vec<_> = mended.lines().collect();
    let settings = [&lines[..15], &lines[24..]].concat().join("\n");
    let settings = settings.replace("1883", "PORT").replace("/etc/mosquitto/pwfile.example", "FOLDER/users");
    let mut broker = Daemon::start(&[("users", "")], &settings);
    broker.run("pub -t a -m b -q 1").assert(0, &[]);
    assert!(broker.end().contains("New client connected from 127.0.0.1:"));
}

#[test]
fn test_config_says_what_is_wrong_and_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("mqtt.conf");
    let test = |text: &str| {
        fs::write(&conf, text.replace("FOLDER", folder.path().to_str().unwrap())).unwrap();
        run(&format!("broker -c {} --test-config", conf.display()))
    };
    test("listener 1\nallow_anonymous true").assert(0, &["mqtt: the configuration is in order"]);
    test("listener 1\npassword_file FOLDER/users").assert(1, &["users: cannot be read"]);
    fs::write(folder.path().join("users"), "anna:plain\n").unwrap();
    fs::write(folder.path().join("rules"), "topic reed a\n").unwrap();
    let finished = test("listener 1\npassword_file FOLDER/users\nacl_file FOLDER/rules");
    finished.assert(1, &["users:1: of 'anna': the password is not hashed", "rules:1: 'reed' is not read"]);
    run(&format!("broker -p 0 -c {}", conf.display())).assert(1, &["leave it out"]);
}

#[test]
fn it_lets_in_who_has_a_password_and_allows_what_the_rules_say() {
    let mut broker = Daemon::start(
        &[("users", ""), ("rules", "topic read news\nuser anna\ntopic news\ntopic write notes\npattern read to/%c\n")],
        "listener PORT 127.0.0.1\nallow_anonymous true\npassword_file FOLDER/users\nacl_file FOLDER/rules\nlog_type all\n",
    );
    password_file(broker.folder.path(), &[("anna", "one")]);
    broker.reload();
    broker.run("pub -V 5 -t news -m x -q 1 -u anna -P two").assert(2, &["0x86"]);
    broker.run("pub -V 5 -t news -m x -q 1 -u bob -P one").assert(2, &["0x86"]);
    broker.run("pub -V 5 -t news -m x -q 1").assert(2, &["0x87"]);
    broker.run("pub -V 5 -t to/me -m x -q 1 -u anna -P one").assert(2, &["0x87"]);
    let nameless = broker.subscriber("sub -i sub -t # -v -C 1");
    broker.run("pub -t notes -m secret -q 1 -u anna -P one").assert(0, &[]);
    broker.run("pub -t news -m x -q 1 -u anna -P one").assert(0, &[]);
    assert_eq!(finish(nameless).stdout, "news x\n");
    broker.end();
}

#[test]
fn sighup_sends_away_who_is_no_longer_in_the_file_or_has_another_password() {
    let settings = "listener PORT 127.0.0.1\npassword_file FOLDER/users\nlog_type all\n";
    let mut broker = Daemon::start(&[("users", "")], settings);
    password_file(broker.folder.path(), &[("anna", "one"), ("bob", "two"), ("carl", "three")]);
    broker.reload();
    let subscribe = |user: &str, password: &str| {
        let child = mqtt(&broker.client(&format!("sub -V 5 -i {user} -t a -u {user} -P {password} -C 1")));
        broker.wait_for(&format!(": {user} "), 1);
        child
    };
    let [anna, bob, carl] = [subscribe("anna", "one"), subscribe("bob", "two"), subscribe("carl", "three")];
    let file = broker.path("users");
    run(&format!("passwd -D {} bob", file.display())).assert(0, &[]);
    run(&format!("passwd -b {} carl four", file.display())).assert(0, &[]);
    broker.reload();
    finish(bob).assert(2, &["0x87"]);
    finish(carl).assert(2, &["0x87"]);
    broker.run("pub -t a -m x -q 1 -u carl -P four").assert(0, &[]);
    assert_eq!(finish(anna).stdout, "x\n");
    broker.end();
}

// CVE-2018-12550, CVE-2018-12551
#[test]
fn after_sighup_a_garbled_file_lets_nobody_in_and_allows_nothing() {
    let settings = "listener PORT 127.0.0.1\nallow_anonymous true\nacl_file FOLDER/rules\npassword_file FOLDER/users\nlog_type all\n";
    let mut broker = Daemon::start(&[("users", ""), ("rules", "topic #\nuser anna\ntopic #\n")], settings);
    password_file(broker.folder.path(), &[("anna", "one")]);
    broker.reload();
    broker.run("pub -t a -m x -q 1 -u anna -P one").assert(0, &[]);
    fs::write(broker.path("rules"), "topic #\nuser anna\ntopic #\noops\n").unwrap();
    broker.reload();
    assert!(broker.log.text().contains("rules:4: 'oops' is not 'user', 'topic' or 'pattern'"), "{}", broker.log.text());
    broker.run("pub -V 5 -t a -m x -q 1").assert(2, &["0x87"]);
    fs::write(broker.path("rules"), "topic #\nuser anna\ntopic #\n").unwrap();
    let users = fs::read_to_string(broker.path("users")).unwrap();
    fs::write(broker.path("users"), format!("{users}oops\n")).unwrap();
    broker.reload();
    broker.run("pub -V 5 -t a -m x -q 1 -u anna -P one").assert(2, &["0x86"]);
    broker.run("pub -t a -m x -q 1").assert(0, &[]);
    fs::write(broker.path("users"), users).unwrap();
    broker.reload();
    broker.run("pub -t a -m x -q 1 -u anna -P one").assert(0, &[]);
    broker.end();
}

// CVE-2021-34434, CVE-2018-12546
#[test]
fn after_sighup_neither_a_stored_session_nor_a_retained_message_brings_what_may_no_longer_be_read() {
    let settings = "listener PORT 127.0.0.1\nallow_anonymous true\nacl_file FOLDER/rules\nlog_type all\n";
    let mut broker = Daemon::start(&[("rules", "topic #\n")], settings);
    broker.run("sub -c -i sub -t # -q 1 -E").assert(0, &[]);
    broker.run("pub -t secret -m queued -q 1").assert(0, &[]);
    broker.run("pub -t secret -m retained -q 1 -r").assert(0, &[]);
    broker.run("pub -t open -m queued -q 1").assert(0, &[]);
    fs::write(broker.path("rules"), "topic #\ntopic deny secret\n").unwrap();
    broker.reload();
    let finished = broker.run("sub -c -i sub -t + -v -q 1 -C 1");
    assert_eq!(finished.stdout, "open queued\n");
    let live = broker.subscriber("sub -i sub -t # -v -C 1");
    broker.run("pub -t open -m now -q 1").assert(0, &[]);
    assert_eq!(finish(live).stdout, "open now\n");
    broker.end();
}

#[test]
fn logs_go_to_a_file_that_sighup_opens_anew_and_to_topics() {
    let settings =
        format!("{OPEN}log_dest stderr\nlog_dest topic\nlog_dest file FOLDER/log\nlog_timestamp_format T%Y\n");
    let mut broker = Daemon::start(&[], &settings);
    let watcher = broker.subscriber("sub -i sub -t $SYS/broker/log/# -v -C 1 -T $SYS/broker/log/M/subscribe");
    broker.run("pub -i visitor -t a -m b").assert(0, &[]);
    let seen = finish(watcher).stdout;
    assert!(
        seen.starts_with("$SYS/broker/log/N T20") && seen.contains(": New client connected from 127.0.0.1:"),
        "{seen}"
    );
    fs::rename(broker.path("log"), broker.path("log.1")).unwrap();
    broker.reload();
    let (first, second) = (broker.path("log.1"), broker.path("log"));
    broker.end();
    assert!(fs::read_to_string(first).unwrap().contains("visitor"));
    assert!(fs::read_to_string(second).unwrap().ends_with(" terminating\n"));
}

#[test]
fn a_pid_file_lives_as_long_as_the_broker() {
    let mut broker = Daemon::start(&[], &format!("{OPEN}pid_file FOLDER/pid\n"));
    let file = broker.path("pid");
    assert_eq!(fs::read_to_string(&file).unwrap(), broker.process.id().to_string());
    broker.end();
    assert!(!file.exists());
}

#[test]
fn systemd_is_told_when_it_is_ready_reloading_and_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mqtt"));
    command.args(["broker", "-p", "0"]).env("NOTIFY_SOCKET", folder.path().join("notify"));
    let mut process = command.stderr(Stdio::null()).spawn().unwrap();
    let next = || {
        let mut word = [0; 128];
        let len = socket.recv(&mut word).unwrap();
        String::from_utf8_lossy(&word[..len]).into_owned()
    };
    assert_eq!(next(), "READY=1");
    kill_process(Pid::from_child(&process), Signal::HUP).unwrap();
    assert!(next().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(next(), "READY=1");
    kill_process(Pid::from_child(&process), Signal::TERM).unwrap();
    assert_eq!(next(), "STOPPING=1");
    assert_eq!(process.wait().unwrap().code(), Some(0));
}

#[test]
fn it_listens_on_a_unix_socket_that_goes_with_it() {
    let mut broker = Daemon::start(&[], &format!("{OPEN}listener 0 FOLDER/socket\n"));
    let path = broker.path("socket");
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01a").unwrap();
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).unwrap();
    assert_eq!(connack, [0x20, 2, 0, 0]);
    assert!(broker.end().contains("as a (p2, c1, k0)."));
    assert!(!path.exists());
}

#[test]
fn a_listener_takes_as_many_connections_as_it_may() {
    let broker = Daemon::start(&[], &format!("{OPEN}max_connections 1\n"));
    let subscriber = broker.subscriber("sub -i sub -t a -C 1");
    let mut second = TcpStream::connect((Ipv4Addr::LOCALHOST, broker.port)).unwrap();
    assert_eq!(second.read(&mut [0; 1]).unwrap_or(0), 0);
    drop(subscriber);
}

#[test]
fn a_port_that_is_taken_is_code_2_and_says_so() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    run(&format!("broker -p {port}")).assert(2, &["another program listens there"]);
}
