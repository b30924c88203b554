//! How many system calls this process makes, counted by the kernel.
//!
//! The counter is the tracepoint `raw_syscalls:sys_enter`, opened with `perf_event_open` for this thread and every thread that
//! it starts from then on (directly or not). It must therefore be opened before the store is. The kernel allows it to root and
//! to processes with CAP_PERFMON; elsewhere the caller learns why not and reports what the store itself counts.
//!
//! The number of the tracepoint is in tracefs. Where that is not mounted, a mount of our own is opened that has no place in any
//! directory, is seen by nobody else and ends with its file descriptor.

use std::os::fd::{AsFd, FromRawFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

const TRACEPOINT: &str = "events/raw_syscalls/sys_enter/id";
const MOUNTS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// Counts system calls.
#[derive(Debug)]
pub(crate) struct SyscallCounter {
    fd: OwnedFd,
}

impl SyscallCounter {
    /// Starts to count.
    ///
    /// # Errors
    /// The reason, as part of a sentence, if the kernel does not allow it.
    pub(crate) fn open() -> Result<Self, String> {
        let id = tracepoint_id()
            .map_err(|e| format!("the tracepoint raw_syscalls:sys_enter is out of reach ({e})"))?;
        let fd = open_tracepoint(id)
            .map_err(|e| format!("perf_event_open says {e}: it takes root or CAP_PERFMON"))?;
        Ok(Self { fd })
    }

    /// System calls since the start; 0 if the counter cannot be read.
    pub(crate) fn count(&self) -> u64 {
        let mut bytes = [0u8; 8];
        match rustix::io::read(&self.fd, &mut bytes) {
            Ok(8) => u64::from_ne_bytes(bytes),
            _ => 0,
        }
    }
}

fn tracepoint_id() -> Result<u64, Errno> {
    let mounted = MOUNTS.iter().find_map(|dir| {
        let root =
            openat(CWD, *dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        read_id(&root).ok()
    });
    match mounted {
        Some(id) => Ok(id),
        None => read_id(&private_tracefs()?),
    }
}

/// Tracefs, mounted nowhere.
fn private_tracefs() -> Result<OwnedFd, Errno> {
    let context = fsopen("tracefs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(context.as_fd())?;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_RDONLY)
}

fn read_id(tracefs: &OwnedFd) -> Result<u64, Errno> {
    let file = openat(tracefs, TRACEPOINT, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut text = [0u8; 32];
    let len = rustix::io::read(&file, &mut text)?;
    let text = std::str::from_utf8(&text[..len]).map_err(|_| Errno::INVAL)?;
    text.trim().parse().map_err(|_| Errno::INVAL)
}

const PERF_TYPE_TRACEPOINT: u32 = 2;
/// Flag bit: threads started later are counted too.
const INHERIT: u64 = 1 << 1;

/// Flag of the call: the descriptor does not survive an exec.
const CLOEXEC: libc::c_ulong = 1 << 3;

/// The head of the kernel's `struct perf_event_attr`, as long as its first published version (64 bytes); the kernel takes what
/// is missing as zero.
#[repr(C)]
#[derive(Default)]
struct PerfEventAttr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    bp_type: u32,
    bp_addr: u64,
}

const _: () = assert!(size_of::<PerfEventAttr>() == 64);

fn open_tracepoint(id: u64) -> Result<OwnedFd, std::io::Error> {
    let attr = PerfEventAttr {
        kind: PERF_TYPE_TRACEPOINT,
        size: size_of::<PerfEventAttr>() as u32,
        config: id,
        flags: INHERIT,
        ..PerfEventAttr::default()
    };
    let this_thread: libc::pid_t = 0;
    let (any_cpu, no_group): (libc::c_int, libc::c_int) = (-1, -1);
    // SAFETY: the call reads `size` bytes at `attr`, which is that long and lives until the call returns, and keeps no pointer.
    // The other arguments are numbers. It returns a new descriptor or -1.
    let fd = unsafe {
        libc::syscall(libc::SYS_perf_event_open, &raw const attr, this_thread, any_cpu, no_group, CLOEXEC)
    };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_this_and_later_threads_are_counted() {
        let counter = match SyscallCounter::open() {
            Ok(counter) => counter,
            Err(why) => return println!("skipped: {why}"),
        };
        let call = || {
            for _ in 0..1000 {
                let _ = rustix::process::getppid();
            }
        };
        let before = counter.count();
        call();
        let here = counter.count() - before;
        assert!((1000..1100).contains(&here), "{here}");
        let before = counter.count();
        std::thread::spawn(call).join().unwrap();
        let there = counter.count() - before;
        assert!((1000..1200).contains(&there), "{there}");
    }
}
