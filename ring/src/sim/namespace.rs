//! Directories: the names that everyone sees, beside those that are durable. How one becomes the other is in `pending.rs`.
//!
//! Directories cannot be removed. A file lives while a name, a durable name, a waiting change or an open handle has it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::content::Content;
use super::map::MapMemory;
use super::pending::{Change, Pending, Place};

pub(super) type Inode = u64;

/// The root directory: it always exists.
pub(super) const ROOT: Inode = 1;

#[derive(Debug, Clone, Default)]
pub(super) struct Dir {
    pub(super) entries: BTreeMap<OsString, Inode>,
    pub(super) durable: BTreeMap<OsString, Inode>,
}

#[derive(Debug)]
pub(super) struct FileNode {
    pub(super) content: Arc<Content>,
    /// Held by every open handle of this generation.
    pub(super) handles: Arc<()>,
    /// Its shared mapping, if there is one.
    pub(super) map: Option<Arc<MapMemory>>,
    /// Whether it has a name.
    pub(super) linked: bool,
}

impl FileNode {
    pub(super) fn content_mut(&mut self) -> &mut Content {
        Arc::make_mut(&mut self.content)
    }

    pub(super) fn is_open(&self) -> bool {
        Arc::strong_count(&self.handles) > 1
    }
}

/// See the module documentation.
#[derive(Debug)]
pub(super) struct Namespace {
    pub(super) dirs: BTreeMap<Inode, Dir>,
    pub(super) files: BTreeMap<Inode, FileNode>,
    pub(super) pending: Vec<Pending>,
    /// The operation that makes changes now.
    pub(super) op: u64,
    /// Files that lost their last name: gone once nothing else holds them.
    pub(super) orphans: Vec<Inode>,
    next_inode: Inode,
}

/// An errno.
pub(super) type Errno = i32;

/// The names of a path from the root: relative paths start there too.
fn names(path: &Path) -> Vec<OsString> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name.to_os_string()),
            Component::ParentDir => drop(names.pop()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    names
}

impl Namespace {
    pub(super) fn new() -> Self {
        Self {
            dirs: BTreeMap::from([(ROOT, Dir::default())]),
            files: BTreeMap::new(),
            pending: Vec::new(),
            op: 0,
            orphans: Vec::new(),
            next_inode: ROOT + 1,
        }
    }

    /// A copy without handles and mappings.
    pub(super) fn fork(&self) -> Self {
        let fork = |node: &FileNode| FileNode {
            content: Arc::clone(&node.content),
            handles: Arc::default(),
            map: None,
            linked: node.linked,
        };
        Self {
            dirs: self.dirs.clone(),
            files: self.files.iter().map(|(&inode, node)| (inode, fork(node))).collect(),
            pending: self.pending.clone(),
            op: self.op,
            orphans: self.orphans.clone(),
            next_inode: self.next_inode,
        }
    }

    fn walk(&self, names: &[OsString]) -> Result<Inode, Errno> {
        names.iter().try_fold(ROOT, |dir, name| {
            let dir = self.dirs.get(&dir).ok_or(libc::ENOTDIR)?;
            dir.entries.get(name).copied().ok_or(libc::ENOENT)
        })
    }

    pub(super) fn lookup(&self, path: &Path) -> Result<Inode, Errno> {
        self.walk(&names(path))
    }

    pub(super) fn lookup_dir(&self, path: &Path) -> Result<Inode, Errno> {
        let inode = self.lookup(path)?;
        self.dirs.contains_key(&inode).then_some(inode).ok_or(libc::ENOTDIR)
    }

    /// The directory and name of a path whose last part need not exist.
    fn place(&self, path: &Path) -> Result<Place, Errno> {
        let mut names = names(path);
        let name = names.pop().ok_or(libc::EEXIST)?;
        let dir = self.walk(&names)?;
        self.dirs.contains_key(&dir).then_some((dir, name)).ok_or(libc::ENOTDIR)
    }

    fn at(&self, place: &Place) -> Option<Inode> {
        self.dirs.get(&place.0)?.entries.get(&place.1).copied()
    }

    fn entries_mut(&mut self, dir: Inode) -> &mut BTreeMap<OsString, Inode> {
        &mut self.dirs.entry(dir).or_default().entries
    }

    fn link(&mut self, path: &Path) -> Result<Inode, Errno> {
        let at = self.place(path)?;
        if self.at(&at).is_some() {
            return Err(libc::EEXIST);
        }
        let inode = self.next_inode;
        self.next_inode += 1;
        self.entries_mut(at.0).insert(at.1.clone(), inode);
        self.note(Change::Link { at, inode });
        Ok(inode)
    }

    pub(super) fn create_file(&mut self, path: &Path) -> Result<Inode, Errno> {
        let inode = self.link(path)?;
        let node = FileNode { content: Arc::default(), handles: Arc::default(), map: None, linked: true };
        self.files.insert(inode, node);
        Ok(inode)
    }

    pub(super) fn create_dir(&mut self, path: &Path) -> Result<Inode, Errno> {
        let inode = self.link(path)?;
        self.dirs.insert(inode, Dir::default());
        Ok(inode)
    }

    fn orphan(&mut self, inode: Inode) {
        if let Some(file) = self.files.get_mut(&inode) {
            file.linked = false;
            self.orphans.push(inode);
        }
    }

    pub(super) fn remove(&mut self, path: &Path) -> Result<(), Errno> {
        let at = self.place(path)?;
        let inode = self.at(&at).ok_or(libc::ENOENT)?;
        if self.dirs.contains_key(&inode) {
            return Err(libc::EISDIR);
        }
        self.entries_mut(at.0).remove(&at.1);
        self.orphan(inode);
        self.note(Change::Unlink { at });
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> Result<(), Errno> {
        let (from_names, to_names) = (names(from), names(to));
        let (from, to) = (self.place(from)?, self.place(to)?);
        let inode = self.at(&from).ok_or(libc::ENOENT)?;
        let is_dir = self.dirs.contains_key(&inode);
        if is_dir && to_names.len() > from_names.len() && to_names.starts_with(&from_names) {
            return Err(libc::EINVAL);
        }
        if let Some(target) = self.at(&to) {
            if target == inode {
                return Ok(());
            }
            match self.dirs.get(&target) {
                Some(_) if !is_dir => return Err(libc::EISDIR),
                Some(dir) if !dir.entries.is_empty() => return Err(libc::ENOTEMPTY),
                None if is_dir => return Err(libc::ENOTDIR),
                _ => self.orphan(target),
            }
        }
        self.entries_mut(from.0).remove(&from.1);
        self.entries_mut(to.0).insert(to.1.clone(), inode);
        self.note(Change::Rename { from, to, inode });
        Ok(())
    }

    /// All files by path, sorted.
    pub(super) fn paths(&self) -> BTreeMap<PathBuf, Inode> {
        let mut paths = BTreeMap::new();
        let mut queue = vec![(PathBuf::from("/"), ROOT)];
        while let Some((path, inode)) = queue.pop() {
            for (name, &child) in self.dirs.get(&inode).into_iter().flat_map(|d| &d.entries) {
                let path = path.join(name);
                if self.dirs.contains_key(&child) {
                    queue.push((path, child));
                } else {
                    paths.insert(path, child);
                }
            }
        }
        paths
    }

    /// Creates the directories of `path` that do not exist, durable at once, and makes the name durable once it is created.
    pub(super) fn create_durable(&mut self, path: &Path) -> Result<Inode, Errno> {
        let mut at = PathBuf::from("/");
        let mut names = names(path);
        names.pop().ok_or(libc::EISDIR)?;
        for name in names {
            let parent = self.lookup_dir(&at)?;
            at.push(name);
            if self.lookup(&at).is_err() {
                self.create_dir(&at)?;
                self.sync_dir(parent);
            }
        }
        let inode = match self.lookup(path) {
            Ok(inode) => inode,
            Err(_) => self.create_file(path)?,
        };
        let place = self.place(path)?;
        self.sync_dir(place.0);
        Ok(inode)
    }
}
