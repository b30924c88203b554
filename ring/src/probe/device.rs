//! The block device under a directory, as `/sys` describes its queue.

use std::path::{Path, PathBuf};

use super::files::Mount;
use super::{Level, Probe};
use crate::PAGE;
use crate::os::text;

const TOPIC: &str = "device";

pub(super) fn device(probe: &mut Probe, dir: &Path, mount: Option<&Mount>) {
    let Some(mount) = mount else { return };
    let numbers = rustix::fs::stat(dir).ok().map(|s| s.st_dev);
    // File systems that span devices make numbers up; then the mount's source may name one.
    let source = rustix::fs::stat(Path::new(&mount.source)).ok().map(|s| s.st_rdev).filter(|&d| d != 0);
    let found = [numbers, source].into_iter().flatten().find_map(|d| {
        let link = format!("/sys/dev/block/{}:{}", rustix::fs::major(d), rustix::fs::minor(d));
        queue_of(&PathBuf::from(link))
    });
    if let Some((name, queue)) = found {
        describe(probe, &name, &queue);
    } else {
        probe.add(TOPIC, "name", "none", Level::Ok, "no block device can be told for this file system");
    }
}

/// Name and queue directory of the device at a `/sys` path; a partition has its disk's.
fn queue_of(path: &Path) -> Option<(String, PathBuf)> {
    let path = path.canonicalize().ok()?;
    let name = path.file_name()?.to_string_lossy().into_owned();
    [path.join("queue"), path.parent()?.join("queue")]
        .into_iter()
        .find(|queue| queue.is_dir())
        .map(|queue| (name, queue))
}

fn describe(probe: &mut Probe, name: &str, queue: &Path) {
    let read = |file: &str| text(queue.join(file));
    probe.add(TOPIC, "name", name, Level::Ok, "the block device under the file system");
    if let Some(value) = read("write_cache") {
        let meaning = if value == "write back" {
            "the device has a volatile cache: each durable commit waits for a flush of it"
        } else {
            "the device has no volatile cache: a write is durable when it is done"
        };
        probe.add(TOPIC, "write_cache", value, Level::Ok, meaning);
    }
    if let Some(value) = read("fua") {
        let meaning = if value == "1" {
            "single writes can be forced to the medium, so a durable write needs no flush"
        } else {
            "single writes cannot be forced to the medium: a durable write is a write and a flush"
        };
        probe.add(TOPIC, "fua", value, Level::Ok, meaning);
    }
    if let Some(value) = read("io_poll") {
        let meaning = if value == "1" {
            "the driver could be polled for completions (not used)"
        } else {
            "completions come by interrupt"
        };
        probe.add(TOPIC, "io_poll", value, Level::Ok, meaning);
    }
    if let Some(value) = read("scheduler") {
        let chosen = value.split(['[', ']']).nth(1).unwrap_or(&value).to_owned();
        let meaning = if chosen == "none" {
            "requests go to the device as they come"
        } else {
            "requests are reordered on their way; none is usually best for fast devices"
        };
        probe.add(TOPIC, "scheduler", chosen, Level::Ok, meaning);
    }
    if let Some(value) = read("rotational") {
        let meaning = if value == "1" {
            "the device says that it spins (virtual disks often say so without reason); random reads would be slow"
        } else {
            "the device does not spin: random reads are cheap, many at a time more so"
        };
        probe.add(TOPIC, "rotational", value, Level::Ok, meaning);
    }
    if let Some(value) = read("logical_block_size") {
        let fits = value.parse().is_ok_and(|n: usize| n <= PAGE);
        let meaning = if fits {
            "a page is a whole number of blocks"
        } else {
            "a block is larger than a page of 4096 bytes, so files are opened without O_DIRECT"
        };
        let level = if fits { Level::Ok } else { Level::Warn };
        probe.add(TOPIC, "logical_block_size", value, level, meaning);
    }
    if let Some(value) = read("max_sectors_kb") {
        let meaning = "larger transfers are split, and may then be handed to a worker thread";
        probe.add(TOPIC, "max_sectors_kb", value, Level::Ok, meaning);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods, reason = "a made-up /sys")]
    #[test]
    fn a_partition_has_the_queue_of_its_disk() {
        let sys = tempfile::tempdir().unwrap();
        let (disk, part) = (sys.path().join("vdb"), sys.path().join("vdb/vdb1"));
        std::fs::create_dir_all(&part).unwrap();
        std::fs::create_dir_all(disk.join("queue")).unwrap();
        for (name, value) in
            [("fua", "1\n"), ("scheduler", "none [mq-deadline]\n"), ("logical_block_size", "8192\n")]
        {
            std::fs::write(disk.join("queue").join(name), value).unwrap();
        }
        for (path, expected) in [(&disk, "vdb"), (&part, "vdb1")] {
            let (name, queue) = queue_of(path).unwrap();
            assert_eq!((name.as_str(), queue), (expected, disk.join("queue").canonicalize().unwrap()));
        }
        assert_eq!(queue_of(&sys.path().join("none")), None);
        let mut probe = Probe::default();
        describe(&mut probe, "vdb1", &disk.join("queue"));
        assert_eq!(probe.get(TOPIC, "scheduler").unwrap().value, "mq-deadline");
        assert!(probe.get(TOPIC, "fua").unwrap().meaning.contains("needs no flush"));
        assert_eq!(probe.get(TOPIC, "logical_block_size").unwrap().level, Level::Warn);
        assert!(probe.get(TOPIC, "io_poll").is_none(), "what /sys does not say is left out");
    }
}
