//! What the machine grants this process: the memory that a default budget is taken from, and the cores.

use std::path::Path;

/// Bytes of memory that this process may use: the machine's, or less where a control group (v2 or v1) says so.
#[must_use]
pub fn memory_limit() -> u64 {
    let cgroup = |path: &str| read(path)?.trim().parse::<u64>().ok();
    let group = read("/proc/self/cgroup").unwrap_or_default();
    let own = group.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let own = format!("/sys/fs/cgroup{own}/memory.max").replace("//", "/");
    let limits = [
        cgroup(&own),
        cgroup("/sys/fs/cgroup/memory.max"),
        cgroup("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
    ];
    limits.into_iter().flatten().chain([machine_memory()]).min().unwrap_or(1 << 30)
}

/// Cores that this process may run on, at least 1.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn machine_memory() -> u64 {
    let info = rustix::system::sysinfo();
    info.totalram * u64::from(info.mem_unit)
}

#[allow(clippy::disallowed_methods, reason = "this is the boundary")]
fn read(path: impl AsRef<Path>) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_limit_is_a_plausible_size() {
        let bytes = super::memory_limit();
        assert!((1 << 20..1 << 50).contains(&bytes), "{bytes}");
        assert!(super::cores() >= 1);
    }
}
