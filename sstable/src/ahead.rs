//! Runs: blocks of a table that follow each other, read in one piece by someone else while a scan goes on.
//!
//! A scan that waits for its blocks and then walks through them leaves the disk idle half of the time. It may not leave a read in flight when its
//! call returns (rule R0), but a thread of the engine's may: the cursor makes a run, gives the engine its [`RunRead`], and waits for the
//! [`BlockRun`] when it gets there. The reading thread checks the blocks as well.
//!
//! A run is one read into one buffer: 64 reads of a page each would be too many for a fast disk. The buffer lives until the last of its blocks is let go.
//! The blocks are past the cache, but for copies in free frames of it, so that a scan of a store that fits is not from the disk the second time. No block
//! of the cache gives way.
//!
//! # Who has what
//!
//! Cursor and reading thread have the run in common, and nothing else. Whoever lets go first leaves it to the other: a cursor that is dropped leaves
//! a read that ends unheard; a `RunRead` that is dropped before its time ends the run without blocks, and the cursor reads for itself. So nobody waits
//! for a thread that is gone.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ringwood_ring::{Arena, Buf, Completion, Gate, Op};

use crate::block::codec::Decompressor;
use crate::cache::{BlockRef, Fill};
use crate::table::Table;

/// Runs that one cursor has under way, or here and not begun, at most.
pub(crate) const RUNS_AHEAD: usize = 4;
/// Bytes of a run, at most.
pub const RUN_BYTES_MAX: usize = 256 << 10;
/// Blocks of a run, at most.
pub(crate) const RUN_BLOCKS_MAX: u32 = (RUN_BYTES_MAX / ringwood_ring::PAGE) as u32;

/// The cursor's side of a run.
pub(crate) struct BlockRun {
    table: Arc<Table>,
    blocks: Range<u32>,
    /// What was read; fewer blocks than asked for if one could not be had.
    read: Mutex<Vec<BlockRef>>,
    is_over: AtomicBool,
    gate: Gate,
    /// What the reader counts runs by.
    lease: OnceLock<Arc<()>>,
}

impl BlockRun {
    pub(crate) fn blocks(&self) -> Range<u32> {
        self.blocks.clone()
    }

    /// Waits until the run is over, and takes its blocks.
    pub(crate) fn wait(&self) -> impl DoubleEndedIterator<Item = (u32, BlockRef)> + use<> {
        // In one order with the gate's own count, lest a wake-up is missed.
        self.gate.wait_until(|| self.is_over.load(Ordering::SeqCst));
        let read = std::mem::take(&mut *self.read.lock().unwrap_or_else(PoisonError::into_inner));
        self.blocks.clone().zip(read)
    }

    fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.gate.notify();
    }
}

impl fmt::Debug for BlockRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockRun({:?})", self.blocks)
    }
}

/// The duty to read a run of blocks: the reader's side. [`op`](Self::op) is the read to submit, [`RunReader::complete`] takes what came of it. Dropping it
/// gives the run up.
pub struct RunRead {
    run: Arc<BlockRun>,
}

impl RunRead {
    /// A run of `blocks`, of which there is at least one, that is to be read.
    pub(crate) fn new(table: &Arc<Table>, blocks: Range<u32>) -> (Arc<BlockRun>, Self) {
        let run = Arc::new(BlockRun {
            table: Arc::clone(table),
            blocks,
            read: Mutex::default(),
            is_over: AtomicBool::new(false),
            gate: Gate::new(),
            lease: OnceLock::new(),
        });
        (Arc::clone(&run), Self { run })
    }

    /// Whether the cursor is still there.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        Arc::strong_count(&self.run) > 1
    }

    /// Keeps `lease` until the cursor begins the run, or both sides are gone: the reader's way to count runs.
    pub fn keep(&self, lease: Arc<()>) {
        let _ = self.run.lease.set(lease);
    }

    /// The one read of all blocks, into a buffer of `arena`. None if there is no room.
    #[must_use]
    pub fn op(&self, arena: &Arc<Arena>) -> Option<Op> {
        let table = &self.run.table;
        let len = self.bytes();
        let buf = arena.alloc(len).ok()?;
        let offset = table.extent(self.run.blocks.start).offset;
        Some(Op::Read { file: table.file().clone(), offset, buf, len })
    }

    fn bytes(&self) -> usize {
        self.run.blocks.clone().map(|block| self.run.table.extent(block).bytes).sum()
    }
}

impl Drop for RunRead {
    fn drop(&mut self) {
        self.run.end();
    }
}

impl fmt::Debug for RunRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunRead({:?})", self.run.blocks)
    }
}

/// Checks runs that were read. One thread at a time uses it; it keeps memory from one to the next.
#[derive(Debug, Default)]
pub struct RunReader {
    packed: Vec<u8>,
    decompressor: Decompressor,
}

impl RunReader {
    /// Checks the blocks of a run that was read by its [`op`](RunRead::op), and hands them to the cursor: all up to the first that cannot be had, whose
    /// error the cursor will meet itself.
    pub fn complete(&mut self, read: RunRead, completion: Completion) {
        if !read.is_wanted() || completion.result.as_ref().ok() != Some(&read.bytes()) {
            return;
        }
        let Some(mut buf) = completion.buf else { return };
        let table = &read.run.table;
        // Where each block is when it is plain: in the buffer, or elsewhere if it was compressed.
        let mut plain = Vec::with_capacity(read.run.blocks.len());
        let mut at = 0;
        for block in read.run.blocks.clone() {
            let bytes = table.extent(block).bytes;
            let stored = &mut buf.as_mut_slice()[at..at + bytes];
            let Some(checked) = self.check(table, block, at, stored) else { break };
            plain.push(checked);
            at += bytes;
        }
        let len = buf.len();
        let whole = private(buf, len);
        let blocks = read.run.blocks.clone().zip(plain).map(|(block, plain)| {
            let plain = match plain {
                Plain::InPlace(range) => whole.part(range),
                Plain::Elsewhere(block) => block,
            };
            table.adopt(block, &plain).unwrap_or(plain)
        });
        *read.run.read.lock().unwrap_or_else(PoisonError::into_inner) = blocks.collect();
        // Ends the run: the cursor may go on.
        drop(read);
    }

    /// Checks a block that starts at `at` in its buffer and makes it plain. None if it is damaged, or there is no memory for it.
    fn check(&mut self, table: &Table, block: u32, at: usize, stored: &mut [u8]) -> Option<Plain> {
        let (packed, decompressor) = (&mut self.packed, &mut self.decompressor);
        let frame_bytes = table.frame_bytes(block);
        if stored.len() >= frame_bytes {
            let len = table.decode_in_place(block, stored, packed, decompressor).ok()?;
            return Some(Plain::InPlace(at..at + len));
        }
        let mut frame = table.arena().alloc(frame_bytes).ok()?;
        frame.as_mut_slice()[..stored.len()].copy_from_slice(stored);
        let len = table.decode_in_place(block, frame.as_mut_slice(), packed, decompressor).ok()?;
        Some(Plain::Elsewhere(private(frame, len)))
    }
}

/// Where the plain form of a block is.
enum Plain {
    /// In this range of the run's buffer.
    InPlace(Range<usize>),
    Elsewhere(BlockRef),
}

/// A buffer that goes back with its last reference.
fn private(buf: Buf, len: usize) -> BlockRef {
    let mut fill = Fill::uncached(buf);
    let buf = fill.take_buf();
    fill.publish(buf, len)
}
