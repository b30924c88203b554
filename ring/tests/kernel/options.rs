//! Options: polling, restriction, lingering.

use std::time::Duration;

use ringwood_ring::{Arena, Class, Disk, Owner, PAGE, Restrict, UringConfig, UringDisk};

use crate::harness::{Backend, all, chain, one, sync};

fn backend(config: UringConfig, feature: &str) -> Option<Backend> {
    let disk = match UringDisk::new(Arena::new(4 << 20).unwrap(), config) {
        Ok(disk) => disk,
        Err(e) => {
            println!("skipped: {e}");
            return None;
        }
    };
    if !disk.caps().features.contains(&feature) {
        println!("skipped: no {feature}: {:?}", disk.caps());
        return None;
    }
    Some(Backend::of("uring", disk))
}

/// Chains, batches, failures, both kinds of owner.
fn works(b: &Backend) {
    let file = b.filled("f", 64, 0);
    for (class, owner) in
        [(Class::Log, Owner::Thread), (Class::Get, Owner::Pool), (Class::Compaction, Owner::Thread)]
    {
        let mut lane = b.lane(class, 64, owner);
        for round in 0..20 {
            let ops =
                vec![b.write(&file, 3, 2, round), b.write(&file, 4, 1, 77), sync(&file), b.read(&file, 4, 1)];
            assert_eq!(chain(&mut *lane, ops), [Ok(2 * PAGE), Ok(PAGE), Ok(0), Ok(PAGE)]);
        }
        let broken = vec![b.read(&file, 1000, 1), sync(&file)];
        assert_eq!(chain(&mut *lane, broken), [Ok(0), Err(libc::ECANCELED)]);
        for page in 8..64 {
            lane.push(page as u64, b.read(&file, page, 1)).unwrap();
        }
        for done in all(&mut *lane) {
            assert_eq!(done.buf.unwrap().as_slice()[1], done.token as u8);
        }
        for page in 8..64 {
            lane.push(page as u64, b.read(&file, page, 1)).unwrap();
        }
        lane.submit().unwrap();
        drop(lane);
        assert_eq!(b.disk.arena().allocated(), 0);
    }
    assert_eq!(b.fills(&file, 3, 2), [19, 77]);
}

#[test]
fn a_polled_queue_works_and_saves_calls() {
    let config = UringConfig { sqpoll: Some(Duration::from_millis(20)), ..UringConfig::default() };
    let Some(b) = backend(config, "sqpoll") else {
        return;
    };
    works(&b);
    let counts = b.disk.counters().snapshot().total();
    assert!(counts.enters < counts.sqes, "{counts:?}");
    // The thread sleeps after a while, and is woken by the next submission.
    std::thread::sleep(Duration::from_millis(60));
    let file = b.filled("g", 1, 5);
    let mut lane = b.pooled(2);
    assert_eq!(one(&mut *lane, b.read(&file, 0, 1)).result.unwrap(), PAGE);
}

#[test]
fn rings_are_restricted_unless_that_is_not_wanted() {
    let Some(b) = backend(UringConfig::default(), "restricted") else {
        return;
    };
    works(&b);
    let off = UringConfig { restrict: Restrict::Off, ..UringConfig::default() };
    let disk = UringDisk::new(Arena::new(1 << 20).unwrap(), off).unwrap();
    assert!(!disk.caps().features.contains(&"restricted"));
}

#[test]
fn a_restricted_ring_does_all_a_store_needs() {
    let config = UringConfig { restrict: Restrict::Required, ..UringConfig::default() };
    let Some(b) = backend(config, "restricted") else {
        return;
    };
    works(&b);
    let counts = b.disk.counters().snapshot().total();
    if b.disk.caps().features.contains(&"fixed buffers cloned") {
        assert_eq!(counts.plain, 0, "registration is not restricted away");
    }
}

#[test]
fn background_lanes_wait_for_batches() {
    let config = UringConfig { linger: Some(Duration::from_millis(5)), ..UringConfig::default() };
    let Some(b) = backend(config, "min_wait") else {
        return;
    };
    let file = b.filled("f", 200, 0);
    let mut lane = b.lane(Class::Compaction, 256, Owner::Thread);
    for page in 0..200 {
        lane.push(page as u64, b.read(&file, page, 1)).unwrap();
    }
    let mut out = Vec::new();
    while lane.in_flight() > 0 {
        assert!(lane.reap(1, &mut out).unwrap() > 0);
    }
    assert_eq!(out.len(), 200);
    let enters = b.disk.counters().snapshot().class(Class::Compaction).enters;
    assert!(enters <= 40, "{enters} enters for 200 reads, one at a time");
    // And with one in flight there is nothing to linger for.
    let mut lane = b.lane(Class::Flush, 2, Owner::Thread);
    one(&mut *lane, b.read(&file, 0, 1)).result.unwrap();
}

/// Why the log's lanes have other flags than the rest: their owner forms the next group while a chain goes on by itself.
#[test]
fn a_chain_of_the_log_advances_while_its_owner_does_something_else() {
    let Some(b) = crate::harness::uring() else { return };
    let file = b.filled("log", 4, 0);
    let mut lane = b.lane(Class::Log, 8, Owner::Thread);
    let mut ops = vec![(0, b.write(&file, 1, 1, 9)), (1, sync(&file))];
    assert!(lane.push_chain(&mut ops));
    lane.submit().unwrap();
    let mut out = Vec::new();
    for _ in 0..5000 {
        std::thread::sleep(Duration::from_millis(1));
        // On these rings, looking is no system call.
        if lane.reap(0, &mut out).unwrap() > 0 && lane.in_flight() == 0 {
            break;
        }
    }
    assert_eq!(out.len(), 2, "write and sync are done");
    let counts = *b.disk.counters().snapshot().class(Class::Log);
    assert_eq!((counts.enters, counts.sqes), (1, 2), "with the one call that submitted them");
}
