//! The hash of a user key, computed once a get and used for the filter of every table.

use xxhash_rust::xxh3::xxh3_64;

/// XXH3 (64 bits, seed 0) of a user key. Stable: filters on disk are made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHash(pub(crate) u64);

impl KeyHash {
    /// The hash of `key`.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        Self(xxh3_64(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Filters on disk depend on these numbers: they are XXH3's published ones.
    #[test]
    fn the_hash_never_changes() {
        assert_eq!(KeyHash::of(b"").0, 0x2d06_8005_38d3_94c2);
        assert_eq!(KeyHash::of(b"ringwood").0, xxh3_64(b"ringwood"));
    }
}
