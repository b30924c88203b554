//! Snapshots.

use std::fmt;
use std::ops::RangeBounds;
use std::sync::Arc;

use crate::cursor::Cursor;
use crate::range::{Bounds, Range};
use crate::store::Store;
use crate::tree::Tree;
use crate::{Keyspace, Result, Value};

/// The store as of one moment, in all keyspaces. Owned: it outlives the handle that it was taken from, and stays readable after
/// [`Db::close`](crate::Db::close). While it lives, compaction keeps what it sees; drop it to let that go.
#[derive(Clone)]
pub struct Snapshot {
    held: Arc<Held>,
    tree: Arc<Tree>,
}

/// The registration, shared by clones.
struct Held {
    store: Arc<Store>,
    seq: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.store.snapshots.release(self.seq);
    }
}

impl Snapshot {
    pub(crate) fn take(store: &Arc<Store>, tree: &Arc<Tree>) -> Self {
        let seq = store.snapshots.take(&store.visible);
        Self { held: Arc::new(Held { store: Arc::clone(store), seq }), tree: Arc::clone(tree) }
    }

    /// The same moment, in `keyspace`.
    #[must_use]
    pub fn keyspace(&self, keyspace: &Keyspace) -> Self {
        Self { held: Arc::clone(&self.held), tree: Arc::clone(keyspace.tree()) }
    }

    /// The sequence number of the last write that the snapshot sees.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.held.seq
    }

    /// The value of `key`. See [`Db::get`](crate::Db::get).
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        self.held.store.get(&self.tree, key.as_ref(), Some(self.held.seq))
    }

    /// The values of `keys`. See [`Db::multi_get`](crate::Db::multi_get).
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    pub fn multi_get<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Value>>> {
        self.held.store.multi_get(&self.tree, keys, Some(self.held.seq))
    }

    /// A cursor. See [`Db::cursor`](crate::Db::cursor).
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    pub fn cursor(&self) -> Result<Cursor> {
        Ok(Cursor::new(&self.held.store, &self.tree, Some(self.held.seq)))
    }

    /// The entries of a range of keys. See [`Db::range`](crate::Db::range).
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Result<Range> {
        Ok(Range::new(self.cursor()?, Bounds::of(&range)))
    }

    /// The entries whose keys start with `prefix`. See [`Db::prefix`](crate::Db::prefix).
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Result<Range> {
        Ok(Range::new(self.cursor()?, Bounds::prefix(prefix.as_ref())))
    }

    /// All entries.
    ///
    /// # Errors
    /// As [`Db::get`](crate::Db::get).
    pub fn iter(&self) -> Result<Range> {
        Ok(Range::new(self.cursor()?, Bounds::default()))
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({} at {})", self.tree.name, self.held.seq)
    }
}
