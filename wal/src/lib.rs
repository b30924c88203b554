//! The write-ahead log.
//!
//! The log is an endless stream of bytes; a position in it is an [`Lsn`]. The stream lies in segment files, made ready before and recycled, and
//! its newest part in a *staging ring*: a shared file mapping that survives the death of the process.
//!
//! ```text
//!   threads ──► Appender ──► staging ring ──► Pump (log thread) ──► segments
//!               copies        kept: kill -9     or a lone waiter:      durable: power cut
//!                                               groups: write+sync
//! ```
//!
//! | who | what | from which thread |
//! |---|---|---|
//! | [`Appender`] | copies batches into the ring: no system call, no lock, no allocation | its owner, one at a time |
//! | [`Pump`] | writes groups to segments, syncs them, prepares segments | the log thread, or a simulation's steps |
//! | [`Log`] | how far it is, waiting, releasing | any |
//! | [`Lead`] | writes and syncs the group of a lone waiter | the waiter's own |
//!
//! [`look`] reads the log and [`inspect_segment`] one file of it, without changing anything, for tools.
//!
//! [`open`] reads the log back and starts the three. Its module holds the crash argument: which bytes are believed after a crash and why.
//! Files are described in `docs/format-wal.md`.
//!
//! # What is promised
//!
//! * Batches are replayed in the order of their appends, each whole or not at all: always a prefix.
//! * [`Log::durable`] only covers what a sync covered, and all before it.
//! * A failed write or sync ends all writing ([`WalError::Poisoned`]); it is never retried.
//! * A full disk ends appends for as long as it lasts ([`WalError::Full`]); nothing that was accepted is in danger.

mod appender;
mod error;
mod header;
mod inspect;
mod lead;
mod log;
mod names;
mod options;
mod pump;
mod record;
mod recovery;
mod shared;
mod staging;
mod stats;
mod sync;
mod turns;
mod writing;

pub use appender::Appender;
pub use error::{Result, WalError, WalErrorKind};
pub use inspect::{RecordView, SegmentView, StagingView, inspect_segment, inspect_staging};
pub use lead::Lead;
pub use log::Log;
pub use options::{LSN_LIMIT, SyncMode, WalOptions};
pub use pump::{Progress, Pump};
pub use recovery::{Opened, RecoveryReport, look, open};
pub use stats::WalStats;

/// A position in the log's stream of bytes. It only grows, and is never used twice for records of one opening.
pub type Lsn = u64;

/// Largest batch that [`Appender::append`] takes, in bytes.
pub const BATCH_BYTES_MAX: usize = 256 << 20;

/// The parsers of bytes from the disk, as fuzz targets call them.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzz {
    use crate::record::{self, Parsed, Seed};

    /// A log record: as it is, and with its checksum made right.
    pub fn record(data: &[u8]) {
        let (seed, lsn) = (Seed::new(1, 2), 1 << 20);
        let _ = record::parse(data, lsn, seed);
        let mut sealed = data.to_vec();
        if record::fuzz_seal(&mut sealed, lsn, seed)
            && let Parsed::Valid(record) = record::parse(&sealed, lsn, seed)
        {
            assert!(record.framed() as usize <= sealed.len());
        }
    }

    /// The headers of a segment and of the staging file.
    pub fn header(data: &[u8]) {
        crate::header::fuzz(data);
    }
}
