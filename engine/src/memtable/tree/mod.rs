//! A B+-tree for one writer at a time and any number of readers, who neither wait nor write.
//!
//! Nodes and records lie in bump arenas and are freed with the tree, all at once. So a reader may stand on a node that has
//! been replaced for as long as it likes; the question is only whether it finds what it must.
//!
//! # What a reader must find
//!
//! Let a reader begin at time T. It must find every entry whose insertion had returned before T (it learned of that by
//! some acquiring load, say of the last visible sequence number). Entries that come later it may find or not.
//!
//! # How nodes change
//!
//! A node is responsible for a range of targets, `[low, high)`, bounded by separators (records of the tree). A node that
//! the root leads to is *current*. The writer changes the tree in these steps only:
//!
//! 1. *Add*: an entry is written to an unused slot of a current leaf, and the leaf's new [`perm::Perm`] is released.
//! 2. *Append, prepend*: a new leaf gets the new entry alone and takes over the end (or the beginning) of the range of a
//!    current leaf, which held nothing there; its neighbours' links are pointed to it, then the parent changes as in 4.
//! 3. *Split*: two new leaves get the entries of a leaf and the new entry; the neighbours' links are pointed to them, then the
//!    parent changes as in 4. The old leaf is never touched again: it is *frozen*.
//! 4. *Parent*: the separator of the new boundary, with the child behind it, is added to the parent as in 1; and only then the
//!    pointer to the old child is replaced, if the child before the boundary is a new one. If the parent has no slot left, new
//!    nodes get its content and that change, the parent is frozen, and they take its place in the level above in the same
//!    way; above the root, a new root is released.
//!
//! Nothing is ever moved out of a node, or removed.
//!
//! # Why a reader finds it
//!
//! *Claim: every node that a reader with target x arrives at was current, and had x in its range, at some time t ≥ T.*
//! It therefore holds all of its range at t that the reader must find: a current leaf is complete for its range, and so it is
//! when it is frozen, and what it held stays.
//!
//! - *Root.* The loaded root was current at the load, or when it was replaced, and its range is everything.
//! - *Child.* By the claim, inner node Y was current at t with x in its range. If Y is frozen by now, it shows the state
//!   at its freezing, after t, when its children were current. If not, it shows states of after T. A reader loads Y's `Perm`, picks
//!   and loads a child, and loads the `Perm` again; if it changed, it picks again (a node's `Perm` changes at most `N`
//!   times, so this ends; it almost never happens once). So child and `Perm` belong together: by step 4, a narrower
//!   child is stored only after the `Perm` with its bound, which whoever acquires the child must then see. The child was
//!   current in that state, with x in its range.
//! - *Next leaf.* Links of current leaves lead to current leaves, and are pointed on when those are replaced (2, 3); links of frozen
//!   leaves are left alone. So the next leaf of L was current when L was (at t or later). Ranges of neighbours meet: if L's range has
//!   shrunk since its `Perm` was loaded (2), the new leaf between holds only entries that the reader need not find, and all of
//!   them behind those of L. Thus going on with the next leaf loses nothing, repeats nothing, keeps the order. The previous leaf:
//!   the same, mirrored.
//!
//! A search may end in a leaf that by now has handed a part of its range on (2), and x may be in that part. The leaf held nothing there
//! at t, so all that must be found beyond x is in the neighbours: a search that runs off the end of a leaf goes on *searching* in the
//! next one.
//!
//! # Ordering
//!
//! Addresses and `Perm`s are released by the writer and acquired by readers; so whoever sees a slot named by a `Perm`,
//! or a node behind a pointer, sees it filled. Slots in use are never written again. Slots not in use may be read while they
//! are being written, as atomics, and what was read is not used.

mod arena;
mod chunk;
pub(crate) mod heads;
pub(crate) mod memory;
mod node;
mod parent;
mod perm;
mod prefix;
mod record;
mod route;
mod seek;
#[cfg(test)]
mod shape;
mod split;
mod write;

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::sync::AtomicPtr;
use arena::Arena;
pub(crate) use chunk::ChunkPool;
use memory::Store;
use node::{Before, Leaf, Node, NodePtr, Slots, Slotted};
use perm::{Perm, SLOTS_MAX};
use record::RECORD_UNIT;
pub(crate) use record::{Record, RecordId, Target};
use route::Route;
pub(crate) use seek::Position;
#[cfg(test)]
pub(crate) use shape::Shape;
use write::Writer;
pub(crate) use write::Writing;

/// Slots of a node as the engine uses it: as many as a `Perm` can order, and a leaf is two cache lines.
pub(crate) const SLOTS: usize = SLOTS_MAX;

/// See the module documentation. `N`, the slots of a node, is small in tests, for many splits of few entries.
pub(crate) struct Tree<const N: usize> {
    root: AtomicPtr<Slots<N>>,
    records: Arena<RECORD_UNIT>,
    counts: Counts,
    writer: Mutex<Writer<N>>,
}

/// Figures that the writer keeps. Apart from what readers follow, lest every insertion take a cache line from them.
#[repr(align(128))]
struct Counts {
    len: AtomicU64,
    bytes: AtomicU64,
    seq_min: AtomicU64,
    seq_max: AtomicU64,
}

impl<const N: usize> Tree<N> {
    /// An empty tree with memory from `pool`. About `bytes_hint` bytes are expected; it may hold less or more.
    pub(crate) fn new(bytes_hint: usize, pool: &Arc<ChunkPool>) -> Self {
        const { assert!(N >= 2 && N <= SLOTS_MAX) };
        let (store, records) = Store::new(bytes_hint, pool);
        let tree = Self {
            root: AtomicPtr::new(std::ptr::null_mut()),
            records,
            counts: Counts {
                len: AtomicU64::new(0),
                bytes: AtomicU64::new(0),
                seq_min: AtomicU64::new(u64::MAX),
                seq_max: AtomicU64::new(0),
            },
            writer: Mutex::new(Writer::new(store)),
        };
        tree.writer().start();
        tree
    }

    /// The right to insert: one holder at a time, others wait.
    pub(crate) fn writer(&self) -> Writing<'_, N> {
        Writing::new(self, self.writer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.counts.len.load(Ordering::Relaxed) as usize
    }

    /// Memory in use, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.counts.bytes.load(Ordering::Relaxed) as usize
    }

    /// Least and greatest sequence number; `(u64::MAX, 0)` if there is no entry.
    pub(crate) fn seq_range(&self) -> (u64, u64) {
        let Counts { seq_min, seq_max, .. } = &self.counts;
        (seq_min.load(Ordering::Relaxed), seq_max.load(Ordering::Relaxed))
    }

    /// The newest version of `target.key` that is not newer than `target.seq`.
    #[inline]
    pub(crate) fn get(&self, target: Target<'_>) -> Option<RecordId> {
        let (leaf, perm, on_bound) = self.descend(target);
        let candidates = leaf.candidates(perm, target.key);
        if candidates.is_power_of_two() {
            // The usual case: whether it is the key is all there is to know, not what is before it.
            let id = leaf.record(candidates.trailing_zeros() as usize);
            let record = self.record(id);
            record.prefetch_value();
            if record.key() == target.key && record.seq() <= target.seq {
                return Some(id);
            }
        } else if candidates != 0 {
            let found = leaf.find(self, perm, target, Before::Less);
            if found.tied {
                let id = leaf.record(perm.slot(found.rank));
                if self.record(id).key() == target.key {
                    return Some(id);
                }
            }
        }
        // The key's versions may go on behind the leaf's end; and if it lacks the leaf's prefix, they may begin there.
        if on_bound { self.get_by_seek(target) } else { None }
    }

    #[cold]
    fn get_by_seek(&self, target: Target<'_>) -> Option<RecordId> {
        let id = self.seek(target)?.record();
        (self.record(id).key() == target.key).then_some(id)
    }

    fn root(&self) -> NodePtr<N> {
        NonNull::new(self.root.load(Ordering::Acquire)).expect("a tree has a root from the beginning")
    }

    /// The leaf with the target in its range, its `Perm`, and whether the entry that bounds its range from above may have
    /// the key of the target (an older version of it).
    #[inline]
    fn descend(&self, target: Target<'_>) -> (&Leaf<N>, Perm, bool) {
        let (mut node, mut on_bound) = (self.root(), false);
        loop {
            match self.view(node) {
                (Node::Leaf(leaf), perm) => return (leaf, perm, on_bound),
                (Node::Inner(inner), perm) => {
                    let step = inner.step(perm, |perm| inner.route(self, perm, target));
                    node = step.child;
                    on_bound = step.bound_tied.unwrap_or(on_bound);
                }
            }
        }
    }

    /// The first leaf, or the last.
    fn edge(&self, last: bool) -> (&Leaf<N>, Perm) {
        let mut node = self.root();
        loop {
            match self.view(node) {
                (Node::Leaf(leaf), perm) => return (leaf, perm),
                (Node::Inner(inner), perm) => {
                    let index =
                        |perm: Perm| Route { index: if last { perm.len() } else { 0 }, bound_tied: None };
                    node = inner.step(perm, index).child;
                }
            }
        }
    }
}
