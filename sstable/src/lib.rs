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

mod ahead;
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
mod prefetch;
mod run;
mod sync;
mod table;
mod walk;
mod writer;

pub use ahead::{RUN_BYTES_MAX, RunRead, RunReader};
pub use block::{BlockView, Compression, Found};
pub use cache::{BlockCache, BlockRef, CacheStats, Claim, Fill, Hint, Residency, Room, Waiter};
pub use cursor::{Aim, TableCursor};
pub use entry::{Entry, KEY_BYTES_MAX, Kind, SEQ_MAX, VALUE_BYTES_MAX, entry_cmp, key_cmp, same_key};
pub use error::{Fault, Result, TableError};
pub use fetch::{BlockFetch, FetchLane};
pub use filter::FilterParts;
pub use footer::Properties;
pub use hash::KeyHash;
pub use prefetch::prefetch;
pub use run::RawRun;
pub use table::{Extent, Finding, Table, TableSpec, Verified};
pub use walk::{Damage, Step, TableWalk};
pub use writer::{TableOptions, TableSummary, TableWriter};

/// The parsers of bytes from the disk, as fuzz targets call them. `data` is what a checksum has let pass: any bytes at all.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzz {
    use std::path::Path;

    use crate::block::{BlockView, fuzz_unpack};
    use crate::filter::Filter;
    use crate::footer::{Footer, Properties};
    use crate::hash::KeyHash;
    use crate::index::Index;

    /// A block as it stands in a file: unpacked, checked, every entry read and sought.
    pub fn block(data: &[u8]) {
        let Some(plain) = fuzz_unpack(data) else { return };
        let Ok(view) = BlockView::parse(&plain) else { return };
        if view.validate().is_err() {
            return;
        }
        let mut key = Vec::new();
        for i in 0..view.len() {
            view.key_into(i, &mut key);
            let (seq, _) = (view.seq(i), (view.kind(i), view.value(i)));
            let _ = (view.seek(&key, seq), view.find(&key, seq));
        }
    }

    /// A footer, with its checksum made right.
    pub fn footer(data: &[u8]) {
        let mut page = data.to_vec();
        page.resize(crate::footer::FOOTER, 0);
        crate::footer::fuzz_seal(&mut page);
        if let Ok(footer) = Footer::parse(&page, Path::new("t"), 7, 1 << 20) {
            let _ = footer.tail_bytes();
        }
    }

    /// An index: every block it speaks of.
    pub fn index(data: &[u8]) {
        let Ok(index) = Index::parse(data) else { return };
        for block in 0..index.block_count() {
            let _ = (index.extent(block), index.frame_bytes(block));
        }
        for key in [&b""[..], b"k", &[255; 40]] {
            assert!(index.block_for(key, 1) < index.block_count().max(1));
        }
    }

    /// A filter, and the properties.
    pub fn filter(data: &[u8]) {
        if let Ok(filter) = Filter::parse(data) {
            let _ = filter.may_contain(KeyHash::of(b"key"));
        }
        let _ = Properties::parse(data);
    }
}
