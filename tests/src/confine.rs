//! Confining this process as hosts confine others: without io_uring, without privileges, with little locked memory, on a small or
//! read-only file system. Each is for ever, so it belongs in a [child](crate::child).

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes `io_uring_setup`, `io_uring_enter` and `io_uring_register` fail with `errno`, as the seccomp profiles of containers do.
///
/// # Errors
/// If the kernel has no seccomp filters.
pub fn forbid_io_uring(errno: i32) -> io::Result<()> {
    const LOAD_NR: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const IF_AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
    const IF_ABOVE: u16 = (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, k, jt, jf| libc::sock_filter { code, jt, jf, k };
    // The three calls have neighbouring numbers, the same on every architecture.
    let (first, last) = (libc::SYS_io_uring_setup as u32, libc::SYS_io_uring_register as u32);
    let mut filter = [
        step(LOAD_NR, 0, 0, 0),
        step(IF_AT_LEAST, first, 0, 2),
        step(IF_ABOVE, last, 1, 0),
        step(RETURN, libc::SECCOMP_RET_ERRNO | errno as u32, 0, 0),
        step(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: plain integers.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    let mode = libc::c_ulong::from(libc::SECCOMP_SET_MODE_FILTER);
    // For all threads: a test runs in one that the harness made.
    let flags = libc::SECCOMP_FILTER_FLAG_TSYNC;
    // SAFETY: the program and its filter live through the call, and the kernel copies them.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program) };
    check(result as libc::c_int)
}

/// Becomes the user `nobody`, whom permissions and limits bind.
///
/// # Errors
/// If this process is not privileged.
pub fn become_nobody() -> io::Result<()> {
    const NOBODY: libc::uid_t = 65_534;
    // SAFETY: plain integers; glibc changes all threads.
    check(unsafe { libc::setgid(NOBODY) })?;
    // SAFETY: as above.
    check(unsafe { libc::setuid(NOBODY) })
}

/// Limits the memory that this process may lock, in bytes. Binds an unprivileged process only.
///
/// # Errors
/// If the limit cannot be set.
pub fn limit_locked_memory(bytes: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: `limit` lives through the call.
    check(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) })
}

/// Gives this process a view of the mounts of its own, so that what it mounts is gone with it.
///
/// # Errors
/// If this process is not privileged.
pub fn own_mounts() -> io::Result<()> {
    // SAFETY: plain integers.
    check(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
    mount("none", Path::new("/"), "", libc::MS_REC | libc::MS_PRIVATE, "")
}

/// Mounts a file system of `kind` at `target`, or changes the mount there.
///
/// # Errors
/// As the kernel says.
pub fn mount(source: &str, target: &Path, kind: &str, flags: libc::c_ulong, data: &str) -> io::Result<()> {
    let text = |s: &[u8]| CString::new(s).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
    let (source, kind, data) = (text(source.as_bytes())?, text(kind.as_bytes())?, text(data.as_bytes())?);
    let target = text(target.as_os_str().as_bytes())?;
    // SAFETY: all strings live through the call.
    check(unsafe {
        libc::mount(
            source.as_ptr(),
            target.as_ptr(),
            kind.as_ptr(),
            flags,
            data.as_ptr().cast::<libc::c_void>(),
        )
    })
}

/// Mounts `dir` on itself, read-only from its first moment: a mount that is made read-only afterwards is busy if anybody, such as a store's
/// threads, has opened a file through it in between. Wants kernel 5.12.
///
/// # Errors
/// As the kernel says.
pub fn mount_read_only(dir: &Path) -> io::Result<()> {
    let path = CString::new(dir.as_os_str().as_bytes())?;
    let call = |result: libc::c_long| if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) };
    let attributes =
        libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    // SAFETY: the strings and the attributes live through their calls, and the descriptor is owned by nobody else.
    unsafe {
        let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
        let tree = call(libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags))?;
        let tree = OwnedFd::from_raw_fd(tree as libc::c_int);
        call(libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        ))?;
        call(libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        ))?;
    }
    Ok(())
}

/// Gives a file or directory to `nobody`.
///
/// # Errors
/// As the kernel says.
pub fn give_to_nobody(path: &Path) -> io::Result<()> {
    std::os::unix::fs::chown(path, Some(65_534), Some(65_534))
}

/// Takes the last mount at `target` away.
///
/// # Errors
/// As the kernel says.
pub fn unmount(target: &Path) -> io::Result<()> {
    let target = CString::new(target.as_os_str().as_bytes())?;
    // SAFETY: the string lives through the call.
    check(unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) })
}

/// Sets how many files this process may have open; returns what it was.
///
/// # Errors
/// If the limit cannot be set.
pub fn limit_open_files(count: u64) -> io::Result<u64> {
    soft_limit(libc::RLIMIT_NOFILE, count)
}

/// Sets how many bytes of memory this process may lock, until it is set again; returns what it was. Binds a process without CAP_IPC_LOCK.
///
/// # Errors
/// If the limit cannot be set.
pub fn soft_limit_locked_memory(bytes: u64) -> io::Result<u64> {
    soft_limit(libc::RLIMIT_MEMLOCK, bytes)
}

fn soft_limit(resource: libc::__rlimit_resource_t, value: u64) -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` lives through the call.
    check(unsafe { libc::getrlimit(resource, &raw mut limit) })?;
    let old = std::mem::replace(&mut limit.rlim_cur, value);
    // SAFETY: as above.
    check(unsafe { libc::setrlimit(resource, &raw const limit) })?;
    Ok(old)
}

/// Gives up the capability to lock memory beyond the limit, in this thread and those that it starts, and keeps all others.
///
/// # Errors
/// As the kernel says.
pub fn drop_ipc_lock() -> io::Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    const CAP_IPC_LOCK: u32 = 14;
    #[repr(C)]
    struct Header {
        version: u32,
        pid: libc::c_int,
    }
    /// Effective, permitted, inheritable: of capabilities 0 to 31, then of 32 to 63.
    type Sets = [[u32; 3]; 2];
    let (mut header, mut sets) = (Header { version: VERSION_3, pid: 0 }, Sets::default());
    // SAFETY: both live through the call, and have the kernel's layout for this version.
    check(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, &raw mut sets) } as libc::c_int)?;
    sets[0].iter_mut().for_each(|set| *set &= !(1 << CAP_IPC_LOCK));
    // SAFETY: as above.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, &raw const sets) } as libc::c_int)
}
