//! One binary fuse filter: where the three fingerprints of a key lie.

use byteorder::{ByteOrder, LittleEndian as LE};

use crate::error::Fault;

/// Longest segment: longer ones gain nothing.
const SEGMENT_LEN_MAX: u32 = 1 << 18;

/// The numbers of one filter. Its fingerprints are `start..start + len()` of the array that all parts share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fuse {
    pub(super) seed: u64,
    pub(super) start: u64,
    /// A power of two.
    pub(super) segment_len: u32,
    /// Segments that a key's first fingerprint may lie in; two more follow.
    pub(super) segment_count: u32,
}

impl Fuse {
    /// The filter for `keys` keys, as the paper sizes it.
    pub(super) fn sized(keys: usize, seed: u64, start: u64) -> Self {
        let n = keys.max(1) as f64;
        let exponent = (n.ln() / 3.33_f64.ln() + 2.25).floor() as u32;
        let segment_len = (1u32 << exponent.min(18)).min(SEGMENT_LEN_MAX);
        let factor = if keys <= 1 { 1.0 } else { (0.875 + 0.25 * 1e6_f64.ln() / n.ln()).max(1.125) };
        let slots = (n * factor).round() as u64;
        let segments = slots.div_ceil(u64::from(segment_len)) as u32;
        Self { seed, start, segment_len, segment_count: segments.saturating_sub(2).max(1) }
    }

    /// Reads a description, and checks that its fingerprints lie among `fingerprints`.
    pub(super) fn parse(bytes: &[u8], fingerprints: usize) -> Result<Self, Fault> {
        let fuse = Self {
            seed: LE::read_u64(bytes),
            start: LE::read_u64(&bytes[8..]),
            segment_len: LE::read_u32(&bytes[16..]),
            segment_count: LE::read_u32(&bytes[20..]),
        };
        let is_sane = fuse.segment_len.is_power_of_two()
            && fuse.segment_len <= SEGMENT_LEN_MAX
            && (1..=1 << 28).contains(&fuse.segment_count)
            && fuse.first_span() <= u64::from(u32::MAX) / 2
            && fuse.start.checked_add(fuse.len()).is_some_and(|end| end <= fingerprints as u64);
        if is_sane { Ok(fuse) } else { Err(Fault::corrupt("a filter part with impossible lengths")) }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.seed.to_le_bytes());
        out.extend_from_slice(&self.start.to_le_bytes());
        out.extend_from_slice(&self.segment_len.to_le_bytes());
        out.extend_from_slice(&self.segment_count.to_le_bytes());
    }

    /// Fingerprints, one byte each.
    pub(super) fn len(&self) -> u64 {
        (u64::from(self.segment_count) + 2) * u64::from(self.segment_len)
    }

    fn first_span(&self) -> u64 {
        u64::from(self.segment_count) * u64::from(self.segment_len)
    }

    /// The hash of a key in this filter: another for each seed.
    #[inline]
    pub(super) fn mix(&self, key_hash: u64) -> u64 {
        // The finaliser of MurmurHash3.
        let mut h = key_hash.wrapping_add(self.seed);
        h = (h ^ h >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        h = (h ^ h >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        h ^ h >> 33
    }

    /// Where the fingerprints of a mixed hash lie, from the filter's start: one in each of three adjacent segments.
    #[inline]
    pub(super) fn positions(&self, mixed: u64) -> [u32; 3] {
        let mask = self.segment_len - 1;
        let first = ((u128::from(mixed) * u128::from(self.first_span())) >> 64) as u32;
        let second = (first + self.segment_len) ^ ((mixed >> 18) as u32 & mask);
        let third = (first + 2 * self.segment_len) ^ (mixed as u32 & mask);
        [first, second, third]
    }

    #[inline]
    pub(super) fn fingerprint(mixed: u64) -> u8 {
        (mixed ^ mixed >> 32) as u8
    }

    /// See [`Filter::may_contain`](super::Filter::may_contain).
    #[inline]
    pub(super) fn may_contain(&self, key_hash: u64, fingerprints: &[u8]) -> bool {
        match self.places(key_hash, fingerprints) {
            [Some(a), Some(b), Some(c)] => a ^ b ^ c == Self::fingerprint(self.mix(key_hash)),
            // Cannot be after parsing; and "maybe" is always a right answer.
            _ => true,
        }
    }

    /// The fingerprints of a key.
    #[inline]
    pub(super) fn places<'a>(&self, key_hash: u64, fingerprints: &'a [u8]) -> [Option<&'a u8>; 3] {
        let start = self.start as usize;
        self.positions(self.mix(key_hash)).map(|at| fingerprints.get(start + at as usize))
    }
}
