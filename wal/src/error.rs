//! The one error type of the log.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringwood_ring::{IoError, IoErrorKind};

use crate::Lsn;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, WalError>;

/// What a caller can do about a [`WalError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WalErrorKind {
    /// The disk failed an operation; the [`IoError`] inside says which.
    Io,
    /// Bytes that were promised durable are damaged or missing. Restore the file from a copy, or salvage.
    Corrupt,
    /// Written by a newer version: use that version.
    Unsupported,
    /// The caller's mistake: wrong store, wrong option, a batch too large.
    Invalid,
    /// No room for more log. Nothing was written; release log or free space, then go on.
    Full,
    /// An earlier write or sync failed: no further append is taken. Reads of the store are not concerned.
    Poisoned,
    /// The log was closed.
    Closed,
}

/// What went wrong in the log. `Clone`, because a poisoned log gives the same reason to every later caller.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum WalError {
    /// A disk operation failed.
    #[error(transparent)]
    Io(#[from] IoError),

    /// Bytes that the log promised durable are not there or not right.
    #[error("{} is damaged at offset {offset}: {what}; restore the file from a copy, nothing was changed", .path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Byte offset in the file.
        offset: u64,
        /// What is wrong there.
        what: String,
    },

    /// A file of the log that must exist does not.
    #[error("the log in {} is incomplete: {what}; restore the missing file from a copy, nothing was changed", .dir.display())]
    Missing {
        /// The log's directory.
        dir: PathBuf,
        /// What is missing.
        what: String,
    },

    /// A file was written by a newer version of the format.
    #[error("{} was written by a newer version ({what}); open the store with that version", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// What this version does not know.
        what: String,
    },

    /// A file belongs to another store.
    #[error("{} belongs to another store (its id is {found:016x}, this store's is {expected:016x}); it was copied here by mistake, or the store's own files were; restore the directory as a whole", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The store id in the file.
        found: u64,
        /// The id of the store being opened.
        expected: u64,
    },

    /// There is no room for more log.
    #[error("the log has no room: {reason}")]
    Full {
        /// Why, and what to do about it.
        reason: String,
    },

    /// An earlier failure ended all writing.
    #[error(
        "the log takes no more writes since an earlier failure ({reason}); reopen the store to write again"
    )]
    Poisoned {
        /// The failure.
        reason: Arc<WalError>,
    },

    /// The log thread panicked.
    #[error("the log thread is gone: it panicked, which is a bug")]
    PumpLost,

    /// The log was closed, or its pump dropped.
    #[error("the log is closed")]
    Closed,

    /// A batch is larger than the log takes.
    #[error("a batch of {bytes} bytes is larger than the log takes ({bytes_max} bytes); split it")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },

    /// An option that makes no sense.
    #[error("{0}")]
    Option(String),

    /// The receiver of replayed batches refused one.
    #[error("the batch at log position {lsn} was refused: {what}")]
    Refused {
        /// Where the batch starts.
        lsn: Lsn,
        /// The receiver's reason.
        what: String,
    },
}

impl WalError {
    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> WalErrorKind {
        match self {
            Self::Io(_) => WalErrorKind::Io,
            Self::Corrupt { .. } | Self::Missing { .. } | Self::Foreign { .. } | Self::Refused { .. } => {
                WalErrorKind::Corrupt
            }
            Self::Newer { .. } => WalErrorKind::Unsupported,
            Self::TooLarge { .. } | Self::Option(_) => WalErrorKind::Invalid,
            Self::Full { .. } => WalErrorKind::Full,
            Self::Poisoned { .. } | Self::PumpLost => WalErrorKind::Poisoned,
            Self::Closed => WalErrorKind::Closed,
        }
    }

    pub(crate) fn corrupt(path: &Path, offset: u64, what: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_path_buf(), offset, what: what.into() }
    }

    /// The reason that a poisoned log gives to everyone.
    pub(crate) fn into_poison(self) -> Self {
        match self {
            Self::Poisoned { .. } => self,
            other => Self::Poisoned { reason: Arc::new(other) },
        }
    }

    /// Whether the disk may well do better later: it was full, or the process was out of something.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Full { .. } => true,
            Self::Io(e) => matches!(
                e.kind(),
                // The last: a leftover that could not be removed.
                IoErrorKind::NoSpace
                    | IoErrorKind::TooManyFiles
                    | IoErrorKind::Memory
                    | IoErrorKind::AlreadyExists
            ),
            _ => false,
        }
    }
}
