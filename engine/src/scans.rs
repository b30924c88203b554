//! Reads for cursors: by the cursor's own thread, and ahead of it by one of the store's.
//!
//! A short scan reads for itself: a lane of the pool, one enter, nothing in flight when its call returns (rule R0). A long one would leave the disk idle
//! while it walks through what it has. So it asks for *runs* of blocks ([`RunRead`]) that the store's scan thread reads on a lane of its own, and
//! checks, while the cursor goes on.
//!
//! *Bounds.* A cursor has a megabyte under way at most (`ringwood_sstable`), all together a sixteenth of the memory budget and [`RUNS_MAX`] runs: who
//! gets none reads for itself. A run that no cursor waits for any more is not begun; one that has been begun ends unheard. When the store closes, runs that are not begun are given
//! up, and cursors that live on read for themselves.
//!
//! In the simulation there is no thread: the run is read at once, inside the call that asks for it.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ringwood_ring::{Arena, Class, Completion, Disk, Gate, Lane, LanePool, LaneSpec, Owner};
use ringwood_sstable::{BlockFetch, FetchLane, RUN_BYTES_MAX, Result, RunRead, RunReader};

/// Runs of all cursors that are under way, or read and not begun, at most: 16 MiB.
const RUNS_MAX: usize = 64;
/// Part of the memory budget that they take at most, but for [`RUNS_MIN`].
const MEMORY_PART: u64 = 16;
/// As many as one cursor wants.
const RUNS_MIN: usize = 4;
/// Runs that the thread has in flight together.
const LANE_DEPTH: u32 = 16;

/// See the module documentation.
pub(crate) struct Scans {
    lanes: Arc<LanePool>,
    disk: Arc<dyn Disk>,
    /// Runs that nobody has begun to read.
    queue: Mutex<VecDeque<RunRead>>,
    work: Gate,
    /// Whether the thread takes runs.
    has_thread: AtomicBool,
    closing: AtomicBool,
    /// A clone for each run that is alive, and how many there may be.
    lease: Arc<()>,
    runs_max: usize,
    /// Runs asked for so far.
    runs: AtomicU64,
    is_stepped: bool,
}

impl Scans {
    /// Of a store with a budget of `memory` bytes.
    pub(crate) fn new(lanes: Arc<LanePool>, disk: &Arc<dyn Disk>, memory: u64, is_stepped: bool) -> Self {
        let runs = memory / MEMORY_PART / RUN_BYTES_MAX as u64;
        Self {
            runs_max: runs.clamp(RUNS_MIN as u64, RUNS_MAX as u64) as usize,
            lanes,
            disk: Arc::clone(disk),
            queue: Mutex::default(),
            work: Gate::new(),
            has_thread: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            lease: Arc::default(),
            runs: AtomicU64::new(0),
            is_stepped,
        }
    }

    /// How often a cursor had something to read.
    pub(crate) fn reads(&self) -> u64 {
        self.lanes.checkouts() + self.runs.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<RunRead>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the thread, after the runs that it has in flight.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.work.notify();
    }

    /// Body of the thread.
    pub(crate) fn run(&self) {
        self.has_thread.store(true, Ordering::SeqCst);
        let ran = catch_unwind(AssertUnwindSafe(|| self.read_runs()));
        // Whatever ended it: who comes now reads for themselves, and nobody waits for what is left.
        self.has_thread.store(false, Ordering::SeqCst);
        self.lock().clear();
        match ran {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log::warn!("reading ahead ends: {error}"),
            Err(_) => log::error!("the scan thread panicked; scans go on without reading ahead"),
        }
    }

    fn read_runs(&self) -> Result<()> {
        let is_closing = || self.closing.load(Ordering::SeqCst);
        self.work.wait_until(|| is_closing() || !self.lock().is_empty());
        if is_closing() {
            return Ok(());
        }
        // Made now: most stores are never scanned for long.
        let spec = LaneSpec { class: Class::Scan, depth: LANE_DEPTH, owner: Owner::Thread };
        let mut lane = self.disk.lane(spec)?;
        let mut runs = Flight::default();
        while !is_closing() {
            while lane.room() > 0
                && let Some(read) = self.next()
            {
                runs.push(read, &mut *lane, self.disk.arena());
            }
            if lane.in_flight() == 0 {
                self.work.wait_until(|| is_closing() || !self.lock().is_empty());
            } else {
                runs.reap(&mut *lane)?;
            }
        }
        while lane.in_flight() > 0 {
            runs.reap(&mut *lane)?;
        }
        Ok(())
    }

    /// The next run that somebody waits for.
    fn next(&self) -> Option<RunRead> {
        let mut queue = self.lock();
        while let Some(read) = queue.pop_front() {
            if read.is_wanted() {
                return Some(read);
            }
        }
        None
    }
}

impl FetchLane for Scans {
    fn fetch(&self, fetch: &mut BlockFetch) -> Result<()> {
        self.lanes.fetch(fetch)
    }

    fn read_ahead(&self, read: RunRead) -> bool {
        if self.is_stepped {
            let Ok(mut lane) = self.lanes.checkout() else { return false };
            let mut runs = Flight::default();
            runs.push(read, &mut *lane, self.disk.arena());
            while lane.in_flight() > 0 && runs.reap(&mut *lane).is_ok() {}
            return true;
        }
        if !self.has_thread.load(Ordering::SeqCst) || Arc::strong_count(&self.lease) > self.runs_max {
            return false;
        }
        read.keep(Arc::clone(&self.lease));
        self.runs.fetch_add(1, Ordering::Relaxed);
        let mut queue = self.lock();
        // Under the lock: a thread that ends clears the queue after it said so.
        if !self.has_thread.load(Ordering::SeqCst) {
            return false;
        }
        queue.push_back(read);
        drop(queue);
        self.work.notify();
        true
    }
}

/// Runs in flight on one lane, by token.
#[derive(Default)]
struct Flight {
    reads: Vec<Option<RunRead>>,
    reader: RunReader,
    done: Vec<Completion>,
}

impl Flight {
    /// Pushes the read of a run. Without memory or room for it the run is given up.
    fn push(&mut self, read: RunRead, lane: &mut dyn Lane, arena: &Arc<Arena>) {
        let Some(op) = read.op(arena) else { return };
        let free = self.reads.iter().position(Option::is_none);
        let token = free.unwrap_or_else(|| {
            self.reads.push(None);
            self.reads.len() - 1
        });
        if lane.push(token as u64, op).is_ok() {
            self.reads[token] = Some(read);
        }
    }

    /// Waits for one completion at least, and ends the runs that have arrived.
    fn reap(&mut self, lane: &mut dyn Lane) -> Result<()> {
        lane.reap(1, &mut self.done)?;
        for completion in self.done.drain(..) {
            if let Some(read) = self.reads.get_mut(completion.token as usize).and_then(Option::take) {
                self.reader.complete(read, completion);
            }
        }
        Ok(())
    }
}
