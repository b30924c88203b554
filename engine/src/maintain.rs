//! Flushes and compactions that a caller asks for and waits for.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::store::Store;
use crate::tree::Tree;
use crate::version::Mem;
use crate::{Error, Result};

/// Closing flushes memtables that hold this part of a write buffer together, or more.
const REPLAY_PART: u64 = 8;

impl Store {
    /// Freezes all memtables and waits until they are tables.
    pub(crate) fn flush(&self) -> Result<()> {
        self.check_writable()?;
        self.flush_all(|| self.check_writable())
    }

    /// What is in no log must be in tables before a store closes; what is, had better be if it is much, since the next opening would
    /// replay it.
    pub(crate) fn flush_to_close(&self) -> Result<()> {
        let trees = self.trees.load_full();
        let has_unlogged = |tree: &Arc<Tree>| tree.view().mems().any(|m| m.is_unlogged());
        let is_needed = trees.values().any(has_unlogged);
        let bytes = |tree: &Arc<Tree>| tree.view().mems().map(|m| m.table.bytes() as u64).sum::<u64>();
        if !is_needed && trees.values().map(bytes).sum::<u64>() < self.budget.write_buffer / REPLAY_PART {
            return Ok(());
        }
        let flushed = self.check_sound().and_then(|()| self.flush_all(|| self.check_sound()));
        if is_needed { flushed } else { Ok(()) }
    }

    fn flush_all(&self, check: impl Fn() -> Result<()>) -> Result<()> {
        let frozen = self.freeze_all();
        self.wait_flushed(&frozen, check)
    }

    /// Waits until the frozen memtables `frozen` are tables.
    pub(crate) fn wait_flushed(
        &self,
        frozen: &[(Arc<Tree>, Arc<Mem>)],
        check: impl Fn() -> Result<()>,
    ) -> Result<()> {
        // An earlier failure, and the pause after it, are not this caller's.
        self.background.retry_flush();
        self.background.notify_work();
        let is_left = |(tree, mem): &(Arc<Tree>, Arc<Mem>)| {
            !tree.is_dropped() && tree.view().frozen.iter().any(|m| Arc::ptr_eq(m, mem))
        };
        let stuck =
            || self.background.flush_error().or_else(|| self.background.is_closing().then(Error::closed));
        self.background
            .progress
            .wait_until(|| !frozen.iter().any(is_left) || stuck().is_some() || check().is_err());
        if !frozen.iter().any(is_left) {
            return Ok(());
        }
        check()?;
        Err(stuck().unwrap_or_else(Error::closed))
    }

    /// Removes files that nobody refers to any more.
    pub(crate) fn remove_obsolete(&self) {
        if self.graveyard.is_empty() {
            return;
        }
        for path in self.graveyard.take() {
            // If it fails, the next open removes it.
            if let Err(error) = self.disk.remove(&path) {
                log::warn!("{error}");
            }
        }
    }

    /// All frozen memtables after freezing those that hold anything.
    fn freeze_all(&self) -> Vec<(Arc<Tree>, Arc<Mem>)> {
        let commit = self.lock_commit();
        let trees = self.trees.load_full();
        for tree in trees.values() {
            if !tree.view().active.table.is_empty() {
                self.freeze(&commit, tree);
            }
        }
        let frozen_of = |tree: &Arc<Tree>| {
            tree.view().frozen.iter().map(|m| (Arc::clone(tree), Arc::clone(m))).collect::<Vec<_>>()
        };
        trees.values().flat_map(frozen_of).collect()
    }

    /// Merges all tables of `tree` into its last level, and waits for it.
    pub(crate) fn compact(&self, tree: &Arc<Tree>) -> Result<()> {
        self.check_writable()?;
        if tree.is_dropped() {
            return Err(Error::dropped());
        }
        let ticket = self.background.request_compaction(tree.id);
        let mut outcome = None;
        self.background.progress.wait_until(|| {
            outcome = outcome.take().or_else(|| self.background.compaction_is_over(ticket));
            outcome.is_some() || self.is_poisoned() || self.closed.load(Ordering::Relaxed)
        });
        outcome.unwrap_or_else(|| self.check_writable())
    }
}
