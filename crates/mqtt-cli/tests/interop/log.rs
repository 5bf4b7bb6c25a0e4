//! Waiting for what another process says, by blocking on its pipe and not by polling.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything here may take before the test is declared stuck. Passing tests never wait for it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// The lines of a pipe, collected as they come.
#[derive(Clone)]
pub(crate) struct Log(Arc<(Mutex<Lines>, Condvar)>);

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    fn count(&self, text: &str) -> usize {
        self.lines.iter().filter(|line| line.contains(text)).count()
    }
}

impl Log {
    pub(crate) fn of(pipe: impl Read + Send + 'static) -> Self {
        let log = Self(Arc::default());
        let filled = log.clone();
        thread::spawn(move || {
            let (lines, changed) = &*filled.0;
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                lines.lock().unwrap().lines.push(line);
                changed.notify_all();
            }
            lines.lock().unwrap().ended = true;
            changed.notify_all();
        });
        log
    }

    /// Waits until `times` lines hold `text`. False: the pipe was closed before that.
    ///
    /// # Panics
    /// When the deadline passes, with the whole log.
    pub(crate) fn wait_for(&self, text: &str, times: usize) -> bool {
        let (lines, changed) = &*self.0;
        let until = Instant::now() + DEADLINE;
        let mut lines = lines.lock().unwrap();
        loop {
            if lines.count(text) >= times {
                return true;
            }
            if lines.ended {
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{text:?} never came:\n{}", lines.lines.join("\n"));
            lines = changed.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// How many lines so far hold `text`.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.0.0.lock().unwrap().count(text)
    }

    pub(crate) fn text(&self) -> String {
        self.0.0.lock().unwrap().lines.join("\n")
    }
}
