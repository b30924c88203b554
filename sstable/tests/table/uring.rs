//! What reads cost on the real ring, by its own counters: enters, and reads through registered buffers.

use std::sync::Arc;

use ringwood_ring::{Arena, Class, UringConfig, UringDisk};
use ringwood_sstable::{Aim, BlockFetch, Compression, FetchLane, Hint, SEQ_MAX, TableCursor, TableOptions};
use tempfile::TempDir;

use crate::support::{Bench, get, scan, uniform};

/// None, with a message, where there is no io_uring.
fn bench() -> Option<Bench> {
    match UringDisk::new(Arena::new(64 << 20).unwrap(), UringConfig::default()) {
        Ok(disk) => {
            let temp = TempDir::new().unwrap();
            Some(Bench::on(disk, temp.path().to_path_buf(), Some(temp), 16 << 20))
        }
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

#[test]
fn tables_on_the_ring_answer_as_lists_do() {
    let Some(bench) = bench() else { return };
    for (id, compression) in [(1, Compression::None), (2, Compression::Lz4)] {
        let mut entries = uniform(5000, 100);
        entries[77].3 = vec![8; 300_000];
        let table = bench.table(id, &entries, TableOptions { compression, ..TableOptions::default() });
        assert!(scan(&table, &bench).unwrap() == entries);
        let mut lane = bench.lane(Class::Control, 4);
        assert_eq!(table.verify(&bench.disk, &mut *lane).unwrap().entries, 5000);
    }
}

#[test]
fn a_cold_get_is_one_enter_with_one_fixed_read() {
    let Some(bench) = bench() else { return };
    let entries = uniform(5000, 100);
    let table = bench.table(1, &entries, TableOptions::default());
    // The first use of a lane registers its buffers.
    get(&table, &entries[0].0, SEQ_MAX, &bench).unwrap();
    let (found, counts) = bench.counting(|| get(&table, &entries[2500].0, SEQ_MAX, &bench).unwrap());
    assert!(found.is_some());
    assert_eq!((counts.enters, counts.sqes, counts.reads, counts.read_bytes), (1, 1, 1, 4096));
    let fixed = bench.disk.caps().features.iter().any(|f| f.contains("buffers"));
    assert_eq!(counts.fixed, u64::from(fixed), "{:?}", bench.disk.caps());
    let (_, counts) = bench.counting(|| get(&table, &entries[2500].0, SEQ_MAX, &bench).unwrap());
    assert_eq!(counts.enters, 0, "hot");
}

#[test]
fn sixty_four_missing_blocks_are_one_enter() {
    let Some(bench) = bench() else { return };
    let table = bench.table(1, &uniform(10_000, 100), TableOptions::default());
    let mut fetch = BlockFetch::new();
    for i in 0..64 {
        fetch.want(&table, (i * 41) % table.block_count(), Hint::Point);
    }
    let ((), counts) = bench.counting(|| bench.fetch(&mut fetch).unwrap());
    assert_eq!((counts.reads, counts.sqes), (64, 64));
    // One enter as a rule; the kernel may wake a waiter before its last completion is seen.
    assert!(counts.enters <= 3, "{} enters for 64 reads", counts.enters);
    assert!((0..64).all(|i| fetch.take(i).is_ok()));
}

#[test]
fn opening_takes_one_round_of_reads_or_two() {
    let Some(bench) = bench() else { return };
    bench.write(1, &uniform(100, 100), TableOptions::default());
    let (_, counts) = bench.counting(|| bench.open(1).unwrap());
    assert_eq!((counts.enters, counts.reads), (1, 1));
    bench.write(2, &uniform(300_000, 10), TableOptions::default());
    let (_, counts) = bench.counting(|| bench.open(2).unwrap());
    assert!(counts.enters <= 3 && counts.reads <= 3, "{counts:?}");
}

#[test]
fn a_scan_reads_ahead_in_few_enters() {
    let Some(bench) = bench() else { return };
    let table = bench.table(1, &uniform(10_000, 100), TableOptions::default());
    let mut cursor = TableCursor::new(Arc::clone(&table));
    let (_, counts) = bench.counting(|| {
        cursor.go(Aim::First, &bench).unwrap();
        while cursor.is_valid() {
            cursor.next(&bench).unwrap();
        }
    });
    assert_eq!(counts.reads, u64::from(table.block_count()));
    assert!(counts.enters < counts.reads / 10, "{} enters for {} reads", counts.enters, counts.reads);
}
