//! What the machine is, for people who read the figures later.

use std::fs;
use std::path::Path;

/// Names and values.
pub(crate) fn describe(dir: &Path) -> Vec<(String, String)> {
    let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.into());
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let rows = [
        ("processor", format!("{cpu}, {} threads", ringwood_ring::machine::cores())),
        ("memory", memory),
        ("kernel", kernel.trim().to_string()),
        ("file system", file_system(dir, &mounts).unwrap_or_default()),
        ("load at the end", load.split(' ').take(3).collect::<Vec<_>>().join(" ")),
    ];
    rows.map(|(name, value)| (name.to_string(), value))
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// The first field of a name in a file of `name : value` lines.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':'));
    value.map(|(_, value)| value.trim().to_string())
}

/// Type, device and options of the mount that a directory is on: the longest one that contains it.
fn file_system(dir: &Path, mounts: &str) -> Option<String> {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_path_buf());
    let parsed = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        Some((fields.next()?, fields.next()?, fields.next()?, fields.next()?))
    });
    let (device, _, kind, options) =
        parsed.filter(|(_, point, ..)| dir.starts_with(point)).max_by_key(|(_, point, ..)| point.len())?;
    Some(format!("{kind} on {device} ({options})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_counts() {
        let mounts = "/dev/a / ext4 rw 0 0\n/dev/b /proc xfs rw,x 0 0\n";
        assert_eq!(file_system(Path::new("/proc/self"), mounts).unwrap(), "xfs on /dev/b (rw,x)");
        assert_eq!(file_system(Path::new("/usr"), mounts).unwrap(), "ext4 on /dev/a (rw)");
    }

    #[test]
    fn this_machine_has_a_kernel() {
        let rows = describe(Path::new("."));
        assert!(rows.iter().any(|(name, value)| name == "kernel" && value.contains('.')), "{rows:?}");
    }
}
