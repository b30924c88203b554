//! Opening a log: which bytes are believed, and why that is safe.
//!
//! # The stream and its runs
//!
//! A *run* is all that one opening of the store writes: segments that follow each other without a gap, with one random salt in
//! their headers. Each opening begins a new run in a fresh segment, whose header says where the log before it ends
//! (`prev_end`). Nothing is ever appended behind a recovered tail.
//!
//! # What is a record
//!
//! Bytes at position `p` of a run are a record if and only if
//!
//! 1. the segment that holds them is part of the log: its header checks out and is reached from the newest segment by links;
//! 2. the checksum matches, which covers the store's id, the run's salt and `p` itself.
//!
//! In one run a position is written with one record only. So a record that checks out is *authentic*: this store appended it there. Neither what a
//! recycled segment held, nor a block in the wrong place, nor an older staging ring can pass.
//!
//! # Where the log ends
//!
//! A run that another run continues ends at that one's `prev_end`, exactly: every record before it must check out, everything behind
//! it is cut off for good. The newest run is read up to the first position `x` that is no record in the segments, then on in the staging ring
//! to the first position that is none there. Whether the log may end at `x` is decided by *promises*:
//!
//! 3. Each record, and each segment header, carries a position before which everything was durable when it was made. It is the end of a record.
//! 4. If any authentic record behind `x`, in any segment of the run or in the staging ring, promises more than `x`, then the record at `x` was
//!    durable and is damaged: that is an error, and nothing is changed.
//! 5. Otherwise nobody was ever told that the record at `x` is durable by this log's account, or it was the last group before the end; `x` is
//!    a torn tail and is cut. (That a later record exists proves nothing by itself: the disk may write block n + 1 without block n.)
//!
//! The search behind `x` tries every position up to the end of the newest segment, at most two segments. After a close in good order there is
//! a mark that ends the run, and no search.
//!
//! A batch whose last fragment is missing is cut off whole: the log then ends where it began, though its fragments still check out. If that
//! one began where another had been given up, the fragments of the other are the end of the log: they mean nothing.
//!
//! # Why nothing is lost
//!
//! 6. *Power cut.* What was called durable was synced before; a stretch is synced before the next segment is written, a group before its end is
//!    called durable. Pages that hold durable records are rewritten only with the same bytes in the same sectors. So every record before the
//!    last durable position checks out, and the recovered log is a prefix of what was appended that includes it.
//! 7. *Process death.* Staging bytes are freed only when the whole group that holds them is written, and groups end with a record. So
//!    each record that is not wholly in the segments is wholly in the ring, and both together hold every record appended.
//!    Before anything is rewritten, direct writes that the dead process left in flight have landed.
//! 8. *Failed sync, then a new process.* The kernel may show bytes that it will never write, and call a later sync a success. Therefore all
//!    from the last promise on is written *again* before it is believed, and then synced.
//! 9. *A crash in here.* The steps are: read; write the tail again, sync; make the new run's first segment, durably. Until that last
//!    step is durable the next opening finds the same promises and the same prefix (or, after a power cut before the tail was synced, a
//!    shorter one, of records that were promised to nobody). After it, the cut is law. What links lead to is removed only then.
//! 10. *Names that come back.* See `spares.rs`.
//!
//! Read errors are errors. They are never taken for the end of the log.

pub(crate) mod chain;
pub(crate) mod finish;
pub(crate) mod reader;
pub(crate) mod scan;
mod spares;
mod start;
mod tail;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringwood_ring::{Buf, Class, Disk, IoError, IoErrorKind, LaneSpec, Owner};

use crate::{Appender, Log, Lsn, Pump, Result, WalOptions};
pub(crate) use scan::Source;

/// Bytes of one read or write while opening.
pub(crate) const READ_BYTES: usize = 256 << 10;
/// Reads of the stream in flight, at most.
const READS_MAX: usize = 4;
const _: () = assert!(READS_MAX <= crate::pump::LANE_DEPTH as usize);

/// An open log.
#[derive(Debug)]
pub struct Opened {
    /// For the one who appends.
    pub appender: Appender,
    /// For the log thread.
    pub pump: Pump,
    /// For everyone.
    pub log: Arc<Log>,
    /// What was found.
    pub report: RecoveryReport,
}

/// What an opening found.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// Batches replayed.
    pub batches: u64,
    /// Their bytes.
    pub payload_bytes: u64,
    /// Segments read.
    pub segments: u64,
    /// Where the recovered log ends.
    pub end: Lsn,
    /// Whether the log was closed in good order.
    pub closed: bool,
    /// The file in which the log ended, and the offset, if there was a log.
    pub end_at: Option<(PathBuf, u64)>,
    /// What was found there instead of a record, unless the log was closed.
    pub end_reason: Option<&'static str>,
    /// Bytes of log that were in the staging ring only.
    pub staged_bytes: u64,
    /// Bytes of a last batch that was not complete, cut off.
    pub cut_bytes: u64,
    /// Bytes written again because no promise covered them.
    pub rewritten_bytes: u64,
    /// Why there is no staging file, if so: `Buffered` writes then wait for a write to the log.
    pub unmapped: Option<String>,
    /// Why the log has no room to append, if so. Everything was recovered and is durable.
    pub full: Option<String>,
}

/// Opens the log in `dir`, which must exist and be locked by the caller, for the store `store_id`; a directory without a log gets a
/// new one. Every batch that starts at or after `from` is handed to `sink`, oldest first.
///
/// When it returns, everything that was replayed is durable, and the log is ready for appends, unless the report's `full` says that the disk
/// has no room for them.
///
/// I/O: reads the log from `from` on once, and after a crash the rest of the newest two segments; writes what no promise covered; prepares one
/// segment. A new store writes one smallest segment and the staging file.
///
/// ```
/// use std::sync::Arc;
/// use ringwood_ring::{Arena, Disk, SyscallDisk};
/// use ringwood_wal::{WalOptions, open};
///
/// let dir = tempfile::tempdir()?;
/// let disk: Arc<dyn Disk> = SyscallDisk::new(Arena::new(16 << 20)?, Vec::new());
/// let store_id = 7;
/// let mut opened = open(&disk, dir.path(), WalOptions::default(), store_id, 0, &mut |_, _| Ok(()))?;
/// let mut pump = opened.pump;
/// let log_thread = std::thread::spawn(move || pump.run());
/// let end = opened.appender.append(&[b"hello, ", b"log"])?;
/// opened.log.wait_durable(end)?;
/// opened.appender.close()?;
/// log_thread.join().unwrap()?;
///
/// let mut replayed = Vec::new();
/// open(&disk, dir.path(), WalOptions::default(), store_id, 0, &mut |_, batch| {
///     replayed.push(batch.to_vec());
///     Ok(())
/// })?;
/// assert_eq!(replayed, [b"hello, log"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Corrupt`](crate::WalErrorKind::Corrupt) if durable log is damaged or missing, with file and offset;
/// [`Unsupported`](crate::WalErrorKind::Unsupported) for a newer format; [`Corrupt`](crate::WalErrorKind::Corrupt) for another store's files;
/// what `sink` returns; disk errors. The log is then as it was, up to a rewritten tail.
pub fn open(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    options: WalOptions,
    store_id: u64,
    from: Lsn,
    sink: &mut dyn FnMut(Lsn, &[u8]) -> Result<()>,
) -> Result<Opened> {
    let options = options.resolved()?;
    let mut lane =
        disk.lane(LaneSpec { class: Class::Log, depth: crate::pump::LANE_DEPTH, owner: Owner::Pool })?;
    let mut report = RecoveryReport::default();
    let recovered = tail::recover(disk, &mut *lane, dir, store_id, from, sink, &mut report)?;
    start::start(disk, lane, dir, options, store_id, from, recovered, report)
}

/// Reads the log in `dir`, which must exist and be locked by the caller, as [`open`] does, and changes nothing: for checks and salvage.
/// Batches before the place of an error were handed to `sink`.
///
/// # Errors
/// As [`open`].
pub fn look(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    store_id: u64,
    from: Lsn,
    sink: &mut dyn FnMut(Lsn, &[u8]) -> Result<()>,
) -> Result<RecoveryReport> {
    let mut lane =
        disk.lane(LaneSpec { class: Class::Log, depth: crate::pump::LANE_DEPTH, owner: Owner::Pool })?;
    let mut report = RecoveryReport::default();
    tail::look(disk, &mut *lane, dir, store_id, from, sink, &mut report)?;
    Ok(report)
}

/// An I/O buffer of at least one page and at most `bytes`.
pub(crate) fn alloc(disk: &Arc<dyn Disk>, bytes: usize) -> Result<Buf> {
    let bytes = bytes.min(disk.arena().chunk_bytes());
    disk.arena().alloc(bytes).map_err(|full| {
        IoError::new("buffer", Path::new("(log)"), IoErrorKind::Memory, full.to_string()).into()
    })
}
