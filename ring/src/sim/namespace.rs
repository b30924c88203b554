//! Directories: the names that everyone sees, the names that are durable, and the changes between the two.
//!
//! Each change (a new name, a removed one, a rename) waits in one list until a directory that it touches is synced. A power
//! loss keeps a subset of them: any, so long as a change survives only with every earlier change of the same names. A rename
//! is one change of two names: both halves or none. Syncing a directory makes its changes durable, and with a rename out of
//! or into another directory those that the rename rests on there.
//!
//! Directories cannot be removed. A file lives while a name, a durable name, a waiting change or an open handle has it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::content::Content;
use super::loss::Mood;
use super::map::MapMemory;
use super::rng::Rng;

pub(super) type Inode = u64;

/// The root directory: it always exists.
pub(super) const ROOT: Inode = 1;

#[derive(Debug, Clone, Default)]
pub(super) struct Dir {
    pub(super) entries: BTreeMap<OsString, Inode>,
    durable: BTreeMap<OsString, Inode>,
}

#[derive(Debug)]
pub(super) struct FileNode {
    pub(super) content: Arc<Content>,
    /// The path that it was created under, for the trace.
    pub(super) born: Arc<Path>,
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

type Place = (Inode, OsString);

/// A change that no sync has made durable, and the operation that made it.
#[derive(Debug, Clone)]
struct Pending {
    op: u64,
    change: Change,
}

#[derive(Debug, Clone)]
enum Change {
    Link { at: Place, inode: Inode },
    Unlink { at: Place },
    Rename { from: Place, to: Place, inode: Inode },
}

impl Change {
    fn places(&self) -> impl Iterator<Item = &Place> {
        let (a, b) = match self {
            Self::Link { at, .. } | Self::Unlink { at } => (at, None),
            Self::Rename { from, to, .. } => (from, Some(to)),
        };
        std::iter::once(a).chain(b)
    }

    fn is_in(&self, dir: Inode) -> bool {
        self.places().any(|(d, _)| *d == dir)
    }

    fn inode(&self) -> Option<Inode> {
        match self {
            Self::Link { inode, .. } | Self::Rename { inode, .. } => Some(*inode),
            Self::Unlink { .. } => None,
        }
    }
}

/// How the changes of one directory fare in a power loss.
enum Fate {
    /// The first so many survive, as in a journal.
    First(u64),
    /// Those before an operation.
    Until(u64),
    /// Each by a coin.
    Each { keep_of_8: u64 },
}

/// See the module documentation.
#[derive(Debug)]
pub(super) struct Namespace {
    pub(super) dirs: BTreeMap<Inode, Dir>,
    pub(super) files: BTreeMap<Inode, FileNode>,
    pending: Vec<Pending>,
    /// The operation that makes changes now.
    pub(super) op: u64,
    /// Files that lost their last name: gone once nothing else holds them.
    orphans: Vec<Inode>,
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
            born: Arc::clone(&node.born),
            handles: Arc::default(),
            map: None,
            linked: node.linked,
        };
        Self {
            dirs: self.dirs.clone(),
            files: self
                .files
                .iter()
                .map(|(&inode, node)| (inode, fork(node)))
                .collect(),
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
        self.dirs
            .contains_key(&inode)
            .then_some(inode)
            .ok_or(libc::ENOTDIR)
    }

    /// The directory and name of a path whose last part need not exist.
    fn place(&self, path: &Path) -> Result<Place, Errno> {
        let mut names = names(path);
        let name = names.pop().ok_or(libc::EEXIST)?;
        let dir = self.walk(&names)?;
        self.dirs
            .contains_key(&dir)
            .then_some((dir, name))
            .ok_or(libc::ENOTDIR)
    }

    fn at(&self, place: &Place) -> Option<Inode> {
        self.dirs.get(&place.0)?.entries.get(&place.1).copied()
    }

    fn entries_mut(&mut self, dir: Inode) -> &mut BTreeMap<OsString, Inode> {
        &mut self.dirs.entry(dir).or_default().entries
    }

    fn note(&mut self, change: Change) {
        let op = self.op;
        self.pending.push(Pending { op, change });
    }

    /// The first operation whose change of a name a power loss could undo.
    pub(super) fn oldest_undurable(&self) -> Option<u64> {
        self.pending.iter().map(|p| p.op).min()
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
        let node = FileNode {
            content: Arc::default(),
            born: Arc::from(path),
            handles: Arc::default(),
            map: None,
            linked: true,
        };
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

    /// Makes `change` durable.
    fn commit(&mut self, change: &Change) {
        match change {
            Change::Link { at, inode } => {
                self.durable_mut(at.0).insert(at.1.clone(), *inode);
            }
            Change::Unlink { at } => {
                self.durable_mut(at.0).remove(&at.1);
            }
            Change::Rename { from, to, inode } => {
                self.durable_mut(from.0).remove(&from.1);
                self.durable_mut(to.0).insert(to.1.clone(), *inode);
            }
        }
    }

    fn durable_mut(&mut self, dir: Inode) -> &mut BTreeMap<OsString, Inode> {
        &mut self.dirs.entry(dir).or_default().durable
    }

    /// Splits the waiting changes into those of a directory, with all that they rest on, and the rest.
    fn take_changes(&mut self, dir: Inode) -> Vec<Change> {
        let mut needed: BTreeSet<Place> = BTreeSet::new();
        let mut taken = Vec::new();
        let mut left = Vec::new();
        // Newest first: what a change rests on is older.
        for pending in std::mem::take(&mut self.pending).into_iter().rev() {
            let change = &pending.change;
            if change.is_in(dir) || change.places().any(|p| needed.contains(p)) {
                needed.extend(change.places().cloned());
                taken.push(pending.change);
            } else {
                left.push(pending);
            }
        }
        left.reverse();
        taken.reverse();
        self.pending = left;
        taken
    }

    pub(super) fn sync_dir(&mut self, dir: Inode) {
        for change in self.take_changes(dir) {
            self.commit(&change);
        }
        self.collect();
    }

    /// A directory sync that failed for good: its changes stay visible, and no later sync makes them durable.
    pub(super) fn forget_changes(&mut self, dir: Inode) {
        self.take_changes(dir);
    }

    /// Frees the files that nothing holds any more; returns nothing of them but a few pages, the medium's old bytes.
    pub(super) fn collect(&mut self) -> bool {
        let mut orphans = std::mem::take(&mut self.orphans);
        let before = orphans.len();
        orphans.retain(|inode| {
            let held = self.files.get(inode).is_some_and(|f| f.is_open() || f.linked)
                || self.pending.iter().any(|p| p.change.inode() == Some(*inode))
                || self.dirs.values().any(|d| d.durable.values().any(|i| i == inode));
            if !held {
                self.files.remove(inode);
            }
            held
        });
        self.orphans = orphans;
        self.orphans.len() < before
    }

    /// Keeps a legal subset of the waiting changes and forgets the rest, with every file and directory that lost its name.
    pub(super) fn lose_power(&mut self, rng: &mut Rng, mood: Mood) {
        let pending = std::mem::take(&mut self.pending);
        let mut fates: BTreeMap<Inode, (Fate, u64)> = BTreeMap::new();
        for dir in pending.iter().flat_map(|p| p.change.places()).map(|p| p.0) {
            let count = pending.iter().filter(|p| p.change.is_in(dir)).count() as u64;
            fates.entry(dir).or_insert_with(|| {
                let fate = match (mood, rng.below(3)) {
                    (Mood::Nothing, _) => Fate::First(0),
                    (Mood::Everything, _) => Fate::First(count),
                    (Mood::Until(cut), _) => Fate::Until(cut),
                    (Mood::Mixed, 0) => Fate::First(rng.below(count + 1)),
                    (Mood::Mixed, _) => Fate::Each {
                        keep_of_8: [1, 4, 7][rng.index(3)],
                    },
                };
                (fate, 0)
            });
        }
        let mut lost: BTreeSet<Place> = BTreeSet::new();
        for Pending { op, change } in &pending {
            let mut keeps = !change.places().any(|p| lost.contains(p));
            let dirs: BTreeSet<Inode> = change.places().map(|p| p.0).collect();
            for dir in dirs {
                if let Some((fate, seen)) = fates.get_mut(&dir) {
                    keeps &= match fate {
                        Fate::First(n) => *seen < *n,
                        Fate::Until(cut) => *op < *cut,
                        Fate::Each { keep_of_8 } => rng.below(8) < *keep_of_8,
                    };
                    *seen += 1;
                }
            }
            if keeps {
                self.commit(change);
            } else {
                lost.extend(change.places().cloned());
            }
        }
        self.keep_durable();
    }

    /// What is durable becomes what everyone sees.
    fn keep_durable(&mut self) {
        let mut reached = BTreeSet::from([ROOT]);
        let mut queue = vec![ROOT];
        while let Some(inode) = queue.pop() {
            let Some(dir) = self.dirs.get_mut(&inode) else {
                continue;
            };
            dir.entries = dir.durable.clone();
            queue.extend(dir.entries.values().filter(|i| reached.insert(**i)));
        }
        self.dirs.retain(|inode, _| reached.contains(inode));
        self.files.retain(|inode, _| reached.contains(inode));
        for file in self.files.values_mut() {
            file.linked = true;
        }
        self.orphans.clear();
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
