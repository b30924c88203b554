//! The way into the cache: the blocks of one open table.

use std::fmt;

use ringwood_ring::{ArenaFull, Buf, page_ceil};

use super::block_ref::BlockRef;
use super::fill::{Claimed, Fill, Waiter};
use super::frame::Locked;
use super::slots::{Slot, Slots};
use super::table::Table;
use super::{BlockCache, Claim, Hint, Room};
use crate::prefetch::prefetch;
use crate::sync::Arc;

/// Which blocks of one open table are in the cache: four bytes a block.
///
/// Any thread may use it. Dropping it (the table is closed or deleted) frees the frames of its blocks, those that are pinned
/// when their last [`BlockRef`] goes.
pub struct Residency {
    slots: Arc<Slots>,
    // Saves a hit the way over the cache.
    table: Arc<Table>,
    cache: std::sync::Arc<BlockCache>,
    /// Bytes that the table has told the cache of.
    housed: u64,
    /// Those of them that are in the arena.
    in_arena: u64,
}

impl Residency {
    pub(super) fn new(cache: std::sync::Arc<BlockCache>, table: Arc<Table>, slots: Arc<Slots>) -> Self {
        let housed = slots.len() as u64 * 4;
        cache.tables_grew(housed);
        Self { slots, table, cache, housed, in_arena: 0 }
    }

    /// Number of blocks that it has words for: those of the table, or more.
    #[must_use]
    pub fn blocks(&self) -> u32 {
        self.slots.len()
    }

    /// Bytes of heap memory that this residency uses.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + size_of::<Slots>() + self.slots.len() as usize * 4
    }

    /// Counts `bytes` more of memory for the table (index, filter) until it is closed: the cache gives way to them. Gives a buffer of so
    /// many bytes in the arena, if there is room without the cache's least share; else the table has them outside.
    pub fn house(&mut self, bytes: usize) -> Option<Buf> {
        let bytes = page_ceil(bytes.max(1));
        self.housed += bytes as u64;
        let has_room = self.cache.tables_grew(bytes as u64);
        let buf = has_room.then(|| self.cache.arena().alloc_exact(bytes).ok()).flatten()?;
        self.in_arena += bytes as u64;
        self.cache.count_in_arena(|count| count + bytes as u64);
        Some(buf)
    }

    /// The block, if it is in the cache. One atomic addition; no lock, no allocation, no I/O.
    ///
    /// May rarely miss a block that is in the cache, if it is being moved about at this moment; [`claim`](Self::claim)
    /// then finds it.
    ///
    /// # Panics
    /// If the table has no such block: block numbers come from the table's index.
    #[inline]
    #[must_use]
    pub fn get(&self, block: u32, hint: Hint) -> Option<BlockRef> {
        match self.slots.load(block) {
            Slot::Frame(id) => self.pin(block, id, hint),
            _ => None,
        }
    }

    /// Has the memory fetched that [`get`](Self::get) waits for: an address that may be wrong by then, and is no promise of a hit.
    #[inline]
    pub(crate) fn prefetch(&self, block: u32) {
        if let Slot::Frame(id) = self.slots.load(block) {
            prefetch(std::ptr::from_ref(self.table.frame(id)).cast());
        }
    }

    #[inline]
    fn pin(&self, block: u32, id: u32, hint: Hint) -> Option<BlockRef> {
        let found = BlockRef::pin(
            self.table.frame(id),
            hint == Hint::Point,
            || self.slots.confirm(block, id),
            || self.table.count_wrap(),
        );
        if hint == Hint::Scan && found.is_some() {
            self.table.count_scan_hit(id);
        }
        found
    }

    /// The block, or the duty to read it, or the news that someone else is reading it. `bytes` is the size of the block's
    /// frame, in whole pages.
    ///
    /// **A caller finishes all its fills before it waits for another's**, else two callers may wait for each other. The same
    /// caller may claim a block twice (two keys of a batch): it gets a fill and a waiter, and after the fill the waiter is ready.
    ///
    /// # Errors
    /// [`ArenaFull`] if the block cannot be cached and the arena has no other buffer of that size.
    ///
    /// # Panics
    /// If the table has no such block, or if `bytes` is 0.
    pub fn claim(&self, block: u32, bytes: usize, hint: Hint) -> Result<Claim, ArenaFull> {
        assert!(bytes > 0, "a block of no bytes");
        if let Some(hit) = self.get(block, hint) {
            return Ok(Claim::Hit(hit));
        }
        let mut policy = self.cache.policy();
        match self.slots.load(block) {
            Slot::Frame(id) => {
                // Evicting needs the lock that we hold, and the number is stored after the unlocking.
                let hit = self.pin(block, id, hint);
                Ok(Claim::Hit(hit.expect("a frame in a slot is unlocked, under the policy's lock")))
            }
            Slot::Loading => {
                policy.counts.waits += 1;
                drop(policy);
                let (cache, slots) = (std::sync::Arc::clone(&self.cache), Arc::clone(&self.slots));
                Ok(Claim::Wait(Waiter { cache, slots, block }))
            }
            Slot::Empty | Slot::Ghost(_) => {
                policy.counts.misses += 1;
                let taken = policy.take(&self.table, &self.slots, block, bytes, hint);
                policy.counts.uncached += u64::from(taken.is_none());
                drop(policy);
                if let Some((lock, buf)) = taken {
                    return Ok(Claim::Fill(self.fill(block, lock, buf)));
                }
                let buf = self.cache.arena().alloc(bytes)?;
                Ok(Claim::Fill(Fill::new(None, buf)))
            }
        }
    }

    /// A frame for a block that is known without a read and that nobody can ask for yet. None if there is no room for it.
    pub(crate) fn offer(&self, block: u32, bytes: usize, room: Room) -> Option<Fill> {
        let (lock, buf) = self.cache.policy().take_unread(&self.table, &self.slots, block, bytes, room)?;
        Some(self.fill(block, lock, buf))
    }

    /// A frame for a block that was read past the cache, if one is free and the block is not there.
    pub(crate) fn adopt(&self, block: u32, bytes: usize) -> Option<Fill> {
        let mut policy = self.cache.policy();
        if !matches!(self.slots.load(block), Slot::Empty | Slot::Ghost(_)) {
            return None;
        }
        let (lock, buf) = policy.take_unread(&self.table, &self.slots, block, bytes, Room::Free)?;
        drop(policy);
        Some(self.fill(block, lock, buf))
    }

    fn fill(&self, block: u32, lock: Locked, buf: Buf) -> Fill {
        let (cache, slots) = (std::sync::Arc::clone(&self.cache), Arc::clone(&self.slots));
        Fill::new(Some(Claimed { cache, slots, block, lock }), buf)
    }

    /// Whether the block is in the cache at this moment, and has been asked for there: it is worth its frame.
    pub(crate) fn is_hot(&self, block: u32) -> bool {
        let Slot::Frame(_) = self.slots.load(block) else { return false };
        let policy = self.cache.policy();
        // Again: evicting needs the lock that we hold.
        matches!(self.slots.load(block), Slot::Frame(id) if policy.was_used(&self.table, id))
    }
}

impl Drop for Residency {
    fn drop(&mut self) {
        self.cache.tables_shrank(self.housed);
        self.cache.count_in_arena(|count| count - self.in_arena);
        // No claim is under way any more, so no block enters but by a fill that is still out: its frame is evicted in its turn.
        for block in 0..self.slots.len() {
            if !matches!(self.slots.load(block), Slot::Frame(_)) {
                continue;
            }
            // A lock for each block, so that readers of other tables get their turn.
            let mut policy = self.cache.policy();
            if let Slot::Frame(id) = self.slots.load(block) {
                policy.disown(&self.table, id);
                self.slots.store(block, Slot::Empty);
            }
        }
    }
}

impl fmt::Debug for Residency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Residency({} blocks)", self.slots.len())
    }
}
