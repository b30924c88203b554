//! From a split leaf up: step *Parent* of [`super`].

use std::cmp::Ordering as Place;
use std::sync::atomic::Ordering;

use super::Tree;
use super::node::{Entries, Inner, Node, NodePtr, Slotted};
use super::perm::{Level, Perm, Prefix, SLOTS_MAX};
use super::prefix::Bounds;
use super::record::{RecordId, Target, head};
use super::split::Gathered;
use super::write::Writing;

/// Most levels of inner nodes. Where one is left with a single child, its neighbour is full, so that a level has at most
/// half as many nodes as the one below (a seventh, with 13 slots): no memory holds a tree of that height.
const HEIGHT_MAX: usize = 24;

/// An inner node on the way to a leaf.
#[derive(Clone, Copy)]
struct PathStep<'t, const N: usize> {
    inner: &'t Inner<N>,
    /// Which child the way takes.
    index: usize,
    /// The range of the inner node itself.
    bounds: Bounds,
}

/// The way from the root to a leaf.
pub(super) struct Path<'t, const N: usize> {
    steps: [Option<PathStep<'t, N>>; HEIGHT_MAX],
    len: usize,
    /// The range of the leaf.
    pub(super) bounds: Bounds,
}

/// The children of an inner node, in order, with room for one more than fits.
type Children<const N: usize> = [NodePtr<N>; SLOTS_MAX + 2];

/// What becomes of the child at the end of a path.
pub(super) struct Change<const N: usize> {
    /// The node for the lower part of its range, if that is not the child itself.
    pub(super) left: Option<NodePtr<N>>,
    /// The first entry of the upper part.
    pub(super) separator: RecordId,
    /// The node for the upper part.
    pub(super) right: NodePtr<N>,
}

impl<const N: usize> Tree<N> {
    /// The way to the leaf with the target in its range. Writer only.
    pub(super) fn path(&self, target: Target<'_>) -> Path<'_, N> {
        let mut path = Path { steps: [None; HEIGHT_MAX], len: 0, bounds: Bounds::default() };
        let mut node = self.root();
        while let (Node::Inner(inner), perm) = self.view(node) {
            let index = inner.route(self, perm, target).index;
            let bounds = path.bounds;
            path.steps[path.len] = Some(PathStep { inner, index, bounds });
            path.len += 1;
            let separator = |rank: usize| inner.record(perm.slot(rank));
            path.bounds = Bounds {
                low: if index > 0 { Some(separator(index - 1)) } else { bounds.low },
                high: if index < perm.len() { Some(separator(index)) } else { bounds.high },
            };
            node = inner.child(perm, index);
        }
        path
    }
}

impl<'t, const N: usize> Writing<'t, N> {
    /// Makes known above what became of the leaf at the end of the path.
    pub(super) fn change_parent(&mut self, path: &Path<'t, N>, mut change: Change<N>) {
        for depth in (0..path.len).rev() {
            let Some(step) = path.steps[depth] else {
                unreachable!("a path has as many steps as its length")
            };
            let perm = step.inner.perm();
            let shares = self.shares_prefix(step.inner, perm, change.separator);
            if shares && perm.len() < N {
                let key = self.tree.record(change.separator).key();
                step.inner.fill_child(perm.len(), change.right);
                step.inner.fill(perm.len(), head(key, perm.prefix().len), change.separator);
                let perm_after = perm.inserted(step.index);
                step.inner.publish(perm_after);
                if let Some(left) = change.left {
                    step.inner.replace_child(perm_after, step.index, left);
                }
                return;
            }
            let (all, children) = self.gather(&step, perm, shares, &change);
            let prefix = shares.then(|| perm.prefix());
            if perm.len() < N {
                let whole = self.inner(&all, 0..all.len, &children, prefix, step.bounds);
                self.replace(path, depth, whole);
                return;
            }
            change = self.divide_inner(&step, perm, &all, &children, prefix);
        }
        let prefix = Prefix { len: 0, speculative: false };
        let key = self.tree.record(change.separator).key();
        let entries = Entries {
            perm: Perm::new(Level::Inner, prefix, 1),
            heads: &[head(key, 0)],
            records: &[change.separator],
        };
        let root = self
            .writer
            .store
            .inner(&entries, &[change.left.unwrap_or_else(|| self.tree.root()), change.right]);
        self.tree.root.store(root.as_ptr(), Ordering::Release);
    }

    fn shares_prefix(&self, inner: &Inner<N>, perm: Perm, separator: RecordId) -> bool {
        let record = self.tree.record(separator);
        let target = Target { key: record.key(), seq: record.seq() };
        !perm.prefix().speculative || inner.prefix_place(self.tree, perm, target) == Place::Equal
    }

    /// The separators and children of an inner node, with the change. Without `shares`, the heads say nothing.
    fn gather(
        &self,
        step: &PathStep<'t, N>,
        perm: Perm,
        shares: bool,
        change: &Change<N>,
    ) -> (Gathered, Children<N>) {
        let key = self.tree.record(change.separator).key();
        let new_head = if shares { head(key, perm.prefix().len) } else { 0 };
        let all = Gathered::new(step.inner, perm, step.index, new_head, change.separator);
        let mut children = [change.right; SLOTS_MAX + 2];
        for old in 0..=perm.len() {
            children[old + usize::from(old > step.index)] = step.inner.child(perm, old);
        }
        if let Some(left) = change.left {
            children[step.index] = left;
        }
        (all, children)
    }

    /// A new inner node from a range of separators, and the children around them.
    fn inner(
        &mut self,
        all: &Gathered,
        range: std::ops::Range<usize>,
        children: &Children<N>,
        prefix: Option<Prefix>,
        bounds: Bounds,
    ) -> NodePtr<N> {
        let mut heads = all.heads;
        let (heads, records) = (&mut heads[range.clone()], &all.records[range.clone()]);
        let prefix = self.tree.choose_prefix(records, heads, prefix, bounds);
        let perm = Perm::new(Level::Inner, prefix, records.len());
        self.writer.store.inner(&Entries { perm, heads, records }, &children[range.start..=range.end])
    }

    /// Two inner nodes from a full one and one more separator; the separator between them goes up.
    fn divide_inner(
        &mut self,
        step: &PathStep<'t, N>,
        perm: Perm,
        all: &Gathered,
        children: &Children<N>,
        prefix: Option<Prefix>,
    ) -> Change<N> {
        // A sequence leaves full nodes behind.
        let up = match step.index {
            0 if perm.is_newest(0) => 0,
            index if index == perm.len() && perm.is_newest(index - 1) => index,
            _ => all.len / 2,
        };
        let separator = all.records[up];
        let low = Bounds { high: Some(separator), ..step.bounds };
        let high = Bounds { low: Some(separator), ..step.bounds };
        Change {
            left: Some(self.inner(all, 0..up, children, prefix, low)),
            separator,
            right: self.inner(all, up + 1..all.len, children, prefix, high),
        }
    }

    /// Puts a new inner node of the same range in the place of the one at this depth of the path.
    fn replace(&mut self, path: &Path<'t, N>, depth: usize, node: NodePtr<N>) {
        match depth.checked_sub(1).and_then(|above| path.steps[above]) {
            Some(above) => above.inner.replace_child(above.inner.perm(), above.index, node),
            None => self.tree.root.store(node.as_ptr(), Ordering::Release),
        }
    }
}
