//! The four programs, ours and Mosquitto's, started, fed, watched and always ended.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::broker::Broker;
use crate::log::DEADLINE;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V31,
    V311,
    V5,
}

impl Version {
    pub(crate) const ALL: [Self; 3] = [Self::V31, Self::V311, Self::V5];

    /// The value of `-V`.
    fn flag(self) -> &'static str {
        match self {
            Self::V31 => "mqttv31",
            Self::V311 => "mqttv311",
            Self::V5 => "mqttv5",
        }
    }

    /// How Mosquitto's log names the protocol of a connection.
    pub(crate) fn logged(self) -> &'static str {
        match self {
            Self::V31 => "(p1,",
            Self::V311 => "(p2,",
            Self::V5 => "(p5,",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Ours,
    Theirs,
}

use Whose::{Ours, Theirs};

/// Publisher and subscriber. Theirs to theirs shows nothing of ours.
pub(crate) const PAIRINGS: [(Whose, Whose); 3] = [(Ours, Theirs), (Theirs, Ours), (Ours, Ours)];

/// A program being put together.
pub(crate) struct Program {
    command: Command,
    id: String,
    /// The options that say where the broker is.
    server: Vec<String>,
}

impl Program {
    pub(crate) fn publisher(whose: Whose, broker: &Broker, version: Version) -> Self {
        Self::at(whose, "pub", broker.port(), version)
    }

    pub(crate) fn subscriber(whose: Whose, broker: &Broker, version: Version) -> Self {
        Self::at(whose, "sub", broker.port(), version)
    }

    /// A client of whatever listens on this port.
    pub(crate) fn at(whose: Whose, verb: &str, port: u16, version: Version) -> Self {
        static PROGRAMS: AtomicUsize = AtomicUsize::new(1);
        let mut command = match whose {
            Ours => Command::new(env!("CARGO_BIN_EXE_mqtt")),
            Theirs => Command::new(format!("mosquitto_{verb}")),
        };
        if whose == Ours {
            command.arg(verb);
        }
        command.args(["-V", version.flag()]);
        let id = format!("{verb}-{}", PROGRAMS.fetch_add(1, Ordering::Relaxed));
        let server = ["-h", "127.0.0.1", "-p", &port.to_string()].map(str::to_owned).to_vec();
        Self { command, id, server }
    }

    /// Instead of a client id that no other program has.
    pub(crate) fn id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.id);
        self
    }

    /// Ours alone: instead of `-h` and `-p`.
    pub(crate) fn url(mut self, url: &str) -> Self {
        self.server = vec!["--url".to_owned(), url.to_owned()];
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn start(mut self) -> Running {
        self.command.args(["-i", &self.id]).args(&self.server);
        let line = format!("{:?}", self.command);
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{line}: {error}"));
        Running {
            input: child.stdin.take(),
            stdout: read_to_end(child.stdout.take().unwrap()),
            stderr: read_to_end(child.stderr.take().unwrap()),
            child,
            line,
            id: self.id,
        }
    }

    /// Starts a subscriber and returns once the broker has granted its subscription.
    pub(crate) fn subscribed(self, broker: &Broker) -> Running {
        let running = self.start();
        broker.wait_for(&format!("Sending SUBACK to {}", running.id));
        running
    }

    /// Runs a publisher to its end, which must be a good one.
    pub(crate) fn publish(self) {
        self.start().finish().succeeded();
    }

    /// The same, with this on its standard input.
    pub(crate) fn publish_input(self, input: &[u8]) {
        let mut running = self.start();
        running.write(input);
        running.finish().succeeded();
    }
}

/// A program that runs. It does not outlive this value.
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
    line: String,
    id: String,
}

impl Running {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("the input is open");
        input.write_all(bytes).unwrap_or_else(|error| panic!("{}: {error}", self.line));
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
    }

    /// `kill -9`: the program says goodbye to nobody.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Closes the input and waits for the end.
    pub(crate) fn finish(mut self) -> Finished {
        drop(self.input.take());
        let stdout = self.stdout.recv_timeout(DEADLINE);
        if stdout == Err(RecvTimeoutError::Timeout) {
            self.child.kill().unwrap();
            let stderr = self.stderr.recv().unwrap();
            panic!("{} did not end: {}", self.line, String::from_utf8_lossy(&stderr));
        }
        let stderr = self.stderr.recv().unwrap();
        Finished {
            line: std::mem::take(&mut self.line),
            status: self.child.wait().unwrap(),
            stdout: stdout.unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail when the program has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Finished {
    pub(crate) line: String,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Finished {
    /// What it printed, if it ended well.
    pub(crate) fn succeeded(self) -> Vec<u8> {
        assert!(self.status.success(), "{}: {}\n{}", self.line, self.status, self.stderr);
        self.stdout
    }

    /// The same, as lines.
    pub(crate) fn lines(self) -> Vec<String> {
        let text = String::from_utf8(self.succeeded()).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

/// Everything a pipe gives until it is closed.
fn read_to_end(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before an error is what the test has to judge.
        let _ = pipe.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}

/// Runs a case in every version; a failure's captured output ends with the one that failed.
pub(crate) fn in_every_version(case: impl Fn(Version)) {
    for version in Version::ALL {
        println!("--- {version:?}");
        case(version);
    }
}

/// Runs a case in every version with every pairing of programs that has one of ours.
pub(crate) fn in_every_pairing(case: impl Fn(Version, Whose, Whose)) {
    in_every_version(|version| {
        for (publisher, subscriber) in PAIRINGS {
            println!("--- publisher {publisher:?}, subscriber {subscriber:?}");
            case(version, publisher, subscriber);
        }
    });
}
