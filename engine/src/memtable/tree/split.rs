//! What happens where there is no room: new leaves, and what that asks of the nodes above.

use super::node::{Entries, Leaf, Slotted};
use super::parent::Change;
use super::perm::{Level, Perm, SLOTS_MAX};
use super::prefix::Bounds;
use super::record::{RecordId, Target, head};
use super::write::Writing;

/// A new entry that does not fit into its leaf: there is no slot, or its key lacks the leaf's prefix.
pub(super) struct NewEntry<'k> {
    pub(super) target: Target<'k>,
    pub(super) record: RecordId,
    /// Entries of the leaf before it: none or all, if it lacks the prefix.
    pub(super) rank: usize,
    pub(super) lacks_prefix: bool,
    /// It and those added to the leaf just before are a sequence.
    pub(super) is_run: bool,
}

/// Content of a node, in order, with room for one more entry than fits.
pub(super) struct Gathered {
    pub(super) heads: [u32; SLOTS_MAX + 1],
    pub(super) records: [RecordId; SLOTS_MAX + 1],
    pub(super) len: usize,
}

impl Gathered {
    /// The entries of a node with another one at `rank`.
    pub(super) fn new<const N: usize>(
        node: &impl Slotted<N>,
        perm: Perm,
        rank: usize,
        new_head: u32,
        new: RecordId,
    ) -> Self {
        let mut all =
            Self { heads: [new_head; SLOTS_MAX + 1], records: [new; SLOTS_MAX + 1], len: perm.len() + 1 };
        for old in 0..perm.len() {
            let to = old + usize::from(old >= rank);
            all.heads[to] = node.head(perm.slot(old));
            all.records[to] = node.record(perm.slot(old));
        }
        all
    }
}

impl<'t, const N: usize> Writing<'t, N> {
    /// Inserts an entry that does not fit into its leaf.
    #[cold]
    pub(super) fn split(&mut self, leaf: &'t Leaf<N>, perm: Perm, new: &NewEntry<'_>) {
        let path = self.tree.path(new.target);
        let alone = new.is_run || new.lacks_prefix;
        let change = if new.rank == perm.len() && alone {
            self.append(leaf, perm, new, path.bounds)
        } else if new.rank == 0 && alone {
            self.prepend(leaf, perm, new, path.bounds)
        } else {
            self.divide(leaf, perm, new, path.bounds)
        };
        self.change_parent(&path, change);
    }

    /// Step *Append* of [`super`].
    fn append(&mut self, leaf: &'t Leaf<N>, perm: Perm, new: &NewEntry<'_>, bounds: Bounds) -> Change<N> {
        let far = leaf.record(perm.slot(0));
        let own = Bounds { low: Some(new.record), ..bounds };
        let right = self.lone(leaf, perm, new, far, own, (Some(leaf), leaf.next()));
        self.narrow(leaf, perm, Bounds { high: Some(new.record), ..bounds });
        Change { left: None, separator: new.record, right: right.as_node() }
    }

    /// Step *Prepend* of [`super`].
    fn prepend(&mut self, leaf: &'t Leaf<N>, perm: Perm, new: &NewEntry<'_>, bounds: Bounds) -> Change<N> {
        let (first, far) = (leaf.record(perm.slot(0)), leaf.record(perm.slot(perm.len() - 1)));
        let own = Bounds { high: Some(first), ..bounds };
        let left = self.lone(leaf, perm, new, far, own, (leaf.prev(), Some(leaf)));
        self.narrow(leaf, perm, Bounds { low: Some(first), ..bounds });
        Change { left: Some(left.as_node()), separator: first, right: leaf.as_node() }
    }

    /// A leaf with the new entry only, between two leaves, one of which (`of`) it takes its range from; `far` is the entry of that
    /// leaf that is farthest from the new one.
    fn lone(
        &mut self,
        of: &Leaf<N>,
        perm: Perm,
        new: &NewEntry<'_>,
        far: RecordId,
        bounds: Bounds,
        (prev, next): (Option<&'t Leaf<N>>, Option<&'t Leaf<N>>),
    ) -> &'t Leaf<N> {
        let heads = (0..perm.len()).map(|rank| of.head(perm.slot(rank)));
        let prefix = self.tree.continue_prefix(new.record, far, perm, heads, bounds);
        let entries = Entries {
            perm: Perm::new(Level::Leaf, prefix, 1),
            heads: &[head(new.target.key, prefix.len)],
            records: &[new.record],
        };
        let leaf = self.writer.store.leaf(self.tree, &entries, prev, next);
        self.link(leaf);
        let expect_more = self.has_finger() || (new.is_run && self.was_last(of));
        self.went_to(leaf, bounds, expect_more);
        leaf
    }

    /// Points both neighbours of a new leaf to it.
    fn link(&self, leaf: &'t Leaf<N>) {
        if let Some(prev) = leaf.prev() {
            prev.set_next(leaf);
        }
        if let Some(next) = leaf.next() {
            next.set_prev(leaf);
        }
    }

    /// A leaf's range got narrower: perhaps its prefix is certain now. Readers don't ask that of leaves.
    fn narrow(&self, leaf: &Leaf<N>, perm: Perm, bounds: Bounds) {
        let prefix = perm.prefix();
        if prefix.speculative && self.tree.common_within(bounds) >= prefix.len {
            leaf.publish(perm.certain());
        }
    }

    /// Step *Split* of [`super`]: in the middle, or, in a sequence, behind the new entry.
    fn divide(&mut self, leaf: &'t Leaf<N>, perm: Perm, new: &NewEntry<'_>, bounds: Bounds) -> Change<N> {
        let (tree, prefix) = (self.tree, perm.prefix());
        let mut all = Gathered::new(leaf, perm, new.rank, head(new.target.key, prefix.len), new.record);
        let at = if new.is_run { new.rank + 1 } else { all.len / 2 };
        let separator = all.records[at];
        let low = Bounds { high: Some(separator), ..bounds };
        let high = Bounds { low: Some(separator), ..bounds };
        let store = &mut self.writer.store;
        let mut part = |range: std::ops::Range<usize>, bounds, prev, next| {
            let (heads, records) = (&mut all.heads[range.clone()], &all.records[range]);
            let prefix = tree.choose_prefix(records, heads, Some(prefix), bounds);
            let perm = Perm::new(Level::Leaf, prefix, records.len());
            store.leaf(tree, &Entries { perm, heads, records }, prev, next)
        };
        let left = part(0..at, low, leaf.prev(), None);
        let right = part(at..all.len, high, Some(left), leaf.next());
        self.link(right);
        self.link(left);
        let (went, bounds) = if new.rank < at { (left, low) } else { (right, high) };
        let expect_more = new.is_run && self.was_last(leaf);
        self.went_to(went, bounds, expect_more);
        Change { left: Some(left.as_node()), separator, right: right.as_node() }
    }
}
