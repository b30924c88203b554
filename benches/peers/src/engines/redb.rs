//! redb.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;

use redb::{
    Builder, Database, Durability, ReadOnlyTable, ReadableDatabase, StorageBackend, TableDefinition,
    WriteTransaction,
};

use super::{Batch, Engine, Entries, Promise, Reader, Scan, Setup, Sink, Store, View, Writer};
use crate::Result;
use crate::data::Key;

type Bytes = &'static [u8];
const TABLE: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("default");

/// See the module.
pub(crate) struct Redb;

impl Engine for Redb {
    fn version(&self) -> String {
        format!("redb {}", super::locked_version("redb"))
    }

    fn settings(&self) -> Vec<&'static str> {
        vec![
            "one write transaction a put",
            "Buffered: Durability::Immediate on a file whose sync does nothing, since Durability::None keeps nothing \
             through a kill; fillsync: Durability::Immediate; loads: Durability::None in batches, Immediate at the end; \
             a sorted load is one transaction",
            "a read transaction and its table are kept where nothing is written, else made for each call",
        ]
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Store>> {
        let file = setup.dir.join("store.redb");
        let mut builder = Builder::new();
        builder.set_cache_size(setup.cache_bytes as usize);
        let db = match setup.promise {
            Promise::Buffered => {
                let mut options = OpenOptions::new();
                let file = options.read(true).write(true).create(true).truncate(false).open(file)?;
                builder.create_with_backend(Unsynced(file))?
            }
            Promise::Synced | Promise::Bulk => builder.create(file)?,
        };
        let durability = match setup.promise {
            Promise::Buffered | Promise::Synced => Durability::Immediate,
            Promise::Bulk => Durability::None,
        };
        let store = Opened { db, durability };
        store.write(Durability::Immediate, |_| Ok(()))?;
        Ok(Box::new(store))
    }
}

/// A file that is never synced: what is written there survives the process, not the machine.
#[derive(Debug)]
struct Unsynced(File);

impl StorageBackend for Unsynced {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
}

struct Opened {
    db: Database,
    durability: Durability,
}

type WriteTable<'a> = redb::Table<'a, Bytes, Bytes>;

impl Opened {
    fn write(
        &self,
        durability: Durability,
        change: impl FnOnce(&mut WriteTable<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut transaction: WriteTransaction = self.db.begin_write()?;
        transaction.set_durability(durability)?;
        change(&mut transaction.open_table(TABLE)?)?;
        Ok(transaction.commit()?)
    }

    fn table(&self) -> Result<ReadOnlyTable<Bytes, Bytes>> {
        Ok(self.db.begin_read()?.open_table(TABLE)?)
    }
}

impl Store for Opened {
    fn writer(&self) -> Result<Box<dyn Writer + '_>> {
        Ok(Box::new(Access(self)))
    }

    fn reader(&self, view: View) -> Result<Box<dyn Reader + '_>> {
        let still = if view == View::Still { Some(self.table()?) } else { None };
        Ok(Box::new(Reads { store: self, still }))
    }

    fn settle(&self) -> Result<()> {
        self.write(Durability::Immediate, |_| Ok(()))
    }

    fn load_sorted(&self, entries: &mut Entries<'_>) -> Result<()> {
        self.write(Durability::Immediate, |table| {
            for (key, value) in entries {
                table.insert(&key[..], value)?;
            }
            Ok(())
        })
    }

    fn compact(&mut self) -> Result<()> {
        self.db.compact()?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.db.close()?)
    }
}

struct Access<'a>(&'a Opened);

impl Writer for Access<'_> {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        self.0.write(self.0.durability, |table| {
            table.insert(&key[..], value)?;
            Ok(())
        })
    }

    fn delete(&mut self, key: &Key) -> Result<()> {
        self.0.write(self.0.durability, |table| {
            table.remove(&key[..])?;
            Ok(())
        })
    }

    fn put_batch(&mut self, entries: &Batch<'_>) -> Result<()> {
        self.0.write(self.0.durability, |table| {
            for (key, value) in entries {
                table.insert(&key[..], *value)?;
            }
            Ok(())
        })
    }
}

struct Reads<'a> {
    store: &'a Opened,
    still: Option<ReadOnlyTable<Bytes, Bytes>>,
}

impl Reads<'_> {
    /// Calls `read` with the table that is kept, or with one of this moment.
    fn with<T>(&self, read: impl FnOnce(&ReadOnlyTable<Bytes, Bytes>) -> Result<T>) -> Result<T> {
        match &self.still {
            Some(table) => read(table),
            None => read(&self.store.table()?),
        }
    }
}

impl Reader for Reads<'_> {
    fn get(&mut self, key: &Key, sink: &mut Sink<'_>) -> Result<bool> {
        Ok(self.multi_get(std::slice::from_ref(key), sink)? == 1)
    }

    fn multi_get(&mut self, keys: &[Key], sink: &mut Sink<'_>) -> Result<u64> {
        self.with(|table| {
            let mut found = 0;
            for key in keys {
                if let Some(value) = table.get(&key[..])? {
                    sink.value(value.value());
                    found += 1;
                }
            }
            Ok(found)
        })
    }

    fn scan(&mut self, scan: Scan<'_>, sink: &mut Sink<'_>) -> Result<()> {
        self.with(|table| {
            let backward = matches!(scan, Scan::Backward);
            let mut range = match scan {
                Scan::All | Scan::Backward => table.range::<&[u8]>(..)?,
                Scan::From(key) => table.range(&key[..]..)?,
            };
            while let Some(entry) = if backward { range.next_back() } else { range.next() } {
                let (key, value) = entry?;
                if !sink.entry(key.value(), value.value()) {
                    break;
                }
            }
            Ok(())
        })
    }
}
