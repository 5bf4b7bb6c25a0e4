//! What is said on stderr, and the exit codes.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Usage,
    /// Refused, not reached, or not delivered.
    Failed,
    /// The time of `-W` is over.
    TimedOut,
    /// A signal came before the work was done.
    Interrupted,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome.code())
    }
}

impl Outcome {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Usage => 1,
            Self::Failed => 2,
            Self::TimedOut => 27,
            Self::Interrupted => 130,
        }
    }
}

/// Where words for the user go. A closed stderr is no reason to fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub(crate) quiet: bool,
    pub(crate) debug: bool,
}

impl Report {
    /// Something that makes the exit code a failure.
    pub(crate) fn error(self, text: impl Display) {
        if !self.quiet {
            say(format_args!("mqtt: {text}"));
        }
    }

    /// Something that the user should know and that the program survives.
    pub(crate) fn warning(self, text: impl Display) {
        if !self.quiet {
            say(format_args!("mqtt: warning: {text}"));
        }
    }

    /// What happens, for `-d`.
    pub(crate) fn debug(self, text: impl Display) {
        if self.debug && !self.quiet {
            say(format_args!("mqtt: debug: {text}"));
        }
    }
}

/// Writes a line to stderr.
pub(crate) fn say(text: impl Display) {
    let _stderr_closed = writeln!(std::io::stderr(), "{text}");
}
