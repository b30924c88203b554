//! The store: what all handles, cursors and background jobs share.
//!
//! # Locks, in the order they may be taken
//!
//! 1. `commit`: sequence numbers, log order and memtable order are one order. Held for the length of a memory copy and a memtable
//!    insert; never while waiting, except for room in the log's staging ring, and by a load that takes effect.
//! 2. `manifest`: one version edit at a time. Held over its I/O.
//! 3. `background.state`: who does what. Held for a decision.
//!
//! Readers take none of them: a [`View`](crate::version::View) is one pointer load.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use arc_swap::ArcSwap;
use ringwood_ring::{DirLock, Disk, LanePool};
use ringwood_sstable::{BlockCache, TableOptions};
use ringwood_wal::{Appender, Log, Lsn};

use crate::background::Background;
use crate::compaction::Limits;
use crate::loader::Loading;
use crate::manifest::Manifest;
use crate::memtable::MemtablePool;
use crate::options::{Budget, Durability};
use crate::pacing::{self, Account, Pacer};
use crate::regulator::{Regulator, Window};
use crate::scans::Scans;
use crate::snapshots::Snapshots;
use crate::stats::Totals;
use crate::tree::Tree;
use crate::version::Graveyard;
use crate::{Error, Result};

/// Depth of a lane that one call reads through: blocks that a multi-get fetches in one enter.
const READ_LANE_DEPTH: u32 = 256;
/// Most calls that read from the disk at once; more wait for a lane.
const READ_LANES_MAX: usize = 64;

pub(crate) struct Store {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) lock: Mutex<Option<Box<dyn DirLock>>>,
    pub(crate) budget: Budget,
    pub(crate) limits: Limits,
    pub(crate) durability: Durability,
    pub(crate) table_options: TableOptions,
    pub(crate) cache: Arc<BlockCache>,
    pub(crate) get_lanes: Arc<LanePool>,
    pub(crate) scans: Scans,
    pub(crate) memtables: MemtablePool,
    pub(crate) log: Arc<Log>,
    pub(crate) commit: Mutex<Commit>,
    /// Every write up to this sequence number is in a memtable.
    pub(crate) visible: AtomicU64,
    /// Every log record before this position is in a memtable.
    pub(crate) applied: AtomicU64,
    pub(crate) trees: ArcSwap<BTreeMap<u32, Arc<Tree>>>,
    pub(crate) snapshots: Snapshots,
    pub(crate) manifest: Mutex<Manifest>,
    pub(crate) next_file: AtomicU64,
    pub(crate) graveyard: Arc<Graveyard>,
    pub(crate) background: Background,
    pub(crate) pacer: Pacer,
    /// What [`is_read`](Self::is_read) last saw.
    lookups_seen: AtomicU64,
    pub(crate) regulator: Arc<Regulator>,
    pub(crate) totals: Totals,
    /// Bytes of frozen memtables.
    pub(crate) frozen_bytes: AtomicU64,
    pub(crate) closed: AtomicBool,
    is_table_memory_told: AtomicBool,
    /// Loads that may be under way.
    loadings: Mutex<Vec<Weak<Loading>>>,
    poison: OnceLock<Error>,
}

/// What the commit lock guards.
pub(crate) struct Commit {
    pub(crate) appender: Appender,
    pub(crate) next_seq: u64,
    pub(crate) account: Account,
}

/// The parts of a store that opening has ready; see [`Store::new`].
pub(crate) struct Parts {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) lock: Box<dyn DirLock>,
    pub(crate) budget: Budget,
    pub(crate) durability: Durability,
    pub(crate) table_options: TableOptions,
    pub(crate) cache: Arc<BlockCache>,
    pub(crate) memtables: MemtablePool,
    pub(crate) log: Arc<Log>,
    pub(crate) appender: Appender,
    pub(crate) last_seq: u64,
    pub(crate) trees: BTreeMap<u32, Arc<Tree>>,
    pub(crate) manifest: Manifest,
    pub(crate) next_file: u64,
    pub(crate) graveyard: Arc<Graveyard>,
    pub(crate) background: Background,
}

impl Store {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        use ringwood_ring::Class;
        let pool = |class| LanePool::new(Arc::clone(&parts.disk), class, READ_LANE_DEPTH, READ_LANES_MAX);
        let frozen = parts.trees.values().flat_map(|t| t.view_owned().frozen.clone());
        let frozen_bytes = frozen.map(|m| m.table.bytes() as u64).sum();
        Arc::new(Self {
            get_lanes: pool(Class::Get),
            scans: Scans::new(
                pool(Class::Scan),
                &parts.disk,
                parts.budget.memory,
                parts.background.is_stepped(),
            ),
            limits: Limits {
                l0_bytes: 4 * parts.budget.write_buffer,
                l0_tables: 12,
                table_bytes: parts.budget.table,
            },
            commit: Mutex::new(Commit {
                next_seq: parts.last_seq + 1,
                account: Account::default(),
                appender: parts.appender,
            }),
            visible: AtomicU64::new(parts.last_seq),
            applied: AtomicU64::new(parts.log.appended()),
            disk: parts.disk,
            dir: parts.dir,
            lock: Mutex::new(Some(parts.lock)),
            budget: parts.budget,
            durability: parts.durability,
            table_options: parts.table_options,
            cache: parts.cache,
            memtables: parts.memtables,
            log: parts.log,
            trees: ArcSwap::from_pointee(parts.trees),
            snapshots: Snapshots::default(),
            manifest: Mutex::new(parts.manifest),
            next_file: AtomicU64::new(parts.next_file),
            graveyard: parts.graveyard,
            background: parts.background,
            pacer: Pacer::default(),
            lookups_seen: AtomicU64::new(0),
            regulator: Arc::default(),
            totals: Totals::default(),
            frozen_bytes: AtomicU64::new(frozen_bytes),
            closed: AtomicBool::new(false),
            is_table_memory_told: AtomicBool::new(false),
            loadings: Mutex::default(),
            poison: OnceLock::new(),
        })
    }

    pub(crate) fn lock_commit(&self) -> MutexGuard<'_, Commit> {
        #[cfg(test)]
        crate::interleave::point();
        self.commit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lock_manifest(&self) -> MutexGuard<'_, Manifest> {
        self.manifest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn new_file_number(&self) -> u64 {
        self.next_file.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes the store read-only, for the reason given first.
    pub(crate) fn poison(&self, reason: &Error) {
        self.poison_with(Error::poisoned_by(reason), reason);
    }

    /// Makes the store read-only; `error` is what every later write meets.
    pub(crate) fn poison_with(&self, error: Error, reason: &Error) {
        if self.poison.set(error).is_ok() {
            log::error!("{}: {}", self.dir.display(), reason);
        }
        self.background.progress.notify();
        self.background.notify_work();
    }

    /// Whether writes are taken; else why not.
    pub(crate) fn check_writable(&self) -> Result<()> {
        self.check_sound()?;
        if self.closed.load(Ordering::Relaxed) { Err(Error::closed()) } else { Ok(()) }
    }

    /// Whether the device has failed no write; else the reason.
    pub(crate) fn check_sound(&self) -> Result<()> {
        self.poison.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poison.get().is_some()
    }

    /// Notes a load that has begun, so that closing waits for its end.
    pub(crate) fn add_loading(&self, loading: &Arc<Loading>) {
        let mut loadings = self.loadings.lock().unwrap_or_else(PoisonError::into_inner);
        loadings.retain(|l| l.strong_count() > 0);
        loadings.push(Arc::downgrade(loading));
    }

    /// Gives up all loads that are under way; one that is just taking effect does so.
    pub(crate) fn stop_loadings(&self) {
        let loadings = std::mem::take(&mut *self.loadings.lock().unwrap_or_else(PoisonError::into_inner));
        loadings.iter().filter_map(Weak::upgrade).for_each(|loading| loading.stop());
    }

    /// The position before which nothing in the log is needed, when `flushed` (a memtable that is now a table) is left out.
    pub(crate) fn log_floor(&self, flushed: Option<&Arc<crate::version::Mem>>) -> Lsn {
        // Read first: what is written meanwhile lies at or after it.
        let mut floor = self.applied.load(Ordering::Acquire);
        for tree in self.trees.load().values() {
            let view = tree.view();
            let unflushed =
                view.mems().filter(|m| !flushed.is_some_and(|f| Arc::ptr_eq(f, m)) && !m.table.is_empty());
            floor = unflushed.map(|m| m.log_start).fold(floor, Lsn::min);
        }
        floor
    }

    /// Looks again at how far the background is behind.
    pub(crate) fn update_debt(&self) {
        let wb = self.budget.write_buffer;
        let mut debt = pacing::debt(self.frozen_bytes.load(Ordering::Relaxed), wb + wb / 2, 4 * wb);
        for tree in self.trees.load().values() {
            let version = Arc::clone(&tree.view().version);
            let l0 = version.level_bytes(0);
            debt = debt.max(pacing::debt(l0, 2 * self.limits.l0_bytes, 6 * self.limits.l0_bytes));
            let pending = crate::compaction::pending_bytes(&version, self.limits);
            debt = debt.max(pacing::debt(pending, 16 * self.limits.l0_bytes, 64 * self.limits.l0_bytes));
        }
        self.pacer.set_debt(debt);
    }

    /// Whether anybody has asked the cache for a block since this was last asked. Looks at every frame.
    pub(crate) fn is_read(&self) -> bool {
        let cache = self.cache.stats();
        let lookups = cache.hits + cache.misses;
        self.lookups_seen.swap(lookups, Ordering::Relaxed) != lookups
    }

    /// What background jobs may have in flight now.
    pub(crate) fn background_window(&self) -> Window {
        let reads = self.get_lanes.checkouts() + self.scans.reads();
        self.regulator.window(reads, self.disk.now(), self.pacer.debt())
    }

    /// Says once if indexes and filters take more memory than the budget has for them.
    pub(crate) fn check_table_memory(&self) {
        let (excess, tables) = self.cache.tables_excess();
        if excess > 0 && !self.is_table_memory_told.swap(true, Ordering::Relaxed) {
            log::warn!(
                "{}: indexes and filters take {} bytes of memory, {} more than the budget of {} has for them, and the cache is at its smallest; raise the memory budget",
                self.dir.display(),
                tables,
                excess,
                self.budget.memory
            );
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.dir.display())
    }
}
