//! Insertion: into a leaf with room, or on to [`super::split`].

use std::cmp::Ordering as Place;
use std::ptr::NonNull;
use std::sync::MutexGuard;
use std::sync::atomic::Ordering;

use super::Tree;
use super::memory::Store;
use super::node::{Before, Entries, Leaf, Slotted};
use super::perm::{Level, Perm, Prefix};
use super::prefix::Bounds;
use super::record::{Target, head};
use super::split::NewEntry;
use crate::memtable::Kind;

/// What only the writer has.
pub(super) struct Writer<const N: usize> {
    pub(super) store: Store,
    /// The leaf that the last entry went to.
    last: Option<NonNull<Leaf<N>>>,
    /// Where a sequence of insertions goes on.
    finger: Option<Finger<N>>,
}

/// A current leaf and its range. Sequences (of ascending or descending keys, or of versions of a key) go there without a
/// descent.
#[derive(Clone, Copy)]
struct Finger<const N: usize> {
    leaf: NonNull<Leaf<N>>,
    bounds: Bounds,
}

// SAFETY: the addresses are in the tree's own memory, and are only used by whoever holds the writer's lock.
unsafe impl<const N: usize> Send for Writer<N> {}

impl<const N: usize> Writer<N> {
    pub(super) fn new(store: Store) -> Self {
        Self { store, last: None, finger: None }
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
        self.tree.root.store(leaf.as_node().as_ptr(), Ordering::Release);
        self.count_bytes();
    }

    /// Inserts a version; false, and nothing, if this very version of the key is there already.
    ///
    /// Visible to readers when it returns, or before. (Step *Add* of [`super`].)
    pub(crate) fn insert(&mut self, target: Target<'_>, kind: Kind, value: &[u8]) -> bool {
        let (leaf, perm) = self.leaf_for(target);
        let lacks = self.lacks_prefix(leaf, perm, target);
        let rank = match lacks {
            Place::Less => 0,
            Place::Greater => perm.len(),
            Place::Equal => {
                let found = leaf.find(self.tree, perm, target, Before::Less);
                if found.tied && self.is_at(leaf, perm, found.rank, target) {
                    return false;
                }
                found.rank
            }
        };
        let record = self.writer.store.record(&self.tree.records, target, kind, value);
        let (is_run, lacks_prefix) = (perm.continues_run(rank), lacks != Place::Equal);
        if !lacks_prefix && perm.len() < N {
            if is_run && !self.has_finger() && self.was_last(leaf) {
                let bounds = self.tree.path(target).bounds;
                self.went_to(leaf, bounds, true);
            }
            self.writer.last = Some(NonNull::from(leaf));
            leaf.fill(perm.len(), head(target.key, perm.prefix().len), record);
            leaf.publish(perm.inserted(rank));
        } else {
            let new = NewEntry { target, record, rank, lacks_prefix, is_run };
            self.split(leaf, perm, &new);
        }
        self.count(target.seq);
        true
    }

    /// The leaf with the target in its range.
    #[inline]
    fn leaf_for(&mut self, target: Target<'_>) -> (&'t Leaf<N>, Perm) {
        if let Some(Finger { leaf, bounds }) = self.writer.finger {
            if self.tree.is_within(bounds, target) {
                // SAFETY: a leaf of this tree lives as long as the tree.
                let leaf = unsafe { leaf.as_ref() };
                return (leaf, leaf.perm());
            }
            self.writer.finger = None;
        }
        let (leaf, perm, _) = self.tree.descend(target);
        (leaf, perm)
    }

    /// Whether the last insertion of all went to this leaf.
    #[inline]
    pub(super) fn was_last(&self, leaf: &Leaf<N>) -> bool {
        self.writer.last == Some(NonNull::from(leaf))
    }

    /// Whether the last insertions were a sequence, and this one goes where it went.
    pub(super) fn has_finger(&self) -> bool {
        self.writer.finger.is_some()
    }

    /// A new entry went to this leaf, which has that range; more may come there.
    pub(super) fn went_to(&mut self, leaf: &Leaf<N>, bounds: Bounds, expect_more: bool) {
        let leaf = NonNull::from(leaf);
        self.writer.last = Some(leaf);
        self.writer.finger = expect_more.then_some(Finger { leaf, bounds });
    }

    /// `Equal` unless the target lacks the leaf's prefix; only a speculative one can be lacking.
    #[inline]
    fn lacks_prefix(&self, leaf: &Leaf<N>, perm: Perm, target: Target<'_>) -> Place {
        if perm.prefix().speculative { leaf.prefix_place(self.tree, perm, target) } else { Place::Equal }
    }

    fn is_at(&self, leaf: &Leaf<N>, perm: Perm, rank: usize, target: Target<'_>) -> bool {
        self.tree.record(leaf.record(perm.slot(rank))).cmp(target) == Place::Equal
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
