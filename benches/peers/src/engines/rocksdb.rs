//! RocksDB, with its io_uring reads switched on; and the same with direct I/O.
//!
//! RocksDB reads through io_uring only if it was built with it and a function `RocksDbIOUringEnable` says yes (`env/fs_posix.cc`). The library
//! of the crate `librocksdb-sys`, which `build-rocksdb` makes, has that function (`build_version.cc`); a distribution's library does not.

use std::fs;
use std::path::{Path, PathBuf};

use rocksdb::{
    BlockBasedOptions, BottommostLevelCompaction, Cache, ColumnFamilyDescriptor, CompactOptions, DB,
    DBCompressionType, DBRawIterator, DEFAULT_COLUMN_FAMILY_NAME, IngestExternalFileOptions, Options,
    ReadOptions, SstFileWriter, WaitForCompactOptions, WriteBatch, WriteOptions,
};

use super::{Batch, Engine, Entries, Promise, Reader, Scan, Setup, Sink, Store, View, Writer};
use crate::Result;
use crate::data::Key;

/// Entries of one file of a sorted load.
const INGEST_BATCH: usize = 500_000;
const FILTER_BITS: f64 = 10.0;

/// See the module.
pub(crate) struct RocksDb {
    /// Bypass the page cache.
    pub(crate) direct: bool,
}

impl Engine for RocksDb {
    fn version(&self) -> String {
        let library = linked_version().unwrap_or_else(|| "of unknown version".into());
        let direct = if self.direct { ", direct I/O" } else { "" };
        format!("RocksDB {library}{direct} (rocksdb {})", super::locked_version("rocksdb"))
    }

    fn settings(&self) -> Vec<&'static str> {
        let mut settings = vec![
            "default options but: HyperClockCache, Bloom filters of 10 bits a key, no compression, write_buffer_size; its default 2 \
             background jobs",
            "io_uring is switched on (in a library of build-rocksdb): MultiGet reads the blocks of a file at once",
            "Buffered: the default; fillsync: sync; loads: disableWAL and a flush at the end; a sorted load is SST files, ingested by move",
            "multi-get is the batched MultiGet with pinned values; an iterator is kept where nothing is written; compact forces the bottom level",
        ];
        if self.direct {
            settings.push("use_direct_reads, use_direct_io_for_flush_and_compaction");
        }
        settings
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Store>> {
        let options = self.options(setup);
        let family = ColumnFamilyDescriptor::new(DEFAULT_COLUMN_FAMILY_NAME, options.clone());
        let db = DB::open_cf_descriptors(&options, setup.dir.join("store"), [family])?;
        let mut write = WriteOptions::default();
        match setup.promise {
            Promise::Buffered => {}
            Promise::Synced => write.set_sync(true),
            Promise::Bulk => write.disable_wal(true),
        }
        Ok(Box::new(Opened { db, options, write, files: setup.dir.clone() }))
    }
}

impl RocksDb {
    fn options(&self, setup: &Setup) -> Options {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&Cache::new_hyper_clock_cache(setup.cache_bytes as usize, 0));
        table.set_bloom_filter(FILTER_BITS, false);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&table);
        options.set_compression_type(DBCompressionType::None);
        options.set_write_buffer_size(setup.write_buffer_bytes as usize);
        options.set_use_direct_reads(self.direct);
        options.set_use_direct_io_for_flush_and_compaction(self.direct);
        options
    }
}

/// The version of the native library, from the options file of an empty store: its C API does not tell.
fn linked_version() -> Option<String> {
    let dir = tempfile::tempdir().ok()?;
    let mut options = Options::default();
    options.create_if_missing(true);
    drop(DB::open(&options, dir.path()).ok()?);
    let names = fs::read_dir(dir.path()).ok()?.flatten().map(|entry| entry.path());
    let is_options =
        |path: &PathBuf| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("OPTIONS-"));
    let text = fs::read_to_string(names.into_iter().find(is_options)?).ok()?;
    let version = text.lines().find_map(|line| line.trim().strip_prefix("rocksdb_version="))?;
    Some(version.to_string())
}

struct Opened {
    db: DB,
    options: Options,
    write: WriteOptions,
    files: PathBuf,
}

impl Opened {
    /// Writes some entries as a table file; false if there were none.
    fn write_file(&self, path: &Path, entries: &mut dyn Iterator<Item = (Key, &[u8])>) -> Result<bool> {
        let mut entries = entries.peekable();
        if entries.peek().is_none() {
            return Ok(false);
        }
        let mut writer = SstFileWriter::create(&self.options);
        writer.open(path)?;
        for (key, value) in entries {
            writer.put(key, value)?;
        }
        writer.finish()?;
        Ok(true)
    }
}

impl Store for Opened {
    fn writer(&self) -> Result<Box<dyn Writer + '_>> {
        Ok(Box::new(Access(self)))
    }

    fn reader(&self, view: View) -> Result<Box<dyn Reader + '_>> {
        let iterator = (view == View::Still).then(|| self.db.raw_iterator());
        Ok(Box::new(Reads { db: &self.db, options: ReadOptions::default(), iterator }))
    }

    fn settle(&self) -> Result<()> {
        self.db.flush()?;
        Ok(self.db.wait_for_compact(&WaitForCompactOptions::default())?)
    }

    fn load_sorted(&self, entries: &mut Entries<'_>) -> Result<()> {
        let mut paths = Vec::new();
        loop {
            let path = self.files.join(format!("load-{:04}.sst", paths.len()));
            if !self.write_file(&path, &mut entries.by_ref().take(INGEST_BATCH))? {
                break;
            }
            paths.push(path);
        }
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        Ok(self.db.ingest_external_file_opts(&options, paths)?)
    }

    fn compact(&mut self) -> Result<()> {
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        self.db.compact_range_opt(None::<&[u8]>, None::<&[u8]>, &options);
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.db.cancel_all_background_work(true);
        Ok(())
    }
}

struct Access<'a>(&'a Opened);

impl Writer for Access<'_> {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        Ok(self.0.db.put_opt(key, value, &self.0.write)?)
    }

    fn delete(&mut self, key: &Key) -> Result<()> {
        Ok(self.0.db.delete_opt(key, &self.0.write)?)
    }

    fn put_batch(&mut self, entries: &Batch<'_>) -> Result<()> {
        let mut batch = WriteBatch::default();
        for (key, value) in entries {
            batch.put(key, value);
        }
        Ok(self.0.db.write_opt(batch, &self.0.write)?)
    }
}

struct Reads<'a> {
    db: &'a DB,
    options: ReadOptions,
    /// Kept where nothing is written.
    iterator: Option<DBRawIterator<'a>>,
}

impl Reader for Reads<'_> {
    fn get(&mut self, key: &Key, sink: &mut Sink<'_>) -> Result<bool> {
        let value = self.db.get_pinned_opt(key, &self.options)?;
        Ok(value.is_some_and(|value| {
            sink.value(&value);
            true
        }))
    }

    fn multi_get(&mut self, keys: &[Key], sink: &mut Sink<'_>) -> Result<u64> {
        let family = self.db.cf_handle(DEFAULT_COLUMN_FAMILY_NAME).ok_or("the default family was opened")?;
        let mut found = 0;
        for value in self.db.batched_multi_get_cf_opt(&family, keys, false, &self.options) {
            if let Some(value) = value? {
                sink.value(&value);
                found += 1;
            }
        }
        Ok(found)
    }

    fn scan(&mut self, scan: Scan<'_>, sink: &mut Sink<'_>) -> Result<()> {
        let mut own;
        let iterator = match &mut self.iterator {
            Some(iterator) => iterator,
            None => {
                own = self.db.raw_iterator();
                &mut own
            }
        };
        match scan {
            Scan::All => iterator.seek_to_first(),
            Scan::Backward => iterator.seek_to_last(),
            Scan::From(key) => iterator.seek(key),
        }
        let backward = matches!(scan, Scan::Backward);
        while let Some((key, value)) = iterator.item() {
            if !sink.entry(key, value) {
                break;
            }
            if backward { iterator.prev() } else { iterator.next() }
        }
        Ok(iterator.status()?)
    }
}
