//! A bump arena: memory that is handed out once, never moves, and is freed with the tree.
//!
//! It is cut into *units* of `UNIT` bytes, and a unit's number (32 bits) is a short name for its address: chunk 0 holds
//! the first `2^shift` units, and every later chunk as many as all before it together, so that the chunk of a unit is
//! the position of its highest bit.
//!
//! [`Arena`] is the readers' half: it turns a unit's number into an address. [`Bump`] is the writer's half.
//!
//! # Invariants
//!
//! 1. A unit is handed out at most once, and stays mapped until the `Bump` is dropped.
//! 2. A chunk's base is stored in the `Arena` before any of its units is handed out, so that whoever learned a unit's
//!    number from the writer by an acquiring load finds the base with a relaxed one.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::chunk::{Chunk, ChunkPool};

const CHUNKS_MAX: usize = 32;
const LINE: usize = 64;

/// Address of every chunk, less the bytes before it: `biased + unit * UNIT` is the unit's address.
pub(super) struct Arena<const UNIT: usize> {
    shift: u32,
    biased: [AtomicPtr<u8>; CHUNKS_MAX],
}

impl<const UNIT: usize> Arena<UNIT> {
    fn new(shift: u32) -> Self {
        Self { shift, biased: std::array::from_fn(|_| AtomicPtr::new(std::ptr::null_mut())) }
    }

    /// Address of a unit that the arena's `Bump` handed out; any other number gives a pointer that must not be used.
    #[inline]
    pub(super) fn address(&self, unit: u32) -> *mut u8 {
        let chunk = (u32::BITS - (unit >> self.shift).leading_zeros()) as usize;
        let biased = self.biased[chunk % CHUNKS_MAX].load(Ordering::Relaxed);
        biased.wrapping_add(unit as usize * UNIT)
    }
}

/// The writer's half: hands out units, and owns the memory.
pub(super) struct Bump<const UNIT: usize> {
    shift: u32,
    huge_pages: bool,
    /// Next unit to hand out, the end of the chunk it is in, and the end of what is counted in `bytes`.
    next: u64,
    end: u64,
    counted: u64,
    granule: u64,
    bytes: usize,
    /// Chunks used or skipped so far.
    chunks_tried: u32,
    chunks: Vec<Chunk>,
    pool: Arc<ChunkPool>,
}

impl<const UNIT: usize> Drop for Bump<UNIT> {
    fn drop(&mut self) {
        self.chunks.drain(..).for_each(|chunk| self.pool.give(chunk));
    }
}

impl<const UNIT: usize> Bump<UNIT> {
    /// An arena whose first chunk has `first_bytes` bytes: a power of two, and a multiple of `UNIT`; its large chunks may be in
    /// huge pages. Nothing is taken from `pool` yet. Unit 0 is never handed out.
    pub(super) fn new(first_bytes: usize, huge_pages: bool, pool: Arc<ChunkPool>) -> (Self, Arena<UNIT>) {
        assert!(first_bytes.is_power_of_two() && UNIT.is_power_of_two() && first_bytes >= UNIT);
        let shift = (first_bytes / UNIT).ilog2();
        let bump = Self {
            shift,
            huge_pages,
            next: 0,
            end: 0,
            counted: 0,
            granule: 0,
            bytes: 0,
            chunks_tried: 0,
            chunks: Vec::new(),
            pool,
        };
        (bump, Arena::new(shift))
    }

    /// Memory that this arena made resident, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// `bytes` bytes of any content, aligned to `UNIT` (or to a page, if that is less), and the number of their first unit.
    ///
    /// `arena` is the half that was made with this one.
    #[inline]
    pub(super) fn alloc(&mut self, arena: &Arena<UNIT>, bytes: usize) -> (u32, NonNull<u8>) {
        let units = bytes.div_ceil(UNIT) as u64;
        if self.next + units > self.end {
            self.next_chunk(arena, units);
        }
        let unit = self.next as u32;
        self.next += units;
        if self.next > self.counted {
            self.count();
        }
        let address = NonNull::new(arena.address(unit)).expect("a chunk is never mapped at address 0");
        (unit, address)
    }

    #[cold]
    fn count(&mut self) {
        let granules = (self.next - self.counted).div_ceil(self.granule);
        self.counted += granules * self.granule;
        self.bytes += (granules * self.granule) as usize * UNIT;
    }

    /// Moves on to the next chunk with room for `units`. What was left of this one stays untouched.
    #[cold]
    fn next_chunk(&mut self, arena: &Arena<UNIT>, units: u64) {
        loop {
            let index = self.chunks_tried;
            self.chunks_tried += 1;
            let start = if index == 0 { 0 } else { 1_u64 << (self.shift + index - 1) };
            let chunk_units = start.max(1 << self.shift);
            assert!(
                start + chunk_units <= 1 << u32::BITS,
                "a memtable holds at most {} GiB of small records",
                UNIT * 4
            );
            // Unit 0 is the name of nothing. A cache line is left out, not to shift the others.
            let first = start.max(LINE.div_ceil(UNIT) as u64);
            if units > start + chunk_units - first {
                continue;
            }
            let chunk = self.pool.take(chunk_units as usize * UNIT, self.huge_pages);
            let biased = chunk.base.as_ptr().wrapping_sub(start as usize * UNIT);
            arena.biased[index as usize % CHUNKS_MAX].store(biased, Ordering::Relaxed);
            self.granule = (chunk.granule / UNIT) as u64;
            self.chunks.push(chunk);
            self.next = first;
            self.counted = start;
            self.end = start + chunk_units;
            return;
        }
    }
}
