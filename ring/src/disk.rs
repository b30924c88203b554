//! The disk: files, directories, lanes, time and randomness.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Arena, Counters, File, Lane, LaneSpec, Result, SharedMap};

/// Whether [`Disk::open`] may or must create the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Create {
    /// The file must exist.
    Never,
    /// The file is created if it does not exist.
    IfMissing,
    /// The file must not exist.
    New,
}

/// How to open a file.
#[derive(Debug, Clone, Copy)]
pub struct OpenOptions {
    /// Open for writing as well as reading.
    pub write: bool,
    /// Bypass the page cache where the file system can. [`File::is_direct`] tells whether it does.
    pub direct: bool,
    /// Create it?
    pub create: Create,
}

impl OpenOptions {
    /// Reads an existing file directly.
    pub const READ: Self = Self { write: false, direct: true, create: Create::Never };
    /// Reads and writes an existing file directly.
    pub const WRITE: Self = Self { write: true, direct: true, create: Create::Never };
    /// Creates a file that must not exist, for direct reads and writes.
    pub const CREATE: Self = Self { write: true, direct: true, create: Create::New };
}

/// Space on the file system of a directory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Size of the file system.
    pub total: u64,
    /// Free for this user.
    pub free: u64,
}

/// What a backend found out about itself, by doing.
#[derive(Debug, Clone, Default)]
pub struct Caps {
    /// "io_uring", "system calls" or "simulated".
    pub backend: &'static str,
    /// Ring features in use, in the kernel's words ("single_issuer", "defer_taskrun", "fixed buffers cloned", …).
    pub features: Vec<&'static str>,
    /// What was wanted and could not be had, each a sentence that names the cause and what it means.
    pub degraded: Vec<String>,
}

/// Proof that this process owns a directory. Dropping it releases the directory.
pub trait DirLock: Send + Sync + fmt::Debug {
    /// The directory.
    fn dir(&self) -> &Path;
}

/// A disk. Any thread may use it; lanes carry the I/O.
///
/// Directory operations are plain calls that return when done: they are rare and none is on a hot path. Nothing here is durable
/// until it is synced: a file's bytes by [`Op::Sync`](crate::Op::Sync), the names in a directory by
/// [`sync_dir`](Self::sync_dir).
pub trait Disk: Send + Sync + fmt::Debug {
    /// What this backend can do and why not more.
    fn caps(&self) -> Caps;

    /// The memory that all its lanes read into and write from.
    fn arena(&self) -> &Arc<Arena>;

    /// I/O counts by class since the disk was opened.
    fn counters(&self) -> &Counters;

    /// Monotonic time in nanoseconds from an arbitrary start.
    fn now(&self) -> u64;

    /// A random number: unpredictable in production, the seed's next in the simulation.
    fn random(&self) -> u64;

    /// Creates a lane.
    ///
    /// # Errors
    /// If the kernel refuses a ring (descriptors, locked memory).
    fn lane(&self, spec: LaneSpec) -> Result<Box<dyn Lane>>;

    /// Opens a file. New files are created private to the user (mode 0600).
    ///
    /// # Errors
    /// As the kernel says.
    fn open(&self, path: &Path, options: OpenOptions) -> Result<File>;

    /// Length of the file in bytes.
    ///
    /// # Errors
    /// As the kernel says.
    fn len(&self, file: &File) -> Result<u64>;

    /// Reserves space and sets the length to at least `len` bytes; new bytes read as zeros. Where the file system cannot reserve, sets the
    /// length alone and returns false: then a write may yet find the disk full.
    ///
    /// # Errors
    /// [`NoSpace`](crate::IoErrorKind::NoSpace) if there is no room.
    fn allocate(&self, file: &File, len: u64) -> Result<bool>;

    /// Cuts or extends the file to `len` bytes.
    ///
    /// # Errors
    /// As the kernel says.
    fn truncate(&self, file: &File, len: u64) -> Result<()>;

    /// Renames a file, replacing `to` if it exists. Atomic, durable after [`sync_dir`](Self::sync_dir).
    ///
    /// # Errors
    /// As the kernel says.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As the kernel says.
    fn remove(&self, path: &Path) -> Result<()>;

    /// Creates a directory, private to the user (mode 0700). The parent must exist.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::IoErrorKind::AlreadyExists) if it does.
    fn create_dir(&self, path: &Path) -> Result<()>;

    /// Names in a directory, in no particular order (sorted in the simulation).
    ///
    /// # Errors
    /// [`NotFound`](crate::IoErrorKind::NotFound) if there is no such directory.
    fn list(&self, dir: &Path) -> Result<Vec<PathBuf>>;

    /// Makes the names in `dir` durable: creations, renames and removals so far.
    ///
    /// # Errors
    /// As the kernel says; nothing may rely on the names then.
    fn sync_dir(&self, dir: &Path) -> Result<()>;

    /// Takes the lock file `dir/LOCK`: one owner in all processes and in this one. Retries for a fraction of a second, since the
    /// kernel may hold a dead process's files until its I/O ends.
    ///
    /// # Errors
    /// [`Locked`](crate::IoErrorKind::Locked), naming the holder.
    fn lock_dir(&self, dir: &Path) -> Result<Box<dyn DirLock>>;

    /// Maps the first `len` bytes of a file (which must exist in full, written, so that no later store can fail for want of space)
    /// shared and writable: what is stored there survives the death of the process, not of the machine. The file must have
    /// been opened with `direct: false`.
    ///
    /// # Errors
    /// [`Unsupported`](crate::IoErrorKind::Unsupported) where the file system cannot.
    fn map_shared(&self, file: &File, len: usize) -> Result<SharedMap>;

    /// Space on the file system that holds `path`.
    ///
    /// # Errors
    /// As the kernel says.
    fn space(&self, path: &Path) -> Result<Space>;
}
