//! Rings belong to threads and processes.

use ringwood_ring::{Class, IoErrorKind, Op, Owner, PAGE};

use crate::children::in_child;
use crate::harness::{all, one, sync, uring};

#[test]
fn a_lane_of_one_thread_refuses_another() {
    let Some(b) = uring() else { return };
    let file = b.filled("f", 1, 1);
    for class in [Class::Log, Class::Flush] {
        let mut lane = b.lane(class, 4, Owner::Thread);
        // Made and filled here, used first by that thread: it is that thread's.
        lane.push(1, b.read(&file, 0, 1)).unwrap();
        let mut lane = std::thread::scope(|s| {
            s.spawn(|| {
                assert_eq!(all(&mut *lane).len(), 1);
                lane
            })
            .join()
            .unwrap()
        });
        lane.push(2, b.read(&file, 0, 1)).unwrap();
        let error = lane.reap(1, &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), IoErrorKind::Failed);
        assert!(error.to_string().contains("belongs to"), "{error}");
        assert!(lane.submit().is_err());
        assert_eq!(lane.in_flight(), 1);
        drop(lane);
        assert_eq!(b.disk.arena().allocated(), 0, "nothing was in the kernel's hands");
    }
}

#[test]
fn a_pooled_lane_goes_from_thread_to_thread() {
    let Some(b) = uring() else { return };
    let file = b.filled("f", 4, 1);
    let mut lane = b.pooled(4);
    for i in 0..4 {
        lane = std::thread::scope(|s| {
            s.spawn(|| {
                let mut lane = lane;
                let done = one(&mut *lane, b.read(&file, i, 1));
                assert_eq!(done.buf.unwrap().as_slice()[0], i as u8 + 1);
                lane
            })
            .join()
            .unwrap()
        });
    }
}

#[test]
fn dropping_another_threads_lane_frees_nothing_that_is_in_use() {
    let Some(b) = uring() else { return };
    let file = b.filled("f", 64, 0);
    for class in [Class::Log, Class::Flush] {
        let mut lane = b.lane(class, 64, Owner::Thread);
        let before = b.disk.arena().allocated();
        let lane = std::thread::scope(|s| {
            s.spawn(|| {
                for page in 0..64 {
                    lane.push(page as u64, b.read(&file, page, 1)).unwrap();
                }
                lane.submit().unwrap();
                lane
            })
            .join()
            .unwrap()
        });
        drop(lane);
        let held = b.disk.arena().allocated() - before;
        assert!(held <= 64 * PAGE);
        println!("{class:?}: {} of 64 buffers given up", held / PAGE);
        if class == Class::Log {
            assert_eq!(held, 0, "completions appear without the thread, so all buffers come home");
        }
        // Whatever is still the kernel's is not given out again: new buffers keep what is put into them.
        let fresh: Vec<_> = (0..64).map(|i| b.buf(1, 100 + i)).collect();
        assert_eq!(b.fills(&file, 0, 64).len(), 64);
        for (i, buf) in fresh.iter().enumerate() {
            assert!(buf.as_slice().iter().all(|&x| x == 100 + i as u8), "a freed buffer was written to");
        }
    }
}

#[test]
fn a_panic_leaves_no_operation_behind() {
    let Some(b) = uring() else { return };
    let file = b.filled("f", 16, 0);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut lane = b.lane(Class::Scan, 16, Owner::Thread);
        for page in 0..16 {
            lane.push(page as u64, b.read(&file, page, 1)).unwrap();
        }
        let mut ops = vec![];
        lane.submit().unwrap();
        assert!(lane.push_chain(&mut ops));
        panic!("on purpose");
    }));
    assert!(result.is_err());
    assert_eq!(b.disk.arena().allocated(), 0);
}

#[test]
fn after_a_fork_only_the_parent_goes_on() {
    let child = in_child("ownership::after_a_fork_only_the_parent_goes_on", || {
        let Some(b) = uring() else { return };
        let file = b.filled("f", 8, 1);
        let mut lane = b.pooled(8);
        for page in 0..4 {
            lane.push(page, b.read(&file, page as usize, 1)).unwrap();
        }
        let mut chain: Vec<(u64, Op)> = vec![(4, b.write(&file, 5, 1, 50)), (5, sync(&file))];
        assert!(lane.push_chain(&mut chain));
        lane.submit().unwrap();
        // SAFETY: this process has one working thread, and the child ends by _exit.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let used = lane.reap(6, &mut Vec::new());
            let made =
                b.disk.lane(ringwood_ring::LaneSpec { class: Class::Get, depth: 4, owner: Owner::Pool });
            let refused = |text: String| text.contains("fork");
            let right =
                used.is_err_and(|e| refused(e.to_string())) && made.is_err_and(|e| refused(e.to_string()));
            drop(lane);
            // The child may have rings of its own.
            let own = uring().unwrap();
            let own_file = own.filled("g", 2, 7);
            let works = own.fills(&own_file, 0, 2) == [7, 8];
            // SAFETY: ends the child without running the parent's destructors.
            unsafe { libc::_exit(i32::from(!right) + 2 * i32::from(!works)) };
        }
        let mut status = 0;
        // SAFETY: our child, and `status` outlives the call.
        assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
        assert_eq!(status, 0, "the child");
        assert_eq!(all(&mut *lane).len(), 6);
        assert_eq!(b.fills(&file, 5, 1), [50]);
    });
    child.succeeded();
}
