//! `mqtt broker` with settings of a test.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::log::Log;

/// A broker with settings of its own. It does not outlive this value.
pub(crate) struct Daemon {
    pub(crate) process: Child,
    pub(crate) log: Log,
    pub(crate) port: u16,
    folder: TempDir,
}

impl Daemon {
    /// Starts it with a listener on a port that was free a moment ago, and again if somebody else has taken it. FOLDER in
    /// the settings is a folder of the test's own, in which these files are; PORT is the port.
    pub(crate) fn start(files: &[(&str, &str)], settings: &str) -> Self {
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

    /// A file in the test's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Waits until the broker has logged `text` so many times.
    pub(crate) fn wait_for(&self, text: &str, times: usize) {
        assert!(self.log.wait_for(text, times), "the broker ended:\n{}", self.log.text());
    }

    /// Makes it read the password and ACL files again, and returns when they are in force.
    pub(crate) fn reload(&self) {
        let times = self.log.count("Config reloaded.");
        self.signal(Signal::HUP);
        self.wait_for("Config reloaded.", times + 1);
    }

    /// Ends it by SIGTERM, which must be a good end, and gives its log.
    pub(crate) fn end(&mut self) -> String {
        self.signal(Signal::TERM);
        assert_eq!(self.process.wait().unwrap().code(), Some(0), "{}", self.log.text());
        // Not before the pipe has ended is all of it here.
        assert!(!self.log.wait_for("never logged", 1));
        self.log.text()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- the broker's log\n{}", self.log.text());
        }
    }
}
