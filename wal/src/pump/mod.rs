//! The pump: moves staged bytes to the segments, makes them durable, and keeps segments ready.
//!
//! A state machine with one owner: the log thread, which calls [`run`](Pump::run), or a simulation, which calls
//! [`step`](Pump::step). A step begins what is due, takes in what the disk has completed, and returns.
//!
//! One commit group is in flight at a time; whatever is appended meanwhile forms the next. A group is begun when someone waits
//! for bytes in it, or enough bytes or time have gathered. If someone wants durability it is one chain, a write linked to a
//! sync, or one durable write, in one enter, however many waiters it serves.
//!
//! A lone waiter writes its group itself ([`lead`](crate::lead)), by the same code, when it is its [turn](crate::turns). The pump then
//! has nothing to do with groups, and looks after segments alone, which nobody else does.
//!
//! Any failed write or sync of log ends all writing (the log is *poisoned*) and is never retried: after a failed sync the kernel
//! may have dropped the bytes and would report success for nothing. A disk that is full while the *next* segment is prepared is
//! no such failure: appends that would need that segment are refused until it can be had.

pub(crate) mod gather;
pub(crate) mod group;
pub(crate) mod prepare;
pub(crate) mod segments;
pub(crate) mod trial;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ringwood_ring::{Completion, Lane};

use crate::shared::{SIGNAL_ASLEEP, Shared};
use crate::stats::count;
use crate::turns::Holder;
use crate::writing::{Core, drain};
use crate::{Lsn, Result, WalError, WalOptions};
use prepare::{Prepared, Preparer};

/// Operations in flight: the pieces of a group and its sync, and those of a preparation.
pub(crate) const LANE_DEPTH: u32 = 8;
const _: () = assert!(group::PIECES_MAX + 1 + 2 <= LANE_DEPTH as usize);

/// Segments become so large that a log of any length is about so many.
const LIVE_SEGMENTS_AIM: u64 = 16;
/// A segment is filled before its use if the log was synced at least once in so many bytes since the last one was bound: what a sync to
/// unwritten space costs more is about as long as writing these takes.
const BYTES_PER_SYNC: u64 = 64 << 10;
/// Largest segment that is not filled, so that syncs which come up meanwhile soon have one that is.
const UNFILLED_BYTES_MAX: u64 = 16 << 20;
/// After a failed try for a segment that nobody waits for, the next try comes so much later.
const RETRY_NS: u64 = 1_000_000_000;
/// The pump falls into deep sleep after so many drain intervals without news; then the next append must wake it.
const QUIET_ROUNDS_MAX: u32 = 20;
/// Longest deep sleep: an append whose wake-up was missed is drained after it at the latest.
const DEEP_SLEEP: Duration = Duration::from_secs(5);

/// What a [`Pump::step`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Something moved; more may be due.
    Worked,
    /// Operations are in flight and none has completed.
    Waiting,
    /// Nothing is due.
    Idle,
    /// Everything is durable and the log is closed.
    Closed,
}

/// See the module documentation.
pub struct Pump {
    pub(crate) core: Arc<Core>,
    options: WalOptions,
    pub(crate) lane: Box<dyn Lane>,
    preparer: Preparer,
    done: Vec<Completion>,
    /// A group of ours is in flight: the turn is ours.
    in_group: bool,
    /// When staged bytes were first seen that are not written, and up to where it was written then.
    staged_since: Option<(Lsn, u64)>,
    /// When the segment that is written now was bound.
    bound_at: u64,
    /// Syncs of groups, and bytes appended, by then.
    bound_counts: (u64, Lsn),
    /// No try for a segment before, unless someone asks.
    retry_at: u64,
    quiet_rounds: u32,
    /// Up to where it was written when the pump last went to sleep.
    slept_at: Lsn,
    /// The release position that the last step acted on.
    released: Lsn,
}

impl std::fmt::Debug for Pump {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pump(written to {})", self.shared().written())
    }
}

impl Pump {
    pub(crate) fn new(core: Arc<Core>, options: WalOptions, lane: Box<dyn Lane>, preparer: Preparer) -> Self {
        let bound_at = core.disk.now();
        let pump = Self {
            core,
            options,
            lane,
            preparer,
            done: Vec::with_capacity(LANE_DEPTH as usize),
            in_group: false,
            staged_since: None,
            bound_at,
            bound_counts: (0, 0),
            retry_at: 0,
            quiet_rounds: 0,
            slept_at: 0,
            released: 0,
        };
        pump.publish_segments();
        pump
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.core.shared
    }

    /// Makes one step: begins what is due, takes in what has completed. With `wait` it blocks until operations in flight
    /// complete, if nothing else is to be done; it never waits for appends.
    ///
    /// # Errors
    /// [`Poisoned`](WalError::Poisoned) once a write or sync has failed, from then on always.
    pub fn step(&mut self, wait: bool) -> Result<Progress> {
        if let Some(reason) = self.shared().poisoned().cloned() {
            drain(&mut *self.lane, &mut self.done);
            return Err(reason);
        }
        if self.shared().is_closed() {
            return Ok(Progress::Closed);
        }
        self.step_inner(wait).map_err(|error| {
            let reason = self.shared().set_poison(error);
            drain(&mut *self.lane, &mut self.done);
            reason
        })
    }

    fn step_inner(&mut self, wait: bool) -> Result<Progress> {
        let mut worked = self.begin_due_group()?;
        // What is released may be the next segment.
        worked |= self.recycle_one()?;
        worked |= self.prepare()?;
        if self.lane.in_flight() > 0 {
            // All of a group in one enter; of other work whatever comes first.
            let group = if self.in_group { self.core.writing().groups.in_flight() } else { 0 };
            let min = if wait { group.max(1) } else { 0 };
            worked |= self.lane.reap(min, &mut self.done)? > 0;
            self.complete()?;
            return Ok(if worked { Progress::Worked } else { Progress::Waiting });
        }
        if worked {
            return Ok(Progress::Worked);
        }
        if self.shared().requests.0.close.load(Ordering::SeqCst) && self.close() {
            return Ok(Progress::Closed);
        }
        Ok(Progress::Idle)
    }

    /// Closes the log if everything is durable and nobody leads. Keeps the turn: no further group begins.
    fn close(&self) -> bool {
        let shared = self.shared();
        if !shared.turns.0.try_take(Holder::Pump) {
            return false;
        }
        if shared.appended() != shared.durable() {
            shared.turns.0.leave();
            return false;
        }
        shared.set_closed();
        // Nobody leads any more: its ring is given back now, not with the last handle of the log.
        self.core.writing().lane = None;
        true
    }

    /// Begins the next group if one is due and nobody leads: whoever does looks what is due when it leaves.
    fn begin_due_group(&mut self) -> Result<bool> {
        if self.in_group {
            return Ok(false);
        }
        let is_overdue = match self.core.due() {
            Some(_) => false,
            None if self.is_overdue() => true,
            None => return Ok(false),
        };
        let core = Arc::clone(&self.core);
        if !core.shared.turns.0.try_take(Holder::Pump) {
            return Ok(false);
        }
        // Again: a leader may have done it.
        let Some(sync) = core.due().or(is_overdue.then_some(false)) else {
            core.shared.turns.0.leave();
            return Ok(false);
        };
        self.in_group = true;
        self.staged_since = None;
        core.writing().groups.begin(&core, Holder::Pump, sync, &mut *self.lane)?;
        Ok(true)
    }

    /// Whether staged bytes have waited long enough. Looks at the clock.
    fn is_overdue(&mut self) -> bool {
        let written = self.shared().written();
        if self.shared().appended() == written {
            self.staged_since = None;
            return false;
        }
        let now = self.core.disk.now();
        // The bytes that waited may have been written by a leader meanwhile.
        let (_, since) = self.staged_since.filter(|(at, _)| *at == written).unwrap_or((written, now));
        self.staged_since = Some((written, since));
        now.saturating_sub(since) >= self.options.drain_ns
    }

    /// Goes on preparing the next segment, or begins to.
    fn prepare(&mut self) -> Result<bool> {
        if self.shared().requests.0.close.load(Ordering::SeqCst) {
            self.shared().set_prepare_at(Lsn::MAX);
            // What was begun is left as it is; the next opening uses it or removes it.
            return Ok(false);
        }
        let (link, durable) = (self.core.segments().next_link(), self.shared().durable());
        let step = if self.preparer.is_idle() {
            match self.wanted() {
                None => return Ok(false),
                Some(Ok((capacity, fill))) => {
                    let started = self.preparer.start(capacity, fill, link, durable, &mut *self.lane);
                    started.map(|()| Prepared::Worked)
                }
                Some(Err(full)) => Err(full),
            }
        } else {
            self.preparer.step(link, durable, &mut *self.lane)
        };
        let counts = &self.shared().counts;
        counts.segments_created.store(self.preparer.created, Ordering::Relaxed);
        counts.segments_filled.store(self.preparer.filled, Ordering::Relaxed);
        match step {
            Ok(Prepared::Nothing) => Ok(false),
            Ok(Prepared::Worked) => Ok(true),
            Ok(Prepared::Bound(segment)) => {
                (self.bound_at, self.bound_counts) = (self.core.disk.now(), self.syncs_and_bytes());
                let limit = segment.end();
                self.core.segments().push(segment);
                // Only now: from here on a leader may look for it.
                self.shared().set_limit(limit);
                self.publish_segments();
                Ok(true)
            }
            Err(error) if error.may_pass() => {
                self.retry_at = self.core.disk.now().saturating_add(RETRY_NS);
                let reason = match error {
                    WalError::Full { reason } => reason,
                    other => other.to_string(),
                };
                self.shared().set_full(reason);
                self.publish_segments();
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the log was synced so often since the last segment was bound that the next is to be filled.
    fn is_synced_often(&self) -> bool {
        let ((syncs_then, bytes_then), (syncs, bytes)) = (self.bound_counts, self.syncs_and_bytes());
        // One is that of the segment's end, which every segment has.
        let asked = (syncs - syncs_then).saturating_sub(1);
        asked.saturating_mul(BYTES_PER_SYNC) >= bytes - bytes_then
    }

    fn syncs_and_bytes(&self) -> (u64, Lsn) {
        (self.shared().counts.syncs.load(Ordering::Relaxed), self.shared().appended())
    }

    /// The payload bytes of the segment to prepare now, and whether it is to be filled, if one is wanted, or why there may be none.
    fn wanted(&self) -> Option<Result<(u64, bool)>> {
        let shared = self.shared();
        let asked = shared.requests.0.segment.load(Ordering::SeqCst);
        let (min, max) = (self.options.segment_bytes_min, self.options.segment_bytes_max);
        let (last, file_bytes) = {
            let segments = self.core.segments();
            (segments.last().map(|s| (s.start, s.capacity)), segments.file_bytes())
        };
        shared.set_prepare_at(Lsn::MAX);
        let (capacity, fill) = match last {
            // Nothing is known yet, but that it is small.
            None => (min, true),
            Some((start, capacity)) => {
                // Half of the newest segment is time enough to prepare its successor.
                let filled = shared.appended().saturating_sub(start);
                if !asked && filled < capacity / 2 {
                    shared.set_prepare_at(start + capacity / 2);
                    return None;
                }
                let elapsed = self.core.disk.now().saturating_sub(self.bound_at);
                let fill = self.is_synced_often();
                let most = if fill { max } else { max.min(UNFILLED_BYTES_MAX).max(min) };
                let by_rate = prepare::next_capacity(capacity, filled, elapsed, min, most);
                // A slow writer's log may still grow long: few files, each of which costs a descriptor.
                let by_length = (file_bytes / LIVE_SEGMENTS_AIM).next_power_of_two();
                (by_rate.max(by_length).min(max), fill)
            }
        };
        if !asked && shared.full_reason().is_some() && self.core.disk.now() < self.retry_at {
            return None;
        }
        let room = self.options.log_bytes_max.saturating_sub(file_bytes);
        let spare = self.preparer.spares.last().map(|s| s.capacity);
        let file_bytes = |capacity: u64| capacity + ringwood_ring::PAGE as u64;
        if file_bytes(spare.unwrap_or(min)) > room {
            let reason = format!(
                "its segments have reached log_bytes_max ({} bytes); it goes on when flushed data releases the oldest",
                self.options.log_bytes_max
            );
            return Some(Err(WalError::Full { reason }));
        }
        // Rather a smaller segment than none.
        Some(Ok((if file_bytes(capacity) > room { min } else { capacity }, fill)))
    }

    /// Recycles or removes one segment that is released or cut off.
    fn recycle_one(&mut self) -> Result<bool> {
        let shared = self.shared();
        let released = shared.requests.0.released.load(Ordering::SeqCst);
        let is_full = shared.full_reason().is_some();
        let written = shared.written();
        self.released = released;
        let (segment, capacity_min) = {
            let mut segments = self.core.segments();
            let Some(segment) = segments.pop_released(released, written, is_full) else {
                return Ok(false);
            };
            // On a full disk any segment is better than none.
            (segment, segments.last().filter(|_| !is_full).map_or(0, |s| s.capacity))
        };
        if self.lane.in_flight() > 0 {
            // What is queued goes to the disk now rather than after the directory.
            self.lane.submit()?;
        }
        let kept = self.preparer.recycle(&segment, capacity_min)?;
        let counts = &self.shared().counts;
        count(if kept { &counts.segments_recycled } else { &counts.segments_removed }, 1);
        self.retry_at = 0;
        self.publish_segments();
        Ok(true)
    }

    fn publish_segments(&self) {
        self.core.segments().publish(self.shared());
        let spare = &self.shared().counts.spare_bytes;
        spare.store(self.preparer.spare_bytes(), Ordering::Relaxed);
    }

    /// Takes in what the lane has completed.
    fn complete(&mut self) -> Result<()> {
        let mut first_error = None;
        for completion in self.done.drain(..) {
            if !matches!(completion.token, group::WRITE | group::SYNC) {
                self.preparer.complete(completion);
                continue;
            }
            match self.core.writing().groups.complete(&self.core, completion, &mut *self.lane) {
                Ok(false) => {}
                Ok(true) => {
                    self.in_group = false;
                    // What was asked for meanwhile is seen in the next step, before any sleep.
                    self.core.leave();
                }
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    /// The body of the log thread: steps, and sleeps while nothing is due. Returns when the log is closed.
    ///
    /// # Errors
    /// [`Poisoned`](WalError::Poisoned) once a write or sync has failed. Everyone who waits has been told by then.
    pub fn run(&mut self) -> Result<()> {
        loop {
            match self.step(true)? {
                Progress::Closed => return Ok(()),
                Progress::Worked | Progress::Waiting => {}
                Progress::Idle => self.sleep(),
            }
        }
    }

    /// Sleeps until something may be due.
    ///
    /// Lightly at first: staged bytes are written when they are old enough, and appends need not wake anyone. After a
    /// second without appends deeply, until the next one.
    fn sleep(&mut self) {
        let core = Arc::clone(&self.core);
        let shared = &*core.shared;
        let written = shared.written();
        let released = self.released;
        let gather_left = core.gather_left();
        let asked = || {
            let requests = &shared.requests.0;
            requests.segment.load(Ordering::SeqCst)
                || requests.released.load(Ordering::SeqCst) > released
                || shared.wants_segment()
                // A leader looks when it leaves.
                || (shared.turns.0.is_free()
                    && (requests.close.load(Ordering::SeqCst)
                        || core.due().is_some()
                        // It is to keep the time.
                        || (gather_left == 0 && core.is_awaited())))
        };
        let is_quiet = shared.appended() == written && written == self.slept_at;
        self.slept_at = written;
        self.quiet_rounds = if is_quiet { self.quiet_rounds + 1 } else { 0 };
        if gather_left > 0 {
            shared.work.wait_timeout(Duration::from_nanos(gather_left), asked);
            return;
        }
        if self.quiet_rounds <= QUIET_ROUNDS_MAX {
            let waited = self.staged_since.map_or(0, |(_, since)| core.disk.now().saturating_sub(since));
            let left = self.options.drain_ns.saturating_sub(waited).max(1_000_000);
            shared.work.wait_timeout(Duration::from_nanos(left), asked);
            return;
        }
        let signals = &shared.progress.0.signals;
        signals.fetch_or(SIGNAL_ASLEEP, Ordering::SeqCst);
        shared.work.wait_timeout(DEEP_SLEEP, || asked() || shared.appended() > written);
        signals.fetch_and(!SIGNAL_ASLEEP, Ordering::SeqCst);
    }
}

/// Whoever waits for a pump that is gone is told so.
impl Drop for Pump {
    fn drop(&mut self) {
        let shared = self.shared();
        if shared.stopped().is_some() {
            return;
        }
        if std::thread::panicking() {
            shared.set_poison(WalError::PumpLost);
        } else {
            shared.set_closed();
        }
    }
}
