//! The block cache: blocks of open tables in the disk's own memory.
//!
//! A read lands by direct I/O in the frame that serves every later hit: no copy, no page cache. Each open table has a
//! [`Residency`], an array of one word a block that says which frame holds the block ("swizzling"), so that a hit needs no hash
//! table and no lock:
//!
//! | step | cost |
//! |---|---|
//! | hit | load the slot, add a pin (and the hit) to the frame's word, load the slot again; later subtract the pin |
//! | miss | one short lock: take a frame, evicting if need be; read; publish without a lock |
//! | hit on a block being read | the same lock; wait on a gate |
//!
//! The parts, each with its invariants:
//!
//! - `frame`: a frame's word, why pinned bytes never change, what happens to pins when the cache goes.
//! - `slots`: the word of each block, who changes it when, why a hit has the right block.
//! - `block_ref`: the pinned block. With `frame` the only `unsafe`.
//! - `fill`: misses, and the coalescing of concurrent ones.
//! - `policy`, `evict`, `slabs`, `balance`, `queue`: under the lock; which block goes, and which frame size has how much memory.
//!
//! # Statistics
//!
//! A hit touches no shared counter. Point hits are counted in the top bits of the frame's word by the very addition that
//! pins it, and [`BlockCache::stats`] adds up all frames. The replacement policy reads the same count.
//!
//! # Limits
//!
//! Every hit of one block writes that block's frame word, so a block that all threads hit at once is as fast as one cache line
//! can pass between them. Different blocks do not meet: a frame's word has a cache line of its own.
//!
//! # Tables' memory
//!
//! Indexes and filters lie in the same arena. What they take beyond a share of their own, the cache gives up, slab by slab, down to a least
//! size ([`BlockCache::with_tables`]). The bytes of the arena that have been used stay resident (they are registered with the kernel), so only memory that both
//! can use keeps a bound.
//!
//! # Lock order
//!
//! The policy's lock, then the arena's. Nothing else is taken under either.

mod balance;
mod block_ref;
mod evict;
mod fill;
mod frame;
mod policy;
mod queue;
mod residency;
mod slabs;
mod slots;
mod stats;
mod table;

use std::fmt;
use std::sync::{Arc as StdArc, PoisonError};

use ringwood_ring::{Arena, PAGE, Stepper};

use crate::sync::{Arc, AtomicU32, AtomicU64, Gate, Mutex, MutexGuard, Ordering};
use frame::TableOwner;
use policy::Policy;
use slots::Slots;
use table::Table;

pub use block_ref::BlockRef;
pub use fill::{Fill, Waiter};
pub(crate) use frame::Frame;
pub use residency::Residency;
pub use stats::CacheStats;

/// Largest slab. The arena hands out powers of two, and this one leaves it in one piece.
const SLAB_BYTES_MAX: usize = 1 << 20;
/// Smallest slab, where the cache is not smaller still: one frame of the largest size.
const SLAB_BYTES_MIN: usize = PAGE << (policy::CLASSES - 1);
/// A cache has at least so many slabs, if they can be that small.
const SLABS_MIN: usize = 16;
/// Frames that fit into the numbers of a slot.
const FRAMES_MAX: usize = 1 << 30;
/// Gates that waiters spread over.
const GATES: usize = 16;

/// How the caller comes by a block, which decides how long the cache keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// A point read. The block stays if it is asked for again.
    Point,
    /// A scan or a compaction: most likely the block is not needed again. It is evicted first, and a hit by a scan does not
    /// keep a block.
    Scan,
}

/// At whose cost a block that was not asked for comes into the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Nobody's: only if there is a free frame. The block is on probation.
    Free,
    /// Others': it takes the place of blocks that were in use (a compaction's output, say), and counts as proven like them.
    Evict,
}

/// What a claim of a block gives.
#[derive(Debug)]
pub enum Claim {
    /// The block is in the cache.
    Hit(BlockRef),
    /// The caller reads the block.
    Fill(Fill),
    /// Someone else is reading the block.
    Wait(Waiter),
}

/// Blocks of open tables in frames of the disk's arena. See the [crate's] documentation of tables for who uses it.
///
/// Any thread may use it. It takes memory from the arena as it fills, in slabs of up to 1 MiB, and never more than its limit;
/// frames are 4, 8, 16 or 32 KiB. What is larger, or comes while all frames are pinned, is read into a buffer of its own
/// that goes back to the arena with its last [`BlockRef`].
///
/// ```
/// use ringwood_ring::Arena;
/// use ringwood_sstable::{BlockCache, Claim, Hint};
///
/// let arena = Arena::new(1 << 20)?;
/// let cache = BlockCache::new(&arena, 256 << 10, None);
/// let table = cache.residency(100); // A table of 100 blocks.
/// assert!(table.get(7, Hint::Point).is_none());
///
/// if let Claim::Fill(mut fill) = table.claim(7, 4096, Hint::Point).unwrap() {
///     let mut buf = fill.take_buf();
///     buf.as_mut_slice()[..5].copy_from_slice(b"hello"); // Stands for the read.
///     let block = fill.publish(buf, 5);
///     assert_eq!(&*block, b"hello");
/// }
/// assert_eq!(&*table.get(7, Hint::Point).unwrap(), b"hello");
/// assert_eq!((cache.stats().hits, cache.stats().misses), (1, 1));
/// # Ok::<(), ringwood_ring::IoError>(())
/// ```
///
/// [crate's]: crate
pub struct BlockCache {
    frames: TableOwner,
    policy: Mutex<Policy>,
    gates: [Gate; GATES],
    arena: StdArc<Arena>,
    /// Bytes that the arena has for frames and tables together, and of those the tables' share and the least of the frames.
    shared: Shared,
    fills: AtomicU64,
    residencies: AtomicU32,
}

/// How cache and tables share memory, in bytes.
#[derive(Clone, Copy)]
struct Shared {
    /// Frames at most.
    frames_max: u64,
    /// Frames at least, once the cache has grown so far.
    frames_min: u64,
    /// What tables have without taking it from the frames.
    tables_share: u64,
}

impl Shared {
    /// Bytes for frames beside `tables` bytes of tables.
    fn frames(self, tables: u64) -> u64 {
        self.frames_max.saturating_sub(tables.saturating_sub(self.tables_share)).max(self.frames_min)
    }

    /// Bytes of `tables` for which nobody gave way.
    fn excess(self, tables: u64) -> u64 {
        tables.saturating_sub(self.tables_share.saturating_add(self.frames_max - self.frames_min))
    }
}

impl BlockCache {
    /// Bytes of frames that fit into `bytes` together with their metadata.
    #[must_use]
    pub const fn frames_in(bytes: u64) -> u64 {
        bytes / (PAGE + queue::META_BYTES) as u64 * PAGE as u64
    }

    /// As [`new`](Self::new), for a cache that gives way to the memory of its tables: beyond `tables_share` bytes each byte of theirs is one less
    /// for frames, down to `frames_min`. The arena has room for `bytes_max` and `tables_share`.
    #[must_use]
    pub fn with_tables(
        arena: &StdArc<Arena>,
        bytes_max: usize,
        frames_min: usize,
        tables_share: u64,
        gate_stepper: Option<Stepper>,
    ) -> StdArc<Self> {
        let slab_bytes = slab_bytes(bytes_max.min(arena.bytes_max()));
        let slabs_max = (bytes_max.min(arena.bytes_max()) / slab_bytes).min(FRAMES_MAX / (slab_bytes / PAGE));
        let frames = TableOwner::new(slabs_max, slab_bytes / PAGE);
        let policy = Policy::new(arena, slab_bytes, slabs_max, frames.table().shift());
        StdArc::new(Self {
            frames,
            policy: Mutex::new(policy),
            gates: std::array::from_fn(move |_| Gate::with_stepper(gate_stepper.clone())),
            arena: StdArc::clone(arena),
            shared: Shared {
                frames_max: (slabs_max * slab_bytes) as u64,
                frames_min: frames_min.min(slabs_max * slab_bytes) as u64,
                tables_share,
            },
            fills: AtomicU64::new(0),
            residencies: AtomicU32::new(0),
        })
    }

    /// Bytes of tables beyond what they may have with the cache at its smallest, and all bytes of tables. Cheap.
    #[must_use]
    pub fn tables_excess(&self) -> (u64, u64) {
        let tables = self.policy().tables_bytes;
        (self.shared.excess(tables), tables)
    }

    /// Tables take `bytes` more. The cache gives way; false if it does not, being as small as it may be or in use.
    pub(crate) fn tables_grew(&self, bytes: u64) -> bool {
        let mut policy = self.policy();
        policy.tables_bytes += bytes;
        self.share(&mut policy);
        policy.slabs_used <= policy.slabs_max && self.shared.excess(policy.tables_bytes) == 0
    }

    pub(crate) fn tables_shrank(&self, bytes: u64) {
        let mut policy = self.policy();
        policy.tables_bytes -= bytes;
        self.share(&mut policy);
    }

    pub(crate) fn count_in_arena(&self, change: impl FnOnce(u64) -> u64) {
        let mut policy = self.policy();
        policy.tables_in_arena = change(policy.tables_in_arena);
    }

    fn share(&self, policy: &mut Policy) {
        policy.slabs_max = (self.shared.frames(policy.tables_bytes) / policy.slab_bytes as u64) as usize;
        policy.give_way(self.table());
    }

    /// A cache of at most `bytes_max` bytes of frames in `arena` (a whole number of slabs of them). It has none yet. With
    /// less than a page every read is uncached.
    ///
    /// `gate_stepper` makes waiting step the background work of the simulation.
    #[must_use]
    pub fn new(arena: &StdArc<Arena>, bytes_max: usize, gate_stepper: Option<Stepper>) -> StdArc<Self> {
        Self::with_tables(arena, bytes_max, bytes_max, u64::MAX, gate_stepper)
    }

    /// The cache's view of one open table of `blocks` blocks, none of which is in the cache yet.
    #[must_use]
    pub fn residency(self: &StdArc<Self>, blocks: u32) -> Residency {
        let stripe = self.residencies.fetch_add(1, Ordering::Relaxed);
        let table = Arc::clone(self.frames.table());
        Residency::new(StdArc::clone(self), table, Slots::new(stripe, blocks))
    }

    /// Counts so far and the state now. Reads a word of each frame: not for every operation.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let table = self.table();
        let policy = self.policy();
        let frames: u64 = policy.classes.iter().map(|c| u64::from(c.frames())).sum();
        let lost: u64 = policy.slabs.iter().map(|s| u64::from(s.lost)).sum();
        let (counts, slabs_made, slabs_used) = (policy.counts, policy.slabs.len(), policy.slabs_used);
        let slab_bytes = policy.slab_bytes;
        let (bytes_max, tables) = (policy.slabs_max * slab_bytes, policy.tables_bytes);
        let in_arena = policy.tables_in_arena;
        drop(policy);
        CacheStats {
            hits: table.hits(),
            misses: counts.misses,
            fills: self.fills.load(Ordering::Relaxed),
            warmed: counts.warmed,
            evictions: counts.evictions,
            waits: counts.waits,
            uncached: counts.uncached,
            abandoned: counts.abandoned,
            slabs_moved: counts.slabs_moved,
            frames: frames - lost,
            pinned: table.frames().filter(|f| f.is_pinned()).count() as u64,
            bytes_used: (slabs_used * slab_bytes) as u64,
            bytes_max: bytes_max as u64,
            tables_bytes: tables,
            tables_in_arena: in_arena,
            tables_excess: self.shared.excess(tables),
            metadata_bytes: (slabs_made * (slab_bytes / PAGE) * queue::META_BYTES) as u64,
        }
    }

    fn policy(&self) -> MutexGuard<'_, Policy> {
        self.policy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn table(&self) -> &Arc<Table> {
        self.frames.table()
    }

    fn arena(&self) -> &StdArc<Arena> {
        &self.arena
    }

    fn gate(&self, slots: &Slots, block: u32) -> &Gate {
        &self.gates[slots.stripe.wrapping_add(block) as usize % GATES]
    }

    fn count_fill(&self) {
        self.fills.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockCache(at most {} bytes)", self.shared.frames_max)
    }
}

/// Bytes of a slab of a cache of `bytes_max` bytes: a power of two.
fn slab_bytes(bytes_max: usize) -> usize {
    let floor = |bytes: usize| (bytes + 1).next_power_of_two() / 2;
    let wanted = floor(bytes_max / SLABS_MIN).clamp(SLAB_BYTES_MIN, SLAB_BYTES_MAX);
    wanted.min(floor(bytes_max)).max(PAGE)
}
