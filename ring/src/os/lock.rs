//! One owner a directory: an open-file-description lock between processes, a registry within this one.
//!
//! An OFD lock belongs to the open file, so a second `open` in the same process would conflict rather than silently share,
//! and closing an unrelated descriptor does not release it (as it would a POSIX lock). The registry gives the second opener
//! in this process its own sentence. The kernel drops the lock when the process dies.

use std::collections::HashSet;
use std::io::{Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::namespace::{OPEN_FLAGS, check_regular, std_error};
use crate::{DirLock, IoError, IoErrorKind, Result};

/// Directories that this process owns, by device and inode: two paths to one directory are one.
static OWNED: Mutex<Option<HashSet<(u64, u64)>>> = Mutex::new(None);

/// After a death the kernel may hold the dead process's files until its I/O ends: so many tries, so far apart.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);

/// Bytes of the lock file that anybody looks at.
const SIGN_BYTES_MAX: u64 = 200;

#[derive(Debug)]
struct OsDirLock {
    dir: PathBuf,
    identity: (u64, u64),
    _file: std::fs::File,
}

impl DirLock for OsDirLock {
    fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for OsDirLock {
    fn drop(&mut self) {
        // The descriptor, and with it the lock, goes with `_file` right after this.
        let mut owned = OWNED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = owned.as_mut() {
            set.remove(&self.identity);
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "this is the boundary")]
pub(crate) fn lock_dir(dir: &Path) -> Result<Box<dyn DirLock>> {
    let fail = |e: &std::io::Error| std_error("lock", dir, e);
    let meta = std::fs::metadata(dir).map_err(|e| fail(&e))?;
    let identity = (meta.dev(), meta.ino());
    let path = dir.join("LOCK");
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(OPEN_FLAGS);
    let mut file = options.open(&path).map_err(|e| std_error("open", &path, &e))?;
    // Our number is written into it.
    check_regular(&file, &path)?;
    for attempt in 1.. {
        // Dropped before the registry forgets it, see `Drop`: so the registry is asked first.
        let mut owned = OWNED.lock().unwrap_or_else(PoisonError::into_inner);
        let set = owned.get_or_insert_with(HashSet::new);
        if set.contains(&identity) {
            let hint =
                "this process has it open already; share the handle (it is cheap to clone) or close it first";
            return Err(IoError::new("lock", dir, IoErrorKind::Locked, hint));
        }
        match try_lock(&file) {
            Ok(true) => {
                set.insert(identity);
                break;
            }
            Ok(false) if attempt >= TRIES => {
                let hint = format!("{} holds it; close it first", holder(&mut file));
                return Err(IoError::new("lock", dir, IoErrorKind::Locked, hint));
            }
            Ok(false) => {}
            Err(e) => return Err(fail(&e)),
        }
        drop(owned);
        std::thread::sleep(PAUSE);
    }
    sign(&mut file);
    Ok(Box::new(OsDirLock { dir: dir.to_path_buf(), identity, _file: file }))
}

/// Writes who has the lock: for the next one's sentence only, so a failure here harms nothing.
///
/// In place of what is there, and over its end with empty lines: cutting the file would wait for the file system's journal, which is busy
/// with what the last owner left, for longer than the rest of an opening takes.
fn sign(file: &mut std::fs::File) {
    let name = std::env::current_exe().ok().and_then(|p| Some(p.file_name()?.to_string_lossy().into_owned()));
    let text = format!("process {} ({})", std::process::id(), name.as_deref().unwrap_or("unknown"));
    let old_len = file.metadata().map_or(0, |meta| meta.len().min(SIGN_BYTES_MAX) as usize);
    let text = format!("{text:\n<width$}\n", width = old_len.saturating_sub(1));
    let _ = file.rewind().and_then(|()| file.write_all(text.as_bytes()));
}

/// Takes the lock if it is free.
fn try_lock(file: &std::fs::File) -> std::io::Result<bool> {
    // SAFETY: an all-zero flock is a valid value of that plain C struct.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    // SAFETY: the descriptor is open and `lock` outlives the call.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw mut lock) } == 0 {
        return Ok(true);
    }
    let error = std::io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::EACCES) => Ok(false),
        _ => Err(error),
    }
}

fn holder(file: &mut std::fs::File) -> String {
    let mut text = String::new();
    let _ = file.rewind().and_then(|()| Read::by_ref(file).take(SIGN_BYTES_MAX).read_to_string(&mut text));
    let line = text.lines().next().unwrap_or("").trim();
    if line.is_empty() { "another process".to_owned() } else { line.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_name_leaves_nothing_of_a_longer_one() {
        let long = format!("process 4194304 ({})\n", "n".repeat(100));
        for before in ["", "x", "process 1 (a)\n", &long, "\n\n\n\n"] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(before.as_bytes()).unwrap();
            sign(&mut file);
            let holder = holder(&mut file);
            assert!(
                holder.starts_with(&format!("process {} (", std::process::id())),
                "{holder:?} over {before:?}"
            );
            assert!(holder.ends_with(')') && !holder.contains("nnn"), "{holder:?} over {before:?}");
            assert!(file.metadata().unwrap().len() >= before.len() as u64, "it was cut");
        }
    }
}
