//! Faults by plan and by chance.

use std::collections::BTreeSet;

use ringwood_ring::{Disk, FaultOp, FaultPlan, IoErrorKind, OpenOptions, PAGE, SimConfig, SyncFailure};

use crate::support::*;

const EIO: i32 = libc::EIO;

#[test]
fn a_plan_strikes_its_operation_once() {
    let disk = disk(1);
    let mut lane = lane(&disk);
    let (a, b) = (durable_file(&disk, "/a", 1, 1), durable_file(&disk, "/b", 1, 1));
    disk.fail_next(FaultPlan::once(FaultOp::Read, EIO).on("b").after(1));
    ok(&mut *lane, read(&a, 0, 1));
    ok(&mut *lane, read(&b, 0, 1));
    ok(&mut *lane, read(&a, 0, 1));
    ok(&mut *lane, write(&b, 0, 1, 2));
    let error = err(&mut *lane, read(&b, 0, 1));
    assert_eq!((error.errno(), error.op(), error.offset()), (EIO, "read", Some(0)));
    ok(&mut *lane, read(&b, 0, 1));
    assert_eq!(disk.counters().snapshot().total().failed, 1);
}

#[test]
fn a_persistent_plan_strikes_until_it_is_cleared() {
    let disk = disk(1);
    let mut lane = lane(&disk);
    let file = durable_file(&disk, "/a", 1, 1);
    disk.fail_next(FaultPlan::once(FaultOp::Sync, EIO).persistent());
    for _ in 0..3 {
        assert_eq!(err(&mut *lane, sync(&file)).errno(), EIO);
        assert_eq!(err(&mut *lane, write_dsync(&file, 0, 1, 2)).errno(), EIO, "dsync syncs");
        ok(&mut *lane, write(&file, 0, 1, 2));
    }
    disk.power_loss(1);
    let mut lane = lane_of(&disk, 4);
    let file = open(&disk, "/a");
    assert_eq!(err(&mut *lane, sync(&file)).errno(), EIO, "plans outlive crashes");
    disk.clear_faults();
    ok(&mut *lane, sync(&file));
}

#[test]
fn every_call_can_fail() {
    let disk = disk(1);
    let file = durable_file(&disk, "/f", 1, 1);
    let call = |op: FaultOp, call: &dyn Fn() -> ringwood_ring::Result<()>| {
        disk.fail_next(FaultPlan::once(op, libc::EROFS));
        assert_eq!(call().unwrap_err().errno(), libc::EROFS, "{op:?}");
        call().unwrap();
    };
    let create = |path: &'static str| disk.open(path.as_ref(), OpenOptions::CREATE).map(drop);
    call(FaultOp::Open, &|| disk.open("/f".as_ref(), OpenOptions::READ).map(drop));
    call(FaultOp::Create, &|| create("/new"));
    call(FaultOp::Create, &|| disk.create_dir("/dir".as_ref()));
    call(FaultOp::Rename, &|| disk.rename("/new".as_ref(), "/newer".as_ref()));
    call(FaultOp::Remove, &|| disk.remove("/newer".as_ref()));
    call(FaultOp::Allocate, &|| disk.allocate(&file, 10_000).map(drop));
    call(FaultOp::Truncate, &|| disk.truncate(&file, 10_000));
    call(FaultOp::SyncDir, &|| disk.sync_dir("/".as_ref()));
    call(FaultOp::List, &|| disk.list("/".as_ref()).map(drop));
}

#[test]
fn a_failing_write_leaves_any_part_and_breaks_its_chain() {
    let mut parts = BTreeSet::new();
    for seed in 0..200 {
        let disk = disk(seed);
        let mut lane = lane(&disk);
        let file = durable_file(&disk, "/f", 1, 1);
        disk.fail_next(FaultPlan::once(FaultOp::Write, EIO));
        chain(&mut *lane, vec![write(&file, 0, 1, 2), sync(&file)]);
        let done = run_all(&mut *lane);
        let errnos: Vec<i32> = done.iter().map(|c| c.result.as_ref().unwrap_err().errno()).collect();
        assert_eq!(errnos, [EIO, libc::ECANCELED]);
        parts.insert(sectors(&bytes(&disk, "/f")).iter().filter(|t| **t == 2).count());
    }
    assert!(parts.contains(&0) && parts.contains(&8) && parts.len() > 4, "{parts:?}");
}

/// ATC'20: after a failed sync the bytes are dirty, marked clean, or reverted.
#[test]
fn a_failed_sync_behaves_as_configured() {
    for how in [SyncFailure::KeepDirty, SyncFailure::MarkClean, SyncFailure::Revert] {
        let (mut visible, mut after_retry) = (BTreeSet::new(), BTreeSet::new());
        for seed in 0..200 {
            let config = SimConfig { sync_failure: how, ..SimConfig::default() };
            let disk = disk_with(seed, config);
            let mut lane = lane(&disk);
            let file = durable_file(&disk, "/f", 1, 1);
            ok(&mut *lane, write(&file, 0, 1, 2));
            disk.fail_next(FaultPlan::once(FaultOp::Sync, EIO));
            assert_eq!(err(&mut *lane, sync(&file)).errno(), EIO);
            visible.insert(bytes(&disk, "/f")[0]);
            // The process starts anew, reads, syncs what it believes: and the power fails.
            disk.process_death();
            let file = open(&disk, "/f");
            let mut lane = lane_of(&disk, 4);
            ok(&mut *lane, sync(&file));
            disk.power_loss(seed);
            after_retry.insert(sectors(&bytes(&disk, "/f")));
        }
        let all = |tag: u8| vec![tag; 8];
        match how {
            SyncFailure::KeepDirty => {
                assert_eq!(visible, BTreeSet::from([2]));
                assert_eq!(after_retry, BTreeSet::from([all(2)]));
            }
            SyncFailure::MarkClean => {
                assert_eq!(visible, BTreeSet::from([2]));
                // Lost though a later sync succeeded; or the failed one had saved it.
                assert_eq!(after_retry, BTreeSet::from([all(1), all(2)]));
            }
            SyncFailure::Revert => {
                assert_eq!(visible, BTreeSet::from([1, 2]));
                assert_eq!(after_retry, BTreeSet::from([all(1), all(2)]));
            }
        }
    }
}

/// Whatever a failed sync does to the bytes it was for, a write in flight beside it that reports success is there.
#[test]
fn a_failed_sync_leaves_writes_in_flight_alone() {
    for how in [SyncFailure::KeepDirty, SyncFailure::MarkClean, SyncFailure::Revert] {
        for seed in 0..200 {
            let config = SimConfig { sync_failure: how, short_transfer: 0.5, ..SimConfig::default() };
            let disk = disk_with(seed, config);
            let mut lane = lane(&disk);
            let file = durable_file(&disk, "/f", 2, 1);
            disk.fail_next(FaultPlan::once(FaultOp::Sync, EIO));
            lane.push(0, write(&file, 1, 3, 2)).unwrap();
            lane.push(1, sync(&file)).unwrap();
            let done = run_all(&mut *lane);
            let write_last = done[1].token == 0;
            assert!(done.iter().all(|c| c.result.is_ok() == (c.token == 0)));
            if write_last {
                assert_eq!(bytes(&disk, "/f"), [vec![1; PAGE], vec![2; 3 * PAGE]].concat(), "{how:?} {seed}");
                ok(&mut *lane, sync(&file));
                disk.power_loss(seed);
                assert_eq!(bytes(&disk, "/f").len(), 4 * PAGE);
            }
        }
    }
}

#[test]
fn bytes_marked_clean_are_saved_by_writing_them_again() {
    for seed in 0..100 {
        let disk = disk(seed);
        let mut lane = lane(&disk);
        let file = durable_file(&disk, "/f", 1, 1);
        ok(&mut *lane, write(&file, 0, 2, 2));
        disk.fail_next(FaultPlan::once(FaultOp::Sync, EIO));
        err(&mut *lane, sync(&file));
        ok(&mut *lane, write(&file, 0, 2, 2));
        ok(&mut *lane, sync(&file));
        disk.power_loss(seed);
        assert_eq!(bytes(&disk, "/f"), vec![2; 2 * PAGE]);
    }
}

#[test]
fn names_after_a_failed_directory_sync_may_be_lost_for_good() {
    for (how, outcomes) in
        [(SyncFailure::KeepDirty, BTreeSet::from([true])), (SyncFailure::MarkClean, BTreeSet::from([false]))]
    {
        let mut seen = BTreeSet::new();
        for seed in 0..50 {
            let config = SimConfig { sync_failure: how, ..SimConfig::default() };
            let disk = disk_with(seed, config);
            create(&disk, "/f");
            disk.fail_next(FaultPlan::once(FaultOp::SyncDir, EIO));
            disk.sync_dir("/".as_ref()).unwrap_err();
            disk.sync_dir("/".as_ref()).unwrap();
            assert_eq!(disk.file_names().len(), 1, "visible until then");
            disk.power_loss(seed);
            seen.insert(disk.file_names().len() == 1);
        }
        assert_eq!(seen, outcomes, "{how:?}");
    }
}

#[test]
fn a_full_disk_refuses_growth_and_takes_it_again_with_space() {
    let disk = disk(1);
    let mut lane = lane(&disk);
    let file = create(&disk, "/f");
    disk.set_capacity(8 * PAGE as u64);
    ok(&mut *lane, write(&file, 0, 6, 1));
    assert_eq!(disk.space("/".as_ref()).unwrap().free, 2 * PAGE as u64);
    let error = err(&mut *lane, write(&file, 6, 3, 2));
    assert_eq!(error.kind(), IoErrorKind::NoSpace);
    assert!(bytes(&disk, "/f").len() <= 8 * PAGE);
    ok(&mut *lane, write(&file, 0, 6, 3));
    assert_eq!(disk.allocate(&file, 9 * PAGE as u64).unwrap_err().kind(), IoErrorKind::NoSpace);
    assert_eq!(disk.truncate(&file, 9 * PAGE as u64).unwrap_err().kind(), IoErrorKind::NoSpace);
    disk.truncate(&file, 2 * PAGE as u64).unwrap();
    ok(&mut *lane, write(&file, 2, 6, 4));
    disk.set_capacity(100 * PAGE as u64);
    ok(&mut *lane, write(&file, 0, 50, 5));
}

#[test]
fn too_many_open_files() {
    let config = SimConfig { files_max: 2, ..SimConfig::default() };
    let disk = disk_with(1, config);
    let a = create(&disk, "/a");
    let _b = create(&disk, "/b");
    let open = |path: &str| disk.open(path.as_ref(), OpenOptions::READ);
    assert_eq!(open("/a").unwrap_err().kind(), IoErrorKind::TooManyFiles);
    let clone = a.clone();
    drop(a);
    assert!(open("/a").is_err(), "a clone keeps it open");
    drop(clone);
    open("/a").unwrap();
}

#[test]
fn errors_by_chance_come_and_may_stay() {
    for persists in [0.0, 1.0] {
        let config = SimConfig {
            read_error: 0.2,
            write_error: 0.2,
            sync_error: 0.2,
            dir_sync_error: 0.2,
            error_persists: persists,
            ..SimConfig::default()
        };
        let disk = disk_with(3, config);
        let mut lane = lane(&disk);
        let file = durable_file(&disk, "/f", 1, 1);
        let mut failed = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..200 {
            failed[0].push(run(&mut *lane, read(&file, 0, 1)).result.is_err());
            failed[1].push(run(&mut *lane, write(&file, 0, 1, 1)).result.is_err());
            failed[2].push(run(&mut *lane, sync(&file)).result.is_err());
            failed[3].push(disk.sync_dir("/".as_ref()).is_err());
        }
        for series in failed {
            let first = series.iter().position(|f| *f).unwrap();
            let after = series[first..].iter().filter(|f| **f).count();
            let count = series[first..].len();
            if persists > 0.0 {
                assert_eq!(after, count);
            } else {
                assert!((count / 10..count / 3).contains(&after), "{after} of {count}");
            }
        }
    }
}

#[test]
fn rot_is_for_good() {
    let disk = disk(1);
    let file = durable_file(&disk, "/f", 2, 1);
    let mut lane = lane(&disk);
    disk.flip_bit("/f", 5000, 3).unwrap();
    disk.power_loss(1);
    let mut expected = vec![1; 2 * PAGE];
    expected[5000] = 1 ^ 8;
    assert_eq!(bytes(&disk, "/f"), expected);
    assert!(disk.flip_bit("/f", 2 * PAGE as u64, 0).is_err());
    drop((lane, file));
    // By chance, on read.
    let config = SimConfig { bit_rot: 0.5, ..SimConfig::default() };
    let disk = disk_with(1, config);
    let file = durable_file(&disk, "/f", 2, 0);
    lane = lane_of(&disk, 4);
    for _ in 0..20 {
        ok(&mut *lane, read(&file, 0, 2));
    }
    let ones: u32 = bytes(&disk, "/f").iter().map(|b| b.count_ones()).sum();
    assert!((4..17).contains(&ones), "{ones}");
    assert_eq!(disk.read_durable("/f").unwrap(), bytes(&disk, "/f"));
}

#[test]
fn transfers_can_go_astray() {
    let astray = |change: fn(&mut SimConfig)| {
        let mut config = SimConfig::calm();
        change(&mut config);
        let disk = disk_with(1, config);
        let file = durable_file(&disk, "/f", 2, 1);
        (disk, file)
    };
    let (disk, file) = astray(|c| c.lost_write = 1.0);
    assert_eq!(ok(&mut *lane(&disk), write(&file, 0, 1, 2)), PAGE);
    assert_eq!(bytes(&disk, "/f"), vec![1; 2 * PAGE]);
    let (disk, file) = astray(|c| c.misdirected_write = 1.0);
    assert_eq!(ok(&mut *lane(&disk), write_dsync(&file, 0, 1, 2)), PAGE);
    assert_eq!(disk.read_durable("/f").unwrap(), [vec![1; PAGE], vec![2; PAGE]].concat());
    let (disk, file) = astray(|c| c.misdirected_read = 1.0);
    disk.write_raw("/f", &[vec![1; PAGE], vec![2; PAGE]].concat()).unwrap();
    let buf = run(&mut *lane(&disk), read(&file, 0, 1)).buf.unwrap();
    assert_eq!(buf.as_slice()[0], 2);
}

#[test]
fn raw_access_cuts_and_replaces() {
    let disk = disk(1);
    disk.write_raw("/a/b/f", &[1, 2, 3]).unwrap();
    disk.power_loss(1);
    assert_eq!(bytes(&disk, "/a/b/f"), [1, 2, 3]);
    disk.truncate_raw("/a/b/f", 2).unwrap();
    assert_eq!(disk.read_durable("/a/b/f").unwrap(), [1, 2]);
    assert!(disk.read_durable("/no").is_none() && disk.read_raw("/no").is_err());
    assert!(disk.write_raw("/a", &[]).is_err() && disk.read_raw("/a").is_err());
}
