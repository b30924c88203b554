//! The store from end to end on the machine's own disk: every call once, through memtable, tables and reopening.

use ringwood::{Db, Durability, ErrorKind, Options};

fn small() -> Options {
    Options::new()
        .memory(16 << 20)
        .write_buffer_bytes(64 << 10)
        .table_bytes(64 << 10)
        .durability(Durability::Buffered)
}

fn key(i: u32) -> String {
    format!("key{i:08}")
}

#[test]
fn what_is_put_is_there_after_flush_compaction_and_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let db = small().open(&path).unwrap();
    for round in 0..3u32 {
        for i in 0..4000 {
            db.put(key(i * 7 % 4000), format!("value {round} {i}")).unwrap();
        }
    }
    for i in (0..4000).step_by(10) {
        db.delete(key(i)).unwrap();
    }
    let check = |db: &Db, when: &str| {
        for i in 0..4000u32 {
            let value = db.get(key(i)).unwrap();
            assert_eq!(value.is_some(), i % 10 != 0, "{when}: key {i}");
        }
        let all: Vec<_> = db.iter().unwrap().map(|e| e.unwrap().0).collect();
        assert_eq!(all.len(), 3600, "{when}");
        assert!(all.windows(2).all(|w| w[0] < w[1]), "{when}");
        let back: Vec<_> = db.iter().unwrap().rev().map(|e| e.unwrap().0).collect();
        assert!(all.iter().eq(back.iter().rev()), "{when}");
        let keys: Vec<String> = (0..4000).map(key).collect();
        let answers = db.multi_get(&keys).unwrap();
        assert_eq!(answers.iter().flatten().count(), 3600, "{when}");
    };
    check(&db, "as written");
    db.flush().unwrap();
    check(&db, "flushed");
    db.compact().unwrap();
    check(&db, "compacted");
    let stats = db.stats();
    assert_eq!(stats.keyspaces[0].levels.iter().map(|l| l.entries).sum::<u64>(), 3600, "{stats}");
    db.close().unwrap();
    let db = small().open(&path).unwrap();
    check(&db, "reopened");
}

#[test]
fn unflushed_writes_come_back_from_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let db = small().open(dir.path()).unwrap();
    db.put_with("a", "1", Durability::Synced).unwrap();
    db.put("b", "2").unwrap();
    db.put_with("c", "3", Durability::None).unwrap();
    drop(db);
    let db = small().open(dir.path()).unwrap();
    assert_eq!(db.get("a").unwrap().unwrap(), b"1");
    assert_eq!(db.get("b").unwrap().unwrap(), b"2");
    assert_eq!(db.get("c").unwrap().unwrap(), b"3", "closing writes what is in no log to a table");
}

#[test]
fn snapshots_and_iterators_stay_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let db = small().open(dir.path().join("db")).unwrap();
    for i in 0..1000 {
        db.put(key(i), "old").unwrap();
    }
    let snapshot = db.snapshot();
    let mut iter = db.iter().unwrap();
    for i in 0..1000 {
        db.put(key(i), "new").unwrap();
    }
    db.delete(key(5)).unwrap();
    db.compact().unwrap();
    assert_eq!(snapshot.get(key(5)).unwrap().unwrap(), b"old");
    assert_eq!(db.get(key(5)).unwrap(), None);
    assert!(snapshot.iter().unwrap().all(|e| e.unwrap().1 == b"old"));
    assert_eq!(iter.next().unwrap().unwrap().1, b"old");
    db.close().unwrap();
    assert_eq!(iter.count(), 999, "an iterator outlives its store");
    assert_eq!(snapshot.get(key(6)).unwrap().unwrap(), b"old");
}

#[test]
fn batches_span_keyspaces() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    {
        let db = small().open(&path).unwrap();
        let users = db.keyspace("users").unwrap();
        let mut batch = db.batch();
        batch.put("k", "default").put_in(&users, "k", "users").delete("gone");
        batch.commit().unwrap();
        assert_eq!(db.keyspaces(), ["default", "users"]);
    }
    let db = small().open(&path).unwrap();
    let users = db.keyspace("users").unwrap();
    assert_eq!(users.get("k").unwrap().unwrap(), b"users");
    assert_eq!(db.get("k").unwrap().unwrap(), b"default");
    db.drop_keyspace("users").unwrap();
    assert_eq!(users.get("k").unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(users.put("k", "v").unwrap_err().kind(), ErrorKind::Invalid);
    let again = db.keyspace("users").unwrap();
    assert_eq!(again.get("k").unwrap(), None);
}

#[test]
fn a_locked_store_names_its_holder() {
    let dir = tempfile::tempdir().unwrap();
    let _db = small().open(dir.path()).unwrap();
    let error = small().open(dir.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("this process"), "{error}");
}

#[test]
fn values_larger_than_everything() {
    let dir = tempfile::tempdir().unwrap();
    let db = small().open(dir.path()).unwrap();
    for (i, bytes) in [0, 1, 4000, 4096, 70_000, 1 << 20, 9 << 20].into_iter().enumerate() {
        db.put([i as u8], vec![i as u8; bytes]).unwrap();
    }
    db.flush().unwrap();
    db.compact().unwrap();
    drop(db);
    let db = small().open(dir.path()).unwrap();
    for (i, bytes) in [0, 1, 4000, 4096, 70_000, 1 << 20, 9 << 20].into_iter().enumerate() {
        assert_eq!(db.get([i as u8]).unwrap().unwrap(), vec![i as u8; bytes]);
    }
}

#[test]
fn what_waits_for_a_compaction_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let db = small().open(dir.path().join("db")).unwrap();
    let load = || {
        let mut loader = db.loader().unwrap();
        (0..100_000u32).for_each(|i| loader.put(i.to_be_bytes(), [b'v'; 100]).unwrap());
        loader.finish().unwrap();
    };
    load();
    assert_eq!(db.stats().pending_compaction_bytes(), 0, "all of it lies in the last level");
    load();
    // It lies over the first, in level 0, which is more than due.
    let stats = db.stats();
    let waiting = stats.keyspaces[0].pending_compaction_bytes;
    assert!(waiting > 1 << 20, "{waiting}");
    assert_eq!(stats.pending_compaction_bytes(), waiting);
    db.compact().unwrap();
    assert_eq!(db.stats().pending_compaction_bytes(), 0);
    db.close().unwrap();
}
