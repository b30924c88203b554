//! How a store is opened.

use std::path::Path;

use ringwood_ring::{IoChoice, machine};
use ringwood_sstable::{BlockCache, Compression};
use ringwood_wal::SyncMode;

use crate::{Db, Error, Result};

/// When a write survives what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// On the device when the call returns: survives a power cut.
    #[default]
    Synced,
    /// In the kernel's keeping when the call returns: survives the death of the process (`kill -9`), not of the machine. After a power
    /// cut the store holds a prefix of all such writes.
    Buffered,
    /// In memory only until its memtable is flushed: for loads that can be repeated. Not ordered with the others after a crash.
    None,
}

/// Smallest memory budget.
pub const MEMORY_BYTES_MIN: u64 = 8 << 20;

/// Options of a store. No knob is needed: the defaults come from the machine.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// let db = ringwood::Options::new().memory(64 << 20).open(dir.path().join("data"))?;
/// db.put("k", "v")?;
/// # db.close()?;
/// # Ok::<(), ringwood::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Options {
    memory: Option<u64>,
    cache_bytes: Option<u64>,
    write_buffer_bytes: Option<u64>,
    compaction_threads: Option<usize>,
    table_bytes: Option<u64>,
    log_bytes: Option<(u64, usize)>,
    pub(crate) compression: Compression,
    pub(crate) durability: Durability,
    pub(crate) sync_mode: SyncMode,
    pub(crate) io: IoChoice,
    pub(crate) must_exist: bool,
    pub(crate) must_be_new: bool,
}

impl Options {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The memory budget in bytes, for block cache, memtables, indexes, filters and I/O buffers together. Default: a quarter of what
    /// the machine or its control group grants, at most 4 GiB. At least [`MEMORY_BYTES_MIN`].
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Bytes of the block cache. Default: what the budget leaves. The budget grows with it if need be.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = Some(bytes);
        self
    }

    /// A memtable is frozen, and flushed, at this size in bytes. Default: a sixteenth of the budget, 512 KiB to 64 MiB.
    #[must_use]
    pub fn write_buffer_bytes(mut self, bytes: u64) -> Self {
        self.write_buffer_bytes = Some(bytes);
        self
    }

    /// Compression of tables written from now on. Default: none.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Durability of writes that do not say their own. Default: [`Durability::Synced`].
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How the log is made durable: a linked write and sync, or one write that is durable by itself. Default: [`SyncMode::Auto`], a
    /// chain for several writers, and for one that is alone whichever of the two is faster at the moment.
    #[must_use]
    pub fn sync_mode(mut self, mode: SyncMode) -> Self {
        self.sync_mode = mode;
        self
    }

    /// Which way to the kernel. Default: io_uring, or plain system calls with one warning where it is forbidden.
    #[must_use]
    pub fn io(mut self, choice: IoChoice) -> Self {
        self.io = choice;
        self
    }

    /// Whether to create the store if it does not exist. Default: yes.
    #[must_use]
    pub fn create_if_missing(mut self, yes: bool) -> Self {
        self.must_exist = !yes;
        self
    }

    /// Whether an existing store is an error. Default: no.
    #[must_use]
    pub fn error_if_exists(mut self, yes: bool) -> Self {
        self.must_be_new = yes;
        self
    }

    /// Threads that compact. Default: half the cores, 1 to 4.
    #[must_use]
    pub fn compaction_threads(mut self, threads: usize) -> Self {
        self.compaction_threads = Some(threads);
        self
    }

    /// Size that compaction aims for in a table, in bytes. Default: the write buffer's.
    #[must_use]
    pub fn table_bytes(mut self, bytes: u64) -> Self {
        self.table_bytes = Some(bytes);
        self
    }

    /// Opens the store in the directory `path`, creating it if it does not exist.
    ///
    /// # Errors
    /// [`Busy`](crate::ErrorKind::Busy) if it is open elsewhere, naming the holder;
    /// [`Corrupt`](crate::ErrorKind::Corrupt), naming file and offset, if it is damaged;
    /// [`Unsupported`](crate::ErrorKind::Unsupported) if a newer version wrote it;
    /// [`Invalid`](crate::ErrorKind::Invalid) if the directory holds something else.
    pub fn open(self, path: impl AsRef<Path>) -> Result<Db> {
        let budget = self.budget()?;
        let disk =
            ringwood_ring::open_disk(self.io, budget.arena_bytes(), ringwood_ring::UringConfig::default())?;
        Db::open_on(disk, path.as_ref(), &self, budget, false)
    }

    /// Largest segment of the log and size of its staging ring, in bytes: simulations change segments often, and make many stores.
    #[doc(hidden)]
    #[must_use]
    pub fn log_bytes(mut self, segment: u64, staging: usize) -> Self {
        self.log_bytes = Some((segment, staging));
        self
    }

    /// Opens the store on a disk of the caller's. With `stepped`, no thread is started: background work is done inside waiting
    /// calls and by [`Db::step`], so that one thread and the disk's seed decide everything.
    #[doc(hidden)]
    pub fn open_on(
        self,
        disk: std::sync::Arc<dyn ringwood_ring::Disk>,
        path: impl AsRef<Path>,
        stepped: bool,
    ) -> Result<Db> {
        let budget = self.budget()?;
        Db::open_on(disk, path.as_ref(), &self, budget, stepped)
    }

    pub(crate) fn budget(&self) -> Result<Budget> {
        let memory =
            self.memory.unwrap_or_else(|| (machine::memory_limit() / 4).clamp(MEMORY_BYTES_MIN, 4 << 30));
        if memory < MEMORY_BYTES_MIN {
            return Err(Error::invalid(format!(
                "a memory budget of {memory} bytes is too small; give at least {MEMORY_BYTES_MIN}"
            )));
        }
        let write_buffer =
            self.write_buffer_bytes.unwrap_or((memory / 16).clamp(512 << 10, 64 << 20)).max(16 << 10);
        let compaction_threads = self.compaction_threads.unwrap_or((machine::cores() / 2).clamp(1, 4)).max(1);
        let read_window = (memory / 64).clamp(256 << 10, 16 << 20);
        let output_buffer = (memory / 512).clamp(64 << 10, 1 << 20);
        let (segment, staging) = self.log_bytes.unwrap_or((
            write_buffer.clamp(1 << 20, 64 << 20),
            (memory / 16).clamp(512 << 10, 4 << 20) as usize,
        ));
        let mut budget = Budget {
            memory,
            cache: 0,
            tables: memory / TABLES_PART,
            write_buffer,
            table: self.table_bytes.unwrap_or(write_buffer).max(64 << 10),
            compaction_threads,
            read_window: read_window as usize,
            output_buffer: output_buffer as usize,
            output_buffers: (read_window * 5 / 4 / output_buffer).max(OUTPUT_BUFFERS as u64) as usize,
            log_buffers: (memory / 64).clamp(512 << 10, 4 << 20) as usize,
            segment,
            staging,
        };
        let rest = memory.saturating_sub(budget.fixed_bytes() + budget.tables);
        budget.cache = self.cache_bytes.unwrap_or(rest.max(memory / CACHE_PART_MIN));
        budget.memory = memory.max(budget.cache + budget.fixed_bytes());
        Ok(budget)
    }
}

/// Most memtables that wait for their flush; then writers wait too.
pub(crate) const FROZEN_MAX: usize = 3;
/// Output buffers of a flush: one fills while the others are on their way.
pub(crate) const OUTPUT_BUFFERS: usize = 3;
/// This part of the budget is for indexes and filters before the cache gives way to them.
const TABLES_PART: u64 = 8;
/// The cache keeps this part of the budget, whatever indexes and filters take.
const CACHE_PART_MIN: u64 = 16;
/// Arena for opening, manifest and odd reads.
const CONTROL_BYTES: u64 = 2 << 20;

/// How the memory budget is spent, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) memory: u64,
    /// Frames and their metadata.
    pub(crate) cache: u64,
    /// Indexes and filters, as long as they take nothing from the cache.
    pub(crate) tables: u64,
    pub(crate) write_buffer: u64,
    pub(crate) table: u64,
    pub(crate) compaction_threads: usize,
    /// Input of one compaction that is read ahead.
    pub(crate) read_window: usize,
    pub(crate) output_buffer: usize,
    /// Output buffers of a compaction: they take what two batches of reads bring, one being written and one being merged, so that
    /// reads and writes share an enter.
    pub(crate) output_buffers: usize,
    pub(crate) log_buffers: usize,
    /// Largest segment of the log.
    pub(crate) segment: u64,
    pub(crate) staging: usize,
}

impl Budget {
    /// What jobs and the log need of the arena.
    fn io_bytes(&self) -> u64 {
        let flush = (OUTPUT_BUFFERS * self.output_buffer) as u64;
        // A table on its way out and one that is being filled.
        let outputs = (2 * self.output_buffers * self.output_buffer) as u64;
        let compactions = self.compaction_threads as u64 * (self.read_window as u64 + outputs);
        compactions + flush + self.log_buffers as u64 + CONTROL_BYTES
    }

    /// Log that may be alive before small memtables are flushed for its sake, in bytes.
    pub(crate) fn log_bytes_soft(&self) -> u64 {
        2 * (FROZEN_MAX as u64 + 2) * self.write_buffer
    }

    /// Everything but cache, indexes and filters.
    fn fixed_bytes(&self) -> u64 {
        self.io_bytes() + self.staging as u64 + (FROZEN_MAX as u64 + 1) * self.write_buffer
    }

    /// Frames of the cache, without their metadata.
    pub(crate) fn cache_frames(&self) -> u64 {
        BlockCache::frames_in(self.cache)
    }

    /// What the cache keeps of its bytes when indexes and filters grow.
    pub(crate) fn cache_min(&self) -> u64 {
        self.cache.min(self.memory / CACHE_PART_MIN)
    }

    /// Most bytes of indexes and filters that the budget has room for.
    pub(crate) fn tables_max(&self) -> u64 {
        self.tables + self.cache - self.cache_min()
    }

    /// Size of the I/O arena: cache frames, indexes and filters, and I/O buffers.
    pub(crate) fn arena_bytes(&self) -> usize {
        // Frames come in slabs of up to 1 MiB.
        (self.cache_frames() + self.tables + self.io_bytes() + (2 << 20)) as usize
    }
}
