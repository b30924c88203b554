//! Death of the process, loss of power, and images of both.

use std::sync::Arc;

use super::SimDisk;
use super::loss::{Garbage, Mood};
use super::rng::Rng;
use super::state::State;
use crate::Counters;

impl SimDisk {
    /// The process dies (`kill -9`). All that completed stays, durable or not; operations in flight happen in any part. Handles,
    /// lanes, locks and mappings of the dead process are dead; what was stored through a mapping stays.
    pub fn process_death(&self) {
        self.lock().die();
    }

    /// The power fails. What is durable stays, and of the rest a legal part that `seed` picks. Everything that follows on this disk is
    /// decided by `seed` too.
    pub fn power_loss(&self, seed: u64) {
        self.lock().lose_power(seed);
    }

    /// After `count` more operations (as [`operations`](Self::operations) counts) everything fails as dead, until
    /// [`process_death`](Self::process_death) or [`power_loss`](Self::power_loss) starts the next generation.
    pub fn crash_after(&self, count: u64) {
        let mut state = self.lock();
        state.crash_at = Some(state.operations.saturating_add(count));
    }

    /// Whether a cut set by [`crash_after`](Self::crash_after) was reached and nothing has revived the disk since.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.lock().halted
    }

    /// A copy of the disk at this moment, with its un-synced bytes and operations in flight, as a dead process leaves it: call
    /// [`process_death`](Self::process_death) or [`power_loss`](Self::power_loss) on the copy to use it. This disk is not
    /// disturbed. Costs no copy of the files' bytes.
    #[must_use]
    pub fn fork(&self) -> Arc<Self> {
        let state = self.lock().fork();
        Self::with(state)
    }

    /// What a power loss at this moment may leave, by `seed`: the same as `fork` and `power_loss(seed)` on the copy.
    #[must_use]
    pub fn image(&self, seed: u64) -> Arc<Self> {
        let image = self.fork();
        image.power_loss(seed);
        image
    }
}

impl State {
    /// Lets operations in flight happen as far as chance has it, after the process is dead.
    fn settle(&mut self) {
        let most = 2 * self.flight.runnable() as u64;
        let steps = if self.rng.one_in(2) { 0 } else { self.rng.below(most + 1) };
        for _ in 0..steps {
            let runnable = self.flight.runnable();
            if runnable > 0 {
                let nth = self.rng.index(runnable);
                self.advance(nth);
            }
        }
        while self.flight.runnable() > 0 {
            let (index, effect) = self.flight.take(0);
            self.write_partly(&effect);
            self.flight.release(0, index);
        }
        self.flight = super::flight::Flight::default();
    }

    fn die(&mut self) {
        if !self.halted {
            self.halt();
        }
        self.settle();
        self.drop_maps(true);
        for file in self.names.files.values_mut() {
            file.handles = Arc::default();
        }
        for lane in self.lanes.values_mut() {
            lane.alive = false;
        }
        self.session = Arc::default();
        self.generation += 1;
        self.locks.clear();
        self.crash_at = None;
        self.halted = false;
        self.collect();
        self.note("process death", None, None, self.generation as i64);
    }

    fn lose_power(&mut self, seed: u64) {
        self.rng = Rng::new(seed);
        self.die();
        let contents = self.names.files.values().filter_map(|f| f.content.oldest_undurable());
        let oldest = contents.chain(self.names.oldest_undurable()).min();
        let newest = self.next_op;
        let mood = Mood::draw(&mut self.rng, oldest.unwrap_or(newest), newest);
        self.names.lose_power(&mut self.rng, mood);
        let garbage = Garbage { stale: &self.stale };
        let garbage = self.config.garbage_in_grown_space.then_some(&garbage);
        for file in self.names.files.values_mut() {
            if !file.content.is_durable() {
                file.content_mut().lose_power(&mut self.rng, mood, garbage);
            }
        }
        // The clock of a machine starts anew with it.
        self.clock = self.rng.below(1_000_000_000);
        self.note("power loss", None, None, seed as i64);
    }

    /// Only what is durable stays, without any chance.
    pub(super) fn keep_durable(&mut self) {
        self.names.lose_power(&mut self.rng, Mood::Nothing);
        for file in self.names.files.values_mut() {
            if !file.content.is_durable() {
                file.content_mut().lose_power(&mut self.rng, Mood::Nothing, None);
            }
        }
    }

    pub(super) fn fork(&self) -> Self {
        let mut copy = Self {
            config: self.config.clone(),
            rng: self.rng.clone(),
            clock: self.clock,
            names: self.names.fork(),
            flight: self.flight.fork(),
            faults: self.faults.clone(),
            trace: self.trace.clone(),
            arena: Arc::clone(&self.arena),
            counters: Arc::<Counters>::default(),
            lanes: Default::default(),
            next_lane: 0,
            next_op: self.next_op,
            operations: self.operations,
            crash_at: None,
            halted: true,
            session: Arc::default(),
            generation: self.generation,
            locks: Default::default(),
            mapped: self.mapped.clone(),
            stale: self.stale.clone(),
        };
        // The copy takes in what the mappings hold now, and has none of its own.
        for &inode in &self.mapped {
            let map = self.names.files.get(&inode).and_then(|f| f.map.clone());
            if let Some(file) = copy.names.files.get_mut(&inode) {
                file.map = map;
            }
        }
        copy.drop_maps(true);
        copy
    }
}
