//! fjall 3.

use fjall::config::{BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry};
use fjall::{
    CompressionType, Database, Guard, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Snapshot,
};

use super::{Batch, Engine, Entries, Promise, Reader, Scan, Setup, Sink, Store, View, Writer};
use crate::Result;
use crate::data::Key;

/// See the module.
pub(crate) struct Fjall;

impl Engine for Fjall {
    fn version(&self) -> String {
        format!("fjall {}", super::locked_version("fjall"))
    }

    fn settings(&self) -> Vec<&'static str> {
        vec![
            "Bloom filters of 10 bits a key on all levels, no compression, max_memtable_size is the write buffer",
            "Buffered: its default, which hands each write to the kernel; fillsync: persist(SyncData) after each write",
            "loads: batches through its journal, flushed and synced at the end; a sorted load is an ingestion",
            "multi-get is gets in one snapshot: it has no other",
        ]
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Store>> {
        let db = Database::builder(setup.dir.join("store")).cache_size(setup.cache_bytes).open()?;
        let filter = FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(10.0));
        let options = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(setup.write_buffer_bytes)
                .data_block_compression_policy(CompressionPolicy::all(CompressionType::None))
                .filter_policy(FilterPolicy::all(filter))
        };
        let keyspace = db.keyspace("default", options)?;
        Ok(Box::new(Opened { db, keyspace, promise: setup.promise }))
    }
}

struct Opened {
    db: Database,
    keyspace: Keyspace,
    promise: Promise,
}

impl Store for Opened {
    fn writer(&self) -> Result<Box<dyn Writer + '_>> {
        Ok(Box::new(Access(self)))
    }

    fn reader(&self, view: View) -> Result<Box<dyn Reader + '_>> {
        let still = (view == View::Still).then(|| self.db.snapshot());
        Ok(Box::new(Reads { store: self, still }))
    }

    fn settle(&self) -> Result<()> {
        self.keyspace.rotate_memtable_and_wait()?;
        Ok(self.db.persist(PersistMode::SyncData)?)
    }

    fn load_sorted(&self, entries: &mut Entries<'_>) -> Result<()> {
        let mut ingestion = self.keyspace.start_ingestion()?;
        for (key, value) in entries {
            ingestion.write(key, value)?;
        }
        Ok(ingestion.finish()?)
    }

    fn compact(&mut self) -> Result<()> {
        Ok(self.keyspace.major_compact()?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

struct Access<'a>(&'a Opened);

impl Access<'_> {
    fn keep(&self) -> Result<()> {
        if self.0.promise == Promise::Synced {
            self.0.db.persist(PersistMode::SyncData)?;
        }
        Ok(())
    }
}

impl Writer for Access<'_> {
    fn put(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        self.0.keyspace.insert(*key, value)?;
        self.keep()
    }

    fn delete(&mut self, key: &Key) -> Result<()> {
        self.0.keyspace.remove(*key)?;
        self.keep()
    }

    fn put_batch(&mut self, entries: &Batch<'_>) -> Result<()> {
        let mut batch = fjall::OwnedWriteBatch::with_capacity(self.0.db.clone(), entries.len());
        for (key, value) in entries {
            batch.insert(&self.0.keyspace, *key, *value);
        }
        batch.commit()?;
        self.keep()
    }
}

struct Reads<'a> {
    store: &'a Opened,
    still: Option<Snapshot>,
}

impl Reader for Reads<'_> {
    fn get(&mut self, key: &Key, sink: &mut Sink<'_>) -> Result<bool> {
        let value = self.store.keyspace.get(key)?;
        Ok(value.is_some_and(|value| {
            sink.value(&value);
            true
        }))
    }

    fn multi_get(&mut self, keys: &[Key], sink: &mut Sink<'_>) -> Result<u64> {
        let own;
        let snapshot = match &self.still {
            Some(snapshot) => snapshot,
            None => {
                own = self.store.db.snapshot();
                &own
            }
        };
        let mut found = 0;
        for key in keys {
            if let Some(value) = snapshot.get(&self.store.keyspace, key)? {
                sink.value(&value);
                found += 1;
            }
        }
        Ok(found)
    }

    fn scan(&mut self, scan: Scan<'_>, sink: &mut Sink<'_>) -> Result<()> {
        let keyspace = &self.store.keyspace;
        match scan {
            Scan::All => pour(keyspace.iter(), sink),
            Scan::Backward => pour(keyspace.iter().rev(), sink),
            Scan::From(key) => pour(keyspace.range(*key..), sink),
        }
    }
}

fn pour(entries: impl Iterator<Item = Guard>, sink: &mut Sink<'_>) -> Result<()> {
    for entry in entries {
        let (key, value) = entry.into_inner()?;
        if !sink.entry(&key, &value) {
            break;
        }
    }
    Ok(())
}
