//! Operations and their completions.

use crate::{Buf, File, IoError, PAGE};

/// One I/O operation. It owns its buffer until its [`Completion`] gives the buffer back.
#[derive(Debug)]
pub enum Op {
    /// Reads `len` bytes at `offset` into the start of `buf`.
    ///
    /// Completes with the bytes read: fewer than `len` only at the end of the file.
    Read {
        /// The file.
        file: File,
        /// Byte offset, a multiple of [`PAGE`].
        offset: u64,
        /// Where the bytes go.
        buf: Buf,
        /// Bytes, a multiple of [`PAGE`], at most `buf.len()`.
        len: usize,
    },
    /// Writes the first `len` bytes of `buf` at `offset`. Completes with `len`, or with an error.
    Write {
        /// The file.
        file: File,
        /// Byte offset, a multiple of [`PAGE`].
        offset: u64,
        /// Where the bytes come from.
        buf: Buf,
        /// Bytes, a multiple of [`PAGE`], at most `buf.len()`.
        len: usize,
        /// Durable on completion (`RWF_DSYNC`), as a write followed by `fdatasync` would be.
        dsync: bool,
    },
    /// Makes what was written *and completed* before durable (`fdatasync` if `data_only`, else `fsync`). Completes with 0.
    /// In a chain it covers the writes before it in the chain.
    Sync {
        /// The file.
        file: File,
        /// Leave out metadata that is not needed to read the data back.
        data_only: bool,
    },
}

impl Op {
    /// The file of the operation.
    #[must_use]
    pub fn file(&self) -> &File {
        match self {
            Op::Read { file, .. } | Op::Write { file, .. } | Op::Sync { file, .. } => file,
        }
    }

    /// The operation as a verb, for errors.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Op::Read { .. } => "read",
            Op::Write { .. } => "write",
            Op::Sync { .. } => "sync",
        }
    }

    /// Byte offset, where the operation has one.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        match self {
            Op::Read { offset, .. } | Op::Write { offset, .. } => Some(*offset),
            Op::Sync { .. } => None,
        }
    }

    /// Gives the buffer back from an operation that was never submitted.
    #[must_use]
    pub fn into_buf(self) -> Option<Buf> {
        match self {
            Op::Read { buf, .. } | Op::Write { buf, .. } => Some(buf),
            Op::Sync { .. } => None,
        }
    }

    /// An error of this operation.
    pub(crate) fn error(&self, errno: i32) -> IoError {
        let error = IoError::from_errno(self.verb(), self.file().path(), self.offset(), errno);
        // Of a durable write the sync may have failed.
        if matches!(self, Op::Write { dsync: true, .. }) { error.of_sync() } else { error }
    }

    /// Checks rule 5 of the crate: page multiples, inside the buffer.
    ///
    /// # Panics
    /// On an operation that breaks it: a bug of the caller, never of data.
    pub(crate) fn assert_aligned(&self) {
        if let Op::Read { offset, buf, len, .. } | Op::Write { offset, buf, len, .. } = self {
            assert!(offset.is_multiple_of(PAGE as u64), "{} at unaligned offset {offset}", self.verb());
            assert!(
                *len > 0 && len.is_multiple_of(PAGE) && *len <= buf.len(),
                "{} of {len} bytes in {buf:?}",
                self.verb()
            );
        }
    }
}

/// What came of an operation.
#[derive(Debug)]
pub struct Completion {
    /// The token that the operation was pushed with.
    pub token: u64,
    /// Bytes transferred (0 for a sync), or what went wrong.
    pub result: Result<usize, IoError>,
    /// The operation's buffer, back in the caller's hands.
    pub buf: Option<Buf>,
}
