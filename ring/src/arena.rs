//! The arena: all memory that the disk reads into and writes from.
//!
//! One aligned, anonymous mapping, reserved at its full size and touched only as buffers are handed out. It is cut
//! into equal *chunks*, and inside a chunk a buddy allocator hands out power-of-two runs of pages. Rings register the
//! arena in slices of a huge page, by address: the lowest addresses are handed out first, so that few are pinned.
//!
//! # Invariants
//!
//! 1. A byte of the arena belongs to at most one live [`Buf`].
//! 2. The mapping outlives every `Buf` (each holds an `Arc` of it), and so every operation that holds one.
//! 3. `allocated ≤ bytes_max`, always.
//!
//! Any thread may allocate and free. Allocation takes one short lock, O(log chunk) steps.

use std::collections::BTreeSet;
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::{Advice, MmapMut, MmapOptions};

use crate::{IoError, IoErrorKind, PAGE, Result, page_ceil};

/// Bytes of one chunk of a large arena: the largest single buffer.
const CHUNK_BYTES: usize = 32 << 20;
const HUGE_PAGE: usize = 2 << 20;

/// The arena has no room for a buffer of this size now: the budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no room for a buffer of {bytes} bytes in the I/O arena of {bytes_max} bytes; raise the memory budget"
)]
pub struct ArenaFull {
    /// Bytes asked for.
    pub bytes: usize,
    /// Size of the arena.
    pub bytes_max: usize,
}

/// All I/O memory of one disk. See the module documentation.
pub struct Arena {
    map: Mapping,
    chunk_bytes: usize,
    chunk_count: usize,
    allocated: AtomicUsize,
    buddies: Mutex<Buddies>,
}

/// Anonymous memory, aligned.
struct Mapping {
    base: NonNull<u8>,
    _owner: MmapMut,
}

impl Mapping {
    /// `bytes` bytes that start at a multiple of `align`, a power of two.
    fn new(bytes: usize, align: usize) -> Result<Self> {
        let fail = |why: &dyn fmt::Display| {
            let hint = format!("an I/O buffer of {bytes} bytes: {why}");
            IoError::new("reserve", std::path::Path::new("(memory)"), IoErrorKind::Memory, hint)
        };
        let mut options = MmapOptions::new();
        options.len(bytes + align);
        // Miri knows neither this nor advice.
        if !cfg!(miri) {
            options.no_reserve_swap();
        }
        let mut owner = options.map_anon().map_err(|e| fail(&e))?;
        if !cfg!(miri) {
            // Both are hints: without huge pages, or in a kernel without them, everything works the same.
            let _ = owner.advise(Advice::HugePage);
            let _ = owner.advise(Advice::DontFork);
        }
        let start = owner.as_mut_ptr();
        let base =
            NonNull::new(start.wrapping_add(start.align_offset(align))).ok_or_else(|| fail(&"no address"))?;
        Ok(Self { base, _owner: owner })
    }
}

// SAFETY: `base` points into `_owner`, a mapping that any thread may use; which bytes a thread may touch is decided by
// the `Buf`s handed out, each the only owner of its range.
unsafe impl Send for Mapping {}
// SAFETY: as above; a shared `Mapping` gives out no references by itself.
unsafe impl Sync for Mapping {}

impl Arena {
    /// Reserves an arena of about `bytes_max` bytes of address space (rounded up to whole chunks). Memory is used
    /// only as buffers are.
    ///
    /// # Errors
    /// [`IoErrorKind::Memory`] if the address space cannot be had.
    ///
    /// ```
    /// let arena = ringwood_ring::Arena::new(1 << 20)?;
    /// let buf = arena.alloc(5000).unwrap();
    /// assert_eq!(buf.len(), 8192);
    /// # Ok::<(), ringwood_ring::IoError>(())
    /// ```
    pub fn new(bytes_max: usize) -> Result<Arc<Self>> {
        let chunk_bytes = bytes_max.next_power_of_two().clamp(16 * PAGE, CHUNK_BYTES);
        let chunk_count = bytes_max.div_ceil(chunk_bytes).max(1);
        let bytes = chunk_bytes * chunk_count;
        Ok(Arc::new(Self {
            map: Mapping::new(bytes, HUGE_PAGE)?,
            chunk_bytes,
            chunk_count,
            allocated: AtomicUsize::new(0),
            buddies: Mutex::new(Buddies::new(chunk_bytes / PAGE, chunk_count)),
        }))
    }

    /// A buffer of at least `bytes` bytes: whole pages. Contents are whatever was there before.
    ///
    /// # Errors
    /// [`ArenaFull`] if no run of that size is free.
    pub fn alloc(self: &Arc<Self>, bytes: usize) -> std::result::Result<Buf, ArenaFull> {
        let len = page_ceil(bytes.max(1));
        let full = ArenaFull { bytes, bytes_max: self.bytes_max() };
        if len > self.chunk_bytes {
            return Err(full);
        }
        let order = (len / PAGE).next_power_of_two().trailing_zeros();
        let page = self.lock().alloc(order).ok_or(full)?;
        let offset = page * PAGE;
        self.allocated.fetch_add(PAGE << order, Ordering::Relaxed);
        // SAFETY: `offset + len` lies inside the mapping, which is at least chunk_bytes * chunk_count long from `base`.
        let ptr = unsafe { self.map.base.add(offset) };
        Ok(Buf { ptr, len, run: Arc::new(Run::Pages { arena: Arc::clone(self), page, pages: 1 << order }) })
    }

    /// As [`alloc`](Self::alloc), and takes no more of the arena than the pages of the buffer: for what is kept for long. (The other
    /// buffers take a power of two of pages, so that the arena does not fall to pieces.)
    ///
    /// # Errors
    /// [`ArenaFull`] if no run of that size, rounded up to a power of two, is free.
    pub fn alloc_exact(self: &Arc<Self>, bytes: usize) -> std::result::Result<Buf, ArenaFull> {
        let mut buf = self.alloc(bytes)?;
        let used = buf.len / PAGE;
        let run = Arc::get_mut(&mut buf.run).expect("a buffer just made is not shared");
        if let Run::Pages { page, pages, .. } = run {
            let rest = std::mem::replace(pages, used) - used;
            self.lock().free_range(*page + used, rest);
            self.allocated.fetch_sub(rest * PAGE, Ordering::Relaxed);
        }
        Ok(buf)
    }

    /// A buffer of at least `bytes` bytes that is had even if the arena is full or smaller: then from a mapping of its own,
    /// outside the budget and unregistered, for as long as the buffer lives. For what must be done whatever its size (a single
    /// large value), not for what can wait or be left out.
    ///
    /// # Errors
    /// [`IoErrorKind::Memory`] if the machine has no memory to give.
    pub fn alloc_any(self: &Arc<Self>, bytes: usize) -> Result<Buf> {
        if let Ok(buf) = self.alloc(bytes) {
            return Ok(buf);
        }
        let len = page_ceil(bytes.max(1));
        let mapping = Mapping::new(len, PAGE)?;
        Ok(Buf { ptr: mapping.base, len, run: Arc::new(Run::Private { _mapping: mapping }) })
    }

    /// Size of the arena, in bytes.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        self.chunk_bytes * self.chunk_count
    }

    /// Bytes in live buffers, rounded up as the allocator does.
    #[must_use]
    pub fn allocated(&self) -> usize {
        self.allocated.load(Ordering::Relaxed)
    }

    /// Bytes of one chunk: the largest buffer.
    #[must_use]
    pub fn chunk_bytes(&self) -> usize {
        self.chunk_bytes
    }

    /// Address of the first byte, for registration; aligned to a huge page.
    pub(crate) fn base_ptr(&self) -> *mut u8 {
        self.map.base.as_ptr()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Buddies> {
        self.buddies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arena({} of {} bytes)", self.allocated(), self.bytes_max())
    }
}

/// Where a buffer's bytes come from; given back when the last buffer in it is dropped.
enum Run {
    /// A run of pages of the arena.
    Pages { arena: Arc<Arena>, page: usize, pages: usize },
    /// A mapping of its own, for what does not fit the arena.
    Private { _mapping: Mapping },
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Run::Pages { arena, page, pages } = self {
            arena.lock().free_range(*page, *pages);
            arena.allocated.fetch_sub(PAGE * *pages, Ordering::Relaxed);
        }
    }
}

/// An owned, page-aligned piece of the [`Arena`]. Operations take it by value and completions give it back.
pub struct Buf {
    ptr: NonNull<u8>,
    len: usize,
    run: Arc<Run>,
}

// SAFETY: a Buf is the only owner of its bytes, like a Box<[u8]>.
unsafe impl Send for Buf {}
// SAFETY: through a shared Buf the bytes can only be read.
unsafe impl Sync for Buf {}

impl Buf {
    /// Bytes in the buffer: a multiple of [`PAGE`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never: a buffer has at least one page.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: the range is mapped, initialised (anonymous memory is zero), and owned by this Buf alone.
        unsafe { std::slice::from_raw_parts(self.ptr.as_ptr(), self.len) }
    }

    /// The bytes, to be changed.
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `&mut self` makes the borrow unique.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.as_ptr(), self.len) }
    }

    /// Cuts the buffer into pieces of `piece` bytes (a multiple of [`PAGE`] that divides the length). The run goes back
    /// to the arena when the last piece is dropped.
    ///
    /// # Panics
    /// If `piece` does not divide the buffer into whole pages.
    #[must_use]
    pub fn carve(self, piece: usize) -> Vec<Buf> {
        assert!(
            piece > 0 && piece.is_multiple_of(PAGE) && self.len.is_multiple_of(piece),
            "carve {} by {piece}",
            self.len
        );
        (0..self.len / piece)
            .map(|i| Buf {
                // SAFETY: i * piece < len, inside the run.
                ptr: unsafe { self.ptr.add(i * piece) },
                len: piece,
                run: Arc::clone(&self.run),
            })
            .collect()
    }

    /// The address, for the kernel.
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.ptr.as_ptr()
    }

    /// Whether the buffer lies in `arena`, and may so be used with its rings as a registered buffer.
    pub(crate) fn is_from(&self, arena: &Arc<Arena>) -> bool {
        matches!(&*self.run, Run::Pages { arena: own, .. } if Arc::ptr_eq(own, arena))
    }
}

impl fmt::Debug for Buf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buf({} bytes)", self.len)
    }
}

/// Free runs by order (2^order pages); lowest address first, so that a small store touches few chunks.
struct Buddies {
    free: Vec<BTreeSet<usize>>,
}

impl Buddies {
    fn new(chunk_pages: usize, chunk_count: usize) -> Self {
        let order_max = chunk_pages.trailing_zeros() as usize;
        let mut free = vec![BTreeSet::new(); order_max + 1];
        free[order_max].extend((0..chunk_count).map(|c| c * chunk_pages));
        Self { free }
    }

    fn alloc(&mut self, order: u32) -> Option<usize> {
        let order = order as usize;
        // The smallest run that fits; among equals the lowest address.
        let from = (order..self.free.len()).find(|&o| !self.free[o].is_empty())?;
        let page = self.free[from].pop_first()?;
        for o in (order..from).rev() {
            self.free[o].insert(page + (1 << o));
        }
        Some(page)
    }

    /// Frees any run of pages: the largest aligned pieces of it.
    fn free_range(&mut self, mut page: usize, pages: usize) {
        let end = page + pages;
        while page < end {
            let fits = (end - page).ilog2();
            let order = page.trailing_zeros().min(fits);
            self.free(page, order);
            page += 1 << order;
        }
    }

    fn free(&mut self, mut page: usize, order: u32) {
        let mut order = order as usize;
        while order + 1 < self.free.len() && self.free[order].remove(&(page ^ (1 << order))) {
            page &= !(1 << order);
            order += 1;
        }
        let fresh = self.free[order].insert(page);
        assert!(fresh, "page {page} freed twice");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_do_not_overlap_and_come_back() {
        let arena = Arena::new(1 << 20).unwrap();
        let mut live: Vec<(Buf, u8)> = Vec::new();
        let mut state = 12345u64;
        for round in 0..2000u32 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let pick = (state >> 33) as usize;
            if pick.is_multiple_of(3) && !live.is_empty() {
                let (buf, tag) = live.swap_remove(pick % live.len());
                assert!(buf.as_slice().iter().all(|&b| b == tag), "a buffer was overwritten by another");
            } else if let Ok(mut buf) = arena.alloc(1 + pick % 40_000) {
                let tag = round as u8;
                buf.as_mut_slice().fill(tag);
                live.push((buf, tag));
            }
        }
        live.clear();
        assert_eq!(arena.allocated(), 0);
        // All runs merged again: the whole chunk is one buffer.
        assert_eq!(arena.alloc(arena.chunk_bytes()).unwrap().len(), arena.chunk_bytes());
    }

    #[test]
    fn an_exact_buffer_takes_its_pages_only() {
        let arena = Arena::new(1 << 20).unwrap();
        let bufs: Vec<Buf> =
            [1, 3, 5, 7, 13, 1, 100].map(|n| arena.alloc_exact(n * PAGE - 7).unwrap()).into();
        assert_eq!(arena.allocated(), 130 * PAGE);
        let rest: Vec<Buf> = std::iter::from_fn(|| arena.alloc(PAGE).ok()).collect();
        assert_eq!(rest.len(), 256 - 130, "what was cut off is there for others");
        drop((bufs, rest));
        assert_eq!(arena.allocated(), 0);
        assert!(arena.alloc(arena.chunk_bytes()).is_ok(), "all of it merged again");
    }

    #[test]
    fn a_full_arena_says_so() {
        let arena = Arena::new(64 << 10).unwrap();
        let all: Vec<Buf> = std::iter::from_fn(|| arena.alloc(PAGE).ok()).collect();
        assert_eq!(all.len(), arena.bytes_max() / PAGE);
        assert_eq!(arena.alloc(1).unwrap_err().bytes_max, arena.bytes_max());
        assert!(arena.alloc(arena.bytes_max() + 1).is_err());
    }

    #[test]
    fn what_does_not_fit_gets_memory_of_its_own() {
        let arena = Arena::new(64 << 10).unwrap();
        let mut buf = arena.alloc_any(1 << 20).unwrap();
        buf.as_mut_slice().fill(7);
        assert_eq!((buf.len(), arena.allocated(), buf.is_from(&arena)), (1 << 20, 0, false));
        assert!(arena.alloc(1).unwrap().is_from(&arena));
        assert!(!arena.alloc(1).unwrap().is_from(&Arena::new(1).unwrap()));
    }

    #[test]
    fn carved_pieces_hold_the_run() {
        let arena = Arena::new(1 << 20).unwrap();
        let mut pieces = arena.alloc(16 * PAGE).unwrap().carve(PAGE);
        assert_eq!(pieces.len(), 16);
        let last = pieces.pop();
        drop(pieces);
        assert_eq!(arena.allocated(), 16 * PAGE);
        drop(last);
        assert_eq!(arena.allocated(), 0);
    }
}
