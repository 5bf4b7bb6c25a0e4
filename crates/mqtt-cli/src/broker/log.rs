//! Log lines in Mosquitto's form, where the settings want them.
//!
//! Whoever has something to log never waits: not for a full disk, and not for a terminal that somebody has stopped. Lines
//! that come faster than they can be written are counted instead, and the count is logged.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;

use super::conf::{LogSettings, LogType};
use crate::format::Moment;

/// Where lines go in; clones are of the same log.
#[derive(Clone)]
pub(super) struct Log(Arc<Inner>);

struct Inner {
    settings: LogSettings,
    writer: SyncSender<Entry>,
    topics: Option<mpsc::Sender<TopicLine>>,
    lost: AtomicU64,
}

/// A line for `log_dest topic`.
pub(super) struct TopicLine {
    pub(super) topic: &'static str,
    pub(super) line: String,
}

enum Entry {
    Line(String),
    /// SIGHUP: the file may have been moved away.
    Reopen,
    /// Everything before it is written when this is answered.
    End(SyncSender<()>),
}

impl Log {
    /// Opens the log. The receiver gives the lines that are to be published, if any are.
    ///
    /// # Errors
    ///
    /// The file cannot be written, or there is no thread.
    pub(super) fn open(settings: &LogSettings) -> io::Result<(Self, Option<mpsc::Receiver<TopicLine>>)> {
        let file = settings.file.clone().map(|path| open(&path).map(|file| (path, file))).transpose()?;
        let sinks = Sinks { stdout: settings.stdout, stderr: settings.stderr, file };
        let (writer, entries) = sync_channel(WAITING_LINES);
        thread::Builder::new().name("log".to_owned()).spawn(move || sinks.run(&entries))?;
        let (topics, published) = settings.topic.then(|| mpsc::channel(WAITING_LINES)).unzip();
        let inner = Inner { settings: settings.clone(), writer, topics, lost: AtomicU64::new(0) };
        Ok((Self(Arc::new(inner)), published))
    }

    /// Whether such lines are wanted at all.
    pub(super) fn wants(&self, kind: LogType) -> bool {
        self.0.settings.types.contains(&kind)
    }

    /// Logs a line, which has no end of line of its own in it.
    pub(super) fn line(&self, kind: LogType, text: impl Display) {
        if !self.wants(kind) {
            return;
        }
        let lost = self.0.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            self.put(LogType::Warning, format_args!("Warning: {lost} log lines came too fast to be written."));
        }
        self.put(kind, text);
    }

    fn put(&self, kind: LogType, text: impl Display) {
        // A client id may hold anything. A line must not become two.
        let text = text.to_string().replace(|letter: char| letter.is_control() && letter != '\t', "\u{FFFD}");
        let line = match (self.0.settings.timestamp, &self.0.settings.timestamp_format) {
            (false, _) => text,
            (true, None) => format!("{}: {text}", Moment::default().strftime_text("%s")),
            (true, Some(format)) => format!("{}: {text}", Moment::default().strftime_text(format)),
        };
        if let (Some(topics), Some(topic)) = (&self.0.topics, topic(kind)) {
            self.count(topics.try_send(TopicLine { topic, line: line.clone() }).is_ok());
        }
        self.count(self.0.writer.try_send(Entry::Line(line)).is_ok());
    }

    fn count(&self, is_taken: bool) {
        if !is_taken {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Opens the file anew.
    pub(super) fn reopen(&self) {
        self.count(self.0.writer.try_send(Entry::Reopen).is_ok());
    }

    /// Waits until everything is written, but not for ever.
    pub(super) fn finish(&self) {
        let (sender, done) = sync_channel(1);
        if self.0.writer.try_send(Entry::End(sender)).is_ok() {
            // If whoever reads our stdout has stopped, the last lines are lost.
            let _written_or_not = done.recv_timeout(LAST_LINES);
        }
    }
}

/// Where lines are written to.
struct Sinks {
    stdout: bool,
    stderr: bool,
    file: Option<(PathBuf, File)>,
}

impl Sinks {
    fn run(mut self, entries: &Receiver<Entry>) {
        for entry in entries {
            match entry {
                Entry::Line(line) => self.write(&format!("{line}\n")),
                Entry::Reopen => self.reopen(),
                Entry::End(done) => {
                    if let Some((_, file)) = &mut self.file {
                        let _not_on_every_file_system = file.sync_all();
                    }
                    let _nobody_waits_any_more = done.try_send(());
                }
            }
        }
    }

    /// A line that one of them does not take is lost there: there is nowhere to complain.
    fn write(&mut self, line: &str) {
        if self.stdout {
            let mut stdout = io::stdout().lock();
            let _reader_gone = stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush());
        }
        if self.stderr {
            let _reader_gone = io::stderr().lock().write_all(line.as_bytes());
        }
        if let Some((_, file)) = &mut self.file {
            let _disk_full = file.write_all(line.as_bytes());
        }
    }

    fn reopen(&mut self) {
        if let Some((path, file)) = &mut self.file {
            match open(path) {
                Ok(new) => *file = new,
                // The old one is better than none.
                Err(error) => {
                    let line = format!("Error: cannot open {} again: {error}\n", path.display());
                    self.write(&line);
                }
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot write the log file {}: {error}", path.display())))
}

/// Where such lines are published. Debug lines are not: each of them would make more.
fn topic(kind: LogType) -> Option<&'static str> {
    match kind {
        LogType::Error => Some("$SYS/broker/log/E"),
        LogType::Warning => Some("$SYS/broker/log/W"),
        LogType::Notice => Some("$SYS/broker/log/N"),
        LogType::Information => Some("$SYS/broker/log/I"),
        LogType::Subscribe => Some("$SYS/broker/log/M/subscribe"),
        LogType::Unsubscribe => Some("$SYS/broker/log/M/unsubscribe"),
        LogType::Debug => None,
    }
}

/// Lines that wait until they are written: at most some hundred kilobytes.
const WAITING_LINES: usize = 1_024;

/// How long the end of the program waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);
