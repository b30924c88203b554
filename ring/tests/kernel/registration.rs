//! Registered buffers: used where they are to be had, and counted.

use std::sync::Arc;

use ringwood_ring::{Arena, Class, LaneSpec, Op, Owner, PAGE, RegisteredBuffers, UringConfig, UringDisk};

use crate::harness::{Backend, all, one};

fn backend(arena_bytes: usize, buffers: RegisteredBuffers) -> Option<Backend> {
    let config = UringConfig { buffers, ..UringConfig::default() };
    match UringDisk::new(Arena::new(arena_bytes).unwrap(), config) {
        Ok(disk) => Some(Backend::of("uring", disk)),
        Err(e) => {
            println!("skipped: {e}");
            None
        }
    }
}

/// Runs a read and a write on lanes of both kinds; counts (fixed, plain).
fn work(b: &Backend) -> (u64, u64) {
    let file = b.filled("f", 2, 1);
    let before = b.disk.counters().snapshot();
    for owner in [Owner::Pool, Owner::Thread, Owner::Pool] {
        let mut lane = b.lane(Class::Scan, 4, owner);
        let done = one(&mut *lane, b.read(&file, 1, 1));
        assert!(done.buf.unwrap().as_slice().iter().all(|&x| x == 2));
        one(&mut *lane, b.write(&file, 0, 1, 9)).result.unwrap();
    }
    assert_eq!(b.fills(&file, 0, 2), [9, 2]);
    let counts = *b.disk.counters().snapshot().since(&before).class(Class::Scan);
    (counts.fixed, counts.plain)
}

#[test]
fn each_way_of_registering_is_used_and_counted() {
    for (buffers, feature) in [
        (RegisteredBuffers::Shared, "fixed buffers cloned"),
        (RegisteredBuffers::PerRing, "fixed buffers per ring"),
        (RegisteredBuffers::Off, "plain buffers"),
    ] {
        let Some(b) = backend(1 << 20, buffers) else {
            return;
        };
        let caps = b.disk.caps();
        if !caps.features.contains(&feature) {
            println!("skipped: {buffers:?} is not to be had: {:?}", caps.degraded);
            continue;
        }
        let expected = if buffers == RegisteredBuffers::Off { (0, 6) } else { (6, 0) };
        assert_eq!(work(&b), expected, "{buffers:?}: {:?}", b.disk.caps());
    }
}

/// Slices of memory come into use as the arena fills; lanes that are at work learn of them.
#[test]
fn memory_that_comes_into_use_later_is_registered_then() {
    const SLICE: usize = 2 << 20;
    for buffers in [RegisteredBuffers::Shared, RegisteredBuffers::PerRing] {
        let Some(b) = backend(3 * SLICE, buffers) else {
            return;
        };
        let (arena, file) = (Arc::clone(b.disk.arena()), b.filled("f", 8, 1));
        let mut lanes = [b.lane(Class::Scan, 8, Owner::Pool), b.lane(Class::Scan, 8, Owner::Thread)];
        let before = b.disk.counters().snapshot();
        let mut held = Vec::new();
        for slice in 1..=3 {
            for lane in &mut lanes {
                for page in 0..4 {
                    lane.push(page as u64, b.read(&file, page, 1)).unwrap();
                }
                // In flight while the next slice is made known, below.
                lane.submit().unwrap();
            }
            // The smallest runs go first, so single pages use up one slice before the next.
            while slice < 3 && arena.allocated() < slice * SLICE {
                held.push(arena.alloc(PAGE).unwrap());
            }
            for lane in &mut lanes {
                for page in 4..8 {
                    lane.push(page as u64, b.read(&file, page, 1)).unwrap();
                }
                for done in all(&mut **lane) {
                    assert_eq!(done.buf.unwrap().as_slice()[9], done.token as u8 + 1);
                }
            }
        }
        let counts = *b.disk.counters().snapshot().since(&before).class(Class::Scan);
        let degraded = b.disk.caps().degraded;
        if degraded.is_empty() {
            assert_eq!((counts.fixed, counts.plain), (48, 0), "{buffers:?}");
        } else {
            println!("skipped: {degraded:?}");
        }
        if buffers == RegisteredBuffers::Shared {
            let text = format!("{:?}", b.disk);
            assert!(text.contains("3 of 4 slices"), "the fourth was never used: {text}");
        }
    }
}

#[test]
fn transfers_larger_than_a_registered_slice_are_plain() {
    let Some(b) = backend(8 << 20, RegisteredBuffers::Shared) else {
        return;
    };
    let file = b.create("f");
    let mut lane = b.lane(Class::Flush, 2, Owner::Thread);
    let pages = (4 << 20) / PAGE;
    assert_eq!(one(&mut *lane, b.write(&file, 0, pages, 8)).result.unwrap(), 4 << 20);
    assert_eq!(b.disk.counters().snapshot().class(Class::Flush).plain, 1);
    assert_eq!(b.fills(&file, 1023, 1), [8]);
}

#[test]
fn a_buffer_of_the_whole_arena_is_one_registered_operation() {
    let Some(b) = backend(1 << 20, RegisteredBuffers::Shared) else {
        return;
    };
    let spec = LaneSpec { class: Class::Flush, depth: 2, owner: Owner::Thread };
    let mut lane = b.disk.lane(spec).unwrap();
    let file = b.create("f");
    let mut buf = b.disk.arena().alloc(1 << 20).unwrap();
    buf.as_mut_slice().fill(3);
    let write = Op::Write { file: file.clone(), offset: 0, len: buf.len(), buf, dsync: false };
    let done = one(&mut *lane, write);
    assert_eq!(done.result.unwrap(), 1 << 20);
    drop(done.buf);
    assert_eq!(b.fills(&file, 255, 1), [3]);
    assert_eq!(b.disk.counters().snapshot().class(Class::Flush).sqes, 1);
    assert_eq!(b.disk.len(&file).unwrap(), 256 * PAGE as u64);
}
