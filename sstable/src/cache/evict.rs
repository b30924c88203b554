//! Which block goes: S3-FIFO in each size class, with a queue of its own for scans.
//!
//! | queue | enters | at its head |
//! |---|---|---|
//! | `Scan` | filled by a scan | point hit since → `Small`; else evicted |
//! | `Small` (a tenth) | filled by a point read | hit since → `Main`; else evicted, and remembered as a ghost |
//! | `Main` | hit on probation, or missed while a ghost | hit since → round again (at most three times); else evicted, and remembered |
//!
//! After Yang, Zhang, Qiu, Yue, Vigfusson: "FIFO queues are all you need for cache eviction" (SOSP 2023). A hit only counts on
//! the frame; all moving is done here, on a miss. The ghosts live in the slots of the blocks themselves, as the count of
//! evictions at theirs; one is remembered for as many evictions as the class has frames. (The paper remembers those evicted on
//! probation only. To remember those of `Main` as well is as good or a little better on our traces, and `balance` needs it.)
//!
//! Scans: their blocks have their own queue, which gives way first when it is longer than a 32nd of the class; their hits do
//! not count. So a scan of any length changes a 32nd of the cache.
//!
//! Each frame that is passed over has been hit since it was last looked at, so passing is paid by hits; and one eviction
//! looks at [`STEPS_MAX`] frames at most before it takes the next that is not in use.

use super::Hint;
use super::frame::{HITS_MODULUS, Locked};
use super::policy::{Class, Policy};
use super::queue::{Hold, LISTS, Queue};
use super::table::Table;

/// Frames that one eviction may give another round.
const STEPS_MAX: u32 = 128;
/// Frames in use that one eviction passes in one queue before it leaves that queue alone.
const BUSY_MAX: u32 = 32;
/// Rounds in `Main` that hits can earn.
pub(super) const CREDIT_MAX: u32 = 3;
/// Hits on probation that make a block proven.
const PROVEN_HITS: u32 = 1;

impl Class {
    fn small_max(&self) -> u32 {
        (self.frames() / 10).max(1)
    }

    fn scan_max(&self) -> u32 {
        (self.frames() / 32).max(1)
    }

    /// The stamp of a block that becomes a ghost now.
    pub(super) fn ghost_stamp(&self) -> u32 {
        self.ghosts & (u32::MAX >> 1)
    }

    /// Whether a ghost of this stamp was evicted not long ago.
    pub(super) fn remembers(&self, stamp: u32) -> bool {
        let age = self.ghosts.wrapping_sub(stamp) & (u32::MAX >> 1);
        age <= self.frames()
    }

    /// The queue that gives the next victim. None: every queue is empty or its frames are in use.
    fn victim_queue(&self, hint: Hint, busy: &[u32; LISTS]) -> Option<Queue> {
        let len = |q: Queue| self.list(q).len();
        let has = |q: Queue| busy[q as usize] < len(q).min(BUSY_MAX);
        let scans = len(Queue::Scan) + u32::from(hint == Hint::Scan);
        let order = [
            (Queue::Dead, true),
            (Queue::Scan, scans > self.scan_max()),
            (Queue::Small, len(Queue::Small) > self.small_max()),
            (Queue::Main, true),
            (Queue::Small, true),
            (Queue::Scan, true),
        ];
        order.into_iter().find(|&(q, wanted)| wanted && has(q)).map(|(q, _)| q)
    }
}

impl Policy {
    /// Evicts one block of class `c`: its frame is free then. False if all frames of the class are in use.
    pub(super) fn evict(&mut self, table: &Table, c: usize, hint: Hint) -> bool {
        let mut busy = [0; LISTS];
        let mut steps = 0;
        while let Some(queue) = self.classes[c].victim_queue(hint, &busy) {
            let id = self.classes[c].list(queue).first().expect("a victim queue is not empty");
            if steps < STEPS_MAX && self.second_chance(table, c, queue, id) {
                steps += 1;
                continue;
            }
            if let Some(lock) = Locked::try_lock(table, id) {
                self.detach(c, &lock);
                self.push_free(c, lock);
                self.counts.evictions += 1;
                self.classes[c].need.evictions += 1;
                return true;
            }
            // Pinned or loading. To the back, so that the next eviction begins with others.
            busy[queue as usize] += 1;
            self.leave(c, id);
            self.enter(c, queue, id);
        }
        false
    }

    /// Gives the frame at the head of `queue` another round if hits have earned it one.
    fn second_chance(&mut self, table: &Table, c: usize, queue: Queue, id: u32) -> bool {
        let uses = self.look(table, id);
        let credit = u32::from(self.metas.at(id).credit);
        let (to, credit) = match queue {
            Queue::Scan if credit + uses > 0 => (Queue::Small, 0),
            Queue::Small if credit + uses >= PROVEN_HITS => (Queue::Main, 0),
            Queue::Main if credit + uses > 0 => (Queue::Main, (credit + uses).min(CREDIT_MAX) - 1),
            _ => return false,
        };
        self.leave(c, id);
        self.metas.at_mut(id).credit = credit as u8;
        self.enter(c, to, id);
        true
    }

    /// Point hits of a frame since the last look.
    pub(super) fn look(&mut self, table: &Table, id: u32) -> u32 {
        let hits = table.frame(id).hits();
        let meta = self.metas.at_mut(id);
        let seen = std::mem::replace(&mut meta.hits_seen, hits);
        hits.wrapping_sub(seen) % HITS_MODULUS
    }

    /// Whether the block of frame `id` is proven, or has been hit since the last look.
    pub(super) fn was_used(&self, table: &Table, id: u32) -> bool {
        let meta = self.metas.at(id);
        meta.queue == Queue::Main || meta.credit > 0 || table.frame(id).hits() != meta.hits_seen
    }

    /// Whether frame `id` has a block, loaded or loading.
    pub(super) fn has_block(&self, id: u32) -> bool {
        matches!(self.metas.at(id).hold, Hold::Block(..))
    }
}
