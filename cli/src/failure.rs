//! Why a command ended early, and the exit code that says so.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | the key is not there (`get`) |
//! | 2 | the command line is wrong; nothing was done |
//! | 3 | the store or the system failed the command |
//! | 4 | a check found damage, or something was lost or skipped: the command went to its end and told |
//! | 130, 143, 129 | stopped by SIGINT, SIGTERM, SIGHUP |
//!
//! A reader that closes the pipe early (`ringwood scan db | head`) is no failure: the command ends with 0.

use std::io;

use ringwood::ErrorKind;

use crate::escape::escape;

/// Shorthand for results of this crate.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The key is not there. A sentence.
    NotFound(String),
    /// The command line asks for something that cannot be. A sentence.
    Usage(String),
    /// The store or the system failed the command. A sentence.
    Store(String),
    /// The command went to its end, and not all is as it should be. A sentence.
    Damaged(String),
    /// It was told already; the exit code is left.
    Told(u8),
    /// The reader of the output has gone.
    Pipe,
    /// A signal asked for an end.
    Signal(i32),
}

impl Failure {
    /// The process's exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Pipe => 0,
            Self::NotFound(_) => 1,
            Self::Usage(_) => 2,
            Self::Store(_) => 3,
            Self::Damaged(_) => 4,
            Self::Told(code) => *code,
            Self::Signal(number) => 128u8.saturating_add(u8::try_from(*number).unwrap_or(0)),
        }
    }

    /// What stderr says, if anything.
    pub(crate) fn message(&self) -> Option<&str> {
        match self {
            Self::NotFound(text) | Self::Usage(text) | Self::Store(text) | Self::Damaged(text) => Some(text),
            Self::Told(_) | Self::Pipe | Self::Signal(_) => None,
        }
    }

    /// The same, in a line of a script.
    pub(crate) fn in_line(self, number: u64) -> Self {
        let at = |text: String| format!("line {number}: {text}");
        match self {
            Self::NotFound(text) => Self::NotFound(at(text)),
            Self::Usage(text) => Self::Usage(at(text)),
            Self::Store(text) => Self::Store(at(text)),
            Self::Damaged(text) => Self::Damaged(at(text)),
            other => other,
        }
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    pub(crate) fn store(text: impl Into<String>) -> Self {
        Self::Store(text.into())
    }

    /// A store that cannot be taken: whatever the reason, the command line was right.
    #[allow(clippy::needless_pass_by_value, reason = "made for map_err")]
    pub(crate) fn of_store(e: ringwood::Error) -> Self {
        Self::Store(e.to_string())
    }

    /// A file that cannot be decoded: damage is what was asked about.
    #[allow(clippy::needless_pass_by_value, reason = "made for map_err")]
    pub(crate) fn of_file(e: ringwood::Error) -> Self {
        match e.kind() {
            ErrorKind::Corrupt => Self::Damaged(e.to_string()),
            _ => Self::Store(e.to_string()),
        }
    }

    /// A keyspace that is not there.
    pub(crate) fn no_keyspace(name: &str, known: &[String]) -> Self {
        let known: Vec<String> = known.iter().map(|name| escape(name.as_bytes())).collect();
        let name = escape(name.as_bytes());
        Self::Store(format!("the store has no keyspace \"{name}\"; it has: {}", known.join(", ")))
    }

    /// A failure to write the output.
    pub(crate) fn output(e: &io::Error) -> Self {
        match e.kind() {
            io::ErrorKind::BrokenPipe => Self::Pipe,
            _ => Self::Store(format!("cannot write the output: {e}")),
        }
    }
}

/// A failed call on an open store: what the call asks for may be the caller's mistake.
impl From<ringwood::Error> for Failure {
    fn from(e: ringwood::Error) -> Self {
        match e.kind() {
            ErrorKind::Invalid => Self::Usage(e.to_string()),
            _ => Self::Store(e.to_string()),
        }
    }
}
