//! One thread by itself: claims of its own blocks, and the simulation.

use std::sync::{Arc, Mutex};

use ringwood_ring::{Arena, PAGE};
use ringwood_sstable::{BlockCache, BlockRef, Claim, Hint};

use crate::support::{How, Table, cache_of};

/// Two keys of one batch in one block: the caller is its own waiter, and after its fill the wait is over at once.
#[test]
fn a_caller_that_claims_a_block_twice() {
    let (_arena, cache) = cache_of(16);
    let table = Table::new(&cache, 1, 10, PAGE);
    let fill = table.claim_fill(4);
    let Claim::Wait(waiter) = table.claim(4) else { panic!() };
    drop(table.complete(fill, 4));
    table.check(&waiter.wait().unwrap(), 4);
    assert_eq!((cache.stats().fills, cache.stats().waits, cache.stats().hits), (1, 1, 0));
}

#[test]
fn an_abandoned_fill_can_be_claimed_again() {
    let (_arena, cache) = cache_of(16);
    let table = Table::new(&cache, 1, 10, PAGE);
    let mut fill = table.claim_fill(0);
    let Claim::Wait(waiter) = table.claim(0) else { panic!() };
    let buf = fill.take_buf();
    fill.abandon(buf);
    assert!(waiter.wait().is_none());
    drop(table.claim_fill(0)); // Without ever taking the buffer.
    assert_eq!(table.read(0, Hint::Point).1, How::Read);
    assert_eq!((cache.stats().abandoned, cache.stats().fills), (2, 1));
    assert_eq!(cache.stats().frames, 8, "of one slab, no frame was lost");
}

/// Reads that fail and whose buffers are dropped: their pages come back with their slabs, in the long run all of them.
#[test]
fn lost_buffers_are_made_good() {
    let (arena, cache) = cache_of(1024);
    let table = Table::new(&cache, 1, 100_000, PAGE).lightly_marked();
    for block in 0..5_000 {
        if block % 20 == 0 {
            let mut fill = table.claim_fill(block);
            drop(fill.take_buf());
            drop(fill);
        } else {
            table.touch(block, Hint::Point);
        }
        assert!(arena.allocated() <= 1024 * PAGE);
    }
    assert_eq!(cache.stats().abandoned, 250);
    assert!(cache.stats().frames > 1024 * 3 / 4, "{:?}", cache.stats());
    for block in 5_000..20_000 {
        table.touch(block, Hint::Point);
    }
    assert_eq!(cache.stats().frames, 1024);
    assert_eq!(cache.stats().uncached, 0);
}

/// In the simulation a wait steps the background work, here one that has a fill open, until the block is there.
#[test]
fn a_wait_steps_the_simulation() {
    type Job = Arc<Mutex<Option<Box<dyn FnOnce() -> BlockRef + Send>>>>;
    let job: Job = Arc::default();
    let step = {
        let job = Arc::clone(&job);
        move || {
            let next = job.lock().unwrap().take();
            next.map(|work| work()).is_some()
        }
    };
    let arena = Arena::new(1 << 20).unwrap();
    let cache = BlockCache::new(&arena, 64 << 10, Some(Arc::new(step)));
    let table = Arc::new(Table::new(&cache, 1, 10, PAGE));
    let (fill, background) = (table.claim_fill(2), Arc::clone(&table));
    *job.lock().unwrap() = Some(Box::new(move || background.complete(fill, 2)));
    assert_eq!(table.read(2, Hint::Point).1, How::Waited);
    assert!(job.lock().unwrap().is_none());
}
