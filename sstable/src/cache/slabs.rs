//! Memory: slabs from the arena, and from one size class to another.
//!
//! The arena gives slabs (1 MiB; less for a small cache), so that frames do not fragment it. A slab belongs to one class. Once
//! the cache has all the memory it may have, a class can grow only at another's cost:
//!
//! - A slab without a single block goes to whoever wants one.
//! - Else *ages* decide. The age of a class is how long (in pages filled into the cache) the oldest block of its main
//!   queue has gone without being looked at; it is what a block of the class can expect to stay. Each time a class has
//!   evicted a slab's worth of blocks, it compares: if another class lets its blocks grow more than twice as old, a slab of that
//!   class is emptied and moves. So in the long run a page is worth the same in every class, and a class that nobody
//!   reads any more gives its memory up.
//! - A slab most of whose blocks were hit since the last look stays, and its blocks count as young then: the second
//!   chance that CLOCK gives a page. Only a class without any slab may take one regardless, from a class with several.
//! - A slab with a frame pinned or loading cannot move; the next is looked at.

use super::frame::Locked;
use super::policy::{CLASSES, Policy, Slab};
use super::queue::{Hold, List, Queue};
use super::table::Table;

/// Misses that pass before a full arena is asked again.
const ARENA_PAUSE: u32 = 64;
/// Frames whose slabs one look for a slab to take considers.
const CANDIDATES_MAX: usize = 64;
/// A slab is given back when one frame in so many has lost its buffer.
const LOST_SHARE: u32 = 8;

impl Policy {
    /// Gives class `c` a slab of its own from the budget, or one that nobody uses. False if there is none.
    pub(super) fn grow(&mut self, table: &Table, c: usize) -> bool {
        if self.slabs_used == self.slabs_max && self.slabs_empty > 0 {
            let empty = (0..self.slabs.len()).find(|&s| self.is_empty(s));
            let released = self.release(table, empty.expect("an empty slab was counted"));
            assert!(released, "nothing pins a frame without a block");
        }
        if self.slabs_used == self.slabs_max || self.arena_pause > 0 {
            return false;
        }
        let Ok(run) = self.arena.alloc(self.slab_bytes) else {
            self.arena_pause = ARENA_PAUSE;
            return false;
        };
        let s = self
            .spare
            .pop()
            .map_or_else(|| self.make_slab(table), |s| s as usize);
        let per_slab = self.classes[c].per_slab;
        self.slabs[s] = Slab {
            class: Some(c),
            free: 0,
            lost: 0,
        };
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

    fn make_slab(&mut self, table: &Table) -> usize {
        let s = self.slabs.len();
        self.metas.push_slab(table.make_slab(s as u32));
        self.slabs.push(Slab {
            class: None,
            free: 0,
            lost: 0,
        });
        s
    }

    /// Moves a slab to class `c` from a class whose blocks grow older, if it is time to look. True if `c` has free frames now.
    pub(super) fn rebalance(&mut self, table: &Table, c: usize) -> bool {
        let class = &mut self.classes[c];
        if class.pause > 0 {
            class.pause -= 1;
            return false;
        }
        class.pause = class.per_slab;
        let starved = class.slabs == 0;
        let own_age = self.age(c);
        let older = (0..CLASSES)
            .filter(|&o| o != c && self.classes[o].slabs > 0)
            .map(|o| (starved && self.classes[o].slabs > 1, self.age(o), o))
            .max();
        let Some((rich, age, from)) = older else {
            return false;
        };
        if !starved && age / 2 <= own_age {
            return false;
        }
        if !self.take_slab(table, from, rich) {
            return false;
        }
        self.counts.slabs_moved += 1;
        self.grow(table, c)
    }

    /// See the module documentation. 0 for a class without blocks.
    fn age(&self, c: usize) -> u32 {
        let queues = [Queue::Main, Queue::Small, Queue::Scan];
        let oldest = queues.into_iter().find_map(|q| self.classes[c].list(q).first());
        oldest.map_or(0, |id| self.clock.wrapping_sub(self.metas.at(id).stamp))
    }

    /// Gives up a slab of class `c`: one of those that the oldest blocks are in. `warm` allows one that was hit a lot.
    fn take_slab(&mut self, table: &Table, c: usize, warm: bool) -> bool {
        let (mut tried, mut candidates) = (Vec::new(), 0);
        for queue in [Queue::Main, Queue::Small, Queue::Scan, Queue::Dead] {
            let mut next = self.classes[c].list(queue).first();
            while let Some(id) = next.filter(|_| candidates < CANDIDATES_MAX) {
                next = List::after(&self.metas, id);
                candidates += 1;
                let s = self.slab_of(id);
                if tried.contains(&s) {
                    continue;
                }
                tried.push(s);
                if !warm && self.is_warm(table, s) {
                    return false;
                }
                if self.release(table, s) {
                    return true;
                }
            }
        }
        false
    }

    /// Whether most blocks of slab `s` were hit since the last look. Those that were are young now.
    fn is_warm(&mut self, table: &Table, s: usize) -> bool {
        let Some(c) = self.slabs[s].class else {
            return false;
        };
        let (mut blocks, mut hit) = (0, 0);
        for id in self.ids(s) {
            if !self.has_block(id) {
                continue;
            }
            blocks += 1;
            if self.look(table, id) > 0 {
                hit += 1;
                if self.metas.at(id).queue != Queue::Dead {
                    self.leave(c, id);
                    self.enter(c, Queue::Main, id);
                }
            }
        }
        hit * 2 > blocks
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
        self.slabs[s] = Slab {
            class: None,
            free: 0,
            lost: 0,
        };
        self.classes[c].slabs -= 1;
        self.slabs_used -= 1;
        self.spare.push(s as u32);
        // Its memory is in the arena again, so the arena is worth asking.
        self.arena_pause = 0;
        true
    }

    /// A fill lost a buffer of slab `s` (dropped it after an I/O error, say). The page comes back only with the whole slab.
    pub(super) fn heal(&mut self, table: &Table, s: usize) {
        let Some(c) = self.slabs[s].class else { return };
        if self.slabs[s].lost * LOST_SHARE >= self.classes[c].per_slab {
            // If a frame is in use now, the next loss or a move of the slab tries again.
            self.release(table, s);
        }
    }

    fn id(&self, s: usize, i: u32) -> u32 {
        ((s as u32) << self.metas.shift()) + i
    }

    /// The frames that slab `s` has in its class.
    fn ids(&self, s: usize) -> std::ops::Range<u32> {
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
