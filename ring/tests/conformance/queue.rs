//! Pushing, submitting, reaping.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ringwood_ring::{Class, Op, Owner, PAGE};

use crate::harness::{Backend, all, assert_entries, one, sync};

pub fn a_full_lane_gives_the_operation_back(b: &Backend) {
    let file = b.filled("f", 1, 1);
    // 3 is rounded up to 4.
    let mut lane = b.pooled(3);
    assert_eq!((lane.depth(), lane.room()), (4, 4));
    for i in 0..4 {
        lane.push(i, b.read(&file, 0, 1)).unwrap();
    }
    let back = lane.push(4, b.read(&file, 0, 1)).expect_err("no room");
    assert!(back.into_buf().is_some());
    // Submitting makes no room; only reaping does.
    lane.submit().unwrap();
    assert_eq!((lane.room(), lane.in_flight()), (0, 4));
    assert_eq!(all(&mut *lane).len(), 4);
}

pub fn reap_waits_for_as_many_as_asked(b: &Backend) {
    let file = b.filled("f", 8, 1);
    let mut lane = b.lane(Class::Compaction, 16, Owner::Thread);
    for round in 0..20 {
        let (mut out, mut reaped) = (Vec::new(), 0);
        for i in 0..8 {
            lane.push(i, b.read(&file, i as usize, 1)).unwrap();
        }
        let min = 1 + round % 8;
        while lane.in_flight() > 0 {
            let (at_hand, before) = (lane.in_flight(), out.len());
            let count = lane.reap(min, &mut out).unwrap();
            assert_eq!(out.len() - before, count);
            assert!(count >= min.min(at_hand), "{count} of {min}");
            assert_eq!(lane.in_flight(), at_hand - count);
            reaped += count;
        }
        assert_eq!(reaped, 8);
        for c in out {
            assert_eq!(c.buf.unwrap().as_slice()[0], c.token as u8 + 1);
        }
    }
}

pub fn a_lane_with_nothing_in_flight_does_not_wait(b: &Backend) {
    let mut lane = b.pooled(2);
    let mut out = Vec::new();
    assert_eq!(lane.reap(5, &mut out).unwrap(), 0);
    assert_eq!(lane.reap(0, &mut out).unwrap(), 0);
    lane.submit().unwrap();
    assert_eq!(b.disk.counters().snapshot().total().enters, 0, "and makes no system call");
}

pub fn a_deep_batch_completes_each_once(b: &Backend) {
    const PAGES: u64 = 200;
    let file = b.filled("f", PAGES as usize, 0);
    for owner in [Owner::Pool, Owner::Thread] {
        let mut lane = b.lane(Class::Scan, 256, owner);
        // The first use of a lane may register buffers; that is no enter, but let it be out of the way.
        one(&mut *lane, b.read(&file, 0, 1)).result.unwrap();
        let before = b.disk.counters().snapshot();
        for i in 0..PAGES {
            lane.push(1000 + i, b.read(&file, i as usize, 1)).unwrap();
        }
        let mut seen = HashSet::new();
        for c in all(&mut *lane) {
            assert_eq!(c.result.unwrap(), PAGE);
            assert!(seen.insert(c.token), "{} twice", c.token);
            assert_eq!(c.buf.unwrap().as_slice()[PAGE - 1], (c.token - 1000) as u8);
        }
        assert_eq!(seen.len() as u64, PAGES);
        let counts = *b.disk.counters().snapshot().since(&before).class(Class::Scan);
        assert_eq!(counts.reads, PAGES);
        assert_entries(&counts, PAGES);
        if b.is_uring() {
            assert_eq!(counts.enters, 1 + counts.retries, "one call for all of them");
        }
    }
}

pub fn submitted_work_goes_on_until_reaped(b: &Backend) {
    let file = b.filled("f", 4, 1);
    for (class, owner) in
        [(Class::Log, Owner::Thread), (Class::Flush, Owner::Thread), (Class::Get, Owner::Pool)]
    {
        let mut lane = b.lane(class, 8, owner);
        let mut ops = vec![(0, b.write(&file, 1, 1, 50)), (1, sync(&file))];
        assert!(lane.push_chain(&mut ops));
        lane.submit().unwrap();
        assert_eq!(lane.in_flight(), 2);
        // Polling alone brings everything home: a reap that does not wait still lets the chain go on.
        let mut out = Vec::new();
        let mut polls = 0u64;
        while lane.in_flight() > 0 {
            lane.reap(0, &mut out).unwrap();
            polls += 1;
            assert!(polls < 50_000_000, "a submitted chain stands still");
        }
        assert_eq!(out.iter().map(|c| c.token).collect::<Vec<_>>(), [0, 1]);
    }
}

pub fn unaligned_operations_are_bugs(b: &Backend) {
    let file = b.filled("f", 2, 1);
    let mut lane = b.pooled(4);
    let bad = |offset: u64, len: usize| Op::Read { file: file.clone(), offset, buf: b.buf(1, 0), len };
    for (offset, len) in [(512, PAGE), (0, 512), (0, 0), (0, 2 * PAGE)] {
        let push = catch_unwind(AssertUnwindSafe(|| lane.push(0, bad(offset, len)).is_ok()));
        assert!(push.is_err(), "{len} bytes at {offset}");
    }
    one(&mut *lane, bad(0, PAGE)).result.unwrap();
}
