//! Bugs that the model tests found, each as a story of its own on the simulated disk.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

mod finality;

use std::path::Path;
use std::sync::Arc;

use ringwood::{Db, Durability, ErrorKind, Options, WriteBatch};
use ringwood_ring::{Arena, Disk, FaultOp, FaultPlan, SimConfig, SimDisk, SyncFailure};

const DIR: &str = "/data";
const EIO: i32 = 5;
const ENOMEM: i32 = 12;
const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;

fn disk(seed: u64, config: SimConfig) -> Arc<SimDisk> {
    thread_local!(static ARENA: Arc<Arena> = Arena::new(64 << 20).expect("address space"));
    SimDisk::new(seed, config, ARENA.with(Arc::clone))
}

fn open(disk: &Arc<SimDisk>) -> Db {
    try_open(disk).unwrap_or_else(|e| panic!("it does not open: {e}"))
}

fn try_open(disk: &Arc<SimDisk>) -> ringwood::Result<Db> {
    let options = Options::new().memory(8 << 20).write_buffer_bytes(16 << 10).table_bytes(64 << 10);
    options.compaction_threads(1).durability(Durability::Buffered).open_on(disk.clone(), DIR, true)
}

/// Fills the memtable of a keyspace about once.
fn fill(put: impl Fn(String, Vec<u8>) -> ringwood::Result<()>) -> ringwood::Result<()> {
    (0..40).try_for_each(|i| put(format!("filler{i:04}"), vec![i as u8; 400]))
}

/// A batch of one entry in each of two keyspaces.
fn batch_across_keyspaces(db: &Db) -> WriteBatch {
    let other = db.keyspace("other").unwrap();
    let mut batch = WriteBatch::new();
    batch.put("left", "1").unwrap();
    batch.put_in(&other, "right", "1").unwrap();
    batch
}

/// After a power cut both entries of that batch are there, or neither.
fn assert_batch_whole(disk: &Arc<SimDisk>, seed: u64, cut: u64) {
    let db = open(&disk.image(seed * 100 + cut));
    let right = db.keyspace("other").unwrap().get("right").unwrap();
    assert_eq!(db.get("left").unwrap(), right, "seed {seed}, cut {cut}: half of the batch");
}

/// A memtable became a table, durable, before the log that it was written to. A power cut then took an earlier write of another keyspace, or
/// the other half of a batch.
#[test]
fn a_flushed_table_is_never_ahead_of_the_log() {
    for seed in 0..30 {
        let disk = disk(seed, SimConfig::default());
        let db = open(&disk);
        let batch = batch_across_keyspaces(&db);
        db.write(&batch, Durability::Buffered).unwrap();
        // Only the default keyspace's memtable is frozen, and flushed.
        while db.stats().flushes == 0 {
            fill(|k, v| db.put(k, v)).unwrap();
            let _ = db.step();
        }
        for cut in 0..5 {
            assert_batch_whole(&disk, seed, cut);
        }
    }
}

/// The same where the log cannot become durable at all: a flush must fail rather than put its table in place.
#[test]
fn nothing_is_flushed_that_the_log_has_lost() {
    for seed in 0..30 {
        let disk = disk(seed, SimConfig::default());
        let db = open(&disk);
        let batch = batch_across_keyspaces(&db);
        disk.fail_next(FaultPlan::once(FaultOp::Write, EIO).on("/wal/").persistent());
        db.write(&batch, Durability::Buffered).unwrap();
        while db.stats().flushes == 0 && fill(|k, v| db.put(k, v)).is_ok() {
            let _ = db.step();
        }
        let _ = db.flush();
        disk.clear_faults();
        for cut in 0..5 {
            assert_batch_whole(&disk, seed, cut);
        }
    }
}

/// `compact` said yes after a failure.
#[test]
fn a_compaction_that_fails_says_so() {
    let disk = disk(1, SimConfig::calm());
    let db = open(&disk);
    for _ in 0..3 {
        fill(|k, v| db.put(k, v)).unwrap();
        db.flush().unwrap();
    }
    disk.fail_next(FaultPlan::once(FaultOp::Read, EIO).on(".sst").persistent());
    let error = db.compact().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert!(error.to_string().contains(".sst"), "{error}");
    disk.clear_faults();
    db.compact().unwrap();
    assert_eq!(db.iter().unwrap().count(), 40);
    db.close().unwrap();
}

/// A write through the handle of a dropped keyspace froze its memtable before it was refused. Nobody flushed that one, and after three such all
/// writers waited for ever for room.
#[test]
fn dropped_keyspaces_take_no_room() {
    let disk = disk(1, SimConfig::calm());
    let db = open(&disk);
    for round in 0..10 {
        let space = db.keyspace("short-lived").unwrap();
        // Nearly full, and full when the next one comes.
        while db.stats().keyspaces[1].memtable_bytes < 15 << 10 {
            space.put(format!("{round}"), [1; 500]).unwrap();
        }
        db.drop_keyspace("short-lived").unwrap();
        for _ in 0..3 {
            assert_eq!(space.put("late", vec![2; 5000]).unwrap_err().kind(), ErrorKind::Invalid);
        }
    }
    for _ in 0..20 {
        fill(|k, v| db.put(k, v)).unwrap();
    }
    db.close().unwrap();
}

/// A write of the manifest failed, but all of it had reached the disk: the tables that it named had been removed, and the store did not open
/// again.
#[test]
fn a_manifest_write_that_failed_may_have_happened() {
    for seed in 0..40 {
        let disk = disk(seed, SimConfig::default());
        let db = open(&disk);
        for _ in 0..3 {
            fill(|k, v| db.put(k, v)).unwrap();
            db.flush().unwrap();
        }
        disk.fail_next(FaultPlan::once(FaultOp::Write, EIO).on("MANIFEST"));
        let error = db.compact().and_then(|()| db.keyspace("another").map(drop)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Io | ErrorKind::Poisoned), "{error}");
        assert_eq!(db.put("k", "v").unwrap_err().kind(), ErrorKind::Poisoned);
        assert_eq!(db.iter().unwrap().count(), 40, "reads go on");
        // Time for everything that would remove files.
        while db.step() {}
        drop(db);
        let db = open(&disk);
        assert_eq!(db.iter().unwrap().count(), 40, "seed {seed}");
        db.close().unwrap();
    }
}

/// The sync of a manifest record failed, and the file system marked the bytes clean. After a restart the record was believed, never
/// made durable, and durable ones followed it: after a power cut the store did not open again.
#[test]
fn a_manifest_record_whose_sync_failed_is_made_durable() {
    for how in [SyncFailure::KeepDirty, SyncFailure::MarkClean, SyncFailure::Revert] {
        for seed in 0..10 {
            let disk = disk(seed, SimConfig { sync_failure: how, ..SimConfig::default() });
            let db = open(&disk);
            fill(|k, v| db.put_with(k, v, Durability::Synced)).unwrap();
            disk.fail_next(FaultPlan::once(FaultOp::Sync, EIO).on("MANIFEST"));
            db.flush().unwrap_err();
            drop(db);
            let db = open(&disk);
            fill(|k, v| db.put_with(format!("more{k}"), v, Durability::Synced)).unwrap();
            db.flush().unwrap();
            for cut in 0..5 {
                let image = disk.image(seed * 10 + cut);
                let db = try_open(&image).unwrap_or_else(|e| panic!("{how:?}, seed {seed}, cut {cut}: {e}"));
                assert_eq!(db.iter().unwrap().count(), 80);
            }
        }
    }
}

/// The sync of the directory failed and its changes were marked clean: another job's sync of it then succeeded, and a table was relied
/// upon whose name was never made durable.
#[test]
fn a_failed_directory_sync_ends_all_writing() {
    for seed in 0..10 {
        let config = SimConfig { sync_failure: SyncFailure::MarkClean, ..SimConfig::default() };
        let disk = disk(seed, config);
        let db = open(&disk);
        fill(|k, v| db.put_with(k, v, Durability::Synced)).unwrap();
        disk.fail_next(FaultPlan::once(FaultOp::SyncDir, EIO));
        db.flush().unwrap_err();
        assert_eq!(db.put("k", "v").unwrap_err().kind(), ErrorKind::Poisoned);
        while db.step() {}
        let image = disk.image(seed);
        assert_eq!(open(&image).iter().unwrap().count(), 40);
        drop(db);
        assert_eq!(open(&disk).iter().unwrap().count(), 40);
    }
}

/// A flush had failed, so that `close` thought that all was in the log: writes that ask for no log were lost although `close` said that
/// all was well.
#[test]
fn close_writes_what_an_earlier_flush_could_not() {
    let disk = disk(1, SimConfig::calm());
    let db = open(&disk);
    db.put_with("k", "unlogged", Durability::None).unwrap();
    disk.fail_next(FaultPlan::once(FaultOp::Create, EIO).on(".sst"));
    assert_eq!(db.flush().unwrap_err().kind(), ErrorKind::Io);
    db.close().unwrap();
    assert_eq!(open(&disk).get("k").unwrap().unwrap(), b"unlogged");
}

/// The last directory sync of a manifest's replacement said that the disk was full, after `CURRENT` had been renamed: the store went on with
/// the old manifest, and after a restart the new one was in force.
#[test]
fn a_replacement_of_the_manifest_that_fails_at_its_end_is_no_full_disk() {
    for after in 55..75 {
        let disk = disk(after, SimConfig::calm());
        let db = open(&disk);
        disk.fail_next(FaultPlan::once(FaultOp::SyncDir, ENOSPC).on(DIR).after(after));
        let mut written = 0u32;
        for _ in 0..90 {
            if db.put_with(written.to_be_bytes(), "v", Durability::Synced).is_ok() {
                written += 1;
            }
            let _ = db.flush();
        }
        assert!(written > 20, "{after}: {written}");
        disk.clear_faults();
        disk.process_death();
        drop(db);
        let db = open(&disk);
        assert_eq!(db.iter().unwrap().count(), written as usize, "after {after} syncs");
        db.close().unwrap();
    }
}

/// Replacing a manifest on a full disk left a file behind each time.
#[test]
fn a_replacement_of_the_manifest_on_a_full_disk_leaves_no_files() {
    let disk = disk(1, SimConfig::calm());
    let db = open(&disk);
    let manifest =
        || disk.file_names().into_iter().filter(|f| f.to_string_lossy().contains("MANIFEST")).count();
    // Compactions replace it too, between two faults.
    let mut refused = 0;
    for i in 0..200u32 {
        db.put_with(i.to_be_bytes(), "v", Durability::Synced).unwrap();
        disk.fail_next(FaultPlan::once(FaultOp::Create, ENOSPC).on("CURRENT.new").persistent());
        refused += u32::from(db.flush().is_err());
        assert_eq!(manifest(), 1);
        disk.clear_faults();
    }
    assert!(refused > 10, "no manifest was replaced: {refused}");
    db.flush().unwrap();
    db.close().unwrap();
    assert_eq!(open(&disk).iter().unwrap().count(), 200);
}

/// A flush gave the error of an earlier one, although the cause was gone.
#[test]
fn a_flush_tries_anew() {
    let disk = disk(1, SimConfig::calm());
    let db = open(&disk);
    db.put("k", "v").unwrap();
    let space = disk.space(Path::new(DIR)).unwrap();
    disk.set_capacity(space.total - space.free);
    for _ in 0..3 {
        assert_eq!(db.flush().unwrap_err().kind(), ErrorKind::Full);
    }
    disk.set_capacity(1 << 40);
    db.flush().unwrap();
    db.close().unwrap();
}

/// Flushes that fail again and again leave nothing behind that would fill the disk for good.
#[test]
fn failed_flushes_leave_no_files() {
    let disk = disk(1, SimConfig::calm());
    let db = open(&disk);
    db.put("k", "v").unwrap();
    for op in [FaultOp::Create, FaultOp::Allocate, FaultOp::Write, FaultOp::Sync, FaultOp::Open] {
        for _ in 0..5 {
            disk.fail_next(FaultPlan::once(op, EIO).on(".sst"));
            let before = disk.file_names().len();
            db.put("k", "w").unwrap();
            match db.flush() {
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Io, "{op:?}: {error}");
                    while db.step() {}
                    assert_eq!(disk.file_names().len(), before, "{op:?}: {:?}", disk.file_names());
                }
                Ok(()) => disk.clear_faults(),
            }
        }
    }
    disk.clear_faults();
    db.flush().unwrap();
    db.close().unwrap();
}

/// A flush that fails for want of something that may come back is tried again, by itself, after a pause; and it is told of what is missing.
#[test]
fn a_flush_that_failed_is_tried_again() {
    const RETRY_NS: u64 = 500_000_000;
    for (errno, op, kind, advice) in [
        (ENOSPC, FaultOp::Create, ErrorKind::Full, "space"),
        (EMFILE, FaultOp::Create, ErrorKind::Exhausted, "ulimit -n"),
        (ENOMEM, FaultOp::Allocate, ErrorKind::Exhausted, "memory"),
        (EMFILE, FaultOp::SyncDir, ErrorKind::Exhausted, "ulimit -n"),
    ] {
        let disk = disk(1, SimConfig::calm());
        let db = open(&disk);
        let before = db.stats();
        let plan = FaultPlan::once(op, errno);
        disk.fail_next(if op == FaultOp::SyncDir { plan } else { plan.on(".sst") });
        while db.stats().flush_failures == 0 {
            // A writer for whom no memory is left is told at once.
            if let Err(error) = fill(|k, v| db.put(k, v)) {
                assert_eq!(error.kind(), kind, "{errno}: {error}");
            }
            let _ = db.step();
        }
        let error = db.stats().flush_error.expect("it has just failed");
        assert!(error.contains(advice), "{errno}: {error}");
        let flushes = db.stats().flushes;
        disk.advance(RETRY_NS);
        while db.stats().flushes == flushes {
            assert!(db.step(), "{errno}: nobody tries again");
        }
        let after = db.stats();
        assert_eq!((after.flush_failures, after.flush_error), (before.flush_failures + 1, None), "{errno}");
        // One that lasts stays a clear error, and the store goes on when it ends.
        disk.fail_next(FaultPlan::once(FaultOp::Create, errno).on(".sst").persistent());
        db.put("k", "v").unwrap();
        for _ in 0..3 {
            let error = db.flush().unwrap_err();
            assert_eq!(error.kind(), kind, "{errno}: {error}");
        }
        disk.clear_faults();
        db.flush().unwrap();
        db.close().unwrap();
        assert_eq!(open(&disk).get("k").unwrap().unwrap(), b"v");
    }
}
