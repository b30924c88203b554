//! Versions: immutable lists of the tables of a tree, level by level, and the view that readers take.
//!
//! A [`View`] is everything a reader needs: the active memtable, the frozen ones, and a [`Version`]. It is swapped by one pointer
//! store; a reader that holds one holds its memtables and tables alive, and is never waited for.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ringwood_sstable::Table;
use ringwood_wal::Lsn;

use crate::cursor::Spares;
use crate::manifest::{LEVELS, TableMeta};
use crate::memtable::Memtable;

/// An open table in some version.
pub(crate) struct TableHandle {
    pub(crate) table: Arc<Table>,
    pub(crate) meta: TableMeta,
    obsolete: AtomicBool,
    graveyard: Arc<Graveyard>,
}

impl TableHandle {
    pub(crate) fn new(table: Arc<Table>, meta: TableMeta, graveyard: &Arc<Graveyard>) -> Arc<Self> {
        Arc::new(Self { table, meta, obsolete: AtomicBool::new(false), graveyard: Arc::clone(graveyard) })
    }

    /// Says that the manifest does not name the table any more: its file is removed when the last reader lets go of it.
    pub(crate) fn set_obsolete(&self) {
        self.obsolete.store(true, Ordering::Release);
    }
}

impl Drop for TableHandle {
    fn drop(&mut self) {
        if self.obsolete.load(Ordering::Acquire) {
            self.graveyard.bury(self.table.path().to_path_buf());
        }
    }
}

/// Files that nobody refers to any more, to be removed by a background thread: a reader that drops the last reference does not
/// pay for it.
#[derive(Default)]
pub(crate) struct Graveyard {
    files: Mutex<Vec<PathBuf>>,
}

impl Graveyard {
    fn bury(&self, path: PathBuf) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).push(path);
    }

    pub(crate) fn take(&self) -> Vec<PathBuf> {
        std::mem::take(&mut self.files.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// The tables of a tree. Level 0 is newest first and may overlap; each deeper level is sorted by key and does not.
#[derive(Clone, Default)]
pub(crate) struct Version {
    pub(crate) levels: [Vec<Arc<TableHandle>>; LEVELS],
}

impl Version {
    /// The version with `added` (level, table) and without `removed` (level, number).
    pub(crate) fn edited(&self, added: &[(usize, Arc<TableHandle>)], removed: &[(usize, u64)]) -> Self {
        let mut next = self.clone();
        for (level, id) in removed {
            next.levels[*level].retain(|t| t.meta.id != *id);
        }
        for (level, table) in added {
            next.levels[*level].push(Arc::clone(table));
        }
        next.sort();
        next
    }

    fn sort(&mut self) {
        let (first, rest) = self.levels.split_first_mut().expect("there are levels");
        // Flushes follow each other: newer tables hold newer sequence numbers only.
        first.sort_by(|a, b| b.meta.seq_max.cmp(&a.meta.seq_max).then(b.meta.id.cmp(&a.meta.id)));
        for level in rest {
            level.sort_by(|a, b| a.meta.smallest.cmp(&b.meta.smallest));
            debug_assert!(
                level.windows(2).all(|w| w[0].meta.largest < w[1].meta.smallest),
                "tables of a level overlap"
            );
        }
    }

    /// The table of `level` (not 0) that may hold `key`.
    pub(crate) fn table_at(&self, level: usize, key: &[u8]) -> Option<&Arc<TableHandle>> {
        let tables = &self.levels[level];
        let at = tables.partition_point(|t| *t.meta.largest < *key);
        tables.get(at).filter(|t| *t.meta.smallest <= *key)
    }

    /// Whether `level` has a table with some key in `from..=to`.
    pub(crate) fn overlaps(&self, level: usize, from: &[u8], to: &[u8]) -> bool {
        if level == 0 {
            return self.levels[0].iter().any(|t| t.meta.overlaps(from, to));
        }
        let tables = &self.levels[level];
        let at = tables.partition_point(|t| *t.meta.largest < *from);
        tables.get(at).is_some_and(|t| *t.meta.smallest <= *to)
    }

    /// Tables of `level` with some key in `from..=to`.
    pub(crate) fn overlapping(&self, level: usize, from: &[u8], to: &[u8]) -> Vec<Arc<TableHandle>> {
        self.levels[level].iter().filter(|t| t.meta.overlaps(from, to)).cloned().collect()
    }

    pub(crate) fn level_bytes(&self, level: usize) -> u64 {
        self.levels[level].iter().map(|t| t.meta.bytes).sum()
    }

    pub(crate) fn tables(&self) -> impl Iterator<Item = &Arc<TableHandle>> {
        self.levels.iter().flatten()
    }
}

/// A memtable and where its part of the log begins.
pub(crate) struct Mem {
    pub(crate) table: Arc<Memtable>,
    /// Every record of this memtable is in the log at or after this position.
    pub(crate) log_start: Lsn,
    /// … and before this one, once it is frozen.
    log_end: OnceLock<Lsn>,
    /// Whether it holds writes that are in no log.
    unlogged: AtomicBool,
}

impl Mem {
    pub(crate) fn new(table: Arc<Memtable>, log_start: Lsn) -> Arc<Self> {
        Arc::new(Self { table, log_start, log_end: OnceLock::new(), unlogged: AtomicBool::new(false) })
    }

    /// Says that the memtable is frozen, and that its part of the log ends at `lsn`.
    pub(crate) fn set_log_end(&self, lsn: Lsn) {
        let _ = self.log_end.set(lsn);
    }

    /// Says that a write goes into the memtable and into no log. Under the commit lock.
    pub(crate) fn set_unlogged(&self) {
        self.unlogged.store(true, Ordering::Release);
    }

    /// Whether the log does not hold all of it.
    pub(crate) fn is_unlogged(&self) -> bool {
        self.unlogged.load(Ordering::Acquire)
    }

    /// Where the log of a frozen memtable ends.
    pub(crate) fn log_end(&self) -> Lsn {
        self.log_end.get().copied().expect("asked of frozen memtables only")
    }
}

/// What a reader sees of a tree.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) active: Arc<Mem>,
    /// Newest first.
    pub(crate) frozen: Vec<Arc<Mem>>,
    pub(crate) version: Arc<Version>,
    /// What cursors over this view have left for the next.
    pub(crate) spares: Spares,
}

impl View {
    /// Memtables, newest first.
    pub(crate) fn mems(&self) -> impl Iterator<Item = &Arc<Mem>> {
        std::iter::once(&self.active).chain(&self.frozen)
    }
}
