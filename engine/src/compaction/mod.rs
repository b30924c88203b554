//! Compaction: tables merged into the next level.
//!
//! A [`Compaction`] is picked ([`picker`]), cut into key ranges ([`plan`]), and each range is merged by a [`PartJob`] ([`part`]) that reads
//! along its plan ([`input`]). When the last part is through, one version edit puts all outputs in place of all inputs.

mod input;
mod part;
mod picker;
mod plan;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use part::PartJob;
pub(crate) use picker::{Busy, Limits, Pick, pending_bytes, pick, pick_all, pick_level0, waiting_bytes};

use crate::manifest::{Edit, LEVELS};
use crate::store::Store;
use crate::tree::Tree;
use crate::version::{TableHandle, Version};
use crate::{Error, Result, output};

/// A large compaction is cut into parts of about so many memtables of input, so that level 0 gets its turn between two of them before it
/// has grown much; but of no fewer than [`PART_TABLES_MIN`] tables of the size aimed for, since each part ends with a smaller one.
const PART_MEMTABLES: u64 = 8;
const PART_TABLES_MIN: u64 = 4;

/// One compaction under way, shared by its parts.
pub(crate) struct Compaction {
    pub(crate) tree: Arc<Tree>,
    pub(crate) pick: Pick,
    /// Who asked for it, if it is a whole compaction.
    pub(crate) ticket: Option<u64>,
    /// The version that it was picked from: what lies below its target.
    version: Arc<Version>,
    /// The inputs: each table of level 0, then each deeper level as one.
    runs: Vec<Vec<Arc<TableHandle>>>,
    /// Snapshots whose view must not change.
    snapshots: Vec<u64>,
    outputs: Mutex<Vec<Arc<TableHandle>>>,
    parts_left: AtomicUsize,
    failed: Mutex<Option<Error>>,
}

impl Compaction {
    pub(crate) fn new(
        store: &Store,
        tree: &Arc<Tree>,
        version: Arc<Version>,
        pick: Pick,
        ticket: Option<u64>,
    ) -> Self {
        let mut runs: Vec<Vec<Arc<TableHandle>>> = Vec::new();
        runs.extend(pick.inputs.iter().filter(|(level, _)| *level == 0).map(|(_, t)| vec![Arc::clone(t)]));
        for level in 1..LEVELS {
            let mut tables: Vec<_> =
                pick.inputs.iter().filter(|(l, _)| *l == level).map(|(_, t)| Arc::clone(t)).collect();
            tables.sort_by(|a, b| a.meta.smallest.cmp(&b.meta.smallest));
            if !tables.is_empty() {
                runs.push(tables);
            }
        }
        Self {
            tree: Arc::clone(tree),
            pick,
            ticket,
            version,
            runs,
            snapshots: store.snapshots.list(),
            outputs: Mutex::default(),
            parts_left: AtomicUsize::new(0),
            failed: Mutex::default(),
        }
    }

    /// Whether it takes all levels but level 0, for a caller.
    pub(crate) fn is_whole(&self) -> bool {
        self.ticket.is_some() && !self.has_level0()
    }

    /// Whether tables of level 0 are among its inputs.
    pub(crate) fn has_level0(&self) -> bool {
        self.pick.inputs.iter().any(|(level, _)| *level == 0)
    }

    /// Cuts it into parts that workers can take, at least one.
    pub(crate) fn into_parts(self, store: &Store) -> Vec<PartJob> {
        let (bytes, table) = (self.pick.bytes(), store.budget.table);
        let is_large = bytes >= 4 * table && !self.pick.is_move;
        let part = (PART_MEMTABLES * store.budget.write_buffer).max(PART_TABLES_MIN * table);
        let by_size = (bytes / part) as usize;
        let parts = if is_large { store.budget.compaction_threads.max(by_size) } else { 1 };
        let tables: Vec<_> = self.pick.inputs.iter().map(|(_, t)| Arc::clone(t)).collect();
        let ranges = plan::split(&tables, parts);
        self.parts_left.store(ranges.len(), Ordering::Relaxed);
        let shared = Arc::new(self);
        ranges.into_iter().map(|range| PartJob::new(Arc::clone(&shared), range)).collect()
    }

    /// Whether no level below the target holds anything of `key`, so that a tombstone for it has done its work.
    fn is_bottom(&self, key: &[u8]) -> bool {
        (self.pick.target + 1..LEVELS).all(|level| self.version.table_at(level, key).is_none())
    }

    fn add_output(&self, table: Arc<TableHandle>) {
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner).push(table);
    }

    /// Whether another part has failed, so that going on would be for nothing.
    fn has_failed(&self) -> bool {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// One part is over. After the last, the outputs are put in place, or thrown away if any part failed.
    fn part_is_over(&self, store: &Store, result: &Result<()>) -> Option<Result<()>> {
        if let Err(error) = result {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| error.clone());
        }
        if self.parts_left.fetch_sub(1, Ordering::AcqRel) > 1 {
            return None;
        }
        let outputs = std::mem::take(&mut *self.outputs.lock().unwrap_or_else(PoisonError::into_inner));
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let result = failed.map_or_else(|| self.install(store, &outputs), Err);
        // In a poisoned store the manifest may name them all the same: the next opening removes what it does not.
        if result.is_err() && !store.is_poisoned() {
            outputs.iter().for_each(|t| t.set_obsolete());
        }
        Some(result)
    }

    /// Puts the outputs in place of the inputs: directory, manifest, then readers. The inputs' files go when the last reader lets go.
    fn install(&self, store: &Store, outputs: &[Arc<TableHandle>]) -> Result<()> {
        let (keyspace, target) = (self.tree.id, self.pick.target);
        let moved = |t: &Arc<TableHandle>| (target, Arc::clone(t));
        let added: Vec<(usize, Arc<TableHandle>)> = if self.pick.is_move {
            self.pick.inputs.iter().map(|(_, t)| moved(t)).collect()
        } else {
            outputs.iter().map(moved).collect()
        };
        let removed: Vec<(usize, u64)> =
            self.pick.inputs.iter().map(|(level, t)| (*level, t.meta.id)).collect();
        let mut edits: Vec<Edit> = removed
            .iter()
            .map(|&(level, id)| Edit::TableRemove { keyspace, level: level as u8, id })
            .collect();
        edits.extend(added.iter().map(|(l, t)| Edit::TableAdd {
            keyspace,
            level: *l as u8,
            meta: t.meta.clone(),
        }));
        let mut manifest = store.lock_manifest();
        if self.tree.is_dropped() {
            return Err(Error::dropped());
        }
        output::append(store, &mut manifest, &edits)?;
        let version = Arc::new(self.tree.view().version.edited(&added, &removed));
        self.tree.install(&version, None);
        drop(manifest);
        if !self.pick.is_move {
            self.pick.inputs.iter().for_each(|(_, t)| t.set_obsolete());
            let bytes: u64 = outputs.iter().map(|t| t.meta.bytes).sum();
            store.totals.compaction_write_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        store.totals.compactions.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
