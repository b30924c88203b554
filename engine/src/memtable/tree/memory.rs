//! Addresses become references here, and nowhere else; and here nodes and records come into being.
//!
//! All of it rests on three facts. *Complete*: a node or record is completely written before its address (or number) is
//! stored anywhere, that store releases, or a later one does that every reader acquires first. *Lasting*: arena memory
//! neither moves nor is used again until the tree is dropped, and a tree lends out references only for a borrow of itself.
//! *Own*: numbers and addresses are kept in the tree they belong to, or with a handle on it.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ringwood_sstable::prefetch;

use super::Tree;
use super::arena::{Arena, Bump};
use super::chunk::ChunkPool;
use super::node::{Entries, Inner, Leaf, Node, NodePtr};
use super::perm::Perm;
use super::record::{Draft, INLINE_VALUE_MAX, RECORD_UNIT, Record, RecordId, Target};
use crate::memtable::Kind;

/// Granularity of node addresses: two cache lines, which the processor fetches together.
pub(super) const NODE_UNIT: usize = 128;

/// Memory that a memtable must be expected to need, in bytes, for huge pages to be worth what the last one of them wastes.
const HUGE_PAGES_FROM: usize = 16 << 20;

/// What the writer allocates from. Dropping it frees every node and record.
pub(super) struct Store {
    records: Bump<RECORD_UNIT>,
    nodes: Bump<NODE_UNIT>,
    node_arena: Arena<NODE_UNIT>,
    /// Values too long to lie in a chunk.
    outside: Vec<NonNull<[u8]>>,
    outside_bytes: usize,
}

// SAFETY: the values in `outside` are plain bytes, owned by this list; any thread may free them.
unsafe impl Send for Store {}

impl Drop for Store {
    fn drop(&mut self) {
        for value in self.outside.drain(..) {
            // SAFETY: it came from `Box::into_raw`, is in the list once, and whoever could read it borrowed the tree.
            drop(unsafe { Box::from_raw(value.as_ptr()) });
        }
    }
}

impl Store {
    /// Nothing is mapped before it is needed, and first chunks are small, so that a memtable with little in it is small. Chunks grow,
    /// and from [`HUGE_PAGES_FROM`] on they are huge pages.
    pub(super) fn new(bytes_hint: usize, pool: &Arc<ChunkPool>) -> (Self, Arena<RECORD_UNIT>) {
        let huge_pages = bytes_hint >= HUGE_PAGES_FROM;
        let (records, record_arena) = Bump::new(64 << 10, huge_pages, Arc::clone(pool));
        let (nodes, node_arena) = Bump::new(32 << 10, huge_pages, Arc::clone(pool));
        let store = Self { records, nodes, node_arena, outside: Vec::new(), outside_bytes: 0 };
        (store, record_arena)
    }

    /// Memory in use, in bytes: all chunks as far as they were touched, and long values.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.records.bytes() + self.nodes.bytes() + self.outside_bytes
    }

    /// Writes a record. `arena` is the half of the record arena that was made with this store.
    #[inline]
    pub(super) fn record(
        &mut self,
        arena: &Arena<RECORD_UNIT>,
        target: Target<'_>,
        kind: Kind,
        value: &[u8],
    ) -> RecordId {
        let outside = (value.len() > INLINE_VALUE_MAX).then(|| self.outside(value));
        let draft = Draft { target, kind, value, outside };
        let (unit, at) = self.records.alloc(arena, draft.bytes());
        // SAFETY: `at` is fresh memory of `draft.bytes()` bytes, aligned to RECORD_UNIT, its number given to nobody yet.
        // The tree bounds the key's length; a longer value is outside, and is freed only with all records.
        unsafe { draft.write(at) };
        RecordId(std::num::NonZeroU32::new(unit).expect("unit 0 is never handed out"))
    }

    #[cold]
    fn outside(&mut self, value: &[u8]) -> NonNull<u8> {
        let copy = NonNull::from(Box::leak(Box::<[u8]>::from(value)));
        self.outside.push(copy);
        self.outside_bytes += value.len();
        copy.cast()
    }

    /// A leaf between two others.
    pub(super) fn leaf<'t, const N: usize>(
        &mut self,
        _tree: &'t Tree<N>,
        entries: &Entries<'_>,
        prev: Option<&'t Leaf<N>>,
        next: Option<&'t Leaf<N>>,
    ) -> &'t Leaf<N> {
        let node = self.place(Leaf::new(entries, link(prev), link(next)));
        // SAFETY: just written, lives as long as the tree (Lasting).
        unsafe { node.as_ref() }
    }

    /// An inner node; `children` are one more than the entries.
    pub(super) fn inner<const N: usize>(
        &mut self,
        entries: &Entries<'_>,
        children: &[NodePtr<N>],
    ) -> NodePtr<N> {
        self.place(Inner::new(entries, children)).cast()
    }

    fn place<T>(&mut self, node: T) -> NonNull<T> {
        const { assert!(align_of::<T>() <= NODE_UNIT) };
        let (_, at) = self.nodes.alloc(&self.node_arena, size_of::<T>());
        let at = at.cast::<T>();
        // SAFETY: fresh memory of that size, aligned to NODE_UNIT.
        unsafe { at.write(node) };
        at
    }
}

fn link<const N: usize>(leaf: Option<&Leaf<N>>) -> *mut Leaf<N> {
    leaf.map_or(std::ptr::null_mut(), |leaf| std::ptr::from_ref(leaf).cast_mut())
}

impl<const N: usize> Tree<N> {
    /// The record of this name, which this tree gave.
    #[inline]
    pub(crate) fn record(&self, id: RecordId) -> Record<'_> {
        let at = self.records.address(id.0.get());
        // SAFETY: the number came from a slot that was published after the record was written (Complete), of this tree
        // (Own), so that `at` is the record's address, which lives as long as the tree (Lasting).
        unsafe { Record::new(NonNull::new_unchecked(at)) }
    }

    /// The node at an address that was loaded, with acquire, from this tree; and what is published in it.
    #[inline]
    pub(super) fn view(&self, node: NodePtr<N>) -> (Node<'_, N>, Perm) {
        prefetch(node.as_ptr().wrapping_byte_add(64).cast());
        // SAFETY: Complete, Lasting and Own: all nodes begin with their slots.
        let perm = unsafe { node.as_ref() }.perm();
        // SAFETY: as above; that bit never changes, and was set by the kind of node that was written there.
        let node = unsafe {
            if perm.is_leaf() {
                Node::Leaf(node.cast::<Leaf<N>>().as_ref())
            } else {
                Node::Inner(node.cast::<Inner<N>>().as_ref())
            }
        };
        (node, perm)
    }
}

impl<const N: usize> Leaf<N> {
    /// The leaf behind this one.
    #[inline]
    pub(super) fn next(&self) -> Option<&Self> {
        // SAFETY: Complete and Lasting: null, or a leaf of the same tree, which lives as long as this one.
        unsafe { self.next.load(Ordering::Acquire).as_ref() }
    }

    /// The leaf before this one.
    #[inline]
    pub(super) fn prev(&self) -> Option<&Self> {
        // SAFETY: as in `next`.
        unsafe { self.prev.load(Ordering::Acquire).as_ref() }
    }

    /// Writer only.
    pub(super) fn set_next(&self, leaf: &Self) {
        self.next.store(link(Some(leaf)), Ordering::Release);
    }

    /// Writer only.
    pub(super) fn set_prev(&self, leaf: &Self) {
        self.prev.store(link(Some(leaf)), Ordering::Release);
    }

    /// This leaf's address, as an inner node keeps it.
    pub(super) fn as_node(&self) -> NodePtr<N> {
        NonNull::from(self).cast()
    }
}
