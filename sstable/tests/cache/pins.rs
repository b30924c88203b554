//! Pinned blocks stay, whatever goes.

use ringwood_ring::{Arena, PAGE};
use ringwood_sstable::{BlockCache, BlockRef, Claim, Hint};

use crate::support::{How, Table, cache_of};

#[test]
fn pinned_frames_are_never_evicted() {
    let (_arena, cache) = cache_of(16);
    let table = Table::new(&cache, 1, 1000, PAGE);
    let held: Vec<BlockRef> = (0..15).map(|b| table.read(b, Hint::Point).0).collect();
    for block in 15..1000 {
        table.touch(block, if block % 3 == 0 { Hint::Scan } else { Hint::Point });
    }
    for (block, held) in (0..).zip(&held) {
        table.check(held, block);
        assert!(table.has(block), "block {block} was evicted while pinned");
    }
    assert_eq!(cache.stats().uncached, 0, "one frame was free for the others");
}

#[test]
fn with_all_frames_pinned_reads_are_uncached() {
    let (arena, cache) = cache_of(16);
    let table = Table::new(&cache, 1, 1000, PAGE);
    let held: Vec<BlockRef> = (0..16).map(|b| table.read(b, Hint::Point).0).collect();
    let before = arena.allocated();
    let (first, how) = table.read(500, Hint::Point);
    assert_eq!(how, How::ReadUncached);
    assert!(!table.has(500));
    let (second, how) = table.read(500, Hint::Point);
    assert_eq!(how, How::ReadUncached);
    assert_eq!(arena.allocated(), before + 2 * PAGE);
    table.check(&first, 500);
    table.check(&second, 500);
    drop((first, second));
    assert_eq!(arena.allocated(), before, "uncached buffers go back at once");
    for (block, held) in (0..).zip(&held) {
        table.check(held, block);
    }
    drop(held);
    assert_eq!(table.read(500, Hint::Point).1, How::Read);
    assert_eq!(cache.stats().uncached, 2);
}

#[test]
fn frames_being_filled_are_not_given_away() {
    let (_arena, cache) = cache_of(16);
    let table = Table::new(&cache, 1, 100, PAGE);
    let open: Vec<_> = (0..16).map(|b| (b, table.claim_fill(b))).collect();
    assert!(!table.claim_fill(50).is_cached());
    for (block, fill) in open {
        assert!(fill.is_cached());
        drop(table.complete(fill, block));
    }
    assert!((0..16).all(|b| table.has(b)));
    assert!(table.claim_fill(50).is_cached());
}

#[test]
fn clones_count() {
    let (_arena, cache) = cache_of(16);
    let table = Table::new(&cache, 1, 100, PAGE);
    let block = table.read(0, Hint::Point).0;
    let clones: Vec<BlockRef> = (0..10).map(|_| block.clone()).collect();
    drop(block);
    for (left, clone) in (0..10).rev().zip(clones) {
        assert_eq!(cache.stats().pinned, 1);
        drop(clone);
        assert_eq!(cache.stats().pinned, u64::from(left > 0));
    }
}

#[test]
fn blocks_outlive_table_and_cache() {
    let (arena, cache) = cache_of(16);
    let table = Table::new(&cache, 1, 100, PAGE);
    let held: Vec<BlockRef> = (0..5).map(|b| table.read(b, Hint::Point).0).collect();
    let late = held[0].clone();
    let Table { residency, .. } = table;
    drop(residency);
    let table = Table::new(&cache, 1, 100, PAGE); // To check with.
    held.iter().zip(0..).for_each(|(held, block)| table.check(held, block));
    drop(table.residency);
    drop(cache);
    let other = cache_of(16).1;
    let table = Table::new(&other, 1, 100, PAGE);
    held.iter().zip(0..).for_each(|(held, block)| table.check(held, block));
    assert!(arena.allocated() > 0);
    drop(held);
    table.check(&late, 0);
    assert!(arena.allocated() > 0);
    drop(late);
    assert_eq!(arena.allocated(), 0, "the last pin gives the memory back");
}

#[test]
fn a_dropped_table_frees_its_frames() {
    let (_arena, cache) = cache_of(16);
    let old = Table::new(&cache, 1, 100, PAGE);
    for block in 0..16 {
        old.touch(block, Hint::Point);
    }
    drop(old);
    let new = Table::new(&cache, 2, 100, PAGE);
    for block in 0..16 {
        assert_eq!(new.read(block, Hint::Point).1, How::Read);
    }
    assert_eq!(cache.stats().evictions, 0, "free frames, not evicted ones");
}

#[test]
fn a_dropped_tables_pinned_frames_are_free_after_the_last_pin() {
    let (arena, cache) = cache_of(16);
    let (old, new) = (Table::new(&cache, 1, 100, PAGE), Table::new(&cache, 2, 100, PAGE));
    let held: Vec<BlockRef> = (0..8).map(|b| old.read(b, Hint::Point).0).collect();
    let used: Vec<BlockRef> = (0..8).map(|b| new.read(b, Hint::Point).0).collect();
    let Table { residency, .. } = old;
    drop(residency);
    assert_eq!(new.read(50, Hint::Point).1, How::ReadUncached);
    let old = Table::new(&cache, 1, 100, PAGE);
    held.iter().zip(0..).for_each(|(held, block)| old.check(held, block));
    drop(held);
    let more: Vec<(BlockRef, How)> = (60..68).map(|b| new.read(b, Hint::Point)).collect();
    assert!(more.iter().all(|(_, how)| *how == How::Read), "the dead table's frames go first");
    assert!((0..8).all(|b| new.has(b)));
    drop((used, more, new, old, cache));
    assert_eq!(arena.allocated(), 0);
}

#[test]
fn a_block_larger_than_any_frame_is_uncached() {
    let (arena, cache) = cache_of(256);
    let table = Table::new(&cache, 1, 10, 16 * PAGE);
    let (block, how) = table.read(0, Hint::Point);
    assert_eq!(how, How::ReadUncached);
    assert_eq!(arena.allocated(), 16 * PAGE);
    let clone = block.clone();
    drop(block);
    table.check(&clone, 0);
    drop((table, cache));
    assert_eq!(clone.len(), 16 * PAGE);
    drop(clone);
    assert_eq!(arena.allocated(), 0);
}

#[test]
fn a_cache_of_nothing_reads_uncached() {
    for bytes_max in [0, 1, PAGE - 1] {
        let arena = Arena::new(1 << 20).unwrap();
        let cache = BlockCache::new(&arena, bytes_max, None);
        let table = Table::new(&cache, 1, 10, PAGE);
        assert_eq!(table.read(0, Hint::Point).1, How::ReadUncached);
        assert_eq!(table.read(0, Hint::Scan).1, How::ReadUncached);
        let stats = cache.stats();
        assert_eq!((stats.misses, stats.uncached, stats.bytes_max, stats.frames), (2, 2, 0, 0));
        assert_eq!(arena.allocated(), 0);
    }
}

/// A waiter that comes too late finds its table gone and the frame with another block: it must not take that for its own.
#[test]
fn a_late_waiter_of_a_dropped_table_gets_nothing() {
    let (_arena, cache) = cache_of(1);
    let (old, new) = (Table::new(&cache, 1, 1, PAGE), Table::new(&cache, 2, 1, PAGE));
    let fill = old.claim_fill(0);
    let Claim::Wait(waiter) = old.claim(0) else { panic!("someone reads it") };
    let held = old.complete(fill, 0);
    drop(old);
    drop(held);
    assert_eq!(new.read(0, Hint::Point).1, How::Read);
    assert!(waiter.wait().is_none());
}

/// A fill that outlives its table goes through, and its frame is evicted in its turn.
#[test]
fn a_fill_outlives_its_table() {
    let (arena, cache) = cache_of(1);
    let (old, new) = (Table::new(&cache, 1, 1, PAGE), Table::new(&cache, 2, 1, PAGE));
    let mut fill = old.claim_fill(0);
    let mut buf = fill.take_buf();
    old.write(&mut buf, 0);
    drop(old);
    let block = fill.publish(buf, PAGE);
    assert_eq!(new.read(0, Hint::Point).1, How::ReadUncached);
    drop(block);
    assert_eq!(new.read(0, Hint::Point).1, How::Read);
    drop((new, cache));
    assert_eq!(arena.allocated(), 0);
}
