//! Cursors and values that keep their memtable alive.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::tree::{Position, Record, RecordId, SLOTS, Target, Tree};
use super::{Found, KeyHash, Kind, Memtable};

/// A place in a memtable: on an entry, or nowhere.
///
/// A walk that began with a seek finds what had been inserted before that seek; of what is inserted meanwhile, some.
/// One thread at a time moves a cursor; it may be sent to another.
#[derive(Clone)]
pub struct MemtableCursor {
    memtable: Arc<Memtable>,
    /// A position of `memtable`'s tree.
    position: Option<Position<SLOTS>>,
}

/// A value that keeps its memtable alive.
#[derive(Clone)]
pub struct MemValue {
    memtable: Arc<Memtable>,
    /// A record of `memtable`'s tree.
    record: RecordId,
}

impl MemtableCursor {
    /// A cursor that is nowhere.
    #[must_use]
    pub fn new(memtable: Arc<Memtable>) -> Self {
        Self { memtable, position: None }
    }

    /// Moves to the first entry at or behind version `seq` of `key`: the newest version of `key` not newer than `seq`, or else
    /// the newest version of the next key.
    pub fn seek(&mut self, key: &[u8], seq: u64) {
        self.position = self.memtable.tree.seek(Target { key, seq });
    }

    /// Moves to the last entry at or before version `seq` of `key`. With `seq` 0 that is the oldest version of `key`, if it has
    /// one; with [`SEQ_MAX`](super::SEQ_MAX) the oldest version of the key before.
    pub fn seek_for_prev(&mut self, key: &[u8], seq: u64) {
        self.position = self.memtable.tree.seek_for_prev(Target { key, seq });
    }

    /// Moves to the first entry.
    pub fn seek_to_first(&mut self) {
        self.position = self.memtable.tree.first();
    }

    /// Moves to the last entry.
    pub fn seek_to_last(&mut self) {
        self.position = self.memtable.tree.last();
    }

    /// Moves to nowhere.
    pub(crate) fn clear(&mut self) {
        self.position = None;
    }

    /// Moves one entry on; behind the last, nowhere. A cursor that is nowhere stays there.
    #[inline]
    pub fn next(&mut self) {
        // SAFETY: the position came from the same tree.
        self.position = self.position.and_then(|at| unsafe { self.memtable.tree.next(&at) });
    }

    /// Moves one entry back; before the first, nowhere. A cursor that is nowhere stays there.
    #[inline]
    pub fn prev(&mut self) {
        // SAFETY: the position came from the same tree.
        self.position = self.position.and_then(|at| unsafe { self.memtable.tree.prev(&at) });
    }

    /// Moves to the next entry if that is of another key, and returns its [head](Self::key_head). Else stays.
    #[inline]
    pub(crate) fn next_key(&mut self) -> Option<u64> {
        // SAFETY: the position came from the same tree.
        self.step_apart(|tree, at| unsafe { tree.next(at) })
    }

    /// Moves to the entry before if that is of another key, and returns its [head](Self::key_head). Else stays.
    #[inline]
    pub(crate) fn prev_key(&mut self) -> Option<u64> {
        // SAFETY: the position came from the same tree.
        self.step_apart(|tree, at| unsafe { tree.prev(at) })
    }

    #[inline]
    fn step_apart(
        &mut self,
        step: impl FnOnce(&Tree<SLOTS>, &Position<SLOTS>) -> Option<Position<SLOTS>>,
    ) -> Option<u64> {
        let tree = &self.memtable.tree;
        let next = step(tree, self.position.as_ref()?)?;
        if tree.record(next.record()).key() == self.key() {
            return None;
        }
        self.position = Some(next);
        Some(self.key_head())
    }

    /// Whether the entry before is of another key: then this one is the newest version of its key.
    #[inline]
    pub(crate) fn is_newest(&self) -> bool {
        self.position.is_some_and(|at| {
            // SAFETY: the position came from the same tree.
            let before = unsafe { self.memtable.tree.prev(&at) };
            before.is_some_and(|before| self.memtable.tree.record(before.record()).key() != self.key())
        })
    }

    /// The first eight bytes of the key as a number that orders as keys do; zeros stand for what a shorter key lacks.
    #[inline]
    pub(crate) fn key_head(&self) -> u64 {
        let key = self.key();
        match key.first_chunk::<8>() {
            Some(eight) => u64::from_be_bytes(*eight),
            None => key.iter().rev().fold(0, |head, &byte| (head >> 8) | (u64::from(byte) << 56)),
        }
    }

    /// Whether the cursor is on an entry.
    #[inline]
    #[must_use]
    pub fn valid(&self) -> bool {
        self.position.is_some()
    }

    #[inline]
    fn record(&self) -> Record<'_> {
        let position = self.position.as_ref().expect("the cursor is on an entry");
        self.memtable.tree.record(position.record())
    }

    /// Key of the entry.
    ///
    /// # Panics
    /// As all below: if the cursor is not on an entry.
    #[inline]
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.record().key()
    }

    /// Sequence number of the entry.
    #[inline]
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.record().seq()
    }

    /// Kind of the entry.
    #[inline]
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.record().kind()
    }

    /// Value of the entry.
    #[inline]
    #[must_use]
    pub fn value(&self) -> &[u8] {
        self.record().value()
    }

    /// Value of the entry, to keep: nothing is copied.
    #[must_use]
    pub fn value_owned(&self) -> MemValue {
        let position = self.position.as_ref().expect("the cursor is on an entry");
        MemValue { memtable: Arc::clone(&self.memtable), record: position.record() }
    }
}

impl Memtable {
    /// As [`get`](Self::get), with a value to keep: nothing is copied. `hash` is that of `key`.
    #[inline]
    #[must_use]
    pub fn get_owned(self: &Arc<Self>, hash: KeyHash, key: &[u8], seq: u64) -> Option<(u64, Kind, MemValue)> {
        let record = self.find(hash, key, seq)?;
        let Found { seq, kind, .. } = self.found(record);
        let value = MemValue { memtable: Arc::clone(self), record };
        Some((seq, kind, value))
    }
}

impl Deref for MemValue {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.memtable.tree.record(self.record).value()
    }
}

impl AsRef<[u8]> for MemValue {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for MemValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemValue({} bytes)", self.len())
    }
}

impl fmt::Debug for MemtableCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.position.as_ref().map(|_| (self.key(), self.seq()));
        f.debug_tuple("MemtableCursor").field(&place).finish()
    }
}
