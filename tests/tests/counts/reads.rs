//! Cold reads: one direct read a block, all blocks of a call together.

use ringwood::{Class, Db, Durability, Options};
use ringwood_tests::dirs;

use crate::{counted, is_direct, open, settle};

const ENTRIES: u32 = 60_000;

/// A store of one level whose blocks are not in the cache.
fn cold(test: &str, dir: &std::path::Path) -> Option<Db> {
    let path = dir.join("db");
    let options = || Options::new().memory(32 << 20);
    let db = open(test, &path, options())?;
    for i in 0..ENTRIES {
        db.put_with(i.to_be_bytes(), [5; 100], Durability::Buffered).unwrap();
    }
    db.compact().unwrap();
    db.close().unwrap();
    let db = open(test, &path, options())?;
    settle(&db);
    let table = dirs::files(&path).into_iter().find(|f| f.extension().is_some_and(|e| e == "sst")).unwrap();
    match is_direct(&path.join(&table)) {
        Some(true) => Some(db),
        _ => {
            ringwood_tests::skip(test, "this file system has no O_DIRECT");
            None
        }
    }
}

#[test]
fn a_cold_get_is_one_fixed_read_of_one_page() {
    let dir = dirs::fresh();
    let Some(db) = cold("a cold get", dir.path()) else { return };
    for i in 0..50 {
        let key = (i * 1111u32).to_be_bytes();
        let counts = counted(&db, Class::Get, || assert_eq!(db.get(key).unwrap().unwrap(), [5; 100]));
        assert_eq!((counts.reads, counts.fixed, counts.plain), (1, 1, 0), "{counts:?}");
        assert_eq!((counts.enters, counts.sqes), (1 + counts.retries, 1 + counts.retries), "{counts:?}");
        assert_eq!(counts.read_bytes, 4096);
        let again = counted(&db, Class::Get, || assert!(db.get(key).unwrap().is_some()));
        assert_eq!((again.enters, again.reads), (0, 0), "now it is in the cache");
    }
    // A key that is not there costs, but for one in about two hundred, nothing.
    let counts = counted(&db, Class::Get, || {
        for i in 0..1000u32 {
            assert_eq!(
                db.get((i * 59).to_be_bytes().iter().chain(&[0]).copied().collect::<Vec<_>>()).unwrap(),
                None
            );
        }
    });
    assert!(counts.reads <= 20, "1000 missing keys cost {} reads", counts.reads);
    db.close().unwrap();
}

#[test]
fn a_cold_multi_get_of_64_keys_takes_at_most_3_enters() {
    let dir = dirs::fresh();
    let Some(db) = cold("a cold multi_get", dir.path()) else { return };
    let mut blocks = 0;
    for round in 0..10u32 {
        let keys: Vec<[u8; 4]> =
            (0..64u32).map(|i| ((i * 937 + round * 97) % ENTRIES).to_be_bytes()).collect();
        let counts = counted(&db, Class::Get, || {
            assert!(db.multi_get(&keys).unwrap().iter().all(|v| v.as_deref() == Some(&[5; 100])));
        });
        println!("{} reads in {} enters", counts.reads, counts.enters);
        assert!(counts.enters <= 3, "{counts:?}");
        assert_eq!(counts.plain, 0, "{counts:?}");
        blocks += counts.reads;
    }
    assert!(blocks > 400, "the blocks were in the cache: {blocks} reads");
    db.close().unwrap();
}

#[test]
fn a_long_scan_reads_many_blocks_an_enter() {
    let dir = dirs::fresh();
    let Some(db) = cold("a scan", dir.path()) else { return };
    let counts = counted(&db, Class::Scan, || assert_eq!(db.iter().unwrap().count(), ENTRIES as usize));
    println!(
        "a scan of {ENTRIES} entries: {} reads in {} enters, {} bytes",
        counts.reads, counts.enters, counts.read_bytes
    );
    assert!(counts.read_bytes / counts.enters.max(1) > 16 * 4096, "{counts:?}");
    db.close().unwrap();
}

#[test]
fn what_is_in_memory_stays_there_through_flush_and_compaction() {
    const KEYS: u32 = 20_000;
    let dir = tempfile::tempdir().unwrap();
    let test = "what_is_in_memory_stays_there_through_flush_and_compaction";
    let Some(db) = open(test, &dir.path().join("data"), Options::new().memory(256 << 20)) else { return };
    for i in 0..KEYS {
        db.put_with(i.to_be_bytes(), [i as u8; 100], Durability::Buffered).unwrap();
    }
    let read_all = || {
        for i in 0..KEYS {
            assert_eq!(db.get(i.to_be_bytes()).unwrap().unwrap(), [i as u8; 100]);
        }
    };
    // A store that nobody reads fills no cache.
    db.flush().unwrap();
    assert!(counted(&db, Class::Get, read_all).reads > 0, "after a flush before the first read");
    for i in 0..KEYS {
        db.put_with(i.to_be_bytes(), [i as u8; 100], Durability::Buffered).unwrap();
    }
    db.flush().unwrap();
    assert_eq!(counted(&db, Class::Get, read_all).reads, 0, "after the flush");
    // A second table, so that the compaction has something to merge.
    for i in (0..KEYS).step_by(2) {
        db.put_with(i.to_be_bytes(), [i as u8; 100], Durability::Buffered).unwrap();
    }
    db.compact().unwrap();
    assert_eq!(counted(&db, Class::Get, read_all).reads, 0, "after the compaction");
    db.close().unwrap();
}
