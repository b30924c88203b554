//! Writes that the disk acknowledges and does not make, or makes elsewhere.
//!
//! A store can notice such a write, not undo it. What is promised:
//!
//! * A lie about a *table* is found by the table's checksums: an answer is right, or an error.
//! * A lie about the *log* is found by the first later record that was made durable: it carries the position up to which the log was
//!   durable before it. Until there is one, the end of the log looks like one that was cut, and what was acknowledged behind the lie may be gone:
//!   but what is found is a prefix of what was committed, batches whole.

use ringwood::{Durability, Error, ErrorKind};
use ringwood_ring::{FaultOp, FaultPlan};

use super::run::Run;
use super::writes::outcome;
use crate::reference::{Change, DEFAULT};

/// A lie that is planned, or was told.
pub(super) struct Lie {
    is_about_log: bool,
    /// Strikes of plans before it was made.
    strikes: u64,
    /// The last commit at the time that it was seen to have been told; the first Synced one after it will tell.
    told_at: Option<u64>,
    /// The store was opened since. What it did not notice then may still be noticed later, but takes nothing more.
    survived: bool,
}

impl Run {
    pub(super) fn plan_lie(&mut self) {
        if self.lie.is_some() {
            return;
        }
        let is_about_log = self.rng.one_in(2);
        let op = *self.rng.pick(&[FaultOp::LoseWrite, FaultOp::MisdirectWrite]);
        let path = if is_about_log { "wal/" } else { ".sst" };
        let plan = FaultPlan::lie(op).on(path).after(self.rng.skewed(12));
        self.note(format!("{plan:?}"));
        self.counts.faults += 1;
        self.expect_lie(is_about_log);
        self.disk.fail_next(plan);
    }

    /// Takes note of a lie that the plan has named.
    pub(super) fn expect_lie(&mut self, is_about_log: bool) {
        self.lie = Some(Lie { is_about_log, strikes: self.disk.strikes(), told_at: None, survived: false });
    }

    /// Called after each operation.
    pub(super) fn watch_lie(&mut self) {
        let now = self.reference.now();
        let Some(lie) = &mut self.lie else { return };
        if lie.told_at.is_none() && self.disk.strikes() > lie.strikes {
            lie.told_at = Some(now);
            self.note("the lie was told");
        }
        if self.db.is_none() || self.disk.is_dead() || !self.rng.one_in(3) {
            return;
        }
        // Sooner or later one more write is acknowledged, and what it promises is held against the lie.
        let change = Change { space: DEFAULT, key: b"after the lie".to_vec(), value: Some(b"v".to_vec()) };
        let commit = self.reference.write(Durability::Synced, std::slice::from_ref(&change));
        let result = self.db().put_with(&change.key, b"v", Durability::Synced);
        self.note(format!("a write after the lie: {}", outcome(&result)));
        match result {
            Ok(()) if !self.disk.is_dead() => self.reference.acknowledge(commit),
            _ if self.disk.is_dead() => {}
            Ok(()) => {}
            Err(error) => {
                self.expect_failure("write", &error);
                self.resolve(commit, &[change], error.kind());
            }
        }
    }

    /// Whether an error in opening is the lie being found out: the end of the run.
    pub(super) fn is_found_out(&self, error: &Error) -> bool {
        let was_told = self.lie.as_ref().is_some_and(|lie| self.disk.strikes() > lie.strikes);
        assert!(was_told, "nobody has lied: {error}");
        error.kind() == ErrorKind::Corrupt
    }

    /// Before the comparison: what a lie about the log may have taken, if nothing after it was made durable.
    pub(super) fn excuse_lie(&mut self) {
        let strikes = self.disk.strikes();
        let Some(lie) = self.lie.as_mut().filter(|lie| strikes > lie.strikes && !lie.survived) else {
            return;
        };
        lie.survived = true;
        let is_covered = lie.told_at.is_some_and(|at| self.reference.synced() > at);
        if lie.is_about_log && !is_covered {
            self.note("what the log lost by the lie is excused");
            self.reference.excuse();
        }
    }
}
