//! The log as everyone sees it: how far it is, and waiting for it to get further.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ringwood_ring::PAGE;

use crate::lead::{Asked, Lead};
use crate::shared::Shared;
use crate::stats::WalStats;
use crate::writing::Core;
use crate::{Lsn, Result, WalError};

/// The shared handle of a log. Any thread may use it.
///
/// Positions only grow, in this order: `durable ≤ kept ≤ appended`.
#[derive(Debug)]
pub struct Log {
    pub(crate) core: Arc<Core>,
}

impl Log {
    fn shared(&self) -> &Shared {
        &self.core.shared
    }

    /// Everything before this position was appended. One load.
    #[must_use]
    pub fn appended(&self) -> Lsn {
        self.shared().appended()
    }

    /// Everything before this position survives the death of the process (`kill -9`), but perhaps not a power cut. The same as
    /// [`appended`](Self::appended) where the staging file can be mapped. One or two loads.
    #[must_use]
    pub fn kept(&self) -> Lsn {
        if self.shared().staging_survives { self.shared().appended() } else { self.shared().written() }
    }

    /// Everything before this position is durable: it survives a power cut. One load.
    #[must_use]
    pub fn durable(&self) -> Lsn {
        self.shared().durable()
    }

    /// Asks for everything before `lsn` to be made durable soon, without waiting.
    pub fn want_durable(&self, lsn: Lsn) {
        if lsn > self.durable() {
            self.shared().turns.0.ask(lsn);
            self.shared().work.notify();
        }
    }

    /// Waits until everything before `lsn` is durable.
    ///
    /// A caller that finds the log idle, and nobody else waiting, writes and syncs it itself, with one call into the kernel and no
    /// other thread. All callers that wait while a group is on its way to the disk share the next one: one write and one sync for
    /// all of them. It waits a moment for those whom the last one served, if they tend to be back at once.
    ///
    /// # Errors
    /// [`Poisoned`](WalError::Poisoned) if a write or sync failed: whether the bytes are durable is unknown, and nobody was told
    /// that they are. [`Closed`](WalError::Closed) if the log was closed before.
    ///
    /// # Panics
    /// If `lsn` was never appended.
    pub fn wait_durable(&self, lsn: Lsn) -> Result<()> {
        assert!(lsn <= self.appended(), "waiting for position {lsn}, which was never appended");
        let shared = self.shared();
        if lsn <= shared.durable() {
            return Ok(());
        }
        // In the simulation there is no log thread: who waits steps the background instead. The seed says when to lead.
        if shared.is_stepped && self.core.disk.random() & 1 == 0 {
            self.want_durable(lsn);
            return self.wait(lsn, Shared::durable);
        }
        match Lead::ask(&self.core, lsn) {
            Asked::Lead(lead) => return lead.run(),
            Asked::Wait => {}
            Asked::Linger => {
                let left = Duration::from_nanos(self.core.gather_left());
                let is_over = || shared.stopped().is_some() || shared.durable() >= lsn;
                if !shared.settled.wait_timeout(left, is_over) && shared.turns.0.is_free() {
                    shared.work.notify();
                }
            }
        }
        self.wait(lsn, Shared::durable)
    }

    /// The first half of [`wait_durable`](Self::wait_durable), for schedulers that step: asks for everything before `lsn` to be durable, and
    /// if the caller is to write it itself, returns what to step. `None` if it is durable or someone else sees to it.
    ///
    /// # Panics
    /// If `lsn` was never appended.
    pub fn lead(&self, lsn: Lsn) -> Option<Lead<'_>> {
        if lsn <= self.durable() {
            return None;
        }
        assert!(lsn <= self.appended(), "waiting for position {lsn}, which was never appended");
        match Lead::ask(&self.core, lsn) {
            Asked::Lead(lead) => Some(lead),
            Asked::Wait => None,
            Asked::Linger => {
                self.shared().work.notify();
                None
            }
        }
    }

    /// Waits until everything before `lsn` survives the death of the process: at once where the staging file is mapped, else
    /// until it is written.
    ///
    /// # Errors
    /// As [`wait_durable`](Self::wait_durable).
    ///
    /// # Panics
    /// If `lsn` was never appended.
    pub fn wait_kept(&self, lsn: Lsn) -> Result<()> {
        assert!(lsn <= self.appended(), "waiting for position {lsn}, which was never appended");
        if lsn <= self.kept() {
            return Ok(());
        }
        self.shared().requests.0.written.fetch_max(lsn, Ordering::SeqCst);
        self.shared().work.notify();
        self.wait(lsn, Shared::written)
    }

    fn wait(&self, lsn: Lsn, position: impl Fn(&Shared) -> Lsn) -> Result<()> {
        let shared = self.shared();
        let there = || position(shared) >= lsn;
        // `stopped` is looked at first: what was reached before it counts.
        shared.settled.wait_until(|| shared.stopped().is_some() || there());
        if there() {
            return Ok(());
        }
        Err(shared.stopped().unwrap_or(WalError::Closed))
    }

    /// Says that nothing before `lsn` is needed any more (it is durable elsewhere): segments wholly before may be recycled or
    /// removed. Does not wait.
    pub fn release(&self, lsn: Lsn) {
        let before = self.shared().requests.0.released.fetch_max(lsn, Ordering::SeqCst);
        if lsn > before {
            self.shared().work.notify();
        }
    }

    /// Where the oldest segment starts: what lies before is gone.
    #[must_use]
    pub fn oldest(&self) -> Lsn {
        let first = self.shared().with_segments(|s| s.first().map(|s| s.start));
        first.unwrap_or_else(|| self.shared().limit())
    }

    /// Why the log takes no more writes, if a write or sync failed.
    #[must_use]
    pub fn poisoned(&self) -> Option<WalError> {
        self.shared().poisoned().cloned()
    }

    /// Why the log cannot grow at the moment, if it cannot. Appends that fit into what is there still succeed.
    #[must_use]
    pub fn full(&self) -> Option<String> {
        self.shared().full_reason()
    }

    /// Counts since the log was opened, and its size now.
    #[must_use]
    pub fn stats(&self) -> WalStats {
        let shared = self.shared();
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let counts = &shared.counts;
        let (segments, segment_bytes) =
            shared.with_segments(|s| (s.len() as u64, s.iter().map(|s| s.file_bytes).sum::<u64>()));
        let staging_bytes = if shared.staging_survives { shared.staging.bytes() + PAGE as u64 } else { 0 };
        WalStats {
            records: read(&shared.records.0),
            groups: read(&counts.groups),
            led_groups: read(&counts.led_groups),
            group_bytes: read(&counts.group_bytes),
            group_ns: read(&counts.group_ns),
            syncs: read(&counts.syncs),
            chains: read(&counts.chains),
            durable_writes: read(&counts.durable_writes),
            segments_created: read(&counts.segments_created),
            segments_filled: read(&counts.segments_filled),
            segments_recycled: read(&counts.segments_recycled),
            segments_removed: read(&counts.segments_removed),
            segments,
            disk_bytes: segment_bytes + read(&counts.spare_bytes) + staging_bytes,
            live_bytes: self.appended().saturating_sub(self.oldest()),
        }
    }

    /// Makes everything appended durable and stops the pump, which must be running. Later appends fail with
    /// [`Closed`](WalError::Closed); a record that is being appended meanwhile may or may not be included, so close through
    /// [`Appender::close`](crate::Appender::close) where that matters.
    ///
    /// # Errors
    /// [`Poisoned`](WalError::Poisoned) if a write or sync failed, now or before.
    pub fn close(&self) -> Result<()> {
        let shared = self.shared();
        shared.requests.0.close.store(true, Ordering::SeqCst);
        shared.work.notify();
        shared.settled.wait_until(|| shared.stopped().is_some());
        match shared.poisoned() {
            Some(reason) => Err(reason.clone()),
            None => Ok(()),
        }
    }
}
