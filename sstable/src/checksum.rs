//! Checksums that know where their bytes belong.
//!
//! A block's checksum is the CRC-32 (IEEE) of the table's id, the table's salt, the block's file offset (each 8 bytes,
//! little-endian) and then the block's bytes. So a read that was answered from another place, another file, or an earlier
//! file of the same name and size is caught as surely as a flipped bit.

use crc32fast::Hasher;

/// The identity of one table, as checksums mix it in.
#[derive(Debug, Clone)]
pub(crate) struct Checksum {
    /// CRC state after id and salt.
    prefix: Hasher,
}

impl Checksum {
    pub(crate) fn new(id: u64, salt: u64) -> Self {
        let mut prefix = Hasher::new();
        prefix.update(&id.to_le_bytes());
        prefix.update(&salt.to_le_bytes());
        Self { prefix }
    }

    /// The checksum of `bytes` at `offset` of this table.
    pub(crate) fn of(&self, offset: u64, bytes: &[u8]) -> u32 {
        let mut hasher = self.prefix.clone();
        hasher.update(&offset.to_le_bytes());
        hasher.update(bytes);
        hasher.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_and_identity_matter() {
        let sum = |id, salt, offset| Checksum::new(id, salt).of(offset, b"block");
        let all = [sum(1, 2, 0), sum(1, 2, 4096), sum(1, 3, 0), sum(2, 2, 0), sum(2, 1, 0)];
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                assert_ne!(a, b);
            }
        }
        // A stranger can compute it with any CRC-32.
        let mut flat = Vec::new();
        for n in [1u64, 2, 4096] {
            flat.extend_from_slice(&n.to_le_bytes());
        }
        flat.extend_from_slice(b"block");
        assert_eq!(crc32fast::hash(&flat), all[1]);
    }
}
