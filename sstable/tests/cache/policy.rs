//! Which blocks stay: counts of hits on fixed traces, beside an exact LRU of the same size.

use ringwood_ring::PAGE;
use ringwood_sstable::Hint;

use crate::support::{Lru, Random, Table, Zipf, cache_of};

const FRAMES: u32 = 1024;

fn table(frames: u32, blocks: u32) -> Table {
    let (_arena, cache) = cache_of(frames as usize);
    Table::new(&cache, 1, blocks, PAGE).lightly_marked()
}

fn survivors(table: &Table, blocks: u32) -> u32 {
    (0..blocks).filter(|&b| table.has(b)).count() as u32
}

#[test]
fn a_hot_set_survives_a_scan_of_ten_times_the_cache() {
    let hot = FRAMES * 9 / 10;
    let table = table(FRAMES, hot + 10 * FRAMES);
    for _ in 0..3 {
        table.touch_all(0..hot, Hint::Point);
    }
    table.touch_all(hot..hot + 10 * FRAMES, Hint::Scan);
    assert_eq!(survivors(&table, hot), hot);
}

/// Blocks read once by point reads are worth more than a scan's, even without a single hit; a scan takes a 32nd part.
#[test]
fn a_scan_changes_a_small_part_of_the_cache() {
    let table = table(FRAMES, 20 * FRAMES);
    table.touch_all(0..FRAMES, Hint::Point);
    table.touch_all(FRAMES..20 * FRAMES, Hint::Scan);
    let left = survivors(&table, FRAMES);
    assert!(left >= FRAMES * 31 / 32, "{left} of {FRAMES}");
}

/// A cache full of a scan's blocks is at once the point reads' to have.
#[test]
fn point_reads_take_a_scans_frames() {
    let table = table(FRAMES, 20 * FRAMES);
    table.touch_all(FRAMES..3 * FRAMES, Hint::Scan);
    let wanted = FRAMES * 9 / 10;
    table.touch_all(0..wanted, Hint::Point);
    assert_eq!(survivors(&table, wanted), wanted);
}

/// Scans over the same blocks again and again do not make them stay; a point read does.
#[test]
fn only_point_hits_keep_a_block() {
    let table = table(FRAMES, 20 * FRAMES);
    let scanned = FRAMES / 2;
    for _ in 0..10 {
        table.touch_all(0..scanned, Hint::Scan);
    }
    assert_eq!(survivors(&table, scanned), scanned);
    let wanted = 10;
    (0..wanted).for_each(|b| assert!(table.touch(b, Hint::Point)));
    table.touch_all(10 * FRAMES..13 * FRAMES, Hint::Scan);
    assert_eq!(survivors(&table, wanted), wanted);
    assert_eq!(survivors(&table, scanned), wanted);
}

/// Blocks that are read once and never again (point reads without locality) do not displace those that are read again.
#[test]
fn one_time_reads_do_not_flush() {
    let hot = FRAMES / 2;
    let table = table(FRAMES, 100 * FRAMES);
    for _ in 0..3 {
        table.touch_all(0..hot, Hint::Point);
    }
    let mut hits = 0;
    for i in 0..20 * FRAMES {
        table.touch(hot + i, Hint::Point);
        hits += u32::from(i % 4 == 0 && table.touch(i / 4 % hot, Hint::Point));
    }
    assert!(hits * 100 >= 5 * FRAMES * 99, "{hits} of {}", 5 * FRAMES);
}

/// The hot set moves on: the old one's hits are forgotten, the new one is in the cache after a few rounds.
#[test]
fn a_new_hot_set_takes_over() {
    let hot = FRAMES * 8 / 10;
    let table = table(FRAMES, 10 * hot);
    let mut random = Random(1);
    for era in 0..10 {
        for _ in 0..20 * hot {
            table.touch(era * hot + random.below(hot), Hint::Point);
        }
        let there = (era * hot..(era + 1) * hot).filter(|&b| table.has(b)).count() as u32;
        assert!(there * 100 >= hot * 95, "era {era}: {there} of {hot}");
    }
}

/// Hits per thousand of ours and of LRU's on a Zipf trace; with `noise`, half of the reads are of random blocks.
fn zipf_trace(frames: u32, blocks: u32, exponent: f64, noise: bool) -> (u32, u32) {
    let table = table(frames, blocks);
    let mut random = Random(42);
    let zipf = Zipf::new(blocks, exponent, &mut random);
    let mut lru = Lru::new(frames as usize);
    let (mut ours, mut theirs) = (0, 0);
    let reads = (30 * frames).max(40_000);
    for i in 0..reads {
        let block = if noise && i % 2 == 0 { random.below(blocks) } else { zipf.next(&mut random) };
        let (a, b) = (table.touch(block, Hint::Point), lru.touch(block));
        if i > reads / 4 {
            ours += u32::from(a);
            theirs += u32::from(b);
        }
    }
    let thousand = |hits: u32| (u64::from(hits) * 1000 / u64::from(reads - reads / 4)) as u32;
    (thousand(ours), thousand(theirs))
}

#[test]
fn at_least_as_good_as_lru_on_zipf_traces() {
    for frames in [16, 256, 2048] {
        for share in [3, 10, 50] {
            for exponent in [0.6, 0.8, 0.99, 1.2] {
                for noise in [false, true] {
                    let (ours, lru) = zipf_trace(frames, frames * share, exponent, noise);
                    println!(
                        "{frames:5} frames, 1/{share:<2} of the blocks, exponent {exponent:4}, noise {noise:5}: \
                         {ours:3} ‰ hits, LRU {lru:3} ‰"
                    );
                    assert!(ours >= lru, "{frames} frames 1/{share} {exponent} {noise}: {ours} < {lru}");
                }
            }
        }
    }
}

/// A window that moves over the blocks: what LRU is best at. Little worse.
#[test]
fn near_lru_where_lru_is_best() {
    let (frames, blocks) = (FRAMES, 200 * FRAMES);
    let table = table(frames, blocks);
    let mut lru = Lru::new(frames as usize);
    let mut random = Random(9);
    let (mut ours, mut theirs) = (0u32, 0u32);
    for i in 0..100 * frames {
        // Each block is read about eight times while the window, of half the cache, passes over it.
        let block = i / 8 + random.below(frames / 2);
        ours += u32::from(table.touch(block, Hint::Point));
        theirs += u32::from(lru.touch(block));
    }
    assert!(ours * 100 >= theirs * 95, "{ours} hits, LRU {theirs}");
}
