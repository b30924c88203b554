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
use crate::{Error, Keyspace, Result};
use feed::Chunk;

/// Bytes of a key that an error shows.
const SHOWN_BYTES: usize = 40;

/// Entries in ascending order on their way into a keyspace, all at once: several times as fast as puts, and written once.
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
    keyspace: Keyspace,
    loading: Arc<Loading>,
    chunk: Chunk,
    /// The last key of the chunk before.
    last_key: Vec<u8>,
    entries: u64,
    bytes: u64,
}

impl Loader {
    pub(crate) fn new(keyspace: &Keyspace) -> Result<Self> {
        let loading = Loading::start(&keyspace.shared().store)?;
        Ok(Self {
            keyspace: keyspace.clone(),
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

    /// Puts all entries in place: durable when it returns, and visible in one moment, newer than every write before it. Snapshots and cursors
    /// from before do not see them.
    ///
    /// Memtables that hold keys within the tables' ranges are flushed first. Other writers wait meanwhile for one manifest record, and for the
    /// flush of what they wrote between the loaded keys during this call.
    ///
    /// # Errors
    /// As [`put`](Self::put); [`Poisoned`](crate::ErrorKind::Poisoned) if the manifest or the log failed. After an error nothing was loaded; after
    /// a failed sync of the manifest the next opening finds all of it or nothing.
    pub fn finish(mut self) -> Result<()> {
        if self.is_empty() {
            return self.keyspace.shared().store.check_writable();
        }
        self.send()?;
        let _finishing = self.loading.finishing();
        let tables = self.loading.finish()?;
        self.keyspace.shared().store.install_loaded(self.keyspace.tree(), tables, self.bytes)
    }

    fn send(&mut self) -> Result<()> {
        if let Some(last) = self.chunk.last_key() {
            self.last_key.clear();
            self.last_key.extend_from_slice(last);
        }
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
        write!(f, "Loader({:?}, {} entries)", self.keyspace.name(), self.entries)
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
