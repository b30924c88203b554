//! Leading: a lone waiter writes its group itself; who is not alone is served by the log thread; and however a leader ends, nobody
//! hangs and nothing is in flight.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use common::world::World;
use common::{Place, STORE, pattern, place, place_on, small};
use ringwood_ring::{Class, ClassCounts, Disk, FaultOp, FaultPlan, Gate, IoChoice, SimConfig};
use ringwood_wal::{Appender, Lead, Log, Lsn, Progress, Result, SyncMode, WalErrorKind, WalOptions, open};

const EIO: i32 = 5;

fn world(seed: u64, sync_mode: SyncMode) -> World {
    let mut world = World::new(seed, SimConfig::calm());
    world.options = WalOptions { sync_mode, ..small() };
    world
}

/// What `work` cost the log.
fn cost(world: &World, work: impl FnOnce()) -> ClassCounts {
    let before = world.disk.counters().snapshot();
    work();
    *world.disk.counters().snapshot().since(&before).class(Class::Log)
}

#[test]
fn a_lone_waiter_writes_once_in_one_enter() {
    // Left to itself the log begins with a trial, the two ways in turn.
    let modes: [(SyncMode, [u64; 4]); 3] =
        [(SyncMode::Auto, [0, 1, 0, 1]), (SyncMode::Dsync, [0; 4]), (SyncMode::Chain, [1; 4])];
    for (mode, chains) in modes {
        let mut world = world(1, mode);
        let mut session = world.open().unwrap();
        for chains in chains {
            let end = session.append(&pattern(1, 100));
            let before = session.log.stats();
            let cost = cost(&world, || session.log.lead(end).unwrap().run().unwrap());
            assert_eq!(
                (cost.enters, cost.chains, cost.sqes, cost.writes, cost.syncs),
                (1, chains, 1 + chains, 1, 1),
                "{mode:?}"
            );
            assert_eq!(session.log.durable(), end);
            let after = session.log.stats();
            assert_eq!((after.groups, after.led_groups), (before.groups + 1, before.led_groups + 1));
            assert_eq!(after.syncs, before.syncs + 1);
            assert_eq!(
                (after.chains - before.chains, after.durable_writes - before.durable_writes),
                (chains, 1 - chains)
            );
        }
        // There is nothing left to lead for.
        assert!(session.log.lead(session.log.durable()).is_none());
        assert_eq!(session.step().unwrap(), Progress::Idle);
    }
}

#[test]
fn several_waiters_get_one_chain_in_one_enter_from_the_log_thread() {
    for waiters in [2, 16] {
        let mut world = world(2, SyncMode::Auto);
        let mut session = world.open().unwrap();
        for _ in 0..waiters {
            let end = session.append(&pattern(1, 100));
            session.log.want_durable(end);
        }
        let end = session.append(&pattern(1, 100));
        // Others wait: this is not ours.
        assert!(session.log.lead(end).is_none());
        let cost = cost(&world, || session.settle());
        assert_eq!(session.log.durable(), end);
        assert_eq!((cost.enters, cost.chains, cost.sqes, cost.writes, cost.syncs), (1, 1, 2, 1, 1));
        let stats = session.log.stats();
        assert_eq!((stats.groups, stats.led_groups, stats.chains, stats.durable_writes), (1, 0, 1, 0));
        // They will be back: the next group is the log thread's too. It turns out to be for one; who comes then leads.
        let end = session.append(b"x");
        assert!(session.log.lead(end).is_none());
        session.settle();
        let end = session.append(b"y");
        session.log.lead(end).unwrap().run().unwrap();
        assert_eq!(session.log.durable(), end);
    }
}

/// Bytes that were written without sync are durable only by a sync of the whole: a durable write of what comes after is not enough,
/// whoever makes it.
#[test]
fn a_leader_syncs_what_was_drained_before() {
    for mode in [SyncMode::Auto, SyncMode::Dsync] {
        let mut world = world(3, mode);
        let mut session = world.open().unwrap();
        world.append(&mut session, 40_000).unwrap();
        session.settle();
        assert!(session.log.durable() < session.log.appended(), "it was to be drained without sync");
        world.append(&mut session, 100).unwrap();
        let end = session.log.appended();
        let cost = cost(&world, || session.log.lead(end).unwrap().run().unwrap());
        assert_eq!((cost.enters, cost.chains, cost.sqes), (1, 1, 2), "{mode:?}");
        for image in 0..50 {
            let disk = world.disk.image(image);
            let mut after = World { disk, powered: false, durable: end, ..World::new(3, SimConfig::calm()) };
            after.appended.clone_from(&world.appended);
            assert_eq!(after.open().unwrap().replayed.len(), 2);
        }
    }
}

/// While a leader is at work the log thread writes no group, but goes on with segments; and a leader steps in while those are in flight.
#[test]
fn the_log_thread_prepares_segments_beside_a_leader() {
    let mut world = world(4, SyncMode::Auto);
    let mut session = world.open().unwrap();
    // Over half of the first segment: the log thread wants the next.
    session.append(&pattern(1, 40_000));
    let end = session.append(b"end");
    let log = Arc::clone(&session.log);
    let mut lead = log.lead(end).unwrap();
    let created = session.log.stats().segments_created;
    while session.log.stats().segments == 1 {
        session.step().unwrap();
        lead.step(false).unwrap();
    }
    assert_eq!(session.log.stats().segments_created, created + 1);
    while session.step().unwrap() != Progress::Idle {}
    lead.run().unwrap();
    assert_eq!(session.log.durable(), end);
    assert_eq!(session.log.stats().groups, 1);
}

#[test]
fn a_lead_that_is_dropped_half_way_ends_its_group() {
    let mut world = world(5, SyncMode::Auto);
    let mut session = world.open().unwrap();
    for steps in 0..3 {
        let end = session.append(&pattern(1, 5000));
        let mut lead = session.log.lead(end).unwrap();
        for _ in 0..steps {
            lead.step(false).unwrap();
        }
        drop(lead);
        if steps > 0 {
            assert_eq!(session.log.durable(), end);
        }
        session.settle();
        assert_eq!(session.log.durable(), end, "what was asked for is done by the log thread");
    }
}

#[test]
fn a_failure_under_a_leader_poisons_the_log_for_all() {
    for (mode, op, cause) in [
        (SyncMode::Auto, FaultOp::Write, "cannot write"),
        (SyncMode::Dsync, FaultOp::Sync, "cannot write"),
        (SyncMode::Chain, FaultOp::Sync, "cannot sync"),
    ] {
        let mut world = world(6, mode);
        let mut session = world.open().unwrap();
        let durable = session.append(b"before");
        session.log.lead(durable).unwrap().run().unwrap();
        world.disk.fail_next(FaultPlan::once(op, EIO).on(".log"));
        let end = session.append(b"lost?");
        let error = session.log.lead(end).unwrap().run().unwrap_err();
        assert_eq!(error.kind(), WalErrorKind::Poisoned);
        assert!(error.to_string().contains(cause), "{error}");
        assert_eq!(session.log.durable(), durable);
        // Never retried, by nobody, and everyone gets the same reason.
        let operations = world.disk.operations();
        assert!(session.log.lead(end).is_none());
        assert_eq!(session.log.wait_durable(end).unwrap_err().to_string(), error.to_string());
        assert_eq!(session.step().unwrap_err().to_string(), error.to_string());
        assert_eq!(session.appender.close().unwrap_err().to_string(), error.to_string());
        assert_eq!(world.disk.operations(), operations);
        session.log.wait_durable(durable).unwrap();
    }
}

/// What the log thread fails at while someone leads ends the log; the leader's own group may still succeed, and then counts.
#[test]
fn a_failure_of_the_log_thread_does_not_take_back_what_a_leader_made_durable() {
    let mut world = world(7, SyncMode::Auto);
    let mut session = world.open().unwrap();
    world.disk.fail_next(FaultPlan::once(FaultOp::SyncDir, EIO));
    session.append(&pattern(1, 40_000));
    let end = session.append(b"end");
    let log = Arc::clone(&session.log);
    let mut lead = log.lead(end).unwrap();
    lead.step(false).unwrap();
    while session.step().is_ok() {}
    lead.run().unwrap();
    assert_eq!(log.durable(), end);
    log.wait_durable(end).unwrap();
    assert_eq!(session.appender.append(&[b"more"]).unwrap_err().kind(), WalErrorKind::Poisoned);
}

/// A log on a real disk with its thread.
struct Running {
    log: Arc<Log>,
    appender: Mutex<Appender>,
    thread: Option<JoinHandle<Result<()>>>,
    place: Place,
}

impl Running {
    fn open(place: Place, options: WalOptions) -> Self {
        let opened = open(&place.disk, &place.dir, options, STORE, 0, &mut |_, _| Ok(())).unwrap();
        let mut pump = opened.pump;
        let thread = Some(std::thread::spawn(move || pump.run()));
        Self { log: opened.log, appender: Mutex::new(opened.appender), thread, place }
    }

    fn append(&self, bytes: &[u8]) -> Lsn {
        self.appender.lock().unwrap().append(&[bytes]).unwrap()
    }

    /// Appends and leads. The log thread may be awake just now and take the turn: then again.
    fn lead(&self) -> Lead<'_> {
        for _ in 0..100 {
            let end = self.append(b"led");
            if let Some(lead) = self.log.lead(end) {
                return lead;
            }
            until(|| self.log.durable() >= end);
        }
        panic!("the log thread is always first");
    }

    fn close(mut self) -> Place {
        self.log.close().unwrap();
        self.thread.take().unwrap().join().unwrap().unwrap();
        self.place
    }
}

fn pause(ms: u64) {
    Gate::new().wait_timeout(Duration::from_millis(ms), || false);
}

fn until(condition: impl Fn() -> bool) {
    assert!(
        (0..1000).any(|_| condition() || Gate::new().wait_timeout(Duration::from_millis(10), &condition))
    );
}

#[test]
fn closing_waits_for_a_leader() {
    let running = Running::open(place(), WalOptions::default());
    std::thread::scope(|scope| {
        let mut lead = running.lead();
        lead.step(false).unwrap();
        let closing = scope.spawn(|| running.log.close());
        pause(60);
        assert!(!closing.is_finished(), "closed under a leader");
        lead.run().unwrap();
        closing.join().unwrap().unwrap();
    });
    running.close();
}

#[test]
fn who_comes_while_another_leads_is_served_by_the_log_thread() {
    let running = Running::open(place(), WalOptions::default());
    std::thread::scope(|scope| {
        let mut lead = running.lead();
        lead.step(false).unwrap();
        let before = running.log.stats();
        let late: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let end = running.append(b"late");
                    running.log.wait_durable(end).unwrap();
                    assert!(running.log.durable() >= end);
                })
            })
            .collect();
        pause(60);
        assert!(late.iter().all(|l| !l.is_finished()), "two write at once");
        lead.run().unwrap();
        late.into_iter().for_each(|l| l.join().unwrap());
        let after = running.log.stats();
        assert_eq!(
            (after.groups, after.led_groups),
            (before.groups + 1, before.led_groups),
            "one for all three"
        );
        assert_eq!((after.chains, after.durable_writes), (before.chains + 1, before.durable_writes));
    });
    running.close();
}

#[test]
fn a_leader_that_panics_leaves_nobody_waiting() {
    let place = place();
    if place.disk.caps().backend != "io_uring" {
        // Elsewhere a step ends the group, and there is no half-way.
        return;
    }
    let mut running = Running::open(place, WalOptions::default());
    std::thread::scope(|scope| {
        let leader = scope.spawn(|| {
            let mut lead = running.lead();
            while lead.step(false).unwrap() {
                drop(lead);
                lead = running.lead();
            }
            pause(60);
            panic!("as if by a bug");
        });
        pause(30);
        let late = scope.spawn(|| {
            let end = running.append(b"late");
            running.log.wait_durable(end)
        });
        assert!(leader.join().is_err());
        assert_eq!(late.join().unwrap().unwrap_err().kind(), WalErrorKind::Poisoned);
    });
    assert_eq!(running.log.close().unwrap_err().kind(), WalErrorKind::Poisoned);
    let pumped = running.thread.take().unwrap().join().unwrap();
    assert_eq!(pumped.unwrap_err().kind(), WalErrorKind::Poisoned);
}

/// Before its group began it did nothing that could be in doubt.
#[test]
fn a_leader_that_panics_before_its_group_hands_over() {
    let running = Running::open(place(), WalOptions::default());
    std::thread::scope(|scope| {
        let leader = scope.spawn(|| {
            let _lead = running.lead();
            panic!("as if by a bug");
        });
        assert!(leader.join().is_err());
    });
    let end = running.log.appended();
    running.log.wait_durable(end).unwrap();
    running.close();
}

#[test]
fn one_thread_alone_needs_no_other() {
    for io in [IoChoice::Auto, IoChoice::Syscalls] {
        for sync_mode in [SyncMode::Auto, SyncMode::Chain, SyncMode::Dsync] {
            let running = Running::open(place_on(io), WalOptions { sync_mode, ..WalOptions::default() });
            for i in 0..200 {
                let end = running.append(&pattern(i, 100));
                running.log.wait_durable(end).unwrap();
            }
            let stats = running.log.stats();
            assert_eq!((stats.groups, stats.syncs), (200, 200), "{stats:?}");
            assert_eq!(stats.chains + stats.durable_writes, 200, "{stats:?}");
            assert!(stats.led_groups >= 180, "{stats:?}");
            running.close();
        }
    }
}

/// Threads that are alone at one time and not at another: both ways of writing, in turns, and every acknowledged batch is there.
#[test]
fn threads_come_and_go() {
    let running = Running::open(place(), WalOptions { segment_bytes_max: 1 << 20, ..small() });
    let (threads, each) = (4u64, 300u64);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let running = &running;
            scope.spawn(move || {
                let gate = Gate::new();
                for i in 0..each {
                    let bytes = pattern(thread * 1000 + i, (i as usize * 37) % 900);
                    let end = running.append(&bytes);
                    match (i + thread) % 4 {
                        0 => running.log.want_durable(end),
                        _ => running.log.wait_durable(end).unwrap(),
                    }
                    if i % 4 == 3 {
                        gate.wait_timeout(Duration::from_micros(200 * (thread + i % 5)), || false);
                    }
                    running.log.release(running.log.durable().saturating_sub(4 << 20));
                }
            });
        }
    });
    let stats = running.log.stats();
    assert!(stats.led_groups > 0 && stats.led_groups < stats.groups, "{stats:?}");
    let place = running.close();
    let mut replayed = 0;
    open(&place.disk, &place.dir, small(), STORE, 0, &mut |_, _| {
        replayed += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!(replayed, threads * each);
}
