//! What the cache counts.

/// Counts since the cache was made, and its state now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Blocks found in the cache.
    pub hits: u64,
    /// Blocks not found, that the caller had to read: into a frame, or uncached.
    pub misses: u64,
    /// Blocks read into a frame and published.
    pub fills: u64,
    /// Blocks that came from a new table's writer, without a read.
    pub warmed: u64,
    /// Blocks removed to make room.
    pub evictions: u64,
    /// Blocks found loading, that the caller waited for instead of reading them again.
    pub waits: u64,
    /// Misses that got a buffer outside the cache: the block was too large, or every frame was in use.
    pub uncached: u64,
    /// Fills dropped without a block, after an I/O error.
    pub abandoned: u64,
    /// Slabs that moved from one frame size to another.
    pub slabs_moved: u64,
    /// Frames that have memory now.
    pub frames: u64,
    /// Frames pinned now.
    pub pinned: u64,
    /// Bytes of the arena that the frames have now.
    pub bytes_used: u64,
    /// Bytes of the arena that they may have at most, as much memory as the tables have now.
    pub bytes_max: u64,
    /// Bytes of memory of open tables: indexes, filters, slots.
    pub tables_bytes: u64,
    /// Those of them that lie in the arena.
    pub tables_in_arena: u64,
    /// Those of them that are beyond what tables may have: the cache is as small as it may be, and memory is exceeded.
    pub tables_excess: u64,
    /// Bytes of heap memory for the states of the frames now, besides `bytes_used`: about 2.5 % of it with frames of a page. The
    /// slots of the open tables, 4 bytes a block, come on top.
    pub metadata_bytes: u64,
}
