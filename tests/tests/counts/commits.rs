//! Commits: one chain a group.

use ringwood::{Class, Durability, Options, WriteBatch};
use ringwood_tests::dirs;

use crate::{counted, open, settle};

#[test]
fn a_synced_commit_is_one_chain_of_two_entries_in_one_enter() {
    let dir = dirs::fresh();
    let Some(db) = open("a synced commit", &dir.path().join("db"), Options::new().memory(32 << 20)) else {
        return;
    };
    db.put("first", "v").unwrap();
    settle(&db);
    for round in 0..20u32 {
        let counts = counted(&db, Class::Log, || match round % 2 {
            0 => db.put(round.to_be_bytes(), [1; 100]).unwrap(),
            _ => {
                let mut batch = WriteBatch::new();
                (0..10u32).for_each(|i| batch.put([round as u8, i as u8], [2; 50]).unwrap());
                db.write(&batch, Durability::Synced).unwrap();
            }
        });
        assert_eq!((counts.chains, counts.writes, counts.syncs), (1, 1, 1), "{counts:?}");
        assert_eq!((counts.sqes, counts.enters), (2 + counts.retries, 1 + counts.retries), "{counts:?}");
        assert_eq!((counts.fixed, counts.plain), (1, 0), "through the registered arena: {counts:?}");
    }
    db.close().unwrap();
}

#[test]
fn writers_that_come_together_share_chains() {
    let dir = dirs::fresh();
    let Some(db) = open("shared commits", &dir.path().join("db"), Options::new().memory(32 << 20)) else {
        return;
    };
    const THREADS: u64 = 8;
    const PUTS: u64 = 200;
    settle(&db);
    let counts = counted(&db, Class::Log, || {
        std::thread::scope(|scope| {
            for t in 0..THREADS {
                let db = &db;
                scope.spawn(move || (0..PUTS).for_each(|i| db.put(format!("{t}/{i}"), "v").unwrap()));
            }
        });
    });
    println!("{} synced puts in {} chains, {} enters", THREADS * PUTS, counts.chains, counts.enters);
    assert!(counts.chains * 2 < THREADS * PUTS, "{counts:?}");
    db.close().unwrap();
}

#[test]
fn buffered_and_unlogged_puts_wait_for_nothing() {
    let dir = dirs::fresh();
    let Some(db) = open("buffered puts", &dir.path().join("db"), Options::new().memory(64 << 20)) else {
        return;
    };
    settle(&db);
    let counts = counted(&db, Class::Log, || {
        for i in 0..100_000u32 {
            db.put_with(i.to_be_bytes(), [3; 20], Durability::Buffered).unwrap();
        }
    });
    println!("100000 buffered puts: {} enters, {} chains", counts.enters, counts.chains);
    assert!(counts.enters < 1000, "under 0.01 a put: {counts:?}");
    settle(&db);
    let counts = counted(&db, Class::Log, || {
        for i in 0..10_000u32 {
            db.put_with(i.to_be_bytes(), [4; 20], Durability::None).unwrap();
        }
    });
    // A flush that they cause may have the log synced; they themselves are not in it.
    assert_eq!((counts.writes, counts.write_bytes), (0, 0), "{counts:?}");
    db.close().unwrap();
}
