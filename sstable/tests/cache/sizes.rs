//! Blocks of different sizes share the memory by what it is worth to them.

use ringwood_ring::PAGE;
use ringwood_sstable::Hint;

use crate::support::{How, Random, Table, Zipf, cache_of};

const FRAMES: usize = 4096;

/// All memory is with one size; then only another is read. In a few rounds it has nearly all.
#[test]
fn memory_follows_the_size_that_is_read() {
    for (from, to) in [(1, 4), (4, 1), (1, 8), (2, 1)] {
        let (_arena, cache) = cache_of(FRAMES);
        let blocks = |pages| FRAMES as u32 / pages;
        let old = Table::new(&cache, 1, blocks(from), from as usize * PAGE).lightly_marked();
        let new = Table::new(&cache, 2, blocks(to), to as usize * PAGE).lightly_marked();
        for _ in 0..3 {
            old.touch_all(0..blocks(from), Hint::Point);
        }
        assert!((0..blocks(from)).all(|b| old.has(b)), "the old size has it all");
        let mut random = Random(7);
        for _ in 0..20 * blocks(to) {
            let (_, how) = new.read(random.below(blocks(to)), Hint::Point);
            assert_ne!(how, How::ReadUncached);
        }
        let got = (0..blocks(to)).filter(|&b| new.has(b)).count();
        assert!(
            got as u32 > blocks(to) * 8 / 10,
            "from {from} to {to} pages: {got} blocks of {}",
            blocks(to)
        );
    }
}

/// A size whose blocks are all hot keeps its memory, though another reads ever new blocks.
#[test]
fn a_hot_size_is_not_robbed_by_a_stream_of_another() {
    let (_arena, cache) = cache_of(FRAMES);
    let hot_blocks = FRAMES as u32 / 2;
    let hot = Table::new(&cache, 1, hot_blocks, PAGE).lightly_marked();
    let stream = Table::new(&cache, 2, 200_000, 4 * PAGE).lightly_marked();
    for _ in 0..3 {
        hot.touch_all(0..hot_blocks, Hint::Point);
    }
    let (mut random, mut hits) = (Random(3), 0);
    for block in 0..50_000 {
        stream.touch(block, Hint::Point);
        hits += u32::from(hot.touch(random.below(hot_blocks), Hint::Point));
    }
    assert!(hits > 50_000 * 9 / 10, "{hits} hits of 50000");
}

/// Two sizes with the same sort of skewed use: both are served, whichever came first.
#[test]
fn sizes_share() {
    for first in 0..2 {
        let (_arena, cache) = cache_of(FRAMES);
        let mut random = Random(11);
        let tables = [
            Table::new(&cache, 1, 20_000, PAGE).lightly_marked(),
            Table::new(&cache, 2, 5_000, 4 * PAGE).lightly_marked(),
        ];
        let zipfs = [Zipf::new(20_000, 0.9, &mut random), Zipf::new(5_000, 0.9, &mut random)];
        for _ in 0..40_000 {
            tables[first].touch(zipfs[first].next(&mut random), Hint::Point);
        }
        let mut hits = [0; 2];
        for i in 0..200_000 {
            for (t, table) in tables.iter().enumerate() {
                let hit = table.touch(zipfs[t].next(&mut random), Hint::Point);
                hits[t] += u32::from(hit && i >= 100_000);
            }
        }
        // Twenty thousand blocks on half the memory would be hit in about six of ten.
        assert!(hits.iter().all(|&h| h > 50_000), "{hits:?} hits of 100000 each, first {first}");
    }
}

/// With no more slabs than two, four sizes still all get blocks into the cache, now and then.
#[test]
fn no_size_is_shut_out_of_a_tiny_cache() {
    let (_arena, cache) = cache_of(16);
    let tables: Vec<Table> = (0..4).map(|i| Table::new(&cache, i, 50, PAGE << i).lightly_marked()).collect();
    let mut random = Random(5);
    let mut cached = [0; 4];
    for _ in 0..4000 {
        let t = random.below(4) as usize;
        cached[t] += u32::from(tables[t].read(random.below(50), Hint::Point).1 == How::Read);
    }
    assert!(cached.iter().all(|&n| n > 20), "{cached:?}");
}
