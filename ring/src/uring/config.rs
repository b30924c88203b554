//! What a user may choose about rings. The defaults are what measured best; nothing *needs* to be set.

use std::time::Duration;

use super::buffers::Rung;

/// How I/O memory is registered with rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RegisteredBuffers {
    /// Once, and cloned to every ring: pinned and charged to the locked-memory limit once. Falls back to
    /// [`PerRing`](Self::PerRing), then [`Off`](Self::Off), as the kernel and the limit allow.
    #[default]
    Shared,
    /// By each ring for itself, charged each time.
    PerRing,
    /// Not at all: the kernel pins the pages for each operation.
    Off,
}

impl RegisteredBuffers {
    pub(super) fn best(self) -> Rung {
        match self {
            RegisteredBuffers::Shared => Rung::CloneReplace,
            RegisteredBuffers::PerRing => Rung::PerRing,
            RegisteredBuffers::Off => Rung::Plain,
        }
    }
}

/// Whether each ring is restricted, for good, to reads, writes, syncs and no-ops, and to registering buffers, so that a bug elsewhere in the
/// process cannot use it for anything else. It costs a check an operation: 1 % of a 4 KiB read from memory, nothing beside a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Restrict {
    /// Where the kernel can.
    #[default]
    IfPossible,
    /// Where the kernel cannot, opening fails rather than going on without.
    Required,
    /// No.
    Off,
}

/// Options of the io_uring backend.
///
/// ```
/// use ringwood_ring::{Restrict, UringConfig};
/// let hardened = UringConfig { restrict: Restrict::Required, ..UringConfig::default() };
/// assert!(hardened.sqpoll.is_none());
/// ```
#[derive(Debug, Clone)]
pub struct UringConfig {
    /// Let a kernel thread poll the submission queues, and sleep after so long without work. It takes a core; one thread
    /// serves all lanes. Chains are then sequenced by the lane instead of linked, since the polling thread may take any part of
    /// one at any time. Off by default: a log's chain measured slower with it.
    pub sqpoll: Option<Duration>,
    /// Whether rings are restricted to what a store needs.
    pub restrict: Restrict,
    /// How I/O memory is registered.
    pub buffers: RegisteredBuffers,
    /// When a flush or a compaction waits for one completion, wait up to this long (whole microseconds) for a batch of
    /// them instead of being woken for each (kernel 6.12). `None`: return with the first.
    pub linger: Option<Duration>,
}

impl Default for UringConfig {
    fn default() -> Self {
        Self {
            sqpoll: None,
            restrict: Restrict::default(),
            buffers: RegisteredBuffers::default(),
            linger: Some(Duration::from_micros(50)),
        }
    }
}
