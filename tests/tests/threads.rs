//! Many threads on one store on the real disk, with buffers so small that flushes and compactions run all the time.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ringwood::{Db, Durability, ErrorKind, Options, WriteBatch};
use ringwood_tests::dirs;
use ringwood_tests::rng::Rng;

fn options() -> Options {
    let options = Options::new().memory(8 << 20).write_buffer_bytes(32 << 10).table_bytes(64 << 10);
    options.compaction_threads(2).durability(Durability::Buffered)
}

fn number(value: &[u8]) -> u64 {
    u64::from_le_bytes(value[..8].try_into().expect("eight bytes"))
}

/// A value that starts with `n` and is long enough to fill memtables.
fn padded(n: u64) -> Vec<u8> {
    let mut value = n.to_le_bytes().to_vec();
    value.resize(8 + (n % 400) as usize, n as u8);
    value
}

/// Ends the other threads when it is dropped.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `body` on `threads` threads until the first of them is done, or any panics.
fn with_threads(threads: u64, body: impl Fn(u64, &mut Rng, &AtomicBool) + Sync) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for t in 0..threads {
            let (stop, body) = (&stop, &body);
            scope.spawn(move || {
                // Dropped in a panic, too.
                let guard = Stop(stop);
                body(t, &mut Rng::new(t), stop);
                if t != 0 {
                    std::mem::forget(guard);
                }
            });
        }
    });
}

/// A thread's own counter never goes back, whatever call reads it.
#[test]
fn each_thread_reads_its_own_writes() {
    let dir = dirs::fresh();
    let db = options().open(dir.path().join("db")).unwrap();
    with_threads(6, |t, rng, stop| {
        let key = format!("counter{t}");
        for n in 1.. {
            if n > 4000 || stop.load(Ordering::Relaxed) {
                return;
            }
            let durability = if n % 50 == 0 { Durability::Synced } else { Durability::Buffered };
            db.put_with(&key, padded(n), durability).unwrap();
            db.put_with(format!("{:06}", rng.below(20_000)), padded(n), Durability::Buffered).unwrap();
            let got = match n % 4 {
                0 => db.get(&key).unwrap().map(|v| number(&v)),
                1 => db.multi_get(&[&key]).unwrap()[0].as_ref().map(|v| number(v)),
                2 => db.snapshot().get(&key).unwrap().map(|v| number(&v)),
                _ => db.prefix(&key).unwrap().next().map(|e| number(&e.unwrap().1)),
            };
            assert_eq!(got, Some(n), "thread {t}");
        }
    });
    assert!(db.stats().flushes > 0 && db.stats().compactions > 0, "{}", db.stats());
    db.close().unwrap();
}

/// Keys that are always written together are always equal when read together: in one snapshot, one multi-get, one scan; in one keyspace
/// and across two.
#[test]
fn batches_are_seen_whole() {
    const GROUPS: u64 = 40;
    let dir = dirs::fresh();
    let db = options().open(dir.path().join("db")).unwrap();
    let other = db.keyspace("other").unwrap();
    let key = |group: u64, side: &str| format!("{group:03}/{side}");
    let seen = AtomicU64::new(0);
    with_threads(7, |t, rng, stop| {
        let mut newest: BTreeMap<u64, u64> = BTreeMap::new();
        for n in 1..u64::MAX {
            if stop.load(Ordering::Relaxed) || (t == 0 && n > 6000) {
                return;
            }
            let group = rng.below(GROUPS);
            if t < 3 {
                let mut batch = WriteBatch::new();
                let stamp = n * 3 + t;
                batch.put(key(group, "left"), padded(stamp)).unwrap();
                batch.put_in(&other, key(group, "middle"), padded(stamp)).unwrap();
                batch.put(key(group, "right"), padded(stamp)).unwrap();
                db.write(&batch, Durability::Buffered).unwrap();
                continue;
            }
            let (left, right) = (key(group, "left"), key(group, "right"));
            let (a, b) = match n % 3 {
                0 => {
                    let got = db.multi_get(&[&left, &right]).unwrap();
                    (got[0].as_deref().map(number), got[1].as_deref().map(number))
                }
                1 => {
                    let entries: Vec<u64> =
                        db.prefix(format!("{group:03}/")).unwrap().map(|e| number(&e.unwrap().1)).collect();
                    (entries.first().copied(), entries.get(1).copied())
                }
                _ => {
                    let snapshot = db.snapshot();
                    let middle = snapshot.keyspace(&other).get(key(group, "middle")).unwrap();
                    let left = snapshot.get(&left).unwrap();
                    assert_eq!(
                        left.as_deref().map(number),
                        middle.as_deref().map(number),
                        "across keyspaces"
                    );
                    (left.as_deref().map(number), snapshot.get(&right).unwrap().as_deref().map(number))
                }
            };
            assert_eq!(a, b, "group {group}");
            seen.fetch_add(u64::from(a.is_some()), Ordering::Relaxed);
            // The stamps of one writer only grow; those of the three are not ordered with each other.
            if let Some(stamp) = a {
                let last = newest.entry(group * 3 + stamp % 3).or_default();
                assert!(stamp >= *last, "group {group} went back from {last} to {stamp}");
                *last = stamp;
            }
        }
    });
    assert!(seen.load(Ordering::Relaxed) > 0 && db.stats().compactions > 0, "{}", db.stats());
    db.close().unwrap();
}

/// What a snapshot, a cursor or an iterator shows never changes, and the keys of a scan are in order.
#[test]
fn snapshots_stand_still() {
    let dir = dirs::fresh();
    let db = options().open(dir.path().join("db")).unwrap();
    for i in 0..2000u64 {
        db.put(format!("{i:05}"), padded(0)).unwrap();
    }
    with_threads(6, |t, rng, stop| {
        for n in 1..u64::MAX {
            if stop.load(Ordering::Relaxed) || (t == 0 && n > 40_000) {
                return;
            }
            if t < 3 {
                let key = format!("{:05}", rng.below(2000));
                if n % 6 == 0 {
                    db.delete(key).unwrap();
                } else {
                    db.put(key, padded(n)).unwrap();
                }
                continue;
            }
            let snapshot = db.snapshot();
            let read = |backwards: bool| -> Vec<(Vec<u8>, Vec<u8>)> {
                let own = |e: ringwood::Result<(ringwood::Key, ringwood::Value)>| {
                    e.map(|(k, v)| (k.to_vec(), v.to_vec())).unwrap()
                };
                let range = snapshot.iter().unwrap();
                if backwards { range.rev().map(own).collect() } else { range.map(own).collect() }
            };
            let first = read(false);
            assert!(first.windows(2).all(|w| w[0].0 < w[1].0));
            let mut second = read(true);
            second.reverse();
            assert!(first == second, "a snapshot changed");
            for _ in 0..20 {
                let (key, value) = &first[rng.index(first.len())];
                assert_eq!(snapshot.get(key).unwrap().as_deref(), Some(value.as_slice()));
            }
        }
    });
    db.close().unwrap();
}

/// All other calls at once: keyspaces come and go, flushes and compactions are asked for, statistics are read.
#[test]
fn everything_at_once() {
    let dir = dirs::fresh();
    let db = options().open(dir.path().join("db")).unwrap();
    let gone = |kind: ErrorKind| kind == ErrorKind::Invalid;
    with_threads(8, |t, rng, stop| {
        for n in 1..u64::MAX {
            if stop.load(Ordering::Relaxed) || (t == 0 && n > 60) {
                return;
            }
            let name = format!("space{}", rng.below(3));
            match t {
                0 => {
                    let space = db.keyspace(&name).unwrap();
                    for i in 0..300u64 {
                        match space.put(format!("{i:04}"), padded(n)) {
                            Ok(()) => {}
                            Err(error) if gone(error.kind()) => break,
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
                1 => match db.drop_keyspace(&name) {
                    Ok(()) => {}
                    Err(error) => assert!(gone(error.kind()), "{error}"),
                },
                2 => db.flush().unwrap(),
                3 => db.compact().unwrap(),
                4 => {
                    let stats = db.stats();
                    assert!(stats.keyspaces.iter().any(|k| k.name == "default"));
                    assert!(!stats.to_string().is_empty());
                }
                5 => match db.keyspace(&name).and_then(|s| s.compact()) {
                    Ok(()) => {}
                    Err(error) => assert!(gone(error.kind()), "{error}"),
                },
                6 => match db.keyspace(&name).and_then(|s| s.iter()) {
                    Ok(range) => {
                        let keys: Vec<_> = range.map(|e| e.unwrap().0).collect();
                        assert!(keys.windows(2).all(|w| *w[0] < *w[1]));
                    }
                    Err(error) => assert!(gone(error.kind()), "{error}"),
                },
                _ => {
                    for _ in 0..200 {
                        db.put(format!("{:05}", rng.below(5000)), padded(n)).unwrap();
                    }
                }
            }
        }
    });
    db.close().unwrap();
}

/// Ranges, cursors, snapshots and values go on after the store is closed, while writers find it closed.
#[test]
fn readers_outlive_the_store() {
    let dir = dirs::fresh();
    let path = dir.path().join("db");
    let db = options().open(&path).unwrap();
    for i in 0..5000u64 {
        db.put(format!("{i:05}"), padded(i)).unwrap();
    }
    let (mut range, snapshot, mut cursor) = (db.iter().unwrap(), db.snapshot(), db.cursor().unwrap());
    assert_eq!(range.next().unwrap().unwrap().0, b"00000");
    let value = db.get("00042").unwrap().unwrap();
    let (clone, writes) = (db.clone(), Arc::new(AtomicU64::new(0)));
    let counted = Arc::clone(&writes);
    let writer = std::thread::spawn(move || {
        loop {
            match clone.put("late", "write") {
                Ok(()) => counted.fetch_add(1, Ordering::Relaxed),
                Err(error) => break error,
            };
        }
    });
    while writes.load(Ordering::Relaxed) < 100 {
        std::thread::yield_now();
    }
    db.close().unwrap();
    let error = writer.join().unwrap();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    // The directory is free again, and what the old readers see is as it was.
    let db = Db::open(&path).unwrap();
    db.put("00001", "new").unwrap();
    db.compact().unwrap();
    assert_eq!(range.by_ref().count(), 4999);
    assert_eq!(number(&snapshot.get("00001").unwrap().unwrap()), 1);
    assert!(cursor.seek(b"00001").unwrap());
    assert_eq!((cursor.key(), number(cursor.value())), (&b"00001"[..], 1));
    assert_eq!(number(&value), 42);
    drop((range, snapshot, cursor));
    assert_eq!(db.get("00001").unwrap().unwrap(), b"new");
    assert_eq!(db.get("late").unwrap().unwrap(), b"write");
    db.close().unwrap();
}

/// While a whole compaction runs, new keys come in between its tables. They may not be put where its output will be.
#[test]
fn keys_that_come_in_a_gap_while_a_compaction_runs() {
    const CLUSTER: u64 = 8000;
    let dir = dirs::fresh();
    let db = options().write_buffer_bytes(16 << 10).open(dir.path().join("db")).unwrap();
    let clusters = |n: u64| {
        for i in 0..CLUSTER {
            for side in ["a", "z"] {
                db.put(format!("{side}{i:06}"), padded(n * CLUSTER + i)).unwrap();
            }
        }
        db.flush().unwrap();
    };
    clusters(0);
    db.compact().unwrap();
    let mut expected = BTreeMap::new();
    let mut rng = Rng::new(1);
    for round in 1..=6 {
        // Most of it in levels above the last, none in level 0: then what is flushed meanwhile can move on.
        clusters(round);
        let settled = || db.stats().keyspaces[0].levels[0].tables == 0;
        let mut looks = 0;
        while !settled() && looks < 20_000 {
            looks += 1;
            std::thread::yield_now();
        }
        let done = AtomicBool::new(false);
        let before = db.stats().compaction_read_bytes;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                db.compact().unwrap();
                done.store(true, Ordering::Relaxed);
            });
            // Not before it has begun: what is in level 0 by then keeps all of level 0 where it is.
            while !done.load(Ordering::Relaxed) && db.stats().compaction_read_bytes == before {
                std::thread::yield_now();
            }
            let mut n = 0u64;
            while !done.load(Ordering::Relaxed) {
                // A third deletes: tables full of them are compacted at once.
                let key = format!("m{round}{n:08}").into_bytes();
                if n.is_multiple_of(3) {
                    let old = format!("m{round}{:08}", rng.below(n + 1)).into_bytes();
                    db.delete(&old).unwrap();
                    expected.remove(&old);
                } else {
                    db.put(&key, padded(n)).unwrap();
                    expected.insert(key, n);
                }
                n += 1;
            }
        });
        let found: Vec<(Vec<u8>, u64)> =
            db.prefix("m").unwrap().map(|e| e.map(|(k, v)| (k.to_vec(), number(&v))).unwrap()).collect();
        let expected: Vec<(Vec<u8>, u64)> = expected.iter().map(|(k, v)| (k.clone(), *v)).collect();
        assert!(found == expected, "round {round}: {} keys of {}", found.len(), expected.len());
        assert_eq!(db.iter().unwrap().count(), 2 * CLUSTER as usize + expected.len());
    }
    db.close().unwrap();
}
