//! Who gets which work, on the simulated disk.

use std::sync::Arc;

use ringwood_ring::{Arena, SimConfig, SimDisk};

use super::{RETRY_NS, Target};
use crate::compaction::{self, Compaction};
use crate::{Db, Durability, Error, ErrorKind, Options};

/// Everything is merged into the last level, where tables cover a to c and x to z. A table with m to n that came meanwhile overlaps none of
/// them, but perhaps an output that reaches from a to z.
#[test]
fn nothing_is_moved_where_a_running_compaction_writes() {
    let target = |tree, level, from: &str, to: &str| Target {
        tree,
        level,
        from: from.as_bytes().into(),
        to: to.as_bytes().into(),
        is_whole: false,
    };
    let running = target(0, 6, "a", "z");
    for free in [target(0, 5, "m", "n"), target(1, 6, "m", "n"), target(0, 6, "zz", "zzz")] {
        assert!(!running.overlaps(&free) && !free.overlaps(&running), "{free:?}");
    }
    for taken in [target(0, 6, "m", "n"), target(0, 6, "z", "zz"), target(0, 6, "0", "zzz")] {
        assert!(running.overlaps(&taken) && taken.overlaps(&running), "{taken:?}");
    }
}

fn disk(seed: u64) -> Arc<SimDisk> {
    SimDisk::new(seed, SimConfig::calm(), Arena::new(64 << 20).unwrap())
}

fn open(seed: u64, threads: usize, table_bytes: u64) -> Db {
    open_on(disk(seed), threads, table_bytes)
}

fn open_on(disk: Arc<SimDisk>, threads: usize, table_bytes: u64) -> Db {
    let options = Options::new().memory(8 << 20).write_buffer_bytes(64 << 10).table_bytes(table_bytes);
    let options = options.compaction_threads(threads).durability(Durability::Buffered);
    options.open_on(disk, "/data", true).unwrap()
}

fn key(i: u32) -> [u8; 4] {
    i.wrapping_mul(2_654_435_761).to_be_bytes()
}

/// A whole compaction took all compactors, and level 0 grew to over a hundred tables meanwhile.
#[test]
fn level_0_is_compacted_while_a_whole_compaction_runs() {
    const RECORDS: u32 = 60_000;
    for threads in [1, 2] {
        let db = open(3, threads, 64 << 10);
        (0..RECORDS).for_each(|i| db.put(key(i), [1; 200]).unwrap());
        db.flush().unwrap();
        while db.step() {}
        let store = Arc::clone(db.store());
        let ticket = store.background.request_compaction(0);
        let (mut written, mut tables_max, mut steps) = (0, 0, 0);
        let outcome = loop {
            if let Some(outcome) = store.background.compaction_is_over(ticket) {
                break outcome;
            }
            // Writers bring about what one compactor can take.
            for _ in 0..8 {
                db.put(key(written % RECORDS), [2; 200]).unwrap();
                written += 1;
            }
            let _ = db.step();
            steps += 1;
            tables_max = tables_max.max(db.stats().keyspaces[0].levels[0].tables);
            assert!(steps < 8_000, "the whole compaction does not end: {}", db.stats());
        };
        outcome.unwrap();
        println!(
            "{threads} compactors: {written} puts, {steps} steps, at most {tables_max} tables in level 0"
        );
        assert!(written > RECORDS / 12, "too short a compaction to tell: {written} puts");
        assert!(tables_max <= 20, "level 0 grew to {tables_max} tables");
        let changed = written.min(RECORDS);
        for i in 0..RECORDS {
            let expected = if i < changed { [2; 200] } else { [1; 200] };
            assert_eq!(db.get(key(i)).unwrap().unwrap(), expected, "{i}");
        }
        // At rest, a whole compaction leaves the last level alone with all of it.
        while db.step() {}
        db.flush().unwrap();
        db.compact().unwrap();
        let levels = &db.stats().keyspaces[0].levels;
        assert!(levels[..levels.len() - 1].iter().all(|l| l.tables == 0), "{levels:?}");
        assert_eq!(levels.last().unwrap().entries, u64::from(RECORDS));
        db.close().unwrap();
    }
}

/// Each flush of a little, in ascending order, left a table that nothing merged.
#[test]
fn tiny_tables_are_merged() {
    let db = open(4, 1, 1 << 20);
    for i in 0..500u32 {
        db.put(i.to_be_bytes(), "v").unwrap();
        db.flush().unwrap();
    }
    while db.step() {}
    let tables: usize = db.stats().keyspaces[0].levels.iter().map(|l| l.tables).sum();
    assert!(tables <= 500 / 12 + 12, "{tables} tables of 500 flushes of one entry");
    assert_eq!(db.iter().unwrap().count(), 500);
    db.close().unwrap();
}

/// A few tables that lie over each other cost every scan a source each: they are merged as soon as that rewrites little else.
#[test]
fn a_few_tables_over_each_other_are_merged_if_that_is_cheap() {
    let db = open(4, 1, 64 << 10);
    let level0 = |db: &Db| db.stats().keyspaces[0].levels[0].tables;
    for part in 0..4u32 {
        for i in 0..150u32 {
            db.put((4 * i + part).to_be_bytes(), [7; 200]).unwrap();
        }
        db.flush().unwrap();
        while db.step() {}
        assert_eq!(level0(&db), if part < 3 { part as usize + 1 } else { 0 }, "after {part}");
    }
    // The base holds more than the next four do by now: they wait for level 0 to be full.
    for part in 0..4u32 {
        for i in 0..60u32 {
            db.put((10 * i + part).to_be_bytes(), [8; 200]).unwrap();
        }
        db.flush().unwrap();
        while db.step() {}
    }
    assert_eq!(level0(&db), 4);
    assert_eq!(db.iter().unwrap().count(), 600);
    db.close().unwrap();
}

/// A compaction that failed put off the next try of a flush that had failed before: with compactions failing again and again, writes were
/// refused long after there was space for the flush.
#[test]
fn a_failing_compaction_does_not_put_off_a_flush() {
    let disk = disk(5);
    let db = open_on(disk.clone(), 1, 64 << 10);
    for _ in 0..2 {
        (0..400u32).for_each(|i| db.put(key(i), [1; 200]).unwrap());
        db.flush().unwrap();
    }
    db.put("k", "v").unwrap();
    let store = Arc::clone(db.store());
    let (background, full) = (&store.background, || Err(Error::new(ErrorKind::Full, "no space")));
    let tree = store.trees.load()[&0].clone();
    store.freeze(&store.lock_commit(), &tree);
    background.flush_is_over(&store, &full());
    assert!(background.next_flush(&store).is_none(), "tried again without a pause");

    disk.advance(RETRY_NS);
    let version = Arc::clone(&tree.view().version);
    let pick = compaction::pick_all(&version, store.limits, false).expect("two tables in level 0");
    let failed = Compaction::new(&store, &tree, version, pick, None);
    background.compaction_is_through(&store, &failed, &full());
    while db.step() {}
    assert_eq!(db.stats().flush_error, None, "put off");
    db.close().unwrap();
}

#[test]
fn what_waits_for_a_compaction_is_counted() {
    let db = open(6, 1, 64 << 10);
    let load = || {
        let mut loader = db.loader().unwrap();
        (0..10_000u32).for_each(|i| loader.put(i.to_be_bytes(), [b'v'; 100]).unwrap());
        loader.finish().unwrap();
    };
    load();
    assert_eq!(db.stats().pending_compaction_bytes(), 0, "all of it lies in the last level");
    load();
    // It lies over the first, in a level that may hold little of it.
    let stats = db.stats();
    let waiting = stats.keyspaces[0].pending_compaction_bytes;
    assert!(waiting > 500_000, "{stats}");
    assert_eq!(stats.pending_compaction_bytes(), waiting);
    db.compact().unwrap();
    assert_eq!(db.stats().pending_compaction_bytes(), 0);
    db.close().unwrap();
}
