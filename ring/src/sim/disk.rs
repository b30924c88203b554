//! [`Disk`] for the simulated disk: opening, naming, sizing, locking, mapping.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config::{FaultOp, SyncFailure};
use super::lane::SimLane;
use super::map::MapMemory;
use super::namespace::{Errno, Inode};
use super::state::{State, dead};
use super::{Shared, SimDisk, SimHandle};
use crate::file::Handle;
use crate::{
    Arena, Caps, Counters, Create, DirLock, Disk, File, IoError, IoErrorKind, Lane, LaneSpec, OpenOptions,
    PAGE, Result, SharedMap, Space,
};

/// Logical time that passes from one look at the clock to the next.
const LOOK_NS: u64 = 40;

impl Disk for SimDisk {
    fn caps(&self) -> Caps {
        Caps { backend: "simulated", features: Vec::new(), degraded: Vec::new() }
    }

    fn arena(&self) -> &Arc<Arena> {
        &self.shared.arena
    }

    fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    fn now(&self) -> u64 {
        let mut state = self.lock();
        state.clock += LOOK_NS;
        state.clock
    }

    fn random(&self) -> u64 {
        self.lock().rng.next()
    }

    fn lane(&self, spec: LaneSpec) -> Result<Box<dyn Lane>> {
        let mut state = self.lock();
        if state.halted {
            return Err(dead("create a lane on", Path::new("(disk)")));
        }
        Ok(Box::new(SimLane::new(&self.shared, &mut state, spec)))
    }

    fn open(&self, path: &Path, options: OpenOptions) -> Result<File> {
        let mut state = self.lock();
        let exists = state.names.lookup(path).is_ok();
        let creates = !exists && options.create != Create::Never;
        let op = if creates { FaultOp::Create } else { FaultOp::Open };
        state.begin(op, "open", path)?;
        let opened = state.open(path, options);
        let inode = state.end("open", path, opened)?;
        let direct = options.direct && state.config.direct_io;
        let handle = SimHandle {
            session: Arc::clone(&state.session),
            inode,
            write: options.write,
            _hold: state.names.files.get(&inode).map_or_else(Arc::default, |f| Arc::clone(&f.handles)),
        };
        Ok(File::new(path.to_path_buf(), direct, Handle::Sim(handle)))
    }

    fn len(&self, file: &File) -> Result<u64> {
        let state = self.lock();
        let inode = state.handle("stat", file)?.inode;
        Ok(state.content(inode).map_or(0, |c| c.size))
    }

    fn allocate(&self, file: &File, len: u64) -> Result<bool> {
        let mut state = self.lock();
        state.handle("allocate", file)?;
        state.begin(FaultOp::Allocate, "allocate", file.path())?;
        let (inode, write) = state.target("allocate", file)?;
        let grown = state.grow(inode, write, len);
        state.end("allocate", file.path(), grown)?;
        Ok(state.config.reserves_space)
    }

    fn truncate(&self, file: &File, len: u64) -> Result<()> {
        let mut state = self.lock();
        state.handle("truncate", file)?;
        state.begin(FaultOp::Truncate, "truncate", file.path())?;
        let (inode, write) = state.target("truncate", file)?;
        let done = state.truncate(inode, write, len);
        state.end("truncate", file.path(), done)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut state = self.lock();
        state.begin(FaultOp::Rename, "rename", from)?;
        let done = state.names.rename(from, to);
        state.collect();
        state.end("rename", from, done)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let mut state = self.lock();
        state.begin(FaultOp::Remove, "remove", path)?;
        let done = state.names.remove(path);
        state.collect();
        state.end("remove", path, done)
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        let mut state = self.lock();
        state.begin(FaultOp::Create, "create directory", path)?;
        let done = state.names.create_dir(path).map(drop);
        state.end("create directory", path, done)
    }

    fn list(&self, dir: &Path) -> Result<Vec<PathBuf>> {
        let mut state = self.lock();
        state.begin(FaultOp::List, "list", dir)?;
        let listed = state.names.lookup_dir(dir).map(|inode| {
            let names = state.names.dirs.get(&inode).map(|d| d.entries.keys());
            names.into_iter().flatten().map(PathBuf::from).collect()
        });
        state.end("list", dir, listed)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        let mut state = self.lock();
        if let Err(error) = state.begin(FaultOp::SyncDir, "sync", dir) {
            let marks_clean = state.config.sync_failure == SyncFailure::MarkClean;
            if marks_clean
                && !SimDisk::is_dead_error(&error)
                && let Ok(inode) = state.names.lookup_dir(dir)
            {
                state.names.forget_changes(inode);
            }
            return Err(error);
        }
        let synced = state.names.lookup_dir(dir);
        let synced = synced.map(|inode| state.names.sync_dir(inode));
        state.collect();
        state.end("sync", dir, synced)
    }

    fn lock_dir(&self, dir: &Path) -> Result<Box<dyn DirLock>> {
        let mut state = self.lock();
        state.begin(FaultOp::Create, "lock", dir)?;
        let path = dir.join("LOCK");
        let inode = state.names.lookup_dir(dir).and_then(|inode| {
            let options = OpenOptions { write: true, direct: false, create: Create::IfMissing };
            state.open(&path, options).map(|_| inode)
        });
        let inode = state.end("lock", dir, inode)?;
        if !state.locks.insert(inode) {
            let hint =
                "this process has it open already; share the handle (it is cheap to clone) or close it first";
            return Err(IoError::new("lock", dir, IoErrorKind::Locked, hint));
        }
        Ok(Box::new(SimDirLock {
            shared: Arc::clone(&self.shared),
            session: Arc::clone(&state.session),
            inode,
            dir: dir.to_path_buf(),
        }))
    }

    fn map_shared(&self, file: &File, len: usize) -> Result<SharedMap> {
        let mut state = self.lock();
        state.handle("map", file)?;
        state.begin(FaultOp::Map, "map", file.path())?;
        let (inode, write) = state.target("map", file)?;
        let refuse =
            |hint: &'static str| Err(IoError::new("map", file.path(), IoErrorKind::Unsupported, hint));
        if file.is_direct() {
            return refuse("the file is open for direct I/O; open it with direct: false");
        }
        if !write {
            return refuse("the file is open for reading only");
        }
        let size = state.content(inode).map_or(0, |c| c.size);
        if len == 0 || len as u64 > size {
            return refuse("the mapping would reach beyond the end of the file");
        }
        state.drop_maps(false);
        let known = state.names.files.get(&inode).and_then(|f| f.map.clone());
        let map = known.unwrap_or_else(|| {
            let map = MapMemory::new(size.div_ceil(PAGE as u64) as usize);
            if let Some(file) = state.names.files.get_mut(&inode) {
                file.map = Some(Arc::clone(&map));
            }
            state.mapped.push(inode);
            state.unfold(inode, 0, u64::MAX);
            map
        });
        state.note("map", Some(file.path()), Some((0, len as u64)), 0);
        Ok(map.share(len))
    }

    fn space(&self, path: &Path) -> Result<Space> {
        let state = self.lock();
        if state.halted {
            return Err(dead("stat", path));
        }
        let found = state.names.lookup(path);
        found.map_err(|errno| IoError::from_errno("stat", path, None, errno))?;
        let total = state.config.capacity_bytes;
        Ok(Space { total, free: total.saturating_sub(state.used()) })
    }
}

impl State {
    fn open(&mut self, path: &Path, options: OpenOptions) -> std::result::Result<Inode, Errno> {
        if options.create != Create::Never && !options.write {
            return Err(libc::EINVAL);
        }
        // The session's own reference is one of the count.
        if Arc::strong_count(&self.session) > self.config.files_max {
            return Err(libc::EMFILE);
        }
        match self.names.lookup(path) {
            Ok(_) if options.create == Create::New => Err(libc::EEXIST),
            Ok(inode) if self.names.files.contains_key(&inode) => Ok(inode),
            Ok(_) => Err(libc::EISDIR),
            Err(libc::ENOENT) if options.create != Create::Never => self.names.create_file(path),
            Err(errno) => Err(errno),
        }
    }

    /// The file of a handle and whether it may be changed, asked again after other operations had their turn.
    fn target(&self, verb: &'static str, file: &File) -> Result<(Inode, bool)> {
        let handle = self.handle(verb, file)?;
        Ok((handle.inode, handle.write))
    }

    fn grow(&mut self, inode: Inode, write: bool, len: u64) -> std::result::Result<(), Errno> {
        if !write {
            return Err(libc::EBADF);
        }
        if len == 0 {
            return Err(libc::EINVAL);
        }
        if self.size_allowed(inode, len) < len {
            return Err(libc::ENOSPC);
        }
        let op = self.new_op();
        if let Some(content) = self.content_mut(inode) {
            content.grow(op, len);
        }
        Ok(())
    }

    fn truncate(&mut self, inode: Inode, write: bool, len: u64) -> std::result::Result<(), Errno> {
        if !write {
            return Err(libc::EINVAL);
        }
        if self.size_allowed(inode, len) < len {
            return Err(libc::ENOSPC);
        }
        self.drop_maps(false);
        let mapped = self.names.files.get(&inode).and_then(|f| f.map.as_ref());
        if mapped.is_some_and(|m| len < (m.pages() * PAGE) as u64) {
            return Err(libc::ETXTBSY); // A real kernel lets it pass, and kills whoever touches the mapping.
        }
        let op = self.new_op();
        if let Some(content) = self.content_mut(inode) {
            content.set_size(op, len);
        }
        Ok(())
    }
}

/// Proof of ownership of a simulated directory.
struct SimDirLock {
    shared: Arc<Shared>,
    session: Arc<()>,
    inode: Inode,
    dir: PathBuf,
}

impl DirLock for SimDirLock {
    fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for SimDirLock {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        // A lock of a dead process has nothing to release: the directory may have a new owner.
        if Arc::ptr_eq(&self.session, &state.session) {
            state.locks.remove(&self.inode);
        }
    }
}

impl std::fmt::Debug for SimDirLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SimDirLock({})", self.dir.display())
    }
}
