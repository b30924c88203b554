//! Looking into a store from outside, for tools: [`Inspector`] reads a store that nobody has open and changes nothing in it;
//! [`inspect_file`] decodes one file; [`salvage()`] saves what is whole into a new store.
//!
//! One thread uses an inspector. Its reads are counted as `Class::Control` and `Class::Log`.

mod file;
mod peek;
mod salvage;
mod tree;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringwood_ring::{
    Class, DirLock, Disk, IoChoice, IoErrorKind, Lane, LaneSpec, Owner, UringConfig, open_disk,
};
use ringwood_sstable::{BlockCache, Table};

use crate::files::{self, FileName};
use crate::manifest::{self, Contents, State};
use crate::{Caps, CountsSnapshot, Error, ErrorKind, Result, open};

pub use file::{Field, FileKind, Item, ItemSink, inspect_file};
pub use peek::{Peek, peek};
pub use salvage::{Salvaged, salvage};
pub use tree::{KeyspaceTree, StoreTree, TableInfo};
pub use verify::{Problem, Progress, Report};

/// I/O memory: reads in flight, and what a table has in memory.
const ARENA_BYTES: usize = 64 << 20;
/// The cache that tables must have; nothing is read through it.
const CACHE_BYTES: usize = 1 << 20;
const DEPTH: u32 = 64;

/// A disk, a lane and what opening a table needs.
pub(crate) struct Reach {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) lane: Box<dyn Lane>,
    cache: Arc<BlockCache>,
}

impl Reach {
    fn new(io: IoChoice) -> Result<Self> {
        let disk = open_disk(io, ARENA_BYTES, UringConfig::default())?;
        let lane = disk.lane(LaneSpec { class: Class::Control, depth: DEPTH, owner: Owner::Pool })?;
        let cache = BlockCache::new(disk.arena(), CACHE_BYTES, None);
        Ok(Self { disk, lane, cache })
    }

    /// Opens a table. `assigned_seq` is the sequence number of all its entries, if the manifest has one for them.
    fn table(&mut self, path: &Path, id: u64, assigned_seq: Option<u64>) -> Result<Arc<Table>> {
        let mut table = Table::open(&self.disk, &mut *self.lane, &self.cache, path, id)?;
        if let Some(seq) = assigned_seq {
            Arc::get_mut(&mut table).expect("nobody else has it yet").assign_seq(seq)?;
        }
        Ok(table)
    }
}

/// The way to the disk that a store would go, and what it can do.
///
/// # Errors
/// If there is none: with [`IoChoice::Uring`], where io_uring does not work.
pub fn io_path(io: IoChoice) -> Result<Caps> {
    Ok(Reach::new(io)?.disk.caps())
}

/// A store that nobody has open, seen from outside. It is locked for as long as this lives, and nothing in it is changed.
pub struct Inspector {
    reach: Reach,
    dir: PathBuf,
    /// `Err`: why there is no manifest to go by.
    manifest: Result<Contents>,
    _lock: Box<dyn DirLock>,
}

impl Inspector {
    /// Takes the store in `dir`. A damaged one is taken too; [`verify`](Self::verify) tells what is wrong.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) if there is none, [`Invalid`](ErrorKind::Invalid) if the directory holds something else,
    /// [`Busy`](ErrorKind::Busy) if it is open.
    pub fn open(dir: impl AsRef<Path>, io: IoChoice) -> Result<Self> {
        let dir = dir.as_ref();
        let mut reach = Reach::new(io)?;
        let disk = Arc::clone(&reach.disk);
        if !manifest::exists(&*disk, dir)? {
            let none = Error::new(ErrorKind::NotFound, format!("{} holds no store", dir.display()));
            let names = disk.list(dir).map_err(|_| none.clone())?;
            let is_ours = |name: &PathBuf| {
                matches!(FileName::parse(name), Some(FileName::Table(_) | FileName::Manifest(_)))
            };
            if !names.iter().any(is_ours) {
                open::refuse_foreign(&*disk, dir)?;
                return Err(none);
            }
        }
        let lock = disk.lock_dir(dir)?;
        let manifest = manifest::named_by_current(&*disk, &mut *reach.lane, dir)
            .and_then(|number| manifest::look(&*disk, &mut *reach.lane, &files::manifest(dir, number)));
        Ok(Self { reach, dir: dir.to_path_buf(), manifest, _lock: lock })
    }

    /// The way to the disk and what it can do.
    #[must_use]
    pub fn caps(&self) -> Caps {
        self.reach.disk.caps()
    }

    /// I/O so far.
    #[must_use]
    pub fn io(&self) -> CountsSnapshot {
        self.reach.disk.counters().snapshot()
    }

    /// The store as its manifest describes it.
    ///
    /// # Errors
    /// [`Corrupt`](ErrorKind::Corrupt) if `CURRENT` or the manifest is damaged.
    pub fn tree(&self) -> Result<StoreTree> {
        let contents = self.manifest.as_ref().map_err(Clone::clone)?;
        match &contents.damage {
            Some(error) => Err(error.clone()),
            None => Ok(StoreTree::of(&self.dir, contents)),
        }
    }
}

/// Whether a store has no log yet: its creation was cut short between manifest and log, before anything could be written.
fn has_no_log(disk: &dyn Disk, wal: &Path, state: &State) -> bool {
    let is_new = state.log_floor == 0 && state.last_seq == 0;
    is_new && disk.list(wal).is_err_and(|error| error.kind() == IoErrorKind::NotFound)
}
