//! A bound on a child's memory, page cache included, and empty caches: what makes cold rows cold.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, fadvise, syncfs};

use crate::Result;

/// A memory control group of this run's own. Removed when dropped; whoever is in it must be gone then.
#[derive(Debug)]
pub(crate) struct MemoryGroup {
    path: PathBuf,
}

impl MemoryGroup {
    /// Makes a group with room for `bytes`.
    ///
    /// # Errors
    /// A sentence that says why it cannot be had.
    pub(crate) fn new(bytes: u64) -> Result<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup")?;
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let name = format!("ringwood-peers-{}", std::process::id());
        let mut why = "no memory controller is mounted".to_string();
        for (parent, v2) in parents(&groups, &mounts) {
            match Self::within(&parent.join(&name), bytes, v2) {
                Ok(group) => return Ok(group),
                Err(e) => why = format!("{}: {e}", parent.display()),
            }
        }
        Err(format!("no memory control group can be had ({why})").into())
    }

    fn within(path: &Path, bytes: u64, v2: bool) -> io::Result<Self> {
        fs::create_dir(path)?;
        // Removed again if it turns out to be of no use.
        let group = Self { path: path.to_path_buf() };
        if v2 {
            fs::write(path.join("memory.max"), bytes.to_string())?;
            // Missing where there is no swap.
            let _ = fs::write(path.join("memory.swap.max"), "0");
        } else {
            fs::write(path.join("memory.limit_in_bytes"), bytes.to_string())?;
            let _ = fs::write(path.join("memory.memsw.limit_in_bytes"), bytes.to_string());
        }
        Ok(group)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // The kernel lets a group go a moment after its last process.
        for _ in 0..50 {
            match fs::remove_dir(&self.path) {
                Err(e) if e.kind() == io::ErrorKind::ResourceBusy => {
                    crate::clock::nap(std::time::Duration::from_millis(20));
                }
                _ => return,
            }
        }
    }
}

/// Moves this process into a group. What it allocated before stays charged elsewhere, so this comes first.
pub(crate) fn enter(group: &Path) -> Result<()> {
    fs::write(group.join("cgroup.procs"), "0")
        .map_err(|e| format!("cannot enter the memory control group {}: {e}", group.display()).into())
}

/// Where a group could be made, best first, and whether it is of version 2.
fn parents(groups: &str, mounts: &str) -> Vec<(PathBuf, bool)> {
    let mut found = Vec::new();
    for mount in mounts.lines() {
        let mut fields = mount.split(' ').skip(1);
        let (Some(point), Some(kind), Some(options)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let v2 = kind == "cgroup2";
        let v1 = kind == "cgroup" && options.split(',').any(|option| option == "memory");
        if !(v1 || v2) {
            continue;
        }
        let own = groups.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            let is_it =
                if v2 { controllers.is_empty() } else { controllers.split(',').any(|c| c == "memory") };
            is_it.then_some(path)
        });
        let own = Path::new(point).join(own.unwrap_or("/").trim_start_matches('/'));
        // In version 2 a group with processes of its own has no children with controllers: beside it, then.
        let beside = own.parent().filter(|parent| v2 && parent.starts_with(point)).map(Path::to_path_buf);
        found.extend(beside.into_iter().chain([own]).map(|path| (path, v2)));
        found.push((PathBuf::from(point), v2));
    }
    found.dedup();
    found
}

/// Empties the page cache, at least of the files of `dir`. Says how.
pub(crate) fn drop_caches(dir: &Path) -> Result<&'static str> {
    syncfs(File::open(dir)?)?;
    if fs::write("/proc/sys/vm/drop_caches", "3").is_ok() {
        return Ok("the page cache was dropped");
    }
    forget_files(dir)?;
    Ok("only the store's own files were dropped from the page cache: this user may not drop it")
}

fn forget_files(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir)?.flatten() {
        if entry.file_type()?.is_dir() {
            forget_files(&entry.path())?;
        } else {
            fadvise(File::open(entry.path())?, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_found_in_both_versions() {
        let groups = "4:memory,x:/a/b\n0::/user/me\n";
        let mounts = "cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n\
                      cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        let found = parents(groups, mounts);
        let paths: Vec<_> = found.iter().map(|(path, v2)| (path.to_str().unwrap(), *v2)).collect();
        assert_eq!(
            paths,
            [
                ("/sys/fs/cgroup/memory/a/b", false),
                ("/sys/fs/cgroup/memory", false),
                ("/sys/fs/cgroup/unified/user", true),
                ("/sys/fs/cgroup/unified/user/me", true),
                ("/sys/fs/cgroup/unified", true)
            ]
        );
        assert!(parents("", "proc /proc proc rw 0 0\n").is_empty());
    }

    #[test]
    fn a_group_goes_with_its_value() {
        // Where groups may not be made, the reason is a sentence.
        match MemoryGroup::new(64 << 20) {
            Ok(group) => {
                let path = group.path().to_path_buf();
                assert!(path.is_dir());
                drop(group);
                assert!(!path.exists());
            }
            Err(error) => assert!(error.to_string().starts_with("no memory control group"), "{error}"),
        }
    }

    #[test]
    fn files_can_be_forgotten() {
        let dir = tempfile::tempdir_in(".").unwrap();
        fs::create_dir(dir.path().join("in")).unwrap();
        fs::write(dir.path().join("in/file"), vec![1; 1 << 20]).unwrap();
        forget_files(dir.path()).unwrap();
    }
}
