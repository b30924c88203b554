//! What reads cost, by the disk's own counters; and what becomes of failed ones.

use std::sync::Arc;

use ringwood_ring::Class;
use ringwood_sstable::{
    Aim, BlockFetch, Compression, FetchLane, Hint, SEQ_MAX, Table, TableCursor, TableOptions,
};

use crate::support::{Bench, DEPTH, get, uniform};

fn bench_with_table(n: u64, compression: Compression) -> (Bench, Arc<Table>) {
    let bench = Bench::new();
    let table = bench.table(1, &uniform(n, 100), TableOptions { compression, ..TableOptions::default() });
    (bench, table)
}

#[test]
fn a_cold_get_is_one_read_of_one_page_and_a_hot_one_is_none() {
    for compression in [Compression::None, Compression::Lz4] {
        let (bench, table) = bench_with_table(5000, compression);
        let key = &uniform(5000, 0)[3210].0;
        let (found, cold) = bench.counting(|| get(&table, key, SEQ_MAX, &bench).unwrap());
        assert!(found.is_some());
        assert_eq!((cold.reads, cold.read_bytes, cold.sqes), (1, 4096, 1));
        let (found, hot) = bench.counting(|| get(&table, key, SEQ_MAX, &bench).unwrap());
        assert!(found.is_some());
        assert_eq!(hot.sqes, 0);
    }
}

#[test]
fn absent_keys_cost_nothing_but_for_false_positives() {
    let (bench, table) = bench_with_table(5000, Compression::None);
    let (hits, counts) = bench.counting(|| {
        (0..5000u64)
            .filter(|i| get(&table, format!("absent {i}").as_bytes(), SEQ_MAX, &bench).unwrap().is_some())
            .count()
    });
    assert_eq!(hits, 0);
    assert!(counts.reads < 50, "{} reads", counts.reads);
}

/// A lane that counts how often it is asked to wait: what an enter is on the kernel's ring.
#[derive(Debug)]
struct Counting {
    inner: Box<dyn ringwood_ring::Lane>,
    reaps: usize,
}

impl ringwood_ring::Lane for Counting {
    fn push(&mut self, token: u64, op: ringwood_ring::Op) -> Result<(), ringwood_ring::Op> {
        self.inner.push(token, op)
    }
    fn push_chain(&mut self, ops: &mut Vec<(u64, ringwood_ring::Op)>) -> bool {
        self.inner.push_chain(ops)
    }
    fn reap(&mut self, min: usize, out: &mut Vec<ringwood_ring::Completion>) -> ringwood_ring::Result<usize> {
        self.reaps += 1;
        self.inner.reap(min, out)
    }
    fn submit(&mut self) -> ringwood_ring::Result<()> {
        self.reaps += 1;
        self.inner.submit()
    }
    fn room(&self) -> usize {
        self.inner.room()
    }
    fn in_flight(&self) -> usize {
        self.inner.in_flight()
    }
    fn depth(&self) -> usize {
        self.inner.depth()
    }
}

fn fetch_all(bench: &Bench, table: &Arc<Table>, blocks: &[u32], depth: u32) -> usize {
    let mut lane = Counting { inner: bench.lane(Class::Get, depth), reaps: 0 };
    let mut fetch = BlockFetch::new();
    let wants: Vec<usize> = blocks.iter().map(|&b| fetch.want(table, b, Hint::Point)).collect();
    fetch.run(&mut lane);
    for (want, block) in wants.into_iter().zip(blocks) {
        let bytes = fetch.take(want).unwrap();
        assert_eq!(*bytes, *table.cached(*block, Hint::Point).unwrap());
        assert!(fetch.take(want).is_err(), "taken twice");
    }
    lane.reaps
}

#[test]
fn as_many_blocks_as_the_lane_is_deep_take_one_enter() {
    let (bench, table) = bench_with_table(5000, Compression::None);
    let blocks: Vec<u32> = (0..64).map(|i| (i * 37) % table.block_count()).collect();
    let (enters, counts) = bench.counting(|| fetch_all(&bench, &table, &blocks, 64));
    assert_eq!((enters, counts.reads), (1, 64));
    // All there now: no enter at all.
    let (enters, counts) = bench.counting(|| fetch_all(&bench, &table, &blocks, 64));
    assert_eq!((enters, counts.reads), (0, 0));
}

#[test]
fn more_blocks_than_the_lane_is_deep_take_few_enters() {
    let (bench, table) = bench_with_table(5000, Compression::None);
    let blocks: Vec<u32> = (0..128).collect();
    let (enters, counts) = bench.counting(|| fetch_all(&bench, &table, &blocks, 16));
    assert_eq!(counts.reads, 128);
    assert!(enters <= 16, "{enters} enters for 128 reads on a lane of 16");
}

#[test]
fn one_block_wanted_often_is_read_once() {
    let (bench, table) = bench_with_table(5000, Compression::None);
    let blocks = [7, 7, 7, 9, 7, 9, 8, 8];
    let (enters, counts) = bench.counting(|| fetch_all(&bench, &table, &blocks, 16));
    assert_eq!((enters, counts.reads), (1, 3));
}

/// A fetch that is not cleared goes on: what was got stays, what is wanted anew is got.
#[test]
fn a_fetch_may_be_run_again() {
    let (bench, table) = bench_with_table(1000, Compression::None);
    let mut fetch = BlockFetch::new();
    fetch.want(&table, 3, Hint::Point);
    assert!(fetch.take(0).is_err(), "before it ran");
    bench.fetch(&mut fetch).unwrap();
    let first = fetch.take(0).unwrap();
    fetch.want(&table, 3, Hint::Point);
    fetch.want(&table, 4, Hint::Point);
    bench.fetch(&mut fetch).unwrap();
    assert_eq!(*fetch.take(1).unwrap(), *first);
    assert!(fetch.take(2).is_ok());
    fetch.clear();
    assert!(fetch.is_empty());
}

/// No cache at all: every block is read into memory of its own, and neighbours that are the same once.
#[test]
fn without_a_cache_everything_still_works() {
    let bench = Bench::with(1 << 20, 0);
    let table = bench.table(1, &uniform(3000, 100), TableOptions::default());
    let mut fetch = BlockFetch::new();
    for block in [3, 3, 4, 5] {
        fetch.want(&table, block, Hint::Point);
    }
    let ((), counts) = bench.counting(|| bench.fetch(&mut fetch).unwrap());
    assert_eq!(counts.reads, 3);
    assert_eq!(*fetch.take(0).unwrap(), *fetch.take(1).unwrap());
    assert_ne!(*fetch.take(2).unwrap(), *fetch.take(3).unwrap());
}

/// Threads that want the same blocks at the same time read each once.
#[test]
fn concurrent_misses_of_one_block_cost_one_read() {
    let (bench, table) = bench_with_table(20_000, Compression::Lz4);
    let blocks = table.block_count();
    let (disk, ((), counts)) = (
        Arc::clone(&bench.disk),
        bench.counting(|| {
            std::thread::scope(|scope| {
                for thread in 0..4u32 {
                    let (disk, table) = (Arc::clone(&bench.disk), Arc::clone(&table));
                    scope.spawn(move || {
                        let mut lane = crate::support::lane(&disk, Class::Get, 16);
                        let mut fetch = BlockFetch::new();
                        for round in 0..blocks / 8 {
                            fetch.clear();
                            for i in 0..8 {
                                // Each thread in another order.
                                let at = if thread % 2 == 0 { i } else { 7 - i };
                                fetch.want(&table, round * 8 + at, Hint::Point);
                            }
                            fetch.run(&mut *lane);
                            for i in 0..8 {
                                fetch.take(i).unwrap();
                            }
                        }
                    });
                }
            });
        }),
    );
    drop(disk);
    assert_eq!(counts.reads, u64::from(blocks / 8 * 8));
}

#[test]
fn a_long_scan_reads_ahead_further_and_further() {
    let (bench, table) = bench_with_table(10_000, Compression::None);
    let blocks = u64::from(table.block_count());
    let lanes = CountingLanes::new(&bench);
    for backward in [false, true] {
        let bench_cache = ringwood_sstable::BlockCache::new(bench.disk.arena(), 1 << 20, None);
        let mut lane = bench.lane(Class::Control, 16);
        let table = Table::open(&bench.disk, &mut *lane, &bench_cache, table.path(), 1).unwrap();
        lanes.fetches.set(0);
        let (n, counts) = bench.counting(|| {
            let mut cursor = TableCursor::new(table);
            let mut n = 0;
            cursor.go(if backward { Aim::Last } else { Aim::First }, &lanes).unwrap();
            while cursor.is_valid() {
                n += 1;
                cursor.go(if backward { Aim::Prev } else { Aim::Next }, &lanes).unwrap();
            }
            n
        });
        assert_eq!((n, counts.reads), (10_000, blocks), "each block is read once");
        // 1, 3, 12, 48, then 64 at a time.
        let want = 4 + (blocks - 64).div_ceil(64);
        assert_eq!(lanes.fetches.get(), want, "enters for {blocks} blocks");
    }
}

#[test]
fn a_short_scan_reads_little() {
    let (bench, table) = bench_with_table(10_000, Compression::None);
    let mut cursor = TableCursor::new(table);
    let key = &uniform(10_000, 0)[5000].0;
    let ((), counts) = bench.counting(|| {
        cursor.seek(key, SEQ_MAX, &bench).unwrap();
        for _ in 0..10 {
            cursor.next(&bench).unwrap();
        }
    });
    assert!(counts.reads <= 4, "{} reads for a seek and ten steps", counts.reads);
}

#[test]
fn seeks_fetch_what_scans_come_to_use() {
    let (bench, table) = bench_with_table(60_000, Compression::None);
    let keys = uniform(60_000, 0);
    let lanes = CountingLanes { bench: &bench, fetches: std::cell::Cell::new(0) };
    // What no scan has touched yet; a new cursor each, as callers make them.
    let mut at = 0;
    let mut scan = |steps: usize, lanes: &CountingLanes<'_>| {
        lanes.fetches.set(0);
        let ((), counts) = bench.counting(|| {
            let mut cursor = TableCursor::new(Arc::clone(&table));
            cursor.seek(&keys[at].0, SEQ_MAX, lanes).unwrap();
            for _ in 0..steps {
                cursor.next(lanes).unwrap();
            }
        });
        at += 700;
        (lanes.fetches.get(), counts.reads)
    };
    assert_eq!(scan(100, &lanes), (2, 4), "at first a seek fetches one block");
    for _ in 0..30 {
        scan(100, &lanes);
    }
    let (fetches, reads) = scan(100, &lanes);
    assert!(fetches == 1 && (3..=5).contains(&reads), "{fetches} fetches, {reads} reads");
    for _ in 0..30 {
        scan(0, &lanes);
    }
    assert_eq!(scan(0, &lanes), (1, 1), "and when they are short again, so are the fetches");
}

struct CountingLanes<'a> {
    bench: &'a Bench,
    fetches: std::cell::Cell<u64>,
}

impl<'a> CountingLanes<'a> {
    fn new(bench: &'a Bench) -> Self {
        Self { bench, fetches: std::cell::Cell::new(0) }
    }
}

impl FetchLane for CountingLanes<'_> {
    fn fetch(&self, fetch: &mut BlockFetch) -> ringwood_sstable::Result<()> {
        assert!(fetch.len() <= DEPTH as usize);
        self.fetches.set(self.fetches.get() + 1);
        self.bench.fetch(fetch)
    }
}

/// A seek on many tables: every block of all of them in one fetch.
#[test]
fn cursors_of_many_tables_share_a_fetch() {
    let bench = Bench::new();
    let entries = uniform(2000, 100);
    let parts: Vec<Vec<_>> = (0..10).map(|t| entries.iter().skip(t).step_by(10).cloned().collect()).collect();
    let mut cursors: Vec<TableCursor> = (0u64..)
        .zip(&parts)
        .map(|(id, part)| TableCursor::new(bench.table(id, part, TableOptions::default())))
        .collect();
    let lanes = CountingLanes::new(&bench);
    for (target, entry) in entries.iter().enumerate().step_by(97) {
        let before = lanes.fetches.get();
        let mut fetch = BlockFetch::new();
        let aim = Aim::AtOrAfter(&entry.0, SEQ_MAX);
        cursors.iter_mut().for_each(|c| c.aim(aim));
        loop {
            fetch.clear();
            let mut wanting: Vec<_> =
                cursors.iter_mut().filter_map(|c| c.wants(aim, &mut fetch).then_some(c)).collect();
            if wanting.is_empty() {
                break;
            }
            lanes.fetch(&mut fetch).unwrap();
            for cursor in &mut wanting {
                cursor.supply(&mut fetch).unwrap();
            }
        }
        // A second one only where a target lies in the gap between two blocks.
        assert!(lanes.fetches.get() - before <= 2);
        let smallest = cursors.iter().filter(|c| c.is_valid()).min_by_key(|c| c.key().to_vec()).unwrap();
        assert_eq!(smallest.key(), entries[target].0);
    }
}

/// Several cursors are moved together, and all are offered what was fetched: one that wanted something of a fetch that failed wants nothing of the next.
#[test]
fn wants_of_a_fetch_that_failed_are_forgotten() {
    let bench = Bench::new();
    let (a, b) = (uniform(2000, 100), uniform(2000, 60));
    let [table_a, table_b] =
        [(1, &a), (2, &b)].map(|(id, entries)| bench.table(id, entries, TableOptions::default()));
    TableCursor::new(Arc::clone(&table_a)).go(Aim::First, &bench).unwrap();
    let (mut one, mut two) = (TableCursor::new(table_a), TableCursor::new(table_b));
    let mut fetch = BlockFetch::new();
    let far = Aim::AtOrAfter(&a[1900].0, SEQ_MAX);
    one.aim(far);
    assert!(one.wants(far, &mut fetch));
    // There was no lane.
    fetch.clear();
    one.aim(Aim::First);
    two.aim(Aim::First);
    assert!(!one.wants(Aim::First, &mut fetch) && two.wants(Aim::First, &mut fetch));
    bench.fetch(&mut fetch).unwrap();
    one.supply(&mut fetch).unwrap();
    two.supply(&mut fetch).unwrap();
    assert!(!two.wants(Aim::First, &mut fetch) && two.is_valid());
    assert_eq!((one.value(), two.value()), (&a[0].3[..], &b[0].3[..]));
    one.go(far, &bench).unwrap();
    assert_eq!((one.key(), one.value()), (&a[1900].0[..], &a[1900].3[..]));
}
