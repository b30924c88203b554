//! Background work: beside readers, and when it fails.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use ringwood::{Db, Durability, ErrorKind, IoChoice, Options};
use ringwood_ring::{Arena, SimConfig, SimDisk, UringConfig};
use ringwood_tests::dirs;
use ringwood_tests::watch::{Watch, WatchedDisk};

const DIR: &str = "/data";

fn disk(seed: u64) -> Arc<SimDisk> {
    SimDisk::new(seed, SimConfig::calm(), Arena::new(64 << 20).unwrap())
}

fn open(disk: &Arc<SimDisk>, threads: usize) -> (Db, Arc<Watch>) {
    let (disk, watch) = WatchedDisk::new(disk.clone());
    // A cache that is much smaller than the data: else nothing would be read from the disk.
    let options = Options::new()
        .memory(16 << 20)
        .cache_bytes(256 << 10)
        .write_buffer_bytes(256 << 10)
        .compaction_threads(threads);
    (options.durability(Durability::Buffered).open_on(disk, DIR, true).unwrap(), watch)
}

/// Keys that spread over everything; a value is 400 bytes.
fn key(i: u32) -> [u8; 4] {
    i.wrapping_mul(2_654_435_761).to_be_bytes()
}

fn put(db: &Db, i: u32) {
    db.put(key(i), [i as u8; 400]).unwrap();
}

/// The most that background jobs had in flight while everything that was written came to rest, with a read from the disk between any two
/// steps or without.
fn peaks(reads: bool, threads: usize) -> (usize, usize) {
    const RECORDS: u32 = 12_000;
    let disk = disk(7);
    let (db, watch) = open(&disk, threads);
    (0..RECORDS).for_each(|i| put(&db, i));
    db.flush().unwrap();
    while db.step() {}
    let compactions = db.stats().compactions;
    (0..RECORDS / 4).for_each(|i| put(&db, i * 4));
    let mut at = 0;
    let mut read = || {
        let before = db.stats().cache.misses;
        while reads && db.stats().cache.misses == before {
            at += 101;
            assert!(db.get(key(at % RECORDS)).unwrap().is_some());
        }
    };
    // The first read is the one that announces the reader: what is in flight by then ends first. And memtables that wait for their flush
    // are debt, which widens the window.
    let is_in_debt = || db.stats().keyspaces[0].memtables > 1;
    read();
    while reads && (watch.take_peaks().0 > 8 || is_in_debt()) && db.step() {
        read();
    }
    watch.take_peaks();
    loop {
        read();
        if !db.step() {
            break;
        }
    }
    assert!(db.stats().compactions > compactions, "nothing was compacted");
    let peaks = watch.take_peaks();
    db.close().unwrap();
    peaks
}

/// A read that arrives behind hundreds of a compaction waits for them all.
#[test]
fn while_callers_read_background_jobs_keep_little_in_flight() {
    const OPS_MAX: usize = 8;
    const BYTES_MAX: usize = 256 << 10;
    for threads in [1, 3] {
        let (ops, bytes) = peaks(true, threads);
        println!("{threads} compactors beside a reader: at most {ops} operations, {bytes} bytes in flight");
        // One more each, so that nobody waits for another's completions.
        assert!(ops <= OPS_MAX + threads && bytes <= BYTES_MAX + (threads + 1) * (128 << 10));
        let (ops, bytes) = peaks(false, threads);
        println!("{threads} compactors alone: at most {ops} operations, {bytes} bytes in flight");
        assert!(ops >= 60, "the whole window, 64 reads here, is used when nobody reads");
    }
}

/// Runs `work` in a thread of its own: a wait without end fails the test instead of stopping it.
fn within_a_minute<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || send.send(work()));
    receive.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|_| panic!("{what} does not come back"))
}

/// A background thread that panicked left those who waited for it to wait for ever.
#[test]
fn a_background_thread_that_panics_poisons_the_store() {
    for is_flush in [true, false] {
        let dir = dirs::fresh();
        let path = dir.path().join("db");
        let real = ringwood_ring::open_disk(IoChoice::Auto, 64 << 20, UringConfig::default()).unwrap();
        let (disk, watch) = WatchedDisk::new(real);
        let options = || Options::new().memory(16 << 20).durability(Durability::Buffered);
        let db = options().open_on(disk, &path, false).unwrap();
        for round in 0..3u8 {
            (0..1000).for_each(|i| db.put(key(i), [round; 400]).unwrap());
            if round < 2 {
                db.flush().unwrap();
            }
        }
        let trap = if is_flush { &watch.panic_in_flush } else { &watch.panic_in_compaction };
        trap.store(true, SeqCst);
        let waiter = db.clone();
        let error = within_a_minute("the call", move || {
            if is_flush { waiter.flush().unwrap_err() } else { waiter.compact().unwrap_err() }
        });
        assert_eq!(error.kind(), ErrorKind::Poisoned, "{error}");
        assert!(error.to_string().contains("a panic that the test asked for"), "{error}");
        assert_eq!(db.put("k", "v").unwrap_err().kind(), ErrorKind::Poisoned);
        assert_eq!(db.get(key(7)).unwrap().unwrap(), [2; 400], "reads go on");
        within_a_minute("close", move || db.close().unwrap());
        let db = options().open(&path).unwrap();
        assert!((0..1000).all(|i| db.get(key(i)).unwrap().unwrap() == [2; 400]), "nothing is lost");
        db.compact().unwrap();
        db.close().unwrap();
    }
}
