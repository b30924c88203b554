//! Insertion: into a leaf with room, or on to [`super::split`].

use std::cmp::Ordering as Place;
use std::ptr::NonNull;
use std::sync::MutexGuard;
use std::sync::atomic::Ordering;

use super::Tree;
use super::memory::Store;
use super::node::{Before, Entries, Leaf};
use super::perm::{Level, Perm, Prefix};
use super::record::{RecordId, Target, head};
use crate::memtable::Kind;

/// What only the writer has.
pub(super) struct Writer<const N: usize> {
    pub(super) store: Store,
    /// The last leaf: where ascending keys go.
    pub(super) tail: Option<NonNull<Leaf<N>>>,
}

// SAFETY: `tail` is an address in the tree's own memory, and is only used by whoever holds the writer's lock.
unsafe impl<const N: usize> Send for Writer<N> {}

impl<const N: usize> Writer<N> {
    pub(super) fn new(store: Store) -> Self {
        Self { store, tail: None }
    }
}

/// The right to insert into a tree.
pub(crate) struct Writing<'t, const N: usize> {
    pub(super) tree: &'t Tree<N>,
    pub(super) writer: MutexGuard<'t, Writer<N>>,
}

impl<'t, const N: usize> Writing<'t, N> {
    pub(super) fn new(tree: &'t Tree<N>, writer: MutexGuard<'t, Writer<N>>) -> Self {
        Self { tree, writer }
    }

    /// Makes the first leaf.
    pub(super) fn start(&mut self) {
        let prefix = Prefix { len: 0, speculative: false };
        let entries = Entries { perm: Perm::new(Level::Leaf, prefix, 0), heads: &[], records: &[] };
        let leaf = self.writer.store.leaf(self.tree, &entries, None, None);
        self.writer.tail = Some(NonNull::from(leaf));
        self.tree.root.store(leaf.as_node().as_ptr(), Ordering::Release);
        self.count_bytes();
    }

    /// Inserts a version; false, and nothing, if this very version of the key is there already.
    ///
    /// Visible to readers when it returns, or before.
    pub(crate) fn insert(&mut self, target: Target<'_>, kind: Kind, value: &[u8]) -> bool {
        if let Some((leaf, perm)) = self.tail_for(target) {
            self.add(leaf, perm, perm.len(), target, kind, value);
        } else {
            let (leaf, perm, _) = self.tree.descend(target);
            let lacks = self.lacks_prefix(leaf, perm, target);
            let rank = match lacks {
                Place::Less => 0,
                Place::Greater => perm.len(),
                Place::Equal => {
                    let found = leaf.slots.find(self.tree, perm, target, Before::Less);
                    if found.tied && self.is_at(leaf, perm, found.rank, target) {
                        return false;
                    }
                    found.rank
                }
            };
            if lacks == Place::Equal && perm.len() < N {
                self.add(leaf, perm, rank, target, kind, value);
            } else {
                let record = self.record(target, kind, value);
                self.split(leaf, perm, rank, target, record, lacks != Place::Equal);
            }
        }
        self.count(target.seq);
        true
    }

    /// The last leaf, if the target belongs to its end, and it has room.
    #[inline]
    fn tail_for(&self, target: Target<'_>) -> Option<(&'t Leaf<N>, Perm)> {
        // SAFETY: the last leaf of this tree, and lives as long.
        let leaf = unsafe { self.writer.tail?.as_ref() };
        let perm = leaf.slots.perm();
        if perm.len() == N {
            return None;
        }
        let last = self.tree.record(leaf.slots.record(perm.slot(perm.len().checked_sub(1)?)));
        let prefix = perm.prefix();
        let fits = last.cmp(target) == Place::Less
            && (!prefix.speculative || last.prefix_cmp(target, prefix.len) == Place::Equal);
        fits.then_some((leaf, perm))
    }

    /// `Equal` unless the target lacks the leaf's prefix; only a speculative one can be lacking.
    #[inline]
    fn lacks_prefix(&self, leaf: &Leaf<N>, perm: Perm, target: Target<'_>) -> Place {
        if perm.prefix().speculative {
            leaf.slots.prefix_place(self.tree, perm, target)
        } else {
            Place::Equal
        }
    }

    fn is_at(&self, leaf: &Leaf<N>, perm: Perm, rank: usize, target: Target<'_>) -> bool {
        self.tree.record(leaf.slots.record(perm.slot(rank))).cmp(target) == Place::Equal
    }

    /// Step *Add* of [`super`].
    #[inline]
    fn add(&mut self, leaf: &Leaf<N>, perm: Perm, rank: usize, target: Target<'_>, kind: Kind, value: &[u8]) {
        let record = self.record(target, kind, value);
        leaf.slots.fill(perm.len(), head(target.key, perm.prefix().len), record);
        leaf.slots.publish(perm.inserted(rank));
    }

    fn record(&mut self, target: Target<'_>, kind: Kind, value: &[u8]) -> RecordId {
        self.writer.store.record(&self.tree.records, target, kind, value)
    }

    #[inline]
    fn count(&mut self, seq: u64) {
        let counts = &self.tree.counts;
        // Only the holder of the lock stores to them.
        let len = counts.len.load(Ordering::Relaxed);
        counts.len.store(len + 1, Ordering::Relaxed);
        if seq < counts.seq_min.load(Ordering::Relaxed) {
            counts.seq_min.store(seq, Ordering::Relaxed);
        }
        if seq > counts.seq_max.load(Ordering::Relaxed) {
            counts.seq_max.store(seq, Ordering::Relaxed);
        }
        self.count_bytes();
    }

    #[inline]
    fn count_bytes(&self) {
        let bytes = (self.writer.store.bytes() + size_of::<Tree<N>>()) as u64;
        self.tree.counts.bytes.store(bytes, Ordering::Relaxed);
    }
}
