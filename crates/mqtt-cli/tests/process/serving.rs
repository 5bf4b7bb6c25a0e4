//! `mqtt broker` as a program: settings, signals, logs.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::clients::Clients;
use crate::daemon::Daemon;
use crate::log::Log;
use crate::support::{finish, mqtt, run};

/// Lets everybody in and logs everything.
const OPEN: &str = "listener PORT 127.0.0.1\nallow_anonymous true\nlog_type all\n";

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
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o770);
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01a").unwrap();
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).unwrap();
    assert_eq!(connack, [0x20, 2, 0, 0]);
    let socket = path.to_str().unwrap();
    run(&format!("pub --unix {socket} -i pub -t a -m x -q 1 -r")).assert(0, &[]);
    assert_eq!(run(&format!("sub --unix {socket} -t a -C 1")).stdout, "x\n");
    let log = broker.end();
    assert!(log.contains("as a (p2, c1, k0).") && log.contains("as pub (p2, c1, k60)."), "{log}");
    assert!(!path.exists());
    run(&format!("pub --unix {socket} -t a -n")).assert(2, &[&format!("cannot reach {socket}: No such file")]);
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
