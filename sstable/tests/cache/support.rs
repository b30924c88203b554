//! What the tests share: blocks whose content says who they are, traces of accesses, and an exact LRU.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use ringwood_ring::{Arena, Buf, PAGE};
use ringwood_sstable::{BlockCache, BlockRef, Claim, Fill, Hint, Residency};

/// Words of a block that are written and looked at: for Miri, which is slow, the first few.
const WORDS_MAX: usize = if cfg!(miri) { 4 } else { usize::MAX };

/// Every eight bytes of a block say which block it is and where in it they are.
pub(crate) fn write_identity(bytes: &mut [u8], table: u32, block: u32) {
    for (i, word) in bytes.chunks_exact_mut(8).enumerate().take(WORDS_MAX) {
        word.copy_from_slice(&identity(table, block, i as u64).to_le_bytes());
    }
}

#[track_caller]
pub(crate) fn assert_identity(bytes: &[u8], table: u32, block: u32) {
    for (i, word) in bytes.chunks_exact(8).enumerate().take(WORDS_MAX) {
        let found = u64::from_le_bytes(word.try_into().unwrap());
        assert_eq!(found, identity(table, block, i as u64), "table {table}, block {block}, word {i}");
    }
}

fn identity(table: u32, block: u32, word: u64) -> u64 {
    (((u64::from(table) << 32) | u64::from(block)) ^ (word << 48)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// How a read came by its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Hit,
    Waited,
    Read,
    ReadUncached,
}

/// A table whose blocks are all of one size.
pub(crate) struct Table {
    pub(crate) id: u32,
    pub(crate) block_bytes: usize,
    /// Bytes at the start of each block that are written and checked.
    pub(crate) marked: usize,
    pub(crate) residency: Residency,
}

impl Table {
    pub(crate) fn new(cache: &Arc<BlockCache>, id: u32, blocks: u32, block_bytes: usize) -> Self {
        Self { id, block_bytes, marked: block_bytes, residency: cache.residency(blocks) }
    }

    /// For long traces: marks the start of each block only.
    pub(crate) fn lightly_marked(self) -> Self {
        Self { marked: 16, ..self }
    }

    pub(crate) fn claim(&self, block: u32) -> Claim {
        self.residency.claim(block, self.block_bytes, Hint::Point).unwrap()
    }

    /// The fill of a block that is not there.
    pub(crate) fn claim_fill(&self, block: u32) -> Fill {
        match self.claim(block) {
            Claim::Fill(fill) => fill,
            other => panic!("{other:?} of block {block}"),
        }
    }

    pub(crate) fn write(&self, buf: &mut Buf, block: u32) {
        write_identity(&mut buf.as_mut_slice()[..self.marked], self.id, block);
    }

    pub(crate) fn complete(&self, mut fill: Fill, block: u32) -> BlockRef {
        let mut buf = fill.take_buf();
        self.write(&mut buf, block);
        fill.publish(buf, self.block_bytes)
    }

    /// The block, checked. Waits where it must, so the caller has no fill open.
    pub(crate) fn read(&self, block: u32, hint: Hint) -> (BlockRef, How) {
        loop {
            let claim = self.residency.claim(block, self.block_bytes, hint).unwrap();
            let (found, how) = match claim {
                Claim::Hit(found) => (Some(found), How::Hit),
                Claim::Wait(waiter) => (waiter.wait(), How::Waited),
                Claim::Fill(fill) if fill.is_cached() => (Some(self.complete(fill, block)), How::Read),
                Claim::Fill(fill) => (Some(self.complete(fill, block)), How::ReadUncached),
            };
            if let Some(found) = found {
                self.check(&found, block);
                return (found, how);
            }
        }
    }

    #[track_caller]
    pub(crate) fn check(&self, found: &BlockRef, block: u32) {
        assert_eq!(found.len(), self.block_bytes);
        assert_identity(&found[..self.marked], self.id, block);
    }

    /// Reads and lets go. Whether it was a hit.
    pub(crate) fn touch(&self, block: u32, hint: Hint) -> bool {
        self.read(block, hint).1 == How::Hit
    }

    /// Reads one after the other.
    pub(crate) fn touch_all(&self, blocks: Range<u32>, hint: Hint) {
        blocks.for_each(|block| drop(self.read(block, hint)));
    }

    /// Whether the block is in the cache, without changing its standing.
    pub(crate) fn has(&self, block: u32) -> bool {
        self.residency.get(block, Hint::Scan).is_some()
    }
}

/// An arena with a cache of `frames` frames of a page.
pub(crate) fn cache_of(frames: usize) -> (Arc<Arena>, Arc<BlockCache>) {
    let arena = Arena::new((4 * frames * PAGE).max(1 << 20)).unwrap();
    let cache = BlockCache::new(&arena, frames * PAGE, None);
    assert_eq!(cache.stats().bytes_max, (frames * PAGE) as u64);
    (arena, cache)
}

/// A small generator (splitmix64) with a fixed seed: the traces are the same in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u32) -> u32 {
        (self.next() % u64::from(n)) as u32
    }
}

/// Numbers below `n`, the k-th of a random order with a probability proportional to 1 / k^exponent.
pub(crate) struct Zipf {
    cumulative: Vec<f64>,
    order: Vec<u32>,
}

impl Zipf {
    pub(crate) fn new(n: u32, exponent: f64, random: &mut Random) -> Self {
        let mut sum = 0.0;
        let mut add = |k| {
            sum += f64::from(k).powf(-exponent);
            sum
        };
        let cumulative = (1..=n).map(&mut add).collect();
        let mut order: Vec<u32> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i as usize, random.below(i + 1) as usize);
        }
        Self { cumulative, order }
    }

    pub(crate) fn next(&self, random: &mut Random) -> u32 {
        let unit = (random.next() >> 11) as f64 / (1u64 << 53) as f64;
        let x = unit * self.cumulative[self.cumulative.len() - 1];
        let k = self.cumulative.partition_point(|&c| c <= x);
        self.order[k.min(self.order.len() - 1)]
    }
}

/// An exact least-recently-used cache, to compare with.
pub(crate) struct Lru {
    capacity: usize,
    clock: u64,
    used_at: BTreeMap<u32, u64>,
    by_use: BTreeMap<u64, u32>,
}

impl Lru {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, clock: 0, used_at: BTreeMap::new(), by_use: BTreeMap::new() }
    }

    /// Whether it was a hit.
    pub(crate) fn touch(&mut self, block: u32) -> bool {
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
