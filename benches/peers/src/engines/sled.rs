//! sled 0.34.

use sled::{Config, Db, IVec, Mode};

use super::{Batch, Engine, Need, Promise, Reader, Scan, Setup, Sink, Store, View, Writer};
use crate::Result;
use crate::data::Key;

/// See the module.
pub(crate) struct Sled;

impl Engine for Sled {
    fn version(&self) -> String {
        format!("sled {}", super::locked_version("sled"))
    }

    fn settings(&self) -> Vec<&'static str> {
        vec![
            "Mode::HighThroughput, no flush by time",
            "fillsync: flush() after each write; loads: a flush at the end",
            "multi-get is gets: it has no other",
        ]
    }

    fn cannot(&self, need: Need) -> Option<&'static str> {
        match need {
            Need::Write(Promise::Buffered) => Some("a write is in its own memory until flush(), which syncs"),
            Need::Compact => Some("has no compaction on request"),
            Need::Write(Promise::Synced | Promise::Bulk) => None,
        }
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Store>> {
        let config = Config::new()
            .path(setup.dir.join("store"))
            .mode(Mode::HighThroughput)
            .cache_capacity(setup.cache_bytes)
            .flush_every_ms(None);
        Ok(Box::new(Opened { db: config.open()?, synced: setup.promise == Promise::Synced }))
    }
}

struct Opened {
    db: Db,
    synced: bool,
}

impl Store for Opened {
    fn writer(&self) -> Result<Box<dyn Writer + '_>> {
        Ok(Box::new(Access(self)))
    }

    fn reader(&self, _view: View) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(Reads(&self.db)))
    }

    fn settle(&self) -> Result<()> {
        self.db.flush()?;
        Ok(())
    }

    fn compact(&mut self) -> Result<()> {
        Err("sled has no compaction on request".into())
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.settle()
    }
}

struct Access<'a>(&'a Opened);

impl Access<'_> {
    fn keep(&self) -> Result<()> {
        if self.0.synced {
            self.0.db.flush()?;
        }
        Ok(())
    }
}

impl Writer for Access<'_> {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        self.0.db.insert(key, value)?;
        self.keep()
    }

    fn delete(&mut self, key: &Key) -> Result<()> {
        self.0.db.remove(key)?;
        self.keep()
    }

    fn put_batch(&mut self, entries: &Batch<'_>) -> Result<()> {
        let mut batch = sled::Batch::default();
        for (key, value) in entries {
            batch.insert(key, *value);
        }
        self.0.db.apply_batch(batch)?;
        self.keep()
    }
}

struct Reads<'a>(&'a Db);

impl Reader for Reads<'_> {
    fn get(&mut self, key: &Key, sink: &mut Sink<'_>) -> Result<bool> {
        let value = self.0.get(key)?;
        Ok(value.is_some_and(|value| {
            sink.value(&value);
            true
        }))
    }

    fn multi_get(&mut self, keys: &[Key], sink: &mut Sink<'_>) -> Result<u64> {
        keys.iter().try_fold(0, |found, key| Ok(found + u64::from(self.get(key, sink)?)))
    }

    fn scan(&mut self, scan: Scan<'_>, sink: &mut Sink<'_>) -> Result<()> {
        match scan {
            Scan::All => pour(self.0.iter(), sink),
            Scan::Backward => pour(self.0.iter().rev(), sink),
            Scan::From(key) => pour(self.0.range(&key[..]..), sink),
        }
    }
}

fn pour(entries: impl Iterator<Item = sled::Result<(IVec, IVec)>>, sink: &mut Sink<'_>) -> Result<()> {
    for entry in entries {
        let (key, value) = entry?;
        if !sink.entry(&key, &value) {
            break;
        }
    }
    Ok(())
}
