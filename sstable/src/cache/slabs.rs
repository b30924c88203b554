//! Memory: slabs from the arena, cut into frames of one class, and back.
//!
//! The arena gives slabs (1 MiB; less for a small cache), so that frames do not fragment it. A slab belongs to one class
//! until all its blocks are evicted at once and it goes back to the arena; `balance` decides when.

use super::frame::Locked;
use super::policy::{CLASSES, Policy, Slab};
use super::queue::{Hold, Queue};
use super::table::Table;

/// Misses to let pass before a full arena is asked again.
const ARENA_PAUSE: u32 = 64;

impl Policy {
    /// Gives class `c` a slab of its own from the budget, or one that nobody uses. False if there is none.
    pub(super) fn grow(&mut self, table: &Table, c: usize) -> bool {
        self.give_way(table);
        let exhausted = self.slabs_used >= self.slabs_max || self.arena_pause > 0;
        if exhausted && self.slabs_empty > 0 {
            let empty = (0..self.slabs.len()).find(|&s| self.is_empty(s));
            let released = self.release(table, empty.expect("an empty slab was counted"));
            assert!(released, "nothing pins a frame without a block");
        }
        if self.slabs_used >= self.slabs_max || self.arena_pause > 0 {
            return false;
        }
        let Ok(run) = self.arena.alloc(self.slab_bytes) else {
            self.arena_pause = ARENA_PAUSE;
            return false;
        };
        let s = self.spare.pop().map_or_else(|| self.make_slab(table), |s| s as usize);
        let per_slab = self.classes[c].per_slab;
        self.slabs[s] = Slab { class: Some(c), free: 0, lost: 0, looked: self.clock };
        self.slabs_used += 1;
        self.classes[c].slabs += 1;
        let bufs = run.carve(self.classes[c].frame_bytes);
        // Backwards, since the free list hands out the latest first: low addresses are used first.
        for (i, buf) in (0..per_slab).zip(bufs).rev() {
            let id = self.id(s, i);
            let mut lock = self.take_lock(id);
            lock.swap_buf(table, Some(buf));
            self.push_free(c, lock);
        }
        true
    }

    /// Gives slabs back to the arena while there are more than there may be, as far as no frame in them is in use.
    pub(super) fn give_way(&mut self, table: &Table) {
        while self.slabs_used > self.slabs_max {
            let empty = (0..self.slabs.len()).find(|&s| self.slabs_empty > 0 && self.is_empty(s));
            let given = match empty {
                Some(s) => self.release(table, s),
                None => {
                    let mut classes: [usize; CLASSES] = std::array::from_fn(|c| c);
                    classes.sort_by_key(|&c| std::cmp::Reverse(self.classes[c].slabs));
                    classes.into_iter().any(|c| self.take_slab(table, c))
                }
            };
            if !given {
                return;
            }
        }
    }

    fn make_slab(&mut self, table: &Table) -> usize {
        let s = self.slabs.len();
        self.metas.push_slab(table.make_slab(s as u32));
        self.slabs.push(Slab { class: None, free: 0, lost: 0, looked: 0 });
        s
    }

    /// Evicts all blocks of slab `s` and gives its memory back to the arena. False, and nothing changed, if a frame is in use.
    pub(super) fn release(&mut self, table: &Table, s: usize) -> bool {
        let Some(c) = self.slabs[s].class else {
            return false;
        };
        let mut locks = Vec::with_capacity(self.classes[c].per_slab as usize);
        for id in self.ids(s) {
            if !self.has_block(id) {
                continue;
            }
            let Some(lock) = Locked::try_lock(table, id) else {
                locks.into_iter().for_each(|lock: Locked| lock.unlock(table));
                return false;
            };
            locks.push(lock);
        }
        if self.is_empty(s) {
            self.slabs_empty -= 1;
        }
        self.counts.evictions += locks.len() as u64;
        for lock in locks {
            self.detach(c, &lock);
            let id = lock.id();
            self.metas.at_mut(id).hold = Hold::Policy(lock);
        }
        for id in self.ids(s) {
            if self.metas.at(id).queue == Queue::Free {
                self.leave(c, id);
            }
            let mut lock = self.take_lock(id);
            drop(lock.swap_buf(table, None));
            self.metas.at_mut(id).hold = Hold::Policy(lock);
        }
        self.balance.lost -= self.slabs[s].lost;
        self.slabs[s] = Slab { class: None, free: 0, lost: 0, looked: 0 };
        self.classes[c].slabs -= 1;
        self.slabs_used -= 1;
        self.spare.push(s as u32);
        // Its memory is in the arena again, so the arena is worth asking.
        self.arena_pause = 0;
        true
    }

    fn id(&self, s: usize, i: u32) -> u32 {
        ((s as u32) << self.metas.shift()) + i
    }

    /// The frames that slab `s` has in its class.
    pub(super) fn ids(&self, s: usize) -> std::ops::Range<u32> {
        let frames = self.slabs[s].class.map_or(0, |c| self.classes[c].per_slab);
        self.id(s, 0)..self.id(s, frames)
    }

    /// The lock of a frame without a block; the caller puts it back.
    fn take_lock(&mut self, id: u32) -> Locked {
        match std::mem::replace(&mut self.metas.at_mut(id).hold, Hold::Block(None, 0)) {
            Hold::Policy(lock) => lock,
            Hold::Block(..) => unreachable!("frame {id} has a block"),
        }
    }
}
