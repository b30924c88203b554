//! What a benchmark cost: the store's counters and the kernel's, before and after.

use ringwood::{CountsSnapshot, Db};

use super::syscalls::SyscallCounter;

/// Counters at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    io: CountsSnapshot,
    user_bytes: u64,
    stall_ns: u64,
    groups: u64,
    group_ns: u64,
    syscalls: Option<u64>,
}

impl Counts {
    pub(crate) fn now(db: &Db, syscalls: Option<&SyscallCounter>) -> Self {
        let stats = db.stats();
        Self {
            io: stats.io,
            user_bytes: stats.user_bytes,
            stall_ns: stats.stall_ns,
            groups: stats.wal.groups,
            group_ns: stats.wal.group_ns,
            syscalls: syscalls.map(SyscallCounter::count),
        }
    }

    /// What was added since `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Cost {
        Cost {
            io: self.io.since(&earlier.io),
            user_bytes: self.user_bytes.saturating_sub(earlier.user_bytes),
            stall_ns: self.stall_ns.saturating_sub(earlier.stall_ns),
            groups: self.groups.saturating_sub(earlier.groups),
            group_ns: self.group_ns.saturating_sub(earlier.group_ns),
            syscalls: self.syscalls.zip(earlier.syscalls).map(|(now, then)| now.saturating_sub(then)),
        }
    }
}

/// What happened between two moments.
#[derive(Debug, Clone)]
pub(crate) struct Cost {
    pub(crate) io: CountsSnapshot,
    /// Keys and values that the store accepted.
    pub(crate) user_bytes: u64,
    /// Time that writers were slowed.
    pub(crate) stall_ns: u64,
    /// Commit groups of the log.
    pub(crate) groups: u64,
    /// Time that one was on its way to the disk.
    pub(crate) group_ns: u64,
    /// System calls of the process, where the kernel lets them be counted.
    pub(crate) syscalls: Option<u64>,
}

impl Cost {
    /// Bytes written to the device for each byte that was accepted, if any was.
    pub(crate) fn write_amplification(&self) -> Option<f64> {
        (self.user_bytes > 0).then(|| self.io.total().write_bytes as f64 / self.user_bytes as f64)
    }

    /// Queue entries an enter; 0 without enters.
    pub(crate) fn sqes_per_enter(&self) -> f64 {
        let total = self.io.total();
        total.sqes as f64 / total.enters.max(1) as f64
    }
}
