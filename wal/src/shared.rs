//! What appender, pump and waiters share: counters, requests, and the end of all things.
//!
//! All of it is atomics and gates. The two locks (segment list, reason of being full) are held for a few instructions each and
//! never while anyone waits or steps.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use ringwood_ring::{Gate, Stepper};

use crate::staging::ring::Watch;
use crate::stats::Counts;
use crate::turns::Turns;
use crate::{Lsn, WalError};

/// Keeps what different threads write on different cache lines (two, since they are fetched in pairs).
#[repr(align(128))]
#[derive(Debug, Default)]
pub(crate) struct Padded<T>(pub(crate) T);

/// The pump sleeps deeply: an append must wake it.
pub(crate) const SIGNAL_ASLEEP: u8 = 1;
/// The log is poisoned or closed: an append must look why.
pub(crate) const SIGNAL_STOPPED: u8 = 2;

/// Written by the pump, read by every append.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Everything before is on disk in segments, durable or not.
    pub(crate) written: AtomicU64,
    /// Everything before is durable. The end of a record, always: records carry it as their promise.
    pub(crate) durable: AtomicU64,
    /// Segments exist up to here: no record may end beyond.
    pub(crate) limit: AtomicU64,
    /// `SIGNAL_*` bits.
    pub(crate) signals: AtomicU8,
}

/// Written by everyone, read by the pump.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    /// Someone waits for this position to be written (where staging does not survive the process).
    pub(crate) written: AtomicU64,
    /// Everything before is not needed any more.
    pub(crate) released: AtomicU64,
    /// The appender needs staging room.
    pub(crate) staging_room: AtomicBool,
    /// The appender needs a further segment.
    pub(crate) segment: AtomicBool,
    /// Write all, sync all, stop.
    pub(crate) close: AtomicBool,
}

/// What the log tells about one of its segments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SegmentSpan {
    pub(crate) start: Lsn,
    pub(crate) file_bytes: u64,
}

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) progress: Padded<Progress>,
    pub(crate) requests: Padded<Requests>,
    /// Who wants durability, and who sees to it.
    pub(crate) turns: Padded<Turns>,
    /// Batches appended since the log was opened. Only the appender writes it.
    pub(crate) records: Padded<AtomicU64>,
    pub(crate) counts: Counts,
    pub(crate) staging: Watch,
    /// When the log thread gives up gathering.
    pub(crate) gather_until: AtomicU64,
    /// The log thread wants to look after segments when the tail is here.
    prepare_at: AtomicU64,
    /// No threads: who waits steps.
    pub(crate) is_stepped: bool,
    /// Whether staged bytes survive the death of the process.
    pub(crate) staging_survives: bool,
    poison: OnceLock<WalError>,
    closed: AtomicBool,
    /// How often a segment could not be had, and why the last time.
    pub(crate) full_count: AtomicU64,
    full: Mutex<Option<String>>,
    segments: Mutex<Vec<SegmentSpan>>,
    /// The pump sleeps here.
    pub(crate) work: Gate,
    /// Those who wait for `written` or `durable`, or for the end.
    pub(crate) settled: Gate,
    /// The appender waits here for room.
    pub(crate) room: Gate,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(staging: Watch, staging_survives: bool, stepper: Option<Stepper>) -> Self {
        let start = staging.tail();
        let shared = Self {
            progress: Padded::default(),
            requests: Padded::default(),
            turns: Padded(Turns::new()),
            records: Padded::default(),
            counts: Counts::default(),
            staging,
            gather_until: AtomicU64::new(0),
            prepare_at: AtomicU64::new(Lsn::MAX),
            is_stepped: stepper.is_some(),
            staging_survives,
            poison: OnceLock::new(),
            closed: AtomicBool::new(false),
            full_count: AtomicU64::new(0),
            full: Mutex::default(),
            segments: Mutex::default(),
            work: Gate::new(),
            settled: Gate::with_stepper(stepper.clone()),
            room: Gate::with_stepper(stepper),
        };
        for counter in [&shared.progress.0.written, &shared.progress.0.durable, &shared.progress.0.limit] {
            counter.store(start, Ordering::Relaxed);
        }
        shared
    }

    pub(crate) fn appended(&self) -> Lsn {
        self.staging.tail()
    }

    pub(crate) fn written(&self) -> Lsn {
        self.progress.0.written.load(Ordering::Acquire)
    }

    pub(crate) fn durable(&self) -> Lsn {
        self.progress.0.durable.load(Ordering::Acquire)
    }

    pub(crate) fn limit(&self) -> Lsn {
        self.progress.0.limit.load(Ordering::Acquire)
    }

    /// The log thread says from which position on it wants to look after segments.
    pub(crate) fn set_prepare_at(&self, lsn: Lsn) {
        self.prepare_at.store(lsn, Ordering::SeqCst);
    }

    /// Whether the tail has come to where the log thread wants to look after segments.
    pub(crate) fn wants_segment(&self) -> bool {
        self.appended() >= self.prepare_at.load(Ordering::SeqCst)
    }

    /// Why no append is taken any more, if so.
    pub(crate) fn stopped(&self) -> Option<WalError> {
        if let Some(reason) = self.poison.get() {
            return Some(reason.clone());
        }
        self.is_closed().then_some(WalError::Closed)
    }

    pub(crate) fn poisoned(&self) -> Option<&WalError> {
        self.poison.get()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Ends all writing for `reason`; the first reason stays. Returns it.
    pub(crate) fn set_poison(&self, reason: WalError) -> WalError {
        let reason = self.poison.get_or_init(|| {
            log::error!("the log stops: {reason}");
            reason.into_poison()
        });
        self.stop();
        reason.clone()
    }

    pub(crate) fn set_closed(&self) {
        self.closed.store(true, Ordering::Release);
        self.stop();
    }

    fn stop(&self) {
        self.progress.0.signals.fetch_or(SIGNAL_STOPPED, Ordering::SeqCst);
        self.settled.notify();
        self.room.notify();
        self.work.notify();
    }

    /// Says that no further segment can be had now.
    pub(crate) fn set_full(&self, reason: String) {
        let mut full = lock(&self.full);
        if full.is_none() {
            log::warn!("the log cannot grow: {reason}");
        }
        *full = Some(reason);
        drop(full);
        self.requests.0.segment.store(false, Ordering::SeqCst);
        self.full_count.fetch_add(1, Ordering::SeqCst);
        self.room.notify();
    }

    /// A segment was had.
    pub(crate) fn set_limit(&self, limit: Lsn) {
        *lock(&self.full) = None;
        self.requests.0.segment.store(false, Ordering::SeqCst);
        self.progress.0.limit.store(limit, Ordering::Release);
        self.room.notify();
    }

    /// Why no further segment can be had, if so.
    pub(crate) fn full_reason(&self) -> Option<String> {
        lock(&self.full).clone()
    }

    pub(crate) fn set_segments(&self, spans: impl Iterator<Item = SegmentSpan>) {
        let mut segments = lock(&self.segments);
        segments.clear();
        segments.extend(spans);
    }

    pub(crate) fn with_segments<T>(&self, look: impl FnOnce(&[SegmentSpan]) -> T) -> T {
        look(&lock(&self.segments))
    }
}
