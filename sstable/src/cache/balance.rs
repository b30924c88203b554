//! How much memory each frame size has.
//!
//! Once the cache has all the memory it may have, a class grows at another's cost. A slab should be where it saves the most
//! reads. What one more slab would save a class shows in its *regrets*: point misses of blocks that the class evicted not long
//! ago (the ghosts, remembered for as many evictions as the class has frames; so a slab's part of the regrets is their
//! number over the number of the class's slabs). What one slab less would cost a class is about the same figure, as long
//! as the class evicts at all; a class that does not would lose hits that nobody regrets yet, so its hits are counted instead,
//! on a sample of its slabs.
//!
//! Time is measured in pages missed. Every eighth of the cache's size (a *period*) the class that gains most from a slab gets
//! some (a 32nd of all, at least one) from the class that loses least, if the gain is clearly larger. So in the long run
//! a slab is worth the same everywhere; a class that is not read any more gives its slabs up; and a stream of blocks that
//! are never read again takes nothing from anybody. This is the hill climbing of Cidon, Eisenman, Alizadeh, Katti:
//! "Cliffhanger: Scaling performance cliffs in web memory caches" (NSDI 2016), with the ghosts as shadow queues.
//!
//! Two special cases. A slab without a block goes to whoever wants one (see `slabs`). A class without a slab has no ghosts to
//! regret: it gets its first slab for the asking, but once a period only.
//!
//! The work of a period is bounded by [`SAMPLE`] slabs looked at for each class that fits, and the slabs moved: some ten
//! steps for each page missed in it at worst, and none in the usual case of one busy class.

use ringwood_ring::PAGE;

use super::evict::CREDIT_MAX;
use super::policy::{CLASSES, Policy};
use super::queue::{List, Queue};
use super::table::Table;

/// Slabs of a class whose hits are counted in a period.
const SAMPLE: usize = 4;
/// Frames whose slabs are considered when one has to go.
const CANDIDATES_MAX: usize = 64;
/// Rates are kept in this part of one regret a period.
const UNIT: u32 = 16;

/// What one class would do with more memory.
#[derive(Default)]
pub(super) struct Need {
    /// Point misses of ghosts in this period.
    pub(super) regrets: u32,
    /// Evictions in this period.
    pub(super) evictions: u32,
    /// Regrets of a period, in [`UNIT`]s: an average that forgets half in each.
    rate: u32,
    /// When the class last got its first slab, in periods.
    fed: Option<u32>,
}

/// The periods.
pub(super) struct Balance {
    /// Pages missed in one.
    period: u32,
    /// The clock at the start of this one.
    started: u32,
    /// Number of this one.
    number: u32,
    /// The slab that sampling goes on from.
    cursor: usize,
    /// Buffers that fills have lost, in all slabs.
    pub(super) lost: u32,
}

impl Balance {
    pub(super) fn new(slab_bytes: usize, slabs_max: usize) -> Self {
        let slab_pages = slab_bytes / PAGE;
        let period = (slab_pages * slabs_max / 8).max(2 * slab_pages);
        Self { period: period as u32, started: 0, number: 0, cursor: 0, lost: 0 }
    }
}

impl Policy {
    /// Moves slabs between classes if it is time. True if class `c` has free frames now.
    pub(super) fn rebalance(&mut self, table: &Table, c: usize) -> bool {
        if self.clock.wrapping_sub(self.balance.started) >= self.balance.period {
            self.balance.started = self.clock;
            self.balance.number = self.balance.number.wrapping_add(1);
            self.heal(table);
            self.climb(table);
        }
        if self.classes[c].slabs == 0 {
            self.feed(table, c);
        }
        self.classes[c].list(Queue::Free).len() > 0
    }

    /// Moves slabs from the class that loses least to the one that gains most.
    fn climb(&mut self, table: &Table) {
        for class in &mut self.classes {
            class.need.rate = (class.need.rate + UNIT * class.need.regrets) / 2;
        }
        let gain = |policy: &Self, c: usize| policy.classes[c].need.rate / policy.classes[c].slabs.max(1);
        let to = (0..CLASSES).max_by_key(|&c| gain(self, c)).unwrap_or(0);
        let losses: [_; CLASSES] = std::array::from_fn(|c| {
            let need = &self.classes[c].need;
            let fits = need.evictions == 0;
            if fits { self.hits_per_slab(table, c) } else { gain(self, c) }
        });
        for class in &mut self.classes {
            (class.need.regrets, class.need.evictions) = (0, 0);
        }
        let donors = (0..CLASSES).filter(|&c| c != to && self.classes[c].slabs > 0);
        let Some(from) = donors.min_by_key(|&c| losses[c]) else {
            return;
        };
        for _ in 0..(self.slabs_used / 32).max(1) {
            let worth = gain(self, to) * 2 > losses[from] * 3 + 2 * UNIT;
            if !worth || !self.take_slab(table, from) {
                return;
            }
            self.counts.slabs_moved += 1;
            if !self.grow(table, to) {
                return;
            }
        }
    }

    /// Gives class `c` its first slab: from the class that has most, or if none has two, from the one that has done without
    /// hits for longest. Not twice in a period.
    fn feed(&mut self, table: &Table, c: usize) {
        let now = self.balance.number;
        if self.classes[c].need.fed == Some(now) {
            return;
        }
        self.classes[c].need.fed = Some(now);
        let donors = (0..CLASSES).filter(|&o| o != c && self.classes[o].slabs > 0);
        let from = donors.max_by_key(|&o| (self.classes[o].slabs, self.age(o)));
        if from.is_some_and(|from| self.take_slab(table, from)) {
            self.counts.slabs_moved += 1;
            self.grow(table, c);
        }
    }

    /// How long the block that class `c` would evict next has been in its queue.
    fn age(&self, c: usize) -> u32 {
        let queues = [Queue::Main, Queue::Small, Queue::Scan];
        let oldest = queues.into_iter().find_map(|q| self.classes[c].list(q).first());
        oldest.map_or(0, |id| self.clock.wrapping_sub(self.metas.at(id).stamp))
    }

    /// Hits that a slab of class `c` has in a period, in [`UNIT`]s, by a sample.
    fn hits_per_slab(&mut self, table: &Table, c: usize) -> u32 {
        let (mut sampled, mut hits) = (0, 0);
        for _ in 0..self.slabs.len() {
            if sampled == SAMPLE {
                break;
            }
            let s = self.balance.cursor % self.slabs.len();
            self.balance.cursor = s + 1;
            if self.slabs[s].class == Some(c) {
                sampled += 1;
                hits += self.hits_of(table, s);
            }
        }
        hits / sampled.max(1) as u32
    }

    fn hits_of(&mut self, table: &Table, s: usize) -> u32 {
        let elapsed = self.clock.wrapping_sub(std::mem::replace(&mut self.slabs[s].looked, self.clock));
        let mut hits = 0;
        for id in self.ids(s) {
            // A block that is hit all the time would cost one more read, wherever it is then: so it does not count for many.
            let uses = self.look(table, id).min(CREDIT_MAX);
            let meta = self.metas.at_mut(id);
            meta.credit = (u32::from(meta.credit) + uses).min(CREDIT_MAX) as u8;
            hits += uses;
        }
        let rate = u64::from(hits * UNIT) * u64::from(self.balance.period) / u64::from(elapsed.max(1));
        rate.min(u64::from(u32::MAX / 8)) as u32
    }

    /// Gives up a slab of class `c`, one of those that the oldest blocks are in. False if they all have frames in use.
    pub(super) fn take_slab(&mut self, table: &Table, c: usize) -> bool {
        let (mut tried, mut candidates) = (Vec::new(), 0);
        for queue in [Queue::Dead, Queue::Main, Queue::Small, Queue::Scan] {
            let mut next = self.classes[c].list(queue).first();
            while let Some(id) = next.filter(|_| candidates < CANDIDATES_MAX) {
                next = List::after(&self.metas, id);
                candidates += 1;
                let s = self.slab_of(id);
                if tried.contains(&s) {
                    continue;
                }
                if self.release(table, s) {
                    return true;
                }
                tried.push(s);
            }
        }
        false
    }

    /// Renews a slab in which fills have lost buffers (dropped them after an I/O error, say): their pages come back to the
    /// arena only with the whole slab. One a period.
    fn heal(&mut self, table: &Table) {
        if self.balance.lost == 0 {
            return;
        }
        let worst = (0..self.slabs.len()).max_by_key(|&s| self.slabs[s].lost);
        if let Some(s) = worst {
            // If one of its frames is in use, the next period tries again.
            self.release(table, s);
        }
    }
}
