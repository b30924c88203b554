//! The error of every call of the store.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use ringwood_ring::{IoError, IoErrorKind};
use ringwood_sstable::TableError;
use ringwood_wal::{WalError, WalErrorKind};

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Another handle or process has the store open: close that one first.
    Busy,
    /// The call asks for something that cannot be (empty key, value too large, unknown keyspace): change the call.
    Invalid,
    /// A file is damaged or not what it should be: restore it, or repair the store. Nothing was changed.
    Corrupt,
    /// There is no room for more: nearly always the file system is full. Free space and go on. The log says it too when it cannot grow for want of
    /// file descriptors or memory; the message tells.
    Full,
    /// The process or the machine is out of something other than space: file descriptors, memory. Raise the limit that the message names;
    /// what failed may be tried again, and flushes and compactions do so by themselves.
    Exhausted,
    /// A sync or log write failed earlier: the store gives reads only. Reopen it after the device is sound again.
    Poisoned,
    /// The store was written by a newer version, or the machine lacks what was asked for.
    Unsupported,
    /// The store does not exist and was not to be created.
    NotFound,
    /// The store was closed.
    Closed,
    /// The device or the operating system failed the operation.
    Io,
}

/// A failed call: what was tried, where, why, and what to do. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    message: Cow<'static, str>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    pub(crate) fn corrupt(path: &Path, offset: Option<u64>, what: impl fmt::Display) -> Self {
        let place = offset.map(|o| format!(" at offset {o}")).unwrap_or_default();
        Self::new(ErrorKind::Corrupt, format!("{} is damaged{place}: {what}", path.display()))
    }

    pub(crate) fn dropped() -> Self {
        Self::invalid("the keyspace was dropped; open it by its name again, which makes a new one")
    }

    pub(crate) fn closed() -> Self {
        Self::new(ErrorKind::Closed, "the store was closed")
    }

    /// The same reason, as every later write meets it.
    pub(crate) fn poisoned_by(reason: &Self) -> Self {
        let message = format!(
            "the store takes no more writes because an earlier one failed on the device: {reason}; reads go on; reopen the store once the device is sound"
        );
        Self { kind: ErrorKind::Poisoned, message: message.into(), source: reason.source.clone() }
    }

    /// A thread of the store's own is gone, so that what was asked of it will never be done.
    pub(crate) fn thread_lost(thread: &str, panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no text)");
        let message = format!(
            "the store takes no more writes because its {thread} thread panicked, which is a bug, please report it: {text}; reads go on; reopen the store to write again"
        );
        Self::new(ErrorKind::Poisoned, message)
    }

    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as &(dyn std::error::Error + 'static))
    }
}

impl From<IoError> for Error {
    fn from(e: IoError) -> Self {
        let kind = match e.kind() {
            IoErrorKind::NoSpace => ErrorKind::Full,
            IoErrorKind::TooManyFiles | IoErrorKind::Memory => ErrorKind::Exhausted,
            IoErrorKind::Locked => ErrorKind::Busy,
            IoErrorKind::NotFound => ErrorKind::NotFound,
            IoErrorKind::Unsupported => ErrorKind::Unsupported,
            IoErrorKind::UnexpectedEof => ErrorKind::Corrupt,
            _ => ErrorKind::Io,
        };
        Self { kind, message: e.to_string().into(), source: Some(Arc::new(e)) }
    }
}

impl From<TableError> for Error {
    fn from(e: TableError) -> Self {
        let kind = match &e {
            TableError::Io(io) => return io.clone().into(),
            TableError::Corrupt { .. } => ErrorKind::Corrupt,
            TableError::NewerVersion { .. } => ErrorKind::Unsupported,
            _ => ErrorKind::Invalid,
        };
        Self { kind, message: e.to_string().into(), source: Some(Arc::new(e)) }
    }
}

impl From<WalError> for Error {
    fn from(e: WalError) -> Self {
        let kind = match e.kind() {
            WalErrorKind::Corrupt => ErrorKind::Corrupt,
            WalErrorKind::Unsupported => ErrorKind::Unsupported,
            WalErrorKind::Invalid => ErrorKind::Invalid,
            WalErrorKind::Full => ErrorKind::Full,
            WalErrorKind::Poisoned => ErrorKind::Poisoned,
            WalErrorKind::Closed => ErrorKind::Closed,
            _ => match &e {
                WalError::Io(io) => return io.clone().into(),
                _ => ErrorKind::Io,
            },
        };
        Self { kind, message: e.to_string().into(), source: Some(Arc::new(e)) }
    }
}
