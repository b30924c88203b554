//! Failures that are final whatever their errno says, and failures that are not.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringwood::{Durability, ErrorKind};
use ringwood_ring::{FaultOp, FaultPlan, SimConfig, SimDisk, SyncFailure};

use super::{DIR, EIO, EMFILE, ENOSPC, disk, open};

/// A table that cannot be begun for want of space ends the flush or the compaction, and both go on when there is some.
#[test]
fn a_table_that_finds_no_space_says_so() {
    for is_flush in [true, false] {
        let disk = disk(1, SimConfig::calm());
        let db = open(&disk);
        for round in 0..2 {
            (0..200u32).for_each(|i| db.put(i.to_be_bytes(), [round; 40]).unwrap());
            if !is_flush {
                db.flush().unwrap();
            }
        }
        disk.fail_next(FaultPlan::once(FaultOp::Allocate, ENOSPC).on(".sst"));
        let result = if is_flush { db.flush() } else { db.compact() };
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Full, "flush: {is_flush}");
        db.flush().unwrap();
        db.compact().unwrap();
        assert_eq!(db.iter().unwrap().count(), 200);
    }
}

/// The sync of the directory failed after `CURRENT` was renamed, and the rename was marked clean: a restarted process saw it, believed it and
/// removed the old manifest; then the power was cut, and `CURRENT` named that one.
#[test]
fn a_rename_whose_sync_failed_is_made_durable() {
    let mut replaced = 0;
    for after in 50..75 {
        let disk = disk(after, SimConfig { sync_failure: SyncFailure::MarkClean, ..SimConfig::calm() });
        let db = open(&disk);
        disk.fail_next(FaultPlan::once(FaultOp::SyncDir, EIO).on(DIR).after(after));
        let mut written = 0u32;
        while written < 90 && db.put_with(written.to_be_bytes(), "v", Durability::Synced).is_ok() {
            written += 1;
            let _ = db.flush();
        }
        let manifests = |f: &&PathBuf| f.to_string_lossy().contains("MANIFEST");
        replaced += u32::from(disk.file_names().iter().filter(manifests).count() > 1);
        disk.clear_faults();
        disk.process_death();
        drop(db);
        drop(open(&disk));
        for cut in 0..4 {
            let db = open(&disk.image(cut));
            assert!(db.iter().unwrap().count() >= written as usize, "after {after} syncs, cut {cut}");
        }
    }
    assert!(replaced > 0, "no sync after a rename has failed");
}

/// A sync of a manifest's record failed with ENOSPC, as a delayed allocation does, and passed for a full disk on which nothing has changed.
#[test]
fn a_sync_that_finds_the_disk_full_is_final() {
    for (op, path) in [(FaultOp::Sync, "MANIFEST"), (FaultOp::SyncDir, DIR), (FaultOp::Write, "MANIFEST")] {
        let disk = disk(3, SimConfig::calm());
        let db = open(&disk);
        db.put("k", "v").unwrap();
        disk.fail_next(FaultPlan::once(op, ENOSPC).on(path));
        let error = db.flush().unwrap_err();
        assert_ne!(error.kind(), ErrorKind::Full, "{op:?}: {error}");
        assert_eq!(db.put("k", "w").unwrap_err().kind(), ErrorKind::Poisoned, "{op:?}");
        disk.process_death();
        drop(db);
        for cut in 0..8 {
            assert_eq!(open(&disk.image(cut)).get("k").unwrap().unwrap(), b"v", "{op:?}, cut {cut}");
        }
    }
}

/// No descriptor for a new manifest poisoned the store, though nothing had been changed.
#[test]
fn no_descriptor_for_a_new_manifest_is_not_final() {
    for path in ["MANIFEST", "CURRENT.new"] {
        let disk = disk(1, SimConfig::calm());
        let db = open(&disk);
        let mut refused = 0;
        for i in 0..100u32 {
            db.put_with(i.to_be_bytes(), "v", Durability::Synced).unwrap();
            disk.fail_next(FaultPlan::once(FaultOp::Create, EMFILE).on(path).persistent());
            if let Err(error) = db.flush() {
                assert_eq!(error.kind(), ErrorKind::Exhausted, "{error}");
                refused += 1;
            }
            disk.clear_faults();
        }
        assert!(refused > 0, "no manifest was replaced: {refused}");
        db.flush().unwrap();
        db.close().unwrap();
        assert_eq!(open(&disk).iter().unwrap().count(), 100);
    }
}

/// A manifest that had lost some of the zeros that fill its last record's page made the opening panic.
#[test]
fn a_manifest_cut_in_its_padding_opens() {
    let disk = disk(1, SimConfig::calm());
    let db = open(&disk);
    db.put("k", "v").unwrap();
    db.close().unwrap();
    let manifest = Path::new(DIR).join("MANIFEST-000001");
    let bytes = disk.read_raw(&manifest).unwrap();
    let end = bytes.iter().rposition(|b| *b != 0).unwrap() + 1;
    for len in [end, end + 1, end.next_multiple_of(4096) - 1, end.next_multiple_of(4096)] {
        let copy: Arc<SimDisk> = disk.fork();
        copy.process_death();
        copy.write_raw(&manifest, &bytes[..len]).unwrap();
        let db = open(&copy);
        assert_eq!(db.get("k").unwrap().unwrap(), b"v");
        db.put("k", "w").unwrap();
        db.flush().unwrap();
        db.close().unwrap();
        assert_eq!(open(&copy).get("k").unwrap().unwrap(), b"w");
    }
}
