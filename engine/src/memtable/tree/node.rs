//! Nodes: what lies in memory, and how to find a place in it.
//!
//! All fields are atomics. The writer fills a node and then publishes its address by a releasing store; later it adds an
//! entry by writing an unused slot and then releasing a new [`Perm`]; it redirects a link or a child with a releasing
//! store. Readers acquire the address, then the `Perm`, and use the slots that this `Perm` names.

use std::cmp::Ordering as Place;
use std::ptr::NonNull;
use std::sync::atomic::Ordering;

use super::super::sync::{AtomicPtr, AtomicU32, AtomicU64};
use super::Tree;
use super::heads::{Compared, Heads};
use super::perm::Perm;
use super::record::{RecordId, Target, head};

/// What all nodes begin with, and all that a search reads: one cache line, with the field behind it. A tree prefetches the
/// next line, where a leaf has its records and an inner node most of its children.
#[repr(C)]
pub(super) struct Slots<const N: usize> {
    perm: AtomicU64,
    heads: Heads,
}

/// A node of the lowest level: its entries are the table's.
#[repr(C, align(128))]
pub(super) struct Leaf<const N: usize> {
    slots: Slots<N>,
    pub(super) next: AtomicPtr<Leaf<N>>,
    records: [AtomicU32; N],
    pub(super) prev: AtomicPtr<Leaf<N>>,
}

/// A node above: entry `i` is a separator, the first entry of the range of child `i + 1`.
#[repr(C, align(128))]
pub(super) struct Inner<const N: usize> {
    slots: Slots<N>,
    /// Child 0, for what is before the first separator.
    leftmost: AtomicPtr<Slots<N>>,
    /// The child at and behind the separator in the same slot.
    children: [AtomicPtr<Slots<N>>; N],
    records: [AtomicU32; N],
}

/// Address of a node of either kind.
pub(super) type NodePtr<const N: usize> = NonNull<Slots<N>>;

/// A node, by its kind.
pub(super) enum Node<'t, const N: usize> {
    Leaf(&'t Leaf<N>),
    Inner(&'t Inner<N>),
}

/// What to fill a node with.
pub(super) struct Entries<'a> {
    pub(super) perm: Perm,
    pub(super) heads: &'a [u32],
    pub(super) records: &'a [RecordId],
}

/// Where a target belongs in a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Entries before the target.
    pub(super) rank: usize,
    /// Whether the entry of that rank, or one close behind it, has the head of the target. Without it, the target's key
    /// is not in the node.
    pub(super) tied: bool,
}

/// Which entries count as before the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// Those that are less.
    Less,
    /// Those that are less, and the target itself.
    LessOrEqual,
}

/// What leaves and inner nodes have in common: entries in slots, ordered by a `Perm`.
pub(super) trait Slotted<const N: usize> {
    fn slots(&self) -> &Slots<N>;
    fn records(&self) -> &[AtomicU32; N];

    #[inline]
    fn perm(&self) -> Perm {
        self.slots().perm()
    }

    /// Writer only.
    fn publish(&self, perm: Perm) {
        self.slots().perm.store(perm.0, Ordering::Release);
    }

    /// Writes an unused slot; [`publish`](Self::publish) makes it visible. Writer only.
    #[inline]
    fn fill(&self, slot: usize, head: u32, record: RecordId) {
        self.slots().heads.set(slot, head);
        self.records()[slot].store(record.0.get(), Ordering::Relaxed);
    }

    #[inline]
    fn head(&self, slot: usize) -> u32 {
        self.slots().heads.get(slot)
    }

    /// The record in a slot that a loaded `Perm` names.
    #[inline]
    fn record(&self, slot: usize) -> RecordId {
        let unit = self.records()[slot].load(Ordering::Relaxed);
        RecordId(std::num::NonZeroU32::new(unit).expect("a slot in use names a record"))
    }

    /// Slots with the head that a key would have: nowhere else is that key.
    #[inline]
    fn candidates(&self, perm: Perm, key: &[u8]) -> u32 {
        self.slots().heads.equal(N, perm.len(), head(key, perm.prefix().len))
    }

    /// The place of a target whose key has the node's prefix. Of one that lacks it, nothing but this: if it is not
    /// `tied`, or no entry equals the target.
    #[inline]
    fn find(&self, tree: &Tree<N>, perm: Perm, target: Target<'_>, before: Before) -> Found {
        let Compared { below, equal } =
            self.slots().heads.compare(N, perm.len(), head(target.key, perm.prefix().len));
        if equal == 0 {
            return Found { rank: below, tied: false };
        }
        let end = below + equal.count_ones() as usize;
        let (mut low, mut high) = (below, end);
        while low < high {
            let middle = low.midpoint(high);
            let place = tree.record(self.record(perm.slot(middle))).cmp(target);
            if place == Place::Less || (place == Place::Equal && before == Before::LessOrEqual) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Found { rank: low, tied: low < end }
    }

    /// Where the target's key is against the prefix of a node that has entries: `Equal` if it has it.
    #[inline]
    fn prefix_place(&self, tree: &Tree<N>, perm: Perm, target: Target<'_>) -> Place {
        let prefix = perm.prefix().len;
        if prefix == 0 {
            return Place::Equal;
        }
        let sample = tree.record(self.record(perm.slot(0)));
        sample.prefix_cmp(target, prefix).reverse()
    }
}

impl<const N: usize> Slots<N> {
    fn new(entries: &Entries<'_>) -> Self {
        debug_assert!(
            entries.perm.len() == entries.records.len() && entries.heads.len() == entries.records.len()
        );
        Self { perm: AtomicU64::new(entries.perm.0), heads: Heads::new(entries.heads) }
    }

    #[inline]
    pub(super) fn perm(&self) -> Perm {
        Perm(self.perm.load(Ordering::Acquire))
    }
}

fn records<const N: usize>(entries: &Entries<'_>) -> [AtomicU32; N] {
    std::array::from_fn(|i| AtomicU32::new(entries.records.get(i).map_or(0, |id| id.0.get())))
}

impl<const N: usize> Slotted<N> for Leaf<N> {
    #[inline]
    fn slots(&self) -> &Slots<N> {
        &self.slots
    }

    #[inline]
    fn records(&self) -> &[AtomicU32; N] {
        &self.records
    }
}

impl<const N: usize> Slotted<N> for Inner<N> {
    #[inline]
    fn slots(&self) -> &Slots<N> {
        &self.slots
    }

    #[inline]
    fn records(&self) -> &[AtomicU32; N] {
        &self.records
    }
}

impl<const N: usize> Leaf<N> {
    pub(super) fn new(entries: &Entries<'_>, prev: *mut Self, next: *mut Self) -> Self {
        Self {
            slots: Slots::new(entries),
            next: AtomicPtr::new(next),
            records: records(entries),
            prev: AtomicPtr::new(prev),
        }
    }
}

impl<const N: usize> Inner<N> {
    /// `children` are one more than the entries.
    pub(super) fn new(entries: &Entries<'_>, children: &[NodePtr<N>]) -> Self {
        debug_assert_eq!(children.len(), entries.records.len() + 1);
        let child = |i: usize| children.get(i).map_or(std::ptr::null_mut(), |child| child.as_ptr());
        Self {
            slots: Slots::new(entries),
            leftmost: AtomicPtr::new(child(0)),
            children: std::array::from_fn(|i| AtomicPtr::new(child(i + 1))),
            records: records(entries),
        }
    }

    /// The pointer to child `index`, 0 to `perm.len()`.
    #[inline]
    fn child_slot(&self, perm: Perm, index: usize) -> &AtomicPtr<Slots<N>> {
        match index {
            0 => &self.leftmost,
            _ => &self.children[perm.slot(index - 1)],
        }
    }

    #[inline]
    pub(super) fn child(&self, perm: Perm, index: usize) -> NodePtr<N> {
        let child = self.child_slot(perm, index).load(Ordering::Acquire);
        NonNull::new(child).expect("a slot in use has a child")
    }

    /// Points child `index` to another node. If that has a narrower range than the old one, the separator that bounds it
    /// has been published in this node before. Writer only.
    pub(super) fn replace_child(&self, perm: Perm, index: usize, child: NodePtr<N>) {
        self.child_slot(perm, index).store(child.as_ptr(), Ordering::Release);
    }

    /// Writes the child of an unused slot; publishing the slot makes it visible. Writer only.
    pub(super) fn fill_child(&self, slot: usize, child: NodePtr<N>) {
        self.children[slot].store(child.as_ptr(), Ordering::Release);
    }
}
