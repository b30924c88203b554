//! The hash of a user key, computed once a get and used for the filter of every table.

use xxhash_rust::xxh3::xxh3_64;

/// XXH3 (64 bits, seed 0) of a user key. Stable: filters on disk are made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHash(pub(crate) u64);

impl KeyHash {
    /// The hash of `key`.
    #[inline]
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        Self(xxh3_64(key))
    }

    /// The number.
    #[inline]
    #[must_use]
    pub fn bits(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Filters on disk depend on these numbers: they are what the reference implementation of XXH3 gives.
    #[test]
    fn the_hash_never_changes() {
        assert_eq!(KeyHash::of(b"").0, 0x2d06_8005_38d3_94c2);
        assert_eq!(KeyHash::of(b"ringwood").0, 0xb45c_0f87_6faf_558b);
        assert_eq!(KeyHash::of(b"0123456789abcdef").0, 0x6443_9946_d8fa_212d);
        assert_eq!(KeyHash::of(&[b'k'; 300]).0, 0x3e90_1c94_ff54_faa0);
    }
}
