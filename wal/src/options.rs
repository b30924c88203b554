//! How a log behaves.

use std::fmt;

use ringwood_ring::{PAGE, Stepper, page_ceil};

use crate::WalError;
use crate::record::RECORD_BYTES_MAX;

/// How a commit group is made durable.
///
/// A durable write makes only itself durable. So whatever the mode, a group of several writes, and a group after writes that nobody
/// wanted durable, is synced as a whole: a device that writes through for this one write alone would leave the others in its cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncMode {
    /// A group that serves several waiters is a chain. One that serves a single waiter is a durable write, unless chains are faster for it
    /// at the moment: the log tries both now and then, and goes the faster way.
    ///
    /// The kernel hands each `fdatasync` of a ring to a worker thread. A lone waiter feels that; for a group it is little beside
    /// what the group saves.
    #[default]
    Auto,
    /// A write linked to an `fdatasync`: one chain, two operations, always.
    Chain,
    /// A write that is durable on completion (`RWF_DSYNC`), wherever that is enough. Faster on many devices, slower on some: consumer
    /// drives whose writes through the cache (FUA) take longer than a flush of it.
    Dsync,
}

/// How a log behaves. The defaults are right for nearly everyone.
#[derive(Clone)]
pub struct WalOptions {
    /// Payload bytes of the first segment. At least 64 KiB; rounded up to whole pages.
    pub segment_bytes_min: u64,
    /// Payload bytes of the largest segment. Segments double up to it while they fill in less than a second.
    pub segment_bytes_max: u64,
    /// Most bytes of segments that hold records or are about to. An append that would need more fails with
    /// [`Full`](crate::WalErrorKind::Full) until [`Log::release`](crate::Log::release) gives some back.
    pub log_bytes_max: u64,
    /// Size of the staging ring between appenders and the disk. At least 128 KiB; rounded up to a power of two.
    pub staging_bytes: usize,
    /// How groups are made durable.
    pub sync_mode: SyncMode,
    /// So many staged bytes make the pump write without being asked.
    pub drain_bytes: u64,
    /// The pump writes staged bytes that are older than this, in nanoseconds, without being asked.
    pub drain_ns: u64,
    /// So many bytes written and not synced make the pump sync without being asked. It bounds what a recovery writes again, and
    /// what a power cut can take from `Buffered` writers.
    pub unsynced_bytes_max: u64,
    /// In the simulation: makes one step of background work, for threads that wait.
    pub stepper: Option<Stepper>,
}

impl Default for WalOptions {
    fn default() -> Self {
        Self {
            segment_bytes_min: 1 << 20,
            segment_bytes_max: 64 << 20,
            log_bytes_max: 1 << 30,
            staging_bytes: 4 << 20,
            sync_mode: SyncMode::default(),
            drain_bytes: 256 << 10,
            drain_ns: 50_000_000,
            unsynced_bytes_max: 16 << 20,
            stepper: None,
        }
    }
}

impl fmt::Debug for WalOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WalOptions")
            .field("segment_bytes_min", &self.segment_bytes_min)
            .field("segment_bytes_max", &self.segment_bytes_max)
            .field("log_bytes_max", &self.log_bytes_max)
            .field("staging_bytes", &self.staging_bytes)
            .field("sync_mode", &self.sync_mode)
            .field("drain_bytes", &self.drain_bytes)
            .field("drain_ns", &self.drain_ns)
            .field("unsynced_bytes_max", &self.unsynced_bytes_max)
            .field("stepper", &self.stepper.is_some())
            .finish()
    }
}

/// The smallest segment and the half of the smallest staging ring: the largest record always fits.
const BYTES_MIN: u64 = RECORD_BYTES_MAX as u64;
/// Largest segment and staging ring, to be written and to be believed: far above use, far below overflow. Opening reads a whole ring into
/// memory, and looks through a whole segment.
pub(crate) const SEGMENT_BYTES_LIMIT: u64 = 4 << 30;
pub(crate) const STAGING_BYTES_LIMIT: usize = 64 << 20;
/// Largest log position: centuries of writing, far below overflow.
pub const LSN_LIMIT: u64 = 1 << 60;

impl WalOptions {
    /// Rounds what may be rounded and refuses what makes no sense.
    pub(crate) fn resolved(mut self) -> Result<Self, WalError> {
        let whole = |bytes: u64| page_ceil(bytes as usize) as u64;
        let refuse = |what: String| Err(WalError::Option(what));
        if self.segment_bytes_max > SEGMENT_BYTES_LIMIT || self.staging_bytes > STAGING_BYTES_LIMIT {
            return refuse(format!(
                "log segments of {} bytes or a staging ring of {} bytes are too large; the limits are {SEGMENT_BYTES_LIMIT} and {STAGING_BYTES_LIMIT}",
                self.segment_bytes_max, self.staging_bytes
            ));
        }
        if self.segment_bytes_min > self.segment_bytes_max {
            return refuse(format!(
                "segment_bytes_min ({}) is larger than segment_bytes_max ({})",
                self.segment_bytes_min, self.segment_bytes_max
            ));
        }
        self.segment_bytes_min = whole(self.segment_bytes_min.max(BYTES_MIN));
        self.segment_bytes_max = whole(self.segment_bytes_max.max(BYTES_MIN));
        let log_bytes_min = 2 * (self.segment_bytes_min + PAGE as u64);
        if self.log_bytes_max < log_bytes_min {
            return refuse(format!(
                "log_bytes_max ({}) must have room for two of the smallest segments: {log_bytes_min} bytes",
                self.log_bytes_max
            ));
        }
        self.staging_bytes = self.staging_bytes.max(2 * RECORD_BYTES_MAX).next_power_of_two();
        // A full ring must be a reason to drain.
        self.drain_bytes = self.drain_bytes.clamp(1, self.staging_bytes as u64 / 2);
        self.unsynced_bytes_max = self.unsynced_bytes_max.max(1);
        Ok(self)
    }
}
