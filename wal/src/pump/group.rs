//! Commit groups: everything appended so far, on its way to the disk.
//!
//! A group is written in *stretches*, one a segment (nearly always one in all), each in pieces of one buffer. A piece begins
//! at the page that the last group ended in, whose older bytes it writes again unchanged: a torn write cannot hurt them.
//!
//! Order, which durability rests on:
//!
//! 1. One group at a time, stretches in order.
//! 2. A stretch that reaches the end of its segment is synced before the next segment is written.
//! 3. A sync is started after all writes of its stretch have completed, or is linked to the only one.
//! 4. A *durable write* replaces that chain only if everything before it is synced: it makes nothing durable but itself.
//! 5. Only when all of that is done is the group over: its staging bytes are free, its end may be called durable.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};

use ringwood_ring::{Buf, Completion, File, IoError, IoErrorKind, Lane, Op, PAGE, page_ceil};

use super::segments::Segments;
use crate::staging::ring::Consumer;
use crate::stats::Counts;
use crate::{Lsn, Result, WalError};

/// Token of a group's writes.
pub(crate) const WRITE: u64 = 0;
/// Token of a group's sync.
pub(crate) const SYNC: u64 = 1;

/// Bytes of one write.
pub(crate) const PIECE_BYTES: usize = 256 << 10;
/// Writes in flight.
pub(crate) const PIECES_MAX: usize = 4;

const fn page_floor(lsn: Lsn) -> Lsn {
    lsn - lsn % PAGE as u64
}

/// The part of a group that goes to one segment.
#[derive(Debug)]
struct Stretch {
    file: File,
    /// Log position of the file's byte `PAGE`.
    segment_start: Lsn,
    begin: Lsn,
    end: Lsn,
    /// Pushed so far.
    pushed: Lsn,
    writes: usize,
    needs_sync: bool,
    sync_pushed: bool,
    synced: bool,
}

#[derive(Debug)]
struct Group {
    start: Lsn,
    end: Lsn,
    sync: bool,
    /// A durable write is wanted, where it is enough.
    dsync: bool,
    /// It would have been enough, wanted or not.
    had_choice: bool,
    stretch: Stretch,
}

/// A group that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Finished {
    /// Everything before is written.
    pub(crate) end: Lsn,
    /// Everything before is durable.
    pub(crate) durable: Lsn,
    /// If one write was the whole group, and a durable one or a chain would have done: whether it was durable.
    pub(crate) choice: Option<bool>,
}

/// Writes groups.
pub(crate) struct GroupWriter {
    buffers: Vec<Buf>,
    /// The page that holds the byte before `written`, as far as it is written.
    tail_page: Box<[u8; PAGE]>,
    written: Lsn,
    /// Everything before is synced; between groups this may lie inside a record, so it is not called durable.
    synced: Lsn,
    durable: Lsn,
    group: Option<Group>,
    failed: Option<WalError>,
    chain: Vec<(u64, Op)>,
    /// Pushed so far, for the counts.
    syncs: u64,
    chains: u64,
    durable_writes: u64,
}

impl GroupWriter {
    /// A writer that goes on at `start`, the beginning of a page, before which everything is durable.
    pub(crate) fn new(buffers: Vec<Buf>, start: Lsn) -> Self {
        debug_assert_eq!(start % PAGE as u64, 0);
        Self {
            buffers,
            tail_page: Box::new([0; PAGE]),
            written: start,
            synced: start,
            durable: start,
            group: None,
            failed: None,
            chain: Vec::with_capacity(2),
            syncs: 0,
            chains: 0,
            durable_writes: 0,
        }
    }

    pub(crate) fn written(&self) -> Lsn {
        self.written
    }

    /// Operations of the group in flight.
    pub(crate) fn in_flight(&self) -> usize {
        let of = |s: &Stretch| s.writes + usize::from(s.sync_pushed && !s.synced);
        self.group.as_ref().map_or(0, |g| of(&g.stretch))
    }

    /// Shows what was pushed so far.
    pub(crate) fn count(&self, counts: &Counts) {
        counts.syncs.store(self.syncs, Relaxed);
        counts.chains.store(self.chains, Relaxed);
        counts.durable_writes.store(self.durable_writes, Relaxed);
    }

    /// Begins the group of everything before `end`, the end of a record: as a durable write if `dsync` and if that is enough.
    pub(crate) fn begin(
        &mut self,
        end: Lsn,
        sync: bool,
        dsync: bool,
        segments: &Mutex<Segments>,
        staging: &Consumer,
        lane: &mut dyn Lane,
    ) -> Result<()> {
        debug_assert!(self.group.is_none() && end >= self.written);
        let stretch = self.stretch(end, sync, segments)?;
        self.group = Some(Group { start: self.written, end, sync, dsync, had_choice: false, stretch });
        self.push(staging, lane)
    }

    /// The next stretch of a group that ends at `end`.
    fn stretch(&self, end: Lsn, sync: bool, segments: &Mutex<Segments>) -> Result<Stretch> {
        // A sync without new bytes is of the file that holds the last ones.
        let at = if self.written < end { self.written } else { self.written.saturating_sub(1) };
        let segments = segments.lock().unwrap_or_else(PoisonError::into_inner);
        let segment = segments.holding(at).ok_or_else(|| {
            // Appends end within segments that exist; a gap here is a bug, and writing on would be worse.
            let hint = format!("no segment holds log position {at}");
            IoError::new("write", std::path::Path::new("(log)"), IoErrorKind::Failed, hint)
        })?;
        let stretch_end = end.min(segment.end());
        Ok(Stretch {
            file: segment.file.clone(),
            segment_start: segment.start,
            begin: self.written,
            end: stretch_end,
            pushed: self.written,
            writes: 0,
            needs_sync: (sync && stretch_end == end) || stretch_end == segment.end(),
            sync_pushed: false,
            synced: false,
        })
    }

    /// Pushes what can be pushed now.
    fn push(&mut self, staging: &Consumer, lane: &mut dyn Lane) -> Result<()> {
        let Some(Group { start, end, stretch, dsync, had_choice, .. }) = &mut self.group else {
            return Ok(());
        };
        if self.failed.is_some() {
            return Ok(());
        }
        while stretch.pushed < stretch.end {
            let from = page_floor(stretch.pushed);
            let Some(mut buf) = self.buffers.pop() else { break };
            let until = stretch.end.min(from + buf.len() as u64);
            let len = page_ceil((until - from) as usize);
            let old = (stretch.pushed - from) as usize;
            let new = (until - from) as usize;
            let bytes = &mut buf.as_mut_slice()[..len];
            bytes[..old].copy_from_slice(&self.tail_page[..old]);
            staging.copy_out(stretch.pushed, &mut bytes[old..new]);
            bytes[new..].fill(0);
            if new < len {
                self.tail_page.copy_from_slice(&bytes[len - PAGE..]);
            }
            let is_only = stretch.pushed == stretch.begin && until == stretch.end;
            let is_last = until == stretch.end && stretch.writes == 0;
            // A write that is durable by itself makes nothing else durable: it must be all that is not synced.
            let is_enough = stretch.needs_sync && is_only && self.synced == stretch.begin;
            *had_choice = is_enough && (stretch.begin, stretch.end) == (*start, *end);
            let dsync = *dsync && is_enough;
            let write = Op::Write {
                file: stretch.file.clone(),
                offset: PAGE as u64 + (from - stretch.segment_start),
                buf,
                len,
                dsync,
            };
            stretch.pushed = until;
            stretch.writes += 1;
            if dsync {
                self.syncs += 1;
                self.durable_writes += 1;
                stretch.sync_pushed = true;
                // Counted as one operation in flight: the write, which brings the sync along.
                stretch.synced = true;
                push_one(lane, WRITE, write)?;
            } else if stretch.needs_sync && is_last {
                self.syncs += 1;
                self.chains += 1;
                stretch.sync_pushed = true;
                self.chain.push((WRITE, write));
                self.chain.push((SYNC, sync_of(&stretch.file)));
                if !lane.push_chain(&mut self.chain) {
                    return Err(no_room(&stretch.file));
                }
            } else {
                push_one(lane, WRITE, write)?;
            }
        }
        if stretch.pushed == stretch.end && stretch.writes == 0 && stretch.needs_sync && !stretch.sync_pushed
        {
            self.syncs += 1;
            stretch.sync_pushed = true;
            push_one(lane, SYNC, sync_of(&stretch.file))?;
        }
        Ok(())
    }

    /// Takes in a completion of the group. Returns the group's end when it is over.
    pub(crate) fn complete(
        &mut self,
        completion: Completion,
        segments: &Mutex<Segments>,
        staging: &Consumer,
        lane: &mut dyn Lane,
    ) -> Result<Option<Finished>> {
        self.buffers.extend(completion.buf);
        let Some(group) = &mut self.group else {
            return Ok(None);
        };
        let stretch = &mut group.stretch;
        match completion.token {
            WRITE => stretch.writes -= 1,
            _ => stretch.synced = true,
        }
        if let Err(error) = completion.result {
            // Of a broken chain the first failure is the cause; the rest is its echo.
            self.failed.get_or_insert_with(|| error.into());
        }
        if let Some(error) = &self.failed {
            return if self.in_flight() == 0 { Err(error.clone()) } else { Ok(None) };
        }
        let over =
            stretch.pushed == stretch.end && stretch.writes == 0 && (stretch.synced || !stretch.needs_sync);
        if !over {
            self.push(staging, lane)?;
            return Ok(None);
        }
        self.written = stretch.end;
        if stretch.synced {
            self.synced = stretch.end;
            // Inside a group only what earlier groups wrote is known to end with a whole record.
            self.durable = if stretch.end == group.end { group.end } else { group.start };
        }
        if self.written < group.end {
            let (end, sync) = (group.end, group.sync);
            let stretch = self.stretch(end, sync, segments)?;
            if let Some(group) = &mut self.group {
                group.stretch = stretch;
            }
            self.push(staging, lane)?;
            return Ok(None);
        }
        let choice = group.had_choice.then_some(group.dsync);
        self.group = None;
        Ok(Some(Finished { end: self.written, durable: self.durable, choice }))
    }
}

fn sync_of(file: &File) -> Op {
    Op::Sync { file: file.clone(), data_only: true }
}

pub(super) fn push_one(lane: &mut dyn Lane, token: u64, op: Op) -> Result<()> {
    lane.push(token, op).map_err(|op| no_room(op.file()))
}

/// The lane is deeper than all we ever have in flight.
pub(super) fn no_room(file: &File) -> WalError {
    IoError::new("write", file.path(), IoErrorKind::Failed, "the log's lane has no room").into()
}
