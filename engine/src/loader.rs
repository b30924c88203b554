//! Loading sorted entries straight into tables, past log and memtables.
//!
//! A [`Loader`] copies entries into *chunks*; its thread makes tables of them ([`builder`]) while the caller fills the next ([`feed`]). The tables
//! are files that nothing names until [`Loader::finish`] puts them all in place ([`install`]) by one manifest record.
//!
//! One thread at a time uses a loader. Several may be at work in a store, in one keyspace too: each takes effect at its own `finish`.

mod builder;
mod feed;
mod install;

use std::fmt;
use std::sync::Arc;

pub(crate) use feed::Loading;

use ringwood_sstable::key_cmp;

use crate::batch::{check_key, check_value};
use crate::store::Store;
use crate::{Error, Keyspace, Result};
use feed::Chunk;
use install::Part;

/// Bytes of a key that an error shows.
const SHOWN_BYTES: usize = 40;

/// Entries in ascending order on their way into a keyspace, or one keyspace after the other, all at once: several times as fast as puts, and written once.
///
/// What is put is in tables of its own, past log and memtables, and nobody sees it before [`finish`](Self::finish). A loader that is dropped
/// leaves nothing, and so does a crash.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// let db = ringwood::Db::open(dir.path().join("data"))?;
/// let mut loader = db.loader()?;
/// for number in 0..10_000u32 {
///     loader.put(number.to_be_bytes(), "a value")?;
/// }
/// assert_eq!(db.get(7u32.to_be_bytes())?, None, "nothing is there yet");
/// loader.finish()?; // all of it is, and on the device
/// assert_eq!(db.get(7u32.to_be_bytes())?.unwrap(), b"a value");
/// # db.close()?;
/// # Ok::<(), ringwood::Error>(())
/// ```
pub struct Loader {
    /// The keyspaces so far, one after the other. The last one is the one at hand.
    keyspaces: Vec<Keyspace>,
    loading: Arc<Loading>,
    chunk: Chunk,
    /// The last key of the chunk before, in the keyspace at hand.
    last_key: Vec<u8>,
    entries: u64,
    bytes: u64,
}

impl Loader {
    pub(crate) fn new(keyspace: &Keyspace) -> Result<Self> {
        let loading = Loading::start(&keyspace.shared().store)?;
        Ok(Self {
            keyspaces: vec![keyspace.clone()],
            loading,
            chunk: Chunk::default(),
            last_key: Vec::new(),
            entries: 0,
            bytes: 0,
        })
    }

    /// Adds an entry, whose key is above all before it. Costs a copy; waits for the device if that is slower than the caller.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid), without effect on the entries before, for a key that is not above the last one (both are named), an empty or
    /// too long key, or a too long value. The error that met what was put before, and then for every call:
    /// [`Full`](crate::ErrorKind::Full) if the disk is full, [`Closed`](crate::ErrorKind::Closed) if the store was closed.
    #[inline]
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        let (key, value) = (key.as_ref(), value.as_ref());
        let last = self.chunk.last_key().unwrap_or(&self.last_key);
        if key_cmp(last, key).is_ge() {
            return Err(refused(last, key));
        }
        check_key(key)?;
        check_value(value)?;
        if !self.chunk.has_room(key, value) {
            self.send()?;
        }
        self.chunk.push(key, value);
        self.entries += 1;
        self.bytes += (key.len() + value.len()) as u64;
        Ok(())
    }

    /// What is put from here on goes to `keyspace`, in ascending order again. All keyspaces of a loader take effect together.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// let db = ringwood::Db::open(dir.path().join("data"))?;
    /// let names = db.keyspace("names")?;
    /// let mut loader = db.loader()?;
    /// loader.put("7", "Ada Lovelace")?;
    /// loader.switch_to(&names)?;
    /// loader.put("Ada", "7")?;
    /// loader.finish()?; // both are there, or after a crash neither
    /// # db.close()?;
    /// # Ok::<(), ringwood::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid), without effect, for a keyspace of another store, or one that the loader has left before; else as
    /// [`put`](Self::put).
    pub fn switch_to(&mut self, keyspace: &Keyspace) -> Result<()> {
        let name = keyspace.name();
        if !Arc::ptr_eq(keyspace.shared(), self.current().shared()) {
            return Err(Error::invalid(format!("the keyspace {name:?} is one of another store")));
        }
        if keyspace.id() == self.current().id() {
            return Ok(());
        }
        if self.keyspaces.iter().any(|before| before.id() == keyspace.id()) {
            return Err(Error::invalid(format!(
                "a loader comes to each keyspace once: it has left {name:?} before"
            )));
        }
        if self.chunk.last_key().is_some() {
            self.send()?;
        }
        self.last_key.clear();
        self.keyspaces.push(keyspace.clone());
        Ok(())
    }

    /// Number of entries that were put.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.entries
    }

    /// Whether nothing was put.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Puts all entries in place, in all keyspaces: durable when it returns, and visible in one moment, newer than every write before it. Snapshots and
    /// cursors from before do not see them.
    ///
    /// Memtables that hold keys within the tables' ranges are flushed first. Other writers wait meanwhile for one manifest record, and for the
    /// flush of what they wrote between the loaded keys during this call.
    ///
    /// # Errors
    /// As [`put`](Self::put); [`Invalid`](crate::ErrorKind::Invalid) if one of the keyspaces was dropped; [`Poisoned`](crate::ErrorKind::Poisoned) if the
    /// manifest or the log failed. After an error nothing was loaded; after a failed sync of the manifest
    /// the next opening finds all of it or nothing.
    pub fn finish(mut self) -> Result<()> {
        if self.is_empty() {
            return self.store().check_writable();
        }
        self.send()?;
        let _finishing = self.loading.finishing();
        let mut parts: Vec<_> = self.keyspaces.iter().map(|k| Part::new(k.tree())).collect();
        for table in self.loading.finish()? {
            parts[table.part()].tables.push(table);
        }
        parts.retain(|part| !part.tables.is_empty());
        self.store().install_loaded(parts, self.bytes)
    }

    fn current(&self) -> &Keyspace {
        self.keyspaces.last().expect("there is one from the beginning")
    }

    fn store(&self) -> &Store {
        &self.current().shared().store
    }

    fn send(&mut self) -> Result<()> {
        if let Some(last) = self.chunk.last_key() {
            self.last_key.clear();
            self.last_key.extend_from_slice(last);
        }
        self.chunk.part = self.keyspaces.len() - 1;
        self.chunk = self.loading.send(std::mem::take(&mut self.chunk))?;
        Ok(())
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.loading.stop();
    }
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loader({:?}, {} entries)", self.current().name(), self.entries)
    }
}

#[cold]
fn refused(last: &[u8], key: &[u8]) -> Error {
    if let Err(error) = check_key(key) {
        return error;
    }
    let how = if last == key { "is the same as" } else { "is not above" };
    let (shown, before) = (shown(key), shown(last));
    Error::invalid(format!(
        "a loader takes keys in ascending order: {shown} {how} the one before it, {before}"
    ))
}

/// A key for people: quoted, escaped, its end left out if it is long.
fn shown(key: &[u8]) -> String {
    let start = &key[..key.len().min(SHOWN_BYTES)];
    let rest = if start.len() < key.len() { format!("… ({} bytes)", key.len()) } else { String::new() };
    format!("\"{}\"{rest}", start.escape_ascii())
}
