//! Files and directories of the real operating system: what `UringDisk` and
//! [`SyscallDisk`](crate::SyscallDisk) share. Only the way bytes move differs between the two.

mod host;
mod lock;
mod namespace;

#[cfg(test)]
pub(crate) use host::Limit;
pub(crate) use host::{Host, kib, text};
pub(crate) use lock::lock_dir;
pub(crate) use namespace::{
    allocate, create_dir, fd, len, list, map_shared, monotonic_ns, open, random, remove, rename, space,
    sync_dir, truncate,
};

/// The methods of [`Disk`](crate::Disk) that both real backends answer in the same way: clock, randomness, files and directories.
macro_rules! os_calls {
    () => {
        fn now(&self) -> u64 {
            $crate::os::monotonic_ns()
        }
        fn random(&self) -> u64 {
            $crate::os::random()
        }
        fn open(&self, path: &std::path::Path, options: $crate::OpenOptions) -> $crate::Result<$crate::File> {
            $crate::os::open(path, options)
        }
        fn len(&self, file: &$crate::File) -> $crate::Result<u64> {
            $crate::os::len(file)
        }
        fn allocate(&self, file: &$crate::File, len: u64) -> $crate::Result<bool> {
            $crate::os::allocate(file, len)
        }
        fn truncate(&self, file: &$crate::File, len: u64) -> $crate::Result<()> {
            $crate::os::truncate(file, len)
        }
        fn rename(&self, from: &std::path::Path, to: &std::path::Path) -> $crate::Result<()> {
            $crate::os::rename(from, to)
        }
        fn remove(&self, path: &std::path::Path) -> $crate::Result<()> {
            $crate::os::remove(path)
        }
        fn create_dir(&self, path: &std::path::Path) -> $crate::Result<()> {
            $crate::os::create_dir(path)
        }
        fn list(&self, dir: &std::path::Path) -> $crate::Result<Vec<std::path::PathBuf>> {
            $crate::os::list(dir)
        }
        fn sync_dir(&self, dir: &std::path::Path) -> $crate::Result<()> {
            $crate::os::sync_dir(dir)
        }
        fn lock_dir(&self, dir: &std::path::Path) -> $crate::Result<Box<dyn $crate::DirLock>> {
            $crate::os::lock_dir(dir)
        }
        fn map_shared(&self, file: &$crate::File, len: usize) -> $crate::Result<$crate::SharedMap> {
            $crate::os::map_shared(file, len)
        }
        fn space(&self, path: &std::path::Path) -> $crate::Result<$crate::Space> {
            $crate::os::space(path)
        }
    };
}
pub(crate) use os_calls;
