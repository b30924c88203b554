//! Counters: what was done, exactly.

use ringwood_ring::{Class, ClassCounts, OpenOptions, Owner, PAGE};

use crate::harness::{Backend, all, assert_entries, chain, one, sync};

fn counted(b: &Backend, class: Class, work: impl FnOnce()) -> ClassCounts {
    let before = b.disk.counters().snapshot();
    work();
    let after = b.disk.counters().snapshot().since(&before);
    assert_eq!(after.total(), *after.class(class), "all of it under its own class");
    *after.class(class)
}

pub fn counters_add_up(b: &Backend) {
    let file = b.filled("f", 4, 1);
    let mut lane = b.lane(Class::Compaction, 8, Owner::Thread);
    let counts = counted(b, Class::Compaction, || {
        for i in 0..4 {
            lane.push(i, b.read(&file, i as usize, 1)).unwrap();
        }
        lane.push(4, b.write(&file, 4, 2, 1)).unwrap();
        all(&mut *lane);
        lane.push(5, sync(&file)).unwrap();
        all(&mut *lane);
    });
    assert_eq!((counts.reads, counts.writes, counts.syncs), (4, 1, 1));
    assert_eq!((counts.read_bytes, counts.write_bytes), (4 * PAGE as u64, 2 * PAGE as u64));
    assert_eq!(counts.fixed + counts.plain, 5);
    assert_entries(&counts, 6);
    assert_eq!((counts.failed, counts.chains), (0, 0));
    if b.is_uring() {
        assert_eq!(counts.enters, 2 + counts.retries);
    }
}

pub fn a_commit_is_one_chain(b: &Backend) {
    let file = b.filled("log", 8, 0);
    let mut lane = b.lane(Class::Log, 8, Owner::Thread);
    for page in 0..8 {
        let counts = counted(b, Class::Log, || {
            let results = chain(&mut *lane, vec![b.write(&file, page, 1, 7), sync(&file)]);
            assert_eq!(results, [Ok(PAGE), Ok(0)]);
        });
        assert_eq!((counts.chains, counts.writes, counts.syncs), (1, 1, 1));
        assert_entries(&counts, 2);
        if b.is_uring() {
            assert_eq!(counts.enters, 1 + counts.retries, "one enter, two entries");
        }
    }
}

pub fn failures_are_counted(b: &Backend) {
    let file = b.filled("f", 1, 1);
    let readonly = b.disk.open(file.path(), OpenOptions::READ).unwrap();
    let mut lane = b.pooled(8);
    let counts = counted(b, Class::Get, || {
        one(&mut *lane, b.write(&readonly, 0, 1, 1)).result.unwrap_err();
        let results = chain(&mut *lane, vec![b.write(&readonly, 0, 1, 1), sync(&file)]);
        assert!(results.iter().all(Result::is_err));
    });
    assert_eq!((counts.failed, counts.writes, counts.syncs, counts.write_bytes), (3, 0, 0, 0));
}
