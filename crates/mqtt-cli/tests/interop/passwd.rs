//! Password files: ours read by Mosquitto, theirs read by us.

use std::fs;
use std::path::Path;
use std::process::Command;

use mqtt_broker::access::PasswordFile;

use crate::broker::{Broker, folder};
use crate::program::Program;
use crate::program::Version::V5;
use crate::program::Whose::Theirs;

/// Runs our `mqtt passwd` or their `mosquitto_passwd`, which take the same arguments.
fn passwd(whose: &[&str], arguments: &[&str], file: &Path) {
    let (program, verb) = whose.split_first().unwrap();
    let mut command = Command::new(program);
    for argument in verb.iter().chain(arguments) {
        if *argument == "FILE" {
            command.arg(file)
        } else {
            command.arg(argument)
        };
    }
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

const OURS: &[&str] = &[env!("CARGO_BIN_EXE_mqtt"), "passwd"];
const THEIRS: &[&str] = &["mosquitto_passwd"];

/// The same steps by one program, or by both in turn: at the end anna has "three", bob "zwei 水" and nobody else anything.
fn steps(first: &[&str], second: &[&str], file: &Path) {
    passwd(first, &["-c", "-b", "FILE", "anna", "one"], file);
    passwd(second, &["-H", "sha512", "-b", "FILE", "bob", "zwei 水"], file);
    passwd(first, &["-b", "FILE", "carl", "four"], file);
    passwd(second, &["-b", "FILE", "anna", "three"], file);
    passwd(first, &["-D", "FILE", "carl"], file);
}

const RIGHT: [(&str, &str); 2] = [("anna", "three"), ("bob", "zwei 水")];
const WRONG: [(&str, &str); 4] = [("anna", "one"), ("bob", "three"), ("carl", "four"), ("nobody", "x")];

#[test]
fn mosquitto_lets_in_whom_our_passwd_wrote() {
    for (first, second) in [(OURS, OURS), (OURS, THEIRS), (THEIRS, OURS)] {
        let folder = folder();
        let file = folder.path().join("passwords");
        steps(first, second, &file);
        let settings = format!("allow_anonymous false\nlog_type all\npassword_file {}", file.display());
        let broker = Broker::with_settings(folder, &settings);
        let publish = |(user, password)| {
            let publisher = Program::publisher(Theirs, &broker, V5).args(["-t", "a", "-m", "b", "-q", "1"]);
            publisher.args(["-u", user, "-P", password]).start().finish()
        };
        for finished in RIGHT.map(publish) {
            finished.succeeded();
        }
        for finished in WRONG.map(publish) {
            assert!(!finished.status.success(), "{}", finished.line);
        }
    }
}

#[test]
fn we_let_in_whom_mosquitto_passwd_wrote() {
    for (first, second) in [(THEIRS, THEIRS), (OURS, THEIRS), (THEIRS, OURS)] {
        let folder = folder();
        let file = folder.path().join("passwords");
        steps(first, second, &file);
        let users = PasswordFile::read(&file).unwrap();
        assert!(RIGHT.iter().all(|(user, password)| users.verify(user, password.as_bytes())));
        assert!(!WRONG.iter().any(|(user, password)| users.verify(user, password.as_bytes())));
    }
}

#[test]
fn both_hash_a_file_of_plain_passwords_alike() {
    for whose in [OURS, THEIRS] {
        let folder = folder();
        let file = folder.path().join("passwords");
        fs::write(&file, "anna:three\nbob:zwei 水\n").unwrap();
        passwd(whose, &["-U", "FILE"], &file);
        let users = PasswordFile::read(&file).unwrap();
        assert!(RIGHT.iter().all(|(user, password)| users.verify(user, password.as_bytes())));
    }
}
