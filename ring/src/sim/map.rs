//! Memory behind a simulated shared mapping: the only unsafe code of the simulation.
//!
//! The engine stores to it through a raw pointer, as to the kernel's pages. The simulation looks at it when something else
//! touches the file, and at a crash. It reads and writes word by word through atomics, so that a store of another thread
//! is seen or not, never half of a word; which thread may store when is the mapping's protocol, as with the kernel.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::{PAGE, SharedMap};

const WORDS: usize = PAGE / size_of::<u64>();

/// Whole pages of zeroed, page-aligned memory.
#[derive(Debug)]
pub(super) struct MapMemory {
    base: NonNull<u8>,
    pages: usize,
}

// SAFETY: the memory is plain bytes owned by this value; it is touched through raw pointers and atomics only.
unsafe impl Send for MapMemory {}
// SAFETY: as above.
unsafe impl Sync for MapMemory {}

impl MapMemory {
    /// `pages` pages, at least one.
    pub(super) fn new(pages: usize) -> Arc<Self> {
        let pages = pages.max(1);
        let layout = Self::layout(pages);
        // SAFETY: the layout has a size above zero.
        let base = unsafe { alloc_zeroed(layout) };
        let base = NonNull::new(base).unwrap_or_else(|| handle_alloc_error(layout));
        Arc::new(Self { base, pages })
    }

    fn layout(pages: usize) -> Layout {
        Layout::from_size_align(pages * PAGE, PAGE).expect("a mapping is far below the address space")
    }

    pub(super) fn pages(&self) -> usize {
        self.pages
    }

    fn word(&self, page: usize, word: usize) -> &AtomicU64 {
        assert!(page < self.pages && word < WORDS, "page {page} of {}", self.pages);
        // SAFETY: inside the allocation, aligned to 8 since the base is aligned to a page, live while `self` is; all access
        // from Rust code is through such atomics or raw pointers, never through references to the bytes.
        unsafe { AtomicU64::from_ptr(self.base.as_ptr().add(page * PAGE).cast::<u64>().add(word)) }
    }

    pub(super) fn load(&self, page: usize) -> [u8; PAGE] {
        let mut bytes = [0; PAGE];
        for (word, out) in bytes.chunks_exact_mut(size_of::<u64>()).enumerate() {
            out.copy_from_slice(&self.word(page, word).load(Relaxed).to_ne_bytes());
        }
        bytes
    }

    pub(super) fn store(&self, page: usize, bytes: &[u8; PAGE]) {
        for (word, chunk) in bytes.as_chunks::<{ size_of::<u64>() }>().0.iter().enumerate() {
            self.word(page, word).store(u64::from_ne_bytes(*chunk), Relaxed);
        }
    }

    /// The first `len` bytes as the engine sees them.
    pub(super) fn share(self: &Arc<Self>, len: usize) -> SharedMap {
        assert!(len <= self.pages * PAGE, "a map of {len} bytes in {} pages", self.pages);
        // SAFETY: the memory lives as long as the `Arc` that goes along, and no reference to its bytes is ever formed.
        unsafe { SharedMap::new(self.base, len, Box::new(Arc::clone(self))) }
    }
}

impl Drop for MapMemory {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, and nobody holds the `Arc` any more.
        unsafe { dealloc(self.base.as_ptr(), Self::layout(self.pages)) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Also for Miri: what is stored through the pointer is seen by the simulation and the other way round, and a map keeps its memory.
    #[test]
    fn both_sides_see_the_same_bytes() {
        let memory = MapMemory::new(2);
        let map = memory.share(PAGE + 8);
        assert_eq!((map.len(), memory.pages()), (PAGE + 8, 2));
        memory.store(0, &[7; PAGE]);
        let last = map.as_ptr().as_ptr().wrapping_add(PAGE + 7);
        // SAFETY: inside of the map, which this thread has to itself.
        unsafe {
            assert_eq!(*map.as_ptr().as_ptr().add(PAGE - 1), 7);
            last.write(9);
        }
        assert_eq!((memory.load(0), memory.load(1)[7], memory.load(1)[8]), ([7; PAGE], 9, 0));
        drop(memory);
        // SAFETY: the map keeps its memory.
        assert_eq!(unsafe { last.read() }, 9);
    }
}
