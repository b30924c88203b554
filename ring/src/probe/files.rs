//! The file system of a directory, and a trial of it: a small file is written, synced, read and mapped.

use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, StatxFlags};

use super::{Level, Probe};
use crate::os::{self, text};
use crate::{
    Class, Disk, IoChoice, IoErrorKind, LaneSpec, Op, OpenOptions, Owner, PAGE, Result, UringConfig, copy_in,
    open_disk, read_exact,
};

const TOPIC: &str = "file system";

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) kind: String,
    pub(super) source: String,
    pub(super) point: PathBuf,
}

pub(super) fn file_system(probe: &mut Probe, dir: &Path) -> Option<Mount> {
    let stat = match rustix::fs::stat(dir) {
        Ok(stat) => stat,
        Err(e) => {
            let meaning = format!("the directory cannot be looked at: {e}");
            probe.add(TOPIC, "directory", dir.display().to_string(), Level::Bad, meaning);
            return None;
        }
    };
    let device = (rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev));
    let table = text("/proc/self/mountinfo").unwrap_or_default();
    let path = dir.canonicalize().unwrap_or_else(|_| dir.to_path_buf());
    let mount = find_mount(&table, device, &path);
    if let Some(mount) = &mount {
        let (level, meaning) = judge(&mount.kind);
        let value = format!("{} on {}", mount.kind, mount.point.display());
        probe.add(TOPIC, "type", value, level, meaning);
    }
    if let Ok(space) = os::space(dir) {
        let level = if space.free < 1 << 30 { Level::Warn } else { Level::Ok };
        let value = format!("{} MiB of {} MiB", space.free >> 20, space.total >> 20);
        probe.add(
            TOPIC,
            "free space",
            value,
            level,
            "compaction needs room for its outputs before it frees its inputs: keep as much free as the largest keyspace takes",
        );
    }
    mount
}

fn judge(kind: &str) -> (Level, &'static str) {
    match kind {
        "ext4" | "xfs" => (Level::Ok, "direct I/O runs asynchronously and syncs are honest"),
        "btrfs" | "f2fs" | "bcachefs" | "zfs" => (
            Level::Ok,
            "copies on write: files of the log are not overwritten in place, so commits cost more metadata",
        ),
        "tmpfs" | "ramfs" => (
            Level::Warn,
            "lives in memory: nothing survives a reboot, whatever is synced; use a disk for a store that is to last",
        ),
        "overlay" => (Level::Warn, "a container's layer: use a volume for a store that is to last"),
        "nfs" | "nfs4" | "cifs" | "smb3" | "9p" | "fuse" | "virtiofs" | "ceph" => (
            Level::Warn,
            "what a sync promises, and whether locks hold, is up to the server; a local disk is safer",
        ),
        _ => (Level::Ok, "not a file system that is regularly tested with"),
    }
}

/// The mount of a device, or else the one whose directory holds `path` most closely (device numbers of some file systems are
/// made up).
fn find_mount(table: &str, (major, minor): (u32, u32), path: &Path) -> Option<Mount> {
    let device = format!("{major}:{minor}");
    let mut best: Option<(bool, usize, Mount)> = None;
    for line in table.lines() {
        let Some((left, right)) = line.split_once(" - ") else {
            continue;
        };
        let left: Vec<&str> = left.split(' ').collect();
        let mut right = right.split(' ');
        let (Some(point), Some(kind), Some(source)) = (left.get(4), right.next(), right.next()) else {
            continue;
        };
        let point = PathBuf::from(point.replace("\\040", " "));
        let same = left.get(2) == Some(&device.as_str());
        if !path.starts_with(&point) {
            continue;
        }
        let rank = (same, point.components().count());
        if best.as_ref().is_none_or(|(s, n, _)| rank >= (*s, *n)) {
            let mount = Mount { kind: kind.to_owned(), source: source.to_owned(), point };
            best = Some((rank.0, rank.1, mount));
        }
    }
    best.map(|(_, _, mount)| mount)
}

/// Writes, syncs, reads and maps a small file.
pub(super) fn trial(probe: &mut Probe, dir: &Path) {
    let path = dir.join(format!(".ringwood-probe-{}-{:x}", std::process::id(), os::random()));
    if let Err(e) = try_file(probe, dir, &path) {
        let level = if e.kind() == IoErrorKind::Unsupported { Level::Warn } else { Level::Bad };
        probe.add(TOPIC, "trial", "failed", level, format!("a trial in this directory failed: {e}"));
    }
    // Gone already, unless something failed in between.
    let _ = os::remove(&path);
}

fn try_file(probe: &mut Probe, dir: &Path, path: &Path) -> Result<()> {
    let disk = match open_disk(IoChoice::Uring, 64 << 10, UringConfig::default()) {
        Ok(disk) => disk,
        Err(why) => {
            // Where no ring at all can be had, that was said.
            if probe.get("io_uring", "available").is_some_and(|f| f.level == Level::Ok) {
                probe.add("io_uring", "in use", "no", Level::Bad, why.to_string());
            }
            open_disk(IoChoice::Syscalls, 64 << 10, UringConfig::default())?
        }
    };
    let file = disk.open(path, OpenOptions::CREATE)?;
    if file.is_direct() {
        let meaning = "reads and writes bypass the page cache, so that memory is used once";
        probe.add(TOPIC, "O_DIRECT", "yes", Level::Ok, meaning);
    } else {
        let meaning = "files are read and written through the page cache, which takes memory beside the block cache; use ext4 or \
                       xfs, or give the store less memory";
        probe.add(TOPIC, "O_DIRECT", "no", Level::Warn, meaning);
    }
    if let Ok(s) = rustix::fs::statx(os::fd(&file), c"", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN)
        && s.stx_mask & StatxFlags::DIOALIGN.bits() != 0
    {
        let (memory, offset) = (s.stx_dio_mem_align, s.stx_dio_offset_align);
        let fits = memory as usize <= PAGE && offset as usize <= PAGE;
        let value = format!("{memory} bytes in memory, {offset} in the file");
        let meaning =
            "all transfers are aligned to 4096 bytes; a file that needs more is opened without O_DIRECT";
        probe.add(TOPIC, "alignment", value, if fits { Level::Ok } else { Level::Warn }, meaning);
    }
    let spec = LaneSpec { class: Class::Control, depth: 4, owner: Owner::Pool };
    let mut lane = disk.lane(spec)?;
    let buf = copy_in(disk.arena(), &file, b"trial")?;
    let write = Op::Write { file: file.clone(), offset: 0, len: buf.len(), buf, dsync: false };
    let sync = Op::Sync { file: file.clone(), data_only: true };
    let mut done = Vec::new();
    lane.push_chain(&mut vec![(0, write), (1, sync)]);
    lane.reap(2, &mut done)?;
    for completion in done {
        completion.result?;
    }
    let buf = copy_in(disk.arena(), &file, &[])?;
    let buf = read_exact(&mut *lane, &file, 0, buf, PAGE)?;
    let counts = disk.counters().snapshot().total();
    let caps = disk.caps();
    let way = if counts.fixed == 2 { "registered" } else { "plain" };
    let value = format!("{}, {way} buffers", caps.backend);
    if buf.as_slice().starts_with(b"trial") {
        let meaning = "a chain of a write and a sync went through, and the bytes were read back";
        probe.add(TOPIC, "trial", value, Level::Ok, meaning);
    } else {
        probe.add(TOPIC, "trial", value, Level::Bad, "what was read back is not what was written");
    }
    let (level, value, meaning) = if let Some(reason) = caps.degraded.first() {
        (Level::Warn, "less than wanted", reason.clone())
    } else {
        (Level::Ok, "all that was wanted", "nothing that a store uses of rings is missing".to_owned())
    };
    if caps.backend == "io_uring" {
        probe.add("io_uring", "in use", format!("{value}: {}", caps.features.join(", ")), level, meaning);
    }
    drop(lane);
    try_map(probe, &*disk, path)?;
    os::remove(path)?;
    os::sync_dir(dir)
}

fn try_map(probe: &mut Probe, disk: &dyn Disk, path: &Path) -> Result<()> {
    let options = OpenOptions { direct: false, ..OpenOptions::WRITE };
    let file = disk.open(path, options)?;
    match disk.map_shared(&file, PAGE) {
        Ok(_) => {
            let meaning = "buffered commits cost no system call: they are staged in a mapping that survives the process";
            probe.add(TOPIC, "shared mapping", "yes", Level::Ok, meaning);
        }
        Err(e) => {
            let meaning = format!("buffered commits cost a write each: {e}");
            probe.add(TOPIC, "shared mapping", "no", Level::Warn, meaning);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:26 / /dev/shm rw,nosuid shared:4 - tmpfs tmpfs rw,size=10g
40 22 254:17 / /data\\040dir rw - xfs /dev/vdb1 rw
41 22 0:50 /sub /vol rw - btrfs /dev/vdc rw
";

    #[test]
    fn mounts_are_found_by_device_and_by_path() {
        let find = |device, path: &str| find_mount(TABLE, device, Path::new(path)).unwrap();
        assert_eq!(find((254, 0), "/home/x").kind, "ext4");
        assert_eq!(find((0, 26), "/dev/shm/a").kind, "tmpfs");
        let xfs = find((254, 17), "/data dir/db");
        assert_eq!((xfs.kind.as_str(), xfs.source.as_str()), ("xfs", "/dev/vdb1"));
        // A subvolume has a device number of its own that no mount shows.
        assert_eq!(find((0, 99), "/vol/db").kind, "btrfs");
        assert_eq!(find_mount("garbage\n", (1, 2), Path::new("/")), None);
    }
}
