//! One run: a disk, a store on it, the reference, and what happens between them.

use std::path::Path;
use std::sync::Arc;

use ringwood::{Cursor, Db, Keyspace, Options, Snapshot};
use ringwood_ring::{Arena, Disk, SimConfig, SimDisk, SyncFailure};

use super::counts::Counts;
use super::faults::Fault;
use super::lies::Lie;
use super::loads::Load;
use super::mode::Mode;
use super::plan::{Exact, Plan};
use super::shape::Shape;
use super::writes::outcome;
use crate::failure;
use crate::reference::{Bytes, Loss, Reference, SpaceId};
use crate::rng::Rng;

/// Where the store is on the simulated disk.
pub(super) const DIR: &str = "/data";
/// Lines of the trail that a failure prints.
const TRAIL_LINES: usize = 60;

/// A keyspace of the store and its number in the reference.
#[derive(Clone)]
pub(super) struct Space {
    pub(super) id: SpaceId,
    pub(super) handle: Keyspace,
}

/// A run, see the module documentation.
pub(super) struct Run {
    pub(super) plan: Plan,
    pub(super) mode: Mode,
    pub(super) rng: Rng,
    pub(super) disk: Arc<SimDisk>,
    pub(super) options: Options,
    pub(super) shape: Shape,
    pub(super) reference: Reference,
    pub(super) db: Option<Db>,
    pub(super) spaces: Vec<Space>,
    /// Handles of keyspaces that were dropped.
    pub(super) dropped: Vec<Space>,
    /// Snapshots and the commit that they were taken at.
    pub(super) snapshots: Vec<(Snapshot, u64)>,
    pub(super) cursors: Vec<(Cursor, SpaceId, u64)>,
    pub(super) loading: Option<Load>,
    /// Keys written lately, to be met again.
    pub(super) keys: Vec<Bytes>,
    pub(super) fault: Option<Fault>,
    pub(super) lie: Option<Lie>,
    /// Whether a failed sync reverts what was not durable, and the faults that had struck when the store was last opened.
    pub(super) reverts: bool,
    pub(super) strikes: u64,
    /// Tags values.
    pub(super) tag: u64,
    /// The heaviest loss since the reference last agreed with the store.
    pub(super) loss: Loss,
    trail: Vec<String>,
    pub(super) counts: Counts,
    /// Prints the trail as it grows (`RINGWOOD_LIVE=1`), for runs that hang.
    is_live: bool,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// What happened, line by line.
    pub trail: Vec<String>,
    /// Operations of the disk, and a checksum of each file.
    pub print: (u64, Vec<(String, u32)>),
    /// Faults that struck.
    pub strikes: u64,
    /// The same in numbers.
    pub counts: Counts,
}

/// Makes one run.
///
/// # Panics
/// If the store is wrong. The run's last steps are printed then, unless this thread is [muted](crate::failure::is_muted).
#[must_use]
pub fn run(plan: &Plan) -> Outcome {
    let outcome = Run::new(plan).go();
    // Of the memory for I/O nothing is left: neither by crashes nor by failures.
    assert_eq!(arena().allocated(), 0, "bytes of I/O memory that nobody gave back");
    outcome
}

/// One arena for all runs of a thread: making one costs more than a short run.
fn arena() -> Arc<Arena> {
    thread_local!(static ARENA: Arc<Arena> = Arena::new(128 << 20).expect("address space"));
    ARENA.with(Arc::clone)
}

impl Run {
    fn new(plan: &Plan) -> Self {
        let mode = plan.mode;
        let mut rng = Rng::new(plan.seed ^ (mode as u64) << 56);
        let mut config: SimConfig = mode.disk(&mut rng);
        config.trace_events = if plan.traced { 20_000 } else { 0 };
        let reverts = config.sync_failure == SyncFailure::Revert;
        let disk = SimDisk::new(rng.next(), config, arena());
        let options = mode.options(&mut rng);
        let shape = Shape::draw(&mut rng);
        let mut run = Self {
            plan: plan.clone(),
            mode,
            rng,
            disk,
            options,
            shape,
            reference: Reference::default(),
            db: None,
            spaces: Vec::new(),
            dropped: Vec::new(),
            snapshots: Vec::new(),
            cursors: Vec::new(),
            loading: None,
            keys: Vec::new(),
            fault: None,
            lie: None,
            reverts,
            strikes: 0,
            tag: 0,
            loss: Loss::Process,
            trail: Vec::new(),
            counts: Counts::default(),
            is_live: std::env::var_os("RINGWOOD_LIVE").is_some(),
        };
        run.note(format!("{:?} {:?}", run.options, run.shape));
        run
    }

    /// Adds to the trail that a failure prints, and that a replay must repeat.
    pub(super) fn note(&mut self, line: impl Into<String>) {
        let line = line.into();
        let line = format!("{:>7} {:>5} {line}", self.disk.operations(), self.reference.now());
        if self.is_live {
            eprintln!("{line}");
        }
        self.trail.push(line);
    }

    pub(super) fn db(&self) -> &Db {
        self.db.as_ref().expect("open between crashes")
    }

    /// Runs it to its end.
    fn go(mut self) -> Outcome {
        let count = self.mode.operations(&mut self.rng);
        let base = self.rng.next();
        self.prepare();
        self.recover();
        let only = self.plan.only.take().map(|o| o.0);
        for number in only.unwrap_or_else(|| (0..count).collect()) {
            failure::at_operation(number);
            self.rng = Rng::new(base ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            if self.disk.is_dead() {
                self.note("the cut was reached");
                self.check_exact_images();
                self.crash();
            }
            if self.db.is_none() {
                break;
            }
            self.counts.operations += 1;
            self.operation();
            self.age_fault();
            self.watch_lie();
        }
        self.rng = Rng::new(base);
        if self.disk.is_dead() {
            self.crash();
        }
        if self.db.is_some() {
            self.end_faults();
            self.reopen();
        }
        let names = self.disk.file_names();
        let print = |path: &std::path::PathBuf| {
            let bytes = self.disk.read_raw(path).expect("it was listed");
            (path.display().to_string(), crc32fast::hash(&bytes))
        };
        let print = (self.disk.operations(), names.iter().map(print).collect());
        (self.counts.runs, self.counts.disk_operations) = (1, self.disk.operations());
        let strikes = self.disk.strikes();
        Outcome { trail: std::mem::take(&mut self.trail), print, strikes, counts: self.counts }
    }

    /// Sees to it that what the plan names goes wrong.
    fn prepare(&mut self) {
        match self.plan.exact.clone() {
            None => {}
            Some(Exact::Fault(plan)) if self.mode == Mode::Lies => {
                self.expect_lie(false);
                self.disk.fail_next(plan);
            }
            Some(Exact::Fault(plan)) => {
                self.disk.fail_next(plan);
                self.fault = Some(Fault::lasting());
            }
            Some(Exact::Cut { after, .. }) => self.disk.crash_after(after),
        }
    }

    fn operation(&mut self) {
        match self.rng.below(100) {
            0..=36 => self.write(),
            37..=39 => self.load(),
            40..=69 => self.read(),
            70..=76 => self.move_cursor(),
            77..=80 => self.take_or_drop_snapshot(),
            81..=83 => self.flush(),
            84 => self.compact(),
            85..=89 => self.step(),
            90..=92 => self.change_keyspaces(),
            93 => self.look_at_stats(),
            94..=95 => self.use_dropped_keyspace(),
            _ => self.upset(),
        }
    }

    /// A reopening, a crash, or something else that does not happen in the store's own time.
    fn upset(&mut self) {
        if !self.mode.crashes_at_random() || self.rng.one_in(4) {
            return self.inject_fault();
        }
        match self.rng.below(6) {
            0 => self.reopen(),
            1 => {
                let after = self.rng.skewed(3000);
                self.note(format!("cut after {after}"));
                self.disk.crash_after(after);
            }
            2 | 3 => self.check_images(),
            4 if self.rng.one_in(2) => {
                self.disk.crash_after(0);
                self.crash();
            }
            _ => {}
        }
    }

    /// Makes background steps.
    fn step(&mut self) {
        let steps = self.rng.skewed(200);
        let made = (0..steps).take_while(|_| self.db().step()).count();
        self.note(format!("step: {made} of {steps}"));
    }

    /// Closes the store in good order, or lets go of it, and opens it again. Nothing is lost, whatever its durability.
    pub(super) fn reopen(&mut self) {
        let keeps_snapshots = self.rng.one_in(2);
        self.note(format!("reopen, snapshots stay: {keeps_snapshots}"));
        if !keeps_snapshots {
            self.let_go_of_readers();
        }
        self.spaces.clear();
        self.dropped.clear();
        let Some(db) = self.db.take() else { return };
        // Letting go of the last handle closes too, but cannot say how that went.
        let closed = if self.rng.one_in(4) {
            self.loading = None;
            drop(db);
            (!self.mode.is_faulty()).then_some(Ok(()))
        } else {
            if self.rng.one_in(2) {
                self.loading = None;
            }
            let closed = db.close();
            self.end_load_after_close();
            Some(closed)
        };
        if self.disk.is_dead() {
            return self.crash();
        }
        self.note(format!("closed: {}", closed.as_ref().map_or("unknown".into(), outcome)));
        match closed {
            Some(Ok(())) => self.reference.flushed(),
            Some(Err(error)) => self.expect_failure("close", &error),
            None => {}
        }
        // Snapshots and cursors outlive the store's handles.
        self.read_old_views();
        self.let_go_of_readers();
        self.loss = Loss::Process;
        self.recover();
    }

    pub(super) fn let_go_of_readers(&mut self) {
        self.snapshots.clear();
        self.cursors.clear();
    }

    /// The process dies or the power fails, now or at the cut that was set, and the store is opened again.
    pub(super) fn crash(&mut self) {
        if !self.disk.is_dead() {
            // Cut before anything is let go of: a dying process runs no destructors. The next operation, any, meets the cut.
            self.disk.crash_after(0);
            assert!(self.disk.list(Path::new("/")).is_err());
        }
        self.let_go_of_readers();
        self.loading = None;
        self.spaces.clear();
        self.dropped.clear();
        self.db = None;
        self.die_and_recover();
    }

    /// Ends the run here.
    pub(super) fn abandon(&mut self) {
        self.note("abandoned");
        self.let_go_of_readers();
        self.loading = None;
        self.spaces.clear();
        self.dropped.clear();
        self.db = None;
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if std::thread::panicking() && !failure::is_muted() {
            let first = self.trail.len().saturating_sub(TRAIL_LINES);
            eprintln!("{:?}: operation of the disk, commit, what:", self.mode);
            self.trail[..1].iter().chain(&self.trail[first.max(1)..]).for_each(|line| eprintln!("{line}"));
            if let Ok(path) = std::env::var("RINGWOOD_TRACE") {
                write_trace(Path::new(&path), &self.disk);
            }
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a test's own file")]
fn write_trace(path: &Path, disk: &SimDisk) {
    if let Err(error) = std::fs::write(path, disk.trace()) {
        eprintln!("{}: {error}", path.display());
    }
}
