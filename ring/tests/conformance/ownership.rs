//! Who owns buffers, files and lanes.

use std::sync::Arc;

use ringwood_ring::{Class, LanePool, Op, Owner, PAGE};

use crate::harness::{Backend, all, arena, one, sync};

pub fn dropping_a_lane_frees_its_buffers(b: &Backend) {
    let file = b.filled("f", 64, 0);
    for (class, owner) in
        [(Class::Get, Owner::Pool), (Class::Flush, Owner::Thread), (Class::Log, Owner::Thread)]
    {
        for round in 0..10 {
            let mut lane = b.lane(class, 128, owner);
            for i in 0..64 {
                lane.push(i, b.read(&file, i as usize, 1)).unwrap();
            }
            let mut ops = vec![(64, b.write(&file, 70, 4, 3)), (65, sync(&file))];
            assert!(lane.push_chain(&mut ops));
            lane.submit().unwrap();
            if round % 2 == 0 {
                let mut some = Vec::new();
                lane.reap(5, &mut some).unwrap();
            }
            drop(lane);
            assert_eq!(b.disk.arena().allocated(), 0, "a dropped lane holds no buffers");
        }
    }
}

pub fn what_was_never_submitted_is_never_done(b: &Backend) {
    let file = b.filled("f", 1, 1);
    let mut lane = b.pooled(4);
    lane.push(0, b.write(&file, 0, 1, 99)).unwrap();
    drop(lane);
    assert_eq!(b.disk.arena().allocated(), 0);
    assert_eq!(b.fills(&file, 0, 1), [1]);
}

pub fn buffers_of_another_arena_work(b: &Backend) {
    let file = b.filled("f", 1, 42);
    let mut lane = b.pooled(4);
    let other = arena(1 << 20);
    let op = Op::Read { file, offset: 0, buf: other.alloc(PAGE).unwrap(), len: PAGE };
    let before = b.disk.counters().snapshot();
    let done = one(&mut *lane, op);
    assert_eq!(done.result.unwrap(), PAGE);
    assert!(done.buf.unwrap().as_slice().iter().all(|&x| x == 42));
    let counts = b.disk.counters().snapshot().since(&before).total();
    assert_eq!((counts.plain, counts.fixed), (1, 0), "only the disk's own memory can be registered");
}

pub fn an_open_file_outlives_its_name(b: &Backend) {
    let file = b.filled("f", 2, 5);
    let mut lane = b.pooled(4);
    lane.push(0, b.read(&file, 0, 2)).unwrap();
    b.disk.remove(file.path()).unwrap();
    drop(file);
    let done = all(&mut *lane);
    assert_eq!(*done[0].result.as_ref().unwrap(), 2 * PAGE);
    assert_eq!(done[0].buf.as_ref().unwrap().as_slice()[PAGE], 6);
}

pub fn many_threads_share_a_pool(b: &Backend) {
    const THREADS: u64 = 8;
    let file = b.filled("f", 64, 0);
    let pool = LanePool::new(Arc::clone(&b.disk), Class::Get, 16, 3);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (pool, file) = (Arc::clone(&pool), file.clone());
            scope.spawn(move || {
                for round in 0..50u64 {
                    let mut lane = pool.checkout().unwrap();
                    assert_eq!(lane.in_flight(), 0, "a lane out of the pool is idle");
                    let pages: Vec<u64> = (0..10).map(|i| (thread * 7 + round * 13 + i * 5) % 64).collect();
                    for &page in &pages {
                        lane.push(page, b.read(&file, page as usize, 1)).unwrap();
                    }
                    let mut out = Vec::new();
                    // Now and then leave some behind: the guard brings them home.
                    let min = if round % 5 == 0 { 3 } else { pages.len() };
                    lane.reap(min, &mut out).unwrap();
                    for c in out {
                        assert_eq!(c.buf.unwrap().as_slice()[7], c.token as u8);
                    }
                }
            });
        }
    });
    assert_eq!(b.disk.arena().allocated(), 0);
}

pub fn lanes_do_not_see_each_other(b: &Backend) {
    let file = b.filled("f", 16, 0);
    let mut lanes: Vec<_> = (0..4).map(|_| b.pooled(8)).collect();
    for (i, lane) in lanes.iter_mut().enumerate() {
        for page in 0..4 {
            lane.push((i * 100 + page) as u64, b.read(&file, i * 4 + page, 1)).unwrap();
        }
        lane.submit().unwrap();
    }
    for (i, lane) in lanes.iter_mut().enumerate().rev() {
        for c in all(&mut **lane) {
            let page = c.token as usize % 100;
            assert_eq!(c.token as usize / 100, i);
            assert_eq!(c.buf.unwrap().as_slice()[0] as usize, i * 4 + page);
        }
    }
}
