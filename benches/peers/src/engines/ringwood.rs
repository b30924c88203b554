//! Ringwood itself, with default options but the sizes that all engines share.

use ringwood::{Cursor, Db, Durability, Options, WriteBatch};

use super::{Batch, Engine, Entries, Promise, Reader, Scan, Setup, Sink, Store, View, Writer};
use crate::Result;
use crate::data::Key;

/// See the module.
pub(crate) struct Ringwood;

impl Engine for Ringwood {
    fn version(&self) -> String {
        format!("ringwood {}", super::locked_version("ringwood"))
    }

    fn settings(&self) -> Vec<&'static str> {
        vec![
            "default options but cache and write buffer sizes; the budget is the cache and four write buffers",
            "Buffered: Durability::Buffered; fillsync: Durability::Synced; loads: Durability::None and a flush at the end; a sorted load goes \
             through a loader",
            "a cursor is kept where nothing is written",
        ]
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Store>> {
        let durability = match setup.promise {
            Promise::Buffered => Durability::Buffered,
            Promise::Synced => Durability::Synced,
            Promise::Bulk => Durability::None,
        };
        let options = Options::new()
            .memory(setup.cache_bytes + 4 * setup.write_buffer_bytes)
            .cache_bytes(setup.cache_bytes)
            .write_buffer_bytes(setup.write_buffer_bytes)
            .durability(durability);
        Ok(Box::new(Opened { db: options.open(setup.dir.join("store"))?, durability }))
    }
}

struct Opened {
    db: Db,
    durability: Durability,
}

impl Store for Opened {
    fn writer(&self) -> Result<Box<dyn Writer + '_>> {
        Ok(Box::new(Access { store: self, batch: WriteBatch::new() }))
    }

    fn reader(&self, view: View) -> Result<Box<dyn Reader + '_>> {
        let cursor = match view {
            View::Still => Some(self.db.cursor()?),
            View::Live => None,
        };
        Ok(Box::new(Reads { db: &self.db, cursor }))
    }

    fn load_sorted(&self, entries: &mut Entries<'_>) -> Result<()> {
        let mut loader = self.db.loader()?;
        for (key, value) in entries {
            loader.put(key, value)?;
        }
        Ok(loader.finish()?)
    }

    fn settle(&self) -> Result<()> {
        Ok(self.db.flush()?)
    }

    fn compact(&mut self) -> Result<()> {
        Ok(self.db.compact()?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.db.close()?)
    }
}

struct Access<'a> {
    store: &'a Opened,
    batch: WriteBatch,
}

impl Writer for Access<'_> {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        Ok(self.store.db.put_with(key, value, self.store.durability)?)
    }

    fn delete(&mut self, key: &Key) -> Result<()> {
        Ok(self.store.db.delete_with(key, self.store.durability)?)
    }

    fn put_batch(&mut self, entries: &Batch<'_>) -> Result<()> {
        self.batch.clear();
        for (key, value) in entries {
            self.batch.put(key, value)?;
        }
        Ok(self.store.db.write(&self.batch, self.store.durability)?)
    }
}

struct Reads<'a> {
    db: &'a Db,
    /// Kept where nothing is written.
    cursor: Option<Cursor>,
}

impl Reader for Reads<'_> {
    fn get(&mut self, key: &Key, sink: &mut Sink<'_>) -> Result<bool> {
        let value = self.db.get(key)?;
        Ok(value.is_some_and(|value| {
            sink.value(&value);
            true
        }))
    }

    fn multi_get(&mut self, keys: &[Key], sink: &mut Sink<'_>) -> Result<u64> {
        let values = self.db.multi_get(keys)?;
        let found = values.iter().flatten().inspect(|value| sink.value(value));
        Ok(found.count() as u64)
    }

    fn scan(&mut self, scan: Scan<'_>, sink: &mut Sink<'_>) -> Result<()> {
        let mut own;
        let cursor = match &mut self.cursor {
            Some(cursor) => cursor,
            None => {
                own = self.db.cursor()?;
                &mut own
            }
        };
        let mut there = match scan {
            Scan::All => cursor.seek_to_first()?,
            Scan::Backward => cursor.seek_to_last()?,
            Scan::From(key) => cursor.seek(key)?,
        };
        let backward = matches!(scan, Scan::Backward);
        while there && sink.entry(cursor.key(), cursor.value()) {
            there = if backward { cursor.prev()? } else { cursor.next()? };
        }
        Ok(())
    }
}
