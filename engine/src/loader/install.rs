//! How a load takes effect.
//!
//! # Argument
//!
//! The load is one write in the order of all writes, with one sequence number *S* for all its entries:
//!
//! 1. *S* is taken under the commit lock, which is held until readers can see the load: every write before has a smaller number and is in a
//!    memtable or a table; every write after has a larger one.
//! 2. **Readers look into memtables first**, then into level 0, then deeper. So nothing older may lie above a loaded table. Memtables that hold a key
//!    in a table's range are flushed before (most of it without the lock, the rest under it); the memtable that takes later writes is a new
//!    one, put in place with the load by one pointer store. A table goes to the deepest level above which, and on which, nothing overlaps
//!    it ([`placing`](crate::background)).
//! 3. **Visible in one moment.** Readers load the view, then the visible number. A view with the load and a number below *S* hides it. A view without it
//!    has no memtable for what is numbered above *S*, so it is the state just before *S*, whatever the number.
//! 4. **Snapshots.** One from before *S* must keep what the load covers. Compactions are picked, and list the snapshots, under a lock under which the
//!    view is swapped and *S* published: a compaction that has the load knows all snapshots below *S*.
//! 5. **Several keyspaces** have one *S* and one record. Their views are swapped one after the other, before *S* is published: until then every
//!    reader's number hides all of the load.
//! 6. **A crash** finds one manifest record, or none; files that no record names are removed at the next opening. The record is written when
//!    the log is durable up to *S*: so what is there after a crash is a prefix of the order of writes with the load in its place. Replay brings back
//!    only what was in no table: of the keys in the load's ranges, writes after *S*.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ringwood_sstable::SEQ_MAX;

use super::builder::Unplaced;
use crate::manifest::Edit;
use crate::memtable::MemtableCursor;
use crate::store::{Commit, Store};
use crate::tree::Tree;
use crate::version::{Mem, TableHandle};
use crate::{Error, Result, output};

/// What a load brings to one keyspace.
pub(super) struct Part {
    tree: Arc<Tree>,
    /// In key order.
    pub(super) tables: Vec<Unplaced>,
}

impl Part {
    pub(super) fn new(tree: &Arc<Tree>) -> Self {
        Self { tree: Arc::clone(tree), tables: Vec::new() }
    }
}

impl Store {
    /// Puts the tables of a load in place, all or none; `bytes` of keys and values are in them.
    pub(super) fn install_loaded(&self, parts: Vec<Part>, bytes: u64) -> Result<()> {
        // Without holding up writers: most of what is in the way of the load and of its record.
        let in_range = self.freeze_in_range(&self.lock_commit(), &parts)?;
        self.wait_flushed(&in_range, || self.check_writable())?;
        self.wait_logged(self.log.appended())?;
        output::sync_names(self, &mut self.lock_manifest())?;

        let placed = self.install_locked(parts);
        self.update_debt();
        self.check_table_memory();
        self.background.notify_work();
        self.background.progress.notify();
        let file_bytes = placed?;
        self.totals.user_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.totals.load_bytes.fetch_add(file_bytes, Ordering::Relaxed);
        self.totals.loads.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// As [`install_loaded`](Self::install_loaded), with the commit lock. Returns the size of the tables.
    fn install_locked(&self, mut parts: Vec<Part>) -> Result<u64> {
        let mut commit = self.lock_commit();
        self.check_writable()?;
        // What was written into the ranges since.
        let in_range = self.freeze_in_range(&commit, &parts)?;
        self.wait_flushed(&in_range, || self.check_writable())?;
        let log_end = commit.appender.position();
        self.wait_logged(log_end)?;

        let seq = commit.next_seq;
        parts.iter_mut().flat_map(|part| &mut part.tables).try_for_each(|table| table.assign_seq(seq))?;
        let mut manifest = self.lock_manifest();
        if parts.iter().any(|part| part.tree.is_dropped()) {
            return Err(Error::dropped());
        }
        let mut edits = vec![Edit::LastSeq { seq }];
        let mut placings = Vec::with_capacity(parts.len());
        for Part { tree, tables } in &parts {
            let version = Arc::clone(&tree.view().version);
            let placing = self.background.place(tree.id, &version, tables.iter().map(Unplaced::meta));
            edits.extend(tables.iter().zip(placing.levels()).map(|(table, &level)| Edit::TableAdd {
                keyspace: tree.id,
                level: level as u8,
                meta: table.meta().clone(),
            }));
            placings.push((version, placing));
        }
        if let Err(error) = output::append_named(self, &mut manifest, &edits) {
            if self.is_poisoned() {
                // The manifest may name them all the same: the next opening removes what it does not.
                parts.into_iter().flat_map(|part| part.tables).for_each(|table| drop(table.into_named()));
            }
            return Err(error);
        }
        let mut bytes = 0;
        let mut installs = Vec::with_capacity(parts.len());
        for (Part { tree, tables }, (version, placing)) in parts.into_iter().zip(&placings) {
            let handles = tables.into_iter().map(|table| {
                let (table, meta) = table.into_named();
                bytes += meta.bytes;
                TableHandle::new(Arc::new(table), meta, &self.graveyard)
            });
            let added: Vec<_> = placing.levels().iter().copied().zip(handles).collect();
            installs.push((tree, Arc::new(version.edited(&added, &[])), self.memtables.memtable()));
        }
        self.background.publish(|| {
            for (tree, version, next) in &installs {
                if let Some(mem) = tree.install_over(version, next, log_end) {
                    self.frozen_bytes.fetch_add(mem.table.bytes() as u64, Ordering::AcqRel);
                }
            }
            self.visible.store(seq, Ordering::Release);
        });
        commit.next_seq = seq + 1;
        Ok(bytes)
    }

    /// The memtables that hold keys in the ranges of the tables, all of them frozen.
    fn freeze_in_range(&self, commit: &Commit, parts: &[Part]) -> Result<Vec<(Arc<Tree>, Arc<Mem>)>> {
        let mut in_range = Vec::new();
        for Part { tree, tables } in parts {
            // Nobody would flush what is frozen in a tree that is gone.
            if tree.is_dropped() {
                return Err(Error::dropped());
            }
            if holds_any(&tree.view().active, tables) {
                self.freeze(commit, tree);
            }
            let view = tree.view_owned();
            let frozen = view.frozen.iter().filter(|mem| holds_any(mem, tables));
            in_range.extend(frozen.map(|mem| (Arc::clone(tree), Arc::clone(mem))));
        }
        Ok(in_range)
    }

    fn wait_logged(&self, lsn: u64) -> Result<()> {
        self.log.wait_durable(lsn).map_err(|error| self.log_failed(error))
    }
}

/// Whether a memtable holds a key in the range of one of the tables.
fn holds_any(mem: &Mem, tables: &[Unplaced]) -> bool {
    let mut cursor = MemtableCursor::new(Arc::clone(&mem.table));
    tables.iter().map(Unplaced::meta).any(|meta| {
        cursor.seek(&meta.smallest, SEQ_MAX);
        cursor.valid() && *cursor.key() <= *meta.largest
    })
}
