//! Walking through blocks that were read in bulk, past the cache.
//!
//! A compaction reads its input in large pieces ([`Table::reads`]) into buffers of its own, hundreds of them an enter. A [`RawRun`]
//! takes such a buffer and gives its entries in order, checking each block as it comes to it. One thread at a time uses it.

use std::ops::Range;
use std::sync::Arc;

use ringwood_ring::Buf;

use crate::block::codec::Decompressor;
use crate::block::cursor::BlockCursor;
use crate::entry::{Entry, Kind};
use crate::error::Result;
use crate::table::Table;

/// Consecutive blocks of a table, as they were read, and a position in them.
///
/// It starts before the first entry, and is to be [filled](Self::fill) before it has any.
#[derive(Debug)]
pub struct RawRun {
    table: Arc<Table>,
    buf: Option<Buf>,
    /// Blocks of the buffer that are still to come.
    blocks: Range<u32>,
    /// The damaged block at which the run ended, and those behind it.
    broken: Option<Range<u32>>,
    /// Where the next block starts in the buffer.
    next_at: usize,
    /// Where the current one lies in the buffer; `None` if its plain form is in `plain`.
    current: Option<Range<usize>>,
    plain: Vec<u8>,
    decompressor: Decompressor,
    at: BlockCursor,
    is_hot: bool,
}

impl RawRun {
    /// A run without blocks.
    #[must_use]
    pub fn new(table: Arc<Table>) -> Self {
        Self {
            table,
            buf: None,
            blocks: 0..0,
            broken: None,
            next_at: 0,
            current: None,
            plain: Vec::new(),
            decompressor: Decompressor::default(),
            at: BlockCursor::default(),
            is_hot: false,
        }
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Goes on with `blocks`, whose bytes start `buf` (one of [`Table::reads`], read in full), and gives back the buffer before.
    /// The position is before the first entry.
    ///
    /// # Panics
    /// If the buffer is shorter than the blocks, or the table has no such blocks.
    pub fn fill(&mut self, blocks: Range<u32>, buf: Buf) -> Option<Buf> {
        let bytes: usize = blocks.clone().map(|b| self.table.extent(b).bytes).sum();
        assert!(bytes <= buf.len(), "blocks of {bytes} bytes in {buf:?}");
        self.blocks = blocks;
        self.broken = None;
        self.next_at = 0;
        self.at.leave();
        self.buf.replace(buf)
    }

    /// Takes the buffer away. The run has no entries then.
    pub fn take_buf(&mut self) -> Option<Buf> {
        (self.blocks, self.broken) = (0..0, None);
        self.at.leave();
        self.buf.take()
    }

    /// Moves to the next entry. False: there is none in this buffer.
    ///
    /// # Errors
    /// If the next block is damaged. The run ends there.
    #[inline]
    pub fn advance(&mut self) -> Result<bool> {
        let index = self.at.index().wrapping_add(1);
        if index < self.at.len() {
            let bytes = bytes(self.buf.as_ref(), self.current.as_ref(), &self.plain);
            return Ok(self.at.go(bytes, index));
        }
        self.next_block()
    }

    fn next_block(&mut self) -> Result<bool> {
        self.at.leave();
        let (Some(buf), Some(block)) = (&self.buf, self.blocks.next()) else { return Ok(false) };
        let from = self.next_at;
        let range = from..from + self.table.extent(block).bytes;
        self.next_at = range.end;
        self.is_hot = self.table.is_hot(block);
        let raw = &buf.as_slice()[range.clone()];
        match self.table.decode_to(block, raw, &mut self.plain, &mut self.decompressor) {
            Ok((layout, is_packed)) => {
                self.current = (!is_packed).then_some(range);
                let bytes = bytes(self.buf.as_ref(), self.current.as_ref(), &self.plain);
                self.at.enter(bytes, layout);
                Ok(self.at.go(bytes, 0))
            }
            Err(error) => {
                self.broken = Some(block..self.blocks.end);
                self.blocks = 0..0;
                Err(error)
            }
        }
    }

    /// After an error: makes the run go on behind the damaged block, and tells which that is. What it gives from then on has a hole:
    /// for checks and salvage alone.
    pub(crate) fn skip_damaged(&mut self) -> Option<u32> {
        let broken = self.broken.take()?;
        self.blocks = broken.start + 1..broken.end;
        Some(broken.start)
    }

    /// The current entry's block.
    #[must_use]
    pub fn block(&self) -> u32 {
        self.blocks.start.saturating_sub(1)
    }

    /// Whether the current entry's block was in the cache, and in use there, when the run came to it.
    #[inline]
    #[must_use]
    pub fn is_hot(&self) -> bool {
        self.is_hot
    }

    /// The current entry's user key.
    #[inline]
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.at.key()
    }

    /// The current entry's sequence number.
    #[inline]
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.at.seq()
    }

    /// The current entry's kind.
    #[inline]
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.at.kind()
    }

    /// The current entry's value.
    #[inline]
    #[must_use]
    pub fn value(&self) -> &[u8] {
        self.at.value(bytes(self.buf.as_ref(), self.current.as_ref(), &self.plain))
    }

    /// The current entry. Only after [`advance`](Self::advance) returned true.
    #[inline]
    #[must_use]
    pub fn entry(&self) -> Entry<'_> {
        Entry { key: self.key(), seq: self.seq(), kind: self.kind(), value: self.value() }
    }
}

/// The plain bytes of the current block.
#[inline]
fn bytes<'a>(buf: Option<&'a Buf>, current: Option<&Range<usize>>, plain: &'a [u8]) -> &'a [u8] {
    match (buf, current) {
        (Some(buf), Some(range)) => buf.as_slice().get(range.clone()).unwrap_or_default(),
        _ => plain,
    }
}
