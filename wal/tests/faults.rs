//! Operations that fail: what poisons the log, what only fills it, and that nothing is lost or believed by mistake.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::path::Path;

use common::world::{DIR, Fate, World, for_each_seed, is_death};
use common::{Session, pattern, small};
use ringwood_ring::{FaultOp, FaultPlan, SimConfig, SyncFailure};
use ringwood_wal::{WalError, WalErrorKind};

const EIO: i32 = 5;

fn calm_world(seed: u64) -> World {
    let mut world = World::new(seed, SimConfig::calm());
    world.options = small();
    world
}

#[test]
fn a_failed_sync_poisons_and_is_never_retried() {
    let mut world = calm_world(1);
    world.options.sync_mode = ringwood_wal::SyncMode::Chain;
    let mut session = world.open().unwrap();
    let durable = session.append_durable(b"before");
    world.disk.fail_next(FaultPlan::once(FaultOp::Sync, EIO).on(".log"));
    let end = session.append(b"lost?");
    let error = session.log.wait_durable(end).unwrap_err();
    assert_eq!(error.kind(), WalErrorKind::Poisoned);
    assert!(error.to_string().contains("cannot sync /log/0000000001.log"), "{error}");
    assert_eq!(session.log.durable(), durable);
    // Nothing more goes to the disk, and everyone gets the same reason.
    let operations = world.disk.operations();
    let again = session.log.wait_durable(end).unwrap_err();
    assert_eq!(again.to_string(), error.to_string());
    assert_eq!(session.appender.append(&[b"more"]).unwrap_err().to_string(), error.to_string());
    assert_eq!(session.appender.close().unwrap_err().to_string(), error.to_string());
    assert_eq!(session.log.close().unwrap_err().to_string(), error.to_string());
    assert_eq!(session.log.poisoned().unwrap().to_string(), error.to_string());
    assert!(session.step().is_err());
    session.log.want_durable(end);
    session.log.release(end);
    assert_eq!(world.disk.operations(), operations);
    // What was durable before still counts as such.
    session.log.wait_durable(durable).unwrap();
}

#[test]
fn a_failed_write_poisons() {
    let mut world = calm_world(2);
    let mut session = world.open().unwrap();
    world.disk.fail_next(FaultPlan::once(FaultOp::Write, EIO).on("0000000001.log"));
    let end = session.append(b"lost?");
    let error = session.log.wait_durable(end).unwrap_err();
    assert_eq!(error.kind(), WalErrorKind::Poisoned);
    assert!(error.to_string().contains("cannot write"), "the cause, not its echo: {error}");
}

#[test]
fn a_failed_directory_sync_poisons_and_the_segment_is_not_used() {
    let mut world = calm_world(3);
    let mut session = world.open().unwrap();
    world.disk.fail_next(FaultPlan::once(FaultOp::SyncDir, EIO));
    let limit_error = loop {
        match session.appender.append(&[&pattern(1, 5000)]) {
            Ok(end) => assert!(end <= 64 << 10, "the second segment was used"),
            Err(error) => break error,
        }
    };
    assert_eq!(limit_error.kind(), WalErrorKind::Poisoned);
    assert!(limit_error.to_string().contains("cannot sync /log"), "{limit_error}");
}

/// The trap of "Can Applications Recover from fsync Failures?": the sync fails, the process restarts without a reboot, finds its
/// bytes in the page cache, believes them, and then the power goes. Whatever an opening replays must survive that.
#[test]
fn what_is_replayed_after_a_failed_sync_survives_the_next_power_loss() {
    for how in [SyncFailure::KeepDirty, SyncFailure::MarkClean, SyncFailure::Revert] {
        for_each_seed(300, |seed| {
            let config = SimConfig { sync_failure: how, ..SimConfig::default() };
            let mut world = World::new(seed, config);
            let after = world.rng.below(12);
            let op = if world.rng.one_in(5) { FaultOp::SyncDir } else { FaultOp::Sync };
            world.disk.fail_next(FaultPlan::once(op, EIO).after(after));
            for _ in 0..4 {
                // Opens may fail by the plan too.
                let mut session = match world.open() {
                    Ok(session) => session,
                    Err(_) => {
                        world.disk.process_death();
                        continue;
                    }
                };
                for _ in 0..40 {
                    let len = world.size();
                    if world.append(&mut session, len).is_err() {
                        break;
                    }
                    if world.rng.one_in(4) && session.log.wait_durable(session.log.appended()).is_err() {
                        break;
                    }
                }
                world.note_durable(&session);
                drop(session);
                world.disk.process_death();
                // A reverted page is gone from the page cache, and kept batches with it: that disk breaks "kept", not we.
                world.powered = how != SyncFailure::Revert;
            }
            world.disk.clear_faults();
            let session = world.open().unwrap();
            drop(session);
            // Everything replayed is the lower bound now.
            world.lose_power();
            assert_eq!(world.session(0), Fate::Ended);
        });
    }
}

/// A directory sync fails, and its renames stay visible but are never durable. Later the power goes, and a file has two names: that of
/// the segment it is, and that of the spare it was. It must not be taken for a spare.
#[test]
fn a_segment_under_the_name_of_a_spare_is_left_alone() {
    let mut world = calm_world(9);
    let mut session = world.open().unwrap();
    for _ in 0..10 {
        world.append(&mut session, 100).unwrap();
    }
    session.log.wait_durable(session.log.appended()).unwrap();
    drop(session);
    world.disk.process_death();
    // The simulated disk has no hard links but those that a crash makes; a copy with the same header shows as well.
    let segment = world.disk.read_raw("/log/0000000001.log").unwrap();
    world.disk.write_raw("/log/spare-0.log", &segment).unwrap();
    let session = world.open().unwrap();
    session.settle();
    assert_eq!(session.log.stats().segments_created, 1, "the alias was used");
    assert!(!world.disk.file_names().contains(&Path::new("/log/spare-0.log").to_path_buf()));
}

/// Directory syncs fail often, names come and go in any combination.
#[test]
fn failed_directory_syncs_and_lost_names_lose_no_log() {
    for_each_seed(300, |seed| {
        let mut world = World::new(seed, SimConfig::default());
        world.options.segment_bytes_max = 64 << 10;
        for _ in 0..8 {
            world.disk.configure(|c| c.dir_sync_error = 0.25);
            if let Ok(mut session) = world.open() {
                for _ in 0..40 {
                    let len = 500 + world.size();
                    if world.append(&mut session, len).is_err() {
                        break;
                    }
                    if world.rng.one_in(5) && session.log.wait_durable(session.log.appended()).is_err() {
                        break;
                    }
                    if world.rng.one_in(8) {
                        let upto = world.rng.below(world.appended.len() as u64) as usize;
                        world.from = world.appended[upto].end;
                        world.appended.drain(..=upto);
                        session.log.release(world.from);
                    }
                }
                world.note_durable(&session);
            }
            world.crash();
        }
        world.disk.configure(|c| c.dir_sync_error = 0.0);
        assert_eq!(world.session(10), Fate::Ended);
        world.lose_power();
        assert_eq!(world.session(0), Fate::Ended);
    });
}

/// Every operation of a workload fails once, in turn; then the store opens and has what was promised.
#[test]
fn the_nth_operation_fails() {
    let errnos = [5, 28, 24]; // EIO, ENOSPC, EMFILE
    for op in FaultOp::ERRORS {
        for persistent in [false, true] {
            for after in 0..40 {
                let mut world = calm_world(after);
                world.options.segment_bytes_max = 64 << 10;
                let plan = FaultPlan::once(op, errnos[after as usize % 3]).after(after);
                world.disk.fail_next(if persistent { plan.persistent() } else { plan });
                for round in 0..3 {
                    let Ok(mut session) = world.open() else {
                        world.disk.process_death();
                        continue;
                    };
                    for i in 0..30 {
                        let len = 3000 + 100 * i;
                        if world.append(&mut session, len).is_err() {
                            break;
                        }
                        if i % 3 == 0 && session.log.wait_durable(session.log.appended()).is_err() {
                            break;
                        }
                    }
                    world.note_durable(&session);
                    if round == 0 && !world.appended.is_empty() {
                        let upto = world.appended.len() / 2;
                        world.from = world.appended[upto].end;
                        world.appended.drain(..=upto);
                        session.log.release(world.from);
                        while session.step().is_ok_and(|p| p == ringwood_wal::Progress::Worked) {}
                    }
                    drop(session);
                    world.disk.process_death();
                    // With MarkClean the kept bytes stay visible: nothing is lost without a power loss, staging or not, since
                    // everything appended was kept or refused.
                    world.powered = op != FaultOp::Map;
                }
                world.disk.clear_faults();
                assert_eq!(world.session(3), Fate::Ended, "{op:?} after {after}");
                world.lose_power();
                assert_eq!(world.session(3), Fate::Ended, "{op:?} after {after}");
            }
        }
    }
}

#[test]
fn read_errors_in_recovery_are_errors_and_not_the_end_of_the_log() {
    let mut world = calm_world(4);
    let mut session = world.open().unwrap();
    for _ in 0..100 {
        world.append(&mut session, 2000).unwrap();
    }
    session.log.wait_durable(session.log.appended()).unwrap();
    drop(session);
    world.disk.process_death();
    for after in 0.. {
        world.disk.clear_faults();
        world.disk.fail_next(FaultPlan::once(FaultOp::Read, EIO).after(after));
        match Session::open(&world.disk(), Path::new(DIR), small(), 0) {
            Err(error) => assert!(error.to_string().contains("cannot read"), "{error}"),
            Ok(session) => {
                assert!(after > 3, "only {after} reads");
                assert_eq!(session.replayed.len(), 100);
                break;
            }
        }
    }
}

/// Random errors of all kinds and crashes together: what was promised is there once the errors stop.
#[test]
fn errors_and_crashes_together() {
    for_each_seed(500, |seed| {
        let mut world = World::new(seed, SimConfig::default());
        for _ in 0..5 {
            world.disk.configure(|c| {
                c.write_error = 0.005;
                c.sync_error = 0.01;
                c.dir_sync_error = 0.02;
                c.read_error = 0.002;
                c.error_persists = 0.2;
            });
            let cut = world.rng.below(500);
            world.disk.crash_after(cut);
            let result = world.open();
            if let Ok(mut session) = result {
                for _ in 0..50 {
                    let len = world.size();
                    if world.append(&mut session, len).is_err() {
                        break;
                    }
                    if world.rng.one_in(5) && session.log.wait_durable(session.log.appended()).is_err() {
                        break;
                    }
                }
                world.note_durable(&session);
            }
            world.crash();
            world.disk.clear_faults();
        }
        world.disk.configure(|c| {
            c.write_error = 0.0;
            c.sync_error = 0.0;
            c.dir_sync_error = 0.0;
            c.read_error = 0.0;
        });
        assert_eq!(world.session(10), Fate::Ended);
        world.crash();
        assert_eq!(world.session(0), Fate::Ended);
    });
}

#[test]
fn death_is_not_mistaken_for_a_disk_error() {
    let mut world = calm_world(6);
    let mut session = world.open().unwrap();
    world.disk.crash_after(0);
    let end = session.append(b"x");
    let error: WalError = session.log.wait_durable(end).unwrap_err();
    assert!(is_death(&error));
}
