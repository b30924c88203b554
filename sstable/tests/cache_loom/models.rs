use std::sync::Arc as StdArc;

use loom::sync::Arc;
use loom::thread;
use ringwood_ring::{Arena, PAGE};

use crate::cache::{BlockCache, BlockRef, Claim, Fill, Hint, Residency};

/// Every interleaving.
const ALL: Option<usize> = None;

/// Runs a model with an arena of its own, and checks that all memory is back afterwards.
fn model(preemptions_max: Option<usize>, body: impl Fn(&StdArc<Arena>) + Sync + Send + 'static) {
    let arena = Arena::new(64 << 10).unwrap();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions_max;
    builder.check(move || {
        body(&arena);
        assert_eq!(arena.allocated(), 0, "memory that nobody gives back");
    });
}

/// A cache of one frame.
fn one_frame(arena: &StdArc<Arena>) -> StdArc<BlockCache> {
    BlockCache::new(arena, PAGE, None)
}

fn fill(mut fill: Fill, value: u8) -> BlockRef {
    let mut buf = fill.take_buf();
    buf.as_mut_slice()[0] = value;
    fill.publish(buf, 1)
}

/// Block `block` by whatever way, checked. Its value is its number and the table's `tag`.
fn read(table: &Residency, tag: u8, block: u32) -> BlockRef {
    let value = tag + block as u8;
    loop {
        let found = match table.claim(block, PAGE, Hint::Point).unwrap() {
            Claim::Hit(found) => Some(found),
            Claim::Fill(f) => Some(fill(f, value)),
            Claim::Wait(waiter) => waiter.wait(),
        };
        if let Some(found) = found {
            assert_eq!(*found, [value], "the bytes of another block");
            return found;
        }
    }
}

fn hit(table: &Residency, tag: u8, block: u32) -> Option<BlockRef> {
    let found = table.get(block, Hint::Point)?;
    assert_eq!(*found, [tag + block as u8], "the bytes of another block");
    Some(found)
}

/// A getter against an eviction of the block, and the load of another into its frame.
#[test]
fn a_hit_against_an_eviction() {
    model(ALL, |arena| {
        let table = Arc::new(one_frame(arena).residency(2));
        drop(read(&table, 0, 0));
        let other = Arc::clone(&table);
        let evictor = thread::spawn(move || drop(read(&other, 0, 1)));
        drop(hit(&table, 0, 0));
        drop(hit(&table, 0, 1));
        evictor.join().unwrap();
    });
}

/// The frame goes from block 0 to block 1 and back under a getter of either: an outdated slot never passes for a fresh one.
#[test]
fn a_hit_against_a_frame_that_comes_back() {
    model(ALL, |arena| {
        let table = Arc::new(one_frame(arena).residency(2));
        drop(read(&table, 0, 0));
        let other = Arc::clone(&table);
        let evictor = thread::spawn(move || {
            drop(read(&other, 0, 1));
            drop(read(&other, 0, 0));
        });
        drop(hit(&table, 0, 0));
        evictor.join().unwrap();
    });
}

/// Two claims of one block that is not there: one reads, the other waits or hits.
#[test]
fn two_claims_cost_one_read() {
    model(ALL, |arena| {
        let cache = one_frame(arena);
        let table = Arc::new(cache.residency(1));
        let other = Arc::clone(&table);
        let twin = thread::spawn(move || drop(read(&other, 0, 0)));
        drop(read(&table, 0, 0));
        twin.join().unwrap();
        assert_eq!(cache.stats().fills, 1);
        assert_eq!(cache.stats().hits + cache.stats().waits, 1);
    });
}

/// An abandoned fill: who waits for it wakes, and can load the block itself. Twice: with the buffer given back, and lost.
#[test]
fn an_abandoned_fill_wakes_its_waiters() {
    for lose in [false, true] {
        model(ALL, move |arena| {
            let table = Arc::new(one_frame(arena).residency(1));
            let Claim::Fill(mut doomed) = table.claim(0, PAGE, Hint::Point).unwrap() else { panic!("alone") };
            let other = Arc::clone(&table);
            let waiter = thread::spawn(move || drop(read(&other, 0, 0)));
            let buf = doomed.take_buf();
            if lose {
                drop(buf);
                drop(doomed);
            } else {
                doomed.abandon(buf);
            }
            waiter.join().unwrap();
            drop(read(&table, 0, 0));
        });
    }
}

/// Two evictors and one frame: one gets it, the other reads uncached or evicts after.
#[test]
fn two_evictors_of_one_frame() {
    model(ALL, |arena| {
        let table = Arc::new(one_frame(arena).residency(3));
        drop(read(&table, 0, 0));
        let other = Arc::clone(&table);
        let twin = thread::spawn(move || drop(read(&other, 0, 1)));
        drop(read(&table, 0, 2));
        twin.join().unwrap();
    });
}

/// The cache goes while two threads hold its block: the last of them frees the frame.
#[test]
fn pins_outlive_the_cache() {
    model(ALL, |arena| {
        let cache = one_frame(arena);
        let table = cache.residency(1);
        let mine = read(&table, 0, 0);
        let theirs = mine.clone();
        let reader = thread::spawn(move || {
            assert_eq!(*theirs, [0]);
            drop(theirs);
        });
        drop(table);
        drop(cache);
        assert_eq!(*mine, [0]);
        drop(mine);
        reader.join().unwrap();
    });
}

/// The same, where the cache's owner has no pin itself: it and the reader's unpin alone decide who frees the frame.
#[test]
fn the_last_pin_or_the_cache_frees_the_frame() {
    model(ALL, |arena| {
        let cache = one_frame(arena);
        let table = cache.residency(1);
        let theirs = read(&table, 0, 0);
        drop(table);
        let reader = thread::spawn(move || {
            assert_eq!(*theirs, [0]);
            drop(theirs);
        });
        drop(cache);
        reader.join().unwrap();
    });
}

/// A table goes while its block is pinned; another table wants the frame.
#[test]
fn a_dropped_table_frees_its_frames() {
    model(ALL, |arena| {
        let cache = one_frame(arena);
        let (old, new) = (cache.residency(1), cache.residency(1));
        let pinned = read(&old, 0, 0);
        let reader = thread::spawn(move || {
            assert_eq!(*pinned, [0]);
            drop(pinned);
        });
        drop(old);
        drop(read(&new, 10, 0));
        reader.join().unwrap();
        drop(read(&new, 10, 0));
        assert!(hit(&new, 10, 0).is_some(), "the frame is free once the pin is gone");
    });
}

/// A slab moves to another frame size, or not if a getter comes between: then its blocks are there as before.
#[test]
fn a_moving_slab_against_a_hit() {
    model(Some(3), |arena| {
        let cache = BlockCache::new(arena, 2 * PAGE, None);
        let table = Arc::new(cache.residency(3));
        drop(read(&table, 0, 0));
        drop(read(&table, 0, 1));
        let other = Arc::clone(&table);
        let mover = thread::spawn(move || {
            if let Claim::Fill(f) = other.claim(2, 2 * PAGE, Hint::Point).unwrap() {
                drop(fill(f, 2));
            }
        });
        drop(hit(&table, 0, 1));
        drop(read(&table, 0, 0));
        mover.join().unwrap();
    });
}

/// Two getters, of which one clones and hands on, against an evictor.
#[test]
fn two_getters_against_an_evictor() {
    model(Some(2), |arena| {
        let table = Arc::new(one_frame(arena).residency(2));
        drop(read(&table, 0, 0));
        let (a, b) = (Arc::clone(&table), Arc::clone(&table));
        let evictor = thread::spawn(move || drop(read(&a, 0, 1)));
        let getter = thread::spawn(move || {
            let first = hit(&b, 0, 0);
            let second = first.clone();
            drop(first);
            assert!(second.is_none_or(|block| *block == [0]));
        });
        drop(hit(&table, 0, 0));
        evictor.join().unwrap();
        getter.join().unwrap();
    });
}

/// Three tables' worth of work on one frame: a claim of each block from a thread each.
#[test]
fn three_claims_of_one_frame() {
    model(Some(2), |arena| {
        let table = Arc::new(one_frame(arena).residency(3));
        let (a, b) = (Arc::clone(&table), Arc::clone(&table));
        let first = thread::spawn(move || drop(read(&a, 0, 0)));
        let second = thread::spawn(move || drop(read(&b, 0, 0)));
        drop(read(&table, 0, 1));
        first.join().unwrap();
        second.join().unwrap();
    });
}

/// Clones of an uncached block: the last frees it.
#[test]
fn the_last_clone_frees_a_private_block() {
    model(ALL, |arena| {
        let table = BlockCache::new(arena, 0, None).residency(1);
        let mine = read(&table, 0, 0);
        let theirs = mine.clone();
        let reader = thread::spawn(move || {
            assert_eq!(*theirs, [0]);
            drop(theirs);
        });
        assert_eq!(*mine, [0]);
        drop(mine);
        reader.join().unwrap();
    });
}
