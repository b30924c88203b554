//! Where arena memory comes from: anonymous mappings.
//!
//! A mapping costs memory only as it is touched, so that a chunk may be much larger than what is in it; and its memory
//! leaves the process the moment the memtable is dropped, whatever allocator the program uses. Large chunks of large
//! memtables ask for huge pages: random look-ups in small pages spend more time in page walks than in the tree.
//!
//! The system clears every page that it gives, which is about a tenth of what a put costs. So the large chunks of a memtable that was
//! flushed are kept for the next one, in a [`ChunkPool`] with a bound.

use std::alloc::{Layout, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memmap2::{Advice, MmapMut, MmapOptions};

const PAGE: usize = 4096;
const HUGE_PAGE: usize = 2 << 20;

/// One mapping, aligned to 4 KiB, or to 2 MiB if it has huge pages.
pub(super) struct Chunk {
    /// Kept for its `Drop`; the memory is reached by addresses only.
    _map: MmapMut,
    pub(super) base: NonNull<u8>,
    bytes: usize,
    /// Bytes that become resident together when one of them is touched: the step in which memory is counted.
    pub(super) granule: usize,
}

// SAFETY: `base` points into the mapping that the chunk owns; the chunk itself never follows it.
unsafe impl Send for Chunk {}

impl Chunk {
    /// Maps `bytes` bytes; in huge pages, if the caller likes them and the chunk is as long as one. Ends the process as any failed
    /// allocation does if the system refuses.
    fn map(bytes: usize, likes_huge_pages: bool) -> Self {
        let huge = likes_huge_pages && bytes >= HUGE_PAGE;
        let slack = if huge { HUGE_PAGE } else { 0 };
        let refused = || -> ! {
            handle_alloc_error(Layout::from_size_align(bytes, PAGE).unwrap_or(Layout::new::<[u8; PAGE]>()))
        };
        let Ok(mut map) = MmapOptions::new().len(bytes + slack).map_anon() else { refused() };
        // Miri does not know it.
        if huge && !cfg!(miri) {
            // A hint: everything works the same without huge pages.
            let _ = map.advise(Advice::HugePage);
        }
        let start = map.as_mut_ptr();
        let base = if huge { start.wrapping_add(start.align_offset(HUGE_PAGE)) } else { start };
        let Some(base) = NonNull::new(base) else { refused() };
        let granule = if huge { HUGE_PAGE } else { PAGE };
        Self { _map: map, base, bytes, granule }
    }
}

/// Chunks of memtables that are gone, for those to come: at most so many bytes. Any thread.
pub(crate) struct ChunkPool {
    free: Mutex<Vec<Chunk>>,
    bytes_max: usize,
}

impl ChunkPool {
    /// A pool that keeps at most `bytes_max` bytes.
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { free: Mutex::default(), bytes_max })
    }

    /// `bytes` bytes of any content.
    pub(super) fn take(&self, bytes: usize, likes_huge_pages: bool) -> Chunk {
        if bytes >= HUGE_PAGE {
            let mut free = self.free();
            let fits = |c: &Chunk| c.bytes == bytes && (c.granule == HUGE_PAGE) == likes_huge_pages;
            if let Some(at) = free.iter().position(fits) {
                return free.swap_remove(at);
            }
        }
        Chunk::map(bytes, likes_huge_pages)
    }

    /// Keeps a chunk that nobody uses any more, or gives it back to the system.
    pub(super) fn give(&self, chunk: Chunk) {
        if chunk.bytes < HUGE_PAGE {
            return;
        }
        let mut free = self.free();
        let kept: usize = free.iter().map(|c| c.bytes).sum();
        if kept + chunk.bytes <= self.bytes_max {
            free.push(chunk);
        }
    }

    fn free(&self) -> MutexGuard<'_, Vec<Chunk>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_keeps_large_chunks_up_to_its_bound() {
        let pool = ChunkPool::new(3 * HUGE_PAGE);
        let [a, b] = [pool.take(2 * HUGE_PAGE, true), pool.take(2 * HUGE_PAGE, true)];
        let (small, plain) = (pool.take(PAGE, true), pool.take(HUGE_PAGE, false));
        let (base_a, base_plain) = (a.base, plain.base);
        for chunk in [a, b, small, plain] {
            pool.give(chunk);
        }
        assert_eq!(
            pool.free().len(),
            2,
            "the second large one is over the bound, the small one not worth it"
        );
        assert_ne!(pool.take(HUGE_PAGE, true).base, base_plain, "not the kind that was asked for");
        assert_eq!(pool.take(2 * HUGE_PAGE, true).base, base_a);
        assert_eq!(pool.take(HUGE_PAGE, false).base, base_plain);
        assert!(pool.free().is_empty());
    }
}
