//! Keyspaces: ordered maps of their own in one store, with one log.

use std::fmt;
use std::ops::RangeBounds;
use std::sync::Arc;

use ringwood_sstable::Kind;

use crate::cursor::Cursor;
use crate::db::Shared;
use crate::options::Durability;
use crate::range::{Bounds, Range};
use crate::tree::Tree;
use crate::{Error, Loader, Result, Snapshot, Value};

/// A handle to one keyspace: cheap to clone, usable from any thread.
///
/// Batches span keyspaces ([`WriteBatch::put_in`](crate::WriteBatch::put_in)); so do snapshots
/// ([`Snapshot::keyspace`]).
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let db = ringwood::Db::open(dir.path().join("data"))?;
/// let users = db.keyspace("users")?;
/// users.put("1", "Ada")?;
/// assert_eq!(users.get("1")?.unwrap(), "Ada".as_bytes());
/// assert_eq!(db.get("1")?, None);
/// # db.close()?;
/// # Ok::<(), ringwood::Error>(())
/// ```
#[derive(Clone)]
pub struct Keyspace {
    shared: Arc<Shared>,
    tree: Arc<Tree>,
}

impl Keyspace {
    pub(crate) fn new(shared: &Arc<Shared>, tree: &Arc<Tree>) -> Self {
        Self { shared: Arc::clone(shared), tree: Arc::clone(tree) }
    }

    pub(crate) fn id(&self) -> u32 {
        self.tree.id
    }

    pub(crate) fn tree(&self) -> &Arc<Tree> {
        &self.tree
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.tree.name
    }

    /// Sets `key` to `value`, with the store's default durability. See [`Db::put`](crate::Db::put).
    ///
    /// # Errors
    /// As [`Db::put`](crate::Db::put).
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.put_with(key, value, self.shared.store.durability)
    }

    /// As [`put`](Self::put), with the durability given.
    ///
    /// # Errors
    /// As [`Db::put`](crate::Db::put).
    pub fn put_with(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        durability: Durability,
    ) -> Result<()> {
        self.shared.store.write_one(&self.tree, Kind::Put, key.as_ref(), value.as_ref(), durability)
    }

    /// Removes `key`, whether it is there or not.
    ///
    /// # Errors
    /// As [`Db::put`](crate::Db::put).
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<()> {
        self.delete_with(key, self.shared.store.durability)
    }

    /// As [`delete`](Self::delete), with the durability given.
    ///
    /// # Errors
    /// As [`Db::put`](crate::Db::put).
    pub fn delete_with(&self, key: impl AsRef<[u8]>, durability: Durability) -> Result<()> {
        self.shared.store.write_one(&self.tree, Kind::Delete, key.as_ref(), &[], durability)
    }

    /// The value of `key`. See [`Db::get`](crate::Db::get).
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        self.check()?;
        self.shared.store.get(&self.tree, key.as_ref(), None)
    }

    /// The values of `keys`, in their order. See [`Db::multi_get`](crate::Db::multi_get).
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    pub fn multi_get<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Value>>> {
        self.check()?;
        self.shared.store.multi_get(&self.tree, keys, None)
    }

    /// A cursor over what is visible now. See [`Db::cursor`](crate::Db::cursor).
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed) after [`Db::close`](crate::Db::close).
    pub fn cursor(&self) -> Result<Cursor> {
        self.check()?;
        Ok(Cursor::new(&self.shared.store, &self.tree, None))
    }

    /// The entries of a range of keys. See [`Db::range`](crate::Db::range).
    ///
    /// # Errors
    /// As [`cursor`](Self::cursor).
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Result<Range> {
        Ok(Range::new(self.cursor()?, Bounds::of(&range)))
    }

    /// The entries whose keys start with `prefix`.
    ///
    /// # Errors
    /// As [`cursor`](Self::cursor).
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Result<Range> {
        Ok(Range::new(self.cursor()?, Bounds::prefix(prefix.as_ref())))
    }

    /// All entries.
    ///
    /// # Errors
    /// As [`cursor`](Self::cursor).
    pub fn iter(&self) -> Result<Range> {
        Ok(Range::new(self.cursor()?, Bounds::default()))
    }

    /// Begins to load entries in ascending order, past log and memtables: the fastest way in for what is sorted. Takes three I/O buffers for
    /// each of two tables, one mebibyte beside them, and a thread until it ends.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed) after [`Db::close`](crate::Db::close); [`Exhausted`](crate::ErrorKind::Exhausted) without memory or file
    /// descriptors for it.
    pub fn loader(&self) -> Result<Loader> {
        self.check()?;
        Loader::new(self)
    }

    /// The store as of now, seen from this keyspace.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.shared.store, &self.tree)
    }

    /// Merges all tables of the keyspace into the last level, and waits for it. Twice the keyspace's size is needed on disk meanwhile.
    ///
    /// # Errors
    /// [`Full`](crate::ErrorKind::Full) without the space; [`Corrupt`](crate::ErrorKind::Corrupt) if a table is damaged.
    pub fn compact(&self) -> Result<()> {
        self.shared.store.flush()?;
        self.shared.store.compact(&self.tree)
    }

    fn check(&self) -> Result<()> {
        if self.shared.store.closed.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(Error::closed());
        }
        if self.tree.is_dropped() {
            return Err(Error::invalid(format!("keyspace {:?} was dropped", self.tree.name)));
        }
        Ok(())
    }
}

impl fmt::Debug for Keyspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyspace({:?})", self.tree.name)
    }
}
