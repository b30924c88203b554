//! The write path: log, memtable, visibility, and the wait for durability.
//!
//! A put takes the commit lock, copies its record into the log's staging ring, inserts into the memtable, publishes its sequence number,
//! and lets go; no system call, and no allocation but the memtable's own chunks. Only then, without the lock, it waits for what its durability
//! asks: so one sync serves every writer that came meanwhile.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ringwood_sstable::Kind;
use ringwood_wal::Lsn;

use crate::batch::{self, WriteBatch};
use crate::options::{Durability, FROZEN_MAX};
use crate::store::{Commit, Store};
use crate::tree::Tree;
use crate::{Error, Result};

impl Store {
    /// Writes one operation.
    pub(crate) fn write_one(
        &self,
        tree: &Arc<Tree>,
        kind: Kind,
        key: &[u8],
        value: &[u8],
        durability: Durability,
    ) -> Result<()> {
        batch::check_key(key)?;
        batch::check_value(value)?;
        let bytes = key.len() + value.len();
        let mut commit = self.lock_with_room(bytes as u64, &std::iter::once(tree))?;
        let seq = commit.next_seq;
        let head = batch::op_header(kind, tree.id, key, value);
        let end = self.log_record(&mut commit, durability, &[&batch::header(seq, 1), &head, key, value])?;
        insert(tree, durability, key, seq, kind, value);
        self.finish(commit, seq, bytes as u64, end, durability)
    }

    /// Writes a batch: all of it or nothing, in every keyspace that it touches.
    pub(crate) fn write_batch(&self, batch: &WriteBatch, durability: Durability) -> Result<()> {
        if batch.is_empty() {
            return self.check_writable();
        }
        let trees = self.trees.load_full();
        for keyspace in batch.keyspaces() {
            if keyspace.tree().is_dropped() {
                return Err(Error::dropped());
            }
        }
        let bytes = (batch.ops().len() - batch.len() * batch::OP_HEADER_BYTES) as u64;
        let touched = trees
            .values()
            .filter(|t| t.id == batch::DEFAULT_KEYSPACE || batch.keyspaces().iter().any(|k| k.id() == t.id));
        let mut commit = self.lock_with_room(bytes, &touched)?;
        let (first, count) = (commit.next_seq, batch.len() as u32);
        let end = self.log_record(&mut commit, durability, &[&batch::header(first, count), batch.ops()])?;
        for (op, seq) in batch::Ops(batch.ops()).zip(first..) {
            let op = op.map_err(Error::invalid)?;
            if let Some(tree) = trees.get(&op.keyspace) {
                insert(tree, durability, op.key, seq, op.kind, op.value);
            }
        }
        self.finish(commit, first + u64::from(count) - 1, bytes, end, durability)
    }

    /// Appends to the log, unless the write asks for none. Returns the end of the record.
    fn log_record(&self, commit: &mut Commit, durability: Durability, parts: &[&[u8]]) -> Result<Lsn> {
        if durability == Durability::None {
            return Ok(0);
        }
        commit.appender.append(parts).map_err(|e| {
            let error = Error::from(e);
            if error.kind() == crate::ErrorKind::Poisoned {
                self.poison(&error);
            }
            error
        })
    }

    /// Publishes writes up to `seq`, lets go of the lock, and waits for what was asked.
    fn finish(
        &self,
        mut commit: std::sync::MutexGuard<'_, Commit>,
        seq: u64,
        bytes: u64,
        end: Lsn,
        durability: Durability,
    ) -> Result<()> {
        commit.next_seq = seq + 1;
        if durability != Durability::None {
            self.applied.store(end, Ordering::Release);
        }
        self.visible.store(seq, Ordering::Release);
        self.totals.user_bytes.fetch_add(bytes, Ordering::Relaxed);
        let pause = commit.account.charge(bytes, &self.pacer, || self.disk.now());
        drop(commit);
        match durability {
            Durability::Synced => self.log.wait_durable(end).map_err(|e| self.log_failed(e))?,
            Durability::Buffered => self.log.wait_kept(end).map_err(|e| self.log_failed(e))?,
            Durability::None => {}
        }
        if let Some(ns) = pause {
            self.totals.stall_ns.fetch_add(ns, Ordering::Relaxed);
            // Woken early by progress: the debt is less than it was.
            self.background
                .progress
                .wait_timeout(Duration::from_nanos(ns), || self.pacer.debt() <= 0.0 || self.is_poisoned());
        }
        Ok(())
    }

    pub(crate) fn log_failed(&self, error: ringwood_wal::WalError) -> Error {
        let error = Error::from(error);
        self.poison(&error);
        self.check_writable().err().unwrap_or(error)
    }

    /// The commit lock, with room in the memtables of `trees`: a full one is frozen, and while too many wait for their flush, so
    /// does the writer, without the lock.
    fn lock_with_room<'a>(
        &self,
        bytes: u64,
        trees: &(impl Iterator<Item = &'a Arc<Tree>> + Clone),
    ) -> Result<std::sync::MutexGuard<'_, Commit>> {
        loop {
            self.check_writable()?;
            let commit = self.lock_commit();
            // Checked again: a store that is closing takes the lock to stop writers.
            self.check_writable()?;
            let limit = self.budget.write_buffer;
            let full = |t: &&Arc<Tree>| {
                let active = &t.view().active.table;
                let held = active.bytes() as u64;
                // An empty one takes anything: a value may be larger than the limit.
                !active.is_empty() && (held >= limit || held + bytes > 2 * limit)
            };
            if trees.clone().any(|t| t.is_dropped()) {
                return Err(Error::dropped());
            }
            let mut pending = trees.clone().filter(full).peekable();
            if pending.peek().is_none() {
                return Ok(commit);
            }
            if self.has_frozen_room() {
                pending.for_each(|tree| self.freeze(&commit, tree));
                self.freeze_laggards(&commit);
                drop(commit);
                self.update_debt();
                self.background.notify_work();
                continue;
            }
            drop(commit);
            self.wait_for_flush()?;
        }
    }

    fn has_frozen_room(&self) -> bool {
        self.frozen_bytes.load(Ordering::Acquire) < FROZEN_MAX as u64 * self.budget.write_buffer
    }

    /// Waits until a memtable has been flushed, or says why none can be.
    fn wait_for_flush(&self) -> Result<()> {
        let start = self.disk.now();
        self.background.notify_work();
        let blocked = || self.background.flush_error();
        self.background
            .progress
            .wait_until(|| self.has_frozen_room() || blocked().is_some() || self.check_writable().is_err());
        self.totals.stall_ns.fetch_add(self.disk.now() - start, Ordering::Relaxed);
        self.check_writable()?;
        match blocked() {
            Some(error) if !self.has_frozen_room() => Err(error),
            _ => Ok(()),
        }
    }

    /// Freezes the active memtable of `tree`. The lock in hand shows that no write is under way.
    pub(crate) fn freeze(&self, commit: &Commit, tree: &Arc<Tree>) {
        let bytes = tree.view().active.table.bytes() as u64;
        self.frozen_bytes.fetch_add(bytes, Ordering::AcqRel);
        tree.freeze(&self.memtables.memtable(), commit.appender.position());
    }

    /// Freezes memtables that hold back the log: a small keyspace that is seldom written would keep all of it alive.
    fn freeze_laggards(&self, commit: &Commit) {
        let horizon = commit.appender.position().saturating_sub(self.budget.log_bytes_soft());
        for tree in self.trees.load().values() {
            let active = Arc::clone(&tree.view().active);
            if !active.table.is_empty() && active.log_start < horizon {
                self.freeze(commit, tree);
            }
        }
    }
}

/// Inserts a version into the active memtable. The caller holds the commit lock.
fn insert(tree: &Tree, durability: Durability, key: &[u8], seq: u64, kind: Kind, value: &[u8]) {
    let view = tree.view();
    if durability == Durability::None {
        view.active.set_unlogged();
    }
    view.active.table.insert(key, seq, kind, value);
}
