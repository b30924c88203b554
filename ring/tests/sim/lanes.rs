//! Lanes: order, chains, whole transfers, counters, rules.

use std::collections::BTreeSet;

use ringwood_ring::{Class, Disk, LaneSpec, OpenOptions, Owner, PAGE, SimConfig};

use crate::support::*;

#[test]
fn what_is_written_is_read() {
    for seed in 0..50 {
        let disk = disk(seed);
        let mut lane = lane(&disk);
        let file = create(&disk, "/f");
        for page in 0..16u64 {
            lane.push(page, write(&file, page, 1, page as u8 + 1)).unwrap();
        }
        assert!(run_all(&mut *lane).iter().all(|c| c.result.as_ref().unwrap() == &PAGE));
        assert_eq!(disk.len(&file).unwrap(), 16 * PAGE as u64);
        let done = run(&mut *lane, read(&file, 3, 4));
        assert_eq!(*done.result.as_ref().unwrap(), 4 * PAGE);
        let buf = done.buf.unwrap();
        for page in 0..4 {
            assert!(buf.as_slice()[page * PAGE..][..PAGE].iter().all(|b| *b == page as u8 + 4));
        }
    }
}

#[test]
fn completions_come_in_every_order() {
    let mut orders = BTreeSet::new();
    for seed in 0..200 {
        let disk = disk_with(seed, SimConfig::calm());
        let mut lane = lane(&disk);
        let file = durable_file(&disk, "/f", 4, 1);
        for token in 0..3 {
            lane.push(token, read(&file, token, 1)).unwrap();
        }
        orders.insert(run_all(&mut *lane).iter().map(|c| c.token).collect::<Vec<_>>());
    }
    assert_eq!(orders.len(), 6);
}

#[test]
fn a_chain_runs_in_order_and_a_short_read_breaks_it() {
    for seed in 0..200 {
        let disk = disk(seed);
        let mut lane = lane(&disk);
        let file = durable_file(&disk, "/f", 1, 1);
        chain(&mut *lane, vec![read(&file, 0, 2), write(&file, 0, 1, 9), sync(&file)]);
        lane.push(10, read(&file, 0, 1)).unwrap();
        let done = run_all(&mut *lane);
        let of_chain: Vec<_> = done.iter().filter(|c| c.token < 10).collect();
        assert_eq!(of_chain.iter().map(|c| c.token).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(*of_chain[0].result.as_ref().unwrap(), PAGE);
        for cancelled in &of_chain[1..] {
            assert_eq!(cancelled.result.as_ref().unwrap_err().errno(), libc::ECANCELED);
        }
        assert!(of_chain[0].buf.is_some() && of_chain[1].buf.is_some());
        assert_eq!(bytes(&disk, "/f"), vec![1; PAGE], "a cancelled write touched the file");
    }
}

#[test]
fn a_failure_breaks_only_its_own_chain() {
    let disk = disk(1);
    let mut lane = lane(&disk);
    durable_file(&disk, "/f", 1, 1);
    let reader = disk.open("/f".as_ref(), OpenOptions::READ).unwrap();
    let writer = open(&disk, "/f");
    chain(&mut *lane, vec![write(&writer, 1, 1, 2), write(&reader, 2, 1, 3), sync(&writer)]);
    let mut other = vec![(20, write(&writer, 3, 1, 4)), (21, sync(&writer))];
    assert!(lane.push_chain(&mut other));
    let done = run_all(&mut *lane);
    let errno = |token: u64| {
        let done = done.iter().find(|c| c.token == token).unwrap();
        done.result.as_ref().map_or_else(|e| e.errno(), |_| 0)
    };
    assert_eq!([0, 1, 2, 20, 21].map(errno), [0, libc::EBADF, libc::ECANCELED, 0, 0]);
}

#[test]
fn short_transfers_and_retries_are_counted_and_never_seen() {
    let config = SimConfig { short_transfer: 0.6, retry: 0.5, ..SimConfig::default() };
    let disk = disk_with(3, config);
    let mut lane = lane(&disk);
    let file = create(&disk, "/f");
    for page in 0..8u64 {
        lane.push(page, write(&file, page * 4, 4, page as u8)).unwrap();
    }
    assert!(run_all(&mut *lane).iter().all(|c| *c.result.as_ref().unwrap() == 4 * PAGE));
    for page in 0..8u64 {
        assert_eq!(ok(&mut *lane, read(&file, page * 4, 4)), 4 * PAGE);
    }
    for (page, chunk) in bytes(&disk, "/f").chunks(4 * PAGE).enumerate() {
        assert!(chunk.iter().all(|b| *b == page as u8));
    }
    let counts = *disk.counters().snapshot().class(Class::Control);
    assert!(counts.short > 8 && counts.retries > 8, "{counts:?}");
    assert_eq!(counts.sqes, 16 + counts.short + counts.retries);
    assert_eq!((counts.writes, counts.reads, counts.failed), (8, 8, 0));
    assert_eq!(counts.write_bytes, 32 * PAGE as u64);
}

#[test]
fn a_chain_is_one_enter() {
    let disk = disk_with(3, SimConfig::calm());
    let mut lane = lane(&disk);
    let file = create(&disk, "/f");
    for _ in 0..10 {
        chain(&mut *lane, vec![write(&file, 0, 1, 1), sync(&file)]);
        assert_eq!(run_all(&mut *lane).len(), 2);
    }
    let counts = *disk.counters().snapshot().class(Class::Control);
    assert_eq!((counts.enters, counts.sqes, counts.chains, counts.syncs), (10, 20, 10, 10));
}

#[test]
fn a_reader_meets_the_end_of_the_file() {
    let disk = disk(5);
    let mut lane = lane(&disk);
    disk.write_raw("/f", &[7; 5000]).unwrap();
    let file = open(&disk, "/f");
    assert_eq!(ok(&mut *lane, read(&file, 0, 4)), 5000);
    assert_eq!(ok(&mut *lane, read(&file, 1, 1)), 5000 - PAGE);
    assert_eq!(ok(&mut *lane, read(&file, 2, 1)), 0);
}

#[test]
fn polling_ends() {
    let disk = disk(6);
    let mut lane = lane(&disk);
    let file = create(&disk, "/f");
    lane.push(1, write(&file, 0, 8, 1)).unwrap();
    lane.submit().unwrap();
    let mut done = Vec::new();
    let polls = (0..1000).position(|_| lane.reap(0, &mut done).unwrap() == 1);
    assert!(polls.is_some());
    assert_eq!(lane.reap(5, &mut done).unwrap(), 0, "nothing in flight: nothing to wait for");
}

#[test]
fn room_depth_and_return_of_buffers() {
    let disk = disk(7);
    let mut lane = lane_of(&disk, 3);
    assert_eq!((lane.depth(), lane.room(), lane.in_flight()), (4, 4, 0));
    let file = create(&disk, "/f");
    let before = disk.arena().allocated();
    for token in 0..4 {
        lane.push(token, write(&file, token, 1, 1)).unwrap();
    }
    let back = lane.push(9, read(&file, 0, 1)).unwrap_err();
    assert!(back.into_buf().is_some());
    let mut two = vec![(1, sync(&file)), (2, sync(&file))];
    assert!(!lane.push_chain(&mut two));
    assert_eq!(two.len(), 2);
    lane.submit().unwrap();
    assert_eq!(disk.arena().allocated(), before + 4 * PAGE);
    drop(lane);
    assert_eq!(disk.arena().allocated(), before);
    assert_eq!(disk.len(&file).unwrap(), 4 * PAGE as u64, "a dropped lane finishes what it submitted");
}

#[test]
#[should_panic(expected = "unaligned offset")]
fn an_unaligned_write_is_a_bug_of_the_caller() {
    let disk = disk(8);
    let file = create(&disk, "/f");
    let op = ringwood_ring::Op::Read { file, offset: 512, buf: buf(1, 0), len: PAGE };
    let _ = lane(&disk).push(1, op);
}

#[test]
fn a_lane_of_a_thread_refuses_another() {
    let disk = disk(9);
    let spec = LaneSpec { class: Class::Flush, depth: 4, owner: Owner::Thread };
    let mut lane = disk.lane(spec).unwrap();
    lane.submit().unwrap();
    let moved = std::thread::spawn(move || lane.submit().unwrap_err().to_string());
    assert!(moved.join().unwrap().contains("another thread"));
}

#[test]
fn lanes_of_many_threads_work_together() {
    let disk = disk(10);
    std::thread::scope(|scope| {
        for t in 0..4u8 {
            let disk = &disk;
            scope.spawn(move || {
                let mut lane = lane(disk);
                let file = create(disk, &format!("/f{t}"));
                for round in 0..50u64 {
                    chain(&mut *lane, vec![write(&file, round % 8, 2, t + 1), sync(&file)]);
                    assert!(run_all(&mut *lane).iter().all(|c| c.result.is_ok()));
                }
            });
        }
    });
    for t in 0..4u8 {
        assert_eq!(bytes(&disk, &format!("/f{t}")), vec![t + 1; 9 * PAGE]);
    }
}

#[test]
fn the_clock_goes_on_and_random_replays() {
    let (a, b) = (disk(11), disk(11));
    let draws = |d: &ringwood_ring::SimDisk| (0..5).map(|_| d.random()).collect::<Vec<_>>();
    assert_eq!(draws(&a), draws(&b));
    let before = a.now();
    let mut lane = lane(&a);
    let file = create(&a, "/f");
    ok(&mut *lane, write(&file, 0, 1, 1));
    let after = a.now();
    assert!(after > before + 10_000);
    a.advance(1_000_000_000);
    assert!(a.now() > after + 1_000_000_000);
}
