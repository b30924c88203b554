//! Loads of sorted entries: where they go, who sees them when, and what is left of one that comes to nothing.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]
#![allow(clippy::disallowed_methods, reason = "tests look at files past the store")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use ringwood::{Db, Durability, ErrorKind, Options};

fn small() -> Options {
    Options::new()
        .memory(16 << 20)
        .write_buffer_bytes(64 << 10)
        .table_bytes(64 << 10)
        .durability(Durability::Buffered)
}

fn open(dir: &Path) -> Db {
    small().open(dir.join("db")).unwrap()
}

fn key(i: u32) -> [u8; 4] {
    i.to_be_bytes()
}

fn value(i: u32, tag: &str) -> Vec<u8> {
    format!("{tag} {i:090}").into_bytes()
}

/// Loads `numbers`, which ascend.
fn load(db: &Db, numbers: impl Iterator<Item = u32>, tag: &str) {
    let mut loader = db.loader().unwrap();
    numbers.for_each(|i| loader.put(key(i), value(i, tag)).unwrap());
    loader.finish().unwrap();
}

/// Tables of each level.
fn shape(db: &Db) -> Vec<usize> {
    db.stats().keyspaces[0].levels.iter().map(|level| level.tables).collect()
}

fn table_files(dir: &Path) -> usize {
    let names = std::fs::read_dir(dir.join("db")).unwrap().map(|entry| entry.unwrap().path());
    names.filter(|name| name.extension().is_some_and(|e| e == "sst")).count()
}

fn check(db: &Db, numbers: impl Iterator<Item = u32>, tag: &str) {
    for i in numbers {
        assert_eq!(db.get(key(i)).unwrap().as_deref(), Some(&value(i, tag)[..]), "{i}");
    }
}

#[test]
fn an_empty_store_is_loaded_into_its_last_level_and_opens_again() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    load(&db, 0..20_000, "a");
    let levels = shape(&db);
    assert!(levels[6] > 20 && levels[..6].iter().all(|&tables| tables == 0), "{levels:?}");
    let stats = db.stats();
    let sizes = stats.keyspaces[0].levels[6].bytes / levels[6] as u64;
    assert!((56 << 10..96 << 10).contains(&sizes), "tables of {sizes} bytes where 64 KiB are aimed for");
    assert_eq!((stats.loads, stats.flushes, stats.compactions), (1, 0, 0));
    assert_eq!(stats.load_bytes, stats.keyspaces[0].levels[6].bytes);
    assert_eq!(stats.wal.records, 0, "nothing went through the log");
    check(&db, (0..20_000).step_by(7), "a");
    db.close().unwrap();
    let db = open(dir.path());
    check(&db, (0..20_000).step_by(7), "a");
    assert_eq!(db.iter().unwrap().count(), 20_000);
    // Compaction reads what the manifest says of sequence numbers, too.
    (0..20_000).step_by(3).for_each(|i| db.put(key(i), value(i, "b")).unwrap());
    db.compact().unwrap();
    check(&db, (0..20_000).step_by(3), "b");
    check(&db, (1..20_000).step_by(3), "a");
    db.close().unwrap();
}

#[test]
fn a_table_goes_to_the_deepest_level_with_nothing_older_above() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    load(&db, 0..4000, "a");
    load(&db, 10_000..14_000, "a");
    let before = shape(&db);
    assert!(before[..6].iter().all(|&tables| tables == 0), "behind the end of all keys, too: {before:?}");
    // Into the range of the last level: one above it. Half of it between the two, where the last level is free.
    load(&db, (1000..1500).chain(5000..5500), "b");
    let after = shape(&db);
    assert!(after[6] > before[6] || after[5] > 0, "{after:?}");
    assert_eq!(after[..4], [0; 4], "{after:?}");
    load(&db, 1200..1300, "c");
    assert_eq!(shape(&db)[..3], [0; 3]);
    let all = |db: &Db| {
        check(db, 0..1000, "a");
        check(db, (1000..1200).chain(1300..1500).chain(5000..5500), "b");
        check(db, 1200..1300, "c");
    };
    all(&db);
    db.compact().unwrap();
    all(&db);
    db.close().unwrap();
    all(&open(dir.path()));
}

#[test]
fn older_entries_in_memtables_do_not_hide_loaded_ones_and_newer_ones_do() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    db.put_with(key(5), "old", Durability::None).unwrap();
    db.put(key(6), "old").unwrap();
    db.delete(key(7)).unwrap();
    db.put(key(5_000_000), "elsewhere").unwrap();
    let before = db.snapshot();
    let cursor = db.cursor().unwrap();
    load(&db, 0..100, "loaded");
    let between = db.snapshot();
    db.put(key(8), "new").unwrap();
    db.delete(key(9)).unwrap();
    let check_all = |db: &Db| {
        check(db, 0..8, "loaded");
        assert_eq!(db.get(key(8)).unwrap().unwrap(), b"new");
        assert_eq!(db.get(key(9)).unwrap(), None);
        assert_eq!(db.get(key(5_000_000)).unwrap().unwrap(), b"elsewhere");
        assert_eq!(db.iter().unwrap().count(), 100);
    };
    check_all(&db);
    let seen = |when: &str| {
        assert_eq!(before.get(key(5)).unwrap().unwrap(), b"old", "{when}");
        assert_eq!(before.get(key(7)).unwrap(), None, "{when}");
        assert_eq!(before.iter().unwrap().count(), 3, "{when}");
        assert_eq!(between.get(key(8)).unwrap().as_deref(), Some(&value(8, "loaded")[..]), "{when}");
        assert_eq!(between.sequence(), before.sequence() + 1, "a load is one write");
    };
    seen("at once");
    db.compact().unwrap();
    seen("after a compaction");
    let mut cursor = cursor;
    assert!(cursor.seek(&key(0)).unwrap() && cursor.key() == key(5), "a cursor from before");
    check_all(&db);
    drop((before, between, cursor));
    db.close().unwrap();
    check_all(&open(dir.path()));
}

#[test]
fn keys_out_of_order_are_refused_by_name_and_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let mut loader = db.loader().unwrap();
    loader.put("b\n", "1").unwrap();
    for (key, how) in [("b\n", "the same"), ("a", "not above")] {
        let error = loader.put(key, "2").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let text = error.to_string();
        assert!(text.contains("\"b\\n\"") && text.contains(how), "{text}");
    }
    let long = loader.put([b'a'; 5000], "").unwrap_err().to_string();
    assert!(long.contains("aaaa") && long.contains("5000 bytes") && long.len() < 300, "{long}");
    for (key, what) in [(vec![], "empty"), (vec![b'z'; 65_536], "65536 bytes")] {
        let text = loader.put(key, "").unwrap_err().to_string();
        assert!(text.contains(what), "{text}");
    }
    assert_eq!(loader.put("z", vec![0; (64 << 20) + 1]).unwrap_err().kind(), ErrorKind::Invalid);
    loader.put("c", "3").unwrap();
    assert_eq!(loader.len(), 2);
    loader.finish().unwrap();
    assert_eq!(db.iter().unwrap().count(), 2);
    assert_eq!(db.get("b\n").unwrap().unwrap(), b"1");
    db.loader().unwrap().finish().unwrap();
    assert_eq!(db.stats().loads, 1, "a load of nothing does nothing");
}

#[test]
fn a_load_that_comes_to_nothing_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let begin = |db: &Db| {
        let mut loader = db.loader().unwrap();
        (0..20_000).for_each(|i| loader.put(key(i), value(i, "a")).unwrap());
        loader
    };
    drop(begin(&db));
    assert_eq!(table_files(dir.path()), 0);
    let dropped = db.keyspace("dropped").unwrap();
    let mut loader = dropped.loader().unwrap();
    loader.put("k", "v").unwrap();
    db.drop_keyspace("dropped").unwrap();
    assert_eq!(loader.finish().unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(table_files(dir.path()), 0);
    // Closing gives up loads that are under way, while the directory is still the store's.
    let loader = begin(&db);
    db.clone().close().unwrap();
    assert_eq!(table_files(dir.path()), 0);
    assert_eq!(loader.finish().unwrap_err().kind(), ErrorKind::Closed);
    drop(db);
    let db = open(dir.path());
    assert_eq!(db.iter().unwrap().count(), 0);
    load(&db, 0..10, "b");
    check(&db, 0..10, "b");
}

#[test]
fn values_of_all_sizes_and_several_keyspaces_are_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let sizes = [0, 1, 100, 4096, 70_000, 300_000, 5 << 20, 20 << 20, 7];
    let users = db.keyspace("users").unwrap();
    let (mut one, mut two) = (db.loader().unwrap(), users.loader().unwrap());
    for (i, &size) in sizes.iter().enumerate() {
        one.put([i as u8], vec![i as u8; size]).unwrap();
        two.put([i as u8, 1], "user").unwrap();
    }
    two.finish().unwrap();
    assert_eq!(db.iter().unwrap().count(), 0);
    one.finish().unwrap();
    db.close().unwrap();
    let db = open(dir.path());
    for (i, &size) in sizes.iter().enumerate() {
        assert!(db.get([i as u8]).unwrap().unwrap()[..] == vec![i as u8; size], "{size}");
    }
    assert_eq!(db.keyspace("users").unwrap().iter().unwrap().count(), sizes.len());
}

#[test]
fn a_load_over_keyspaces_is_one_write() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let spaces: Vec<_> = (0..40).map(|i| db.keyspace(&format!("space {i}")).unwrap()).collect();
    spaces[3].put(key(7), "older").unwrap();
    db.keyspace("empty").unwrap();
    let (before, sequence) = (db.snapshot(), db.snapshot().sequence());
    let mut loader = db.loader().unwrap();
    (0..3000).for_each(|i| loader.put(key(i), value(i, "default")).unwrap());
    for (number, space) in spaces.iter().enumerate() {
        loader.switch_to(space).unwrap();
        loader.switch_to(space).unwrap();
        // From the first key again, and not in all of them the same.
        (0..10 + number as u32).for_each(|i| loader.put(key(i), value(i, space.name())).unwrap());
        assert!(loader.put(key(0), "again").unwrap_err().to_string().contains("ascending"));
    }
    let left = loader.switch_to(&spaces[0]).unwrap_err();
    assert!(left.kind() == ErrorKind::Invalid && left.to_string().contains("\"space 0\""), "{left}");
    let other = Db::open(dir.path().join("other")).unwrap();
    let foreign = loader.switch_to(&other.keyspace("x").unwrap()).unwrap_err();
    assert!(foreign.to_string().contains("another store"), "{foreign}");
    loader.switch_to(&db.keyspace("empty").unwrap()).unwrap();
    assert_eq!(spaces[3].get(key(7)).unwrap().unwrap(), b"older", "nothing is there yet");
    let manifest = db.stats().loads;
    loader.finish().unwrap();
    assert_eq!((db.stats().loads - manifest, db.snapshot().sequence()), (1, sequence + 1));
    assert_eq!(before.keyspace(&spaces[3]).get(key(7)).unwrap().unwrap(), b"older");
    assert_eq!(before.keyspace(&spaces[4]).iter().unwrap().count(), 0);
    spaces[5].put(key(1), "newer").unwrap();
    let all = |db: &Db| {
        check(db, 0..3000, "default");
        for (number, name) in (0..40).map(|i| (i, format!("space {i}"))) {
            let space = db.keyspace(&name).unwrap();
            assert_eq!(space.iter().unwrap().count(), 10 + number, "{name}");
            let expected = if number == 5 { b"newer".to_vec() } else { value(1, &name) };
            assert_eq!(space.get(key(1)).unwrap().unwrap(), expected, "{name}");
        }
    };
    all(&db);
    db.compact().unwrap();
    all(&db);
    drop((before, spaces));
    db.close().unwrap();
    let db = open(dir.path());
    all(&db);
    // One of its keyspaces is dropped: nothing of the load is there, in none of them.
    let [kept, gone] = ["kept", "gone"].map(|name| db.keyspace(name).unwrap());
    let files = table_files(dir.path());
    let mut loader = kept.loader().unwrap();
    loader.put("a", "1").unwrap();
    loader.switch_to(&gone).unwrap();
    loader.put("b", "2").unwrap();
    db.drop_keyspace("gone").unwrap();
    assert_eq!(loader.finish().unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!((kept.iter().unwrap().count(), table_files(dir.path())), (0, files));
}

/// Writers, readers and loads of the same keys: each load is seen whole or not at all, never behind a later write.
#[test]
fn loads_are_seen_whole_beside_writers_and_readers() {
    const KEYS: u32 = 500;
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    load(&db, 0..KEYS, "0");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut i = 0u32;
            while !stop.load(Ordering::Relaxed) {
                // Between the loaded keys, into their range.
                db.put([&key(i % KEYS)[..], b"x"].concat(), value(i, "writer")).unwrap();
                i += 1;
            }
        });
        scope.spawn(|| {
            let keys: Vec<_> = (0..KEYS).map(key).collect();
            let mut last = 0u32;
            while !stop.load(Ordering::Relaxed) {
                let many = db.multi_get(&keys).unwrap();
                let tags: Vec<&[u8]> = many
                    .iter()
                    .map(|v| v.as_deref().unwrap().split(|&b| b == b' ').next().unwrap())
                    .collect();
                assert!(tags.windows(2).all(|w| w[0] == w[1]), "a load was seen in part");
                let round = std::str::from_utf8(tags[0]).unwrap().parse().unwrap();
                assert!(round >= last, "an older load came back");
                last = round;
            }
        });
        for round in 1..=40u32 {
            load(&db, 0..KEYS, &round.to_string());
            check(&db, (0..KEYS).step_by(50), &round.to_string());
        }
        stop.store(true, Ordering::Relaxed);
    });
    db.close().unwrap();
    check(&open(dir.path()), 0..KEYS, "40");
}
