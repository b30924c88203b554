//! The heads of a node: four bytes of each key, side by side, to be compared all at once.
//!
//! Two to a word, so that a whole node's are six loads; with the node's `Perm` they fill one cache line. The words are atomics
//! because the writer fills unused slots while readers compare.

use std::sync::atomic::Ordering;

use super::super::sync::AtomicU64;
use super::perm::SLOTS_MAX;

const WORDS: usize = SLOTS_MAX / 2;

/// Heads by slot. A head is kept with its highest bit flipped: then it orders as a signed number does, the only
/// order that SSE2 knows.
pub(crate) struct Heads {
    words: [AtomicU64; WORDS],
}

/// Sets of slots, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compared {
    /// Number of slots with a head below.
    pub(crate) below: usize,
    /// Slots with an equal head.
    pub(crate) equal: u32,
}

const FLIP: u32 = 1 << 31;

impl Heads {
    /// `heads` in the first slots, in that order.
    pub(crate) fn new(heads: &[u32]) -> Self {
        let half = |slot: usize| u64::from(heads.get(slot).map_or(0, |head| head ^ FLIP));
        Self { words: std::array::from_fn(|i| AtomicU64::new(half(2 * i) | (half(2 * i + 1) << 32))) }
    }

    #[inline]
    pub(crate) fn get(&self, slot: usize) -> u32 {
        let word = self.words[slot / 2].load(Ordering::Relaxed);
        (word >> (32 * (slot % 2))) as u32 ^ FLIP
    }

    /// Writes a slot that no published `Perm` names. Writer only.
    #[inline]
    pub(crate) fn set(&self, slot: usize, head: u32) {
        let (word, shift) = (&self.words[slot / 2], 32 * (slot % 2));
        let other = word.load(Ordering::Relaxed) & !(u64::from(u32::MAX) << shift);
        word.store(other | (u64::from(head ^ FLIP) << shift), Ordering::Relaxed);
    }

    /// The first `len` slots against `head`; `slots_max` is the most that `len` can be.
    #[inline]
    pub(crate) fn compare(&self, slots_max: usize, len: usize, head: u32) -> Compared {
        #[cfg(target_arch = "x86_64")]
        if slots_max == SLOTS_MAX {
            // SAFETY: all x86-64 processors have SSE2.
            return unsafe { self.compare_sse2(len, head) };
        }
        self.compare_each(slots_max, len, head)
    }

    /// Slots among the first `len` whose head equals `head`: a bit each.
    #[inline]
    pub(crate) fn equal(&self, slots_max: usize, len: usize, head: u32) -> u32 {
        #[cfg(target_arch = "x86_64")]
        if slots_max == SLOTS_MAX {
            // SAFETY: all x86-64 processors have SSE2.
            return unsafe { Self::equal_sse2(self.fours(), len, head) };
        }
        self.compare_each(slots_max, len, head).equal
    }

    pub(crate) fn compare_each(&self, slots_max: usize, len: usize, head: u32) -> Compared {
        let (mut below, mut equal) = (0_u32, 0_u32);
        for (i, word) in self.words[..slots_max.div_ceil(2)].iter().enumerate() {
            let word = word.load(Ordering::Relaxed);
            for (slot, other) in [(2 * i, word as u32 ^ FLIP), (2 * i + 1, (word >> 32) as u32 ^ FLIP)] {
                below |= u32::from(other < head) << slot;
                equal |= u32::from(other == head) << slot;
            }
        }
        // Slots not in use may change under our eyes: they don't count.
        let used = (1_u32 << len) - 1;
        Compared { below: (below & used).count_ones() as usize, equal: equal & used }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "sse2")]
    #[inline]
    fn compare_sse2(&self, len: usize, head: u32) -> Compared {
        use std::arch::x86_64::{
            _mm_add_epi32, _mm_and_si128, _mm_cmpgt_epi32, _mm_cvtsi128_si32, _mm_packs_epi16,
            _mm_packs_epi32, _mm_sad_epu8, _mm_set_epi64x, _mm_set1_epi32, _mm_setzero_si128,
            _mm_unpackhi_epi64,
        };
        let heads = self.fours();
        let (target, zero) = (_mm_set1_epi32((head ^ FLIP) as i32), _mm_setzero_si128());
        // From three times four to a byte a slot, all ones or zero; the last four belong to no slot.
        let below = _mm_packs_epi16(
            _mm_packs_epi32(_mm_cmpgt_epi32(target, heads[0]), _mm_cmpgt_epi32(target, heads[1])),
            _mm_packs_epi32(_mm_cmpgt_epi32(target, heads[2]), zero),
        );
        // Slots not in use may change under our eyes: they don't count.
        let [low, high] = USED[len];
        let sums = _mm_sad_epu8(_mm_and_si128(below, _mm_set_epi64x(high, low)), zero);
        Compared {
            below: _mm_cvtsi128_si32(_mm_add_epi32(sums, _mm_unpackhi_epi64(sums, sums))) as usize,
            equal: Self::equal_sse2(heads, len, head),
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "sse2")]
    #[inline]
    fn equal_sse2(heads: [std::arch::x86_64::__m128i; 3], len: usize, head: u32) -> u32 {
        use std::arch::x86_64::{
            _mm_cmpeq_epi32, _mm_movemask_epi8, _mm_packs_epi16, _mm_packs_epi32, _mm_set1_epi32,
            _mm_setzero_si128,
        };
        let target = _mm_set1_epi32((head ^ FLIP) as i32);
        let equal = _mm_packs_epi16(
            _mm_packs_epi32(_mm_cmpeq_epi32(target, heads[0]), _mm_cmpeq_epi32(target, heads[1])),
            _mm_packs_epi32(_mm_cmpeq_epi32(target, heads[2]), _mm_setzero_si128()),
        );
        _mm_movemask_epi8(equal) as u32 & ((1 << len) - 1)
    }

    /// All heads, four to a register.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "sse2")]
    #[inline]
    fn fours(&self) -> [std::arch::x86_64::__m128i; 3] {
        let load = |i: usize| self.words[i].load(Ordering::Relaxed) as i64;
        let four = |i: usize| std::arch::x86_64::_mm_set_epi64x(load(i + 1), load(i));
        [four(0), four(2), four(4)]
    }
}

/// For every number of slots in use, a byte of 1 for each of them.
#[cfg(target_arch = "x86_64")]
const USED: [[i64; 2]; SLOTS_MAX + 1] = {
    let mut table = [[0; 2]; SLOTS_MAX + 1];
    let mut len = 0;
    while len <= SLOTS_MAX {
        let ones = 0x0101_0101_0101_0101_u128 | (0x0101_0101_0101_0101 << 64);
        let used = ones & ((1 << (8 * len)) - 1);
        table[len] = [used as i64, (used >> 64) as i64];
        len += 1;
    }
    table
};
