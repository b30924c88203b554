//! What stands in the columns of a block for one entry.
//!
//! The bytes are the caller's, the [`Layout`] is theirs. In bytes that were not validated all of this gives wrong entries, but neither panics nor
//! leaves the block.

use std::ops::Range;

use super::Layout;
use crate::entry::Kind;

impl Layout {
    /// Head of key `i`.
    #[inline]
    pub(crate) fn head(&self, bytes: &[u8], i: usize) -> u32 {
        chunk_at(bytes, self.heads_at as usize + 4 * i).map_or(0, u32::from_le_bytes)
    }

    /// Length of key `i` after the prefix.
    #[inline]
    pub(crate) fn suffix_len(&self, bytes: &[u8], i: usize) -> usize {
        let at = self.lens_at as usize;
        match self.len_width {
            0 => self.suffix_len as usize,
            1 => bytes.get(at + i).copied().unwrap_or(0) as usize,
            _ => u16_at(bytes, at + 2 * i),
        }
    }

    /// What key `i` has after prefix and head.
    #[inline]
    pub(crate) fn rest<'a>(&self, bytes: &'a [u8], i: usize) -> &'a [u8] {
        let (start, end) = self.data_of(bytes, i);
        let len = self.suffix_len(bytes, i).saturating_sub(4);
        bytes.get(start..(start + len).min(end)).unwrap_or_default()
    }

    /// Start and end of the data of entry `i`, in the block.
    #[inline]
    pub(crate) fn data_of(&self, bytes: &[u8], i: usize) -> (usize, usize) {
        let base = self.data_at as usize;
        if self.fixed {
            let start = base + i * self.stride as usize;
            return (start, start + self.stride as usize);
        }
        let slot = self.slots_at as usize + 2 * i;
        (base + u16_at(bytes, slot), base + u16_at(bytes, slot + 2))
    }

    /// Where the value of entry `i` lies in the block.
    #[inline]
    pub(crate) fn value_range(&self, bytes: &[u8], i: usize) -> Range<usize> {
        let (start, end) = self.data_of(bytes, i);
        (start + self.suffix_len(bytes, i).saturating_sub(4)).min(end)..end
    }

    /// Sequence number and kind of entry `i`. An unknown kind, which validation refuses, reads as a delete.
    #[inline]
    pub(crate) fn tag(&self, bytes: &[u8], i: usize) -> (u64, Kind) {
        let raw = self.tag_bits(bytes, i);
        let seq = self.seq_base.wrapping_add(raw >> self.kind_bits);
        (seq, Kind::from_u8(self.kind_in(raw)).unwrap_or(Kind::Delete))
    }

    /// The number that stands for the kind of entry `i`.
    pub(crate) fn kind_number(&self, bytes: &[u8], i: usize) -> u8 {
        self.kind_in(self.tag_bits(bytes, i))
    }

    #[inline]
    fn kind_in(&self, tag: u64) -> u8 {
        if self.kind_bits == 0 { self.kind } else { tag as u8 & 15 }
    }

    /// Where tag `i` lies in the block.
    #[inline]
    pub(super) fn tag_at(&self, i: usize) -> usize {
        self.tags_at as usize + i * self.tag_width as usize
    }

    #[inline]
    fn tag_bits(&self, bytes: &[u8], i: usize) -> u64 {
        let at = self.tag_at(i);
        let eight = chunk_at(bytes, at).unwrap_or_else(|| tail_at(bytes, at));
        u64::from_le_bytes(eight) & self.tag_mask
    }

    /// Whether entries `i` and `j`, whose heads are equal, have one key.
    #[cold]
    pub(crate) fn is_same_key(&self, bytes: &[u8], i: usize, j: usize) -> bool {
        self.suffix_len(bytes, i) == self.suffix_len(bytes, j) && self.rest(bytes, i) == self.rest(bytes, j)
    }
}

#[inline]
pub(super) fn u16_at(bytes: &[u8], at: usize) -> usize {
    chunk_at(bytes, at).map_or(0, |two| u16::from_le_bytes(two) as usize)
}

#[inline]
fn chunk_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied()
}

/// Up to eight bytes at the very end of a block, and zeros.
#[cold]
fn tail_at(bytes: &[u8], at: usize) -> [u8; 8] {
    let tail = bytes.get(at..).unwrap_or_default();
    let mut eight = [0; 8];
    eight[..tail.len()].copy_from_slice(tail);
    eight
}
