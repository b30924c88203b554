//! The pump: moves staged bytes to the segments, makes them durable, and keeps segments ready.
//!
//! A state machine with one owner: the log thread, which calls [`run`](Pump::run), or a simulation, which calls
//! [`step`](Pump::step). A step begins what is due, takes in what the disk has completed, and returns.
//!
//! One commit group is in flight at a time; whatever is appended meanwhile forms the next. A group is begun when someone waits
//! for bytes in it, or enough bytes or time have gathered. If someone wants durability it is one chain, a write linked to a
//! sync, in one enter, however many waiters it serves.
//!
//! Any failed write or sync of log ends all writing (the log is *poisoned*) and is never retried: after a failed sync the kernel
//! may have dropped the bytes and would report success for nothing. A disk that is full while the *next* segment is prepared is
//! no such failure: appends that would need that segment are refused until it can be had.

pub(crate) mod group;
pub(crate) mod prepare;
pub(crate) mod segments;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ringwood_ring::{Completion, Disk, Lane};

use crate::shared::{SIGNAL_ASLEEP, Shared};
use crate::staging::ring::Consumer;
use crate::stats::count;
use crate::{Result, WalError, WalOptions};
use group::GroupWriter;
use prepare::{Prepared, Preparer};
use segments::Segments;

/// Operations in flight: the pieces of a group and its sync, and those of a preparation.
pub(crate) const LANE_DEPTH: u32 = 8;
const _: () = assert!(group::PIECES_MAX + 1 + 2 <= LANE_DEPTH as usize);

/// Segments become so large that a log of any length is about so many.
const LIVE_SEGMENTS_AIM: u64 = 16;
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
    pub(crate) shared: Arc<Shared>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: WalOptions,
    pub(crate) lane: Box<dyn Lane>,
    pub(crate) staging: Consumer,
    pub(crate) segments: Segments,
    pub(crate) writer: GroupWriter,
    pub(crate) preparer: Preparer,
    done: Vec<Completion>,
    /// When staged bytes were first seen that are not written.
    staged_since: Option<u64>,
    /// When the segment that is filled now was bound.
    bound_at: u64,
    /// No try for a segment before, unless someone asks.
    retry_at: u64,
    quiet_rounds: u32,
    /// The release position that the last step acted on.
    released: crate::Lsn,
}

impl std::fmt::Debug for Pump {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pump(written to {})", self.writer.written())
    }
}

impl Pump {
    #[allow(clippy::too_many_arguments, reason = "the one call is at the end of recovery")]
    pub(crate) fn new(
        shared: Arc<Shared>,
        disk: Arc<dyn Disk>,
        options: WalOptions,
        lane: Box<dyn Lane>,
        staging: Consumer,
        segments: Segments,
        writer: GroupWriter,
        preparer: Preparer,
    ) -> Self {
        let bound_at = disk.now();
        let pump = Self {
            shared,
            disk,
            options,
            lane,
            staging,
            segments,
            writer,
            preparer,
            done: Vec::with_capacity(LANE_DEPTH as usize),
            staged_since: None,
            bound_at,
            retry_at: 0,
            quiet_rounds: 0,
            released: 0,
        };
        pump.publish_segments();
        pump
    }

    /// Makes one step: begins what is due, takes in what has completed. With `wait` it blocks until operations in flight
    /// complete, if nothing else is to be done; it never waits for appends.
    ///
    /// # Errors
    /// [`Poisoned`](WalError::Poisoned) once a write or sync has failed, from then on always.
    pub fn step(&mut self, wait: bool) -> Result<Progress> {
        if let Some(reason) = self.shared.poisoned().cloned() {
            self.drain_lane();
            return Err(reason);
        }
        if self.shared.is_closed() {
            return Ok(Progress::Closed);
        }
        self.step_inner(wait).map_err(|error| {
            let reason = self.shared.set_poison(error);
            self.drain_lane();
            reason
        })
    }

    fn step_inner(&mut self, wait: bool) -> Result<Progress> {
        let mut worked = self.begin_due_group()?;
        // What is released may be the next segment.
        worked |= self.recycle_one()?;
        worked |= self.prepare()?;
        let in_flight = self.lane.in_flight();
        if in_flight > 0 {
            // All of a group in one enter; of other work whatever comes first.
            let min = match (wait, self.writer.in_flight()) {
                (false, _) => 0,
                (true, 0) => 1,
                (true, group) => group,
            };
            worked |= self.lane.reap(min, &mut self.done)? > 0;
            self.complete()?;
            return Ok(if worked { Progress::Worked } else { Progress::Waiting });
        }
        if worked {
            return Ok(Progress::Worked);
        }
        if self.shared.requests.0.close.load(Ordering::SeqCst) && self.is_settled() {
            self.shared.set_closed();
            return Ok(Progress::Closed);
        }
        Ok(Progress::Idle)
    }

    fn is_settled(&mut self) -> bool {
        let tail = self.staging.refresh();
        tail == self.shared.durable() && !self.writer.is_busy()
    }

    /// Begins the next group if one is due.
    fn begin_due_group(&mut self) -> Result<bool> {
        if self.writer.is_busy() {
            return Ok(false);
        }
        let tail = self.staging.refresh();
        let shared = Arc::clone(&self.shared);
        let requests = &shared.requests.0;
        let (written, durable) = (self.writer.written(), shared.durable());
        let closing = requests.close.load(Ordering::SeqCst);
        let sync = tail > durable
            && (closing
                || requests.durable.load(Ordering::SeqCst) > durable
                || tail - durable >= self.options.unsynced_bytes_max);
        let staged = tail - written;
        if staged == 0 {
            self.staged_since = None;
        }
        let due = sync
            || staged >= self.options.drain_bytes
            || (staged > 0
                && (requests.written.load(Ordering::SeqCst) > written
                    || requests.staging_room.load(Ordering::SeqCst)
                    || self.is_overdue()));
        if !due {
            return Ok(false);
        }
        requests.staging_room.store(false, Ordering::SeqCst);
        self.staged_since = None;
        count(&self.shared.counts.groups, u64::from(staged > 0));
        count(&self.shared.counts.group_bytes, staged);
        self.writer.begin(tail, sync, &self.segments, &self.staging, &mut *self.lane)?;
        Ok(true)
    }

    /// Whether staged bytes have waited long enough. Looks at the clock.
    fn is_overdue(&mut self) -> bool {
        let now = self.disk.now();
        let since = *self.staged_since.get_or_insert(now);
        now.saturating_sub(since) >= self.options.drain_ns
    }

    /// Goes on preparing the next segment, or begins to.
    fn prepare(&mut self) -> Result<bool> {
        if self.shared.requests.0.close.load(Ordering::SeqCst) {
            // What was begun is left as it is; the next opening uses it or removes it.
            return Ok(false);
        }
        let (link, durable) = (self.segments.next_link(), self.shared.durable());
        let step = if self.preparer.is_idle() {
            match self.wanted_capacity() {
                None => return Ok(false),
                Some(Ok(capacity)) => {
                    self.preparer.start(capacity, link, durable, &mut *self.lane).map(|()| Prepared::Worked)
                }
                Some(Err(full)) => Err(full),
            }
        } else {
            self.preparer.step(link, durable, &mut *self.lane)
        };
        self.shared.counts.segments_created.store(self.preparer.created, Ordering::Relaxed);
        match step {
            Ok(Prepared::Nothing) => Ok(false),
            Ok(Prepared::Worked) => Ok(true),
            Ok(Prepared::Bound(segment)) => {
                self.bound_at = self.disk.now();
                self.shared.set_limit(segment.end());
                self.segments.push(segment);
                self.publish_segments();
                Ok(true)
            }
            Err(error) if error.may_pass() => {
                self.retry_at = self.disk.now().saturating_add(RETRY_NS);
                let reason = match error {
                    WalError::Full { reason } => reason,
                    other => other.to_string(),
                };
                self.shared.set_full(reason);
                self.publish_segments();
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// The payload bytes of the segment to prepare now, if one is wanted, or why there may be none.
    fn wanted_capacity(&mut self) -> Option<Result<u64>> {
        let requests = &self.shared.requests.0;
        let asked = requests.segment.load(Ordering::SeqCst);
        let (min, max) = (self.options.segment_bytes_min, self.options.segment_bytes_max);
        let capacity = match self.segments.last() {
            None => min,
            Some(last) => {
                // Half of the newest segment is time enough to prepare its successor.
                let filled = self.staging.refresh().saturating_sub(last.start);
                if !asked && filled < last.capacity / 2 {
                    return None;
                }
                let elapsed = self.disk.now().saturating_sub(self.bound_at);
                let by_rate = prepare::next_capacity(last.capacity, filled, elapsed, min, max);
                // A slow writer's log may still grow long: few files, each of which costs a descriptor.
                let by_length = (self.segments.file_bytes() / LIVE_SEGMENTS_AIM).next_power_of_two();
                by_rate.max(by_length).min(max)
            }
        };
        if !asked && self.shared.full_reason().is_some() && self.disk.now() < self.retry_at {
            return None;
        }
        let room = self.options.log_bytes_max.saturating_sub(self.segments.file_bytes());
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
        Some(Ok(if file_bytes(capacity) > room { min } else { capacity }))
    }

    /// Recycles or removes one segment that is released or cut off.
    fn recycle_one(&mut self) -> Result<bool> {
        self.released = self.shared.requests.0.released.load(Ordering::SeqCst);
        let is_full = self.shared.full_reason().is_some();
        let written = self.writer.written();
        let Some(segment) = self.segments.pop_released(self.released, written, is_full) else {
            return Ok(false);
        };
        if self.lane.in_flight() > 0 {
            // What is queued goes to the disk now rather than after the directory.
            self.lane.submit()?;
        }
        // On a full disk any segment is better than none.
        let last = self.segments.last().filter(|_| !is_full);
        let capacity_min = last.map_or(0, |s| s.capacity);
        let kept = self.preparer.recycle(&segment, capacity_min)?;
        let counts = &self.shared.counts;
        count(if kept { &counts.segments_recycled } else { &counts.segments_removed }, 1);
        self.retry_at = 0;
        self.publish_segments();
        Ok(true)
    }

    fn publish_segments(&self) {
        self.segments.publish(&self.shared);
        let spare = &self.shared.counts.spare_bytes;
        spare.store(self.preparer.spare_bytes(), Ordering::Relaxed);
    }

    /// Takes in what the lane has completed.
    fn complete(&mut self) -> Result<()> {
        let mut done = std::mem::take(&mut self.done);
        let mut first_error = None;
        for completion in done.drain(..) {
            if !matches!(completion.token, group::WRITE | group::SYNC) {
                self.preparer.complete(completion);
                continue;
            }
            let before = self.writer.syncs;
            let over = self.writer.complete(completion, &self.segments, &self.staging, &mut *self.lane);
            match over {
                Ok(None) => {}
                Ok(Some(finished)) => self.finish(finished),
                Err(error) => first_error = first_error.or(Some(error)),
            }
            debug_assert!(self.writer.syncs >= before);
        }
        self.shared.counts.syncs.store(self.writer.syncs, Ordering::Relaxed);
        self.done = done;
        first_error.map_or(Ok(()), Err)
    }

    /// A group is over: says so.
    fn finish(&mut self, finished: group::Finished) {
        let progress = &self.shared.progress.0;
        progress.written.store(finished.end, Ordering::Release);
        progress.durable.store(finished.durable, Ordering::Release);
        self.staging.free(finished.end);
        self.shared.settled.notify();
        self.shared.room.notify();
    }

    /// After a failure: waits for what is in flight, so that its buffers come home.
    fn drain_lane(&mut self) {
        while self.lane.in_flight() > 0 {
            let all = self.lane.in_flight();
            let reaped = self.lane.reap(all, &mut self.done);
            self.done.clear();
            if reaped.is_err() {
                break;
            }
        }
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
        let shared = Arc::clone(&self.shared);
        let (written, drain_bytes) = (self.writer.written(), self.options.drain_bytes);
        let released = self.released;
        let asked = || {
            let requests = &shared.requests.0;
            requests.close.load(Ordering::SeqCst)
                || requests.durable.load(Ordering::SeqCst) > shared.durable()
                || requests.segment.load(Ordering::SeqCst)
                || requests.released.load(Ordering::SeqCst) > released
                || shared.appended() - written >= drain_bytes
                || (shared.appended() > written
                    && (requests.staging_room.load(Ordering::SeqCst)
                        || requests.written.load(Ordering::SeqCst) > written))
        };
        let staged = shared.appended() > written;
        self.quiet_rounds = if staged { 0 } else { self.quiet_rounds + 1 };
        if self.quiet_rounds <= QUIET_ROUNDS_MAX {
            let waited = self.staged_since.map_or(0, |since| self.disk.now().saturating_sub(since));
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
        if self.shared.stopped().is_some() {
            return;
        }
        if std::thread::panicking() {
            self.shared.set_poison(WalError::PumpLost);
        } else {
            self.shared.set_closed();
        }
    }
}
