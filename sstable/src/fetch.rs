//! Getting blocks: all that are missing in one enter. See [`BlockFetch`].

use std::sync::Arc;

use ringwood_ring::{ArenaFull, Buf, Completion, IoError, IoErrorKind, Lane, LanePool, Op};

use crate::ahead::RunRead;
use crate::block::codec::Decompressor;
use crate::cache::{BlockRef, Claim, Fill, Hint, Waiter};
use crate::error::{Result, TableError};
use crate::table::Table;

/// Runs fetches on a lane: what a cursor asks when a block is missing.
pub trait FetchLane {
    /// Runs `fetch` on an idle lane.
    ///
    /// # Errors
    /// If there is no lane. What befalls single blocks is told by [`BlockFetch::take`].
    fn fetch(&self, fetch: &mut BlockFetch) -> Result<()>;

    /// Reads a run of blocks while the caller goes on, if there is someone to do it. Returns whether there is.
    fn read_ahead(&self, _read: RunRead) -> bool {
        false
    }
}

impl FetchLane for Arc<LanePool> {
    fn fetch(&self, fetch: &mut BlockFetch) -> Result<()> {
        let mut lane = self.checkout()?;
        fetch.run(&mut *lane);
        Ok(())
    }
}

/// Getting blocks: all that are missing in one enter.
///
/// Collects wanted blocks of any tables, claims each in the cache, pushes the reads of all that are missing, and
/// waits for them together: n blocks take one `io_uring_enter` if the lane is n deep. Each block is read into the frame that then
/// serves later hits, checked there, and published.
///
/// ## Rules
///
/// 1. Nothing is in flight when [`run`](BlockFetch::run) returns, whatever happens (rule R0 of the ring).
/// 2. All own fills are finished before another's is waited for, so that two fetches never wait for each other.
/// 3. A block that was not read whole, or fails its checks, is not published: others who want it try for themselves, and each
///    gets the error as its own.
///
/// A `BlockFetch` is used by one thread at a time, again and again: it keeps its memory, so that a get allocates nothing.
#[derive(Debug, Default)]
pub struct BlockFetch {
    wants: Vec<Want>,
    done: Vec<Completion>,
    packed: Vec<u8>,
    decompressor: Decompressor,
}

#[derive(Debug)]
struct Want {
    table: Arc<Table>,
    block: u32,
    hint: Hint,
    state: State,
}

#[derive(Debug)]
enum State {
    Wanted,
    /// The read is in flight.
    Filling(Fill),
    /// Someone else reads it.
    Waiting(Waiter),
    /// The want before it is the same block.
    SameAsBefore,
    Ready(BlockRef),
    Failed(TableError),
    Taken,
}

impl BlockFetch {
    /// An empty fetch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Wants a block, and returns the number to [`take`](Self::take) it by. Wants of one block are read once.
    ///
    /// # Panics
    /// If the table has no such block.
    pub fn want(&mut self, table: &Arc<Table>, block: u32, hint: Hint) -> usize {
        assert!(block < table.block_count(), "block {block} of {}", table.block_count());
        let is_same = self.wants.last().is_some_and(|last| {
            let is_to_run = matches!(last.state, State::Wanted | State::SameAsBefore);
            is_to_run && last.block == block && Arc::ptr_eq(&last.table, table)
        });
        let state = if is_same { State::SameAsBefore } else { State::Wanted };
        self.wants.push(Want { table: Arc::clone(table), block, hint, state });
        self.wants.len() - 1
    }

    /// Number of wants.
    #[must_use]
    pub fn len(&self) -> usize {
        self.wants.len()
    }

    /// Whether nothing is wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wants.is_empty()
    }

    /// Forgets all wants, and keeps the memory.
    pub fn clear(&mut self) {
        self.wants.clear();
    }

    /// Gets every block that is wanted, on an idle lane: from the cache, by one read each, or from whoever reads it already.
    /// Returns with nothing in flight.
    pub fn run(&mut self, lane: &mut dyn Lane) {
        let broken = self.try_run(lane).err();
        if let Some(error) = broken {
            // The lane itself failed; it keeps the buffers that were in flight.
            for want in &mut self.wants {
                if matches!(want.state, State::Wanted | State::Filling(_) | State::Waiting(_)) {
                    want.state = State::Failed(TableError::Io(error.clone()));
                }
            }
        }
        for i in 1..self.wants.len() {
            if matches!(self.wants[i].state, State::SameAsBefore) {
                self.wants[i].state = match &self.wants[i - 1].state {
                    State::Ready(block) => State::Ready(block.clone()),
                    State::Failed(error) => State::Failed(error.clone()),
                    _ => State::Wanted,
                };
            }
        }
    }

    /// The block of want `i`, once.
    ///
    /// # Errors
    /// Why it could not be read; [`Invalid`](TableError::Invalid) before [`run`](Self::run), or the second time.
    ///
    /// # Panics
    /// If there is no such want.
    pub fn take(&mut self, i: usize) -> Result<BlockRef> {
        let want = &mut self.wants[i];
        match std::mem::replace(&mut want.state, State::Taken) {
            State::Ready(block) => Ok(block),
            State::Failed(error) => Err(error),
            other => {
                want.state = other;
                Err(TableError::invalid(
                    want.table.path(),
                    "a block was taken before it was fetched, or twice",
                ))
            }
        }
    }

    fn try_run(&mut self, lane: &mut dyn Lane) -> std::result::Result<(), IoError> {
        if lane.in_flight() > 0 {
            let path = std::path::Path::new("(lane)");
            return Err(IoError::new("read", path, IoErrorKind::Failed, "the lane is in use"));
        }
        loop {
            for i in 0..self.wants.len() {
                if matches!(self.wants[i].state, State::Wanted) {
                    self.start(i, lane)?;
                }
            }
            self.reap_all(lane)?;
            let mut again = false;
            for want in &mut self.wants {
                if let State::Waiting(_) = want.state {
                    let State::Waiting(waiter) = std::mem::replace(&mut want.state, State::Wanted) else {
                        continue;
                    };
                    match waiter.wait() {
                        Some(block) => want.state = State::Ready(block),
                        None => again = true, // Abandoned, or evicted at once: our turn.
                    }
                }
            }
            if !again {
                return Ok(());
            }
        }
    }

    /// Claims want `i`, and pushes its read if that is ours to do.
    fn start(&mut self, i: usize, lane: &mut dyn Lane) -> std::result::Result<(), IoError> {
        let claim = match self.claim(i) {
            // Our own reads may hold what is missing.
            Err(_) if lane.in_flight() > 0 => {
                self.reap_all(lane)?;
                self.claim(i)
            }
            claim => claim,
        };
        // A block is read even if it is larger than the arena: into memory of its own.
        let claim = claim.or_else(|full| {
            let any = self.wants[i].table.arena().alloc_any(full.bytes)?;
            Ok(Claim::Fill(Fill::uncached(any)))
        });
        self.wants[i].state = match claim {
            Ok(Claim::Hit(block)) => State::Ready(block),
            Ok(Claim::Wait(waiter)) => State::Waiting(waiter),
            Ok(Claim::Fill(fill)) => return self.push(i, fill, lane),
            Err(error) => State::Failed(TableError::Io(error)),
        };
        Ok(())
    }

    fn claim(&self, i: usize) -> std::result::Result<Claim, ArenaFull> {
        let Want { table, block, hint, .. } = &self.wants[i];
        table.claim(*block, *hint)
    }

    fn push(&mut self, i: usize, mut fill: Fill, lane: &mut dyn Lane) -> std::result::Result<(), IoError> {
        while lane.room() == 0 {
            // Half of them: the device stays busy, and enters stay few.
            let half = (lane.in_flight() / 2).max(1);
            lane.reap(half, &mut self.done)?;
            self.finish_done();
        }
        let want = &mut self.wants[i];
        let extent = want.table.extent(want.block);
        let buf = fill.take_buf();
        let op = Op::Read { file: want.table.file().clone(), offset: extent.offset, buf, len: extent.bytes };
        want.state = match lane.push(i as u64, op) {
            Ok(()) => State::Filling(fill),
            Err(op) => {
                if let Some(buf) = op.into_buf() {
                    fill.abandon(buf);
                }
                State::Failed(want.table.io_failed("a lane with room took no read"))
            }
        };
        Ok(())
    }

    fn reap_all(&mut self, lane: &mut dyn Lane) -> std::result::Result<(), IoError> {
        while lane.in_flight() > 0 {
            lane.reap(lane.in_flight(), &mut self.done)?;
            self.finish_done();
        }
        Ok(())
    }

    /// Checks and publishes the blocks that have arrived.
    fn finish_done(&mut self) {
        for completion in self.done.drain(..) {
            let want = &mut self.wants[completion.token as usize];
            let State::Filling(fill) = std::mem::replace(&mut want.state, State::Taken) else {
                continue; // Cannot be: tokens are numbers of wants being filled.
            };
            let Want { table, block, .. } = &*want;
            let finished = finish(
                table,
                *block,
                fill,
                completion.result,
                completion.buf,
                &mut self.packed,
                &mut self.decompressor,
            );
            want.state = finished.map_or_else(State::Failed, State::Ready);
        }
    }
}

/// Checks one block that was read, and publishes it.
fn finish(
    table: &Table,
    block: u32,
    fill: Fill,
    read: std::result::Result<usize, IoError>,
    buf: Option<Buf>,
    packed: &mut Vec<u8>,
    decompressor: &mut Decompressor,
) -> Result<BlockRef> {
    let Some(mut buf) = buf else {
        return Err(table.io_failed("the buffer of a read did not come back"));
    };
    let extent = table.extent(block);
    let len = match read {
        Ok(n) if n < extent.bytes => {
            let what = "the file ends inside this block; it was cut after it was opened";
            Err(TableError::corrupt(table.path(), extent.offset, what))
        }
        Ok(_) => table.decode_in_place(block, buf.as_mut_slice(), packed, decompressor),
        Err(error) => Err(error.into()),
    };
    match len {
        Ok(len) => Ok(fill.publish(buf, len)),
        Err(error) => {
            fill.abandon(buf);
            Err(error)
        }
    }
}

impl Table {
    fn io_failed(&self, what: &'static str) -> TableError {
        IoError::new("read", self.path(), IoErrorKind::Failed, what).into()
    }
}
