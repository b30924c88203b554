//! Groups: one chain for all who wait, nobody told too early.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use common::world::World;
use common::{STORE, pattern, place, place_on, small};
use ringwood_ring::{Class, Disk, IoChoice, SimConfig};
use ringwood_wal::{SyncMode, WalErrorKind, WalOptions, open};

#[test]
fn a_synced_group_is_one_chain_in_one_enter() {
    let mut world = World::new(1, SimConfig::calm());
    world.options = small();
    let mut session = world.open().unwrap();
    for members in [2, 7, 40] {
        for _ in 0..members {
            world.append(&mut session, 100).unwrap();
            session.log.want_durable(session.log.appended());
        }
        let before = world.disk.counters().snapshot();
        session.log.wait_durable(session.log.appended()).unwrap();
        let spent = world.disk.counters().snapshot().since(&before);
        let log = spent.class(Class::Log);
        assert_eq!(
            (log.enters, log.chains, log.sqes, log.writes, log.syncs),
            (1, 1, 2, 1, 1),
            "{members} batches"
        );
    }
}

#[test]
fn a_synced_group_is_one_operation_with_dsync() {
    let mut world = World::new(2, SimConfig::calm());
    world.options = WalOptions { sync_mode: SyncMode::Dsync, ..small() };
    let mut session = world.open().unwrap();
    world.append(&mut session, 100).unwrap();
    let before = world.disk.counters().snapshot();
    session.log.wait_durable(session.log.appended()).unwrap();
    let spent = world.disk.counters().snapshot().since(&before);
    let log = spent.class(Class::Log);
    assert_eq!((log.enters, log.chains, log.sqes, log.syncs), (1, 0, 1, 1));
    // After bytes that were written without sync, a durable write alone would not do.
    world.append(&mut session, 40_000).unwrap();
    session.settle();
    assert!(session.log.durable() < session.log.appended());
    world.append(&mut session, 100).unwrap();
    let before = world.disk.counters().snapshot();
    session.log.wait_durable(session.log.appended()).unwrap();
    let spent = world.disk.counters().snapshot().since(&before);
    assert_eq!(spent.class(Class::Log).chains, 1);
}

/// A group over the end of a segment: the first segment is synced before the second is written.
#[test]
fn a_group_over_a_segment_end_is_acknowledged_after_both_syncs() {
    let mut world = World::new(3, SimConfig::calm());
    world.options = WalOptions { segment_bytes_max: 64 << 10, drain_bytes: 64 << 10, ..small() };
    let mut session = world.open().unwrap();
    world.append(&mut session, 50_000).unwrap();
    session.log.wait_durable(session.log.appended()).unwrap();
    session.settle();
    world.append(&mut session, 30_000).unwrap();
    let before = session.log.stats().syncs;
    session.log.wait_durable(session.log.appended()).unwrap();
    assert_eq!(session.log.stats().syncs - before, 2);
    // Nothing of it is lost by any power loss.
    for image in 0..50 {
        let mut after = World {
            disk: world.disk.image(image),
            powered: false,
            durable: session.log.durable(),
            ..World::new(3, SimConfig::calm())
        };
        after.appended.clone_from(&world.appended);
        assert_eq!(after.open().unwrap().replayed.len(), 2);
    }
}

#[test]
fn threads_share_groups_and_are_told_only_what_is_durable() {
    let ways = [SyncMode::Auto, SyncMode::Chain, SyncMode::Dsync]
        .map(|mode| [IoChoice::Auto, IoChoice::Syscalls].map(|io| (mode, io)));
    for (sync_mode, io) in ways.concat() {
        let place = place_on(io);
        let options = WalOptions { sync_mode, ..WalOptions::default() };
        let opened = open(&place.disk, &place.dir, options.clone(), STORE, 0, &mut |_, _| Ok(())).unwrap();
        let (log, mut pump) = (opened.log, opened.pump);
        let log_thread = std::thread::spawn(move || pump.run());
        let appender = Arc::new(Mutex::new(opened.appender));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let (threads, each) = (8u64, 200u64);
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let (log, appender, acknowledged) =
                    (Arc::clone(&log), Arc::clone(&appender), Arc::clone(&acknowledged));
                scope.spawn(move || {
                    for i in 0..each {
                        let bytes = pattern(thread * 1000 + i, 1 + (i as usize * 37) % 400);
                        let end = appender.lock().unwrap().append(&[&bytes]).unwrap();
                        log.wait_durable(end).unwrap();
                        assert!(log.durable() >= end);
                        acknowledged.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(acknowledged.load(Ordering::Relaxed), threads * each);
        let stats = log.stats();
        assert_eq!(stats.records, threads * each);
        assert!(stats.groups <= stats.records && stats.syncs <= stats.groups + 2, "{stats:?}");
        let counted = place.disk.counters().snapshot();
        // One chain a group at most; the first segment's preparation has one of its own.
        assert!(counted.class(Class::Log).chains <= stats.groups + 2);
        appender.lock().unwrap().close().unwrap();
        log_thread.join().unwrap().unwrap();
        assert_eq!(appender.lock().unwrap().append(&[b"late"]).unwrap_err().kind(), WalErrorKind::Closed);
        let mut replayed = 0;
        open(&place.disk, &place.dir, options, STORE, 0, &mut |_, _| {
            replayed += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(replayed, threads * each);
    }
}

/// Appends from one thread without waiting, as fast as they go, through segment after segment.
#[test]
fn a_buffered_stream_flows_through_the_log_thread() {
    let place = place();
    let options = WalOptions { segment_bytes_max: 1 << 20, ..WalOptions::default() };
    let opened = open(&place.disk, &place.dir, options.clone(), STORE, 0, &mut |_, _| Ok(())).unwrap();
    let (log, mut pump, mut appender) = (opened.log, opened.pump, opened.appender);
    let log_thread = std::thread::spawn(move || pump.run());
    let batch = pattern(1, 3000);
    for i in 0..4000u64 {
        appender.append(&[&i.to_le_bytes(), &batch]).unwrap();
        if i % 500 == 499 {
            log.release(log.durable());
        }
    }
    let from = log.durable();
    appender.close().unwrap();
    log_thread.join().unwrap().unwrap();
    let stats = log.stats();
    assert_eq!(stats.records, 4000);
    assert!(stats.segments_recycled > 0, "{stats:?}");
    let mut last = None;
    open(&place.disk, &place.dir, options, STORE, from, &mut |_, bytes| {
        let number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
        assert!(last.is_none_or(|l| l + 1 == number));
        last = Some(number);
        Ok(())
    })
    .unwrap();
    assert_eq!(last, Some(3999));
}

/// The log thread sleeps deeply when nothing happens, and an append still gets drained soon, without anyone waiting for it.
#[test]
fn an_idle_log_thread_wakes_up_for_an_append() {
    let place = place();
    let opened = open(&place.disk, &place.dir, WalOptions::default(), STORE, 0, &mut |_, _| Ok(())).unwrap();
    let (log, mut pump, mut appender) = (opened.log, opened.pump, opened.appender);
    let log_thread = std::thread::spawn(move || pump.run());
    let gate = ringwood_ring::Gate::new();
    for pause_ms in [0, 1500] {
        gate.wait_timeout(std::time::Duration::from_millis(pause_ms), || false);
        let groups = log.stats().groups;
        appender.append(&[b"x"]).unwrap();
        let drained = (0..40).any(|_| {
            gate.wait_timeout(std::time::Duration::from_millis(50), || false);
            log.stats().groups > groups
        });
        assert!(drained, "after a pause of {pause_ms} ms");
    }
    log.close().unwrap();
    log_thread.join().unwrap().unwrap();
}

/// Nobody waits for ever for a log thread that is gone.
#[test]
fn a_lost_pump_is_told_to_those_who_wait() {
    for panics in [false, true] {
        let place = place();
        let opened = open(&place.disk, &place.dir, small(), STORE, 0, &mut |_, _| Ok(())).unwrap();
        let (log, mut appender, pump) = (opened.log, opened.appender, opened.pump);
        // Who is not alone waits for the log thread.
        log.want_durable(appender.append(&[b"x"]).unwrap());
        let end = appender.append(&[b"x"]).unwrap();
        let waiter = std::thread::spawn(move || log.wait_durable(end));
        let thread = std::thread::spawn(move || {
            let _pump = pump;
            assert!(!panics, "as if by a bug");
        });
        assert_eq!(thread.join().is_err(), panics);
        let expected = if panics { WalErrorKind::Poisoned } else { WalErrorKind::Closed };
        assert_eq!(waiter.join().unwrap().unwrap_err().kind(), expected);
        assert_eq!(appender.append(&[b"y"]).unwrap_err().kind(), expected);
    }
}

#[test]
fn dropping_everything_without_closing_is_fine() {
    let place = place();
    let opened = open(&place.disk, &place.dir, small(), STORE, 0, &mut |_, _| Ok(())).unwrap();
    let mut appender = opened.appender;
    appender.append(&[b"kept"]).unwrap();
    drop(opened.pump);
    drop(opened.log);
    drop(appender);
    let mut replayed = Vec::new();
    open(&place.disk, &place.dir, small(), STORE, 0, &mut |_, b| {
        replayed.push(b.to_vec());
        Ok(())
    })
    .unwrap();
    assert_eq!(replayed, [b"kept"]);
}
