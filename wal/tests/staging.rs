//! Staging: what `Buffered` writes cost and promise, with the mapping and without.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use common::world::{Fate, World, for_each_seed};
use common::{pattern, small};
use ringwood_ring::{Class, Disk, FaultOp, FaultPlan, SimConfig};
use ringwood_wal::WalOptions;

#[test]
fn an_append_makes_no_disk_operation() {
    let mut world = World::new(1, SimConfig::calm());
    world.options = small();
    let mut session = world.open().unwrap();
    let operations = world.disk.operations();
    for _ in 0..100 {
        world.append(&mut session, 200).unwrap();
    }
    assert_eq!(world.disk.operations(), operations);
    assert_eq!(session.log.kept(), session.log.appended());
    drop(session);
    world.disk.process_death();
    let session = world.open().unwrap();
    assert_eq!(session.replayed.len(), 100);
    assert!(session.report.staged_bytes > 100 * 200);
}

#[test]
fn buffered_appends_cost_less_than_a_hundredth_of_a_system_call() {
    let mut world = World::new(2, SimConfig::calm());
    world.options = WalOptions {
        unsynced_bytes_max: 512 << 10,
        segment_bytes_max: 1 << 20,
        staging_bytes: 1 << 20,
        ..WalOptions::default()
    };
    let mut session = world.open().unwrap();
    let record = pattern(1, 140);
    let count = 40_000;
    let mut append_all = || {
        let before = world.disk.counters().snapshot();
        for i in 0..count {
            // Waits for room now and then, and so steps the pump.
            session.append(&record);
            if i % 5000 == 0 {
                session.log.release(session.log.durable());
            }
        }
        session.settle();
        *world.disk.counters().snapshot().since(&before).class(Class::Log)
    };
    // Segments grow and are recycled.
    append_all();
    let steady = append_all();
    assert!(steady.enters * 500 < count, "{} enters for {count} appends", steady.enters);
    // The log's bytes, rounded up to pages, and little else.
    assert!(steady.write_bytes * 100 < 105 * 160 * count, "{} bytes", steady.write_bytes);
}

/// Staged bytes are written when they are old, though nobody asks and few have gathered.
#[test]
fn staged_bytes_are_drained_after_a_while() {
    let mut world = World::new(3, SimConfig::calm());
    world.options = small();
    let mut session = world.open().unwrap();
    world.append(&mut session, 100).unwrap();
    session.settle();
    let groups = session.log.stats().groups;
    world.disk.advance(49_000_000);
    session.settle();
    assert_eq!(session.log.stats().groups, groups, "too early");
    world.disk.advance(2_000_000);
    session.settle();
    let stats = session.log.stats();
    assert_eq!((stats.groups, stats.syncs), (groups + 1, 0));
    // Written, so not in staging only; but not synced, so not durable.
    assert!(session.log.durable() < session.log.appended());
}

#[test]
fn what_is_not_synced_for_long_is_synced_without_being_asked() {
    let mut world = World::new(4, SimConfig::calm());
    world.options = WalOptions { unsynced_bytes_max: 100 << 10, ..small() };
    let mut session = world.open().unwrap();
    for _ in 0..200 {
        world.append(&mut session, 2000).unwrap();
        session.settle();
        assert!(session.log.appended() - session.log.durable() < 140 << 10);
    }
}

#[test]
fn without_a_mapping_kept_means_written() {
    let mut world = World::new(5, SimConfig::calm());
    world.options = small();
    let map = FaultPlan::once(FaultOp::Map, 95).persistent();
    world.disk.fail_next(map);
    let mut session = world.open().unwrap();
    assert!(session.report.unmapped.is_some());
    world.append(&mut session, 100).unwrap();
    assert!(session.log.kept() < session.log.appended());
    session.log.wait_kept(session.log.appended()).unwrap();
    assert_eq!(session.log.kept(), session.log.appended());
    // A write, not a sync.
    assert_eq!(session.log.stats().syncs, 0);
    assert!(session.log.durable() < session.log.kept());
    drop(session);
    world.disk.process_death();
    assert_eq!(world.open().unwrap().replayed.len(), 1);
}

#[test]
fn without_a_mapping_whatever_was_kept_survives_the_process() {
    for_each_seed(400, |seed| {
        let mut world = World::new(seed, SimConfig::default());
        let map = FaultPlan::once(FaultOp::Map, 95).persistent();
        world.disk.fail_next(map);
        for _ in 0..5 {
            let cut = 30 + world.rng.below(300);
            world.disk.crash_after(cut);
            if let Ok(mut session) = world.open() {
                for _ in 0..60 {
                    let len = world.size();
                    if world.append(&mut session, len).is_err() {
                        break;
                    }
                    if world.rng.one_in(4) && session.log.wait_kept(session.log.appended()).is_err() {
                        break;
                    }
                    if world.rng.one_in(4) && session.step().is_err() {
                        break;
                    }
                }
                // What the process death must leave; `durable` is the truth's name for the lower bound.
                world.durable = world.durable.max(session.log.kept());
            }
            world.disk.process_death();
            world.powered = false;
        }
        assert_eq!(world.session(0), Fate::Ended);
    });
}
