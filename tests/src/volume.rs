//! Small file systems of this process's own: to be filled, and to see what differs between kinds.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{confine, dirs};

/// A kind of file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In memory.
    Tmpfs,
    /// On a loop device.
    Ext4,
    /// On a loop device.
    Xfs,
}

/// A file system that is mounted for this process alone, and gone when it is dropped. Belongs in a [child](crate::child).
#[derive(Debug)]
pub struct Volume {
    mount: PathBuf,
    _dir: tempfile::TempDir,
}

impl Volume {
    /// Makes one of `bytes` bytes; [`smallest`](Self::smallest) is the least that its kind can be.
    ///
    /// # Errors
    /// Why this machine cannot: no privileges, no loop devices, no such kind.
    ///
    /// # Panics
    /// If the disk under it has no room.
    #[allow(clippy::disallowed_methods, reason = "a test's own file")]
    pub fn new(kind: Kind, bytes: u64) -> Result<Self, String> {
        let dir = dirs::fresh();
        let (image, mount) = (dir.path().join("image"), dir.path().join("mount"));
        std::fs::create_dir(&mount).expect("a directory");
        confine::own_mounts().map_err(|e| format!("no mounts of its own: {e}"))?;
        if kind == Kind::Tmpfs {
            let size = format!("size={bytes}");
            confine::mount("tmpfs", &mount, "tmpfs", 0, &size).map_err(|e| format!("no tmpfs: {e}"))?;
        } else {
            let file = std::fs::File::create(&image).and_then(|file| file.set_len(bytes));
            file.expect("a sparse file");
            let make = if kind == Kind::Xfs { "mkfs.xfs" } else { "mkfs.ext4" };
            run(Command::new(make).arg("-q").arg(&image))?;
            run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&mount))?;
        }
        Ok(Self { mount, _dir: dir })
    }

    /// The smallest size of a kind, in bytes, that leaves room for a store.
    #[must_use]
    pub fn smallest(kind: Kind) -> u64 {
        match kind {
            Kind::Tmpfs => 64 << 20,
            Kind::Ext4 => 96 << 20,
            // Its tools make none below 300 MiB.
            Kind::Xfs => 320 << 20,
        }
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.mount
    }

    /// Takes all space but `bytes` away, until the file that is returned is removed.
    ///
    /// # Panics
    /// If there is less than that.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "a test's own file")]
    pub fn leave(&self, bytes: u64) -> PathBuf {
        use std::os::fd::AsRawFd;
        let ballast = self.mount.join("ballast");
        let file = std::fs::File::create(&ballast).expect("room for a name");
        let taken = self.free() - bytes;
        // SAFETY: the descriptor is open.
        let result = unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, taken as libc::off_t) };
        assert_eq!(result, 0, "{taken} bytes of ballast");
        ballast
    }

    /// Free bytes, for whoever may have the last of them.
    fn free(&self) -> u64 {
        let path = CString::new(self.mount.as_os_str().as_bytes()).expect("no zeros in a path");
        let mut found = MaybeUninit::<libc::statvfs>::uninit();
        // SAFETY: the string and the structure live through the call.
        let result = unsafe { libc::statvfs(path.as_ptr(), found.as_mut_ptr()) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: the call filled it.
        let found = unsafe { found.assume_init() };
        found.f_bavail * found.f_frsize
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // What is still open there keeps it until it is closed.
        let _ = confine::unmount(&self.mount);
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| format!("{name}: {e}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{name}: {}", text.trim())) }
}
