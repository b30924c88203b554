//! Opening a store: lock, manifest, tables, log, threads.
//!
//! # Order, and why
//!
//! 1. The directory, and its name in its parent, exist durably before anything in it is relied upon.
//! 2. The lock: nobody else changes what is read from here on.
//! 3. The manifest says which tables are in force; each is opened and checked before any write is taken.
//! 4. The log is replayed into memtables: what the manifest says is in tables is left out.
//! 5. Files that neither names are leftovers of a cut flush, compaction or manifest change, and are removed: only now, when all
//!    that is in force has been found whole.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ringwood_ring::{Class, DirLock, Disk, IoErrorKind, LaneSpec, Owner};
use ringwood_sstable::{BlockCache, Table, TableError, TableOptions, TableSpec};
use ringwood_wal::{Opened, WalError, WalOptions};

use crate::background::Background;
use crate::files::{self, FileName};
use crate::manifest::{self, KeyspaceState, Manifest, TableMeta};
use crate::memtable::MemtablePool;
use crate::options::{Budget, Options};
use crate::store::{Parts, Store};
use crate::tasks::SteppedTasks;
use crate::tree::Tree;
use crate::version::{Graveyard, TableHandle, Version};
use crate::{Error, ErrorKind, Result, batch};

/// Depth of the lane that reads the tails of tables.
const OPEN_LANE_DEPTH: u32 = 256;

/// The errno of a symbolic link where a directory was to be made.
const ELOOP: i32 = 40;

/// What opening gives: the store, and the log's pump, which somebody must run.
pub(crate) struct OpenedStore {
    pub(crate) store: Arc<Store>,
    pub(crate) pump: ringwood_wal::Pump,
}

/// Opens or creates the store in `dir`.
pub(crate) fn open(
    disk: Arc<dyn Disk>,
    dir: &Path,
    options: &Options,
    budget: Budget,
    stepped: Option<&Arc<SteppedTasks>>,
) -> Result<OpenedStore> {
    let lock = prepare_directory(&*disk, dir, options)?;
    let lane = disk.lane(manifest::control_lane())?;
    let wal_dir = dir.join(files::WAL);
    let manifest = if manifest::exists(&*disk, dir)? {
        // There already, but for a creation that was cut short. The manifest makes its name durable, at any rate, with its own.
        make_dir(&*disk, &wal_dir)?;
        Manifest::open(Arc::clone(&disk), lane, dir)?
    } else {
        let manifest = Manifest::create(Arc::clone(&disk), lane, dir)?;
        make_dir(&*disk, &wal_dir)?;
        disk.sync_dir(dir)?;
        manifest
    };
    let stepper = stepped.map(SteppedTasks::stepper);
    let cache = BlockCache::with_tables(
        disk.arena(),
        budget.cache_frames() as usize,
        BlockCache::frames_in(budget.cache_min()) as usize,
        budget.tables,
        stepper.clone(),
    );
    let graveyard = Arc::new(Graveyard::default());
    let state = manifest.state();
    let memtables = MemtablePool::new(budget.write_buffer as usize);
    let mut trees = BTreeMap::new();
    let mut versions = open_tables(&disk, dir, &cache, &graveyard, &state.keyspaces)?;
    for (&id, keyspace) in &state.keyspaces {
        let version = versions.remove(&id).unwrap_or_default();
        let mem = memtables.memtable();
        trees.insert(id, Tree::new(id, keyspace.name.clone(), mem, state.log_floor, version));
    }
    let wal_options = WalOptions {
        staging_bytes: budget.staging,
        log_bytes_max: 4 * budget.log_bytes_soft() + (256 << 20),
        segment_bytes_min: budget.segment.min(1 << 20),
        segment_bytes_max: budget.segment,
        sync_mode: options.sync_mode,
        stepper: stepper.clone(),
        ..WalOptions::default()
    };
    let mut replay = Replay {
        trees: &trees,
        memtables: &memtables,
        manifest: &manifest,
        budget,
        last_seq: state.last_seq,
        failed: None,
    };
    let opened = ringwood_wal::open(
        &disk,
        &wal_dir,
        wal_options,
        manifest.store_id(),
        state.log_floor,
        &mut |lsn, payload| replay.apply(lsn, payload),
    );
    let last_seq = replay.last_seq;
    if let Some(error) = replay.failed {
        return Err(error);
    }
    let Opened { appender, pump, log, report } = opened?;
    log::debug!("{}: log replayed: {report:?}", dir.display());
    let next_file = remove_leftovers(&*disk, dir, &manifest)?;
    let store = Store::new(Parts {
        dir: dir.to_path_buf(),
        lock,
        budget,
        durability: options.durability,
        table_options: TableOptions { compression: options.compression, ..TableOptions::default() },
        cache,
        memtables,
        log,
        appender,
        last_seq,
        trees,
        next_file,
        graveyard,
        background: Background::new(stepper),
        manifest,
        disk,
    });
    store.update_debt();
    store.check_table_memory();
    Ok(OpenedStore { store, pump })
}

/// Makes the directory if it may be made, takes it, and sees to it that it is a store's or empty.
fn prepare_directory(disk: &dyn Disk, dir: &Path, options: &Options) -> Result<Box<dyn DirLock>> {
    if !manifest::exists(disk, dir)? {
        if options.must_exist {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("{} holds no store, and none was to be created", dir.display()),
            ));
        }
        match disk.create_dir(dir) {
            Ok(()) => {}
            // The store's own directory may be reached through a link.
            Err(e) if e.kind() == IoErrorKind::AlreadyExists || e.errno() == ELOOP => {
                refuse_foreign(disk, dir)?;
            }
            Err(e) => return Err(e.into()),
        }
        // The directory's own name must not be lost either.
        let parent = dir.parent().filter(|p| !p.as_os_str().is_empty());
        disk.sync_dir(parent.unwrap_or(Path::new(".")))?;
    } else if options.must_be_new {
        return Err(Error::invalid(format!(
            "{} holds a store already, and it was to be a new one",
            dir.display()
        )));
    }
    Ok(disk.lock_dir(dir)?)
}

/// Makes a directory, if it is not there.
fn make_dir(disk: &dyn Disk, dir: &Path) -> Result<()> {
    match disk.create_dir(dir) {
        Err(e) if e.kind() != IoErrorKind::AlreadyExists => Err(e.into()),
        _ => Ok(()),
    }
}

/// A directory without a store may hold only what a creation that was cut short leaves.
pub(crate) fn refuse_foreign(disk: &dyn Disk, dir: &Path) -> Result<()> {
    let names = disk.list(dir)?;
    let is_ours = |name: &&std::path::PathBuf| {
        matches!(FileName::parse(name), Some(FileName::Lock | FileName::CurrentNew | FileName::Manifest(1)))
    };
    match names.iter().find(|name| !is_ours(name)) {
        None => Ok(()),
        Some(name) if FileName::parse(name).is_some() => Err(Error::corrupt(
            &dir.join(files::CURRENT),
            None,
            format!("it is missing, but {} is there; restore it from a copy", name.display()),
        )),
        Some(name) => Err(Error::invalid(format!(
            "{} is not a store of Ringwood and not empty (it holds {}); give a store's directory, or a new or an empty one to make a store in",
            dir.display(),
            name.display()
        ))),
    }
}

/// Opens the tables of all keyspaces together. Footers, indexes and filters are read and checked.
fn open_tables(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    cache: &Arc<BlockCache>,
    graveyard: &Arc<Graveyard>,
    keyspaces: &BTreeMap<u32, KeyspaceState>,
) -> Result<BTreeMap<u32, Version>> {
    let mut lane =
        disk.lane(LaneSpec { class: Class::Control, depth: OPEN_LANE_DEPTH, owner: Owner::Pool })?;
    let tables = || {
        let levels = keyspaces.iter().flat_map(|(&id, k)| k.levels.iter().enumerate().map(move |l| (id, l)));
        levels.flat_map(|(id, (level, metas))| metas.iter().map(move |meta| (id, level, meta)))
    };
    let specs = tables().map(|(_, _, meta)| TableSpec {
        path: files::table(dir, meta.id),
        id: meta.id,
        tail_bytes: meta.tail_bytes,
        salt: meta.salt,
        warmed: None,
    });
    let opened = Table::open_all(disk, &mut *lane, cache, specs);
    let mut added: BTreeMap<u32, Vec<_>> = keyspaces.keys().map(|&id| (id, Vec::new())).collect();
    for ((id, level, meta), table) in tables().zip(opened) {
        let table = check_table(dir, meta, table)?;
        let handle = TableHandle::new(Arc::new(table), meta.clone(), graveyard);
        added.entry(id).or_default().push((level, handle));
    }
    Ok(added.into_iter().map(|(id, added)| (id, Version::default().edited(&added, &[]))).collect())
}

/// Checks that a table that was opened is what the manifest says, and gives it the sequence number that the manifest has for it.
fn check_table(dir: &Path, meta: &TableMeta, opened: Result<Table, TableError>) -> Result<Table> {
    let path = files::table(dir, meta.id);
    let mut table = opened.map_err(|e| match Error::from(e) {
        e if e.kind() == ErrorKind::NotFound => {
            Error::corrupt(&path, None, "the manifest names it and it does not exist; restore it from a copy")
        }
        e => e,
    })?;
    if table.file_bytes() != meta.bytes {
        let what = format!("it has {} bytes and the manifest says {}", table.file_bytes(), meta.bytes);
        return Err(Error::corrupt(&path, None, what));
    }
    if let Some(seq) = meta.assigned_seq() {
        table.assign_seq(seq)?;
    }
    Ok(table)
}

/// Puts what the log has back into memtables.
struct Replay<'a> {
    trees: &'a BTreeMap<u32, Arc<Tree>>,
    memtables: &'a MemtablePool,
    manifest: &'a Manifest,
    budget: Budget,
    last_seq: u64,
    failed: Option<Error>,
}

impl Replay<'_> {
    fn apply(&mut self, lsn: u64, payload: &[u8]) -> Result<(), WalError> {
        self.apply_batch(lsn, payload).map_err(|error| {
            let what = error.to_string();
            self.failed = Some(error);
            WalError::Refused { lsn, what }
        })
    }

    fn apply_batch(&mut self, lsn: u64, payload: &[u8]) -> Result<()> {
        let damaged = |what: &str| {
            Error::new(ErrorKind::Corrupt, format!("the log's record at position {lsn} is damaged: {what}"))
        };
        let (first, count, ops) = batch::decode(payload).map_err(damaged)?;
        if first > manifest::SEQ_LIMIT {
            return Err(damaged("its sequence numbers are larger than any store's"));
        }
        let mut seen = 0;
        for (op, seq) in ops.zip(first..) {
            let op = op.map_err(damaged)?;
            seen += 1;
            self.last_seq = self.last_seq.max(seq);
            let Some(keyspace) = self.manifest.state().keyspaces.get(&op.keyspace) else {
                // Of a keyspace that was dropped since; one that never was would be damage.
                if op.keyspace < self.manifest.state().next_keyspace {
                    continue;
                }
                return Err(damaged("it names a keyspace that never was"));
            };
            if seq <= keyspace.flushed_seq {
                continue;
            }
            let tree = &self.trees[&op.keyspace];
            if tree.view().active.table.bytes() as u64 >= self.budget.write_buffer {
                tree.freeze(&self.memtables.memtable(), lsn);
            }
            tree.view().active.table.insert(op.key, seq, op.kind, op.value);
        }
        if seen != count {
            return Err(damaged("it holds another number of operations than it says"));
        }
        Ok(())
    }
}

/// Removes files that the manifest does not name, and returns the first unused file number.
fn remove_leftovers(disk: &dyn Disk, dir: &Path, manifest: &Manifest) -> Result<u64> {
    let state = manifest.state();
    let tables = state.keyspaces.values().flat_map(|k| k.levels.iter().flatten()).map(|t| t.id);
    let live: std::collections::BTreeSet<u64> = tables.collect();
    let mut next_file = state.next_file.max(manifest.number() + 1);
    let after = |number: u64| if number > files::NUMBER_SEEN_MAX { 0 } else { number + 1 };
    for name in disk.list(dir)? {
        let is_leftover = match FileName::parse(&name) {
            Some(FileName::Table(id)) => {
                next_file = next_file.max(after(id));
                !live.contains(&id)
            }
            Some(FileName::Manifest(number)) => {
                next_file = next_file.max(after(number));
                number != manifest.number()
            }
            Some(FileName::CurrentNew) => true,
            _ => false,
        };
        if is_leftover {
            // Harmless if it stays; a full or read-only disk must not keep the store shut.
            if let Err(error) = disk.remove(&dir.join(&name)) {
                log::warn!("{error}");
            }
        }
    }
    Ok(next_file)
}
