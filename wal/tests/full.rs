//! A full disk, and a log that has reached its bound: appends are refused cleanly, nothing accepted is in danger, and writing goes
//! on when there is room again, without reopening.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::path::Path;

use common::world::{DIR, Fate, World};
use common::{Session, pattern, small};
use ringwood_ring::{FaultOp, FaultPlan, PAGE, SimConfig};
use ringwood_wal::{WalError, WalErrorKind, WalOptions};

const SEGMENT: u64 = (64 << 10) + PAGE as u64;
const STAGING: u64 = (128 << 10) + PAGE as u64;

fn world(seed: u64) -> World {
    let mut world = World::new(seed, SimConfig::calm());
    world.options = WalOptions { segment_bytes_max: 64 << 10, ..small() };
    world
}

/// Appends until the log refuses; returns the error.
fn fill(world: &mut World, session: &mut Session) -> WalError {
    loop {
        let len = 1500;
        let before = world.appended.len();
        let position = session.appender.position();
        let tag = world.next_tag;
        match session.appender.append(&[&pattern(tag, len)]) {
            Ok(end) => {
                world.next_tag += 1;
                world.appended.push(common::world::Batch { start: position, end, tag, len });
            }
            Err(error) => {
                assert_eq!(world.appended.len(), before);
                assert_eq!(session.appender.position(), position, "a refused batch left something");
                return error;
            }
        }
    }
}

#[test]
fn a_full_disk_refuses_appends_and_takes_them_again_later() {
    let mut world = world(1);
    let mut session = world.open().unwrap();
    // Room for the staging file and two and a half segments.
    world.disk.set_capacity(STAGING + 2 * SEGMENT + SEGMENT / 2);
    let error = fill(&mut world, &mut session);
    assert_eq!(error.kind(), WalErrorKind::Full);
    assert!(error.to_string().contains("No space left"), "{error}");
    assert!(session.log.full().is_some());
    // Not poisoned: all that was accepted can be made durable.
    assert!(session.log.poisoned().is_none());
    session.log.wait_durable(session.log.appended()).unwrap();
    // A smaller one may still fit.
    session.append(b"");
    assert_eq!(fill(&mut world, &mut session).kind(), WalErrorKind::Full);
    world.disk.set_capacity(1 << 30);
    for i in 0..100 {
        session.append_durable(&pattern(i, 3000));
    }
    assert!(session.log.full().is_none());
}

#[test]
fn released_segments_make_room_on_a_full_disk() {
    let mut world = world(2);
    let mut session = world.open().unwrap();
    world.disk.set_capacity(STAGING + 3 * SEGMENT);
    assert_eq!(fill(&mut world, &mut session).kind(), WalErrorKind::Full);
    for _ in 0..20 {
        session.log.wait_durable(session.log.appended()).unwrap();
        session.log.release(session.log.appended() - (70 << 10));
        let before = session.log.appended();
        assert_eq!(fill(&mut world, &mut session).kind(), WalErrorKind::Full);
        assert!(session.log.appended() >= before + (60 << 10), "the released segment was not used again");
    }
    let stats = session.log.stats();
    assert!(stats.segments_recycled >= 19, "{stats:?}");
    assert_eq!(stats.segments_created, 3, "{stats:?}");
}

#[test]
fn the_log_is_bounded() {
    let mut world = world(3);
    world.options.log_bytes_max = 5 * SEGMENT;
    let mut session = world.open().unwrap();
    for _ in 0..10 {
        let error = fill(&mut world, &mut session);
        assert_eq!(error.kind(), WalErrorKind::Full);
        assert!(error.to_string().contains("log_bytes_max"), "{error}");
        let stats = session.log.stats();
        assert!(stats.segments <= 5, "{stats:?}");
        assert!(stats.disk_bytes <= 7 * SEGMENT + (132 << 10), "{stats:?}");
        session.log.wait_durable(session.log.appended()).unwrap();
        session.log.release(session.log.appended());
    }
}

#[test]
fn a_batch_that_runs_out_of_room_half_way_is_given_up_whole() {
    let mut world = world(4);
    for round in 0..2 {
        let mut session = world.open().unwrap();
        world.append(&mut session, 100).unwrap();
        // Larger than all the room there is: some of its fragments are written before that shows.
        world.disk.set_capacity(6 * SEGMENT);
        let before = session.appender.position();
        let error = session.appender.append(&[&pattern(9, 1 << 20)]).unwrap_err();
        assert_eq!(error.kind(), WalErrorKind::Full);
        assert!(session.appender.position() > before, "round {round}");
        world.disk.set_capacity(1 << 30);
        if round == 0 {
            // The fragments are the end of the log: cut off.
            drop(session);
            world.disk.process_death();
            continue;
        }
        // The next batches follow the fragments; replay leaves those out.
        let expected = world.appended.len() + 3;
        world.append(&mut session, 10).unwrap();
        world.append(&mut session, 100_000).unwrap();
        world.append(&mut session, 20).unwrap();
        session.appender.close().unwrap();
        drop(session);
        let session = world.open().unwrap();
        assert_eq!(session.replayed.len(), expected);
        assert!(session.report.closed);
    }
}

#[test]
fn a_failed_try_for_a_segment_does_not_change_how_the_next_is_made() {
    let mut world = world(7);
    let mut session = world.open().unwrap();
    world.disk.set_capacity(STAGING + 3 * SEGMENT + SEGMENT / 2);
    for _ in 0..3 {
        assert_eq!(fill(&mut world, &mut session).kind(), WalErrorKind::Full);
    }
    let filled = session.log.stats().segments_filled;
    world.disk.set_capacity(1 << 30);
    for _ in 0..20 {
        world.append(&mut session, 10_000).unwrap();
    }
    // Nobody asked for a sync: none has to be filled.
    let stats = session.log.stats();
    assert!(stats.segments_created >= 5, "{stats:?}");
    assert_eq!(stats.segments_filled, filled, "{stats:?}");
}

/// The second batch's first record says that the one before it was given up. A crash cuts the second one off, and with it that word.
#[test]
fn two_batches_in_a_row_that_run_out_of_room_are_both_given_up() {
    let mut world = world(6);
    let mut session = world.open().unwrap();
    world.append(&mut session, 100).unwrap();
    world.disk.set_capacity(6 * SEGMENT);
    let first = session.appender.position();
    for _ in 0..2 {
        let before = session.appender.position();
        let error = session.appender.append(&[&pattern(9, 1 << 20)]).unwrap_err();
        assert_eq!(error.kind(), WalErrorKind::Full);
        assert!(session.appender.position() > before, "nothing of the batch was written");
        // Some room comes back, which is too little again.
        world.disk.set_capacity(10 * SEGMENT);
    }
    drop(session);
    world.disk.process_death();
    world.disk.set_capacity(1 << 30);
    // The run that the first of these openings begins continues the one with the fragments.
    for opening in 0..3 {
        let mut session = world.open().unwrap();
        assert_eq!(session.replayed.len(), world.appended.len(), "opening {opening}");
        assert!(session.appender.position() > first);
        world.append(&mut session, 10).unwrap();
        drop(session);
        world.disk.process_death();
    }
}

#[test]
fn a_full_disk_at_opening_recovers_everything_and_says_that_it_is_full() {
    let mut world = world(5);
    let mut session = world.open().unwrap();
    for _ in 0..20 {
        world.append(&mut session, 1000).unwrap();
    }
    drop(session);
    world.disk.process_death();
    world.disk.set_capacity(0);
    let mut session = world.open().unwrap();
    assert_eq!(session.replayed.len(), 20);
    assert!(session.report.full.as_ref().is_some_and(|f| f.contains("No space")), "{:?}", session.report);
    assert_eq!(session.appender.append(&[b"x"]).unwrap_err().kind(), WalErrorKind::Full);
    // Again, after a crash in this state.
    drop(session);
    world.lose_power();
    let mut session = world.open().unwrap();
    assert_eq!(session.replayed.len(), 20);
    world.disk.set_capacity(1 << 30);
    session.append_durable(b"x");
    drop(session);
    let session = Session::open(&world.disk(), Path::new(DIR), small(), 0).unwrap();
    assert_eq!(session.replayed.len(), 21);
}

#[test]
fn a_full_disk_at_opening_uses_the_segment_that_lay_ready() {
    let mut world = world(6);
    let mut session = world.open().unwrap();
    // More than half of the first segment: the second is prepared.
    for _ in 0..40 {
        world.append(&mut session, 1000).unwrap();
    }
    session.log.wait_durable(session.log.appended()).unwrap();
    session.settle();
    assert_eq!(session.log.stats().segments, 2);
    drop(session);
    world.disk.process_death();
    world.disk.set_capacity(0);
    let mut session = world.open().unwrap();
    assert_eq!(session.report.full, None);
    world.append(&mut session, 1000).unwrap();
    session.log.wait_durable(session.log.appended()).unwrap();
}

#[test]
fn every_capacity_is_survived() {
    for pages in 0..110 {
        let mut world = world(pages);
        world.disk.set_capacity(pages * PAGE as u64);
        for round in 0..3 {
            let Ok(mut session) = world.open() else {
                // Without room for a first segment a new store may or may not open; it must later.
                world.disk.process_death();
                continue;
            };
            let error = fill(&mut world, &mut session);
            assert_eq!(error.kind(), WalErrorKind::Full, "{pages} pages, round {round}: {error}");
            session.log.wait_durable(session.log.appended()).unwrap();
            world.note_durable(&session);
            drop(session);
            world.crash();
        }
        world.disk.set_capacity(1 << 30);
        assert_eq!(world.session(20), Fate::Ended, "{pages} pages");
    }
}

#[test]
fn too_many_open_files_pass_too() {
    let mut world = world(7);
    let mut session = world.open().unwrap();
    world.disk.fail_next(FaultPlan::once(FaultOp::Create, 24).persistent());
    let error = fill(&mut world, &mut session);
    assert_eq!(error.kind(), WalErrorKind::Full);
    assert!(error.to_string().contains("open-file limit"), "{error}");
    world.disk.clear_faults();
    for i in 0..100 {
        session.append_durable(&pattern(i, 3000));
    }
}
