//! How many entries make a block.
//!
//! Plain blocks are packed greedily into their page target, one page by default: a get then reads exactly 4096 bytes.
//! Where entries are so large that a page would stay more than a quarter empty, the block is extended page by page, up to
//! [`PAGES_MAX`]; an entry that is larger still has a block of its own. So entries up to 1 KiB never cost a second page, and
//! at most a quarter of the file is padding unless entries are over 12 KiB.

use ringwood_ring::{PAGE, page_ceil};

use super::builder::{Batch, Shape, encode};
use super::codec::Compression;
use super::seal;
use super::squeeze::Squeeze;
use crate::entry::Entry;

/// Pages that a block of several entries has at most, unless the page target is larger.
pub(crate) const PAGES_MAX: usize = 4;

/// Plain length of a block of several entries at most: the largest frame of the cache, and within reach of 2-byte slots.
pub(crate) const PLAIN_MAX: usize = 32 << 10;

/// A block that is ready but for its place: padded, not sealed.
pub(crate) struct Packed<'a> {
    /// Whole pages; the consumer may take the memory.
    pub(crate) bytes: &'a mut Vec<u8>,
    /// Whole pages that its plain form takes in memory.
    pub(crate) frame_bytes: usize,
    /// Its first entry.
    pub(crate) first: (&'a [u8], u64),
    /// Its last entry.
    pub(crate) last: (&'a [u8], u64),
}

/// Takes finished blocks.
pub(crate) type Emit<'a> = &'a mut dyn FnMut(Packed<'_>);

/// Entries in, blocks out.
#[derive(Debug)]
pub(crate) struct Packer {
    pages_target: usize,
    batch: Batch,
    /// Of the whole batch, while packing plain.
    shape: Option<Shape>,
    /// Its length as a block.
    len: usize,
    /// Pages of the block that is being filled.
    pages: usize,
    squeeze: Option<Squeeze>,
    block: Vec<u8>,
}

impl Packer {
    /// A packer of blocks of `block_bytes` (whole pages, up to [`PLAIN_MAX`]).
    pub(crate) fn new(block_bytes: usize, compression: Compression) -> Self {
        let pages_target = (page_ceil(block_bytes.clamp(1, PLAIN_MAX))) / PAGE;
        let squeeze =
            (compression != Compression::None).then(|| Squeeze::new(compression, pages_target * PAGE));
        Self {
            pages_target,
            batch: Batch::default(),
            shape: None,
            len: 0,
            pages: 0,
            squeeze,
            block: Vec::new(),
        }
    }

    /// Adds an entry; emits the blocks that it completes.
    #[inline]
    pub(crate) fn add(&mut self, entry: &Entry<'_>, emit: Emit<'_>) {
        // Most entries are as long as the one before and find room beside it: a few comparisons.
        if let Some(shape) = &mut self.shape
            && let Some(bytes) = shape.grow_alike(self.batch.first_key(), entry, self.pages * PAGE - self.len)
        {
            self.len += bytes;
            self.batch.push(entry);
            return;
        }
        self.add_any(entry, emit);
    }

    fn add_any(&mut self, entry: &Entry<'_>, emit: Emit<'_>) {
        let pages_max = self.pages_target.max(PAGES_MAX);
        if Shape::one(entry).block_len() > pages_max * PAGE {
            self.finish(emit);
            self.emit_large(entry, emit);
        } else if self.squeeze.is_some() {
            self.batch.push(entry);
            self.squeeze_out(false, emit);
        } else {
            self.add_plain(entry, pages_max, emit);
        }
    }

    /// Emits what is left.
    pub(crate) fn finish(&mut self, emit: Emit<'_>) {
        self.squeeze_out(true, emit);
        self.flush(emit);
    }

    /// The last key that was added, if its entry waits for its block to be full.
    #[inline]
    pub(crate) fn last_key(&self) -> Option<&[u8]> {
        self.batch.last_key()
    }

    /// Bytes of entries that wait for their block to be full.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.batch.bytes()
    }

    fn add_plain(&mut self, entry: &Entry<'_>, pages_max: usize, emit: Emit<'_>) {
        let grown = self.shape.map(|shape| shape.with(&self.batch, entry));
        let grown = grown.and_then(|grown| {
            let pages = grown.block_len().div_ceil(PAGE);
            let is_sparse = || 4 * self.len < 3 * self.pages * PAGE;
            if pages > self.pages && (pages > pages_max || !is_sparse()) {
                self.flush(emit);
                return None;
            }
            self.pages = self.pages.max(pages);
            Some(grown)
        });
        let shape = grown.unwrap_or_else(|| {
            let shape = Shape::one(entry);
            self.pages = shape.block_len().div_ceil(PAGE).max(self.pages_target);
            shape
        });
        self.len = shape.block_len();
        self.shape = Some(shape);
        self.batch.push(entry);
    }

    /// Emits the plain block that is being filled.
    fn flush(&mut self, emit: Emit<'_>) {
        if let Some(shape) = self.shape.take() {
            emit_plain(&mut self.block, &self.batch, &shape, emit);
            self.batch.drop_front(shape.count);
        }
    }

    /// Emits compressed blocks while the batch holds enough for one, or until it is empty if `is_last`.
    fn squeeze_out(&mut self, is_last: bool, emit: Emit<'_>) {
        let Some(squeeze) = &mut self.squeeze else {
            return;
        };
        while !self.batch.is_empty() && (is_last || squeeze.wants_no_more(&self.batch)) {
            let Some(choice) = squeeze.choose(&self.batch, is_last) else {
                return;
            };
            if choice.is_packed {
                seal::pad(&mut squeeze.best);
                emit(Packed {
                    frame_bytes: page_ceil(choice.shape.block_len()).max(squeeze.best.len()),
                    bytes: &mut squeeze.best,
                    first: place(&self.batch.entry(0)),
                    last: place(&self.batch.entry(choice.shape.count - 1)),
                });
            } else {
                emit_plain(&mut self.block, &self.batch, &choice.shape, emit);
            }
            self.batch.drop_front(choice.shape.count);
        }
    }

    /// Emits a block of one large entry, without copying it into the batch first.
    fn emit_large(&mut self, entry: &Entry<'_>, emit: Emit<'_>) {
        let shape = Shape::one(entry);
        encode(&shape, std::iter::once(entry.into()), &mut self.block);
        let mut frame_bytes = page_ceil(self.block.len());
        if let Some(squeeze) = &mut self.squeeze
            && squeeze.pack_alone(&self.block)
            && page_ceil(squeeze.best.len()) < frame_bytes
        {
            std::mem::swap(&mut self.block, &mut squeeze.best);
        }
        seal::pad(&mut self.block);
        frame_bytes = frame_bytes.max(self.block.len());
        emit(Packed { bytes: &mut self.block, frame_bytes, first: place(entry), last: place(entry) });
        // One large value must not hold its memory for the rest of the table.
        self.block.shrink_to(2 * PLAIN_MAX);
        if let Some(squeeze) = &mut self.squeeze {
            squeeze.best.shrink_to(2 * PLAIN_MAX);
        }
    }
}

/// Emits a plain block of the first entries of `batch`.
fn emit_plain(block: &mut Vec<u8>, batch: &Batch, shape: &Shape, emit: Emit<'_>) {
    encode(shape, (0..shape.count).map(|i| batch.laid(i)), block);
    seal::pad(block);
    emit(Packed {
        frame_bytes: block.len(),
        bytes: block,
        first: place(&batch.entry(0)),
        last: place(&batch.entry(shape.count - 1)),
    });
}

fn place<'a>(entry: &Entry<'a>) -> (&'a [u8], u64) {
    (entry.key, entry.seq)
}
