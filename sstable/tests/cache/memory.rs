//! Memory: taken as the cache fills, never more than the limit, and given back.

use ringwood_ring::{Arena, Buf, PAGE};
use ringwood_sstable::{BlockCache, Claim, Hint};

use crate::support::{How, Table, cache_of};

#[test]
fn memory_is_taken_only_as_the_cache_fills() {
    let arena = Arena::new(64 << 20).unwrap();
    let cache = BlockCache::new(&arena, 32 << 20, None);
    let table = Table::new(&cache, 1, 20_000, PAGE).lightly_marked();
    assert_eq!((arena.allocated(), cache.stats().metadata_bytes), (0, 0));
    for block in 0..20_000 {
        table.touch(block, Hint::Point);
        let wanted = (block as usize + 1) * PAGE;
        let used = arena.allocated();
        assert!(used >= wanted.min(32 << 20) && used < (wanted + (1 << 20)).min((32 << 20) + 1));
        if block % 1000 == 0 {
            assert_eq!(cache.stats().bytes_used, used as u64);
        }
    }
    let stats = cache.stats();
    assert_eq!((stats.bytes_used, stats.frames), (32 << 20, 8192));
    assert!(stats.metadata_bytes * 100 / stats.bytes_used < 3, "{stats:?}");
    drop((table, cache));
    assert_eq!(arena.allocated(), 0);
}

#[test]
fn slabs_leave_the_rest_of_the_arena_whole() {
    let arena = Arena::new(32 << 20).unwrap();
    let cache = BlockCache::new(&arena, 16 << 20, None);
    let tables: Vec<Table> =
        (0..4).map(|i| Table::new(&cache, i, 9000, PAGE << i).lightly_marked()).collect();
    for block in 0..9000 {
        for table in &tables {
            table.touch(block, Hint::Point);
        }
    }
    assert_eq!(arena.allocated(), 16 << 20);
    assert!(arena.alloc(16 << 20).is_ok(), "the other half is one piece");
}

#[test]
fn any_size_of_cache_works_and_keeps_its_limit() {
    for bytes_max in (PAGE..80 * PAGE).step_by(3 * PAGE / 2).chain([1 << 20, (1 << 20) + 12_345, 3 << 20]) {
        let arena = Arena::new(16 << 20).unwrap();
        let cache = BlockCache::new(&arena, bytes_max, None);
        let tables: Vec<Table> =
            (0..4).map(|i| Table::new(&cache, i, 500, PAGE << i).lightly_marked()).collect();
        for i in 0..1500 {
            for table in &tables {
                table.touch(i * 13 % 500, Hint::Point);
                assert!(arena.allocated() <= bytes_max);
            }
        }
        let stats = cache.stats();
        assert!(stats.bytes_max <= bytes_max as u64 && stats.bytes_max * 2 > bytes_max as u64, "{stats:?}");
        assert_eq!(stats.bytes_used, stats.bytes_max);
        assert!(stats.fills > 0);
        drop((tables, cache));
        assert_eq!(arena.allocated(), 0);
    }
}

/// Others have used the arena up. The cache makes do with what it has, reads uncached while it can, then says so; and takes
/// up again when there is room.
#[test]
fn a_full_arena_is_an_error_and_not_for_ever() {
    let arena = Arena::new(1 << 20).unwrap();
    let cache = BlockCache::new(&arena, 512 << 10, None);
    let table = Table::new(&cache, 1, 1000, PAGE);
    let mut others: Vec<Buf> = std::iter::from_fn(|| arena.alloc(PAGE).ok()).collect();
    let full = table.residency.claim(0, PAGE, Hint::Point).unwrap_err();
    assert_eq!((full.bytes, full.bytes_max), (PAGE, arena.bytes_max()));
    others.pop();
    let (held, how) = table.read(0, Hint::Point);
    assert_eq!(how, How::ReadUncached);
    assert!(table.residency.claim(1, PAGE, Hint::Point).is_err());
    drop(held);
    drop(others);
    for block in 0..200 {
        table.touch(block, Hint::Point);
    }
    assert_eq!(cache.stats().bytes_used, 512 << 10);
}

/// The arena is full, but the cache has a slab: a block of another size gets it.
#[test]
fn a_full_arena_does_not_keep_a_size_out() {
    let arena = Arena::new(64 << 10).unwrap();
    let cache = BlockCache::new(&arena, 64 << 10, None);
    let (small, large) = (Table::new(&cache, 1, 100, PAGE), Table::new(&cache, 2, 100, 4 * PAGE));
    for block in 0..8 {
        small.touch(block, Hint::Point); // One slab of 32 KiB.
    }
    let _others: Vec<Buf> = std::iter::from_fn(|| arena.alloc(PAGE).ok()).collect();
    assert_eq!(large.read(0, Hint::Point).1, How::Read);
    assert!(large.has(0));
}

/// The arena is full, and a table of small blocks was dropped: its slab is another size's after the first try.
#[test]
fn a_full_arena_does_not_keep_an_empty_slab() {
    let arena = Arena::new(1 << 20).unwrap();
    let cache = BlockCache::new(&arena, 1 << 20, None);
    let (small, large) = (Table::new(&cache, 1, 100, PAGE), Table::new(&cache, 2, 100, 4 * PAGE));
    let _held = large.read(0, Hint::Point);
    (1..4).for_each(|block| drop(large.read(block, Hint::Point)));
    small.touch_all(0..16, Hint::Point); // A slab of 64 KiB each.
    let _others: Vec<Buf> = std::iter::from_fn(|| arena.alloc(PAGE).ok()).collect();
    drop(small);
    large.touch_all(4..8, Hint::Point);
    assert!((0..8).filter(|&block| large.has(block)).count() >= 7);
    assert_eq!(cache.stats().bytes_used, 128 << 10);
}

#[test]
fn frames_are_of_four_sizes() {
    let (_arena, cache) = cache_of(1024);
    let table = cache.residency(16);
    for (block, pages, frame) in [(0, 1, 1), (1, 2, 2), (2, 3, 4), (3, 4, 4), (4, 5, 8), (5, 8, 8)] {
        let Claim::Fill(mut fill) = table.claim(block, pages * PAGE, Hint::Point).unwrap() else { panic!() };
        assert!(fill.is_cached());
        let buf = fill.take_buf();
        assert_eq!(buf.len(), frame * PAGE, "for {pages} pages");
        assert_eq!(fill.publish(buf, pages * PAGE).len(), pages * PAGE);
    }
    let Claim::Fill(fill) = table.claim(6, 9 * PAGE, Hint::Point).unwrap() else { panic!() };
    assert!(!fill.is_cached());
}

/// What tables take, the cache gives up, so that both stay within one bound; down to the cache's least size, and back again.
#[test]
fn the_cache_gives_way_to_tables() {
    const MIB: usize = 1 << 20;
    let arena = Arena::new(22 * MIB).unwrap();
    let cache = BlockCache::with_tables(&arena, 16 * MIB, 4 * MIB, 2 << 20, None);
    let table = Table::new(&cache, 1, 8000, PAGE).lightly_marked();
    table.touch_all(0..8000, Hint::Point);
    assert_eq!(cache.stats().bytes_used, 16 << 20);
    let mut others = Vec::new();
    let mut held = Vec::new();
    for i in 1..=20u64 {
        let mut other = cache.residency(1);
        held.push(other.house(MIB).map(|buf| buf.len()));
        others.push(other);
        let stats = cache.stats();
        let room = if i < 2 { 16 } else { (18 - i as i64 - 1).max(4) };
        assert_eq!(stats.bytes_used as i64 >> 20, room, "{i} MiB of tables: {stats:?}");
        assert!(stats.tables_bytes > i << 20);
        assert!(arena.allocated() <= 18 * MIB);
    }
    assert_eq!(held.iter().flatten().count(), 13, "2 MiB are theirs, 12 the cache's, less what slots take");
    assert!(cache.stats().tables_excess >= 6 << 20);
    table.touch_all(0..8000, Hint::Point);
    assert_eq!(cache.stats().bytes_used, 4 << 20);
    others.clear();
    assert_eq!((cache.stats().tables_in_arena, cache.stats().tables_excess), (0, 0));
    table.touch_all(0..8000, Hint::Point);
    assert_eq!(cache.stats().bytes_used, 16 << 20);
}
