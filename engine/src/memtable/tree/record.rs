//! Records: one version of one key, written once, before anyone else can know of it.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | sequence number in the upper 56 bits, kind in the lower 8 |
//! | 8 | 2 | key length |
//! | 10 | 2 | value length, or [`OUTSIDE`] |
//! | 12 | key length | key |
//! | then | value length | value; or, for [`OUTSIDE`], its address and its length, 8 bytes each |
//!
//! A short header and no padding: a 16-byte key with 100 bytes of value is two cache lines. Values over
//! [`INLINE_VALUE_MAX`] lie in allocations of their own, so that they cannot waste the ends of chunks.

use std::cmp::Ordering;
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::ptr::NonNull;

use ringwood_sstable::prefetch;

use crate::memtable::Kind;

const KEY_LEN_AT: usize = 8;
const VALUE_LEN_AT: usize = 10;
const HEADER: usize = 12;
/// The value length that says: the value is elsewhere.
const OUTSIDE: u16 = u16::MAX;
/// Address and length of a value elsewhere.
const OUTSIDE_BYTES: usize = 16;

/// Longest value that is stored behind its key.
pub(super) const INLINE_VALUE_MAX: usize = 16 << 10;

/// Granularity of record addresses.
pub(super) const RECORD_UNIT: usize = 8;

/// Short name of a record: its unit in the record arena of the tree that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordId(pub(super) NonZeroU32);

/// What is searched for: the place of version `seq` of `key`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'k> {
    pub(crate) key: &'k [u8],
    pub(crate) seq: u64,
}

/// A record that is completely written; the memory of its tree lives for `'t`.
#[derive(Clone, Copy)]
pub(crate) struct Record<'t> {
    at: NonNull<u8>,
    _tree: PhantomData<&'t [u8]>,
}

/// What to write.
pub(super) struct Draft<'a> {
    pub(super) target: Target<'a>,
    pub(super) kind: Kind,
    pub(super) value: &'a [u8],
    /// A copy of `value` that lives as long as the record; there must be one if `value` is over [`INLINE_VALUE_MAX`].
    pub(super) outside: Option<NonNull<u8>>,
}

impl Draft<'_> {
    /// Bytes of the record.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        let value = if self.outside.is_some() { OUTSIDE_BYTES } else { self.value.len() };
        HEADER + self.target.key.len() + value
    }

    /// Writes the record at `at`.
    ///
    /// # Safety
    /// `at` is aligned to [`RECORD_UNIT`], [`bytes`](Self::bytes) bytes from it may be written, and nobody else knows of
    /// them. The key is at most 65,535 bytes long, and the value at most [`INLINE_VALUE_MAX`] unless it is outside.
    #[inline]
    pub(super) unsafe fn write(&self, at: NonNull<u8>) {
        let Self { target, kind, value, outside } = *self;
        let key_len = target.key.len();
        let tag = (target.seq << 8) | u64::from(kind as u8);
        // SAFETY: the caller gives room for header, key and value (or its address and length), exclusively; the fields
        // are aligned as their offsets say, but for those behind the key, which are written unaligned.
        unsafe {
            at.cast::<u64>().write(tag);
            at.add(KEY_LEN_AT).cast::<u16>().write(key_len as u16);
            let key_at = at.add(HEADER);
            key_at.copy_from_nonoverlapping(NonNull::from(target.key).cast(), key_len);
            let value_at = key_at.add(key_len);
            if let Some(copy) = outside {
                at.add(VALUE_LEN_AT).cast::<u16>().write(OUTSIDE);
                value_at.cast::<NonNull<u8>>().write_unaligned(copy);
                value_at.add(8).cast::<usize>().write_unaligned(value.len());
            } else {
                at.add(VALUE_LEN_AT).cast::<u16>().write(value.len() as u16);
                value_at.copy_from_nonoverlapping(NonNull::from(value).cast(), value.len());
            }
        }
    }
}

impl<'t> Record<'t> {
    /// # Safety
    /// A record was completely written at `at`, before anything that this thread synchronised with, and it stays there,
    /// unchanged, for `'t`.
    #[inline]
    pub(super) unsafe fn new(at: NonNull<u8>) -> Self {
        Self { at, _tree: PhantomData }
    }

    /// Has the line behind the record's first fetched, while that one is waited for.
    #[inline]
    pub(super) fn prefetch_value(self) {
        prefetch(self.at.as_ptr().wrapping_byte_add(64));
    }

    #[inline]
    fn tag(self) -> u64 {
        // SAFETY: `new`'s caller vouches for a whole record at `at`, aligned to 8.
        unsafe { self.at.cast::<u64>().read() }
    }

    #[inline]
    fn key_len(self) -> usize {
        // SAFETY: as in `tag`.
        usize::from(unsafe { self.at.add(KEY_LEN_AT).cast::<u16>().read() })
    }

    /// Has the beginning of the record fetched into the cache.
    #[inline]
    pub(super) fn prefetch(self) {
        prefetch(self.at.as_ptr());
    }

    #[inline]
    pub(crate) fn seq(self) -> u64 {
        self.tag() >> 8
    }

    #[inline]
    pub(crate) fn kind(self) -> Kind {
        Kind::from_u8(self.tag() as u8).expect("only the numbers of kinds are written")
    }

    #[inline]
    pub(crate) fn key(self) -> &'t [u8] {
        // SAFETY: a whole record is at `at`, so that its key's bytes follow the header; they live for `'t`.
        unsafe { NonNull::slice_from_raw_parts(self.at.add(HEADER), self.key_len()).as_ref() }
    }

    #[inline]
    pub(crate) fn value(self) -> &'t [u8] {
        // SAFETY: a whole record is at `at`: behind its key lie the value, or the address and the length of a copy that
        // lives as long as the record (`Draft::outside`).
        unsafe {
            let value_at = self.at.add(HEADER + self.key_len());
            let (start, len) = match self.at.add(VALUE_LEN_AT).cast::<u16>().read() {
                OUTSIDE => (
                    value_at.cast::<NonNull<u8>>().read_unaligned(),
                    value_at.add(8).cast::<usize>().read_unaligned(),
                ),
                len => (value_at, usize::from(len)),
            };
            NonNull::slice_from_raw_parts(start, len).as_ref()
        }
    }

    /// Place of this record against a target: key ascending, then sequence number descending.
    #[inline]
    pub(super) fn cmp(self, target: Target<'_>) -> Ordering {
        self.key().cmp(target.key).then_with(|| target.seq.cmp(&self.seq()))
    }

    /// Place of this record's first `prefix` bytes of key against the target's. The record's key has that many.
    #[inline]
    pub(super) fn prefix_cmp(self, target: Target<'_>, prefix: usize) -> Ordering {
        self.key()[..prefix].cmp(&target.key[..prefix.min(target.key.len())])
    }
}

/// Bytes `prefix..prefix + 4` of a key as a big-endian number, as if zeros followed the key: unequal heads order two keys
/// that have their first `prefix` bytes in common, equal ones say nothing.
#[inline]
pub(super) fn head(key: &[u8], prefix: usize) -> u32 {
    match key.get(prefix..prefix + 4) {
        Some(bytes) => u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
        None => {
            let rest = key.get(prefix..).unwrap_or_default();
            rest.iter().rev().fold(0, |head, &byte| (head >> 8) | (u32::from(byte) << 24))
        }
    }
}

/// Length of the longest prefix that two keys have in common.
pub(super) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(x, y)| x == y).count()
}
