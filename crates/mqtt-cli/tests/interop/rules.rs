//! The same password and ACL files under Mosquitto and under `mqtt broker`: they must decide alike.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::broker::{Broker, folder};
use crate::daemon::Daemon;
use crate::program::Program;
use crate::program::Version::V5;
use crate::program::Whose::{Ours, Theirs};

const RULES: &str = "topic read news/#
topic write inbox
topic deny news/secret
user anna
topic readwrite notes/#
topic deny notes/private
topic plain
topic write $internal/a
user bob
topic read #
pattern readwrite home/%u/#
pattern write devices/%c/state
pattern deny home/%u/locked
pattern read everyone
user root
topic readwrite #
topic readwrite $internal/#
";

/// User and client id.
const WHO: [(Option<&str>, &str); 4] =
    [(None, "one"), (Some("anna"), "two"), (Some("bob"), "three"), (Some("carl"), "a-long-id")];

const TOPICS: [&str; 18] = [
    "news",
    "news/today",
    "news/secret",
    "inbox",
    "notes/a/b",
    "notes/private",
    "plain",
    "plain/more",
    "$internal/a",
    "$internal/b",
    "home/anna",
    "home/anna/kitchen",
    "home/anna/locked",
    "home/bob/kitchen",
    "home/%u/kitchen",
    "home/carl/x",
    "devices/one/state",
    "devices/a-long-id/state",
];

/// Both brokers with the same files; the passwords are Mosquitto's own.
fn brokers() -> (Broker, Daemon) {
    let folder = folder();
    let (passwords, rules) = (folder.path().join("passwords"), folder.path().join("rules"));
    fs::write(&rules, RULES).unwrap();
    fs::write(&passwords, "").unwrap();
    for (name, hash) in [("anna", "sha512"), ("bob", "sha512-pbkdf2"), ("carl", "sha512-pbkdf2"), ("root", "sha512")] {
        let mut command = Command::new("mosquitto_passwd");
        assert!(command.args(["-H", hash, "-b"]).arg(&passwords).args([name, "pw"]).status().unwrap().success());
    }
    let access = fs::read_to_string(&passwords).unwrap();
    let common = "allow_anonymous true\nlog_type all\n";
    let settings = format!("{common}password_file {}\nacl_file {}", passwords.display(), rules.display());
    let theirs = Broker::with_settings(folder, &settings);
    let files = [("passwords", access.as_str()), ("rules", RULES)];
    let settings = format!("listener PORT 127.0.0.1\n{common}password_file FOLDER/passwords\nacl_file FOLDER/rules\n");
    (theirs, Daemon::start(&files, &settings))
}

fn credentials(user: Option<&str>) -> Vec<&str> {
    user.map_or(Vec::new(), |user| vec!["-u", user, "-P", "pw"])
}

#[test]
fn both_brokers_let_the_same_messages_in_also_after_a_reload() {
    let (theirs, ours) = brokers();
    let before = let_in(&theirs, &ours);
    let rules = RULES.replace("topic readwrite notes/#", "topic readwrite home/#").replace("%u/locked", "%u/kitchen");
    fs::write(ours.path("rules"), &rules).unwrap();
    fs::write(theirs.path("rules"), &rules).unwrap();
    ours.reload();
    theirs.reload();
    assert_ne!(let_in(&theirs, &ours), before);
}

/// What they let in, which must be the same.
fn let_in(theirs: &Broker, ours: &Daemon) -> Vec<bool> {
    let mut decisions = Vec::new();
    for (user, id) in WHO {
        for topic in TOPICS {
            let [theirs, ours] = [theirs.port(), ours.port].map(|port| {
                let program = Program::at(Ours, "pub", port, V5).id(id).args(credentials(user));
                program.args(["-q", "1", "-m", "x", "-t", topic]).start().finish().status.code()
            });
            assert_eq!(ours, theirs, "{user:?} {id} {topic}");
            decisions.push(ours == Some(0));
        }
    }
    decisions
}

#[test]
fn both_brokers_give_out_the_same_messages() {
    let (theirs, mut ours) = brokers();
    for topic in TOPICS {
        for port in [theirs.port(), ours.port] {
            publish(port, &["-r", "-m", "x", "-t", topic]);
        }
    }
    for (user, id) in WHO {
        let received = [theirs.port(), ours.port].map(|port| {
            let mut command = Command::new("mosquitto_sub");
            command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-V", "5", "-i", id, "-F", "%t"]);
            command.args(credentials(user)).args(["-t", "#", "-t", "$internal/#"]);
            let mut subscriber = command.stdout(Stdio::piped()).spawn().unwrap();
            if port == ours.port {
                ours.wait_for(&format!(": {id} 0 $internal/#"), 1);
            } else {
                theirs.wait_for(&format!("Sending SUBACK to {id}"));
            }
            publish(port, &["-m", "x", "-t", FENCE]);
            let lines = BufReader::new(subscriber.stdout.take().unwrap()).lines().map(Result::unwrap);
            let mut topics: Vec<_> = lines.take_while(|topic| topic != FENCE).collect();
            subscriber.kill().unwrap();
            subscriber.wait().unwrap();
            topics.sort();
            topics
        });
        assert_eq!(received[1], received[0], "{user:?} {id}");
        assert!(!received[0].is_empty() && received[0].len() < TOPICS.len());
    }
    ours.end();
}

/// By the one user who may do everything.
fn publish(port: u16, args: &[&str]) {
    let program = Program::at(Theirs, "pub", port, V5).args(["-u", "root", "-P", "pw", "-q", "1"]);
    program.args(args).publish();
}

/// What everybody may read.
const FENCE: &str = "everyone";
