//! What happens where there is no room: new leaves, and what that asks of the nodes above.

use std::ptr::NonNull;

use super::node::{Entries, Leaf, Slots};
use super::parent::Change;
use super::perm::{Level, Perm, Prefix, SLOTS_MAX};
use super::prefix::Bounds;
use super::record::{RecordId, Target, head};
use super::write::Writing;

/// Content of a node, in order, with room for one more entry than fits.
pub(super) struct Gathered {
    pub(super) heads: [u32; SLOTS_MAX + 1],
    pub(super) records: [RecordId; SLOTS_MAX + 1],
    pub(super) len: usize,
}

impl Gathered {
    /// The entries of a node with another one at `rank`.
    pub(super) fn new<const N: usize>(
        slots: &Slots<N>,
        perm: Perm,
        rank: usize,
        new_head: u32,
        new: RecordId,
    ) -> Self {
        let mut all =
            Self { heads: [new_head; SLOTS_MAX + 1], records: [new; SLOTS_MAX + 1], len: perm.len() + 1 };
        for old in 0..perm.len() {
            let to = old + usize::from(old >= rank);
            all.heads[to] = slots.head(perm.slot(old));
            all.records[to] = slots.record(perm.slot(old));
        }
        all
    }
}

/// Whether the entry at `rank` and the two entries that were added last form a sequence.
fn is_run(perm: Perm, rank: usize) -> bool {
    let len = perm.len();
    let added = |rank: usize, ago: usize| rank < len && perm.slot(rank) + ago == len;
    let ascends = rank >= 2 && added(rank - 1, 1) && added(rank - 2, 2);
    let descends = added(rank, 1) && added(rank + 1, 2);
    ascends || descends
}

impl<'t, const N: usize> Writing<'t, N> {
    /// Inserts a record for which its leaf has no room, or whose key lacks the leaf's prefix.
    #[cold]
    pub(super) fn split(
        &mut self,
        leaf: &'t Leaf<N>,
        perm: Perm,
        rank: usize,
        target: Target<'_>,
        record: RecordId,
        lacks_prefix: bool,
    ) {
        let path = self.tree.path(target);
        let run = is_run(perm, rank);
        let change = if rank == perm.len() && (run || lacks_prefix) {
            self.append(leaf, perm, target, record, path.bounds)
        } else if rank == 0 && (run || lacks_prefix) {
            self.prepend(leaf, perm, target, record, path.bounds)
        } else {
            let at = if run { rank + 1 } else { perm.len().div_ceil(2) };
            let new_head = head(target.key, perm.prefix().len);
            let all = Gathered::new(&leaf.slots, perm, rank, new_head, record);
            self.divide(leaf, perm.prefix(), all, at, path.bounds)
        };
        self.change_parent(&path, change);
    }

    /// Step *Append* of [`super`].
    fn append(
        &mut self,
        leaf: &'t Leaf<N>,
        perm: Perm,
        target: Target<'_>,
        record: RecordId,
        bounds: Bounds,
    ) -> Change<N> {
        let far = leaf.slots.record(perm.slot(0));
        let own = Bounds { low: Some(record), ..bounds };
        let right = self.lone(leaf, perm, far, target, record, own, (Some(leaf), leaf.next()));
        self.link(right);
        self.narrow(leaf, perm, Bounds { high: Some(record), ..bounds });
        Change { left: None, separator: record, right: right.as_node() }
    }

    /// Step *Prepend* of [`super`].
    fn prepend(
        &mut self,
        leaf: &'t Leaf<N>,
        perm: Perm,
        target: Target<'_>,
        record: RecordId,
        bounds: Bounds,
    ) -> Change<N> {
        let (first, far) = (leaf.slots.record(perm.slot(0)), leaf.slots.record(perm.slot(perm.len() - 1)));
        let own = Bounds { high: Some(first), ..bounds };
        let left = self.lone(leaf, perm, far, target, record, own, (leaf.prev(), Some(leaf)));
        self.link(left);
        self.narrow(leaf, perm, Bounds { low: Some(first), ..bounds });
        Change { left: Some(left.as_node()), separator: first, right: leaf.as_node() }
    }

    /// A leaf with one entry, between two leaves, one of which it takes its range from.
    #[expect(clippy::too_many_arguments, reason = "two callers, each a mirror of the other")]
    fn lone(
        &mut self,
        of: &Leaf<N>,
        perm: Perm,
        far: RecordId,
        target: Target<'_>,
        record: RecordId,
        bounds: Bounds,
        (prev, next): (Option<&'t Leaf<N>>, Option<&'t Leaf<N>>),
    ) -> &'t Leaf<N> {
        let heads = (0..perm.len()).map(|rank| of.slots.head(perm.slot(rank)));
        let prefix = self.tree.continue_prefix(record, far, perm, heads, bounds);
        let entries = Entries {
            perm: Perm::new(Level::Leaf, prefix, 1),
            heads: &[head(target.key, prefix.len)],
            records: &[record],
        };
        self.writer.store.leaf(self.tree, &entries, prev, next)
    }

    /// Points both neighbours of a new leaf to it.
    fn link(&mut self, leaf: &'t Leaf<N>) {
        if let Some(prev) = leaf.prev() {
            prev.set_next(leaf);
        }
        match leaf.next() {
            Some(next) => next.set_prev(leaf),
            None => self.writer.tail = Some(NonNull::from(leaf)),
        }
    }

    /// A leaf's range got narrower: perhaps its prefix is certain now. Readers don't ask that of leaves.
    fn narrow(&self, leaf: &Leaf<N>, perm: Perm, bounds: Bounds) {
        let prefix = perm.prefix();
        if prefix.speculative && self.tree.common_within(bounds) >= prefix.len {
            leaf.slots.publish(perm.certain());
        }
    }

    /// Step *Split* of [`super`]: entries before `at` go to one leaf, the others to another.
    fn divide(
        &mut self,
        leaf: &'t Leaf<N>,
        prefix: Prefix,
        mut all: Gathered,
        at: usize,
        bounds: Bounds,
    ) -> Change<N> {
        let separator = all.records[at];
        let tree = self.tree;
        let mut part = |range: std::ops::Range<usize>, bounds: Bounds, prev, next| {
            let (heads, records) = (&mut all.heads[range.clone()], &all.records[range]);
            let prefix = tree.choose_prefix(records, heads, Some(prefix), bounds);
            let perm = Perm::new(Level::Leaf, prefix, records.len());
            self.writer.store.leaf(tree, &Entries { perm, heads, records }, prev, next)
        };
        let left = part(0..at, Bounds { high: Some(separator), ..bounds }, leaf.prev(), None);
        let right = part(at..all.len, Bounds { low: Some(separator), ..bounds }, Some(left), leaf.next());
        self.link(right);
        self.link(left);
        Change { left: Some(left.as_node()), separator, right: right.as_node() }
    }
}
