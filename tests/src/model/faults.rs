//! Faults: what is injected, which errors may follow, and what must hold once the cause is gone.

use ringwood::{Durability, Error, ErrorKind};
use ringwood_ring::{Disk, FaultOp, FaultPlan};

use super::mode::Mode;
use super::run::{DIR, Run};
use super::writes::outcome;
use crate::reference::{Change, DEFAULT};

/// Capacity of the simulated disk when it is not full, in bytes.
pub(super) const ROOMY: u64 = 1 << 40;
/// What is tried again after a failure is tried again within this time.
const RETRY_NS: u64 = 2_000_000_000;

/// A fault under way.
pub(super) struct Fault {
    operations_left: u64,
    /// A write was refused as `Poisoned`: from then on all are, until the store is opened again.
    poisoned: bool,
}

impl Fault {
    /// One that lasts until the end of the run.
    pub(super) fn lasting() -> Self {
        Self { operations_left: u64::MAX, poisoned: false }
    }

    /// The store was opened anew: it takes writes again.
    pub(super) fn reopened(&mut self) {
        self.poisoned = false;
    }
}

impl Mode {
    /// Whether files may be left behind by failed operations.
    pub(super) fn is_faulty(self) -> bool {
        !matches!(self, Mode::NoFaults | Mode::Deep)
    }

    fn may_fail_with(self, kind: ErrorKind) -> bool {
        match self {
            Mode::NoFaults | Mode::Deep => false,
            Mode::FailingReads => kind == ErrorKind::Io,
            Mode::FailingSync => matches!(kind, ErrorKind::Io | ErrorKind::Poisoned | ErrorKind::Full),
            Mode::FailingWrite => matches!(kind, ErrorKind::Io | ErrorKind::Poisoned),
            Mode::FailingNames | Mode::Storm | Mode::Exact => {
                matches!(kind, ErrorKind::Io | ErrorKind::Poisoned | ErrorKind::Full | ErrorKind::Exhausted)
            }
            Mode::FullDisk => kind == ErrorKind::Full,
            Mode::FewFiles => matches!(kind, ErrorKind::Exhausted | ErrorKind::Full),
            Mode::Rot => matches!(kind, ErrorKind::Corrupt | ErrorKind::Io),
            Mode::Lies => kind == ErrorKind::Corrupt,
        }
    }

    /// Whether a failed call is the end of the run: what it did may be past reading.
    pub(super) fn damages(self) -> bool {
        matches!(self, Mode::Rot | Mode::Lies)
    }
}

impl Run {
    /// The result of a call, or `None` if it failed as it may.
    pub(super) fn settle<T>(&mut self, what: &str, result: ringwood::Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(_) if self.disk.is_dead() => None,
            Err(error) => {
                self.note(format!("{what}: {error}"));
                self.expect_failure(what, &error);
                None
            }
        }
    }

    /// A call failed though the process lives: is that as it may be?
    pub(super) fn expect_failure(&mut self, what: &str, error: &Error) {
        self.counts.errors += 1;
        let kind = error.kind();
        assert!(self.mode.may_fail_with(kind), "{what} failed: {kind:?}: {error}");
        let text = error.to_string();
        let names_cause = match kind {
            // The log cannot grow for want of space, or of file descriptors, or because a leftover cannot be removed.
            ErrorKind::Full => {
                text.contains("space") || text.contains("ulimit") || text.contains("File exists")
            }
            ErrorKind::Poisoned => text.contains("reopen"),
            // The directory above is the store's only once, when it is made.
            _ => text.contains(DIR) || text.contains("cannot sync /:"),
        };
        assert!(names_cause, "{what}: the error does not say what is wrong or what to do: {text}");
        if kind == ErrorKind::Poisoned {
            assert!(what != "get" && what != "range", "{what}: reads go on in a poisoned store: {text}");
            if let Some(fault) = &mut self.fault {
                fault.poisoned = true;
            }
        }
    }

    /// Whether an error in opening is the end of the run: a damaged store stays shut, rightly.
    pub(super) fn gives_up_on(&mut self, error: &Error) -> bool {
        match self.mode {
            Mode::Rot => error.kind() == ErrorKind::Corrupt,
            Mode::Lies => self.is_found_out(error),
            // A store must open on a full disk, but it may need a few tries when the disk fails reads.
            Mode::FullDisk => panic!("it does not open on a full disk: {error}"),
            _ => false,
        }
    }

    pub(super) fn inject_fault(&mut self) {
        if self.fault.is_some() && self.mode != Mode::Storm {
            return;
        }
        match self.mode {
            Mode::NoFaults | Mode::Deep | Mode::FailingReads | Mode::Rot | Mode::Exact => return,
            Mode::Lies => return self.plan_lie(),
            Mode::FullDisk => self.fill_disk(),
            Mode::FewFiles => self.limit_files(),
            Mode::FailingSync | Mode::FailingWrite | Mode::FailingNames => self.fail_operation(self.mode),
            Mode::Storm => match self.rng.below(6) {
                0 => self.fill_disk(),
                1 => self.limit_files(),
                2 | 3 => self.fail_operation(Mode::FailingNames),
                4 => self.fail_operation(Mode::FailingSync),
                _ => self.fail_operation(Mode::FailingWrite),
            },
        }
        self.counts.faults += 1;
        if self.fault.is_none() {
            self.fault = Some(Fault { operations_left: self.rng.within(5..=80), poisoned: false });
        }
    }

    fn fill_disk(&mut self) {
        let Ok(space) = self.disk.space(DIR.as_ref()) else { return };
        let margin = self.rng.skewed(400 << 10);
        self.disk.set_capacity(space.total - space.free + margin);
        self.note(format!("the disk has {margin} bytes left"));
    }

    fn limit_files(&mut self) {
        let margin = self.rng.skewed(12) as usize;
        let most = self.disk.open_files() + margin;
        self.disk.configure(|config| config.files_max = most);
        self.note(format!("{margin} more files can be open, {most} in all"));
    }

    fn fail_operation(&mut self, how: Mode) {
        let plan = self.plan(how);
        self.note(format!("{plan:?}"));
        self.disk.fail_next(plan);
    }

    fn plan(&mut self, how: Mode) -> FaultPlan {
        let op = match how {
            Mode::FailingSync => *self.rng.pick(&[FaultOp::Sync, FaultOp::Sync, FaultOp::SyncDir]),
            Mode::FailingWrite => FaultOp::Write,
            _ => *self.rng.pick(&[
                FaultOp::Create,
                FaultOp::Open,
                FaultOp::Rename,
                FaultOp::Remove,
                FaultOp::Allocate,
                FaultOp::Truncate,
                FaultOp::List,
                FaultOp::Map,
            ]),
        };
        let errno = match how {
            // A delayed allocation that fails is met by the sync.
            Mode::FailingSync => *self.rng.pick(&[libc_errno::EIO, libc_errno::EIO, libc_errno::ENOSPC]),
            Mode::FailingNames => *self.rng.pick(&[libc_errno::EIO, libc_errno::EMFILE, libc_errno::ENOSPC]),
            _ => libc_errno::EIO,
        };
        let mut plan = FaultPlan::once(op, errno).after(self.rng.skewed(40));
        if self.rng.one_in(2) && !matches!(op, FaultOp::SyncDir | FaultOp::List) {
            plan = plan.on(*self.rng.pick(&["wal/", ".sst", "MANIFEST", "CURRENT"]));
        }
        if self.rng.one_in(4) { plan.persistent() } else { plan }
    }

    /// Called after each operation: a fault lasts for some.
    pub(super) fn age_fault(&mut self) {
        let Some(fault) = &mut self.fault else { return };
        fault.operations_left -= 1;
        if fault.operations_left == 0 {
            self.end_faults();
        }
    }

    /// The disk is sound and has room again.
    pub(super) fn lift_faults(&mut self) {
        self.disk.clear_faults();
        self.disk.set_capacity(ROOMY);
        self.disk.configure(|config| (config.files_max, config.read_error) = (usize::MAX, 0.0));
    }

    /// The cause goes away: a poisoned store must be opened again and has lost nothing, any other goes on.
    pub(super) fn end_faults(&mut self) {
        let Some(fault) = self.fault.take() else { return };
        self.lift_faults();
        self.disk.advance(RETRY_NS);
        self.note(format!("the fault is over; poisoned: {}", fault.poisoned));
        if self.disk.is_dead() {
            return;
        }
        // Whoever is poisoned without having been told yet is told now.
        let change = Change { space: DEFAULT, key: b"after the fault".to_vec(), value: Some(b"v".to_vec()) };
        let steps = (0..100).take_while(|_| self.db().step()).count();
        let commit = self.reference.write(Durability::Synced, std::slice::from_ref(&change));
        let result = self.db().put(&change.key, b"v").and_then(|()| self.db().flush());
        self.note(format!("{steps} steps, then put and flush: {}", outcome(&result)));
        match result {
            // A cut that was set before; the crash that follows decides.
            _ if self.disk.is_dead() => {}
            Ok(()) => {
                assert!(!fault.poisoned, "a poisoned store takes writes again");
                self.reference.acknowledge(commit);
                self.reference.flushed();
            }
            Err(error) => {
                let can_be_poisoned =
                    !matches!(self.mode, Mode::FullDisk | Mode::FewFiles | Mode::FailingReads);
                assert!(can_be_poisoned && error.kind() == ErrorKind::Poisoned, "still failing: {error}");
                self.resolve(commit, &[change], error.kind());
                self.live_on_after_poison();
            }
        }
    }

    fn live_on_after_poison(&mut self) {
        self.fault = Some(Fault { poisoned: true, ..Fault::lasting() });
        for _ in 0..10 {
            self.read();
            // A cut that was set before the fault.
            if self.disk.is_dead() {
                self.fault = None;
                return;
            }
            let refused = self.db().put_with(b"refused", b"v", Durability::None);
            let kind = refused.as_ref().err().map(Error::kind);
            assert_eq!(kind, Some(ErrorKind::Poisoned), "a write in a poisoned store: {}", outcome(&refused));
        }
        if self.rng.one_in(2) {
            self.reopen();
        } else {
            self.crash();
        }
        self.fault = None;
        // The trap: what the failed sync left in memory alone looks fine now. Then the power fails.
        for _ in 0..self.rng.below(20) {
            self.write();
            if self.disk.is_dead() {
                break;
            }
            self.read();
        }
        self.crash();
    }
}

/// The errnos that are injected, as Linux numbers them.
mod libc_errno {
    pub(super) const EIO: i32 = 5;
    pub(super) const EMFILE: i32 = 24;
    pub(super) const ENOSPC: i32 = 28;
}
