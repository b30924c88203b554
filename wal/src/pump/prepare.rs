//! Preparing segments ahead of their use.
//!
//! A segment file goes through these states, each reached only when the one before is complete:
//!
//! | name | content | after a crash here |
//! |---|---|---|
//! | `spare.tmp`, or `spare-i.log` if it was a segment before | being filled with zeros, if it has to be | removed |
//! | the same | header of segment N, synced | removed; nobody was told of it |
//! | `N.log` | the same, renamed | an empty segment, or still the spare; nobody was told of it |
//! | `N.log`, directory synced | **bound**: appends may count on it | part of the log |
//!
//! A file named `N.log` therefore always has the durable header of segment N. The other way, a released `M.log` becomes the spare
//! by rename and directory sync *before* its header is overwritten.
//!
//! A segment is filled for the sake of syncs: one to space that was allocated and never written commits the file system's journal, too, each time.
//! A log that is hardly synced has nothing of it, and would write everything twice until its segments are recycled; so it goes without.
//!
//! Filling is done in small pieces between commit groups, one in flight at a time. Creating, renaming and syncing the directory are plain calls
//! that hold the pump up, a few for each segment.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringwood_ring::{Buf, Completion, Disk, File, IoErrorKind, Lane, Op, OpenOptions, PAGE};

use super::group::{no_room, push_one};
use super::segments::{Link, Segment};
use crate::header::SegmentHeader;
use crate::{Lsn, Result, WalError, names};

/// Token of the writes that fill a spare.
pub(crate) const FILL: u64 = 2;
/// Token of the write of a header.
pub(crate) const BIND_WRITE: u64 = 3;
/// Token of the sync after it.
pub(crate) const BIND_SYNC: u64 = 4;

/// Bytes of zeros in one write.
pub(crate) const FILL_BYTES: usize = 128 << 10;

/// The same while the log is opened.
pub(crate) const FIRST_FILL_BYTES: usize = 1 << 20;

/// A file that waits to become a segment.
#[derive(Debug)]
pub(crate) struct Spare {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    /// Payload bytes.
    pub(crate) capacity: u64,
    /// The file system has set the space aside. Where it cannot, filling does.
    is_reserved: bool,
    /// All of it has been written before, with zeros or log.
    is_written: bool,
}

#[derive(Debug)]
enum Task {
    None,
    /// Zeros are being written.
    Filling {
        spare: Spare,
        next: u64,
        in_flight: bool,
    },
    /// The header is being written and synced.
    Binding {
        spare: Spare,
        header: SegmentHeader,
        pending: usize,
    },
}

/// What came of a step.
pub(crate) enum Prepared {
    /// Nothing to do, or waiting for the disk.
    Nothing,
    /// Something moved.
    Worked,
    /// A segment is bound.
    Bound(Segment),
}

/// See the module documentation.
pub(crate) struct Preparer {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    store_id: u64,
    salt: u64,
    /// For zeros and header pages; away while an operation has it.
    scratch: Option<Buf>,
    pub(crate) spares: Vec<Spare>,
    task: Task,
    failed: Option<WalError>,
    chain: Vec<(u64, Op)>,
    /// Segments created so far, and those that were filled, for the counts.
    pub(crate) created: u64,
    pub(crate) filled: u64,
}

impl Preparer {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf, store_id: u64, salt: u64, scratch: Buf) -> Self {
        Self {
            disk,
            dir,
            store_id,
            salt,
            scratch: Some(scratch),
            spares: Vec::with_capacity(names::SPARES.len()),
            task: Task::None,
            failed: None,
            chain: Vec::with_capacity(2),
            created: 0,
            filled: 0,
        }
    }

    /// From now on the writes that fill are of [`FILL_BYTES`]: others share the disk.
    pub(crate) fn shrink_scratch(&mut self) {
        if self.scratch.as_ref().is_some_and(|buf| buf.len() > FILL_BYTES)
            && let Ok(buf) = self.disk.arena().alloc(FILL_BYTES)
        {
            self.scratch = Some(buf);
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.task, Task::None)
    }

    /// Whether an operation is in flight.
    pub(crate) fn in_flight(&self) -> bool {
        match &self.task {
            Task::None => false,
            Task::Filling { in_flight, .. } => *in_flight,
            Task::Binding { pending, .. } => *pending > 0,
        }
    }

    /// Bytes of the spares on disk, ready or not.
    pub(crate) fn spare_bytes(&self) -> u64 {
        let ready: u64 = self.spares.iter().map(|s| s.capacity + PAGE as u64).sum();
        match &self.task {
            Task::None => ready,
            Task::Filling { spare, .. } => ready + spare.capacity + PAGE as u64,
            Task::Binding { header, .. } => ready + header.capacity + PAGE as u64,
        }
    }

    /// Starts on the next segment: from a spare, if there is one, else from a new file of `capacity` payload bytes. With `fill` it is to
    /// be written before it is used.
    pub(crate) fn start(
        &mut self,
        capacity: u64,
        fill: bool,
        link: Link,
        durable: Lsn,
        lane: &mut dyn Lane,
    ) -> Result<()> {
        debug_assert!(self.is_idle());
        let spare = match self.spares.pop() {
            Some(spare) => spare,
            None => self.create(capacity)?,
        };
        if !spare.is_written && (fill || !spare.is_reserved) {
            self.task = Task::Filling { spare, next: 0, in_flight: false };
            return Ok(());
        }
        self.bind(spare, link, durable, lane)
    }

    /// A name that no spare has.
    fn spare_path(&self) -> Option<PathBuf> {
        let mut paths = names::SPARES.iter().map(|name| self.dir.join(name));
        paths.find(|path| self.spares.iter().all(|s| s.path != *path))
    }

    fn create(&mut self, capacity: u64) -> Result<Spare> {
        let path = self.dir.join(names::SPARE_TMP);
        // New in any case: what a failed attempt left may by now be a second name of something else.
        self.discard(&path);
        let file = self.disk.open(&path, OpenOptions::CREATE)?;
        let is_reserved = match self.disk.allocate(&file, PAGE as u64 + capacity) {
            Ok(is_reserved) => is_reserved,
            Err(error) => {
                drop(file);
                self.discard(&path);
                return Err(error.into());
            }
        };
        self.created += 1;
        Ok(Spare { path, file, capacity, is_reserved, is_written: false })
    }

    fn bind(&mut self, spare: Spare, link: Link, durable: Lsn, lane: &mut dyn Lane) -> Result<()> {
        let header = SegmentHeader {
            store_id: self.store_id,
            number: link.number,
            salt: self.salt,
            start: link.start,
            capacity: spare.capacity,
            prev_number: link.prev_number,
            prev_end: link.prev_end,
            durable: durable.min(link.start),
        };
        let Some(mut buf) = self.scratch.take() else {
            return Ok(());
        };
        buf.as_mut_slice()[..PAGE].copy_from_slice(&header.encode());
        let write = Op::Write { file: spare.file.clone(), offset: 0, buf, len: PAGE, dsync: false };
        // All metadata too: the file may be new.
        let sync = Op::Sync { file: spare.file.clone(), data_only: false };
        let file = spare.file.clone();
        self.task = Task::Binding { spare, header, pending: 2 };
        self.chain.push((BIND_WRITE, write));
        self.chain.push((BIND_SYNC, sync));
        if lane.push_chain(&mut self.chain) { Ok(()) } else { Err(no_room(&file)) }
    }

    /// Goes on with the task; `link` is what a segment would continue now.
    pub(crate) fn step(&mut self, link: Link, durable: Lsn, lane: &mut dyn Lane) -> Result<Prepared> {
        if self.in_flight() {
            return Ok(Prepared::Nothing);
        }
        if let Some(error) = self.failed.take() {
            self.give_up();
            return Err(error);
        }
        match std::mem::replace(&mut self.task, Task::None) {
            Task::None => Ok(Prepared::Nothing),
            Task::Filling { spare, next, .. } => {
                if next < PAGE as u64 + spare.capacity {
                    self.fill(spare, next, lane)?;
                } else {
                    self.filled += 1;
                    self.bind(Spare { is_written: true, ..spare }, link, durable, lane)?;
                }
                Ok(Prepared::Worked)
            }
            Task::Binding { spare, header, .. } => self.bound(&spare, &header).map(Prepared::Bound),
        }
    }

    fn fill(&mut self, spare: Spare, next: u64, lane: &mut dyn Lane) -> Result<()> {
        let Some(mut buf) = self.scratch.take() else {
            return Ok(());
        };
        let len = (PAGE as u64 + spare.capacity - next).min(buf.len() as u64) as usize;
        if next == 0 {
            buf.as_mut_slice().fill(0);
        }
        let write = Op::Write { file: spare.file.clone(), offset: next, buf, len, dsync: false };
        self.task = Task::Filling { spare, next: next + len as u64, in_flight: true };
        push_one(lane, FILL, write)
    }

    /// The header is durable: names the file.
    fn bound(&mut self, spare: &Spare, header: &SegmentHeader) -> Result<Segment> {
        let path = names::segment(&self.dir, header.number);
        self.disk.rename(&spare.path, &path)?;
        // A name that may or may not be durable is no base for anything: whatever the reason, writing ends here.
        let synced = self.disk.sync_dir(&self.dir);
        synced.map_err(|e| WalError::from(e).into_poison())?;
        // Opened again, so that errors name the file as it is called now. Out of descriptors, the old handle does as well.
        let file = self.disk.open(&path, OpenOptions::WRITE).unwrap_or_else(|_| spare.file.clone());
        Ok(Segment {
            number: header.number,
            start: header.start,
            capacity: header.capacity,
            data_end: header.start + header.capacity,
            is_written: spare.is_written,
            path,
            file,
        })
    }

    /// Takes in a completion of the task.
    pub(crate) fn complete(&mut self, completion: Completion) {
        if completion.buf.is_some() {
            self.scratch = completion.buf;
        }
        match &mut self.task {
            Task::None => {}
            Task::Filling { in_flight, .. } => *in_flight = false,
            Task::Binding { pending, .. } => *pending -= 1,
        }
        if let Err(error) = completion.result {
            self.failed.get_or_insert_with(|| error.into());
        }
    }

    /// Drops the file of a task that failed. It held nothing.
    fn give_up(&mut self) {
        let path = match std::mem::replace(&mut self.task, Task::None) {
            Task::None => return,
            Task::Filling { spare, .. } | Task::Binding { spare, .. } => spare.path,
        };
        self.discard(&path);
    }

    /// Removes a file that holds nothing; if that fails too, the next opening does it.
    pub(crate) fn discard(&self, path: &Path) {
        match self.disk.remove(path) {
            Err(error) if error.kind() != IoErrorKind::NotFound => log::warn!("left behind for now: {error}"),
            _ => {}
        }
    }

    /// Makes a spare of a released segment, or removes it if there are enough or larger ones are wanted. Returns whether it was kept.
    pub(crate) fn recycle(&mut self, segment: &Segment, capacity_min: u64) -> Result<bool> {
        // A file under preparation may take a name yet.
        let free = self.spare_path().filter(|_| self.is_idle());
        let Some(path) = free.filter(|_| segment.capacity >= capacity_min) else {
            self.discard(&segment.path);
            return Ok(false);
        };
        if let Err(error) = self.disk.rename(&segment.path, &path) {
            log::warn!("a released segment is removed instead of recycled: {error}");
            self.discard(&segment.path);
            return Ok(false);
        }
        // Before its header may be overwritten: see the module documentation.
        self.disk.sync_dir(&self.dir)?;
        let Ok(file) = self.disk.open(&path, OpenOptions::WRITE) else {
            return Ok(false);
        };
        // What it was when it became a segment, it is.
        let (capacity, is_written) = (segment.capacity, segment.is_written);
        self.spares.push(Spare { path, file, capacity, is_reserved: true, is_written });
        Ok(true)
    }
}

/// The payload bytes of the next segment: twice the last one's if that fills in less than a second, up to `max`.
///
/// `filled` bytes of `capacity` were filled in `elapsed_ns`.
pub(crate) fn next_capacity(capacity: u64, filled: u64, elapsed_ns: u64, min: u64, max: u64) -> u64 {
    const SECOND_NS: u128 = 1_000_000_000;
    // capacity / (filled / elapsed) < 1 s
    let is_fast = u128::from(capacity) * u128::from(elapsed_ns) < SECOND_NS * u128::from(filled);
    let wanted = if is_fast { capacity.saturating_mul(2) } else { capacity };
    wanted.clamp(min, max)
}

#[cfg(test)]
mod tests {
    use super::next_capacity;

    #[test]
    fn segments_double_while_they_fill_fast() {
        const MIB: u64 = 1 << 20;
        let next = |capacity, filled, ns| next_capacity(capacity, filled, ns, MIB, 64 * MIB);
        assert_eq!(next(MIB, MIB / 2, 499_000_000), 2 * MIB);
        assert_eq!(next(MIB, MIB / 2, 501_000_000), MIB);
        assert_eq!(next(64 * MIB, 64 * MIB, 1), 64 * MIB);
        assert_eq!(next(MIB / 2, 0, 0), MIB);
        assert_eq!(next(128 * MIB, MIB, u64::MAX), 64 * MIB);
    }
}
