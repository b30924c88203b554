//! The memtable: the newest versions, in order, in memory.
//!
//! One writer at a time inserts (the engine does it under its commit lock); any number of threads read meanwhile, without locks,
//! waiting or retries. Nothing is ever removed: a memtable grows until the engine puts a new one in its place, writes it to a table and
//! drops it, and with it all its memory at once. It is a B+-tree of cache-line sized nodes over an arena; `tree` tells
//! how it works and why readers may trust it. In front of it stands a small filter, for keys that are not there.
//!
//! # Invariants
//!
//! 1. Entries are ordered by key, then by sequence number descending; no two have both in common.
//! 2. A reader that began when an insertion had returned (it learned of it by an acquiring load, usually of the last visible sequence
//!    number) finds that entry: by `get`, by every seek, and on every walk in either direction, once.
//! 3. Keys and values do not move until the memtable is dropped.
//! 4. `bytes()` counts all memory that the memtable made resident.

mod cursor;
mod filter;
mod sync;
mod tree;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

pub use cursor::{MemValue, MemtableCursor};
use tree::{ChunkPool, RecordId, SLOTS, Target, Tree, Writing};

use filter::Filter;
use ringwood_sstable::{KeyHash, Kind, SEQ_MAX};

/// Longest key, in bytes.
const KEY_BYTES_MAX: usize = u16::MAX as usize;

/// An ordered map from versions of keys to values. See the module documentation.
pub struct Memtable {
    tree: Tree<SLOTS>,
    filter: Filter,
}

/// Makes the memtables of a store: the large memory of those that are gone is used again, up to the size of one, since memory new from
/// the system costs about a tenth of a put. Any thread.
///
/// (The bound is on mapped memory, at twice the size of one: chunks double, and about half of the last is touched.)
pub struct MemtablePool {
    bytes_hint: usize,
    chunks: Arc<ChunkPool>,
}

impl MemtablePool {
    /// For memtables that are expected to hold about `bytes_hint` bytes each, as in [`Memtable::new`].
    #[must_use]
    pub fn new(bytes_hint: usize) -> Self {
        Self { bytes_hint, chunks: ChunkPool::new(2 * bytes_hint) }
    }

    /// An empty memtable.
    #[must_use]
    pub fn memtable(&self) -> Arc<Memtable> {
        Arc::new(Memtable::over(Tree::new(self.bytes_hint, &self.chunks), self.bytes_hint))
    }
}

impl fmt::Debug for MemtablePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemtablePool(of {} bytes)", self.bytes_hint)
    }
}

/// A version that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'a> {
    /// Its sequence number.
    pub seq: u64,
    /// What it does to its key.
    pub kind: Kind,
    /// Its value; empty for a delete.
    pub value: &'a [u8],
}

/// The right to insert into a memtable: others wait until it is dropped. For many insertions in a row.
pub struct MemtableWriter<'a> {
    memtable: &'a Memtable,
    writing: Writing<'a, SLOTS>,
}

impl Memtable {
    /// An empty memtable, expected to hold about `bytes_hint` bytes. It may hold less or more; from 16 MiB on its memory, after the
    /// first few MiB, is in huge pages where the system has them.
    #[must_use]
    pub fn new(bytes_hint: usize) -> Arc<Self> {
        Arc::new(Self::over(Tree::new(bytes_hint, &ChunkPool::new(0)), bytes_hint))
    }

    fn over(tree: Tree<SLOTS>, bytes_hint: usize) -> Self {
        Self { tree, filter: Filter::new(bytes_hint) }
    }

    /// Inserts a version of a key. Nothing happens if that very version is there already.
    ///
    /// Readers that begin after the return find it. One writer at a time: others wait.
    ///
    /// # Panics
    /// If the key is longer than 65,535 bytes, `seq` is not below 2^56, or small records reach 32 GiB: the engine
    /// checks keys and values, gives out sequence numbers, and freezes memtables long before.
    pub fn insert(&self, key: &[u8], seq: u64, kind: Kind, value: &[u8]) {
        self.writer().insert(key, seq, kind, value);
    }

    /// Waits for the right to insert.
    pub fn writer(&self) -> MemtableWriter<'_> {
        MemtableWriter { memtable: self, writing: self.tree.writer() }
    }

    /// The newest version of `key` that is not newer than `seq`. Takes no lock and allocates nothing.
    #[inline]
    #[must_use]
    pub fn get(&self, key: &[u8], seq: u64) -> Option<Found<'_>> {
        self.find(KeyHash::of(key), key, seq).map(|record| self.found(record))
    }

    /// The record of the newest version of `key`, which has this hash, that is not newer than `seq`.
    #[inline]
    fn find(&self, hash: KeyHash, key: &[u8], seq: u64) -> Option<RecordId> {
        if self.filter.may_contain(hash) { self.tree.get(Target { key, seq }) } else { None }
    }

    #[inline]
    fn found(&self, record: RecordId) -> Found<'_> {
        let record = self.tree.record(record);
        Found { seq: record.seq(), kind: record.kind(), value: record.value() }
    }

    /// Memory that this memtable made resident, in bytes: records, nodes in use and replaced, and what of the last pages is still
    /// free.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.tree.bytes() + self.filter.resident_bytes(self.tree.len())
    }

    /// Number of versions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// Whether there is no version.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Least and greatest sequence number; `(u64::MAX, 0)` if there is no version.
    #[must_use]
    pub fn seq_range(&self) -> (u64, u64) {
        self.tree.seq_range()
    }
}

impl MemtableWriter<'_> {
    /// As [`Memtable::insert`].
    ///
    /// # Panics
    /// As [`Memtable::insert`].
    pub fn insert(&mut self, key: &[u8], seq: u64, kind: Kind, value: &[u8]) {
        assert!(key.len() <= KEY_BYTES_MAX, "the engine refuses keys of over {KEY_BYTES_MAX} bytes");
        assert!(seq <= SEQ_MAX, "sequence numbers have 56 bits");
        let (filter, hash) = (&self.memtable.filter, KeyHash::of(key));
        filter.prefetch(hash);
        self.writing.insert(Target { key, seq }, kind, value);
        filter.add(hash);
    }
}

impl fmt::Debug for Memtable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memtable({} versions, {} bytes)", self.len(), self.bytes())
    }
}

impl fmt::Debug for MemtableWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemtableWriter")
    }
}
