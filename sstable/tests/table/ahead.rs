//! Long scans whose blocks someone else reads ahead of them.

use std::cell::Cell;
use std::os::unix::fs::FileExt;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use ringwood_ring::{Class, Lane};
use ringwood_sstable::{
    Aim, BlockFetch, Compression, FetchLane, Hint, Result, RunRead, RunReader, Table, TableCursor,
    TableOptions,
};

use crate::support::{Bench, Owned, scan, uniform};

const ENTRIES: u64 = 40_000;

/// Reads runs when they are asked for, or does what `with` says.
struct Ahead<'a> {
    bench: &'a Bench,
    fetches: Cell<u64>,
    with: &'a dyn Fn(RunRead) -> bool,
}

impl<'a> Ahead<'a> {
    fn new(bench: &'a Bench, with: &'a dyn Fn(RunRead) -> bool) -> Self {
        Self { bench, fetches: Cell::new(0), with }
    }
}

impl FetchLane for Ahead<'_> {
    fn fetch(&self, fetch: &mut BlockFetch) -> Result<()> {
        self.fetches.set(self.fetches.get() + 1);
        self.bench.fetch(fetch)
    }

    fn read_ahead(&self, read: RunRead) -> bool {
        (self.with)(read)
    }
}

fn read_now(bench: &Bench, lane: &mut dyn Lane, read: RunRead) {
    let Some(op) = read.op(bench.disk.arena()) else { return };
    lane.push(0, op).unwrap();
    let mut done = Vec::new();
    lane.reap(1, &mut done).unwrap();
    RunReader::default().complete(read, done.pop().unwrap());
}

/// A table and a cache with room for a fraction of it.
fn bench_with_table(compression: Compression) -> (Bench, Arc<Table>, Vec<Owned>) {
    let bench = Bench::with(32 << 20, 512 << 10);
    let entries = uniform(ENTRIES, 100);
    let table = bench.table(1, &entries, TableOptions { compression, ..TableOptions::default() });
    (bench, table, entries)
}

/// All entries from the last to the first.
fn scan_back(table: &Arc<Table>, lanes: &dyn FetchLane) -> Result<Vec<Owned>> {
    let mut cursor = TableCursor::new(Arc::clone(table));
    let mut all = Vec::new();
    cursor.go(Aim::Last, lanes)?;
    while cursor.is_valid() {
        all.push((cursor.key().to_vec(), cursor.seq(), cursor.kind(), cursor.value().to_vec()));
        cursor.prev(lanes)?;
    }
    all.reverse();
    Ok(all)
}

/// A scan forward and one backward.
type Scan = fn(&Arc<Table>, &dyn FetchLane) -> Result<Vec<Owned>>;
const BOTH: [Scan; 2] = [scan, scan_back];

#[test]
fn a_long_scan_reads_each_block_once_in_runs() {
    for (compression, scan) in
        [Compression::None, Compression::Lz4].into_iter().flat_map(|c| BOTH.map(|s| (c, s)))
    {
        let (bench, table, entries) = bench_with_table(compression);
        let lane = Mutex::new(bench.lane(Class::Scan, 4));
        let runs = Cell::new(0);
        let with = |read: RunRead| {
            runs.set(runs.get() + 1);
            read_now(&bench, &mut **lane.lock().unwrap(), read);
            true
        };
        let lanes = Ahead::new(&bench, &with);
        let (read, counts) = bench.counting(|| scan(&table, &lanes).unwrap());
        assert_eq!(read, entries);
        assert_eq!(counts.read_bytes, table.data_bytes(), "each block once");
        // 1, 3, 12, 48 blocks by itself, the others in runs of 64 pages.
        assert_eq!(lanes.fetches.get(), 4, "{compression:?}");
        assert!(runs.get() >= (u64::from(table.block_count()) - 64) / 64, "{} runs", runs.get());
        assert!(counts.reads < 64 + runs.get() + 2, "{} reads for {} runs", counts.reads, runs.get());
    }
}

#[test]
fn without_a_reader_or_with_one_that_gives_up_a_scan_reads_for_itself() {
    let taken = |_: RunRead| true;
    let declined = |_: RunRead| false;
    let (bench, table, entries) = bench_with_table(Compression::None);
    let some = Cell::new(0);
    let lane = Mutex::new(bench.lane(Class::Scan, 4));
    let every_third = |read: RunRead| {
        some.set(some.get() + 1);
        if some.get() % 3 == 0 {
            read_now(&bench, &mut **lane.lock().unwrap(), read);
        }
        true
    };
    for with in [&taken as &dyn Fn(RunRead) -> bool, &declined, &every_third] {
        for scan in BOTH {
            let lanes = Ahead::new(&bench, with);
            assert_eq!(scan(&table, &lanes).unwrap(), entries);
            assert!(lanes.fetches.get() > 4);
        }
    }
}

#[test]
fn a_scan_waits_for_the_run_that_it_comes_to() {
    let (bench, table, entries) = bench_with_table(Compression::None);
    let (send, receive) = mpsc::channel::<RunRead>();
    std::thread::scope(|scope| {
        let (disk, mut lane) = (Arc::clone(&bench.disk), bench.lane(Class::Scan, 4));
        scope.spawn(move || {
            // Two at a time and late, so that the cursor is there before them.
            while let Ok(first) = receive.recv() {
                let mut reads = vec![Some(first)];
                reads.extend(receive.try_recv().map(Some));
                for (token, read) in reads.iter().enumerate() {
                    let op = read.as_ref().unwrap().op(disk.arena()).unwrap();
                    lane.push(token as u64, op).unwrap();
                }
                std::thread::sleep(std::time::Duration::from_millis(1));
                let mut done = Vec::new();
                lane.reap(reads.len(), &mut done).unwrap();
                for completion in done {
                    let read = reads[completion.token as usize].take().unwrap();
                    RunReader::default().complete(read, completion);
                }
            }
        });
        let with = move |read| send.send(read).is_ok();
        for scan in BOTH {
            let lanes = Ahead::new(&bench, &with);
            assert_eq!(scan(&table, &lanes).unwrap(), entries);
            assert_eq!(lanes.fetches.get(), 4);
        }
    });
}

#[test]
fn a_cursor_that_goes_elsewhere_or_away_leaves_nothing_behind() {
    let (bench, table, entries) = bench_with_table(Compression::None);
    // All of the cache is in use first, so that what is allocated later is runs.
    scan(&table, &bench).unwrap();
    let before = bench.disk.arena().allocated();
    let kept = Mutex::new(Vec::new());
    let with = |read: RunRead| {
        kept.lock().unwrap().push(read);
        true
    };
    let lanes = Ahead::new(&bench, &with);
    let mut cursor = TableCursor::new(Arc::clone(&table));
    cursor.go(Aim::First, &lanes).unwrap();
    while kept.lock().unwrap().is_empty() {
        cursor.next(&lanes).unwrap();
    }
    let wanted = || kept.lock().unwrap().iter().filter(|read| read.is_wanted()).count();
    assert!((1..=4).contains(&wanted()), "{} runs of one cursor", wanted());
    cursor.seek(&entries[100].0, entries[100].1, &lanes).unwrap();
    assert_eq!(wanted(), 0, "after a seek");
    assert_eq!(cursor.key(), entries[100].0);
    kept.lock().unwrap().clear();
    while kept.lock().unwrap().is_empty() {
        cursor.next(&lanes).unwrap();
    }
    cursor.prev(&lanes).unwrap();
    cursor.go(Aim::Prev, &lanes).unwrap();
    drop(cursor);
    assert_eq!(wanted(), 0, "after the end");
    // Reads that end unheard.
    let mut lane = bench.lane(Class::Scan, 4);
    let reads: Vec<_> = kept.lock().unwrap().drain(..).collect();
    reads.into_iter().for_each(|read| read_now(&bench, &mut *lane, read));
    assert_eq!(bench.disk.arena().allocated(), before);
}

#[test]
fn blocks_in_use_stay_in_the_cache_and_free_frames_are_filled() {
    let (bench, table, entries) = bench_with_table(Compression::None);
    let lane = Mutex::new(bench.lane(Class::Scan, 4));
    let with = |read: RunRead| {
        read_now(&bench, &mut **lane.lock().unwrap(), read);
        true
    };
    let lanes = Ahead::new(&bench, &with);
    let hot: Vec<u32> = (0..20).map(|i| i * 50).collect();
    for _ in 0..3 {
        for &block in &hot {
            let mut fetch = BlockFetch::new();
            fetch.want(&table, block, Hint::Point);
            lanes.fetch(&mut fetch).unwrap();
        }
    }
    assert_eq!(scan(&table, &lanes).unwrap().len(), entries.len());
    assert!(
        hot.iter().all(|&block| table.cached(block, Hint::Scan).is_some()),
        "a scan evicted what was in use"
    );
    let cached = (0..table.block_count()).filter(|&b| table.cached(b, Hint::Scan).is_some()).count();
    assert_eq!(cached, (512 << 10) / 4096, "the cache is full");

    // With room for all, the second scan reads nothing.
    let bench = Bench::with(32 << 20, 16 << 20);
    let table = bench.table(1, &entries, TableOptions::default());
    let lane = Mutex::new(bench.lane(Class::Scan, 4));
    let with = |read: RunRead| {
        read_now(&bench, &mut **lane.lock().unwrap(), read);
        true
    };
    let lanes = Ahead::new(&bench, &with);
    scan(&table, &lanes).unwrap();
    let (_, counts) = bench.counting(|| scan(&table, &lanes).unwrap());
    assert_eq!(counts.reads, 0);
}

#[test]
fn damage_in_a_run_is_told_where_it_is() {
    let (bench, table, entries) = bench_with_table(Compression::None);
    let block = table.block_count() / 2;
    let extent = table.extent(block);
    let file = std::fs::File::options().write(true).open(table.path()).unwrap();
    file.write_all_at(b"damage", extent.offset + 1000).unwrap();
    let lane = Mutex::new(bench.lane(Class::Scan, 4));
    let with = |read: RunRead| {
        read_now(&bench, &mut **lane.lock().unwrap(), read);
        true
    };
    let lanes = Ahead::new(&bench, &with);
    for is_forward in [true, false] {
        let (from, step) = if is_forward { (Aim::First, Aim::Next) } else { (Aim::Last, Aim::Prev) };
        let mut cursor = TableCursor::new(Arc::clone(&table));
        cursor.go(from, &lanes).unwrap();
        let mut read = 0;
        let error = loop {
            let at = if is_forward { read } else { entries.len() - 1 - read };
            assert_eq!(cursor.key(), entries[at].0);
            read += 1;
            if let Err(error) = cursor.go(step, &lanes) {
                break error.to_string();
            }
        };
        assert!(error.contains(&extent.offset.to_string()), "{error}");
        assert!(!cursor.is_valid());
        assert!(read > entries.len() / 3, "{read} entries before the damage");
    }
}
