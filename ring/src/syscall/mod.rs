//! The plain backend: `preadv2`, `pwritev2`, `fdatasync`. For places where io_uring is forbidden, and as the control in
//! measurements. Operations run one after the other, in the order they were pushed, when the lane is submitted or reaped.

mod lane;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{
    Arena, Caps, Counters, DirLock, Disk, File, Lane, LaneSpec, OpenOptions, Result, SharedMap, Space, os,
};

/// A disk through plain system calls.
#[derive(Debug)]
pub struct SyscallDisk {
    arena: Arc<Arena>,
    counters: Arc<Counters>,
    degraded: Vec<String>,
}

impl SyscallDisk {
    /// A disk whose lanes use `arena`. `degraded` says why it was chosen, if not on request.
    #[must_use]
    pub fn new(arena: Arc<Arena>, degraded: Vec<String>) -> Arc<Self> {
        Arc::new(Self { arena, counters: Arc::default(), degraded })
    }
}

impl Disk for SyscallDisk {
    fn caps(&self) -> Caps {
        let features = vec!["preadv2", "pwritev2", "fdatasync"];
        Caps { backend: "system calls", features, degraded: self.degraded.clone() }
    }
    fn arena(&self) -> &Arc<Arena> {
        &self.arena
    }
    fn counters(&self) -> &Counters {
        &self.counters
    }
    fn now(&self) -> u64 {
        os::monotonic_ns()
    }
    fn random(&self) -> u64 {
        os::random()
    }
    fn lane(&self, spec: LaneSpec) -> Result<Box<dyn Lane>> {
        Ok(Box::new(lane::SyscallLane::new(Arc::clone(&self.counters), spec)))
    }
    fn open(&self, path: &Path, options: OpenOptions) -> Result<File> {
        os::open(path, options)
    }
    fn len(&self, file: &File) -> Result<u64> {
        os::len(file)
    }
    fn allocate(&self, file: &File, len: u64) -> Result<()> {
        os::allocate(file, len)
    }
    fn truncate(&self, file: &File, len: u64) -> Result<()> {
        os::truncate(file, len)
    }
    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        os::rename(from, to)
    }
    fn remove(&self, path: &Path) -> Result<()> {
        os::remove(path)
    }
    fn create_dir(&self, path: &Path) -> Result<()> {
        os::create_dir(path)
    }
    fn list(&self, dir: &Path) -> Result<Vec<PathBuf>> {
        os::list(dir)
    }
    fn sync_dir(&self, dir: &Path) -> Result<()> {
        os::sync_dir(dir)
    }
    fn lock_dir(&self, dir: &Path) -> Result<Box<dyn DirLock>> {
        os::lock_dir(dir)
    }
    fn map_shared(&self, file: &File, len: usize) -> Result<SharedMap> {
        os::map_shared(file, len)
    }
    fn space(&self, path: &Path) -> Result<Space> {
        os::space(path)
    }
}
