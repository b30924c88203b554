//! Places between entries, and how to go on from them.

use std::cmp::Ordering as Place;
use std::ptr::NonNull;

use super::Tree;
use super::node::{Before, Leaf, Slotted};
use super::perm::Perm;
use super::record::{RecordId, Target};

/// On an entry: a leaf, what was published in it on arrival, and a rank.
///
/// Moving on from a position gives what the reader must find at the time of the *search* that began the walk.
#[derive(Clone, Copy)]
pub(crate) struct Position<const N: usize> {
    leaf: NonNull<Leaf<N>>,
    perm: Perm,
    rank: usize,
    record: RecordId,
}

// SAFETY: a position is an address that is only ever used with its tree (`Tree::leaf`), which may be shared between
// threads.
unsafe impl<const N: usize> Send for Position<N> {}
// SAFETY: as above; it has no interior.
unsafe impl<const N: usize> Sync for Position<N> {}

impl<const N: usize> Position<N> {
    fn new(leaf: &Leaf<N>, perm: Perm, rank: usize) -> Self {
        Self { leaf: NonNull::from(leaf), perm, rank, record: leaf.record(perm.slot(rank)) }
    }

    /// The entry at this position.
    #[inline]
    pub(crate) fn record(&self) -> RecordId {
        self.record
    }
}

impl<const N: usize> Tree<N> {
    /// The first entry at or behind the target.
    pub(crate) fn seek(&self, target: Target<'_>) -> Option<Position<N>> {
        let (mut leaf, mut perm, _) = self.descend(target);
        loop {
            let rank = self.rank(leaf, perm, target, Before::Less);
            if rank < perm.len() {
                self.prefetch(leaf, perm, rank..perm.len());
                return Some(Position::new(leaf, perm, rank));
            }
            leaf = leaf.next()?;
            perm = leaf.perm();
        }
    }

    /// The last entry at or before the target.
    pub(crate) fn seek_for_prev(&self, target: Target<'_>) -> Option<Position<N>> {
        let (mut leaf, mut perm, _) = self.descend(target);
        loop {
            let rank = self.rank(leaf, perm, target, Before::LessOrEqual);
            if rank > 0 {
                self.prefetch(leaf, perm, 0..rank);
                return Some(Position::new(leaf, perm, rank - 1));
            }
            leaf = leaf.prev()?;
            perm = leaf.perm();
        }
    }

    /// The first entry.
    pub(crate) fn first(&self) -> Option<Position<N>> {
        let (leaf, perm) = self.edge(false);
        self.enter(leaf, perm, false)
    }

    /// The last entry.
    pub(crate) fn last(&self) -> Option<Position<N>> {
        let (leaf, perm) = self.edge(true);
        self.enter(leaf, perm, true)
    }

    /// The entry behind this one.
    ///
    /// # Safety
    /// The position is one of this tree.
    #[inline]
    pub(crate) unsafe fn next(&self, at: &Position<N>) -> Option<Position<N>> {
        // SAFETY: a leaf of this tree, which lives as long as the tree.
        let leaf = unsafe { at.leaf.as_ref() };
        if at.rank + 1 < at.perm.len() {
            return Some(Position::new(leaf, at.perm, at.rank + 1));
        }
        let next = leaf.next()?;
        self.enter(next, next.perm(), false)
    }

    /// The entry before this one.
    ///
    /// # Safety
    /// The position is one of this tree.
    #[inline]
    pub(crate) unsafe fn prev(&self, at: &Position<N>) -> Option<Position<N>> {
        // SAFETY: as in `next`.
        let leaf = unsafe { at.leaf.as_ref() };
        if at.rank > 0 {
            return Some(Position::new(leaf, at.perm, at.rank - 1));
        }
        let prev = leaf.prev()?;
        self.enter(prev, prev.perm(), true)
    }

    /// First or last entry of a leaf. Only the first leaf of all can be empty, as long as it is alone.
    fn enter(&self, leaf: &Leaf<N>, perm: Perm, last: bool) -> Option<Position<N>> {
        let rank = if last { perm.len().checked_sub(1)? } else { 0 };
        if perm.len() == 0 {
            return None;
        }
        self.prefetch(leaf, perm, 0..perm.len());
        Some(Position::new(leaf, perm, rank))
    }

    /// Entries of a leaf before a target, which need not be in the leaf's range, nor have its prefix.
    fn rank(&self, leaf: &Leaf<N>, perm: Perm, target: Target<'_>, before: Before) -> usize {
        if perm.len() == 0 {
            return 0;
        }
        match leaf.prefix_place(self, perm, target) {
            Place::Less => 0,
            Place::Greater => perm.len(),
            Place::Equal => leaf.find(self, perm, target, before).rank,
        }
    }

    /// Has the records of some ranks fetched, all at once: they lie wherever they were written.
    #[inline]
    fn prefetch(&self, leaf: &Leaf<N>, perm: Perm, ranks: std::ops::Range<usize>) {
        for rank in ranks {
            self.record(leaf.record(perm.slot(rank))).prefetch();
        }
    }
}
