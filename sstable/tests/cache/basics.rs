//! Fill, hit, evict, count.

use ringwood_ring::PAGE;
use ringwood_sstable::{BlockCache, BlockRef, Claim, Fill, Hint, Residency, Waiter};

use crate::support::{Table, cache_of};

#[test]
fn a_published_block_is_hit() {
    let (_arena, cache) = cache_of(16);
    let table = Table::new(&cache, 1, 10, PAGE);
    assert!(table.residency.get(3, Hint::Point).is_none());
    let mut fill = table.claim_fill(3);
    let mut buf = fill.take_buf();
    table.write(&mut buf, 3);
    assert!(table.residency.get(3, Hint::Point).is_none(), "not before it is published");
    table.check(&fill.publish(buf, PAGE), 3);
    table.check(&table.residency.get(3, Hint::Point).unwrap(), 3);
    assert!(matches!(table.claim(3), Claim::Hit(_)));
    assert!((0..10).filter(|&b| b != 3).all(|b| !table.has(b)));
}

#[test]
fn a_block_is_as_long_as_was_published() {
    let (_arena, cache) = cache_of(16);
    let table = cache.residency(2);
    let Claim::Fill(mut fill) = table.claim(0, PAGE, Hint::Point).unwrap() else { panic!() };
    let mut buf = fill.take_buf();
    buf.as_mut_slice()[..3].copy_from_slice(b"abc");
    assert_eq!(&*fill.publish(buf, 3), b"abc");
    assert_eq!(&*table.get(0, Hint::Point).unwrap(), b"abc");
    let Claim::Fill(mut fill) = table.claim(1, PAGE, Hint::Point).unwrap() else { panic!() };
    let buf = fill.take_buf();
    assert!(fill.publish(buf, 0).is_empty());
    assert_eq!(&*table.get(1, Hint::Point).unwrap(), b"");
}

#[test]
fn an_evicted_block_is_missed_and_comes_back() {
    let (_arena, cache) = cache_of(16);
    let table = Table::new(&cache, 1, 200, PAGE);
    for round in 0..3 {
        for block in 0..200 {
            table.touch(block, Hint::Point);
            assert!(table.has(block), "round {round}");
        }
    }
    assert_eq!((0..200).filter(|&b| table.has(b)).count(), 16, "as many as there are frames");
}

#[test]
fn tables_do_not_mix() {
    let (_arena, cache) = cache_of(64);
    let tables: Vec<Table> = (0..4).map(|id| Table::new(&cache, id, 40, PAGE)).collect();
    for round in 0..4 {
        for block in 0..40 {
            for table in &tables {
                table.touch((block * 7 + round) % 40, Hint::Point);
            }
        }
    }
}

#[test]
fn everything_is_counted() {
    let (_arena, cache) = cache_of(16);
    let table = Table::new(&cache, 1, 100, PAGE);
    let held = table.read(0, Hint::Point).0;
    for _ in 0..5 {
        table.touch(0, Hint::Point);
    }
    for _ in 0..7 {
        table.touch(0, Hint::Scan);
    }
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.fills), (12, 1, 1));
    assert_eq!((stats.evictions, stats.waits, stats.uncached), (0, 0, 0));
    assert_eq!(stats.pinned, 1);
    drop(held);
    for block in 1..100 {
        table.touch(block, Hint::Point);
    }
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.fills), (12, 100, 100));
    assert_eq!((stats.frames, stats.evictions), (16, 84));
    assert_eq!((stats.pinned, stats.bytes_used, stats.bytes_max), (0, 65536, 65536));
}

/// The count of hits lives in the frames: it survives their eviction, and the move of their slab.
#[test]
fn hits_are_counted_past_evictions() {
    let (_arena, cache) = cache_of(16);
    let (small, large) = (Table::new(&cache, 1, 100, PAGE), Table::new(&cache, 2, 100, 8 * PAGE));
    let mut hits = 0;
    for i in 0..2000u32 {
        hits += u64::from(small.touch(i * 7 % 23, Hint::Point));
        hits += u64::from(large.touch(i / 50, Hint::Scan));
    }
    assert!(hits > 100);
    assert_eq!(cache.stats().hits, hits);
}

#[test]
fn a_table_without_blocks() {
    let (_arena, cache) = cache_of(16);
    let table = cache.residency(0);
    assert_eq!(table.blocks(), 0);
    drop(table);
    assert_eq!(cache.stats(), cache_of(16).1.stats());
}

#[test]
#[should_panic(expected = "out of bounds")]
fn a_block_that_the_table_has_not() {
    let (_arena, cache) = cache_of(16);
    let table = cache.residency(5);
    drop(table.get(5, Hint::Point));
}

#[test]
#[should_panic(expected = "not the fill's own buffer")]
fn a_foreign_buffer_is_refused() {
    let (arena, cache) = cache_of(16);
    let table = Table::new(&cache, 1, 5, PAGE);
    drop(table.claim_fill(0).publish(arena.alloc(PAGE).unwrap(), PAGE));
}

#[test]
fn handles_go_anywhere() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<BlockCache>();
    shared::<Residency>();
    shared::<BlockRef>();
    shared::<Fill>();
    shared::<Waiter>();
    assert!(size_of::<BlockRef>() <= 24);
}
