//! Commits: one enter a group, by the caller itself if it is alone, and one chain for all who come together.

use ringwood::{Class, Durability, Options, SyncMode, WriteBatch};
use ringwood_tests::dirs;

use crate::{counted, open, settle};

#[test]
fn a_synced_commit_is_one_enter_of_the_caller() {
    // Durable writes where they are asked for, chains where those are, and by default one of the two.
    for (mode, chains) in [(SyncMode::Dsync, 0..=0), (SyncMode::Chain, 1..=1), (SyncMode::Auto, 0..=1)] {
        let dir = dirs::fresh();
        let options = Options::new().memory(32 << 20).sync_mode(mode);
        let Some(db) = open("a synced commit", &dir.path().join("db"), options) else {
            return;
        };
        db.put("first", "v").unwrap();
        settle(&db);
        let before = db.stats().wal;
        for round in 0..20u32 {
            let counts = counted(&db, Class::Log, || match round % 2 {
                0 => db.put(round.to_be_bytes(), [1; 100]).unwrap(),
                _ => {
                    let mut batch = WriteBatch::new();
                    (0..10u32).for_each(|i| batch.put([round as u8, i as u8], [2; 50]).unwrap());
                    db.write(&batch, Durability::Synced).unwrap();
                }
            });
            assert_eq!((counts.writes, counts.syncs), (1, 1), "{counts:?}");
            assert!(chains.contains(&counts.chains), "{mode:?}: {counts:?}");
            assert_eq!(counts.sqes, 1 + counts.chains + counts.retries, "{counts:?}");
            assert_eq!(counts.enters, 1 + counts.retries, "{counts:?}");
            assert_eq!((counts.fixed, counts.plain), (1, 0), "through the registered arena: {counts:?}");
        }
        let after = db.stats().wal;
        assert_eq!(after.groups - before.groups, 20);
        // The log thread may be awake by chance when the first of them comes.
        assert!(after.led_groups - before.led_groups >= 15, "{before:?} {after:?}");
        db.close().unwrap();
    }
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
    let before = db.stats().wal;
    let counts = counted(&db, Class::Log, || {
        std::thread::scope(|scope| {
            for t in 0..THREADS {
                let db = &db;
                scope.spawn(move || (0..PUTS).for_each(|i| db.put(format!("{t}/{i}"), "v").unwrap()));
            }
        });
    });
    let after = db.stats().wal;
    let (groups, led) = (after.groups - before.groups, after.led_groups - before.led_groups);
    println!(
        "{} synced puts in {groups} groups ({led} led), {} chains, {} enters",
        THREADS * PUTS,
        counts.chains,
        counts.enters
    );
    assert!(groups * 2 < THREADS * PUTS, "{counts:?}");
    // A group is one sync: one chain if it serves several. Those for one may be durable writes.
    assert_eq!(after.syncs - before.syncs, groups, "{before:?} {after:?}");
    assert_eq!(counts.syncs, groups, "{counts:?}");
    assert_eq!(after.chains - before.chains + after.durable_writes - before.durable_writes, groups);
    assert_eq!(counts.enters, groups + counts.retries, "one enter a group: {counts:?}");
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
