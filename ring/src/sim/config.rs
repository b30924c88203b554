//! What a simulated disk is like, and faults on request.

/// What a failed sync does to the bytes that it was to make durable. The three behaviours were found in real file systems by
/// "Can Applications Recover from fsync Failures?" (USENIX ATC 2020).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncFailure {
    /// They stay dirty: a later sync may still save them.
    KeepDirty,
    /// They are marked clean: visible to every reader, to a restarted process too, and saved by no later sync. A power loss
    /// takes them (ext4 in ordered mode, XFS).
    MarkClean,
    /// They are reverted at once to what is durable (Btrfs).
    Revert,
}

/// How a [`SimDisk`](crate::SimDisk) behaves. The default makes no errors; it completes operations in any order, splits and
/// repeats transfers now and then, and loses whatever may legally be lost.
///
/// Probabilities are from 0 (never, and no random number is drawn) to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct SimConfig {
    /// Shortest latency of an operation on the logical clock, in nanoseconds.
    pub latency_min_ns: u64,
    /// Longest latency.
    pub latency_max_ns: u64,
    /// That a transfer moves only a part, cut at a multiple of 512 bytes, and the lane must go on with the rest.
    pub short_transfer: f64,
    /// That an operation is answered EINTR, EAGAIN or EBUSY and tried again by the lane.
    pub retry: f64,
    /// That an operation is passed over for long while others are served.
    pub slow: f64,
    /// That a read fails with EIO.
    pub read_error: f64,
    /// That a write fails with EIO, having written nothing or any part.
    pub write_error: f64,
    /// That a sync, or the sync in a `dsync` write, fails with EIO.
    pub sync_error: f64,
    /// That the sync of a directory fails with EIO.
    pub dir_sync_error: f64,
    /// That such an error stays: every later operation of its kind on its file fails too. Otherwise it is EIO once, then OK.
    pub error_persists: f64,
    /// What a failed sync does to the bytes it was for.
    pub sync_failure: SyncFailure,
    /// That a bit of what a read is about to return has rotted on the medium, for good.
    pub bit_rot: f64,
    /// That a read returns a neighbouring page's bytes.
    pub misdirected_read: f64,
    /// That a write lands on another page of its file, and is acknowledged.
    pub misdirected_write: f64,
    /// That a write goes nowhere, and is acknowledged.
    pub lost_write: f64,
    /// After a power loss, space that a file gained since its last sync may hold garbage (random bytes, or those of files
    /// deleted before) where it was not written; otherwise zeros.
    pub garbage_in_grown_space: bool,
    /// Size of the file system in bytes: growth beyond is ENOSPC.
    pub capacity_bytes: u64,
    /// Whether the file system says that it can reserve space.
    pub reserves_space: bool,
    /// Most files open at once: beyond is EMFILE.
    pub files_max: usize,
    /// Whether the file system offers direct I/O; if not, files open with [`is_direct`](crate::File::is_direct) false.
    pub direct_io: bool,
    /// Most events that the trace keeps, the newest; 0 keeps none and costs nothing.
    pub trace_events: usize,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            latency_min_ns: 10_000,
            latency_max_ns: 200_000,
            short_transfer: 0.02,
            retry: 0.02,
            slow: 0.02,
            read_error: 0.0,
            write_error: 0.0,
            sync_error: 0.0,
            dir_sync_error: 0.0,
            error_persists: 0.0,
            sync_failure: SyncFailure::MarkClean,
            bit_rot: 0.0,
            misdirected_read: 0.0,
            misdirected_write: 0.0,
            lost_write: 0.0,
            garbage_in_grown_space: false,
            capacity_bytes: 1 << 40,
            reserves_space: true,
            files_max: usize::MAX,
            direct_io: true,
            trace_events: 0,
        }
    }
}

impl SimConfig {
    /// No short transfers, no retries, no slow operations: for tests that count operations exactly. Completion order stays free,
    /// and a power loss takes what it may.
    #[must_use]
    pub fn calm() -> Self {
        Self { short_transfer: 0.0, retry: 0.0, slow: 0.0, ..Self::default() }
    }
}

/// The operations that a [`FaultPlan`] can strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultOp {
    /// A read through a lane.
    Read,
    /// A write through a lane.
    Write,
    /// A sync through a lane, or the sync in a `dsync` write.
    Sync,
    /// [`Disk::sync_dir`](crate::Disk::sync_dir).
    SyncDir,
    /// Opening a file that exists.
    Open,
    /// Creating a file or directory.
    Create,
    /// [`Disk::rename`](crate::Disk::rename); the path is the old one.
    Rename,
    /// [`Disk::remove`](crate::Disk::remove).
    Remove,
    /// [`Disk::allocate`](crate::Disk::allocate).
    Allocate,
    /// [`Disk::truncate`](crate::Disk::truncate).
    Truncate,
    /// [`Disk::list`](crate::Disk::list).
    List,
    /// [`Disk::map_shared`](crate::Disk::map_shared).
    Map,
    /// A write through a lane that goes nowhere and is acknowledged; the errno is not used.
    LoseWrite,
    /// A write through a lane that lands on the neighbouring page and is acknowledged; the errno is not used.
    MisdirectWrite,
}

impl FaultOp {
    /// Those that fail and say so: all but the lies.
    pub const ERRORS: [Self; 12] = [
        Self::Read,
        Self::Write,
        Self::Sync,
        Self::SyncDir,
        Self::Open,
        Self::Create,
        Self::Rename,
        Self::Remove,
        Self::Allocate,
        Self::Truncate,
        Self::List,
        Self::Map,
    ];
}

/// How often a [`FaultPlan`] strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// The first operation that fits, and no other.
    Once,
    /// Every operation that fits from then on, until [`SimDisk::clear_faults`](crate::SimDisk::clear_faults).
    Persistent,
}

/// A fault to come: see [`SimDisk::fail_next`](crate::SimDisk::fail_next).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultPlan {
    /// Which kind of operation.
    pub op: FaultOp,
    /// Only on paths that contain this.
    pub path_contains: Option<String>,
    /// So many operations that fit are let through first.
    pub after: u64,
    /// What the operation fails with, such as `libc::EIO`.
    pub errno: i32,
    /// Once, or from then on.
    pub times: Times,
}

impl FaultPlan {
    /// The next write is a lie: [`FaultOp::LoseWrite`] or [`FaultOp::MisdirectWrite`].
    #[must_use]
    pub fn lie(op: FaultOp) -> Self {
        Self::once(op, 0)
    }

    /// The next operation of this kind fails with `errno`, once.
    #[must_use]
    pub fn once(op: FaultOp, errno: i32) -> Self {
        Self { op, path_contains: None, after: 0, errno, times: Times::Once }
    }

    /// The same plan for paths that contain `part` only.
    #[must_use]
    pub fn on(mut self, part: impl Into<String>) -> Self {
        self.path_contains = Some(part.into());
        self
    }

    /// The same plan, letting `count` operations that fit through first.
    #[must_use]
    pub fn after(mut self, count: u64) -> Self {
        self.after = count;
        self
    }

    /// The same plan, from then on.
    #[must_use]
    pub fn persistent(mut self) -> Self {
        self.times = Times::Persistent;
        self
    }
}
