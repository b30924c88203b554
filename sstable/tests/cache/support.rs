//! What the tests share: blocks with contents that say who they are, and traces of accesses.

use ringwood_sstable::{BlockRef, Claim, Hint, Residency};

/// Every eight bytes of a block say which block it is and where in it they are.
pub fn write_identity(bytes: &mut [u8], table: u32, block: u32) {
    for (i, word) in bytes.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(&identity(table, block, i as u64).to_le_bytes());
    }
}

pub fn assert_identity(bytes: &[u8], table: u32, block: u32) {
    for (i, word) in bytes.chunks_exact(8).enumerate() {
        let found = u64::from_le_bytes(word.try_into().unwrap());
        assert_eq!(
            found,
            identity(table, block, i as u64),
            "table {table}, block {block}, word {i}"
        );
    }
}

fn identity(table: u32, block: u32, word: u64) -> u64 {
    ((u64::from(table) << 32 | u64::from(block)) ^ word << 48).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A table whose blocks are all of one size.
pub struct Table {
    pub id: u32,
    pub block_bytes: usize,
    pub residency: Residency,
}

impl Table {
    /// Block `block`, checked, and whether it was a hit. For one thread, or for many: it waits where it must.
    pub fn read(&self, block: u32, hint: Hint) -> (BlockRef, bool) {
        loop {
            let (found, hit) = match self.residency.claim(block, self.block_bytes, hint).unwrap() {
                Claim::Hit(found) => (Some(found), true),
                Claim::Wait(waiter) => (waiter.wait(), true),
                Claim::Fill(mut fill) => {
                    let mut buf = fill.take_buf();
                    write_identity(&mut buf.as_mut_slice()[..self.block_bytes], self.id, block);
                    (Some(fill.publish(buf, self.block_bytes)), false)
                }
            };
            if let Some(found) = found {
                assert_eq!(found.len(), self.block_bytes);
                assert_identity(&found[..16], self.id, block);
                return (found, hit);
            }
        }
    }

    /// Reads and lets go. Whether it was a hit.
    pub fn touch(&self, block: u32, hint: Hint) -> bool {
        self.read(block, hint).1
    }
}

/// A small generator (splitmix64) with a fixed seed: the traces are the same in every run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// Numbers below `n`, number `perm(k)` with probability proportional to 1 / k^exponent.
pub struct Zipf {
    cumulative: Vec<f64>,
    shuffled: Vec<u32>,
}

impl Zipf {
    pub fn new(n: u32, exponent: f64, random: &mut Random) -> Self {
        let mut sum = 0.0;
        let cumulative = (1..=n)
            .map(|k| {
                sum += f64::from(k).powf(-exponent);
                sum
            })
            .collect();
        let mut shuffled: Vec<u32> = (0..n).collect();
        for i in (1..n as usize).rev() {
            shuffled.swap(i, random.below(i as u64 + 1) as usize);
        }
        Self { cumulative, shuffled }
    }

    pub fn next(&self, random: &mut Random) -> u32 {
        let sum = self.cumulative.last().unwrap();
        let x = (random.next() >> 11) as f64 / (1u64 << 53) as f64 * sum;
        self.shuffled[self
            .cumulative
            .partition_point(|&c| c < x)
            .min(self.shuffled.len() - 1)]
    }
}

/// An exact least-recently-used cache, to compare with.
pub struct Lru {
    capacity: usize,
    clock: u64,
    used_at: std::collections::BTreeMap<u32, u64>,
    by_use: std::collections::BTreeMap<u64, u32>,
}

impl Lru {
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            clock: 0,
            used_at: Default::default(),
            by_use: Default::default(),
        }
    }

    /// Whether it was a hit.
    pub fn touch(&mut self, block: u32) -> bool {
        self.clock += 1;
        let before = self.used_at.insert(block, self.clock);
        if let Some(at) = before {
            self.by_use.remove(&at);
        } else if self.used_at.len() > self.capacity {
            let (_, oldest) = self.by_use.pop_first().unwrap();
            self.used_at.remove(&oldest);
        }
        self.by_use.insert(self.clock, block);
        before.is_some()
    }
}
