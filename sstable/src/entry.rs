//! Entries: what a table holds, and the order it holds them in.
//!
//! An entry is a user key, a sequence number, a kind and a value. Entries are ordered by key ascending (bytewise), then by
//! sequence number *descending*, so that the newest version of a key comes first.

use std::cmp::Ordering;

/// The bound of sequence numbers, 2^56 − 1. Entries have smaller ones; as a search target it means "the newest version".
pub const SEQ_MAX: u64 = (1 << 56) - 1;

/// Longest key, in bytes. Keys have at least one.
pub const KEY_BYTES_MAX: usize = 65_535;

/// Longest value, in bytes: 64 MiB.
pub const VALUE_BYTES_MAX: usize = 64 << 20;

/// What an entry does to its key.
///
/// Numbers are on disk. 2 (merge), 3 (range delete), 4 (value pointer) and 5 (expiring put) are kept for later; a reader that
/// meets a number it does not know reports that the file was written by a newer version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The key has no value from this sequence number on.
    Delete = 0,
    /// The key has this value from this sequence number on.
    Put = 1,
}

impl Kind {
    /// The kind with this number on disk, if this version knows it.
    #[must_use]
    pub const fn from_u8(number: u8) -> Option<Self> {
        match number {
            0 => Some(Kind::Delete),
            1 => Some(Kind::Put),
            _ => None,
        }
    }
}

/// One version of one key, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// User key: 1 to [`KEY_BYTES_MAX`] bytes.
    pub key: &'a [u8],
    /// Sequence number, below [`SEQ_MAX`].
    pub seq: u64,
    /// What it does.
    pub kind: Kind,
    /// Value: up to [`VALUE_BYTES_MAX`] bytes; empty for a delete.
    pub value: &'a [u8],
}

/// The order of entries: key ascending, then sequence number descending.
///
/// ```
/// use std::cmp::Ordering;
/// use ringwood_sstable::entry_cmp;
/// assert_eq!(entry_cmp(b"a", 7, b"b", 9), Ordering::Less);
/// assert_eq!(entry_cmp(b"a", 9, b"a", 7), Ordering::Less);
/// ```
#[inline]
#[must_use]
pub fn entry_cmp(key_a: &[u8], seq_a: u64, key_b: &[u8], seq_b: u64) -> Ordering {
    key_a.cmp(key_b).then(seq_b.cmp(&seq_a))
}

/// Whether two keys are the same. For keys of 8 to 16 bytes, which most are, two comparisons of words and no call.
#[inline]
#[must_use]
pub fn same_key(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match (a.first_chunk::<8>(), b.first_chunk::<8>(), a.last_chunk::<8>(), b.last_chunk::<8>()) {
        (Some(a_first), Some(b_first), Some(a_last), Some(b_last)) if a.len() <= 16 => {
            a_first == b_first && a_last == b_last
        }
        _ => a == b,
    }
}

/// The order of two keys, bytewise. Keys of 8 bytes or more are nearly always told apart by their first words, without a call.
#[inline]
#[must_use]
pub fn key_cmp(a: &[u8], b: &[u8]) -> Ordering {
    if let (Some(a_first), Some(b_first)) = (a.first_chunk::<8>(), b.first_chunk::<8>()) {
        let order = u64::from_be_bytes(*a_first).cmp(&u64::from_be_bytes(*b_first));
        if order.is_ne() {
            return order;
        }
    }
    a.cmp(b)
}

/// Length of the longest prefix that `a` and `b` have in common.
pub(crate) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let words = a.chunks_exact(8).zip(b.chunks_exact(8));
    let same = 8 * words.take_while(|(x, y)| x == y).count();
    same + a[same..].iter().zip(&b[same..]).take_while(|(x, y)| x == y).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_same_if_every_byte_is() {
        for len in 0..40 {
            let a: Vec<u8> = (0..len).collect();
            assert!(same_key(&a, &a.clone()));
            assert!(!same_key(&a, &[&a[..], &[0]].concat()));
            for n in 0..a.len() {
                let mut b = a.clone();
                b[n] ^= 1;
                assert!(!same_key(&a, &b), "byte {n} of {len}");
            }
        }
    }

    #[test]
    fn keys_are_ordered_bytewise() {
        let bytes = [0u8, 1, 0x7f, 0x80, 0xff];
        for len in 0..20 {
            let a = vec![0x7f; len];
            for (n, &byte) in (0..len).flat_map(|n| bytes.iter().map(move |byte| (n, byte))) {
                let mut b = a.clone();
                b[n] = byte;
                assert_eq!(key_cmp(&a, &b), a.cmp(&b), "byte {n} of {len}");
                assert_eq!(key_cmp(&b[..n], &a), b[..n].cmp(&a), "{n} bytes of {len}");
                assert_eq!(key_cmp(&b, &a[..n]), b[..].cmp(&a[..n]), "{len} bytes and {n}");
            }
        }
    }

    #[test]
    fn common_prefixes() {
        let a: Vec<u8> = (0..40).collect();
        for n in 0..40 {
            let mut b = a.clone();
            b[n] ^= 1;
            assert_eq!(common_prefix(&a, &b), n);
            assert_eq!(common_prefix(&a, &a[..n]), n);
            assert_eq!(common_prefix(&a[..n], &a), n);
        }
    }
}
