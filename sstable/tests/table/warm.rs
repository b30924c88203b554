//! Blocks of a new table in the cache, put there by its writer.

use std::sync::Arc;

use ringwood_ring::Class;
use ringwood_sstable::{Compression, Hint, Residency, Room, Table, TableOptions, TableSpec, TableWriter};

use crate::support::{Bench, Owned, entry, lane, scan, uniform};

/// Writes a table whose entries are hot where `is_hot` says so.
fn write(
    bench: &Bench,
    id: u64,
    entries: &[Owned],
    options: TableOptions,
    room: Room,
    is_hot: impl Fn(usize) -> bool,
) -> (TableWriter, Box<dyn ringwood_ring::Lane>) {
    let mut writer = TableWriter::create(&bench.disk, &bench.path(id), id, options, 2, 64 << 10).unwrap();
    let mut lane = bench.lane(Class::Flush, 8);
    writer.warm(&bench.cache, room);
    for (i, e) in entries.iter().enumerate() {
        writer.set_hot(is_hot(i));
        writer.add(&entry(e)).unwrap();
        if !writer.has_room() {
            writer.drive(&mut *lane).unwrap();
        }
    }
    (writer, lane)
}

fn finish((mut writer, mut lane): (TableWriter, Box<dyn ringwood_ring::Lane>)) -> Option<Residency> {
    writer.seal().unwrap();
    writer.drive(&mut *lane).unwrap();
    let warmed = writer.take_residency();
    writer.finish().unwrap();
    warmed
}

fn open(bench: &Bench, id: u64, warmed: Option<Residency>) -> Arc<Table> {
    let mut lane = lane(&bench.disk, Class::Control, 16);
    let spec = TableSpec { path: bench.path(id), id, tail_bytes: 0, warmed };
    let opened = Table::open_all(&bench.disk, &mut *lane, &bench.cache, [spec]).pop();
    Arc::new(opened.unwrap().unwrap())
}

fn options(compression: Compression, bytes: u64) -> TableOptions {
    TableOptions { compression, expected_bytes: bytes, ..TableOptions::default() }
}

fn cached(table: &Table) -> Vec<bool> {
    (0..table.block_count()).map(|b| table.cached(b, Hint::Scan).is_some()).collect()
}

#[test]
fn what_is_hot_is_read_from_the_cache_and_as_the_file_has_it() {
    for compression in [Compression::None, Compression::Lz4] {
        let bench = Bench::new();
        let mut entries = uniform(3000, 100);
        // One that has a block of its own, and one that no frame holds.
        entries[1000].3 = vec![7; 20_000];
        entries[2000].3 = vec![8; 50_000];
        let warmed =
            finish(write(&bench, 1, &entries, options(compression, 400 << 10), Room::Evict, |_| true));
        let table = open(&bench, 1, warmed);
        let (all, cost) = bench.counting(|| scan(&table, &bench).unwrap());
        assert_eq!(all, entries);
        let in_frames = cached(&table).iter().filter(|&&c| c).count();
        assert!(in_frames + 1 >= table.block_count() as usize, "{in_frames} of {}", table.block_count());
        assert!(cost.reads <= 1, "{compression:?}: {cost:?}");
        assert_eq!(bench.cache.stats().warmed as usize, in_frames);

        let table = open(&bench, 1, None);
        let (from_disk, cost) = bench.counting(|| scan(&table, &bench).unwrap());
        assert_eq!(from_disk, entries);
        assert_eq!(cost.reads, u64::from(table.block_count()));
    }
}

#[test]
fn what_is_cold_is_not_kept() {
    let bench = Bench::new();
    let entries = uniform(3000, 100);
    let half = |i: usize| i < 1500;
    let warmed = finish(write(&bench, 1, &entries, options(Compression::None, 400 << 10), Room::Evict, half));
    let table = open(&bench, 1, warmed);
    let is_cached = cached(&table);
    let hot = is_cached.iter().filter(|&&c| c).count();
    assert!(is_cached[..hot].iter().all(|&c| c), "the first half, whole");
    assert!(hot.abs_diff(is_cached.len() / 2) <= 1, "{hot} of {}", is_cached.len());
    assert_eq!(scan(&table, &bench).unwrap(), entries);
}

#[test]
fn free_room_is_nobodys_and_evicting_makes_room() {
    // 256 KiB of cache, and tables of about 300.
    for (room, wins) in [(Room::Free, false), (Room::Evict, true)] {
        let bench = Bench::with(32 << 20, 256 << 10);
        let entries = uniform(2700, 100);
        let expected = options(Compression::None, 400 << 10);
        let first = finish(write(&bench, 1, &entries, expected.clone(), Room::Free, |_| true));
        let first = open(&bench, 1, first);
        let before = cached(&first);
        assert_eq!(before.iter().filter(|&&c| c).count(), 64, "the cache is full");
        assert_eq!(bench.cache.stats().evictions, 0);

        let second = finish(write(&bench, 2, &entries, expected, room, |_| true));
        let second = open(&bench, 2, second);
        assert_eq!(cached(&second).iter().any(|&c| c), wins);
        assert_eq!(cached(&first) == before, !wins);
        assert_eq!(scan(&second, &bench).unwrap(), entries);
        assert_eq!(scan(&first, &bench).unwrap(), entries);
    }
}

#[test]
fn a_table_that_comes_to_nothing_gives_its_frames_back() {
    let bench = Bench::with(32 << 20, 256 << 10);
    let entries = uniform(2700, 100);
    let expected = options(Compression::None, 400 << 10);
    drop(write(&bench, 1, &entries, expected.clone(), Room::Free, |_| true));
    assert_eq!(bench.cache.stats().warmed, 64);
    let second = finish(write(&bench, 2, &entries, expected, Room::Free, |_| true));
    let second = open(&bench, 2, second);
    assert_eq!(cached(&second).iter().filter(|&&c| c).count(), 64, "all frames were free again");
    assert_eq!(bench.cache.stats().evictions, 0);
}

#[test]
fn a_table_that_outgrows_what_was_expected_is_read_from_disk() {
    let bench = Bench::new();
    let entries = uniform(9000, 100);
    let warmed = finish(write(&bench, 1, &entries, options(Compression::None, 4096), Room::Free, |_| true));
    let table = open(&bench, 1, warmed);
    assert!(cached(&table).iter().all(|&c| !c));
    assert_eq!(scan(&table, &bench).unwrap(), entries);
}
