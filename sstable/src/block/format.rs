//! The bytes of a block: header and columns. `docs/format-sstable.md` has the same in tables.
//!
//! ```text
//! header (24) | prefix | heads n×4 | key lengths n×{0,1,2} | slots (n+1)×2 or none | tags n×{0..8} | data
//! ```
//!
//! The common prefix of all keys is stored once. A *head* is the first four bytes after it, zero-padded, as a number: search
//! runs over the heads alone. The rest of a key lies in the data, before its value. Columns that would hold the same number for
//! every entry are left out.
//!
//! # Invariants of a block that passed [`BlockView::validate`](super::BlockView::validate)
//!
//! 1. Every column lies inside the block, slots ascend, and the last one is the length of the data.
//! 2. Entries are in order: key ascending, sequence number descending, none twice.
//! 3. Kinds are known, keys and values within their limits, padding bytes of heads zero.

use byteorder::{ByteOrder, LittleEndian as LE};

use crate::entry::{SEQ_MAX, VALUE_BYTES_MAX};
use crate::error::Fault;

/// Bytes of the header, before the columns.
pub(crate) const HEADER: usize = 24;

/// Most bytes of columns and data in one block: one entry at its limits, or many small ones.
pub(crate) const BODY_MAX: usize = VALUE_BYTES_MAX + (128 << 10);

// Where the fields of the header lie.
pub(crate) const CRC_AT: usize = 0;
pub(crate) const CODEC_AT: usize = 4;
pub(crate) const FLAGS_AT: usize = 5;
pub(crate) const COUNT_AT: usize = 6;
pub(crate) const BODY_LEN_AT: usize = 8;
pub(crate) const PREFIX_LEN_AT: usize = 12;
pub(crate) const SUFFIX_LEN_AT: usize = 14;
pub(crate) const BASE_AT: usize = 16;
const _: () = assert!(BASE_AT + 8 == HEADER);

/// Bits 0–1 of the flags: bytes of an entry in the key length column (0: all keys have the header's suffix length).
pub(crate) const FLAG_LEN_WIDTH: u8 = 0b0011;
/// All entries have data of the same length, and there are no slots.
pub(crate) const FLAG_FIXED: u8 = 0b0100;
/// Tags carry a kind in their low four bits; without it the header's kind is that of all.
pub(crate) const FLAG_KINDS: u8 = 0b1000;

/// Bits of a tag that hold the kind, with [`FLAG_KINDS`].
pub(crate) const KIND_BITS: u32 = 4;

/// The numbers of a parsed header: where each column lies. Small and `Copy`, so that a cursor keeps it beside its block. The default is that of no block, without
/// entries.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Layout {
    pub(crate) count: u32,
    pub(crate) prefix_len: u32,
    pub(crate) heads_at: u32,
    pub(crate) lens_at: u32,
    pub(crate) slots_at: u32,
    pub(crate) tags_at: u32,
    pub(crate) data_at: u32,
    pub(crate) data_len: u32,
    /// Key length after the prefix, if all have the same.
    pub(crate) suffix_len: u32,
    /// Data length of every entry, if fixed.
    pub(crate) stride: u32,
    pub(crate) len_width: u8,
    pub(crate) fixed: bool,
    pub(crate) tag_width: u8,
    /// The bits of eight bytes that a tag has: all for a width of 8, none for one of 0.
    pub(crate) tag_mask: u64,
    /// 0 or [`KIND_BITS`].
    pub(crate) kind_bits: u8,
    /// The kind of all, if `kind_bits` is 0.
    pub(crate) kind: u8,
    pub(crate) seq_base: u64,
}

impl Layout {
    /// Parses the header of a block that is not compressed (any more). O(1): the columns are placed, not looked at.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let Some(header) = bytes.first_chunk::<HEADER>() else {
            return Err(Fault::corrupt("a block shorter than its header"));
        };
        let body_len = LE::read_u32(&header[BODY_LEN_AT..]) as usize;
        let flags = header[FLAGS_AT];
        if header[CODEC_AT] != 0 {
            return Err(Fault::corrupt("a compressed block where a plain one is due"));
        }
        if flags & !(FLAG_LEN_WIDTH | FLAG_FIXED | FLAG_KINDS) != 0 {
            return Err(Fault::Newer("a block with unknown flags".into()));
        }
        let count = LE::read_u16(&header[COUNT_AT..]);
        if count == 0 || body_len > BODY_MAX || HEADER + body_len > bytes.len() {
            return Err(Fault::corrupt("a block with impossible lengths"));
        }
        let layout = Self::read(header);
        if layout.tag_width > 8 || layout.len_width > 2 {
            return Err(Fault::corrupt("a block with impossible column widths"));
        }
        if layout.data_at as usize > HEADER + body_len {
            return Err(Fault::corrupt("a block whose columns do not fit it"));
        }
        if layout.fixed && !layout.data_len.is_multiple_of(layout.count) {
            return Err(Fault::corrupt("a block of equal entries that do not fill it"));
        }
        Ok(layout)
    }

    /// The layout of a block that was [parsed](Self::parse) before.
    ///
    /// # Panics
    /// If the block is shorter than a header.
    #[inline]
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self::read(bytes.first_chunk().expect("a block has a header"))
    }

    /// Places the columns by a header that makes sense; by any other, somewhere.
    #[inline]
    fn read(header: &[u8; HEADER]) -> Self {
        let flags = header[FLAGS_AT];
        let base = LE::read_u64(&header[BASE_AT..]);
        let count = u32::from(LE::read_u16(&header[COUNT_AT..]));
        let prefix_len = u32::from(LE::read_u16(&header[PREFIX_LEN_AT..]));
        let (len_width, fixed, tag_width) =
            (flags & FLAG_LEN_WIDTH, flags & FLAG_FIXED != 0, (base >> 56) as u8 & 15);
        // At most 24 + 65,535 × (1 + 4 + 3 + 2 + 15) + 2: no overflow in 32 bits.
        let heads_at = HEADER as u32 + prefix_len;
        let lens_at = heads_at + 4 * count;
        let slots_at = lens_at + count * u32::from(len_width);
        let tags_at = slots_at + if fixed { 0 } else { 2 * (count + 1) };
        let data_at = tags_at + count * u32::from(tag_width);
        let data_len =
            (HEADER as u32).wrapping_add(LE::read_u32(&header[BODY_LEN_AT..])).wrapping_sub(data_at);
        Self {
            count,
            prefix_len,
            heads_at,
            lens_at,
            slots_at,
            tags_at,
            data_at,
            data_len,
            suffix_len: u32::from(LE::read_u16(&header[SUFFIX_LEN_AT..])),
            stride: if fixed { data_len / count.max(1) } else { 0 },
            len_width,
            fixed,
            tag_width,
            tag_mask: u64::MAX.checked_shr(64 - 8 * u32::from(tag_width.min(8))).unwrap_or(0),
            kind_bits: if flags & FLAG_KINDS != 0 { KIND_BITS as u8 } else { 0 },
            kind: (base >> 60) as u8,
            seq_base: base & SEQ_MAX,
        }
    }

    /// Bytes of header, columns and data.
    pub(crate) fn block_len(&self) -> usize {
        (self.data_at + self.data_len) as usize
    }
}

/// Replaces the least sequence number of a plain block: that of all entries, in a block whose entries have the same.
pub(crate) fn set_seq_base(block: &mut [u8], seq: u64) -> Result<(), Fault> {
    let Some(field) = block.get_mut(BASE_AT..HEADER) else {
        return Err(Fault::corrupt("a block shorter than its header"));
    };
    let widths = LE::read_u64(field) & !SEQ_MAX;
    LE::write_u64(field, widths | seq);
    Ok(())
}

/// The head of a key without the prefix: its first four bytes, zero-padded, as a big-endian number, so that heads order as keys do.
#[inline]
pub(crate) fn head_of(suffix: &[u8]) -> u32 {
    if let Some(four) = suffix.first_chunk::<4>() {
        return u32::from_be_bytes(*four);
    }
    let mut four = [0; 4];
    four[..suffix.len()].copy_from_slice(suffix);
    u32::from_be_bytes(four)
}
