//! Flush: a frozen memtable becomes a table of level 0.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ringwood_ring::{Completion, Lane};
use ringwood_sstable::{Entry, Kind, Room};

use crate::Result;
use crate::background::JobState;
use crate::manifest::Edit;
use crate::memtable::MemtableCursor;
use crate::options::OUTPUT_BUFFERS;
use crate::output::{self, Output};
use crate::snapshots::{Retention, Verdict};
use crate::store::Store;
use crate::tree::Tree;
use crate::version::Mem;

/// Entries merged in one step, at most.
const STEP_ENTRIES: usize = 2048;

/// A memtable on its way to a table. Stepped by a [`Worker`](crate::background::Worker).
pub(crate) struct FlushJob {
    tree: Arc<Tree>,
    mem: Arc<Mem>,
    cursor: MemtableCursor,
    retention: Retention,
    output: Option<Output>,
    done: Vec<Completion>,
}

impl FlushJob {
    pub(crate) fn new(store: &Store, tree: &Arc<Tree>, mem: Arc<Mem>) -> Self {
        let mut cursor = MemtableCursor::new(Arc::clone(&mem.table));
        cursor.seek_to_first();
        let retention = Retention::new(store.snapshots.list());
        // Needed when the table is installed; on its way meanwhile.
        store.log.want_durable(mem.log_end());
        Self { tree: Arc::clone(tree), mem, cursor, retention, output: None, done: Vec::new() }
    }

    pub(crate) fn step(&mut self, store: &Arc<Store>, lane: &mut dyn Lane, wait: bool) -> Result<JobState> {
        if self.output.is_none() && self.cursor.valid() {
            let bytes = self.mem.table.bytes() as u64;
            let mut output = Output::create(store, OUTPUT_BUFFERS, bytes, Some(Room::Free))?;
            // What was just written is read as likely as anything, and was in memory until now; if anything is read at all.
            output.writer.set_hot(store.is_read());
            self.output = Some(output);
        }
        let Some(output) = &mut self.output else {
            return self.install(store, lane); // An empty memtable: nothing to write, only to forget.
        };
        output.pump(lane, wait, &mut self.done)?;
        for _ in 0..STEP_ENTRIES {
            if !self.cursor.valid() || !output.writer.has_room() {
                break;
            }
            let (key, seq, kind) = (self.cursor.key(), self.cursor.seq(), self.cursor.kind());
            if self.retention.judge(key, seq, kind == Kind::Delete, || false) == Verdict::Keep {
                output.writer.add(&Entry { key, seq, kind, value: self.cursor.value() })?;
            }
            self.cursor.next();
        }
        if !self.cursor.valid() {
            output.seal()?;
        }
        if output.writer.is_done() { self.install(store, lane) } else { Ok(JobState::Running) }
    }

    /// Makes the table part of the tree: log, directory, manifest, then readers.
    fn install(&mut self, store: &Arc<Store>, lane: &mut dyn Lane) -> Result<JobState> {
        // A table may be durable only after the log is up to its end: else a power cut could take an earlier write of another keyspace, or
        // the other half of a batch, and leave what is in the table.
        store.log.wait_durable(self.mem.log_end())?;
        let keyspace = self.tree.id;
        let flushed_seq = self.mem.table.seq_range().1;
        let mut edits =
            vec![Edit::Flushed { keyspace, seq: flushed_seq }, Edit::LastSeq { seq: flushed_seq }];
        let table = match self.output.take() {
            Some(output) => {
                let table = output.finish()?.open(store, lane)?;
                store.totals.flush_bytes.fetch_add(table.meta.bytes, Ordering::Relaxed);
                edits.push(Edit::TableAdd { keyspace, level: 0, meta: table.meta.clone() });
                Some(table)
            }
            None => None,
        };
        let mut manifest = store.lock_manifest();
        if self.tree.is_dropped() {
            if let Some(table) = &table {
                table.set_obsolete();
            }
            return Ok(JobState::Done);
        }
        let floor = store.log_floor(Some(&self.mem));
        edits.push(Edit::LogFloor { lsn: floor });
        if let Err(error) = output::append(store, &mut manifest, &edits) {
            // In a poisoned store the manifest may name it all the same: the next opening removes it if not.
            if let Some(table) = table.filter(|_| !store.is_poisoned()) {
                table.set_obsolete();
            }
            return Err(error);
        }
        let added: Vec<_> = table.into_iter().map(|t| (0, t)).collect();
        let version = Arc::new(self.tree.view().version.edited(&added, &[]));
        self.tree.install(&version, Some(&self.mem));
        drop(manifest);
        store.frozen_bytes.fetch_sub(self.mem.table.bytes() as u64, Ordering::AcqRel);
        store.totals.flushes.fetch_add(1, Ordering::Relaxed);
        store.log.release(floor);
        Ok(JobState::Done)
    }
}
