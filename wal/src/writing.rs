//! What the log thread and waiters that lead have in common: the state of commit groups, and how one is begun and ended.
//!
//! Only who holds the turn ([`Turns`](crate::turns::Turns)) locks [`Writing`], so that lock is always free; it is there to say so in
//! safe code. The segment list is locked for a few instructions, by the log thread, which changes it, and by the holder.
//!
//! Everything before `written` and `durable` in [`Progress`](crate::shared::Progress) is so by the account of the last group, whoever
//! wrote it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ringwood_ring::{Completion, Disk, Lane};

use crate::pump::gather::Gather;
use crate::pump::group::{Finished, GroupWriter};
use crate::pump::segments::Segments;
use crate::pump::trial::Trial;
use crate::shared::Shared;
use crate::staging::ring::Consumer;
use crate::stats::count;
use crate::turns::Holder;
use crate::{Result, SyncMode, WalOptions};

/// See the module documentation.
pub(crate) struct Core {
    pub(crate) shared: Arc<Shared>,
    pub(crate) disk: Arc<dyn Disk>,
    segments: Mutex<Segments>,
    writing: Mutex<Writing>,
    drain_bytes: u64,
    unsynced_bytes_max: u64,
}

/// What the holder of the turn has.
pub(crate) struct Writing {
    pub(crate) groups: Groups,
    /// The lane of whoever leads; none until the log is open.
    pub(crate) lane: Option<Box<dyn Lane>>,
    /// The leader's completions.
    pub(crate) done: Vec<Completion>,
}

/// The state of commit groups.
pub(crate) struct Groups {
    writer: GroupWriter,
    staging: Consumer,
    /// How many had asked when the last group began.
    asks: u64,
    mode: SyncMode,
    trial: Trial,
    gather: Gather,
    /// Whether the group in flight is synced, and when it began.
    sync: bool,
    began: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Writing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Writing({} in flight)", self.groups.in_flight())
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Core(durable to {})", self.shared.durable())
    }
}

impl Core {
    pub(crate) fn new(
        shared: Arc<Shared>,
        disk: Arc<dyn Disk>,
        options: &WalOptions,
        segments: Segments,
        writer: GroupWriter,
        staging: Consumer,
    ) -> Arc<Self> {
        let (mode, trial) = (options.sync_mode, Trial::new());
        let gather = Gather::default();
        let groups = Groups { writer, staging, asks: 0, mode, trial, gather, sync: false, began: 0 };
        let writing = Writing { groups, lane: None, done: Vec::new() };
        Arc::new(Self {
            shared,
            disk,
            segments: Mutex::new(segments),
            writing: Mutex::new(writing),
            drain_bytes: options.drain_bytes,
            unsynced_bytes_max: options.unsynced_bytes_max,
        })
    }

    /// The segment list, for a few instructions.
    pub(crate) fn segments(&self) -> MutexGuard<'_, Segments> {
        lock(&self.segments)
    }

    /// The state of groups. For the holder of the turn alone.
    pub(crate) fn writing(&self) -> MutexGuard<'_, Writing> {
        lock(&self.writing)
    }

    /// Whether a group is due now, and if so, whether it is to be durable. Time counts only for groups that gather.
    pub(crate) fn due(&self) -> Option<bool> {
        let shared = &*self.shared;
        // The tail last: it is the largest and only grows.
        let (written, durable) = (shared.written(), shared.durable());
        let tail = shared.appended();
        let requests = &shared.requests.0;
        let sync = tail > durable
            && ((shared.turns.0.wanted() > durable && self.gather_left() == 0)
                || requests.close.load(Ordering::SeqCst)
                || tail - durable >= self.unsynced_bytes_max);
        let staged = tail - written;
        let write = staged >= self.drain_bytes
            || (staged > 0
                && (requests.written.load(Ordering::SeqCst) > written
                    || requests.staging_room.load(Ordering::SeqCst)));
        (sync || write).then_some(sync)
    }

    /// Nanoseconds that the next group still waits for more to ask; 0 if it does not.
    pub(crate) fn gather_left(&self) -> u64 {
        if !self.shared.turns.0.is_gathering() {
            return 0;
        }
        self.shared.gather_until.load(Ordering::SeqCst).saturating_sub(self.disk.now())
    }

    /// Whether someone waits for a group that gathers.
    pub(crate) fn is_awaited(&self) -> bool {
        let turns = &self.shared.turns.0;
        turns.is_gathering() && turns.wanted() > self.shared.durable()
    }

    /// Gives the turn back after a group, and wakes those who wait for it: in this order, so that whoever is back before the last is awake
    /// finds it free.
    ///
    /// Returns whether someone waits already for a group that gathers: for them the log thread keeps the time. Who asks from now on
    /// does so alone.
    pub(crate) fn leave(&self) -> bool {
        let shared = &*self.shared;
        shared.turns.0.leave();
        let is_awaited = self.is_awaited();
        shared.settled.notify();
        shared.room.notify();
        is_awaited
    }

    /// As [`leave`](Self::leave), after leading: wakes the log thread if there is work for it.
    pub(crate) fn hand_over(&self) {
        let is_awaited = self.leave();
        let shared = &*self.shared;
        let closing = shared.requests.0.close.load(Ordering::SeqCst);
        if closing || is_awaited || self.due().is_some() || shared.wants_segment() {
            shared.work.notify();
        }
    }

    /// Says what a finished group has made of the log; whoever waits for it is woken by [`leave`](Self::leave).
    fn publish(&self, finished: &Finished) {
        let shared = &*self.shared;
        let progress = &shared.progress.0;
        progress.written.store(finished.end, Ordering::Release);
        progress.durable.store(finished.durable, Ordering::SeqCst);
    }
}

impl Groups {
    /// Begins the group of everything appended so far.
    pub(crate) fn begin(&mut self, core: &Core, who: Holder, sync: bool, lane: &mut dyn Lane) -> Result<()> {
        let shared = &*core.shared;
        // Before the tail: who asked by now has appended before.
        let asks = shared.turns.0.asks();
        let askers = asks - self.asks;
        self.asks = asks;
        shared.turns.0.serve(askers);
        shared.turns.0.gather(0);
        self.gather.begins(askers);
        shared.requests.0.staging_room.store(false, Ordering::SeqCst);
        let tail = self.staging.refresh();
        let staged = tail - self.writer.written();
        let counts = &shared.counts;
        count(&counts.groups, u64::from(staged > 0));
        count(&counts.led_groups, u64::from(staged > 0 && who == Holder::Leader));
        count(&counts.group_bytes, staged);
        let is_lone = sync && askers <= 1;
        let dsync = match self.mode {
            SyncMode::Auto => is_lone && self.trial.is_dsync(),
            SyncMode::Chain => false,
            SyncMode::Dsync => true,
        };
        (self.sync, self.began) = (sync, core.disk.now());
        let begun = self.writer.begin(tail, sync, dsync, &core.segments, &self.staging, lane);
        self.writer.count(counts);
        begun
    }

    /// Operations of the group in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.writer.in_flight()
    }

    /// Takes in a completion of the group. Returns whether the group is over; all has been said by then, but nobody woken: the turn is still held.
    pub(crate) fn complete(
        &mut self,
        core: &Core,
        completion: Completion,
        lane: &mut dyn Lane,
    ) -> Result<bool> {
        let over = self.writer.complete(completion, &core.segments, &self.staging, lane);
        self.writer.count(&core.shared.counts);
        let Some(finished) = over? else {
            return Ok(false);
        };
        self.staging.free(finished.end);
        let (turns, now) = (&core.shared.turns.0, core.disk.now());
        let (served, took) = (turns.served(), now.saturating_sub(self.began));
        count(&core.shared.counts.group_ns, took);
        // Before anyone is told: who comes back finds it.
        if self.sync && !core.shared.is_stepped {
            let others = turns.asks() - self.asks;
            if let Some((all, wait)) = self.gather.ends(served, others, took) {
                core.shared.gather_until.store(now.saturating_add(wait), Ordering::SeqCst);
                turns.gather(self.asks + all);
            }
        }
        core.publish(&finished);
        if let (true, Some(dsync)) =
            (self.sync && served <= 1 && self.mode == SyncMode::Auto, finished.choice)
        {
            self.trial.record(dsync, self.began, now);
        }
        Ok(true)
    }
}

/// Waits for what is in flight after a failure, so that its buffers come home.
pub(crate) fn drain(lane: &mut dyn Lane, done: &mut Vec<Completion>) {
    while lane.in_flight() > 0 {
        let all = lane.in_flight();
        let reaped = lane.reap(all, done);
        done.clear();
        if reaped.is_err() {
            break;
        }
    }
}
