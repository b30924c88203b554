//! What can go wrong with a table.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use ringwood_ring::IoError;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, TableError>;

/// A table could not be read or written. Each is a sentence that names the file, the place and what to do.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The bytes of the file are not what was written. Nothing of the damaged part is ever returned.
    #[error(
        "table {} is damaged at offset {offset}: {what}; check the device, then restore the file from a backup or drop it with a repair",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Byte offset of the damaged part.
        offset: u64,
        /// What is wrong.
        what: Cow<'static, str>,
    },
    /// The file is sound, but uses something this version does not know.
    #[error(
        "table {} was written by a newer version: {what}; open the store with that version or a later one",
        path.display()
    )]
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// What this version does not know.
        what: Cow<'static, str>,
    },
    /// The disk failed, or memory for the transfer could not be had.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The caller broke a rule of the table: order, limits, state. Nothing was written for this call.
    #[error("table {}: {what}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The rule that was broken.
        what: Cow<'static, str>,
    },
}

impl TableError {
    pub(crate) fn corrupt(path: &Path, offset: u64, what: impl Into<Cow<'static, str>>) -> Self {
        TableError::Corrupt { path: path.to_path_buf(), offset, what: what.into() }
    }

    pub(crate) fn newer(path: &Path, what: impl Into<Cow<'static, str>>) -> Self {
        TableError::NewerVersion { path: path.to_path_buf(), what: what.into() }
    }

    pub(crate) fn invalid(path: &Path, what: impl Into<Cow<'static, str>>) -> Self {
        TableError::Invalid { path: path.to_path_buf(), what: what.into() }
    }
}

/// What is wrong with some bytes, before file and offset are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// They are not what was written.
    Corrupt(Cow<'static, str>),
    /// They use something this version does not know.
    Newer(Cow<'static, str>),
}

impl Fault {
    pub(crate) const fn corrupt(what: &'static str) -> Self {
        Fault::Corrupt(Cow::Borrowed(what))
    }

    /// The error for bytes at `offset` of the file at `path`.
    #[must_use]
    pub fn at(self, path: &Path, offset: u64) -> TableError {
        match self {
            Fault::Corrupt(what) => TableError::corrupt(path, offset, what),
            Fault::Newer(what) => TableError::newer(path, what),
        }
    }
}
