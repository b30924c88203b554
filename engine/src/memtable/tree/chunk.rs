//! Where arena memory comes from: anonymous mappings, given back to the system as a whole.
//!
//! A mapping costs memory only as it is touched, so that a chunk may be much larger than what is in it; and its memory
//! leaves the process the moment the memtable is dropped, whatever allocator the program uses. Large chunks of large
//! memtables ask for huge pages: random look-ups in small pages spend more time in page walks than in the tree.

use std::alloc::{Layout, handle_alloc_error};
use std::ptr::NonNull;

use memmap2::{Advice, MmapMut, MmapOptions};

const PAGE: usize = 4096;
const HUGE_PAGE: usize = 2 << 20;

/// One mapping, aligned to 4 KiB, or to 2 MiB if it has huge pages.
pub(super) struct Chunk {
    /// Kept for its `Drop`; the memory is reached by addresses only.
    _map: MmapMut,
}

/// What [`Chunk::map`] found.
pub(super) struct Mapped {
    pub(super) chunk: Chunk,
    pub(super) base: NonNull<u8>,
    /// Bytes that become resident together when one of them is touched: the step in which memory is counted.
    pub(super) granule: usize,
}

impl Chunk {
    /// Maps `bytes` bytes, all zero; in huge pages, if the caller likes them and the chunk is as long as one. Ends the process as any failed allocation does if the system refuses.
    pub(super) fn map(bytes: usize, likes_huge_pages: bool) -> Mapped {
        let huge = likes_huge_pages && bytes >= HUGE_PAGE;
        let slack = if huge { HUGE_PAGE } else { 0 };
        let refused = || -> ! {
            handle_alloc_error(Layout::from_size_align(bytes, PAGE).unwrap_or(Layout::new::<[u8; PAGE]>()))
        };
        let Ok(mut map) = MmapOptions::new().len(bytes + slack).map_anon() else { refused() };
        if huge {
            // A hint: everything works the same without huge pages.
            let _ = map.advise(Advice::HugePage);
        }
        let start = map.as_mut_ptr();
        let base = if huge { start.wrapping_add(start.align_offset(HUGE_PAGE)) } else { start };
        let Some(base) = NonNull::new(base) else { refused() };
        let granule = if huge { HUGE_PAGE } else { PAGE };
        Mapped { chunk: Self { _map: map }, base, granule }
    }
}
