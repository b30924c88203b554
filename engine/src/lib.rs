//! Ringwood: an embedded, ordered key-value store for Linux.
//!
//! A log-structured merge tree whose every byte goes to and from the disk through io_uring: the write-ahead log commits by linked
//! write-and-sync chains, blocks are read by direct I/O straight into the registered memory that caches them, and compaction reads
//! hundreds of extents in one system call.
//!
//! ```
//! use ringwood::{Db, Durability};
//!
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("data");
//! let db = Db::open(path)?;
//! db.put("apple", "red")?; // durable on return
//! db.put_with("pear", "green", Durability::Buffered)?; // survives kill -9, costs no system call
//!
//! let mut batch = db.batch();
//! batch.put("plum", "blue").delete("apple");
//! batch.commit()?; // all of it or nothing
//!
//! let fruit: Vec<_> = db.prefix("p")?.collect::<Result<_, _>>()?;
//! assert_eq!(fruit.len(), 2);
//! db.close()?;
//! # Ok::<(), ringwood::Error>(())
//! ```
//!
//! The design, with the reason for each choice, is in `docs/architecture.md`; what each [`Durability`] promises in
//! `docs/durability.md`; the worst case of each operation in `docs/operations.md`.

mod background;
mod batch;
mod compaction;
mod cursor;
mod db;
mod error;
mod files;
mod flush;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod interleave;
mod keyspace;
mod loader;
mod maintain;
mod manifest;
#[doc(hidden)]
pub mod memtable;
mod merge;
mod open;
mod options;
mod output;
mod pacing;
mod range;
mod read;
mod regulator;
mod scans;
mod snapshot;
mod snapshots;
mod stats;
mod store;
mod tasks;
pub mod tools;
mod tree;
mod value;
mod version;
mod write;

pub use batch::{BATCH_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX, WriteBatch};
pub use cursor::Cursor;
pub use db::{Batch, Db, KEYSPACE_NAME_BYTES_MAX};
pub use error::{Error, ErrorKind, Result};
pub use keyspace::Keyspace;
pub use loader::Loader;
pub use options::{Durability, MEMORY_BYTES_MIN, Options};
pub use range::Range;
pub use ringwood_ring::{Caps, Class, ClassCounts, CountsSnapshot, IoChoice, probe};
pub use ringwood_sstable::{CacheStats, Compression};
pub use ringwood_wal::{SyncMode, WalStats};
pub use snapshot::Snapshot;
pub use stats::{KeyspaceStats, LevelStats, MemoryStats, Stats};
pub use value::{Key, Value};

/// The parsers of bytes from the disk and of log records, as fuzz targets call them.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzz {
    /// A manifest: its header and records; and edits, as if a record's checksum had been right.
    pub fn manifest(data: &[u8]) {
        crate::manifest::fuzz(data);
    }

    /// The batch in a log record.
    pub fn batch(data: &[u8]) {
        if let Ok((first, count, ops)) = crate::batch::decode(data) {
            let _ = (first, count, ops.take_while(Result::is_ok).count());
        }
    }
}
