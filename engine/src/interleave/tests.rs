//! Every kind of read with a write, a flush and a compaction, or a load, at each point in the middle of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ringwood_ring::{Arena, SimConfig, SimDisk};

use super::{after, was_done};
use crate::{Db, Durability, Options};

const KEYS: [&str; 2] = ["a", "b"];

/// What a read saw of both keys.
type Seen = [Option<String>; 2];

fn disk(arena: &Arc<Arena>) -> Arc<SimDisk> {
    SimDisk::new(1, SimConfig::calm(), Arc::clone(arena))
}

fn open(disk: Arc<SimDisk>) -> Db {
    let options = Options::new().memory(8 << 20).durability(Durability::Buffered);
    options.open_on(disk, "/data", true).unwrap()
}

/// Both keys, in one step.
fn put(db: &Db, value: &str) {
    let mut batch = db.batch();
    KEYS.iter().for_each(|key| {
        batch.put(key, value);
    });
    batch.commit().unwrap();
}

/// All older versions that no snapshot holds are gone.
fn merge(db: &Db) {
    db.flush().unwrap();
    db.compact().unwrap();
}

fn overwrite(db: &Db) {
    put(db, "new");
    merge(db);
}

fn load_over(db: &Db) {
    let mut loader = db.loader().unwrap();
    KEYS.iter().for_each(|key| loader.put(key, "new").unwrap());
    loader.finish().unwrap();
    merge(db);
}

fn seen<T: AsRef<[u8]>>(values: impl IntoIterator<Item = Option<T>>) -> Seen {
    let text = |value: T| String::from_utf8(value.as_ref().to_vec()).unwrap();
    let values: Vec<_> = values.into_iter().map(|value| value.map(text)).collect();
    values.try_into().expect("both keys and no other")
}

fn entries(entries: impl Iterator<Item = crate::Result<(crate::Key, crate::Value)>>) -> Seen {
    let mut found = [None, None];
    for entry in entries {
        let (key, value) = entry.unwrap();
        let at = KEYS.iter().position(|k| k.as_bytes() == &key[..]).expect("a key that was put");
        assert_eq!(found[at].replace(String::from_utf8(value.to_vec()).unwrap()), None, "once");
    }
    found
}

/// Has a job done at each point of a read, with what was there before in each place; at least `points` of them are met. What it sees is what was
/// there before the job, or after it, and both keys are of the same moment.
#[track_caller]
fn at_each_point(points: usize, read: impl Fn(&Db) -> Seen) {
    let arena = Arena::new(64 << 20).unwrap();
    for job in [overwrite, load_over] {
        for is_merged in [false, true] {
            for n in 0.. {
                let db = open(disk(&arena));
                put(&db, "old");
                if is_merged {
                    merge(&db);
                }
                let other = db.clone();
                after(n, move || job(&other));
                let got = read(&db);
                if !was_done() {
                    assert!(n >= points, "only {n} points met");
                    db.close().unwrap();
                    break;
                }
                let whole = ["old", "new"].map(|value| [Some(value.to_owned()), Some(value.to_owned())]);
                assert!(whole.contains(&got), "at point {n}, merged before: {is_merged}: {got:?}");
                assert_eq!(seen(db.multi_get(&KEYS).unwrap()), whole[1], "afterwards");
                db.close().unwrap();
            }
        }
    }
}

#[test]
fn a_get_whose_key_is_overwritten_and_compacted_meanwhile() {
    for key in KEYS {
        at_each_point(2, |db| {
            let value = db.get(key).unwrap();
            // The other one is no part of the call.
            seen([value.clone(), value])
        });
    }
}

#[test]
fn a_multi_get_whose_keys_are_overwritten_and_compacted_meanwhile() {
    at_each_point(2, |db| seen(db.multi_get(&KEYS).unwrap()));
}

#[test]
fn scans_whose_entries_are_overwritten_and_compacted_meanwhile() {
    at_each_point(2, |db| entries(db.iter().unwrap()));
    at_each_point(2, |db| entries(db.iter().unwrap().rev()));
    at_each_point(2, |db| {
        let mut cursor = db.cursor().unwrap();
        KEYS.map(|key| {
            let found = cursor.seek(key.as_bytes()).unwrap() && cursor.key() == key.as_bytes();
            found.then(|| String::from_utf8(cursor.value().to_vec()).unwrap())
        })
    });
}

#[test]
fn snapshots_whose_entries_are_overwritten_and_compacted_meanwhile() {
    at_each_point(5, |db| {
        let snapshot = db.snapshot();
        let got = seen(snapshot.multi_get(&KEYS).unwrap());
        assert_eq!(entries(snapshot.iter().unwrap()), got, "a snapshot is one moment");
        got
    });
}

/// A load is durable when it is told, and so is all that was written before it: also what was written while the load waited for the log, and
/// was not to be durable by itself.
#[test]
fn a_load_is_never_ahead_of_a_write_that_came_meanwhile() {
    let arena = Arena::new(64 << 20).unwrap();
    let mut writes_before = 0;
    for n in 0.. {
        let disk = disk(&arena);
        let db = open(Arc::clone(&disk));
        let mut loader = db.loader().unwrap();
        loader.put("k", "loaded").unwrap();
        let (other, is_before) = (db.clone(), Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&is_before);
        after(n, move || {
            // Another thread would wait for the lock, and write later.
            if other.store().commit.try_lock().is_ok() {
                other.put("a", "written").unwrap();
                told.store(other.get("k").unwrap().is_none(), Ordering::Relaxed);
            }
        });
        loader.finish().unwrap();
        if !was_done() {
            break;
        }
        let is_before = is_before.load(Ordering::Relaxed);
        writes_before += u32::from(is_before);
        for seed in 0..8 {
            let image = open(disk.image(seed));
            assert_eq!(image.get("k").unwrap().unwrap(), *b"loaded");
            assert!(
                image.get("a").unwrap().is_some() || !is_before,
                "at point {n}: the write is lost, the load is not"
            );
        }
        db.close().unwrap();
    }
    assert!(writes_before > 0, "no write came before the load");
}
