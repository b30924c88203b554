//! One run: a disk, a store on it, the reference, and what happens between them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ringwood::{Cursor, Db, Keyspace, Options, Snapshot};
use ringwood_ring::{Arena, Disk, SimConfig, SimDisk};
use ringwood_tests::reference::{Bytes, DEFAULT, Entries, Loss, Reference, SpaceId};
use ringwood_tests::rng::Rng;

use crate::faults::Fault;
use crate::loads::Load;
use crate::mode::Mode;
use crate::shape::Shape;
use crate::writes::outcome;

/// Where the store is on the simulated disk.
pub(crate) const DIR: &str = "/data";
/// Lines of the trail that a failure prints.
const TRAIL_LINES: usize = 60;

/// A keyspace of the store and its number in the reference.
#[derive(Clone)]
pub(crate) struct Space {
    pub(crate) id: SpaceId,
    pub(crate) handle: Keyspace,
}

/// A run, see the module documentation.
pub(crate) struct Run {
    pub(crate) mode: Mode,
    pub(crate) rng: Rng,
    pub(crate) disk: Arc<SimDisk>,
    pub(crate) options: Options,
    pub(crate) shape: Shape,
    pub(crate) reference: Reference,
    pub(crate) db: Option<Db>,
    pub(crate) spaces: Vec<Space>,
    /// Handles of keyspaces that were dropped.
    pub(crate) dropped: Vec<Space>,
    /// Snapshots and the commit that they were taken at.
    pub(crate) snapshots: Vec<(Snapshot, u64)>,
    pub(crate) cursors: Vec<(Cursor, SpaceId, u64)>,
    pub(crate) loading: Option<Load>,
    /// Keys written lately, to be met again.
    pub(crate) keys: Vec<Bytes>,
    pub(crate) fault: Option<Fault>,
    /// Tags values.
    pub(crate) tag: u64,
    /// The heaviest loss since the reference last agreed with the store.
    loss: Loss,
    pub(crate) trail: Vec<String>,
    /// Prints the trail as it grows (`RINGWOOD_LIVE=1`), for runs that hang.
    is_live: bool,
}

/// What came of a run.
pub(crate) struct Outcome {
    pub(crate) trail: Vec<String>,
    /// Operations of the disk, and a checksum of each file.
    pub(crate) print: (u64, Vec<(String, u32)>),
}

/// One arena for all runs of a thread: making one costs more than a short run.
fn arena() -> Arc<Arena> {
    thread_local!(static ARENA: Arc<Arena> = Arena::new(128 << 20).expect("address space"));
    ARENA.with(Arc::clone)
}

impl Run {
    pub(crate) fn new(seed: u64, mode: Mode) -> Self {
        let mut rng = Rng::new(seed ^ (mode as u64) << 56);
        let config: SimConfig = mode.disk(&mut rng);
        let disk = SimDisk::new(rng.next(), config, arena());
        let options = mode.options(&mut rng);
        let shape = Shape::draw(&mut rng);
        let mut run = Self {
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
            tag: 0,
            loss: Loss::Process,
            trail: Vec::new(),
            is_live: std::env::var_os("RINGWOOD_LIVE").is_some(),
        };
        run.note(format!("{:?} {:?}", run.options, run.shape));
        run
    }

    /// Adds to the trail that a failure prints, and that a replay must repeat.
    pub(crate) fn note(&mut self, line: impl Into<String>) {
        let line = line.into();
        let line = format!("{:>7} {:>5} {line}", self.disk.operations(), self.reference.now());
        if self.is_live {
            eprintln!("{line}");
        }
        self.trail.push(line);
    }

    pub(crate) fn db(&self) -> &Db {
        self.db.as_ref().expect("open between crashes")
    }

    /// Runs it to its end.
    pub(crate) fn go(mut self) -> Outcome {
        self.recover_from_crash();
        for _ in 0..self.mode.operations(&mut self.rng.clone()) {
            if self.disk.is_dead() {
                self.note("the cut was reached");
                self.crash();
            }
            if self.db.is_none() {
                break;
            }
            self.operation();
            self.age_fault();
        }
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
        Outcome { trail: std::mem::take(&mut self.trail), print }
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
    pub(crate) fn reopen(&mut self) {
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
        self.recover_from_crash();
    }

    pub(crate) fn let_go_of_readers(&mut self) {
        self.snapshots.clear();
        self.cursors.clear();
    }

    /// The process dies or the power fails, now or at the cut that was set, and the store is opened again.
    pub(crate) fn crash(&mut self) {
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
        self.die();
        self.recover_from_crash();
    }

    /// Ends the run here.
    pub(crate) fn abandon(&mut self) {
        self.note("abandoned");
        self.let_go_of_readers();
        self.loading = None;
        self.spaces.clear();
        self.dropped.clear();
        self.db = None;
    }

    fn die(&mut self) {
        if self.rng.one_in(2) {
            self.note("process death");
            self.disk.process_death();
        } else {
            let seed = self.rng.next();
            self.note(format!("power loss {seed:#x}"));
            self.disk.power_loss(seed);
            self.loss = Loss::Power;
        }
    }

    /// Opens the store, with further crashes inside, to depth 3, and compares what is there with what must be.
    fn recover_from_crash(&mut self) {
        for depth in 0.. {
            if depth > 0 && depth <= 3 && self.mode.crashes_at_random() && self.rng.one_in(3) {
                let after = self.rng.skewed(200);
                self.note(format!("cut in the recovery after {after}"));
                self.disk.crash_after(after);
            }
            if self.rng.one_in(3) {
                self.options = self.mode.options(&mut self.rng);
            }
            self.rot_sleeps();
            let opened = self.options.clone().open_on(self.disk.clone(), DIR, true);
            let found = opened.and_then(|db| Ok((contents(&db)?, db)));
            match found {
                _ if self.disk.is_dead() => {
                    drop(found);
                    self.die();
                }
                Ok((found, db)) => return self.take_over(&found, db),
                Err(error) => {
                    self.expect_failure("open", &error);
                    assert!(depth < 1000, "it does not open: {error}");
                    if self.gives_up_on(&error) {
                        return;
                    }
                }
            }
        }
    }

    /// The log is read at opening only, and damage to its last record cannot be told from a write that was cut: no rot there.
    fn rot_sleeps(&self) {
        self.disk.configure(|config| (config.bit_rot, config.misdirected_read) = (0.0, 0.0));
    }

    fn rot_wakes(&self) {
        if self.mode == Mode::Rot {
            self.disk.configure(|config| (config.bit_rot, config.misdirected_read) = (0.002, 0.002));
        }
    }

    fn take_over(&mut self, found: &BTreeMap<String, Entries>, db: Db) {
        let tables = tables_on(&self.disk);
        let known: usize = db.stats().keyspaces.iter().flat_map(|k| &k.levels).map(|l| l.tables).sum();
        if !self.mode.is_faulty() {
            assert_eq!(tables, known, "tables on the disk and in the store, after opening");
        }
        match self.reference.recover(self.loss, found) {
            Ok(recovered) => self.note(format!("open: {recovered:?}")),
            Err(complaint) => panic!("{complaint}"),
        }
        self.loss = Loss::Process;
        self.rot_wakes();
        self.spaces.clear();
        for (id, name) in self.reference.live() {
            let handle = db.keyspace(name).expect("it was found");
            self.spaces.push(Space { id, handle });
        }
        assert_eq!(self.spaces.first().map(|s| s.id), Some(DEFAULT));
        self.db = Some(db);
    }
}

/// Number of table files.
fn tables_on(disk: &SimDisk) -> usize {
    let is_table = |path: &std::path::PathBuf| path.extension().is_some_and(|e| e == "sst");
    disk.file_names().iter().filter(|p| is_table(p)).count()
}

/// Everything in a store, read forwards, backwards and by key.
pub(crate) fn contents(db: &Db) -> ringwood::Result<BTreeMap<String, Entries>> {
    let mut all = BTreeMap::new();
    for name in db.keyspaces() {
        let space = db.keyspace(&name)?;
        let mut entries = Vec::new();
        for entry in space.iter()? {
            let (key, value) = entry?;
            entries.push((key.to_vec(), value.to_vec()));
        }
        assert!(entries.windows(2).all(|w| w[0].0 < w[1].0), "keys of {name:?} are not in order");
        let mut backwards = Vec::new();
        for entry in space.iter()?.rev() {
            let (key, value) = entry?;
            backwards.push((key.to_vec(), value.to_vec()));
        }
        backwards.reverse();
        assert!(entries == backwards, "{name:?} is another one backwards");
        let keys: Vec<&Bytes> = entries.iter().step_by(7).map(|(k, _)| k).collect();
        let values = space.multi_get(&keys)?;
        for ((key, value), got) in entries.iter().step_by(7).zip(values) {
            assert!(got.as_deref() == Some(value), "multi_get of {key:?} is not what the scan gave");
            assert!(space.get(key)?.as_deref() == Some(value), "get of {key:?} is not what the scan gave");
        }
        all.insert(name, entries.into_iter().collect());
    }
    Ok(all)
}

impl Drop for Run {
    fn drop(&mut self) {
        if std::thread::panicking() {
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
