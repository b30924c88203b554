//! Open files.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// An open file of some [`Disk`](crate::Disk). Cheap to clone; closed when the last clone and the last operation that
/// holds one are gone.
#[derive(Clone)]
pub struct File(Arc<Inner>);

struct Inner {
    id: u64,
    path: PathBuf,
    direct: bool,
    handle: Handle,
}

/// What the backend knows a file by.
pub(crate) enum Handle {
    /// A file descriptor of the kernel.
    Os(OwnedFd),
    /// A handle of the simulated disk.
    Sim(crate::sim::SimHandle),
}

impl File {
    pub(crate) fn new(path: PathBuf, direct: bool, handle: Handle) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        Self(Arc::new(Inner { id: NEXT_ID.fetch_add(1, Ordering::Relaxed), path, direct, handle }))
    }

    /// The path that the file was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Whether the file is open with `O_DIRECT`.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.0.direct
    }

    /// A number that no other open file of this process has.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.0.handle
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "File({})", self.0.path.display())
    }
}
