//! Which frame a block gets: the state under the cache's one lock.
//!
//! A miss takes the lock once for a short time (a fill publishes without it); a hit never does. No I/O and no waiting happens
//! under it. This module holds the state and the way of a frame through it; `evict` chooses victims in a size class, `slabs`
//! gives classes memory, `balance` moves it between them.

use std::sync::Arc as StdArc;

use ringwood_ring::{Arena, Buf, PAGE};

use super::balance::{Balance, Need};
use super::frame::Locked;
use super::queue::{Hold, LISTS, List, Metas, Queue};
use super::slots::{Slot, Slots};
use super::table::Table;
use super::{Hint, Room};
use crate::sync::Arc;

/// Frames are 1, 2, 4 or 8 pages.
pub(super) const CLASSES: usize = 4;

/// The frames of one size.
pub(super) struct Class {
    /// Bytes of a frame.
    pub(super) frame_bytes: usize,
    /// Frames of a slab of this class.
    pub(super) per_slab: u32,
    /// Slabs that the class has.
    pub(super) slabs: u32,
    pub(super) lists: [List; LISTS],
    /// Blocks that became ghosts, ever: the clock of the ghosts.
    pub(super) ghosts: u32,
    /// How `balance` sees the class.
    pub(super) need: Need,
}

impl Class {
    pub(super) fn list(&self, queue: Queue) -> &List {
        &self.lists[queue as usize]
    }

    pub(super) fn frames(&self) -> u32 {
        self.slabs * self.per_slab
    }
}

/// One slab: a run of the arena cut into frames of one class.
pub(super) struct Slab {
    /// Its class, while it has memory.
    pub(super) class: Option<usize>,
    /// Frames without a block.
    pub(super) free: u32,
    /// Frames whose buffer a fill lost.
    pub(super) lost: u32,
    /// The policy's clock when `balance` last looked at the slab.
    pub(super) looked: u32,
}

/// Counts of what happened under the lock.
#[derive(Default, Clone, Copy)]
pub(super) struct Counts {
    pub(super) misses: u64,
    pub(super) warmed: u64,
    pub(super) evictions: u64,
    pub(super) waits: u64,
    pub(super) uncached: u64,
    pub(super) abandoned: u64,
    pub(super) slabs_moved: u64,
}

/// See the module documentation.
pub(super) struct Policy {
    pub(super) arena: StdArc<Arena>,
    pub(super) metas: Metas,
    pub(super) slabs: Vec<Slab>,
    /// Slabs that were made and have no memory now.
    pub(super) spare: Vec<u32>,
    pub(super) classes: [Class; CLASSES],
    pub(super) slab_bytes: usize,
    /// Slabs that may have memory at a time, and that do.
    pub(super) slabs_max: usize,
    pub(super) slabs_used: usize,
    /// Bytes of memory of open tables, to which the cache gives way.
    pub(super) tables_bytes: u64,
    /// Those of them that lie in the arena.
    pub(super) tables_in_arena: u64,
    /// Slabs with memory of which no frame has a block.
    pub(super) slabs_empty: usize,
    /// Pages missed, ever (modulo 2^32): what the policy measures time by.
    pub(super) clock: u32,
    pub(super) balance: Balance,
    /// Misses to let pass before the arena, found full, is asked again.
    pub(super) arena_pause: u32,
    pub(super) counts: Counts,
}

impl Policy {
    pub(super) fn new(arena: &StdArc<Arena>, slab_bytes: usize, slabs_max: usize, shift: u32) -> Self {
        let class = |c: usize| Class {
            frame_bytes: PAGE << c,
            per_slab: (slab_bytes / (PAGE << c)) as u32,
            slabs: 0,
            lists: [List::EMPTY; LISTS],
            ghosts: 0,
            need: Need::default(),
        };
        Self {
            arena: StdArc::clone(arena),
            metas: Metas::new(shift),
            slabs: Vec::new(),
            spare: Vec::new(),
            classes: std::array::from_fn(class),
            slab_bytes,
            slabs_max,
            slabs_used: 0,
            tables_bytes: 0,
            tables_in_arena: 0,
            slabs_empty: 0,
            clock: 0,
            balance: Balance::new(slab_bytes, slabs_max),
            arena_pause: 0,
            counts: Counts::default(),
        }
    }

    /// The class for frames of at least `bytes`, if one is that large.
    fn class_for(&self, bytes: usize) -> Option<usize> {
        self.classes.iter().position(|c| c.per_slab > 0 && c.frame_bytes >= bytes)
    }

    /// A frame of at least `bytes` for a block that will be loaded into it, with its memory: queued, its slot loading.
    /// None: the block is larger than any frame, or all frames are in use.
    pub(super) fn take(
        &mut self,
        table: &Table,
        slots: &Arc<Slots>,
        block: u32,
        bytes: usize,
        hint: Hint,
    ) -> Option<(Locked, Buf)> {
        let c = self.class_for(bytes)?;
        let class = &mut self.classes[c];
        self.clock = self.clock.wrapping_add((class.frame_bytes / PAGE) as u32);
        let queue = match (hint, slots.load(block)) {
            (Hint::Scan, _) => Queue::Scan,
            (Hint::Point, Slot::Ghost(stamp)) if class.remembers(stamp) => Queue::Main,
            (Hint::Point, _) => Queue::Small,
        };
        class.need.regrets += u32::from(queue == Queue::Main);
        let lock = self.free_frame(table, c, hint)?;
        Some(self.load(table, slots, block, (c, queue), lock))
    }

    /// A frame of at least `bytes` for a block that is known without a read. It is no miss: neither the clock nor the balance of sizes
    /// hears of it.
    pub(super) fn take_unread(
        &mut self,
        table: &Table,
        slots: &Arc<Slots>,
        block: u32,
        bytes: usize,
        room: Room,
    ) -> Option<(Locked, Buf)> {
        let c = self.class_for(bytes)?;
        let (queue, lock) = match room {
            Room::Free => {
                let has_free = self.classes[c].list(Queue::Free).len() > 0 || self.grow(table, c);
                (Queue::Small, has_free.then(|| self.pop_free(c)).flatten()?)
            }
            Room::Evict => (Queue::Main, self.free_frame(table, c, Hint::Point)?),
        };
        self.counts.warmed += 1;
        Some(self.load(table, slots, block, (c, queue), lock))
    }

    /// Makes the frame of `lock` the place of a block that is on its way there.
    fn load(
        &mut self,
        table: &Table,
        slots: &Arc<Slots>,
        block: u32,
        (c, queue): (usize, Queue),
        mut lock: Locked,
    ) -> (Locked, Buf) {
        let id = lock.id();
        let buf = lock.swap_buf(table, None).expect("a free frame has its buffer");
        let meta = self.metas.at_mut(id);
        meta.hold = Hold::Block(Some(Arc::clone(slots)), block);
        meta.hits_seen = table.frame(id).hits();
        meta.credit = 0;
        self.enter(c, queue, id);
        slots.store(block, Slot::Loading);
        (lock, buf)
    }

    /// A frame without a block, out of all lists, for the caller to use.
    fn free_frame(&mut self, table: &Table, c: usize, hint: Hint) -> Option<Locked> {
        self.arena_pause = self.arena_pause.saturating_sub(1);
        if let Some(lock) = self.pop_free(c) {
            return Some(lock);
        }
        let found = self.grow(table, c) || self.rebalance(table, c) || self.evict(table, c, hint);
        found.then(|| self.pop_free(c)).flatten()
    }

    fn pop_free(&mut self, c: usize) -> Option<Locked> {
        let id = self.classes[c].list(Queue::Free).first()?;
        self.leave(c, id);
        self.recount(id, |slab| slab.free -= 1);
        let hold = std::mem::replace(&mut self.metas.at_mut(id).hold, Hold::Block(None, 0));
        match hold {
            Hold::Policy(lock) => Some(lock),
            Hold::Block(..) => unreachable!("a free frame is the policy's"),
        }
    }

    /// Takes a frame without a block back, with its memory. It is in no list.
    pub(super) fn push_free(&mut self, c: usize, lock: Locked) {
        let id = lock.id();
        self.metas.at_mut(id).hold = Hold::Policy(lock);
        self.enter(c, Queue::Free, id);
        self.recount(id, |slab| slab.free += 1);
    }

    /// Changes the counts of the slab of frame `id`, and the count of empty slabs with it.
    fn recount(&mut self, id: u32, change: impl FnOnce(&mut Slab)) {
        let s = self.metas.slab_of(id);
        let before = self.is_empty(s);
        change(&mut self.slabs[s]);
        let after = self.is_empty(s);
        self.slabs_empty = self.slabs_empty + usize::from(after) - usize::from(before);
    }

    /// Whether slab `s` has memory and no block.
    pub(super) fn is_empty(&self, s: usize) -> bool {
        let slab = &self.slabs[s];
        slab.class.is_some_and(|c| slab.free + slab.lost == self.classes[c].per_slab)
    }

    /// Takes the frame of an abandoned fill back, with its memory if the fill still has it.
    pub(super) fn give_back(&mut self, table: &Table, mut lock: Locked, buf: Option<Buf>) {
        let id = lock.id();
        let slab = self.slab_of(id);
        let c = self.slabs[slab].class.expect("a slab with a loading frame has memory");
        self.counts.abandoned += 1;
        self.leave(c, id);
        if buf.is_some() {
            lock.swap_buf(table, buf);
            self.push_free(c, lock);
        } else {
            self.metas.at_mut(id).hold = Hold::Policy(lock);
            self.recount(id, |slab| slab.lost += 1);
            self.balance.lost += 1;
        }
    }

    /// Puts a frame that is in no list into one.
    pub(super) fn enter(&mut self, c: usize, queue: Queue, id: u32) {
        let meta = self.metas.at_mut(id);
        meta.queue = queue;
        meta.stamp = self.clock;
        let list = &mut self.classes[c].lists[queue as usize];
        match queue {
            // The frame used last is the one that the processor's caches still know.
            Queue::Free => list.push_front(&mut self.metas, id),
            _ => list.push_back(&mut self.metas, id),
        }
    }

    /// Takes a frame out of the list that it is in.
    pub(super) fn leave(&mut self, c: usize, id: u32) {
        let queue = std::mem::replace(&mut self.metas.at_mut(id).queue, Queue::Out);
        self.classes[c].lists[queue as usize].remove(&mut self.metas, id);
    }

    /// Empties the frame that `lock` locks, which has a block: clears the block's slot and leaves its list. The caller has the
    /// memory's fate to decide.
    pub(super) fn detach(&mut self, c: usize, lock: &Locked) {
        let id = lock.id();
        let queue = self.metas.at(id).queue;
        self.leave(c, id);
        let hold = std::mem::replace(&mut self.metas.at_mut(id).hold, Hold::Block(None, 0));
        let Hold::Block(owner, block) = hold else { unreachable!("a frame with a block is held by it") };
        let Some(slots) = owner else { return };
        let slot = if matches!(queue, Queue::Small | Queue::Main) {
            let class = &mut self.classes[c];
            class.ghosts = class.ghosts.wrapping_add(1);
            Slot::Ghost(class.ghost_stamp())
        } else {
            Slot::Empty
        };
        slots.store(block, slot);
    }

    /// The table whose block is in frame `id` is gone: the frame is free, or will be when its pins are gone.
    pub(super) fn disown(&mut self, table: &Table, id: u32) {
        let c = self.slabs[self.slab_of(id)].class.expect("a slab with a block has memory");
        if let Some(lock) = Locked::try_lock(table, id) {
            self.detach(c, &lock);
            self.push_free(c, lock);
        } else {
            self.leave(c, id);
            self.metas.at_mut(id).hold = Hold::Block(None, 0);
            self.enter(c, Queue::Dead, id);
        }
    }

    pub(super) fn slab_of(&self, id: u32) -> usize {
        self.metas.slab_of(id)
    }
}
