//! Filters: whether a table may have a key, without I/O.
//!
//! A filter is a *binary fuse filter* with 8-bit fingerprints (Graf and Lemire, "Binary Fuse Filters: Fast and Smaller Than Xor
//! Filters", 2022): 9.0–9.6 bits a key from ten thousand keys on, 0.39 % false positives, three loads that do not wait for
//! one another. A cache-line-blocked Bloom filter at 10 bits has one load and 0.96 %; a false positive costs a read.
//!
//! Building needs some 24 bytes a key of memory for a moment. So the keys are split by the top bits of their hashes into
//! *parts* of up to [`PART_KEYS`] keys, and the parts are built one by one, each inside the processor's cache; or by several threads at once.
//!
//! The bytes are described in `docs/format-sstable.md`.

mod build;
mod fuse;

use byteorder::{ByteOrder, LittleEndian as LE};

pub(crate) use build::FilterBuilder;
pub use build::FilterParts;
use fuse::Fuse;

use crate::KeyHash;
use crate::column::{Column, Movable};
use crate::error::Fault;
use crate::prefetch::prefetch;

/// Keys that a part has at most while there are fewer than [`PARTS_MAX`] parts.
const PART_KEYS: usize = 64 << 10;
/// Parts of a filter at most.
const PARTS_MAX: usize = 256;
/// The number of this kind of filter on disk.
const KIND_FUSE8: u32 = 1;
/// Bytes in front of the parts' descriptions.
const HEADER: usize = 16;
/// Bytes of a part's description.
const PART: usize = 24;

/// The filter of one table, in memory. Any thread may ask.
#[derive(Debug)]
pub(crate) struct Filter {
    /// A power of two of them.
    parts: Box<[Fuse]>,
    /// A hash's part is its top bits: this many low bits are not part of the number.
    shift: u32,
    fingerprints: Column<u8>,
}

impl Filter {
    /// Reads a filter from the bytes of its section.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let Some(header) = bytes.first_chunk::<HEADER>() else {
            return Err(Fault::corrupt("a filter shorter than its header"));
        };
        let kind = LE::read_u32(header);
        if kind != KIND_FUSE8 {
            return Err(Fault::Newer(format!("a filter of the unknown kind {kind}").into()));
        }
        let count = LE::read_u32(&header[4..]) as usize;
        if !count.is_power_of_two() || count > PARTS_MAX || HEADER + count * PART > bytes.len() {
            return Err(Fault::corrupt("a filter with an impossible number of parts"));
        }
        let (descriptions, fingerprints) = bytes[HEADER..].split_at(count * PART);
        let parts = descriptions
            .chunks_exact(PART)
            .map(|d| Fuse::parse(d, fingerprints.len()))
            .collect::<Result<_, _>>()?;
        Ok(Self { parts, shift: shift(count), fingerprints: fingerprints.to_vec().into() })
    }

    /// Whether the table may have a key of this hash: true for all that it has, and for one in 256 that it has not.
    #[inline]
    pub(crate) fn may_contain(&self, hash: KeyHash) -> bool {
        let part = part_of(hash.0, self.shift);
        self.parts.get(part).is_none_or(|fuse| fuse.may_contain(hash.0, &self.fingerprints))
    }

    /// Has the fingerprints fetched that [`may_contain`](Self::may_contain) compares.
    #[inline]
    pub(crate) fn prefetch(&self, hash: KeyHash) {
        if let Some(fuse) = self.parts.get(part_of(hash.0, self.shift)) {
            for fingerprint in fuse.places(hash.0, &self.fingerprints).into_iter().flatten() {
                prefetch(fingerprint);
            }
        }
    }

    /// What can live in the arena.
    pub(crate) fn columns(&mut self) -> [&mut dyn Movable; 1] {
        [&mut self.fingerprints]
    }

    /// Bytes of memory that it holds.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.fingerprints.len() + std::mem::size_of_val(&*self.parts)
    }
}

/// How far a hash is shifted to give its part's number. 64 for one part.
fn shift(parts: usize) -> u32 {
    u64::BITS - parts.trailing_zeros()
}

#[inline]
fn part_of(hash: u64, shift: u32) -> usize {
    hash.checked_shr(shift).unwrap_or(0) as usize
}

#[cfg(test)]
mod tests;
