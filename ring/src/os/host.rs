//! What the kernel says about itself and about this process's limits: read from `/proc` and the system calls made for
//! it. Only explanations and the locked-memory budget hang on these; what works is found out by doing.

use rustix::process::{Resource, getrlimit};

/// A resource limit; `None` is "unlimited".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Limit {
    pub(crate) soft: Option<u64>,
    pub(crate) hard: Option<u64>,
}

/// The kernel and the limits of this process, at one moment. A field is `None` where the kernel does not say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Host {
    /// `uname -r`.
    pub(crate) release: String,
    /// `/proc/sys/kernel/io_uring_disabled`: 0 allowed, 1 only for privileged processes and one group, 2 for nobody.
    pub(crate) io_uring_disabled: Option<u32>,
    /// `/proc/sys/kernel/io_uring_group`: who is exempt from 1.
    pub(crate) io_uring_group: Option<i64>,
    /// Seccomp mode of this process: 0 none, 1 strict, 2 a filter.
    pub(crate) seccomp: Option<u32>,
    /// RLIMIT_MEMLOCK in bytes: memory that rings and registered buffers may pin.
    pub(crate) memlock: Limit,
    /// RLIMIT_NOFILE.
    pub(crate) open_files: Limit,
    /// Whether CAP_IPC_LOCK lifts the locked-memory limit.
    pub(crate) may_lock_freely: bool,
}

const CAP_IPC_LOCK: u32 = 14;

impl Host {
    /// Reads everything anew: a process may drop privileges or raise limits as it goes.
    pub(crate) fn read() -> Self {
        // The thread's own: a filter may be on some threads only.
        let status = text("/proc/thread-self/status").unwrap_or_default();
        let capabilities = field(&status, "CapEff:").and_then(|v| u64::from_str_radix(v, 16).ok());
        let limit = |resource| {
            let limit = getrlimit(resource);
            Limit { soft: limit.current, hard: limit.maximum }
        };
        Self {
            release: rustix::system::uname().release().to_string_lossy().into_owned(),
            io_uring_disabled: number("/proc/sys/kernel/io_uring_disabled"),
            io_uring_group: number("/proc/sys/kernel/io_uring_group"),
            seccomp: field(&status, "Seccomp:").and_then(|v| v.parse().ok()),
            memlock: limit(Resource::Memlock),
            open_files: limit(Resource::Nofile),
            may_lock_freely: capabilities.is_some_and(|c| c >> CAP_IPC_LOCK & 1 == 1),
        }
    }

    /// Bytes that this user may lock, or `None` where nothing limits it.
    pub(crate) fn lockable_bytes(&self) -> Option<u64> {
        if self.may_lock_freely { None } else { self.memlock.soft }
    }

    /// The locked-memory limit as a phrase.
    pub(crate) fn memlock_phrase(&self) -> String {
        match self.lockable_bytes() {
            Some(bytes) => format!("RLIMIT_MEMLOCK is {}", kib(bytes)),
            None => "no RLIMIT_MEMLOCK applies".to_owned(),
        }
    }

    /// Kernel version as (major, minor), (0, 0) if it cannot be read.
    pub(crate) fn version(&self) -> (u32, u32) {
        let mut parts = self.release.split(|c: char| !c.is_ascii_digit());
        let mut next = || parts.next().and_then(|p| p.parse().ok()).unwrap_or(0);
        (next(), next())
    }
}

/// A number of bytes in KiB.
pub(crate) fn kib(bytes: u64) -> String {
    format!("{} KiB", bytes / 1024)
}

/// A small file of `/proc` or `/sys`, trimmed; `None` if there is none.
#[allow(clippy::disallowed_methods, reason = "this is the boundary; /proc and /sys are no store files")]
pub(crate) fn text(path: impl AsRef<std::path::Path>) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|s| s.trim().to_owned())
}

fn number<T: std::str::FromStr>(path: &str) -> Option<T> {
    text(path)?.parse().ok()
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_releases() {
        let version = |release: &str| {
            let host = Host { release: release.to_owned(), ..Host::default() };
            host.version()
        };
        assert_eq!(version("6.18.44-custom"), (6, 18));
        assert_eq!(version("5.4.0-150-generic"), (5, 4));
        assert_eq!(version(""), (0, 0));
    }

    #[test]
    fn a_privileged_process_has_no_locked_memory_limit() {
        let mut host = Host { memlock: Limit { soft: Some(8 << 20), hard: None }, ..Host::default() };
        assert_eq!(host.lockable_bytes(), Some(8 << 20));
        assert_eq!(host.memlock_phrase(), "RLIMIT_MEMLOCK is 8192 KiB");
        host.may_lock_freely = true;
        assert_eq!(host.lockable_bytes(), None);
    }
}
