//! The reference: what a store must answer, and what it may be after a crash.
//!
//! Every write is a *commit* with a number; every key keeps all its versions, so that a snapshot or cursor of any moment can be checked.
//!
//! # What may be found after a crash
//!
//! 1. There is a position `p` in the order of commits such that exactly the logged commits (`Synced`, `Buffered`) up to `p` are there.
//! 2. After a power loss `p` is at or after the last acknowledged `Synced` commit; after the death of the process, at or after the last
//!    acknowledged logged commit of either kind.
//! 3. Of the commits without a log (`Durability::None`) each keyspace holds a prefix, whatever `p` is, and at least those before the last
//!    flush that was acknowledged.
//! 4. A keyspace whose creation was acknowledged is there, one whose drop was acknowledged is not; one that was being created or
//!    dropped may be either.
//! 5. A sync that fails may take what was not durable yet, if the file system is one that reverts it then ([`Reference::reverted`]).
//! 6. What was found once is there for good: [`Reference::recover`] makes it the new beginning.
//!
//! Rule 1 makes batches whole: a commit is in or out, in all keyspaces that it touched.

use std::collections::BTreeMap;
use std::ops::Bound;

use ringwood::Durability;

/// Keys and values.
pub type Bytes = Vec<u8>;
/// The entries of one keyspace.
pub type Entries = BTreeMap<Bytes, Bytes>;
/// Number of a keyspace in the reference: one whose name is used again is another one.
pub type SpaceId = u32;

/// The keyspace that exists from the start.
pub const DEFAULT: SpaceId = 0;

/// One operation of a commit; no value is a delete.
#[derive(Debug, Clone)]
pub struct Change {
    /// Where.
    pub space: SpaceId,
    /// The key.
    pub key: Bytes,
    /// Its value, or `None` for a delete.
    pub value: Option<Bytes>,
}

/// What a crash takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// The process died: what was in the kernel's keeping stays.
    Process,
    /// The power failed: what was synced stays.
    Power,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Live,
    Creating,
    Dropping,
    Dropped,
}

#[derive(Debug, Clone)]
struct Version {
    commit: u64,
    logged: bool,
    value: Option<Bytes>,
}

#[derive(Debug, Clone)]
struct Space {
    name: String,
    standing: Standing,
    versions: BTreeMap<Bytes, Vec<Version>>,
}

/// See the module documentation.
#[derive(Debug, Clone)]
pub struct Reference {
    spaces: BTreeMap<SpaceId, Space>,
    next_space: SpaceId,
    /// Durability of each commit since the last recovery; commit 0 is what was there then.
    commits: Vec<Durability>,
    /// Logged commits up to here survive a power loss.
    synced: u64,
    /// Logged commits up to here survive the process.
    kept: u64,
    /// Commits without a log up to here survive both.
    flushed: u64,
    /// The last commit, if it failed and nobody sees it, but may be on the device: after the next opening it is there or not.
    doubtful: Vec<Change>,
}

impl Default for Reference {
    fn default() -> Self {
        let default = Space { name: "default".into(), standing: Standing::Live, versions: BTreeMap::new() };
        Self {
            spaces: BTreeMap::from([(DEFAULT, default)]),
            next_space: 1,
            commits: Vec::new(),
            synced: 0,
            kept: 0,
            flushed: 0,
            doubtful: Vec::new(),
        }
    }
}

impl Reference {
    /// The number of the last commit.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.commits.len() as u64
    }

    /// Keyspaces that can be used, with their names.
    pub fn live(&self) -> impl Iterator<Item = (SpaceId, &str)> {
        let live = self.spaces.iter().filter(|(_, s)| s.standing == Standing::Live);
        live.map(|(id, s)| (*id, s.name.as_str()))
    }

    /// A keyspace is about to be created.
    pub fn creating(&mut self, name: &str) -> SpaceId {
        let id = self.next_space;
        self.next_space += 1;
        let space = Space { name: name.to_owned(), standing: Standing::Creating, versions: BTreeMap::new() };
        self.spaces.insert(id, space);
        id
    }

    /// Its creation was acknowledged.
    pub fn created(&mut self, id: SpaceId) {
        self.space_mut(id).standing = Standing::Live;
    }

    /// Its creation failed, and the store still runs: it is not there.
    pub fn not_created(&mut self, id: SpaceId) {
        self.spaces.remove(&id);
    }

    /// A keyspace is about to be dropped.
    pub fn dropping(&mut self, id: SpaceId) {
        self.space_mut(id).standing = Standing::Dropping;
    }

    /// Its drop was acknowledged. Snapshots may still read it.
    pub fn dropped(&mut self, id: SpaceId) {
        self.space_mut(id).standing = Standing::Dropped;
    }

    /// Its drop failed, and the store still runs: it is there.
    pub fn not_dropped(&mut self, id: SpaceId) {
        self.space_mut(id).standing = Standing::Live;
    }

    /// Notes a write that readers now see, and gives it its number.
    pub fn write(&mut self, durability: Durability, changes: &[Change]) -> u64 {
        self.commits.push(durability);
        let (commit, logged) = (self.now(), durability != Durability::None);
        for change in changes {
            let versions = self.space_mut(change.space).versions.entry(change.key.clone()).or_default();
            versions.push(Version { commit, logged, value: change.value.clone() });
        }
        commit
    }

    /// Forgets the last write: it failed and nobody sees it.
    pub fn unwrite(&mut self) {
        let commit = self.now();
        self.commits.pop();
        for space in self.spaces.values_mut() {
            space.versions.retain(|_, versions| {
                versions.retain(|v| v.commit != commit);
                !versions.is_empty()
            });
        }
    }

    /// Says that a load which failed, with a store that takes no more writes, may be found after the next opening.
    pub fn doubt(&mut self, changes: &[Change]) {
        self.doubtful = changes.to_vec();
    }

    /// A write was acknowledged: it, and every logged one before it, has the durability that it asked for.
    pub fn acknowledge(&mut self, commit: u64) {
        match self.commits[commit as usize - 1] {
            Durability::Synced => {
                self.synced = self.synced.max(commit);
                self.kept = self.kept.max(commit);
            }
            Durability::Buffered => self.kept = self.kept.max(commit),
            Durability::None => {}
        }
    }

    /// The last commit that a power loss must leave.
    #[must_use]
    pub fn synced(&self) -> u64 {
        self.synced
    }

    /// The log may have lost its end, with what was acknowledged there: any prefix of the logged commits will do.
    pub fn excuse(&mut self) {
        (self.synced, self.kept) = (0, 0);
    }

    /// The file system has taken back what was written and not synced, from those who did not wait for it.
    pub fn reverted(&mut self) {
        self.kept = self.synced;
    }

    /// A flush of everything, or a close, was acknowledged: all writes so far are durable.
    pub fn flushed(&mut self) {
        let now = self.now();
        (self.synced, self.kept, self.flushed) = (now, now, now);
    }

    /// The value of `key` as of commit `at`.
    #[must_use]
    pub fn get(&self, space: SpaceId, key: &[u8], at: u64) -> Option<&Bytes> {
        visible(self.spaces.get(&space)?.versions.get(key)?, at)
    }

    /// The entries of a range as of commit `at`, in order. A range that ends before it begins is empty.
    pub fn range<'a>(
        &'a self,
        space: SpaceId,
        at: u64,
        range: (Bound<&'a [u8]>, Bound<&'a [u8]>),
    ) -> impl DoubleEndedIterator<Item = (&'a Bytes, &'a Bytes)> {
        let empty = match range {
            (Bound::Excluded(a), Bound::Excluded(b)) => a >= b,
            (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => a > b,
            _ => false,
        };
        let space = self.spaces.get(&space).filter(|_| !empty);
        let versions = space.map(|s| s.versions.range::<[u8], _>(range));
        versions.into_iter().flatten().filter_map(move |(k, v)| Some((k, visible(v, at)?)))
    }

    /// Takes over what a store holds after a crash and reopening, or says what is wrong with it.
    ///
    /// # Errors
    /// A description of which rule of the module's documentation is broken, and where.
    pub fn recover(&mut self, loss: Loss, found: &BTreeMap<String, Entries>) -> Result<Recovered, String> {
        let doubtful = std::mem::take(&mut self.doubtful);
        if !doubtful.is_empty() {
            self.write(Durability::Synced, &doubtful);
        }
        let mut surviving = BTreeMap::new();
        for (&id, space) in &self.spaces {
            match (space.standing, found.get(&space.name)) {
                (Standing::Dropped, _) | (Standing::Creating | Standing::Dropping, None) => {}
                (_, Some(entries)) => drop(surviving.insert(space.name.clone(), (id, entries))),
                (Standing::Live, None) => return Err(format!("keyspace {:?} is gone", space.name)),
            }
        }
        if let Some(name) = found.keys().find(|name| !surviving.contains_key(*name)) {
            return Err(format!("keyspace {name:?} is there, but was dropped or never made"));
        }
        let first = match loss {
            Loss::Power => self.synced,
            Loss::Process => self.kept,
        };
        let mut fits = vec![true; self.commits.len() + 1];
        for (id, entries) in surviving.values() {
            let of_space = self.fitting(&self.spaces[id], entries);
            fits.iter_mut().zip(of_space).for_each(|(fit, of_space)| *fit &= of_space);
        }
        let Some(last) = (first as usize..fits.len()).rev().find(|&p| fits[p]) else {
            return Err(self.complaint(loss, first, &fits, &surviving));
        };
        let recovered = Recovered { commits: self.now(), first, last: last as u64 };
        let rebased = surviving.into_iter().map(|(name, (id, entries))| {
            let version =
                |value: &Bytes| vec![Version { commit: 0, logged: true, value: Some(value.clone()) }];
            let versions = entries.iter().map(|(k, v)| (k.clone(), version(v))).collect();
            (id, Space { name, standing: Standing::Live, versions })
        });
        self.spaces = rebased.collect();
        self.commits.clear();
        (self.synced, self.kept, self.flushed) = (0, 0, 0);
        Ok(recovered)
    }

    /// For each `p`, whether `entries` is what the space may hold if logged commits up to `p` are there.
    fn fitting(&self, space: &Space, entries: &Entries) -> Vec<bool> {
        let mut fits = vec![false; self.commits.len() + 1];
        for cut in self.unlogged_cuts(space) {
            let misfits = self.misfits(space, entries, cut);
            fits.iter_mut().zip(misfits).for_each(|(fit, misfit)| *fit |= misfit == 0);
        }
        fits
    }

    /// Where the prefix of the space's commits without a log may end.
    fn unlogged_cuts(&self, space: &Space) -> Vec<u64> {
        let unlogged = space.versions.values().flatten().filter(|v| !v.logged).map(|v| v.commit);
        let mut cuts: Vec<u64> = unlogged.filter(|c| *c > self.flushed).chain([self.flushed]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    }

    /// For each `p`, how many keys have another value than they should.
    fn misfits(&self, space: &Space, entries: &Entries, cut: u64) -> Vec<i64> {
        let end = self.commits.len() + 1;
        let mut steps = vec![0i64; end + 1];
        let mut misfit = |from: usize, to: usize| {
            steps[from] += 1;
            steps[to] -= 1;
        };
        for (key, versions) in &space.versions {
            let found = entries.get(key);
            // Until a later logged version comes in, the last unlogged one that survives is the value.
            let start = versions.iter().rposition(|v| v.commit == 0 || (!v.logged && v.commit <= cut));
            let mut value = start.and_then(|i| versions[i].value.as_ref());
            let mut from = 0;
            for version in versions[start.map_or(0, |i| i + 1)..].iter().filter(|v| v.logged) {
                let to = version.commit as usize;
                if value != found && from < to {
                    misfit(from, to);
                }
                (from, value) = (to, version.value.as_ref());
            }
            if value != found {
                misfit(from, end);
            }
        }
        let unknown = entries.keys().filter(|key| !space.versions.contains_key(*key)).count() as i64;
        let mut sum = unknown;
        steps[..end]
            .iter()
            .map(|step| {
                sum += step;
                sum
            })
            .collect()
    }

    fn complaint(
        &self,
        loss: Loss,
        first: u64,
        fits: &[bool],
        surviving: &BTreeMap<String, (SpaceId, &Entries)>,
    ) -> String {
        use std::fmt::Write;
        let mut text = format!(
            "after the loss of {loss:?}: no prefix of the {} commits explains what is there (at least {first} must be; flushed {})",
            self.now(),
            self.flushed
        );
        if let Some(earlier) = fits.iter().rposition(|fit| *fit) {
            let _ = write!(text, "; it fits {earlier}, so acknowledged commits are lost");
            return text;
        }
        for (name, (id, entries)) in surviving {
            let space = &self.spaces[id];
            let fitting = self.fitting(space, entries);
            let fitting: Vec<usize> = (0..fitting.len()).filter(|&p| fitting[p]).collect();
            let range = fitting.first().zip(fitting.last());
            let _ = write!(text, "\n  keyspace {name:?} ({} entries) alone fits {range:?}", entries.len());
            if range.is_some() {
                continue;
            }
            let best = self.unlogged_cuts(space).into_iter().flat_map(|cut| {
                let misfits = self.misfits(space, entries, cut);
                misfits.into_iter().enumerate().map(move |(p, count)| (count, p, cut))
            });
            let Some((count, p, cut)) = best.min() else { continue };
            let _ = write!(text, "; closest: {count} keys differ at {p} with unlogged ones to {cut}");
            let expected = |versions: &[Version]| {
                let there = |v: &&Version| {
                    v.commit == 0 || if v.logged { v.commit <= p as u64 } else { v.commit <= cut }
                };
                versions.iter().rfind(there).and_then(|v| v.value.clone())
            };
            let keys = space.versions.iter().filter(|(k, v)| expected(v).as_ref() != entries.get(*k));
            for (key, versions) in keys.take(5) {
                let history: Vec<String> = versions
                    .iter()
                    .map(|v| {
                        format!(
                            "{}{}:{}",
                            v.commit,
                            if v.logged { "" } else { "(none)" },
                            brief(v.value.as_ref())
                        )
                    })
                    .collect();
                let _ = write!(
                    text,
                    "\n    {} is {}, versions [{}]",
                    brief(Some(key)),
                    brief(entries.get(key)),
                    history.join(", ")
                );
            }
            for key in entries.keys().filter(|k| !space.versions.contains_key(*k)).take(5) {
                let _ = write!(text, "\n    {} was never written", brief(Some(key)));
            }
        }
        text
    }

    fn space_mut(&mut self, id: SpaceId) -> &mut Space {
        self.spaces.get_mut(&id).expect("the test uses keyspaces that it made")
    }
}

/// What a recovery came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    /// Commits before the crash.
    pub commits: u64,
    /// Those that had to survive: up to this one.
    pub first: u64,
    /// Those that did: up to this one.
    pub last: u64,
}

fn visible(versions: &[Version], at: u64) -> Option<&Bytes> {
    versions.iter().rfind(|v| v.commit <= at)?.value.as_ref()
}

/// The first bytes of something, for messages.
#[must_use]
pub fn brief(bytes: Option<&Bytes>) -> String {
    match bytes {
        None => "absent".into(),
        Some(b) if b.len() > 24 => format!("\"{}\"… ({} bytes)", b[..24].escape_ascii(), b.len()),
        Some(b) => format!("\"{}\"", b.escape_ascii()),
    }
}

#[cfg(test)]
mod tests;
