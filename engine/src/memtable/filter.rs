//! Whether a memtable may have a key, in one load.
//!
//! Most keys that a reader asks a memtable for are in tables, or nowhere, and a search that finds nothing waits for memory once a level. So each
//! key that is inserted sets two bits of one 64-bit word, chosen by its hash (a Bloom filter of one word a key).
//!
//! It is so small that it stays in the processor's cache between two insertions, or each would wait for it: 64 KiB for a memtable of 64 MiB. So it lets
//! the more pass the fuller the memtable is: with entries of 168 bytes 4 % of the absent keys at an eighth, 28 % at a half, 60 % at the end.
//!
//! The bits of a key are set before its insertion returns. A reader that knows of the return, by whatever acquiring load, sees them: that is all
//! that invariant 2 of the memtable asks, so the words themselves need no order.

use std::alloc::{Layout, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::MmapMut;
use ringwood_sstable::{KeyHash, prefetch};

/// Bytes of a memtable for each byte of its filter.
const BYTES_A_BYTE: usize = 1024;
const BYTES_MIN: usize = 4 << 10;
const PAGE: usize = 4 << 10;

/// See the module documentation. One thread at a time adds, any ask.
pub(super) struct Filter {
    bytes: usize,
    /// Mapped with the first key: most memtables of small keyspaces stay empty.
    words: OnceLock<Words>,
}

/// Memory that is resident as far as it was touched.
struct Words {
    _map: MmapMut,
    words: NonNull<[AtomicU64]>,
}

// SAFETY: the words are atomics in a mapping that lives as long as this.
unsafe impl Send for Words {}
// SAFETY: as above.
unsafe impl Sync for Words {}

impl Words {
    /// Ends the process as any failed allocation does if the system refuses.
    fn map(bytes: usize) -> Self {
        let mapped =
            MmapMut::map_anon(bytes).ok().and_then(|mut map| Some((NonNull::new(map.as_mut_ptr())?, map)));
        let Some((start, map)) = mapped else {
            handle_alloc_error(Layout::from_size_align(bytes, PAGE).unwrap_or(Layout::new::<[u8; PAGE]>()))
        };
        let words = NonNull::slice_from_raw_parts(start.cast::<AtomicU64>(), bytes / size_of::<AtomicU64>());
        Self { _map: map, words }
    }

    #[inline]
    fn of(&self, hash: u64) -> &AtomicU64 {
        // SAFETY: a mapping of zeros, on a page boundary, of so many words, that nobody reaches but through here, as atomics.
        let words = unsafe { self.words.as_ref() };
        &words[((u128::from(hash) * words.len() as u128) >> 64) as usize]
    }
}

impl Filter {
    /// Of a memtable that is expected to hold `bytes_hint` bytes.
    pub(super) fn new(bytes_hint: usize) -> Self {
        Self {
            bytes: (bytes_hint / BYTES_A_BYTE).next_multiple_of(PAGE).max(BYTES_MIN),
            words: OnceLock::new(),
        }
    }

    /// Has the word of a key fetched, which is soon to be added: it is seldom near, and an insertion has other things to do meanwhile.
    #[inline]
    pub(super) fn prefetch(&self, hash: KeyHash) {
        if let Some(words) = self.words.get() {
            prefetch(std::ptr::from_ref(words.of(hash.bits())).cast());
        }
    }

    /// Adds a key.
    #[inline]
    pub(super) fn add(&self, hash: KeyHash) {
        let words = self.words.get_or_init(|| Words::map(self.bytes));
        let (word, bits) = (words.of(hash.bits()), bits(hash.bits()));
        // One thread at a time.
        word.store(word.load(Ordering::Relaxed) | bits, Ordering::Relaxed);
    }

    /// Whether the key may have been added.
    #[inline]
    pub(super) fn may_contain(&self, hash: KeyHash) -> bool {
        let bits = bits(hash.bits());
        self.words.get().is_some_and(|words| words.of(hash.bits()).load(Ordering::Relaxed) & bits == bits)
    }

    /// Bytes of memory after `keys` additions, at most.
    #[inline]
    pub(super) fn resident_bytes(&self, keys: usize) -> usize {
        self.bytes.min(keys.saturating_mul(PAGE))
    }
}

/// Two bits by the low end of a hash; the high end chooses the word.
#[inline]
fn bits(hash: u64) -> u64 {
    (0..2).fold(0, |bits, i| bits | 1 << ((hash >> (6 * i)) & 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u64) -> KeyHash {
        KeyHash::of(&n.to_be_bytes())
    }

    #[test]
    fn what_was_added_passes_and_little_else() {
        const HINT: usize = 8 << 20;
        let filter = Filter::new(HINT);
        assert!((0..1000).all(|n| !filter.may_contain(hash(n))), "an empty one lets nothing pass");
        // Entries of 168 bytes, as of 16-byte keys with 100-byte values; an eighth of what is expected.
        let keys = (HINT / 168 / 8) as u64;
        (0..keys).for_each(|n| filter.add(hash(n)));
        assert!((0..keys).all(|n| filter.may_contain(hash(n))));
        let passed = (keys..11 * keys).filter(|&n| filter.may_contain(hash(n))).count() as u64;
        assert!(passed < 10 * keys / 20, "{passed} of {}", 10 * keys);
        assert_eq!((filter.resident_bytes(0), filter.resident_bytes(keys as usize)), (0, HINT / 1024));
    }

    #[test]
    fn a_small_one_holds_more_than_was_expected() {
        let (filter, keys) = (Filter::new(0), if cfg!(miri) { 50 } else { 100_000 });
        (0..keys).for_each(|n| filter.add(hash(n)));
        assert!((0..keys).all(|n| filter.may_contain(hash(n))));
    }
}
