//! Ringwood's sorted tables: immutable files of entries in key order, and the cache of their blocks.
//!
//! | part | what it is |
//! |---|---|
//! | [`Entry`], [`entry_cmp`] | what a table holds, and its order |
//! | [`TableWriter`] | writes a table: a state machine that hands out operations |
//! | [`Table`] | an open table: index and filter in memory, blocks on disk |
//! | [`BlockFetch`] | gets blocks of any tables, all that are missing in one enter |
//! | [`TableCursor`] | walks through a table both ways, reading ahead |
//! | [`RawRun`] | walks through blocks that a compaction has read in bulk, past the cache |
//! | [`TableWalk`] | walks through a whole table past the cache, over damaged blocks: for checks and salvage |
//! | [`BlockCache`] | blocks in the disk's own memory |
//!
//! The file's bytes are described in `docs/format-sstable.md`. The crate knows nothing of logs, levels or snapshots, and does no I/O
//! but through lanes and disks of `ringwood-ring`.
//!
//! # A table from end to end
//!
//! ```
//! # use std::sync::Arc;
//! # use ringwood_ring::{Arena, Class, Completion, Disk, LaneSpec, Owner, SyscallDisk};
//! # use ringwood_sstable::*;
//! # fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("000001.sst");
//! let disk: Arc<dyn Disk> = SyscallDisk::new(Arena::new(8 << 20)?, Vec::new());
//! let mut lane = disk.lane(LaneSpec { class: Class::Flush, depth: 8, owner: Owner::Pool })?;
//!
//! let mut writer = TableWriter::create(&disk, &path, 1, TableOptions::default(), 2, 256 << 10)?;
//! writer.add(&Entry { key: b"apple", seq: 7, kind: Kind::Put, value: b"red" })?;
//! writer.add(&Entry { key: b"plum", seq: 9, kind: Kind::Put, value: b"blue" })?;
//! writer.seal()?;
//! writer.drive(&mut *lane)?; // An engine pushes and reaps between its other work instead.
//! let summary = writer.finish()?;
//! assert_eq!(summary.properties.entries, 2);
//!
//! let cache = BlockCache::new(disk.arena(), 1 << 20, None);
//! let table = Table::open(&disk, &mut *lane, &cache, &path, 1)?;
//! assert!(table.may_contain(KeyHash::of(b"plum")));
//! let mut fetch = BlockFetch::new();
//! let want = fetch.want(&table, table.block_for(b"plum", SEQ_MAX), Hint::Point);
//! fetch.run(&mut *lane);
//! let block = fetch.take(want)?;
//! let found = BlockView::of(&block).find(b"plum", SEQ_MAX).unwrap();
//! assert_eq!(&block[found.value], b"blue");
//! # Ok(())
//! # }
//! ```

mod block;
mod cache;
mod checksum;
mod column;
mod cursor;
mod entry;
mod error;
mod fetch;
mod filter;
mod footer;
mod hash;
mod index;
mod run;
mod sync;
mod table;
mod walk;
mod writer;

pub use block::{BlockView, Compression, Found};
pub use cache::{BlockCache, BlockRef, CacheStats, Claim, Fill, Hint, Residency, Room, Waiter};
pub use cursor::{Aim, TableCursor};
pub use entry::{Entry, KEY_BYTES_MAX, Kind, SEQ_MAX, VALUE_BYTES_MAX, entry_cmp};
pub use error::{Fault, Result, TableError};
pub use fetch::{BlockFetch, FetchLane};
pub use footer::Properties;
pub use hash::KeyHash;
pub use run::RawRun;
pub use table::{Extent, Finding, Table, Verified};
pub use walk::{Damage, Step, TableWalk};
pub use writer::{TableOptions, TableSummary, TableWriter};
