//! Keys, values and random numbers, as db_bench has them.
//!
//! A key is a number, big-endian in 8 bytes (fewer if the key is shorter: the low ones), then `'0'` bytes to the key's size.
//! A value is a slice of one megabyte of data that is made of 100-byte pieces; a piece is some random bytes, repeated, so that
//! it shrinks to about `compression_ratio` of its size. Slices follow one another, so that neighbours differ.

use std::sync::Arc;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

/// Bytes of the data that values are cut from; more if a value is longer.
const DATA_BYTES_MIN: usize = 1 << 20;
const PIECE_BYTES: usize = 100;
/// The data is the same in every run, whatever `--seed` says: it is not what is measured.
const DATA_SEED: u64 = 301;

/// Writes the key of `number` over all of `key`.
pub(crate) fn write_key(number: u64, key: &mut [u8]) {
    let digits = number.to_be_bytes();
    let used = key.len().min(digits.len());
    key[..used].copy_from_slice(&digits[digits.len() - used..]);
    key[used..].fill(b'0');
}

/// Whether a key is certainly one that [`write_key`] wrote, told by its padding. Keys of 8 bytes and less have none: they could be
/// anyone's.
pub(crate) fn is_padded_key(key: &[u8]) -> bool {
    key.len() > 8 && key[8..].iter().all(|b| *b == b'0')
}

/// A small fast random number generator. The same seed and stream give the same numbers, on every machine.
#[derive(Debug, Clone)]
pub(crate) struct Random(Xoshiro256PlusPlus);

impl Random {
    /// Numbers of one thread of one benchmark: `stream` differs for all of them.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        // Seeding runs the number through splitmix64, which tells neighbours well apart.
        Self(Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_add(stream)))
    }

    /// Any number.
    #[inline]
    pub(crate) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `n`, which must not be 0. (db_bench takes the remainder too; the bias is below n / 2^64.)
    #[inline]
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// The data that values are cut from, shared by all threads.
#[derive(Debug, Clone)]
pub(crate) struct ValueData(Arc<[u8]>);

impl ValueData {
    /// Data for values of up to `value_bytes` that compress to `ratio` of their size.
    pub(crate) fn new(value_bytes: usize, ratio: f64) -> Self {
        let mut random = Random::new(DATA_SEED, 0);
        let raw = ((PIECE_BYTES as f64 * ratio) as usize).clamp(1, PIECE_BYTES);
        let len = value_bytes.max(DATA_BYTES_MIN).next_multiple_of(PIECE_BYTES);
        let mut data = Vec::with_capacity(len);
        let mut seed = [0; PIECE_BYTES];
        while data.len() < len {
            random.0.fill_bytes(&mut seed[..raw]);
            data.extend(seed[..raw].iter().cycle().take(PIECE_BYTES));
        }
        Self(data.into())
    }

    /// Values of one thread, from the beginning.
    pub(crate) fn values(&self) -> Values {
        Values { data: self.0.clone(), at: 0 }
    }
}

/// Values of one thread.
#[derive(Debug)]
pub(crate) struct Values {
    data: Arc<[u8]>,
    at: usize,
}

impl Values {
    /// The next value of `bytes` bytes, which is at most what the data was made for.
    #[inline]
    pub(crate) fn next(&mut self, bytes: usize) -> &[u8] {
        if self.at + bytes > self.data.len() {
            self.at = 0;
        }
        let start = self.at;
        self.at += bytes;
        &self.data[start..self.at]
    }
}

/// The numbers below `n`, each once, in random order.
pub(crate) fn shuffled(n: u64, random: &mut Random) -> Vec<u64> {
    let mut numbers: Vec<u64> = (0..n).collect();
    for last in (1..numbers.len()).rev() {
        numbers.swap(last, random.below(last as u64 + 1) as usize);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64, len: usize) -> Vec<u8> {
        let mut key = vec![0xaa; len];
        write_key(number, &mut key);
        key
    }

    #[test]
    fn keys_are_db_benchs() {
        assert_eq!(key(0, 16), b"\0\0\0\0\0\0\0\x0000000000");
        assert_eq!(key(1, 16), b"\0\0\0\0\0\0\0\x0100000000");
        assert_eq!(key(0x0102_0304_0506_0708, 16), b"\x01\x02\x03\x04\x05\x06\x07\x0800000000");
        assert_eq!(key(258, 17), b"\0\0\0\0\0\0\x01\x02000000000");
        assert_eq!(key(258, 8), b"\0\0\0\0\0\0\x01\x02");
        assert_eq!(key(258, 4), b"\0\0\x01\x02");
        assert!(
            is_padded_key(&key(77, 16)) && !is_padded_key(b"user:12345678901") && !is_padded_key(&key(7, 8))
        );
    }

    #[test]
    fn keys_sort_as_their_numbers() {
        assert!((0..2000).map(|n| key(n * 7919, 16)).is_sorted());
    }

    #[test]
    fn values_compress_as_asked() {
        for (ratio, low, high) in [(0.5, 0.45, 0.60), (0.25, 0.2, 0.35), (1.0, 0.99, 1.02)] {
            let data = ValueData::new(100, ratio);
            let mut values = data.values();
            let block: Vec<u8> = (0..160).flat_map(|_| values.next(100).to_vec()).collect();
            let packed = lz4_flex::block::compress(&block).len() as f64 / block.len() as f64;
            assert!((low..high).contains(&packed), "ratio {ratio} gave {packed}");
        }
    }

    #[test]
    fn values_follow_one_another_and_wrap() {
        let data = ValueData::new(3000, 0.5);
        let (mut values, mut again) = (data.values(), data.values());
        assert_ne!(values.next(100).to_vec(), again.next(200)[100..].to_vec());
        for _ in 0..10_000 {
            assert_eq!(values.next(3000).len(), 3000);
        }
        assert_eq!(ValueData::new(5 << 20, 0.5).values().next(5 << 20).len(), 5 << 20);
    }

    #[test]
    fn a_seed_gives_the_same_numbers_always() {
        let mut random = Random::new(42, 1);
        let first: Vec<u64> = (0..3).map(|_| random.below(1_000_000)).collect();
        assert_eq!(first, [471_549, 17_541, 218_068]);
        assert_ne!(Random::new(42, 2).next(), Random::new(42, 1).next());
    }

    #[test]
    fn a_shuffle_has_every_number_once() {
        let mut numbers = shuffled(1000, &mut Random::new(1, 1));
        assert!(!numbers.is_sorted());
        numbers.sort_unstable();
        assert!(numbers.iter().copied().eq(0..1000));
    }
}
