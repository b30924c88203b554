//! Changes of names on their way to durability.
//!
//! Each change (a new name, a removed one, a rename) waits in one list until a directory that it touches is synced. A power
//! loss keeps a subset of them: any, so long as a change survives only with every earlier change of the same names. A rename
//! is one change of two names: both halves or none. Syncing a directory makes its changes durable, and with a rename out of
//! or into another directory those that the rename rests on there.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use super::loss::Mood;
use super::namespace::{Inode, Namespace, ROOT};
use super::rng::Rng;

/// A name in a directory.
pub(super) type Place = (Inode, OsString);

/// A change that no sync has made durable, and the operation that made it.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    op: u64,
    change: Change,
}

#[derive(Debug, Clone)]
pub(super) enum Change {
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

    pub(super) fn inode(&self) -> Option<Inode> {
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

impl Namespace {
    pub(super) fn note(&mut self, change: Change) {
        let op = self.op;
        self.pending.push(Pending { op, change });
    }

    /// The first operation whose change of a name a power loss could undo.
    pub(super) fn oldest_undurable(&self) -> Option<u64> {
        self.pending.iter().map(|p| p.op).min()
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
                    (Mood::Mixed, _) => Fate::Each { keep_of_8: [1, 4, 7][rng.index(3)] },
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
}
