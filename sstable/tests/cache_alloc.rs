//! A hit in the block cache allocates nothing: counted by an allocator of this test's own.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use ringwood_ring::{Arena, PAGE};
use ringwood_sstable::{BlockCache, Claim, Hint};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: the caller's promises are the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are the system's.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

#[test]
fn a_hit_allocates_nothing() {
    let arena = Arena::new(1 << 20).unwrap();
    let cache = BlockCache::new(&arena, 256 << 10, None);
    let table = cache.residency(100);
    let fill = |block| {
        let Claim::Fill(mut fill) = table.claim(block, PAGE, Hint::Point).unwrap() else { panic!() };
        let buf = fill.take_buf();
        drop(fill.publish(buf, PAGE));
    };
    assert!(allocations(|| fill(0)) > 0, "the first slab: the allocator does count");
    let hits = allocations(|| {
        for _ in 0..1000 {
            let point = table.get(0, Hint::Point).unwrap();
            let scan = table.get(0, Hint::Scan).unwrap();
            assert_eq!(point.clone().len() + scan.len(), 2 * PAGE);
            assert!(table.get(1, Hint::Point).is_none());
            assert!(matches!(table.claim(0, PAGE, Hint::Point), Ok(Claim::Hit(_))));
        }
    });
    assert_eq!(hits, 0);
    // A miss in a slab that is there, and an eviction: none either.
    assert_eq!(allocations(|| fill(1)), 0);
    (2..64).for_each(fill);
    assert_eq!(allocations(|| (64..80).for_each(fill)), 0);
}
