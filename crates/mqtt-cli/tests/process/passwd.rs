//! `mqtt passwd` as a program: files, exit codes, prompts.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use mqtt_broker::access::PasswordFile;
use tempfile::TempDir;

use crate::support::{Finished, finish, mqtt, run};

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("users")
    }

    /// Runs `mqtt passwd` with these arguments, in which FILE is our file.
    fn passwd(&self, arguments: &str) -> Finished {
        run(&format!("passwd {}", arguments.replace("FILE", self.file().to_str().unwrap())))
    }

    fn verifies(&self, user: &str, password: &str) -> bool {
        PasswordFile::read(&self.file()).unwrap().verify(user, password.as_bytes())
    }
}

#[test]
fn users_are_added_changed_and_deleted() {
    let folder = Folder::new();
    folder.passwd("-c -b FILE anna one").assert(0, &[]);
    folder.passwd("-b -H sha512 FILE bob two").assert(0, &[]);
    assert!(folder.verifies("anna", "one") && folder.verifies("bob", "two"));
    folder.passwd("-b FILE anna three").assert(0, &[]);
    assert!(!folder.verifies("anna", "one") && folder.verifies("anna", "three") && folder.verifies("bob", "two"));
    let text = fs::read_to_string(folder.file()).unwrap();
    assert!(text.starts_with("anna:$7$101$") && text.contains("\nbob:$6$"), "{text}");
    folder.passwd("-D FILE anna").assert(0, &[]);
    assert!(!folder.verifies("anna", "three") && folder.verifies("bob", "two"));
    folder.passwd("-c -b FILE carl four").assert(0, &[]);
    assert!(!folder.verifies("bob", "two") && folder.verifies("carl", "four"));
}

#[test]
fn a_file_of_plain_passwords_is_hashed() {
    let folder = Folder::new();
    fs::write(folder.file(), "# staff\nanna:one\nbob:two\n").unwrap();
    folder.passwd("-U FILE").assert(0, &[]);
    assert!(folder.verifies("anna", "one") && folder.verifies("bob", "two"));
    folder.passwd("-U FILE").assert(0, &[]);
    assert!(folder.verifies("anna", "one") && folder.verifies("bob", "two"));
}

#[cfg(unix)]
#[test]
fn a_new_file_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::MetadataExt;

    let folder = Folder::new();
    folder.passwd("-c -b FILE anna one").assert(0, &[]);
    assert_eq!(fs::metadata(folder.file()).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn what_cannot_be_done_changes_nothing_and_is_code_1() {
    let folder = Folder::new();
    folder.passwd("-b FILE anna one").assert(1, &["cannot read", "-c makes a new file"]);
    assert!(!folder.file().exists());
    folder.passwd("-c -b FILE an:na one").assert(1, &["':'"]);
    assert!(!folder.file().exists());
    for (text, arguments, words) in [
        ("bob:x\n", "-D FILE anna", "'anna' is not in"),
        ("listener 1883\n", "-b FILE anna one", "users:1: not a user"),
        ("listener 1883\n", "-c -b FILE anna one", "is not a password file"),
        ("bob:\n", "-U FILE", "users:1: the password is empty"),
    ] {
        fs::write(folder.file(), text).unwrap();
        folder.passwd(arguments).assert(1, &[words]);
        assert_eq!(fs::read_to_string(folder.file()).unwrap(), text);
    }
}

#[test]
fn without_a_terminal_the_password_is_two_lines_of_stdin() {
    let folder = Folder::new();
    for (input, code, words) in [
        ("one\none\n", 0, ""),
        ("päß 水\r\npäß 水\r\n", 0, ""),
        ("one\ntwo\n", 2, "the passwords differ"),
        ("\n\n", 1, "the password is empty"),
        ("", 1, "the password is empty"),
    ] {
        let mut child = mqtt(&format!("passwd -c {} anna", folder.file().display()));
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        finish(child).assert(code, &[words]);
        let right = input.lines().next().unwrap_or_default();
        assert_eq!(code == 0, folder.verifies("anna", right), "{input:?}");
        if code == 0 {
            // What follows fails, and this password stays in force.
            assert!(!folder.verifies("anna", ""));
            folder.passwd("-b FILE anna other").assert(0, &[]);
        }
    }
}

/// util-linux's `script` gives the program a terminal of its own.
#[cfg(target_os = "linux")]
#[test]
fn at_a_terminal_the_password_is_asked_for_twice_and_not_shown() {
    let folder = Folder::new();
    let line = format!("tty; exec {} passwd -c {} anna", env!("CARGO_BIN_EXE_mqtt"), folder.file().display());
    let mut script = Command::new("script")
        .args(["-q", "-e", "-c", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script comes with util-linux");
    let mut input = script.stdin.take().unwrap();
    let mut output = script.stdout.take().unwrap();
    let mut shown = String::new();
    let mut show_until = |shown: &mut String, end: &str| {
        while !shown.ends_with(end) {
            let mut byte = [0];
            assert_eq!(output.read(&mut byte).unwrap(), 1, "{shown:?}");
            shown.push(byte[0].into());
        }
    };
    show_until(&mut shown, "\r\n");
    let terminal = shown.trim_end().to_owned();
    for prompt in ["Password: ", "Reenter password: "] {
        show_until(&mut shown, prompt);
        wait_for_silence(&terminal);
        input.write_all(b"open sesame\n").unwrap();
    }
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    shown.push_str(&rest);
    assert!(script.wait().unwrap().success(), "{shown:?}");
    assert!(!shown.contains("sesame"), "{shown:?}");
    assert!(folder.verifies("anna", "open sesame"));
}

/// Waits until the terminal no longer shows what is typed, which happens just after the prompt. Nothing tells when, so it
/// is asked for; if it never happens, the test shows the password and fails.
#[cfg(target_os = "linux")]
fn wait_for_silence(terminal: &str) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while std::time::Instant::now() < until {
        let settings = Command::new("stty").args(["-F", terminal, "-a"]).output().unwrap();
        if String::from_utf8(settings.stdout).unwrap().contains("-echo ") {
            return;
        }
    }
}
