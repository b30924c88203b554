//! LMDB, through heed.

use std::ops::Bound;

use heed::types::Bytes;
use heed::{Env, EnvFlags, EnvOpenOptions, PutFlags, RoTxn, RwTxn, WithTls};

use super::{Batch, Engine, Entries, Need, Promise, Reader, Scan, Setup, Sink, Store, View, Writer};
use crate::Result;
use crate::data::Key;

type Table = heed::Database<Bytes, Bytes>;

/// Room of the map over what the data takes: pages are half empty after random inserts, and freed ones wait for readers.
const MAP_FACTOR: u64 = 6;
const MAP_BYTES_MIN: u64 = 1 << 30;
/// Puts in a transaction of a sorted load.
const SORTED_BATCH: usize = 100_000;

/// See the module.
pub(crate) struct Lmdb;

impl Engine for Lmdb {
    fn version(&self) -> String {
        let version = heed::lmdb_version();
        format!(
            "LMDB {}.{}.{} (heed {})",
            version.major,
            version.minor,
            version.patch,
            super::locked_version("heed")
        )
    }

    fn settings(&self) -> Vec<&'static str> {
        vec![
            "one write transaction a put, NORDAHEAD; its cache is the page cache",
            "Buffered and loads: WRITEMAP and NOSYNC, so that the kernel has each commit; fillsync: default flags, which sync data and \
             meta page; loads: a sync at the end, a sorted load with APPEND",
            "a read transaction is kept where nothing is written, else made for each call",
        ]
    }

    fn cannot(&self, need: Need) -> Option<&'static str> {
        (need == Need::Compact).then_some("has no compaction: pages are reused in place")
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Store>> {
        let flags = match setup.promise {
            Promise::Buffered | Promise::Bulk => {
                EnvFlags::WRITE_MAP | EnvFlags::NO_SYNC | EnvFlags::NO_META_SYNC
            }
            Promise::Synced => EnvFlags::empty(),
        };
        let map = (setup.data_bytes * MAP_FACTOR).max(MAP_BYTES_MIN).next_multiple_of(1 << 20);
        let mut options = EnvOpenOptions::new().read_txn_with_tls();
        options.map_size(map as usize).max_readers(64);
        // SAFETY: the flags give up durability, which the rows say, and nothing else: WRITE_MAP is unsound only if someone writes
        // through a stray pointer, and NO_READ_AHEAD is a hint.
        unsafe { options.flags(flags | EnvFlags::NO_READ_AHEAD) };
        // SAFETY: the directory is this process's alone: nobody else maps or changes the file while it is open.
        let env = unsafe { options.open(&setup.dir) }?;
        let transaction = env.write_txn()?;
        let opened = env.open_database(&transaction, None)?;
        let table: Table = opened.ok_or("the unnamed database always exists")?;
        transaction.commit()?;
        Ok(Box::new(Opened { env, table }))
    }
}

struct Opened {
    env: Env<WithTls>,
    table: Table,
}

impl Opened {
    fn write(&self, change: impl FnOnce(&mut RwTxn<'_>) -> heed::Result<()>) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        change(&mut transaction)?;
        Ok(transaction.commit()?)
    }
}

impl Store for Opened {
    fn writer(&self) -> Result<Box<dyn Writer + '_>> {
        Ok(Box::new(Access(self)))
    }

    fn reader(&self, view: View) -> Result<Box<dyn Reader + '_>> {
        let still = if view == View::Still { Some(self.env.read_txn()?) } else { None };
        Ok(Box::new(Reads { store: self, still }))
    }

    fn settle(&self) -> Result<()> {
        Ok(self.env.force_sync()?)
    }

    fn load_sorted(&self, entries: &mut Entries<'_>) -> Result<()> {
        let mut more = true;
        while more {
            self.write(|transaction| {
                let mut left = SORTED_BATCH;
                for (key, value) in entries.by_ref().take(SORTED_BATCH) {
                    self.table.put_with_flags(transaction, PutFlags::APPEND, &key, value)?;
                    left -= 1;
                }
                more = left == 0;
                Ok(())
            })?;
        }
        Ok(())
    }

    fn compact(&mut self) -> Result<()> {
        Err("LMDB has no compaction".into())
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.env.prepare_for_closing().wait();
        Ok(())
    }
}

struct Access<'a>(&'a Opened);

impl Writer for Access<'_> {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        self.0.write(|transaction| self.0.table.put(transaction, key, value))
    }

    fn delete(&mut self, key: &Key) -> Result<()> {
        self.0.write(|transaction| self.0.table.delete(transaction, key).map(|_| ()))
    }

    fn put_batch(&mut self, entries: &Batch<'_>) -> Result<()> {
        self.0.write(|transaction| {
            entries.iter().try_for_each(|(key, value)| self.0.table.put(transaction, key, value))
        })
    }
}

struct Reads<'a> {
    store: &'a Opened,
    still: Option<RoTxn<'a, WithTls>>,
}

impl Reads<'_> {
    /// Calls `read` with the transaction that is kept, or with one of this moment.
    fn with<T>(&self, read: impl FnOnce(&RoTxn<'_>, &Table) -> heed::Result<T>) -> Result<T> {
        Ok(match &self.still {
            Some(transaction) => read(transaction, &self.store.table)?,
            None => read(&*self.store.env.read_txn()?, &self.store.table)?,
        })
    }
}

impl Reader for Reads<'_> {
    fn get(&mut self, key: &Key, sink: &mut Sink<'_>) -> Result<bool> {
        Ok(self.multi_get(std::slice::from_ref(key), sink)? == 1)
    }

    fn multi_get(&mut self, keys: &[Key], sink: &mut Sink<'_>) -> Result<u64> {
        self.with(|transaction, table| {
            let mut found = 0;
            for key in keys {
                if let Some(value) = table.get(transaction, key)? {
                    sink.value(value);
                    found += 1;
                }
            }
            Ok(found)
        })
    }

    fn scan(&mut self, scan: Scan<'_>, sink: &mut Sink<'_>) -> Result<()> {
        self.with(|transaction, table| match scan {
            Scan::All => pour(table.iter(transaction)?, sink),
            Scan::Backward => pour(table.rev_iter(transaction)?, sink),
            Scan::From(key) => {
                let from = (Bound::Included(&key[..]), Bound::Unbounded);
                pour(table.range(transaction, &from)?, sink)
            }
        })
    }
}

fn pour<'a>(
    entries: impl Iterator<Item = heed::Result<(&'a [u8], &'a [u8])>>,
    sink: &mut Sink<'_>,
) -> heed::Result<()> {
    for entry in entries {
        let (key, value) = entry?;
        if !sink.entry(key, value) {
            break;
        }
    }
    Ok(())
}
