//! The one error type of the disk boundary.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, IoError>;

/// What a caller can do about an [`IoError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IoErrorKind {
    /// The file or directory does not exist.
    NotFound,
    /// The file or directory exists already.
    AlreadyExists,
    /// The file system is full (ENOSPC, EDQUOT): free space and go on.
    NoSpace,
    /// The file system or file is read-only, or permission is missing.
    Denied,
    /// Another process or handle owns the directory.
    Locked,
    /// The process or system ran out of file descriptors.
    TooManyFiles,
    /// Memory could not be had: address space, or locked memory (RLIMIT_MEMLOCK).
    Memory,
    /// The file ended before the bytes asked for.
    UnexpectedEof,
    /// The kernel, its policy or the file system does not offer what was asked (io_uring forbidden, no O_DIRECT).
    Unsupported,
    /// The device or file system failed the operation (EIO and everything else).
    Failed,
}

/// A failed disk operation: what was tried, on which file, where, and the kernel's answer.
///
/// `Clone`, because a poisoned log gives the same reason to every later caller.
#[derive(Debug, Clone, thiserror::Error)]
pub struct IoError {
    op: &'static str,
    path: PathBuf,
    offset: Option<u64>,
    errno: i32,
    kind: IoErrorKind,
    hint: Option<Cow<'static, str>>,
}

impl IoError {
    /// An error with the kernel's errno; the kind follows from it.
    #[must_use]
    pub fn from_errno(op: &'static str, path: &Path, offset: Option<u64>, errno: i32) -> Self {
        let kind = match errno {
            libc::ENOENT => IoErrorKind::NotFound,
            libc::EEXIST => IoErrorKind::AlreadyExists,
            libc::ENOSPC | libc::EDQUOT => IoErrorKind::NoSpace,
            libc::EROFS | libc::EACCES | libc::EPERM => IoErrorKind::Denied,
            libc::EMFILE | libc::ENFILE => IoErrorKind::TooManyFiles,
            libc::ENOMEM => IoErrorKind::Memory,
            libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL => IoErrorKind::Unsupported,
            _ => IoErrorKind::Failed,
        };
        let hint = match kind {
            IoErrorKind::NoSpace => Some("free space on the file system and try again"),
            IoErrorKind::TooManyFiles => Some("raise the open-file limit (ulimit -n)"),
            IoErrorKind::Denied => {
                Some("check the owner and mode of the directory and whether the file system is read-only")
            }
            _ if errno == libc::ELOOP => Some(
                "it is a symbolic link, and none is followed inside a store; put the file or directory itself there",
            ),
            _ => None,
        };
        let error = Self { op, path: path.to_path_buf(), offset, errno, kind, hint: hint.map(Cow::Borrowed) };
        if op == "sync" { error.of_sync() } else { error }
    }

    /// The same error of a sync. One that fails has failed for good, whatever its errno: a delayed allocation that finds the disk full loses
    /// the bytes.
    pub(crate) fn of_sync(mut self) -> Self {
        if self.kind == IoErrorKind::NoSpace {
            (self.kind, self.hint) = (IoErrorKind::Failed, None);
        }
        self
    }

    /// An error that the kernel did not number: the kind is given and the hint says what happened.
    #[must_use]
    pub fn new(op: &'static str, path: &Path, kind: IoErrorKind, hint: impl Into<Cow<'static, str>>) -> Self {
        Self { op, path: path.to_path_buf(), offset: None, errno: 0, kind, hint: Some(hint.into()) }
    }

    /// The same error at `offset`.
    #[must_use]
    pub fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// The same error with `hint` as the sentence that says what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> IoErrorKind {
        self.kind
    }

    /// The operation that failed, as a verb: "read", "write", "sync", "open", ….
    #[must_use]
    pub fn op(&self) -> &'static str {
        self.op
    }

    /// The file or directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Byte offset in the file, where one applies.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        self.offset
    }

    /// The kernel's errno, 0 where the kernel gave none.
    #[must_use]
    pub fn errno(&self) -> i32 {
        self.errno
    }
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}", self.op, self.path.display())?;
        if let Some(offset) = self.offset {
            write!(f, " at offset {offset}")?;
        }
        if self.errno != 0 {
            write!(f, ": {}", std::io::Error::from_raw_os_error(self.errno))?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "{} {hint}", if self.errno == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_that_fails_is_never_a_full_disk() {
        for errno in [libc::ENOSPC, libc::EDQUOT] {
            let kind = |op| IoError::from_errno(op, Path::new("f"), None, errno).kind();
            assert_eq!((kind("write"), kind("sync")), (IoErrorKind::NoSpace, IoErrorKind::Failed));
        }
    }
}
