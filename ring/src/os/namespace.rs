//! Opening, naming, sizing and mapping files by plain system calls.
//!
//! What is opened is a regular file under its own name: a symbolic link there, which may lead anywhere, is not followed, and a pipe or a device
//! is refused. So whoever gives us a directory cannot make us write outside of it, or wait for ever.

use std::fs::OpenOptions as StdOpenOptions;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

use memmap2::MmapOptions;
use rustix::fs::{AtFlags, FallocateFlags, FileType, OFlags, StatxFlags};
use rustix::io::Errno;

use crate::file::Handle;
use crate::{Create, File, IoError, IoErrorKind, OpenOptions, PAGE, Result, SharedMap, Space};

fn errno(op: &'static str, path: &Path, e: Errno) -> IoError {
    IoError::from_errno(op, path, None, e.raw_os_error())
}

pub(super) fn std_error(op: &'static str, path: &Path, e: &std::io::Error) -> IoError {
    IoError::from_errno(op, path, None, e.raw_os_error().unwrap_or(libc::EIO))
}

pub(crate) fn fd(file: &File) -> BorrowedFd<'_> {
    match file.handle() {
        Handle::Os(fd) => fd.as_fd(),
        Handle::Sim(_) => unreachable!("a simulated file was given to a real disk"),
    }
}

/// Opens `path`; with `direct`, without the page cache where the file system can and its alignment is at most [`PAGE`].
#[allow(clippy::disallowed_methods, reason = "this is the boundary")]
pub(crate) fn open(path: &Path, options: OpenOptions) -> Result<File> {
    let try_open = |direct: bool, create: Create| {
        let mut o = StdOpenOptions::new();
        o.read(true).write(options.write).mode(0o600);
        o.create(create == Create::IfMissing).create_new(create == Create::New);
        o.custom_flags(OPEN_FLAGS | if direct { libc::O_DIRECT } else { 0 });
        o.open(path)
    };
    let opened = match try_open(options.direct, options.create) {
        // A file system without O_DIRECT answers EINVAL, and may have created the file already.
        Err(e) if options.direct && e.raw_os_error() == Some(libc::EINVAL) => {
            (try_open(false, Create::Never).or_else(|_| try_open(false, options.create)), false)
        }
        other => (other, options.direct),
    };
    let (mut file, mut direct) = (opened.0.map_err(|e| std_error("open", path, &e))?, opened.1);
    if !check_regular(&file, path)? && direct {
        file = try_open(false, Create::Never).map_err(|e| std_error("open", path, &e))?;
        check_regular(&file, path)?;
        direct = false;
    }
    // Not to wait was for the opening alone: io_uring takes the flag as a wish of each operation.
    let flags = if direct { OFlags::DIRECT } else { OFlags::empty() };
    rustix::fs::fcntl_setfl(&file, flags).map_err(|e| errno("open", path, e))?;
    Ok(File::new(path.to_path_buf(), direct, Handle::Os(file.into())))
}

/// Neither follow a link, nor wait for the other end of a pipe.
pub(super) const OPEN_FLAGS: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK;

/// Refuses what is no regular file; of one that is, says whether its direct I/O, if it has any, can do with pages.
///
/// The kernel tells the alignment since 6.1 (statx); an older one's silence means its logical block size, which no common device has
/// larger than a page.
pub(super) fn check_regular(file: impl AsFd, path: &Path) -> Result<bool> {
    let wanted = StatxFlags::TYPE | StatxFlags::DIOALIGN;
    let found = rustix::fs::statx(&file, c"", AtFlags::EMPTY_PATH, wanted);
    let (mode, found) = match found {
        Ok(found) => (u32::from(found.stx_mode), Some(found)),
        // A seccomp profile may know no statx.
        Err(_) => (rustix::fs::fstat(&file).map_err(|e| errno("open", path, e))?.st_mode, None),
    };
    match FileType::from_raw_mode(mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(IoError::from_errno("open", path, None, libc::EISDIR)),
        other => {
            let hint = format!(
                "it is no file but a {other:?}, which nobody of ours put there; remove it, and restore the file from a copy"
            );
            return Err(IoError::new("open", path, IoErrorKind::Failed, hint));
        }
    }
    Ok(found.is_none_or(|found| {
        // 0 says that this file has no direct I/O at all.
        let fits = |align: u32| align != 0 && align as usize <= PAGE;
        found.stx_mask & StatxFlags::DIOALIGN.bits() == 0
            || (fits(found.stx_dio_mem_align) && fits(found.stx_dio_offset_align))
    }))
}

pub(crate) fn len(file: &File) -> Result<u64> {
    rustix::fs::fstat(fd(file)).map(|s| s.st_size as u64).map_err(|e| errno("stat", file.path(), e))
}

pub(crate) fn allocate(file: &File, bytes: u64) -> Result<bool> {
    loop {
        match rustix::fs::fallocate(fd(file), FallocateFlags::empty(), 0, bytes) {
            Ok(()) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                if len(file)? < bytes {
                    truncate(file, bytes)?;
                }
                return Ok(false);
            }
            Err(e) => return Err(errno("allocate", file.path(), e)),
        }
    }
}

pub(crate) fn truncate(file: &File, bytes: u64) -> Result<()> {
    loop {
        match rustix::fs::ftruncate(fd(file), bytes) {
            Err(Errno::INTR) => {}
            other => return other.map_err(|e| errno("truncate", file.path(), e)),
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "this is the boundary")]
pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(|e| std_error("rename", from, &e))
}

#[allow(clippy::disallowed_methods, reason = "this is the boundary")]
pub(crate) fn remove(path: &Path) -> Result<()> {
    std::fs::remove_file(path).map_err(|e| std_error("remove", path, &e))
}

/// Makes a directory. Where there is a symbolic link already, that is not "exists already" but an error of its own (ELOOP).
#[allow(clippy::disallowed_methods, reason = "this is the boundary")]
pub(crate) fn create_dir(path: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new().mode(0o700).create(path);
    made.map_err(|e| match e.raw_os_error() {
        Some(libc::EEXIST) if path.is_symlink() => errno("create directory", path, Errno::LOOP),
        _ => std_error("create directory", path, &e),
    })
}

#[allow(clippy::disallowed_methods, reason = "this is the boundary")]
pub(crate) fn list(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).map_err(|e| std_error("list", dir, &e))?;
    let names = entries.map(|entry| entry.map(|entry| PathBuf::from(entry.file_name())));
    names.collect::<std::io::Result<_>>().map_err(|e| std_error("list", dir, &e))
}

#[allow(clippy::disallowed_methods, reason = "this is the boundary")]
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    // Nothing else: the opening of a pipe would wait for its other end.
    let mut options = StdOpenOptions::new();
    let opened = options.read(true).custom_flags(libc::O_DIRECTORY).open(dir);
    let handle = opened.map_err(|e| std_error("open", dir, &e))?;
    loop {
        match rustix::fs::fsync(&handle) {
            Err(Errno::INTR) => {}
            other => return other.map_err(|e| errno("sync", dir, e)),
        }
    }
}

pub(crate) fn map_shared(file: &File, bytes: usize) -> Result<SharedMap> {
    let unsupported = |e: &std::io::Error| {
        let hint = format!("the file system cannot map it shared: {e}");
        IoError::new("map", file.path(), IoErrorKind::Unsupported, hint)
    };
    // Raw on purpose: the directory is locked by this process and the file is neither cut nor replaced while mapped; another
    // process that cuts it regardless gets us SIGBUS, not undefined behaviour. No Rust reference is formed into it.
    let map = MmapOptions::new().len(bytes).populate().map_raw(&fd(file)).map_err(|e| unsupported(&e))?;
    let base =
        NonNull::new(map.as_mut_ptr()).ok_or_else(|| unsupported(&std::io::ErrorKind::Other.into()))?;
    // SAFETY: `map` is the owner and stays mapped, readable and writable, while it lives.
    Ok(unsafe { SharedMap::new(base, bytes, Box::new(map)) })
}

pub(crate) fn space(path: &Path) -> Result<Space> {
    let s = rustix::fs::statvfs(path).map_err(|e| errno("stat", path, e))?;
    Ok(Space { total: s.f_blocks * s.f_frsize, free: s.f_bavail * s.f_frsize })
}

pub(crate) fn monotonic_ns() -> u64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

pub(crate) fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // The standard library's per-instance hash keys come from the operating system's random source.
    std::hash::RandomState::new().build_hasher().finish()
}
