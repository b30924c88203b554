//! Background work: who flushes and who compacts.
//!
//! A [`Worker`] owns a lane and at most one job, and is *stepped*: each step submits, reaps, merges or installs a little and returns. In
//! production a thread steps each worker; in the simulation a seeded scheduler does, from inside waiting calls. Jobs are the same in
//! both. One worker flushes, the others compact, so that a long compaction never holds up a flush.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ringwood_ring::{Class, Gate, Lane as _, LaneSpec, Owner, Stepper};

use crate::compaction::{self, Busy, Compaction, Limits, PartJob, Pick};
use crate::flush::FlushJob;
use crate::regulator::RegulatedLane;
use crate::store::Store;
use crate::version::Version;
use crate::{Error, ErrorKind, Result};

/// Depth of a worker's lane: reads that a compaction has in flight.
const LANE_DEPTH: u32 = 512;
/// A job that failed (a full disk, too many files) is tried again after this long.
const RETRY_NS: u64 = 500_000_000;
/// An idle worker looks around this often even if nobody calls.
const IDLE: Duration = Duration::from_millis(500);

/// What background workers share.
pub(crate) struct Background {
    state: Mutex<State>,
    /// Where workers wait for work.
    work: Gate,
    work_epoch: AtomicU64,
    /// Where callers wait for flushes and compactions.
    pub(crate) progress: Gate,
    pub(crate) stepper: Option<Stepper>,
}

/// Where a compaction writes: nothing else may come there meanwhile, also not between two of its inputs, since an output can reach from one
/// to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    tree: u32,
    level: usize,
    from: Box<[u8]>,
    to: Box<[u8]>,
    /// It is a whole compaction's.
    is_whole: bool,
}

impl Target {
    fn of(tree: u32, pick: &Pick, is_whole: bool) -> Option<Self> {
        let metas = || pick.inputs.iter().map(|(_, t)| &t.meta);
        let from = metas().map(|m| &m.smallest).min()?.clone();
        let to = metas().map(|m| &m.largest).max()?.clone();
        Some(Self { tree, level: pick.target, from, to, is_whole })
    }

    fn overlaps(&self, other: &Self) -> bool {
        (self.tree, self.level) == (other.tree, other.level) && self.from <= other.to && other.from <= self.to
    }
}

/// A whole compaction that somebody asked for.
struct Manual {
    tree: u32,
    ticket: u64,
    /// What was in level 0 is in the other levels. What has come since is not waited for.
    is_level0_done: bool,
}

#[derive(Default)]
struct State {
    closing: bool,
    /// Trees of which a memtable is being flushed.
    flushing: Option<u32>,
    /// Tables that are inputs of running compactions.
    busy: Busy,
    /// Where the running compactions will put what they write: one each.
    targets: Vec<Target>,
    /// Parts of compactions that no worker has taken yet.
    parts: VecDeque<PartJob>,
    /// Level 0 has gone before the parts of a whole compaction: now it is their turn.
    is_wholes_turn: bool,
    /// Trees that are to be compacted whole.
    manual: VecDeque<Manual>,
    /// Manual compactions, by ticket: how each went, once it is over, until whoever asked for it takes that.
    tickets: BTreeMap<u64, Option<Result<()>>>,
    next_ticket: u64,
    /// Why the last flush failed, until one succeeds.
    flush_error: Option<Error>,
    /// When the next flush may be tried, if the last one failed.
    flush_retry_at: u64,
    /// When the next compaction may be started. Not the same: a compaction that fails never holds up a flush.
    compaction_retry_at: u64,
}

impl State {
    fn settle(&mut self, ticket: u64, result: Result<()>) {
        self.tickets.insert(ticket, Some(result));
    }
}

impl Background {
    pub(crate) fn new(stepper: Option<Stepper>) -> Self {
        let progress = Gate::with_stepper(stepper.clone());
        Self { state: Mutex::default(), work: Gate::new(), work_epoch: AtomicU64::new(0), progress, stepper }
    }

    /// Whether there are no threads.
    pub(crate) fn is_stepped(&self) -> bool {
        self.stepper.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that there may be something to do.
    pub(crate) fn notify_work(&self) {
        self.work_epoch.fetch_add(1, Ordering::SeqCst);
        self.work.notify();
    }

    /// Why memtables cannot be flushed now, if so.
    pub(crate) fn flush_error(&self) -> Option<Error> {
        self.lock().flush_error.clone()
    }

    /// Forgets the last failure of a flush: the next attempt is made at once.
    pub(crate) fn retry_flush(&self) {
        self.lock().flush_error = None;
    }

    /// Tells workers to stop after their job's next step.
    pub(crate) fn close(&self) {
        self.lock().closing = true;
        self.notify_work();
        self.progress.notify();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.lock().closing
    }

    /// Asks for a whole compaction of a tree.
    pub(crate) fn request_compaction(&self, tree: u32) -> u64 {
        let mut state = self.lock();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.manual.push_back(Manual { tree, ticket, is_level0_done: false });
        state.tickets.insert(ticket, None);
        drop(state);
        self.notify_work();
        ticket
    }

    /// How the compaction asked for went, once it is over. Told once.
    pub(crate) fn compaction_is_over(&self, ticket: u64) -> Option<Result<()>> {
        let mut state = self.lock();
        let is_over = state.closing || state.tickets.get(&ticket).is_none_or(Option::is_some);
        if !is_over {
            return None;
        }
        Some(state.tickets.remove(&ticket).flatten().unwrap_or_else(|| Err(Error::closed())))
    }

    /// A memtable was flushed, or could not be.
    fn flush_is_over(&self, store: &Store, result: &Result<()>) {
        let mut state = self.lock();
        state.flushing = None;
        let before = std::mem::replace(&mut state.flush_error, result.as_ref().err().cloned());
        if result.is_err() {
            state.flush_retry_at = store.disk.now() + RETRY_NS;
            count_failure(&store.totals.flush_failures, result);
        } else if before.is_some() {
            log::info!("{}: flushes succeed again", store.dir.display());
        }
    }

    /// All parts of a compaction are through, or one failed.
    fn compaction_is_through(&self, store: &Store, compaction: &Compaction, result: &Result<()>) {
        count_failure(&store.totals.compaction_failures, result);
        let mut state = self.lock();
        // Tables found damaged stay busy: to merge them again would only fail again.
        let is_corrupt = result.as_ref().is_err_and(|e| e.kind() == ErrorKind::Corrupt);
        if !is_corrupt {
            for (_, table) in &compaction.pick.inputs {
                state.busy.remove(&table.meta.id);
            }
        }
        let target = Target::of(compaction.tree.id, &compaction.pick, compaction.is_whole());
        if let Some(at) = state.targets.iter().position(|t| Some(t) == target.as_ref()) {
            state.targets.swap_remove(at);
        }
        match compaction.ticket {
            // Level 0 is in the other levels. Now those, before anything else.
            Some(ticket) if result.is_ok() && compaction.has_level0() => {
                state.manual.push_front(Manual { tree: compaction.tree.id, ticket, is_level0_done: true });
            }
            // Whoever asked is told; asking again is theirs.
            Some(ticket) => state.settle(ticket, result.clone()),
            None if result.is_err() && !compaction.tree.is_dropped() => {
                state.compaction_retry_at = store.disk.now() + RETRY_NS;
            }
            None => {}
        }
    }

    /// Takes the next part of a compaction, planning one if none is waiting. Level 0 goes before the parts of a whole compaction, every other
    /// time: neither starves.
    fn next_part(&self, store: &Arc<Store>) -> Option<PartJob> {
        let mut state = self.lock();
        // Who stops the workers has seen their jobs for the last time; parts that wait go with the store.
        if state.closing {
            return None;
        }
        let may_start = !store.is_poisoned();
        let is_level0s_turn = !state.is_wholes_turn && state.parts.front().is_some_and(PartJob::is_of_whole);
        if may_start
            && is_level0s_turn
            && let Some(part) = Self::start_any(&mut state, store, compaction::pick_level0)
        {
            state.is_wholes_turn = true;
            return Some(part);
        }
        if let Some(part) = state.parts.pop_front() {
            state.is_wholes_turn &= !part.is_of_whole();
            return Some(part);
        }
        if !may_start {
            return None;
        }
        let trees = store.trees.load_full();
        let manual = state.manual.iter().position(|m| !state.targets.iter().any(|t| t.tree == m.tree));
        if let Some(manual) = manual.and_then(|at| state.manual.remove(at)) {
            let (tree, ticket) = (trees.get(&manual.tree), manual.ticket);
            let version = tree.map(|tree| Arc::clone(&tree.view().version));
            let pick = version
                .as_ref()
                .and_then(|version| compaction::pick_all(version, store.limits, manual.is_level0_done));
            let (Some(tree), Some(version), Some(pick)) = (tree, version, pick) else {
                // All is in the last level already, or the tree was dropped meanwhile.
                state.settle(ticket, if tree.is_some() { Ok(()) } else { Err(Error::dropped()) });
                drop(state);
                self.progress.notify();
                return None;
            };
            return Some(Self::start(
                &mut state,
                store,
                compaction::Compaction::new(store, tree, version, pick, Some(ticket)),
            ));
        }
        Self::start_any(&mut state, store, compaction::pick)
    }

    /// Starts the first compaction that `pick` finds in any tree, unless one has just failed.
    fn start_any(
        state: &mut State,
        store: &Arc<Store>,
        pick: impl Fn(&Version, &Busy, Limits, bool) -> Option<Pick>,
    ) -> Option<PartJob> {
        if store.disk.now() < state.compaction_retry_at {
            return None;
        }
        for tree in store.trees.load().values() {
            // A whole compaction waits for those that run; no further ones are started in front of it.
            if state.manual.iter().any(|m| m.tree == tree.id) {
                continue;
            }
            let version = Arc::clone(&tree.view().version);
            let beside_whole = state.targets.iter().any(|t| t.tree == tree.id && t.is_whole);
            if let Some(pick) = pick(&version, &state.busy, store.limits, beside_whole) {
                let target = Target::of(tree.id, &pick, false);
                if target.is_none_or(|target| state.targets.iter().any(|t| t.overlaps(&target))) {
                    continue;
                }
                return Some(Self::start(
                    state,
                    store,
                    compaction::Compaction::new(store, tree, version, pick, None),
                ));
            }
        }
        None
    }

    fn start(state: &mut State, store: &Store, compaction: Compaction) -> PartJob {
        state.busy.extend(compaction.pick.inputs.iter().map(|(_, t)| t.meta.id));
        state.targets.extend(Target::of(compaction.tree.id, &compaction.pick, compaction.is_whole()));
        // What was started last goes first: level 0 before a whole.
        compaction.into_parts(store).into_iter().rev().for_each(|part| state.parts.push_front(part));
        state.parts.pop_front().expect("a compaction has at least one part")
    }

    /// Takes the oldest memtable that waits for its flush.
    fn next_flush(&self, store: &Arc<Store>) -> Option<FlushJob> {
        let mut state = self.lock();
        if state.closing || state.flushing.is_some() || store.is_poisoned() {
            return None;
        }
        if state.flush_error.is_some() && store.disk.now() < state.flush_retry_at {
            return None;
        }
        let trees = store.trees.load_full();
        let oldest = trees.values().filter_map(|t| Some((t.view().frozen.last()?.clone(), t)));
        let (mem, tree) = oldest.min_by_key(|(mem, tree)| (mem.log_start, tree.id))?;
        state.flushing = Some(tree.id);
        Some(FlushJob::new(store, tree, mem))
    }
}

/// Counts a job that failed, unless it was only given up for closing.
fn count_failure(count: &AtomicU64, result: &Result<()>) {
    if result.as_ref().is_err_and(|e| e.kind() != ErrorKind::Closed) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Flush,
    Compact,
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// There was nothing to do.
    Idle,
    /// Something was done; step again.
    Progress,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobState {
    Running,
    Done,
}

#[allow(clippy::large_enum_variant, reason = "one per worker")]
enum Job {
    Flush(FlushJob),
    Part(PartJob),
}

/// One flusher or compactor. See the module documentation.
pub(crate) struct Worker {
    role: Role,
    lane: RegulatedLane,
    job: Option<Job>,
}

impl Worker {
    pub(crate) fn new(store: &Store, role: Role) -> Result<Self> {
        let class = if role == Role::Flush { Class::Flush } else { Class::Compaction };
        let lane = store.disk.lane(LaneSpec { class, depth: LANE_DEPTH, owner: Owner::Thread })?;
        Ok(Self { role, lane: RegulatedLane::new(lane, &store.regulator), job: None })
    }

    /// Body of a worker's thread.
    pub(crate) fn run(mut self, store: &Arc<Store>) {
        let worked = catch_unwind(AssertUnwindSafe(|| {
            let background = &store.background;
            while !background.is_closing() {
                let seen = background.work_epoch.load(Ordering::SeqCst);
                if self.step(store, true) == Step::Idle {
                    let is_changed = || background.work_epoch.load(Ordering::SeqCst) != seen;
                    background.work.wait_timeout(IDLE, is_changed);
                }
            }
            self.abandon(store);
        }));
        if let Err(panic) = worked {
            self.lost(store, &*panic);
        }
    }

    /// The thread panicked: whoever waits for its work is told that it will never be done. (In the simulation a panic ends the test.)
    fn lost(&mut self, store: &Store, panic: &(dyn Any + Send)) {
        let name = if self.role == Role::Flush { "flush" } else { "compaction" };
        let error = Error::thread_lost(name, panic);
        store.poison_with(error.clone(), &error);
        // Of the job nothing can be relied on but that it is in its place: it is given up as a failed one, as far as that goes.
        let given_up = catch_unwind(AssertUnwindSafe(|| {
            if let Some(job) = self.job.take() {
                self.over(store, job, &Err(error));
            }
        }));
        if given_up.is_err() {
            log::error!("{}: the {name} thread's work could not be given up", store.dir.display());
            store.background.progress.notify();
        }
    }

    /// Gives up the job in hand, as a crash would, but in order: its outputs are removed at the next open.
    pub(crate) fn abandon(&mut self, store: &Store) {
        if let Some(job) = self.job.take() {
            self.over(store, job, &Err(Error::closed()));
        }
    }

    /// Makes one step. With `wait`, waits for I/O if nothing else can be done.
    pub(crate) fn step(&mut self, store: &Arc<Store>, wait: bool) -> Step {
        let Some(job) = &mut self.job else {
            store.remove_obsolete();
            self.job = match self.role {
                Role::Flush => store.background.next_flush(store).map(Job::Flush),
                Role::Compact => store.background.next_part(store).map(Job::Part),
            };
            return if self.job.is_some() { Step::Progress } else { Step::Idle };
        };
        self.lane.set_window(store.background_window());
        let state = match job {
            Job::Flush(job) => job.step(store, &mut self.lane, wait),
            Job::Part(job) => job.step(store, &mut self.lane, wait),
        };
        match state {
            Ok(JobState::Running) => {}
            Ok(JobState::Done) => {
                let job = self.job.take().expect("stepped above");
                self.over(store, job, &Ok(()));
            }
            Err(error) => {
                let job = self.job.take().expect("stepped above");
                if error.kind() != ErrorKind::Closed {
                    log::warn!("{}: {:?} failed: {error}", store.dir.display(), self.role);
                }
                self.over(store, job, &Err(error));
            }
        }
        Step::Progress
    }

    fn over(&mut self, store: &Store, job: Job, result: &Result<()>) {
        // What is still in flight comes back before its buffers are let go.
        let mut rest = Vec::new();
        while self.lane.in_flight() > 0 && self.lane.reap(self.lane.in_flight(), &mut rest).is_ok() {}
        match job {
            Job::Flush(job) => {
                drop(job); // An output that is not finished removes its file.
                store.background.flush_is_over(store, result);
            }
            Job::Part(job) => {
                if let Some((compaction, result)) = job.finish(store, result) {
                    store.background.compaction_is_through(store, &compaction, &result);
                }
            }
        }
        store.update_debt();
        store.check_table_memory();
        store.background.notify_work();
        store.background.progress.notify();
    }
}

mod placing;
#[cfg(test)]
mod tests;
