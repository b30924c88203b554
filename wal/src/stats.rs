//! What the log counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Live counts; the log thread and whoever leads add to them.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) groups: AtomicU64,
    pub(crate) led_groups: AtomicU64,
    pub(crate) group_bytes: AtomicU64,
    pub(crate) group_ns: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) chains: AtomicU64,
    pub(crate) durable_writes: AtomicU64,
    pub(crate) segments_created: AtomicU64,
    pub(crate) segments_filled: AtomicU64,
    pub(crate) segments_recycled: AtomicU64,
    pub(crate) segments_removed: AtomicU64,
    pub(crate) spare_bytes: AtomicU64,
}

/// Adds to a live count.
pub(crate) fn count(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Relaxed);
}

/// Counts of one log since it was opened, and what it takes on disk now.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WalStats {
    /// Batches appended.
    pub records: u64,
    /// Commit groups written.
    pub groups: u64,
    /// Those of them that a waiter wrote itself; the others are the log thread's.
    pub led_groups: u64,
    /// Bytes of log in them: less than the bytes written, which are whole pages.
    pub group_bytes: u64,
    /// Nanoseconds that one was on its way to the disk, from its first submission to its last completion. There is never more than one.
    pub group_ns: u64,
    /// Syncs of segments for commit groups: chains, durable writes, and syncs alone after several writes.
    pub syncs: u64,
    /// Writes linked to a sync. A group has one at most in each segment that it touches.
    pub chains: u64,
    /// Writes that were durable on completion.
    pub durable_writes: u64,
    /// Segments that were created.
    pub segments_created: u64,
    /// Segments that were filled with zeros before use, since the log was synced often.
    pub segments_filled: u64,
    /// Segments that were released and kept as the next spare.
    pub segments_recycled: u64,
    /// Segments that were released and removed.
    pub segments_removed: u64,
    /// Segments that hold log now, or are ready to.
    pub segments: u64,
    /// Bytes that segments, the spare and the staging file take on disk now.
    pub disk_bytes: u64,
    /// Log between the oldest segment's start and the last append: what a recovery may have to read.
    pub live_bytes: u64,
}
