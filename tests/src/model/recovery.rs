//! Crashes, and the comparison of what is found after them with what must be.

use std::collections::BTreeMap;

use ringwood::Db;
use ringwood_ring::SimDisk;

use super::mode::Mode;
use super::run::{DIR, Run, Space};
use crate::reference::{Bytes, DEFAULT, Entries, Loss};

/// Most crashes in the recoveries from one crash.
const CUTS_MAX: u64 = 3;
/// After so many openings that failed, the faults end: what is left must open.
const ATTEMPTS_MAX: u64 = 4;

impl Run {
    fn die(&mut self) {
        if self.rng.one_in(2) {
            self.note("process death");
            self.counts.deaths += 1;
            self.disk.process_death();
        } else {
            let seed = self.rng.next();
            self.note(format!("power loss {seed:#x}"));
            self.counts.power_losses += 1;
            self.disk.power_loss(seed);
            self.loss = Loss::Power;
        }
    }

    /// The process died, or a cut was reached: opens the store anew.
    pub(super) fn die_and_recover(&mut self) {
        self.die();
        self.recover();
    }

    /// Opens the store, with further crashes inside, to depth 3, and compares what is there with what must be.
    pub(super) fn recover(&mut self) {
        let (mut cuts, mut failures) = (0, 0);
        loop {
            if cuts < CUTS_MAX && self.mode.crashes_at_random() && self.rng.one_in(3) {
                let after = self.rng.skewed(400);
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
                    self.check_exact_images();
                    cuts += 1;
                    self.counts.in_recovery += 1;
                    self.die();
                }
                Ok((found, db)) => return self.take_over(&found, db),
                Err(error) => {
                    self.note(format!("open: {error}"));
                    self.expect_failure("open", &error);
                    if self.gives_up_on(&error) {
                        return;
                    }
                    failures += 1;
                    assert!(failures < 1000, "it does not open: {error}");
                    if failures == ATTEMPTS_MAX {
                        self.lift_faults();
                    }
                }
            }
        }
    }

    /// The log is read at opening only, and damage to its last record cannot be told from a write that was cut: no rot there.
    fn rot_sleeps(&self) {
        self.disk.configure(|config| (config.bit_rot, config.misdirected_read) = (0.0, 0.0));
    }

    fn rot_wakes(&mut self) {
        if self.mode == Mode::Rot {
            self.counts.faults += 1;
            self.disk.configure(|config| (config.bit_rot, config.misdirected_read) = (0.002, 0.002));
        }
    }

    /// Before the comparison: some file systems answer a failed sync by taking back what was not durable, `Buffered` writes among it.
    fn excuse_reverted(&mut self) {
        let strikes = self.disk.strikes();
        if self.reverts && strikes > self.strikes {
            self.reference.reverted();
        }
        self.strikes = strikes;
    }

    fn take_over(&mut self, found: &BTreeMap<String, Entries>, db: Db) {
        let tables = tables_on(&self.disk);
        let known: usize = db.stats().keyspaces.iter().flat_map(|k| &k.levels).map(|l| l.tables).sum();
        if !self.mode.is_faulty() {
            assert_eq!(tables, known, "tables on the disk and in the store, after opening");
        }
        self.counts.openings += 1;
        self.excuse_lie();
        self.excuse_reverted();
        match self.reference.recover(self.loss, found) {
            Ok(recovered) => self.note(format!("open: {recovered:?}")),
            Err(complaint) => panic!("{complaint}"),
        }
        self.loss = Loss::Process;
        if let Some(fault) = &mut self.fault {
            fault.reopened();
        }
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
///
/// # Errors
/// As the store's.
///
/// # Panics
/// If the three ways do not agree.
pub fn contents(db: &Db) -> ringwood::Result<BTreeMap<String, Entries>> {
    let mut all = BTreeMap::new();
    for name in db.keyspaces() {
        let space = db.keyspace(&name)?;
        let mut entries: Vec<(Bytes, Bytes)> = Vec::new();
        for entry in space.iter()? {
            let (key, value) = entry?;
            entries.push((key.to_vec(), value.to_vec()));
        }
        assert!(entries.windows(2).all(|w| w[0].0 < w[1].0), "keys of {name:?} are not in order");
        let mut forwards = entries.iter().rev();
        for entry in space.iter()?.rev() {
            let (key, value) = entry?;
            let same = forwards.next().is_some_and(|(k, v)| **k == *key && **v == *value);
            assert!(same, "{name:?} is another one backwards, at {}", key.escape_ascii());
        }
        assert!(forwards.next().is_none(), "{name:?} is shorter backwards");
        let sample = || entries.iter().step_by(7);
        let keys: Vec<&Bytes> = sample().map(|(k, _)| k).collect();
        let values = space.multi_get(&keys)?;
        for ((key, value), got) in sample().zip(values) {
            assert!(got.as_deref() == Some(value), "multi_get of {key:?} is not what the scan gave");
            assert!(space.get(key)?.as_deref() == Some(value), "get of {key:?} is not what the scan gave");
        }
        all.insert(name, entries.into_iter().collect());
    }
    Ok(all)
}
