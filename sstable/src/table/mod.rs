//! An open table: index and filter in memory, blocks on disk or in the cache. See [`Table`].

mod open;
mod verify;

use std::path::Path;
use std::sync::Arc;

use ringwood_ring::{Arena, ArenaFull, Disk, File, Lane};

pub use open::TableSpec;
pub use verify::{Finding, Verified};

use crate::block::codec::Decompressor;
use crate::block::{BlockView, Compression, Layout, format, seal};
use crate::cache::{BlockCache, BlockRef, Claim, Hint, Residency};
use crate::checksum::Checksum;
use crate::cursor::ScanLength;
use crate::entry::SEQ_MAX;
use crate::error::{Fault, Result, TableError};
use crate::filter::Filter;
use crate::footer::Properties;
use crate::hash::KeyHash;
use crate::index::Index;

/// Memory for packed bytes that a fetch keeps; a single large block takes more for a moment.
const PACKED_KEPT: usize = 64 << 10;

/// Where a block lies in its file: whole pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Byte offset.
    pub offset: u64,
    /// Length in bytes.
    pub bytes: usize,
}

/// An open table: index and filter in memory, blocks on disk or in the cache.
///
/// It is immutable and shared by an `Arc`; any thread uses it. It does no I/O after [`open`](Table::open): it tells where
/// blocks lie, and [`BlockFetch`](crate::BlockFetch) reads them. Closing is dropping the last `Arc`, which frees its frames in the
/// cache; the file is removed by whoever owns the directory.
#[derive(Debug)]
pub struct Table {
    // What a point read touches comes first.
    index: Index,
    filter: Option<Filter>,
    residency: Residency,
    file: File,
    checksum: Checksum,
    arena: Arc<Arena>,
    id: u64,
    file_bytes: u64,
    data_bytes: u64,
    properties: Properties,
    /// The sequence number of all entries, if the table was written before it was known.
    assigned_seq: Option<u64>,
    scan_length: ScanLength,
}

impl Table {
    /// Opens the table `id` at `path`: reads footer, properties, index and filter, on an idle lane. One read if all of these lie
    /// in the last 64 KiB, else two.
    ///
    /// # Errors
    /// [`Corrupt`](crate::TableError::Corrupt) for a file that is cut, damaged, another table's, or no table at all;
    /// [`NewerVersion`](crate::TableError::NewerVersion); [`Io`](crate::TableError::Io).
    pub fn open(
        disk: &Arc<dyn Disk>,
        lane: &mut dyn Lane,
        cache: &Arc<BlockCache>,
        path: &Path,
        id: u64,
    ) -> Result<Arc<Self>> {
        let spec = TableSpec { path: path.to_path_buf(), id, tail_bytes: 0, salt: None, warmed: None };
        let opened = Self::open_all(disk, lane, cache, [spec]).pop();
        opened.expect("a result for each specification").map(Arc::new)
    }

    /// Opens tables, on an idle lane: a read each if the lengths of their tails are given, as many in one enter as the lane is deep and 16 MiB
    /// hold. What came of each is in its place.
    ///
    /// # Errors
    /// For each table, as [`open`](Self::open).
    pub fn open_all(
        disk: &Arc<dyn Disk>,
        lane: &mut dyn Lane,
        cache: &Arc<BlockCache>,
        specs: impl IntoIterator<Item = TableSpec>,
    ) -> Vec<Result<Self>> {
        open::open_all(disk, lane, cache, specs)
    }

    /// Gives all entries the sequence number `seq`: for a table that was written with 0 throughout, before its number was known. What is
    /// read from then on has it; the file stays as it is, so whoever opens it again says so again.
    ///
    /// # Errors
    /// [`Corrupt`](crate::TableError::Corrupt) if the table has sequence numbers of its own.
    pub fn assign_seq(&mut self, seq: u64) -> Result<()> {
        if self.properties.seq_largest > 0 || seq >= SEQ_MAX {
            let what = format!("its entries cannot all be of sequence number {seq}, as they should");
            return Err(TableError::corrupt(self.path(), self.data_bytes, what));
        }
        (self.properties.seq_smallest, self.properties.seq_largest) = (seq, seq);
        self.assigned_seq = Some(seq);
        Ok(())
    }

    /// Whether the table may have a key of this hash: false for 255 of 256 keys that it has not, without I/O.
    #[inline]
    #[must_use]
    pub fn may_contain(&self, hash: KeyHash) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.may_contain(hash))
    }

    /// Has the memory fetched that [`may_contain`](Self::may_contain) waits for.
    #[inline]
    pub fn prefetch_filter(&self, hash: KeyHash) {
        if let Some(filter) = &self.filter {
            filter.prefetch(hash);
        }
    }

    /// The one block to search for the first entry at or after (`key`, `seq`): no I/O. If `key` has a version at or below
    /// `seq`, it is in this block. A key past the end gets the last block.
    ///
    /// If the search ends behind the block's last entry, the first entry at or after the target is the next block's first, and it
    /// is of a later key.
    #[inline]
    #[must_use]
    pub fn block_for(&self, key: &[u8], seq: u64) -> u32 {
        self.index.block_for(key, seq)
    }

    /// Number of data blocks, at least 1.
    #[must_use]
    pub fn block_count(&self) -> u32 {
        self.index.block_count()
    }

    /// Where a block lies in the file. Blocks lie one behind the other, from the start.
    ///
    /// # Panics
    /// If there is no such block.
    #[must_use]
    pub fn extent(&self, block: u32) -> Extent {
        self.index.extent(block)
    }

    /// A key that no key of the blocks behind `block` is below, and that no key of the blocks up to it is above: what a compaction
    /// orders its reads by. No I/O.
    ///
    /// # Panics
    /// If there is no block behind it.
    #[must_use]
    pub fn separator(&self, block: u32) -> Vec<u8> {
        self.index.separator(block as usize)
    }

    /// Cuts a range of blocks into reads of at most `bytes_max` bytes each (more only for a single larger block): what a compaction
    /// submits, for a [`RawRun`](crate::RawRun) each.
    ///
    /// # Panics
    /// The iterator does, if there are no such blocks.
    pub fn reads(
        &self,
        blocks: std::ops::Range<u32>,
        bytes_max: usize,
    ) -> impl Iterator<Item = (std::ops::Range<u32>, Extent)> + use<'_> {
        let mut rest = blocks;
        std::iter::from_fn(move || {
            let first = rest.next()?;
            let mut extent = self.extent(first);
            let mut end = first + 1;
            while end < rest.end && extent.bytes + self.extent(end).bytes <= bytes_max {
                extent.bytes += self.extent(end).bytes;
                end += 1;
            }
            rest.start = end;
            Some((first..end, extent))
        })
    }

    /// The block, if it is in the cache.
    ///
    /// # Panics
    /// If there is no such block.
    #[inline]
    #[must_use]
    pub fn cached(&self, block: u32, hint: Hint) -> Option<BlockRef> {
        self.residency.get(block, hint)
    }

    /// Has the memory fetched that [`cached`](Self::cached) waits for.
    ///
    /// # Panics
    /// If there is no such block.
    #[inline]
    pub fn prefetch_cached(&self, block: u32) {
        self.residency.prefetch(block);
    }

    /// How far cursors go after a seek here.
    pub(crate) fn scan_length(&self) -> &ScanLength {
        &self.scan_length
    }

    /// Whether the block is in the cache at this moment, and has been asked for there.
    pub(crate) fn is_hot(&self, block: u32) -> bool {
        self.residency.is_hot(block)
    }

    /// Claims a block of the cache, to be read if it is not there.
    pub(crate) fn claim(&self, block: u32, hint: Hint) -> std::result::Result<Claim, ArenaFull> {
        self.residency.claim(block, self.index.frame_bytes(block), hint)
    }

    /// A copy of a block that was read past the cache, plain and checked, in the cache: if a frame is free and the block is not there.
    pub(crate) fn adopt(&self, block: u32, plain: &[u8]) -> Option<BlockRef> {
        let mut fill = self.residency.adopt(block, self.index.frame_bytes(block))?;
        let mut frame = fill.take_buf();
        frame.as_mut_slice()[..plain.len()].copy_from_slice(plain);
        Some(fill.publish_unread(frame, plain.len()))
    }

    /// Bytes of memory that a block takes in plain form, whole pages.
    pub(crate) fn frame_bytes(&self, block: u32) -> usize {
        self.index.frame_bytes(block)
    }

    /// Where memory comes from for blocks that the cache has no room for.
    pub(crate) fn arena(&self) -> &Arc<Arena> {
        &self.arena
    }

    /// Checks the bytes of a block as they were read from its [`extent`](Self::extent), and makes a view of them: of `raw` itself, or
    /// of `scratch`, which is then its decompressed form.
    ///
    /// # Errors
    /// [`Corrupt`](crate::TableError::Corrupt) with the block's offset; [`NewerVersion`](crate::TableError::NewerVersion).
    ///
    /// # Panics
    /// If there is no such block.
    pub fn decode<'a>(&self, block: u32, raw: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<BlockView<'a>> {
        let (layout, is_packed) = self.decode_to(block, raw, scratch, &mut Decompressor::default())?;
        Ok(BlockView::new(if is_packed { scratch } else { raw }, layout))
    }

    /// As [`decode`](Self::decode). Tells the layout, and whether the plain form is in `scratch`.
    pub(crate) fn decode_to(
        &self,
        block: u32,
        raw: &[u8],
        scratch: &mut Vec<u8>,
        decompressor: &mut Decompressor,
    ) -> Result<(Layout, bool)> {
        let extent = self.extent(block);
        let mut decode = || {
            if raw.len() != extent.bytes {
                return Err(Fault::corrupt("a block cut short"));
            }
            let codec = seal::verify(&self.checksum, extent.offset, raw)?;
            let is_packed = codec != Compression::None;
            if is_packed {
                scratch.resize(seal::plain_len(raw)?, 0);
                seal::unpack(codec, decompressor, raw, scratch)?;
            }
            let view = BlockView::parse(if is_packed { scratch } else { raw })?;
            view.validate()?;
            let mut layout = view.layout();
            layout.seq_base = self.assigned_seq.unwrap_or(layout.seq_base);
            Ok((layout, is_packed))
        };
        decode().map_err(|fault| fault.at(self.path(), extent.offset))
    }

    /// Checks a block that was read to the start of `frame`, makes it plain in place, and returns its plain length. `packed` is
    /// memory to decompress from.
    pub(crate) fn decode_in_place(
        &self,
        block: u32,
        frame: &mut [u8],
        packed: &mut Vec<u8>,
        decompressor: &mut Decompressor,
    ) -> Result<usize> {
        let extent = self.extent(block);
        let frame_bytes = self.index.frame_bytes(block);
        let mut decode = || {
            let stored = &frame[..extent.bytes];
            let codec = seal::verify(&self.checksum, extent.offset, stored)?;
            if codec != Compression::None {
                let len = seal::plain_len(stored)?;
                if len > frame_bytes {
                    return Err(Fault::corrupt("a block that decompresses beyond its frame"));
                }
                packed.clear();
                packed.extend_from_slice(stored);
                let unpacked = seal::unpack(codec, decompressor, packed, &mut frame[..len]);
                packed.shrink_to(PACKED_KEPT);
                unpacked?;
            }
            if let Some(seq) = self.assigned_seq {
                format::set_seq_base(frame, seq)?;
            }
            let view = BlockView::parse(&frame[..frame_bytes])?;
            view.validate()?;
            Ok(view.block_len())
        };
        decode().map_err(|fault| fault.at(self.path(), extent.offset))
    }

    /// Counts and bounds from when the table was written.
    #[must_use]
    pub fn properties(&self) -> &Properties {
        &self.properties
    }

    /// Bytes of memory that the open table holds: index, filter, block references.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.index.memory_bytes()
            + self.filter.as_ref().map_or(0, Filter::memory_bytes)
            + self.residency.memory_bytes()
            + self.properties.smallest_key.len()
            + self.properties.largest_key.len()
    }

    /// Length of the file.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Bytes of data blocks, from the start of the file.
    #[must_use]
    pub fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    /// The table's id.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The file's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The open file, for reads of many blocks at once past the cache.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Whether the table has a filter.
    #[must_use]
    pub fn has_filter(&self) -> bool {
        self.filter.is_some()
    }
}
