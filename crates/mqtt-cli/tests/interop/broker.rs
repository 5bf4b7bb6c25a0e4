//! A Mosquitto for one test.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::log::Log;
use crate::program::{Program, Version, Whose};

/// How often another process may take the port between our choosing it and Mosquitto's binding it.
const ATTEMPTS: usize = 10;

pub(crate) struct Broker {
    process: Child,
    log: Log,
    port: u16,
    settings: String,
    folder: TempDir,
}

impl Broker {
    /// Lets everyone in and forgets everything when it ends.
    pub(crate) fn start() -> Self {
        Self::with_settings(folder(), "allow_anonymous true\nlog_type all")
    }

    /// Lets these users in and nobody else.
    pub(crate) fn with_users(users: &[(&str, &str)]) -> Self {
        let folder = folder();
        let passwords = folder.path().join("passwords");
        fs::write(&passwords, "").unwrap();
        for (name, password) in users {
            let status = Command::new("mosquitto_passwd")
                .arg("-b")
                .arg(&passwords)
                .args([name, password])
                .status()
                .expect("mosquitto_passwd comes with mosquitto");
            assert!(status.success(), "mosquitto_passwd: {status}");
        }
        let settings = format!("allow_anonymous false\nlog_type all\npassword_file {}", passwords.display());
        Self::with_settings(folder, &settings)
    }

    /// Keeps sessions, queues and retained messages in a file: saved when it is asked to (`save`) and when it is
    /// told to end (`stop`), at no other time. No queue of it is limited.
    pub(crate) fn durable() -> Self {
        let folder = folder();
        let settings = format!(
            "allow_anonymous true\nlog_type error\nlog_type warning\nlog_type information\n\
             persistence true\npersistence_location {}/\nautosave_interval 0\n\
             max_queued_messages 0",
            folder.path().display()
        );
        Self::with_settings(folder, &settings)
    }

    pub(crate) fn with_settings(folder: TempDir, settings: &str) -> Self {
        let (process, log, port) = listening(&folder, settings);
        Self { process, log, port, settings: settings.to_owned(), folder }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Waits until the broker has logged `text`.
    pub(crate) fn wait_for(&self, text: &str) {
        self.wait_for_times(text, 1);
    }

    /// Waits until the broker has logged `text` so many times since it was started.
    pub(crate) fn wait_for_times(&self, text: &str, times: usize) {
        assert!(self.log.wait_for(text, times), "the broker ended:\n{}", self.log.text());
    }

    /// The broker ends in order: it saves what it holds.
    pub(crate) fn stop(&mut self) {
        self.signal(Signal::TERM);
        self.process.wait().unwrap();
    }

    /// The broker is gone between two instructions.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts the broker again, from what it saved last; it listens on another port.
    pub(crate) fn start_again(&mut self) {
        (self.process, self.log, self.port) = listening(&self.folder, &self.settings);
    }

    /// Makes the broker save what it holds, and returns once that is in its file.
    pub(crate) fn save(&self) {
        const SAVES: &str = "Saving in-memory database";
        let times = self.log.count(SAVES);
        self.signal(Signal::USR1);
        self.wait_for_times(SAVES, times + 1);
        // It logs, then writes, and serves nobody meanwhile: an answer to a new client comes after the file.
        let fence = Program::publisher(Whose::Theirs, self, Version::V311);
        fence.args(["-t", "fence", "-q", "1", "-m", "saved?"]).publish();
    }

    /// A file in the broker's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes the broker read its password and ACL files again, and returns once it serves by them.
    pub(crate) fn reload(&self) {
        self.signal(Signal::HUP);
        // It logs and then reads, and serves nobody meanwhile; the next client is served by what was read.
        self.wait_for("Reloading config.");
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Both fail when the test itself has ended the broker, and then there is nothing to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- the broker's log\n{}", self.log.text());
        }
    }
}

pub(crate) fn folder() -> TempDir {
    tempfile::Builder::new().prefix("mqtt-interop-").tempdir().unwrap()
}

/// Starts Mosquitto on a port that was free a moment ago, and again on another if it could not have it.
fn listening(folder: &TempDir, settings: &str) -> (Child, Log, u16) {
    let mut log_of_failure = String::new();
    for _ in 0..ATTEMPTS {
        let port = free_port();
        let config: PathBuf = folder.path().join("mosquitto.conf");
        // Started by root, Mosquitto would become a user who may not read this folder.
        let lines = format!("listener {port} 127.0.0.1\nuser root\nlog_dest stderr\n{settings}\n");
        fs::write(&config, lines).unwrap();

        let mut process = mosquitto()
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Mosquitto is not installed: apt-get install mosquitto mosquitto-clients");
        let log = Log::of(process.stderr.take().unwrap());
        // Written once the port is bound. If that fails, the program and so its log end.
        if log.wait_for(" running", 1) {
            return (process, log, port);
        }
        process.wait().unwrap();
        log_of_failure = log.text();
    }
    panic!("Mosquitto did not start:\n{log_of_failure}");
}

/// Debian installs daemons where only root's shell looks.
fn mosquitto() -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("mosquitto");
    command.env("PATH", format!("{path}:/usr/sbin:/usr/local/sbin"));
    command
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
