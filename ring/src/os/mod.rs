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
