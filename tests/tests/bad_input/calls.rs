//! Impossible arguments.

use std::path::PathBuf;

use ringwood::{
    Db, Durability, ErrorKind, KEY_BYTES_MAX, KEYSPACE_NAME_BYTES_MAX, MEMORY_BYTES_MIN, Options,
};
use ringwood::{VALUE_BYTES_MAX, WriteBatch};
use ringwood_tests::dirs;

use crate::{contents, expect, open};

fn fresh() -> (tempfile::TempDir, PathBuf, Db) {
    let dir = dirs::fresh();
    let path = dir.path().join("db");
    let db = open(&path).unwrap();
    (dir, path, db)
}

#[test]
fn keys_have_one_to_65535_bytes() {
    let (_dir, path, db) = fresh();
    let (longest, too_long) = (vec![7; KEY_BYTES_MAX], vec![7; KEY_BYTES_MAX + 1]);
    assert_eq!(KEY_BYTES_MAX, 65_535);
    for (key, words) in [(&[][..], &["empty", "at least one byte"][..]), (&too_long, &["65536", "65535"])] {
        expect(db.put(key, "v"), ErrorKind::Invalid, words);
        expect(db.delete(key), ErrorKind::Invalid, words);
        expect(db.get(key), ErrorKind::Invalid, words);
        expect(db.multi_get(&[&b"a"[..], key]), ErrorKind::Invalid, words);
        expect(db.snapshot().get(key), ErrorKind::Invalid, words);
        expect(WriteBatch::new().put(key, "v"), ErrorKind::Invalid, words);
        let mut batch = db.batch();
        batch.put("good", "v").delete(key).put("also good", "v");
        expect(batch.commit(), ErrorKind::Invalid, words);
    }
    assert!(contents(&db).unwrap().is_empty(), "a refused batch left something behind");
    // For seeking and bounds any key will do: also one that no entry can have.
    assert_eq!(db.range(&[][..]..&too_long[..]).unwrap().count(), 0);
    assert!(!db.cursor().unwrap().seek(&[]).unwrap());
    db.put(&longest, "v").unwrap();
    db.put([0], "least").unwrap();
    for _ in 0..2 {
        assert_eq!(db.get(&longest).unwrap().unwrap(), b"v");
        assert_eq!(db.range(&[][..]..&too_long[..]).unwrap().count(), 2);
        assert_eq!(db.prefix("").unwrap().rev().count(), 2);
        let mut cursor = db.cursor().unwrap();
        assert!(cursor.seek(&[]).unwrap() && cursor.key() == [0]);
        assert!(cursor.seek_for_prev(&too_long).unwrap() && cursor.key() == longest);
        db.compact().unwrap();
    }
    db.close().unwrap();
    assert_eq!(open(&path).unwrap().get(&longest).unwrap().unwrap(), b"v");
}

#[test]
fn values_have_up_to_64_mib() {
    let (_dir, path, db) = fresh();
    let mut value = vec![1u8; VALUE_BYTES_MAX + 1];
    let error = expect(db.put("k", &value), ErrorKind::Invalid, &["67108865", "67108864"]);
    assert!(error.to_string().len() < 200, "the error holds the value: {error}");
    expect(WriteBatch::new().put("k", &value), ErrorKind::Invalid, &["67108864"]);
    assert_eq!(db.get("k").unwrap(), None);
    // Exactly the limit passes: far more than memtables, log segments, staging and all buffers of this small store.
    value.truncate(VALUE_BYTES_MAX);
    value[VALUE_BYTES_MAX - 1] = 9;
    db.put_with("k", &value, Durability::Buffered).unwrap();
    db.put("empty", "").unwrap();
    for _ in 0..2 {
        let got = db.get("k").unwrap().unwrap();
        assert!(*got == *value);
        assert_eq!(db.get("empty").unwrap().unwrap(), b"");
        drop(got);
        db.compact().unwrap();
    }
    db.close().unwrap();
    let db = open(&path).unwrap();
    assert!(*db.get("k").unwrap().unwrap() == *value);
    assert_eq!(db.iter().unwrap().map(|e| e.unwrap().1.len()).collect::<Vec<_>>(), [0, VALUE_BYTES_MAX]);
}

#[test]
fn batches_have_a_limit_too() {
    let mut batch = WriteBatch::new();
    let value = vec![0u8; 60 << 20];
    let refused = (0..10).map(|i| batch.put([i], &value)).find_map(Result::err);
    let error = refused.expect("ten times 60 MiB are too much");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("in several"), "{error}");
    assert_eq!(batch.len(), 4, "the batch is as before");
}

#[test]
fn keyspaces_have_names_of_1_to_255_bytes() {
    let (_dir, path, db) = fresh();
    expect(db.keyspace(""), ErrorKind::Invalid, &["1 to 255 bytes"]);
    let longest = "n".repeat(KEYSPACE_NAME_BYTES_MAX);
    expect(db.keyspace(&format!("{longest}n")), ErrorKind::Invalid, &["256", "1 to 255 bytes"]);
    // No name is a path.
    for name in [longest.as_str(), "../..", "a/b", "\u{0}", "MANIFEST-000001", "\u{1f600}", " "] {
        db.keyspace(name).unwrap().put("k", name).unwrap();
    }
    let names = db.keyspaces();
    db.close().unwrap();
    let db = open(&path).unwrap();
    assert_eq!(db.keyspaces(), names);
    for name in names.iter().skip(1) {
        assert_eq!(db.keyspace(name).unwrap().get("k").unwrap().unwrap(), *name.as_bytes());
    }
}

#[test]
fn unknown_and_dropped_keyspaces_are_refused() {
    let (_dir, _path, db) = fresh();
    expect(db.drop_keyspace("nobody"), ErrorKind::Invalid, &["no keyspace \"nobody\"", "default"]);
    expect(db.drop_keyspace("default"), ErrorKind::Invalid, &["default", "cannot be dropped"]);
    let old = db.keyspace("x").unwrap();
    old.put("k", "old").unwrap();
    db.flush().unwrap();
    let (range, snapshot) = (old.iter().unwrap(), db.snapshot().keyspace(&old));
    db.drop_keyspace("x").unwrap();
    expect(db.drop_keyspace("x"), ErrorKind::Invalid, &["no keyspace \"x\""]);
    let mut batch = WriteBatch::new();
    batch.put("default", "v").unwrap();
    batch.put_in(&old, "k", "v").unwrap();
    for result in [old.put("k", "v"), old.delete("k"), db.write(&batch, Durability::Synced), old.compact()] {
        expect(result, ErrorKind::Invalid, &["dropped"]);
    }
    assert_eq!(db.get("default").unwrap(), None, "a refused batch left something behind");
    // A new one of the same name is another one; who has the old one open goes on reading it.
    let new = db.keyspace("x").unwrap();
    assert_eq!(new.get("k").unwrap(), None);
    new.put("k", "new").unwrap();
    expect(old.put("k", "v"), ErrorKind::Invalid, &["dropped"]);
    assert_eq!(range.map(|e| e.unwrap().1.to_vec()).collect::<Vec<_>>(), [b"old"]);
    assert_eq!(snapshot.get("k").unwrap().unwrap(), b"old");
    assert_eq!(new.get("k").unwrap().unwrap(), b"new");
}

#[test]
fn a_keyspace_of_another_store_is_refused() {
    let (_dir, _path, db) = fresh();
    let (_other_dir, _other_path, other) = fresh();
    let foreign = other.keyspace("x").unwrap();
    let mut batch = WriteBatch::new();
    batch.put_in(&foreign, "k", "v").unwrap();
    expect(db.write(&batch, Durability::Synced), ErrorKind::Invalid, &["another store"]);
    assert!(contents(&db).unwrap().is_empty() && contents(&other).unwrap().is_empty());
}

#[test]
fn options_are_checked() {
    let dir = dirs::fresh();
    let path = dir.path().join("db");
    let tiny = Options::new().memory(MEMORY_BYTES_MIN - 1).open(&path);
    expect(tiny, ErrorKind::Invalid, &["too small", &MEMORY_BYTES_MIN.to_string()]);
    assert!(!path.exists(), "a refused opening made something");
    // Silly but possible.
    let db = Options::new()
        .memory(MEMORY_BYTES_MIN)
        .write_buffer_bytes(0)
        .cache_bytes(0)
        .table_bytes(0)
        .compaction_threads(0);
    let db = db.open(&path).unwrap();
    for i in 0..2000u32 {
        db.put_with(i.to_be_bytes(), [1; 100], Durability::Buffered).unwrap();
    }
    db.compact().unwrap();
    assert_eq!(db.iter().unwrap().count(), 2000);
    db.close().unwrap();
}
