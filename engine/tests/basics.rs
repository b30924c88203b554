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
fn a_multi_get_answers_as_so_many_gets() {
    let dir = tempfile::tempdir().unwrap();
    // Blocks come and go: hits and misses meet in one call.
    let db = small().cache_bytes(64 << 10).open(dir.path()).unwrap();
    for (round, step) in [(0, 1), (1, 3), (2, 7)] {
        (0..6000).step_by(step).for_each(|i| db.put(key(i), format!("{round} of {i} {:<90}", "")).unwrap());
        (round..6000).step_by(50).for_each(|i| db.delete(key(i)).unwrap());
        if round == 0 {
            db.compact().unwrap();
        } else if round == 1 {
            db.flush().unwrap();
        }
    }
    db.put(key(7), "in the memtable").unwrap();
    let mut random = 1u32;
    for len in (0..70).chain([500, 2000]) {
        let keys: Vec<String> = (0..len)
            .map(|n| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // One in three is absent, some are asked for twice.
                if n % 5 == 4 { key(7) } else { key((random >> 8) % 9000) }
            })
            .collect();
        let answers = db.multi_get(&keys).unwrap();
        assert_eq!(answers.len(), keys.len());
        for (key, answer) in keys.iter().zip(answers) {
            assert_eq!(answer.as_deref(), db.get(key).unwrap().as_deref(), "{key} among {len}");
        }
    }
    let impossible = db.multi_get(&["a", ""]).unwrap_err();
    assert_eq!(impossible.kind(), ErrorKind::Invalid);
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
