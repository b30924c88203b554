//! The appender: records into the staging ring.
//!
//! One owner at a time (the engine's commit lock). An append copies the record into the ring, computes its checksum there and
//! publishes it: no allocation, no system call, no lock. It waits only if the ring is full or the next segment is not ready.
//!
//! A record is accepted only if it ends within segments that exist, have their space and are named durably (`limit`). So whatever was
//! accepted can be written: a full disk shows here, before anything happened, and nowhere else.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::record::{HEADER_BYTES, Header, Kind, PAYLOAD_BYTES_MAX, Seed, framed};
use crate::shared::{SIGNAL_ASLEEP, SIGNAL_STOPPED, Shared};
use crate::staging::ring::Producer;
use crate::writing::Core;
use crate::{BATCH_BYTES_MAX, Log, Lsn, Result, WalError};

/// The one who appends. See the module documentation.
pub struct Appender {
    shared: Arc<Shared>,
    core: Arc<Core>,
    ring: Producer,
    seed: Seed,
    /// No look at shared counters is needed before a record ends beyond this.
    room_end: Lsn,
    /// The pump is to be woken when the tail passes this.
    wake_at: Lsn,
    drain_bytes: u64,
    records: u64,
    /// The last batch stopped half-way: the next record says so.
    given_up: bool,
}

impl std::fmt::Debug for Appender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Appender(at {})", self.ring.tail())
    }
}

impl Appender {
    pub(crate) fn new(core: Arc<Core>, ring: Producer, seed: Seed, drain_bytes: u64) -> Self {
        Self {
            room_end: ring.tail(),
            wake_at: ring.tail() + drain_bytes,
            shared: Arc::clone(&core.shared),
            core,
            ring,
            seed,
            drain_bytes,
            records: 0,
            given_up: false,
        }
    }

    /// Where the next batch will start.
    #[must_use]
    pub fn position(&self) -> Lsn {
        self.ring.tail()
    }

    /// Appends one batch, the concatenation of `parts`, and returns its end: the position to wait for. The batch is replayed whole
    /// or not at all. When this returns, the batch is [`kept`](Log::kept) if the staging file is mapped.
    ///
    /// # Errors
    /// [`Full`](WalError::Full) if there is no room for it and none to be had now: nothing was appended, other appends may fit,
    /// and later this one may. [`TooLarge`](WalError::TooLarge) above [`BATCH_BYTES_MAX`].
    /// [`Poisoned`](WalError::Poisoned), [`Closed`](WalError::Closed).
    pub fn append(&mut self, parts: &[&[u8]]) -> Result<Lsn> {
        let len: usize = parts.iter().map(|p| p.len()).sum();
        if len <= PAYLOAD_BYTES_MAX {
            self.push(Kind::Full, len, parts.iter().copied())?;
        } else {
            self.append_fragments(parts, len)?;
        }
        self.records += 1;
        self.shared.records.0.store(self.records, Ordering::Relaxed);
        Ok(self.ring.tail())
    }

    #[cold]
    fn append_fragments(&mut self, parts: &[&[u8]], len: usize) -> Result<()> {
        if len > BATCH_BYTES_MAX {
            return Err(WalError::TooLarge { bytes: len, bytes_max: BATCH_BYTES_MAX });
        }
        let mut left = len;
        let mut kind = Kind::First;
        // The part that is not used up, and how much of it is.
        let (mut part, mut used) = (0, 0);
        while left > 0 {
            let take = left.min(PAYLOAD_BYTES_MAX);
            if take == left {
                kind = Kind::Last;
            }
            let (from_part, from_used) = (part, used);
            let mut want = take;
            while want > 0 {
                let n = (parts[part].len() - used).min(want);
                want -= n;
                used += n;
                if used == parts[part].len() {
                    (part, used) = (part + 1, 0);
                }
            }
            let end_part = part.min(parts.len() - 1);
            let slices = (from_part..=end_part).map(|i| {
                let start = if i == from_part { from_used } else { 0 };
                let end = if i == part { used } else { parts[i].len() };
                &parts[i][start..end]
            });
            if let Err(error) = self.push(kind, take, slices) {
                // Replay must not take what is there for the start of the next batch.
                self.given_up |= kind != Kind::First;
                return Err(error);
            }
            left -= take;
            kind = Kind::Middle;
        }
        Ok(())
    }

    /// Puts one record into the ring.
    #[inline]
    fn push<'a>(&mut self, kind: Kind, len: usize, slices: impl Iterator<Item = &'a [u8]>) -> Result<()> {
        let framed = framed(len);
        let lsn = self.ring.tail();
        let end = lsn + framed as u64;
        let signals = self.shared.progress.0.signals.load(Ordering::Relaxed);
        if end > self.room_end || signals & SIGNAL_STOPPED != 0 {
            self.make_room(end)?;
        }
        let starts_batch = matches!(kind, Kind::Full | Kind::First | Kind::Close);
        let header = Header {
            kind,
            given_up: starts_batch && self.given_up,
            len,
            // Whatever value is read, it was true when it was stored.
            durable: self.shared.progress.0.durable.load(Ordering::Relaxed),
        };
        self.ring.put(0, &header.encode());
        let mut at = HEADER_BYTES;
        for slice in slices {
            self.ring.put(at, slice);
            at += slice.len();
        }
        self.ring.put(at, &[0; 8][..framed - at]);
        let (a, b) = self.ring.reserved(framed);
        let mut hasher = self.seed.at(lsn);
        hasher.update(a);
        hasher.update(b);
        self.ring.put(0, &hasher.finalize().to_le_bytes());
        self.ring.publish(framed);
        if starts_batch {
            self.given_up = false;
        }
        // Only now: the pump must find the record when it wakes.
        if end >= self.wake_at || signals & SIGNAL_ASLEEP != 0 {
            self.wake_pump();
        }
        Ok(())
    }

    #[cold]
    fn wake_pump(&mut self) {
        self.wake_at = self.ring.tail() + self.drain_bytes;
        self.shared.progress.0.signals.fetch_and(!SIGNAL_ASLEEP, Ordering::SeqCst);
        self.shared.work.notify();
    }

    /// The way that is not taken often: everything stopped, or no room up to `end` is known of.
    #[cold]
    fn make_room(&mut self, end: Lsn) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        if let Some(reason) = shared.stopped() {
            return Err(reason);
        }
        loop {
            let fulls = shared.full_count.load(Ordering::SeqCst);
            let (staged, limit) = (self.ring.refresh(), shared.limit());
            self.room_end = staged.min(limit);
            if end <= self.room_end {
                return Ok(());
            }
            if end > limit {
                shared.requests.0.segment.store(true, Ordering::SeqCst);
            }
            if end > staged {
                shared.requests.0.staging_room.store(true, Ordering::SeqCst);
            }
            shared.work.notify();
            let ring_bytes = self.ring.bytes();
            shared.room.wait_until(|| {
                let staged = shared.staging.head() + ring_bytes;
                let limit = shared.limit();
                end <= staged.min(limit)
                    || (end > limit && shared.full_count.load(Ordering::SeqCst) != fulls)
                    || shared.stopped().is_some()
            });
            if let Some(reason) = shared.stopped() {
                return Err(reason);
            }
            if end > shared.limit() && shared.full_count.load(Ordering::SeqCst) != fulls {
                let reason = shared.full_reason();
                return Err(WalError::Full {
                    reason: reason.unwrap_or_else(|| "no further segment could be had".into()),
                });
            }
        }
    }

    /// Makes everything durable, marks the log as closed in good order (the next opening then needs not look for records beyond its
    /// end) and stops the pump, which must be running. Further appends fail with [`Closed`](WalError::Closed).
    ///
    /// # Errors
    /// [`Poisoned`](WalError::Poisoned) if a write or sync failed, now or before.
    pub fn close(&mut self) -> Result<()> {
        let log = Log { core: Arc::clone(&self.core) };
        if self.shared.is_closed() {
            return Ok(());
        }
        // First the rest, so that the mark can promise all of it.
        log.wait_durable(log.appended())?;
        match self.push(Kind::Close, 0, std::iter::empty()) {
            // The mark is a help, not a need: a log without room for it closes without.
            Ok(()) | Err(WalError::Full { .. }) => log.close(),
            Err(error) => Err(error),
        }
    }
}
