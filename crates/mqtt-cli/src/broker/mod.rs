//! `mqtt broker`: a broker configured as Mosquitto is.

mod access;
mod conf;
mod lines;
mod log;
#[cfg(unix)]
mod notify;
#[cfg(not(unix))]
#[path = "notify_nobody.rs"]
mod notify;
mod signals;
mod start;

use std::fs;
use std::path::Path;

use mqtt_broker::access::{AccessPolicy, ListenerAccess};
use mqtt_broker::{Notice, Server};
use mqtt_tokio::{Message, TopicName};
use tokio::sync::{mpsc, oneshot};

use crate::args::BrokerArgs;
use crate::interrupt::Interrupt;
use crate::report::{Outcome, Report, say};
use conf::{ListenerPlace, LogType, Settings};
use lines::Lines;
use log::{Log, TopicLine};
use signals::Hangup;

/// Runs a broker until a signal ends it.
pub(crate) async fn run(args: BrokerArgs) -> Outcome {
    let settings = match settings(&args) {
        Ok(settings) => settings,
        Err(errors) => return refuse(&errors),
    };
    let (access, errors) = access::read(&settings);
    if !errors.is_empty() {
        return refuse(&errors);
    }
    if args.test_config {
        say("mqtt: the configuration is in order");
        return Outcome::Done;
    }
    match Running::start(&args, settings, access) {
        Ok(running) => running.serve().await,
        Err(error) => {
            say(format_args!("mqtt: {error}"));
            Outcome::Failed
        }
    }
}

fn refuse(errors: &[String]) -> Outcome {
    errors.iter().for_each(|error| say(format_args!("mqtt: {error}")));
    Outcome::Usage
}

/// What the file and the options say together, or all that is wrong.
fn settings(args: &BrokerArgs) -> Result<Settings, Vec<String>> {
    let mut settings = match &args.file {
        Some(file) => {
            Settings::read(file).map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?
        }
        None => Settings::without_file(),
    };
    if let Some(port) = args.port {
        if !settings.local_only {
            return Err(vec!["-p is for a broker without listeners in its file; leave it out".into()]);
        }
        for listener in &mut settings.listeners {
            if let ListenerPlace::Host(_, place) = &mut listener.place {
                *place = port;
            }
        }
    }
    // Two addresses would be given two ports.
    if settings.local_only && (args.port == Some(0) || !start::has_ipv6_loopback()) {
        settings.listeners.truncate(1);
    }
    if args.verbose {
        settings.log.types = LogType::ALL.to_vec();
    }
    Ok(settings)
}

/// A broker and what goes with it.
struct Running {
    settings: Settings,
    /// What is in force.
    access: Vec<ListenerAccess>,
    log: Log,
    published: Option<mpsc::Receiver<TopicLine>>,
    server: Server,
    /// Ends when the server's thread does.
    server_gone: oneshot::Receiver<()>,
    interrupt: Interrupt,
    hangup: Hangup,
}

impl Running {
    fn start(args: &BrokerArgs, settings: Settings, access: Vec<ListenerAccess>) -> Result<Self, String> {
        let report = Report { quiet: false, debug: false };
        // Before clients can connect: from here on a signal ends the program in order.
        let interrupt = Interrupt::listen(report).map_err(|_| "cannot start without signals".to_owned())?;
        let hangup = Hangup::listen().map_err(|error| format!("cannot listen to SIGHUP: {error}"))?;
        let (log, published) = Log::open(&settings.log).map_err(|error| error.to_string())?;
        log.line(LogType::Information, format_args!("mqtt version {} starting", env!("CARGO_PKG_VERSION")));
        match &args.file {
            Some(file) => log.line(LogType::Information, format_args!("Config loaded from {}.", file.display())),
            None => log.line(LogType::Information, "Using default config."),
        }
        if settings.local_only {
            let text = "Only programs on this machine can connect. A file with a 'listener' (-c FILE) lets others in.";
            log.line(LogType::Warning, text);
        }
        let mut lines = Lines::new(log.clone(), settings.connection_messages);
        let (lives, server_gone) = oneshot::channel();
        let on_notice = move |notice: Notice| {
            // Dropped with this function, when the server's thread ends.
            let _lives: &oneshot::Sender<()> = &lives;
            lines.notice(notice);
        };
        let policy = AccessPolicy::new(access.clone()).check_retain_source(settings.check_retain_source);
        let server = start::start(&settings, policy, on_notice)?;
        for address in server.addresses() {
            let family = if address.is_ipv4() { "ipv4" } else { "ipv6" };
            let text = format!("Opening {family} listen socket on port {} ({}).", address.port(), address.ip());
            log.line(LogType::Information, text);
        }
        for listener in &settings.listeners {
            if let ListenerPlace::Unix(path) = &listener.place {
                start::let_group_in(path)?;
                log.line(LogType::Information, format_args!("Opening unix listen socket on path {}.", path.display()));
            }
        }
        if let Some(file) = &settings.pid_file {
            fs::write(file, std::process::id().to_string())
                .map_err(|error| format!("cannot write the pid_file {}: {error}", file.display()))?;
        }
        Ok(Self { settings, access, log, published, server, server_gone, interrupt, hangup })
    }

    async fn serve(mut self) -> Outcome {
        self.log.line(LogType::Information, format_args!("mqtt version {} running", env!("CARGO_PKG_VERSION")));
        self.tell_systemd("READY=1");
        let outcome = loop {
            tokio::select! {
                () = self.interrupt.wait() => break Outcome::Done,
                () = self.hangup.next() => self.reload(),
                line = next(&mut self.published) => self.publish(line),
                _ = &mut self.server_gone => {
                    self.log.line(LogType::Error, "Error: the broker's thread has panicked; its message is on stderr.");
                    break Outcome::Failed;
                }
            }
        };
        self.tell_systemd("STOPPING=1");
        self.log.line(LogType::Information, format_args!("mqtt version {} terminating", env!("CARGO_PKG_VERSION")));
        let stopped = self.server.shut_down();
        if let Some(file) = &self.settings.pid_file {
            remove(file, &self.log);
        }
        self.log.finish();
        if stopped.is_ok() { outcome } else { Outcome::Failed }
    }

    /// Puts what the files say now in force, for those who are connected, too.
    fn reload(&mut self) {
        self.tell_systemd(&notify::reloading());
        self.log.line(LogType::Information, "Reloading config.");
        self.log.reopen();
        let (access, errors) = access::read(&self.settings);
        for error in &errors {
            self.log.line(LogType::Error, format_args!("Error: {error}"));
        }
        if !errors.is_empty() {
            let text = "Error: a file with an error lets nobody in and allows nothing; mend it and send SIGHUP again.";
            self.log.line(LogType::Error, text);
        }
        let previous = std::mem::replace(&mut self.access, access.clone());
        let policy = AccessPolicy::replacing(previous, access).check_retain_source(self.settings.check_retain_source);
        if self.server.reload(policy).is_ok() {
            self.log.line(LogType::Information, "Config reloaded.");
        }
        self.tell_systemd("READY=1");
    }

    /// `log_dest topic`.
    fn publish(&self, line: TopicLine) {
        let message = Message::new(TopicName::from_static(line.topic), line.line);
        // A server that has stopped is noticed elsewhere.
        let _stopped = self.server.send(message);
    }

    fn tell_systemd(&self, state: &str) {
        if let Err(error) = notify::notify(state) {
            self.log.line(LogType::Warning, format_args!("Warning: cannot tell the service manager {state}: {error}"));
        }
    }
}

/// The next line to publish; never, if none are wanted.
async fn next(lines: &mut Option<mpsc::Receiver<TopicLine>>) -> TopicLine {
    match lines {
        Some(lines) => match lines.recv().await {
            Some(line) => line,
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

fn remove(file: &Path, log: &Log) {
    if let Err(error) = fs::remove_file(file) {
        log.line(LogType::Warning, format_args!("Warning: cannot remove the pid_file {}: {error}", file.display()));
    }
}
