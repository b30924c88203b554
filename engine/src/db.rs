//! The handle of an open store.

use std::fmt;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use ringwood_ring::Disk;

use crate::batch::{DEFAULT_KEYSPACE, WriteBatch};
use crate::cursor::Cursor;
use crate::manifest::Edit;
use crate::options::{Budget, Durability, Options};
use crate::range::Range;
use crate::stats::Stats;
use crate::store::Store;
use crate::tasks::{SteppedTasks, Tasks};
use crate::tree::Tree;
use crate::version::Version;
use crate::{Error, Keyspace, Loader, Result, Snapshot, Value, open, output};

/// Longest name of a keyspace, in bytes.
pub const KEYSPACE_NAME_BYTES_MAX: usize = 255;

/// An open store. Cheap to clone; all clones are one store, and every call works from any number of threads. Closed when
/// [`close`](Self::close) is called or the last handle goes.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// let db = ringwood::Db::open(dir.path().join("data"))?;
/// db.put("k", "v")?; // on the device when it returns
/// assert_eq!(db.get("k")?.unwrap(), b"v");
///
/// let mut batch = db.batch();
/// batch.put("a", "1").delete("k");
/// batch.commit()?;
///
/// for entry in db.range("a"..="z")? {
///     let (key, value) = entry?;
///     println!("{key:?} = {value:?}");
/// }
/// db.close()?;
/// # Ok::<(), ringwood::Error>(())
/// ```
#[derive(Clone)]
pub struct Db(Keyspace);

/// What all handles share. The background stops when it goes.
pub(crate) struct Shared {
    pub(crate) store: Arc<Store>,
    tasks: Mutex<Option<Tasks>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Errors are for those who call `close`.
        if let Err(error) = self.shut_down() {
            log::warn!("{}: {error}", self.store.dir.display());
        }
    }
}

impl Shared {
    /// Stops writers, then flushes and compactions, then the log; everything acknowledged is durable when it returns.
    fn shut_down(&self) -> Result<()> {
        let Some(mut tasks) = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return Ok(());
        };
        let store = &self.store;
        {
            // Under the commit lock: no write is acknowledged after this.
            let _commit = store.lock_commit();
            store.closed.store(true, Ordering::Release);
        }
        store.stop_loadings();
        let flushed = store.flush_to_close();
        tasks.stop_workers(store);
        let closed = store.lock_commit().appender.close();
        if closed.is_err() {
            // Without its mark, but the log's thread is to end.
            let _ = store.log.close();
        }
        tasks.join_log();
        store.remove_obsolete();
        store.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        flushed?;
        closed.map_err(Error::from)
    }
}

impl Db {
    /// Opens the store in the directory `path` with default options, creating it if it does not exist.
    ///
    /// # Errors
    /// As [`Options::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Options::new().open(path)
    }

    pub(crate) fn open_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: &Options,
        budget: Budget,
        stepped: bool,
    ) -> Result<Self> {
        let stepped = stepped.then(Arc::<SteppedTasks>::default);
        let opened = open::open(disk, dir, options, budget, stepped.as_ref())?;
        let store = opened.store;
        let tasks = match &stepped {
            Some(stepped) => stepped.start(&store, opened.pump)?,
            None => Tasks::start(&store, opened.pump)?,
        };
        let tree = Arc::clone(&store.trees.load()[&DEFAULT_KEYSPACE]);
        store.background.notify_work();
        let shared = Arc::new(Shared { store, tasks: Mutex::new(Some(tasks)) });
        Ok(Self(Keyspace::new(&shared, &tree)))
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.0.shared().store
    }

    /// Makes one step of background work in a store that was opened stepped. False if there is none to make.
    #[doc(hidden)]
    #[must_use]
    pub fn step(&self) -> bool {
        self.store().background.stepper.as_ref().is_some_and(|step| step())
    }

    /// Sets `key` to `value`, with the store's default durability ([`Durability::Synced`] unless told otherwise).
    ///
    /// Costs no I/O of its own: a synced put waits for the commit group that carries it, one write and
    /// one sync in one call into the kernel, which it makes itself if nobody else waits.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for an empty or too long key, or a too long value;
    /// [`Full`](crate::ErrorKind::Full) if the disk is full; [`Poisoned`](crate::ErrorKind::Poisoned) after a failed sync.
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.0.put(key, value)
    }

    /// As [`put`](Self::put), with the durability given.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn put_with(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        durability: Durability,
    ) -> Result<()> {
        self.0.put_with(key, value, durability)
    }

    /// Removes `key`, whether it is there or not.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<()> {
        self.0.delete(key)
    }

    /// As [`delete`](Self::delete), with the durability given.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn delete_with(&self, key: impl AsRef<[u8]>, durability: Durability) -> Result<()> {
        self.0.delete_with(key, durability)
    }

    /// The value of `key`, or `None`.
    ///
    /// A block that is not in the cache costs one direct read of one page; blocks of several levels that may hold the key are read in one
    /// enter. A hit copies and allocates nothing.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for an impossible key; [`Corrupt`](crate::ErrorKind::Corrupt), naming file and offset, if the
    /// block is damaged; [`Io`](crate::ErrorKind::Io) if the device fails the read.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        self.0.get(key)
    }

    /// The values of `keys`, in their order, as of one moment. The missing blocks of all keys are read together, in as few enters as
    /// the ring's depth allows.
    ///
    /// # Errors
    /// As [`get`](Self::get); the first error is that of the call.
    pub fn multi_get<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Value>>> {
        self.0.multi_get(keys)
    }

    /// A batch to fill and commit.
    #[must_use]
    pub fn batch(&self) -> Batch {
        Batch { db: self.clone(), batch: WriteBatch::new(), error: None }
    }

    /// Writes a batch: readers see all of it or nothing, and so does the store after a crash, also across keyspaces.
    ///
    /// The exception: of a batch with [`Durability::None`] over several keyspaces a crash may leave what was flushed in one of them
    /// and not in another.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn write(&self, batch: &WriteBatch, durability: Durability) -> Result<()> {
        if batch.keyspaces().iter().any(|k| !Arc::ptr_eq(k.shared(), self.0.shared())) {
            return Err(Error::invalid("the batch names a keyspace of another store"));
        }
        self.store().write_batch(batch, durability)
    }

    /// Begins to load entries in ascending order into the default keyspace. See [`Keyspace::loader`].
    ///
    /// # Errors
    /// As [`Keyspace::loader`].
    pub fn loader(&self) -> Result<Loader> {
        self.0.loader()
    }

    /// The entries of a range of keys, in order; from the end with `rev`.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let db = ringwood::Db::open(dir.path().join("data"))?;
    /// for i in 0..10u8 {
    ///     db.put([i], "v")?;
    /// }
    /// let last = db.range([3u8]..[8u8])?.rev().next().unwrap()?;
    /// assert_eq!(last.0, [7u8]);
    /// # db.close()?;
    /// # Ok::<(), ringwood::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`cursor`](Self::cursor).
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Result<Range> {
        self.0.range(range)
    }

    /// The entries whose keys start with `prefix`, in order.
    ///
    /// # Errors
    /// As [`cursor`](Self::cursor).
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Result<Range> {
        self.0.prefix(prefix)
    }

    /// All entries, in order.
    ///
    /// # Errors
    /// As [`cursor`](Self::cursor).
    pub fn iter(&self) -> Result<Range> {
        self.0.iter()
    }

    /// A cursor over what is visible now: re-seekable, both ways, its entries not copied.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed) after [`close`](Self::close).
    pub fn cursor(&self) -> Result<Cursor> {
        self.0.cursor()
    }

    /// The store as of now, in all keyspaces.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.0.snapshot()
    }

    /// The keyspace of this name, created if it does not exist. Creating one costs two or three I/Os.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for an empty or too long name; else as [`put`](Self::put).
    pub fn keyspace(&self, name: &str) -> Result<Keyspace> {
        if name.is_empty() || name.len() > KEYSPACE_NAME_BYTES_MAX {
            return Err(Error::invalid(format!(
                "a keyspace's name has 1 to {KEYSPACE_NAME_BYTES_MAX} bytes; this one has {}",
                name.len()
            )));
        }
        let store = self.store();
        let find = || store.trees.load().values().find(|t| t.name == name).cloned();
        if let Some(tree) = find() {
            return Ok(Keyspace::new(self.0.shared(), &tree));
        }
        store.check_writable()?;
        let mut manifest = store.lock_manifest();
        // Someone may have been faster.
        let tree = match find() {
            Some(tree) => tree,
            None => {
                let id = manifest.state().next_keyspace;
                output::append(
                    store,
                    &mut manifest,
                    &[Edit::KeyspaceAdd { keyspace: id, name: name.to_owned() }],
                )?;
                let mem = store.memtables.memtable();
                let tree = Tree::new(id, name.to_owned(), mem, store.log.appended(), Version::default());
                store.trees.rcu(|trees| {
                    let mut next = trees.as_ref().clone();
                    next.insert(id, Arc::clone(&tree));
                    next
                });
                tree
            }
        };
        Ok(Keyspace::new(self.0.shared(), &tree))
    }

    /// Names of all keyspaces, in the order of their creation; "default" is the first.
    #[must_use]
    pub fn keyspaces(&self) -> Vec<String> {
        self.store().trees.load().values().map(|t| t.name.clone()).collect()
    }

    /// Drops a keyspace and all that is in it. Handles to it give errors from then on; iterators and snapshots that have it open go on.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if there is none of the name, or for the default one.
    pub fn drop_keyspace(&self, name: &str) -> Result<()> {
        let store = self.store();
        store.check_writable()?;
        let mut manifest = store.lock_manifest();
        let tree = store.trees.load().values().find(|t| t.name == name).cloned();
        let Some(tree) = tree else {
            return Err(Error::invalid(format!(
                "there is no keyspace {name:?}; there are {:?}",
                self.keyspaces()
            )));
        };
        if tree.id == DEFAULT_KEYSPACE {
            return Err(Error::invalid("the default keyspace cannot be dropped"));
        }
        output::append(store, &mut manifest, &[Edit::KeyspaceDrop { keyspace: tree.id }])?;
        // Under the manifest's lock: no flush or compaction is about to name the keyspace.
        tree.set_dropped();
        drop(manifest);
        let view = {
            // Under the commit lock: no memtable of it is frozen between the count and its end.
            let _commit = store.lock_commit();
            store.trees.rcu(|trees| {
                let mut next = trees.as_ref().clone();
                next.remove(&tree.id);
                next
            });
            let view = tree.view_owned();
            let frozen: u64 = view.frozen.iter().map(|m| m.table.bytes() as u64).sum();
            store.frozen_bytes.fetch_sub(frozen, Ordering::AcqRel);
            view
        };
        view.version.tables().for_each(|t| t.set_obsolete());
        store.update_debt();
        // Writers may have waited for the flush of what is gone now.
        store.background.progress.notify();
        Ok(())
    }

    /// Writes all memtables to tables, and waits for it.
    ///
    /// # Errors
    /// [`Full`](crate::ErrorKind::Full) if the disk is full.
    pub fn flush(&self) -> Result<()> {
        self.store().flush()
    }

    /// Merges all tables of all keyspaces into the last level, and waits for it.
    ///
    /// # Errors
    /// As [`Keyspace::compact`].
    pub fn compact(&self) -> Result<()> {
        self.store().flush()?;
        let trees = self.store().trees.load_full();
        trees.values().try_for_each(|tree| match self.store().compact(tree) {
            // Dropped meanwhile: nothing is left to do there.
            Err(_) if tree.is_dropped() => Ok(()),
            result => result,
        })
    }

    /// What the store has done and holds.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.store().stats()
    }

    /// The directory of the store.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.store().dir
    }

    /// Closes the store for all handles: writes that were acknowledged, in whatever durability, are on the device when it returns. Snapshots and
    /// iterators go on reading.
    ///
    /// Memtables that hold an eighth of a write buffer or more are flushed, so that the next opening has next to nothing to replay. Loads that
    /// are under way are given up.
    ///
    /// # Errors
    /// What dropping the last handle would swallow: a failed sync, or a full disk.
    pub fn close(self) -> Result<()> {
        self.0.shared().shut_down()
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Db({})", self.path().display())
    }
}

/// A batch that knows its store: filled, then committed.
#[derive(Debug, Clone)]
pub struct Batch {
    db: Db,
    batch: WriteBatch,
    /// The first operation that was refused; [`commit`](Self::commit) gives it.
    error: Option<Error>,
}

impl Batch {
    fn note(&mut self, result: Result<()>) -> &mut Self {
        if let Err(error) = result {
            self.error.get_or_insert(error);
        }
        self
    }

    /// Adds a put to the default keyspace. An impossible key or value makes [`commit`](Self::commit) fail.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> &mut Self {
        let result = self.batch.put(key, value);
        self.note(result)
    }

    /// Adds a delete to the default keyspace.
    pub fn delete(&mut self, key: impl AsRef<[u8]>) -> &mut Self {
        let result = self.batch.delete(key);
        self.note(result)
    }

    /// Adds a put to `keyspace`.
    pub fn put_in(
        &mut self,
        keyspace: &Keyspace,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> &mut Self {
        let result = self.batch.put_in(keyspace, key, value);
        self.note(result)
    }

    /// Adds a delete to `keyspace`.
    pub fn delete_in(&mut self, keyspace: &Keyspace, key: impl AsRef<[u8]>) -> &mut Self {
        let result = self.batch.delete_in(keyspace, key);
        self.note(result)
    }

    /// Number of operations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batch.len()
    }

    /// Whether there is no operation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Writes all of it or nothing, with the store's default durability.
    ///
    /// # Errors
    /// The first refused operation, if any; else as [`Db::put`].
    pub fn commit(self) -> Result<()> {
        let durability = self.db.store().durability;
        self.commit_with(durability)
    }

    /// As [`commit`](Self::commit), with the durability given.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn commit_with(self, durability: Durability) -> Result<()> {
        match self.error {
            Some(error) => Err(error),
            None => self.db.write(&self.batch, durability),
        }
    }
}
