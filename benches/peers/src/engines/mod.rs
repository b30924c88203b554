//! The engines: what each can do, behind three small traits.
//!
//! An [`Engine`] opens a [`Store`]; each thread of a workload takes a [`Reader`] or a [`Writer`] of its own. Loops over many entries are
//! inside the adapters, so that no engine pays for the indirection of another.

#[cfg(feature = "fjall")]
mod fjall;
#[cfg(feature = "lmdb")]
mod lmdb;
#[cfg(feature = "redb")]
mod redb;
mod ringwood;
#[cfg(feature = "rocksdb")]
mod rocksdb;
mod sink;
#[cfg(feature = "sled")]
mod sled;

use std::path::PathBuf;

use crate::Result;
use crate::data::{Key, Values};

pub(crate) use sink::Sink;

/// What a write promises when it returns. A store is opened for one promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// The kernel has it: it survives `kill -9`, not a power cut.
    Buffered,
    /// The device has it.
    Synced,
    /// Nothing until [`Store::settle`] returns; then the device has all.
    Bulk,
}

/// What a reader sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// Nobody writes while it is used: it may hold a transaction or a cursor all the time.
    Still,
    /// Each call sees what was written before it.
    Live,
}

/// What a row asks for that not every engine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Write(Promise),
    Compact,
}

/// How a store is opened.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) dir: PathBuf,
    pub(crate) promise: Promise,
    pub(crate) cache_bytes: u64,
    pub(crate) write_buffer_bytes: u64,
    /// Bytes of keys and values that it will hold, about, at most.
    pub(crate) data_bytes: u64,
}

/// An engine of this build.
pub(crate) trait Engine: Sync {
    /// Name and version of the library.
    fn version(&self) -> String;

    /// What is set otherwise than by default, or worth knowing.
    fn settings(&self) -> Vec<&'static str>;

    /// Why it cannot do something, or `None` if it can.
    fn cannot(&self, _need: Need) -> Option<&'static str> {
        None
    }

    /// Opens the store, and creates it if it does not exist. The directory exists.
    fn open(&self, setup: &Setup) -> Result<Box<dyn Store>>;
}

/// An open store, shared by all threads of a row.
pub(crate) trait Store: Sync {
    fn writer(&self) -> Result<Box<dyn Writer + '_>>;

    fn reader(&self, view: View) -> Result<Box<dyn Reader + '_>>;

    /// Brings what was written to where it is read from, as far as the engine lets a caller; for [`Promise::Bulk`] also to the device.
    /// Compactions may go on.
    fn settle(&self) -> Result<()>;

    /// Loads entries in the order of their keys into an empty store, in the engine's best way, with [`Promise::Bulk`].
    fn load_sorted(&self, entries: &mut Entries<'_>) -> Result<()> {
        load_in_batches(self.writer()?.as_mut(), entries)
    }

    /// Rewrites everything into its densest form, and waits for it.
    fn compact(&mut self) -> Result<()>;

    fn close(self: Box<Self>) -> Result<()>;
}

/// Writes of one thread.
pub(crate) trait Writer {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()>;

    fn delete(&mut self, key: &Key) -> Result<()>;

    /// All puts at once, atomically.
    fn put_batch(&mut self, entries: &Batch<'_>) -> Result<()>;
}

/// Reads of one thread.
pub(crate) trait Reader {
    /// Whether the key is there; its value goes to the sink.
    fn get(&mut self, key: &Key, sink: &mut Sink<'_>) -> Result<bool>;

    /// How many of the keys are there; their values go to the sink.
    fn multi_get(&mut self, keys: &[Key], sink: &mut Sink<'_>) -> Result<u64>;

    /// Gives entries to the sink until it has enough: forward from `from` or the first entry, or backward from the last entry.
    fn scan(&mut self, scan: Scan<'_>, sink: &mut Sink<'_>) -> Result<()>;
}

/// Where a scan goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scan<'a> {
    All,
    Backward,
    From(&'a Key),
}

/// Entries of one batch.
pub(crate) type Batch<'a> = [(Key, &'a [u8])];

/// Entries of a load: numbers, in an order, with the next values.
pub(crate) struct Entries<'a> {
    numbers: &'a mut dyn Iterator<Item = u64>,
    values: Values<'a>,
}

impl<'a> Entries<'a> {
    pub(crate) fn new(numbers: &'a mut dyn Iterator<Item = u64>, values: Values<'a>) -> Self {
        Self { numbers, values }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Key, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        Some((crate::data::key(self.numbers.next()?), self.values.next()))
    }
}

/// Puts in a batch of a load.
pub(crate) const BATCH: usize = 1000;

/// Loads entries through the ordinary write path, a thousand at a time.
pub(crate) fn load_in_batches(writer: &mut dyn Writer, entries: &mut Entries<'_>) -> Result<()> {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        batch.clear();
        batch.extend(entries.by_ref().take(BATCH));
        if batch.is_empty() {
            return Ok(());
        }
        writer.put_batch(&batch)?;
    }
}

/// An engine that a table has a column for, whether it is in this build or not.
#[derive(Clone, Copy)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    /// How to get it, if it is absent.
    pub(crate) how: &'static str,
    pub(crate) engine: Option<&'static dyn Engine>,
}

impl std::fmt::Debug for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

macro_rules! column {
    ($feature:literal, $name:literal, $engine:expr) => {
        Column {
            name: $name,
            how: concat!("build with --features ", $feature),
            #[cfg(feature = $feature)]
            engine: Some(&$engine),
            #[cfg(not(feature = $feature))]
            engine: None,
        }
    };
}

/// All engines, in the order of the tables.
pub(crate) const COLUMNS: [Column; 7] = [
    Column { name: OURS, how: "always there", engine: Some(&ringwood::Ringwood) },
    Column {
        how: "run benches/peers/build-rocksdb once, set what it prints, and build with --features rocksdb",
        ..column!("rocksdb", "rocksdb", rocksdb::RocksDb { direct: false })
    },
    Column {
        how: "run benches/peers/build-rocksdb once, set what it prints, and build with --features rocksdb",
        ..column!("rocksdb", "rocksdb-direct", rocksdb::RocksDb { direct: true })
    },
    column!("fjall", "fjall", fjall::Fjall),
    column!("redb", "redb", redb::Redb),
    column!("sled", "sled", sled::Sled),
    column!("lmdb", "lmdb", lmdb::Lmdb),
];

/// The column that the others are compared with.
pub(crate) const OURS: &str = "ringwood";

/// The column of a name.
pub(crate) fn column(name: &str) -> Option<&'static Column> {
    static ALL: [Column; 7] = COLUMNS;
    ALL.iter().find(|column| column.name == name)
}

/// The version of a package in this build's lock file.
pub(crate) fn locked_version(package: &str) -> &'static str {
    const LOCK: &str = include_str!("../../../../Cargo.lock");
    let found = LOCK.split("[[package]]").find_map(|text| {
        let field = |name: &str| {
            text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(" = \"")?.strip_suffix('"'))
        };
        (field("name")? == package).then(|| field("version"))?
    });
    found.unwrap_or("of unknown version")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_the_lock_file() {
        assert!(locked_version("fjall").starts_with("3."), "{}", locked_version("fjall"));
        assert_eq!(locked_version("no-such-package"), "of unknown version");
    }

    #[test]
    fn names_are_unique_and_ours_is_first() {
        let names: std::collections::BTreeSet<_> = COLUMNS.iter().map(|column| column.name).collect();
        assert_eq!(names.len(), COLUMNS.len());
        assert_eq!(COLUMNS[0].name, OURS);
        assert!(column(OURS).is_some_and(|c| c.engine.is_some()) && column("none").is_none());
    }
}
