//! Keys, values and the order in which they come: db_bench's, the same for all engines.
//!
//! A key is a number, big-endian in 8 bytes, then `'0'` bytes. A value is a slice of one megabyte made of 100-byte pieces that shrink to
//! half their size. `ringwood bench` makes both the same way.

use ringwood_benches::Random;

pub(crate) const KEY_BYTES: usize = 16;

/// A key.
pub(crate) type Key = [u8; KEY_BYTES];

const DATA_BYTES_MIN: usize = 1 << 20;
const PIECE_BYTES: usize = 100;
const DATA_SEED: u64 = 301;

/// The key of a number. Keys sort as their numbers.
#[inline]
pub(crate) fn key(number: u64) -> Key {
    let mut key = [b'0'; KEY_BYTES];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key
}

/// A key that nobody writes, right behind that of `number`: no engine can tell by its range.
#[inline]
pub(crate) fn missing_key(number: u64) -> Key {
    let mut key = key(number);
    key[KEY_BYTES - 1] = b'1';
    key
}

/// What values are cut from, shared by all threads.
#[derive(Debug)]
pub(crate) struct ValueData {
    data: Vec<u8>,
    value_bytes: usize,
}

impl ValueData {
    pub(crate) fn new(value_bytes: usize) -> Self {
        let mut random = Random::new(DATA_SEED);
        let len = value_bytes.max(DATA_BYTES_MIN).next_multiple_of(PIECE_BYTES);
        let mut data = Vec::with_capacity(len);
        let mut half = [0; PIECE_BYTES / 2];
        while data.len() < len {
            random.fill(&mut half);
            data.extend(half.iter().cycle().take(PIECE_BYTES));
        }
        Self { data, value_bytes }
    }

    /// Values one after the other; `stream` tells where they start, so that threads write different ones.
    pub(crate) fn values(&self, stream: u64) -> Values<'_> {
        let slots = (self.data.len() / PIECE_BYTES) as u64;
        let at = (stream.wrapping_mul(7919) % slots) as usize * PIECE_BYTES;
        Values { data: &self.data, value_bytes: self.value_bytes, at }
    }
}

/// Values of one thread.
#[derive(Debug)]
pub(crate) struct Values<'a> {
    data: &'a [u8],
    value_bytes: usize,
    at: usize,
}

impl<'a> Values<'a> {
    #[allow(clippy::should_implement_trait, reason = "it has no end, so an iterator's Option would be noise")]
    #[inline]
    pub(crate) fn next(&mut self) -> &'a [u8] {
        if self.at + self.value_bytes > self.data.len() {
            self.at = 0;
        }
        let start = self.at;
        self.at += self.value_bytes;
        &self.data[start..self.at]
    }
}

/// The numbers below `n`, each once, in an order that looks random, without a table: a Feistel network over the next even power of two,
/// walked until it lands below `n`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shuffle {
    n: u64,
    half_bits: u32,
    seed: u64,
}

impl Shuffle {
    pub(crate) fn new(n: u64, seed: u64) -> Self {
        let bits = (u64::BITS - n.saturating_sub(1).leading_zeros()).max(2);
        Self { n, half_bits: bits.div_ceil(2), seed }
    }

    /// Where `i`, which is below `n`, goes.
    #[inline]
    pub(crate) fn at(&self, i: u64) -> u64 {
        let mut x = self.round_trip(i);
        while x >= self.n {
            x = self.round_trip(x);
        }
        x
    }

    #[inline]
    fn round_trip(&self, x: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (x >> self.half_bits, x & mask);
        for round in 1..=4u64 {
            let mixed = Random::new(self.seed ^ (right << 8) ^ round).next();
            (left, right) = (right, left ^ (mixed & mask));
        }
        left << self.half_bits | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_db_benchs() {
        assert_eq!(&key(258), b"\0\0\0\0\0\0\x01\x0200000000");
        assert!((0..2000).map(|n| key(n * 7919)).is_sorted());
        assert!(key(7) < missing_key(7) && missing_key(7) < key(8));
    }

    #[test]
    fn values_repeat_in_their_second_half_and_differ_from_their_neighbours() {
        let data = ValueData::new(100);
        let mut values = data.values(0);
        let first = values.next();
        assert_eq!(first[..50], first[50..]);
        assert_ne!(first, values.next());
        assert_ne!(first, data.values(1).next());
        assert!((0..20_000).all(|_| values.next().len() == 100));
        assert_eq!(ValueData::new(3 << 20).values(5).next().len(), 3 << 20);
    }

    #[test]
    fn a_shuffle_has_every_number_once_and_no_order() {
        for n in [1u64, 2, 3, 1000, 4096, 5000] {
            let shuffle = Shuffle::new(n, 9);
            let mut seen: Vec<u64> = (0..n).map(|i| shuffle.at(i)).collect();
            let ascents = seen.windows(2).filter(|pair| pair[0] < pair[1]).count() as u64;
            assert!(n < 100 || (n * 4 / 10..n * 6 / 10).contains(&ascents), "{ascents} of {n}");
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..n), "{n}");
        }
    }
}
