//! Registered snapshots: the sequence numbers that compaction must keep readable.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Snapshots taken and not yet released, with their number of holders.
#[derive(Default)]
pub(crate) struct Snapshots {
    held: Mutex<BTreeMap<u64, usize>>,
}

impl Snapshots {
    /// Registers a snapshot of what is visible now.
    ///
    /// `visible` is read under the lock: a job that lists the snapshots before us works on tables whose entries were all visible
    /// before, so it keeps what we see; one that lists them after us finds ours.
    pub(crate) fn take(&self, visible: &AtomicU64) -> u64 {
        let mut held = self.lock();
        let seq = visible.load(Ordering::Acquire);
        *held.entry(seq).or_default() += 1;
        seq
    }

    pub(crate) fn release(&self, seq: u64) {
        let mut held = self.lock();
        if let Some(count) = held.get_mut(&seq) {
            *count -= 1;
            if *count == 0 {
                held.remove(&seq);
            }
        }
    }

    /// All of them, ascending.
    pub(crate) fn list(&self) -> Vec<u64> {
        self.lock().keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, usize>> {
        #[cfg(test)]
        crate::interleave::point();
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Decides which versions of a key a merge keeps.
///
/// Between two neighbouring snapshots only the newest version can be seen; the rest is dropped. A tombstone that every
/// snapshot sees, with nothing of its key below, is dropped as well.
///
/// Fed with entries in internal order (key ascending, sequence number descending).
pub(crate) struct Retention {
    /// Ascending.
    snapshots: Vec<u64>,
    key: Vec<u8>,
    /// Snapshot interval of the version of `key` seen last; `None` before the first.
    last: Option<usize>,
}

/// What to do with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Keep,
    Drop,
}

impl Retention {
    pub(crate) fn new(snapshots: Vec<u64>) -> Self {
        debug_assert!(snapshots.is_sorted());
        Self { snapshots, key: Vec::new(), last: None }
    }

    /// `is_bottom` tells whether no level below holds anything of the key; asked only for tombstones.
    pub(crate) fn judge(
        &mut self,
        key: &[u8],
        seq: u64,
        is_delete: bool,
        is_bottom: impl FnOnce() -> bool,
    ) -> Verdict {
        // The interval that a version lies in: the number of snapshots too old to see it.
        let interval =
            if self.snapshots.is_empty() { 0 } else { self.snapshots.partition_point(|&s| s < seq) };
        if self.last.is_some() && self.key == key {
            if self.last == Some(interval) {
                return Verdict::Drop;
            }
        } else {
            self.key.clear();
            self.key.extend_from_slice(key);
        }
        self.last = Some(interval);
        if is_delete && interval == 0 && is_bottom() {
            return Verdict::Drop;
        }
        Verdict::Keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(snapshots: &[u64], versions: &[(&str, u64, bool)], bottom: bool) -> Vec<(String, u64)> {
        let mut retention = Retention::new(snapshots.to_vec());
        let keep = |(key, seq, delete): &&(&str, u64, bool)| {
            retention.judge(key.as_bytes(), *seq, *delete, || bottom) == Verdict::Keep
        };
        versions.iter().filter(keep).map(|(k, s, _)| ((*k).to_owned(), *s)).collect()
    }

    #[test]
    fn without_snapshots_only_the_newest_version_stays() {
        let all = [("a", 9, false), ("a", 5, false), ("b", 7, false)];
        assert_eq!(kept(&[], &all, false), [("a".into(), 9), ("b".into(), 7)]);
    }

    #[test]
    fn each_snapshot_keeps_what_it_sees() {
        let all = [("a", 9, false), ("a", 8, false), ("a", 5, false), ("a", 4, false), ("a", 2, false)];
        // 8 sees version 8, 5 sees 5 and 3 sees 2.
        let seqs = |s: &[u64]| kept(s, &all, false).into_iter().map(|(_, s)| s).collect::<Vec<_>>();
        assert_eq!(seqs(&[3, 5, 8]), [9, 8, 5, 2]);
        assert_eq!(seqs(&[100]), [9]);
        assert_eq!(seqs(&[1]), [9]);
    }

    #[test]
    fn a_tombstone_goes_only_at_the_bottom_and_when_all_see_it() {
        let all = [("a", 9, true), ("a", 5, false)];
        assert_eq!(kept(&[], &all, true), []);
        assert_eq!(kept(&[], &all, false), [("a".into(), 9)]);
        assert_eq!(kept(&[7], &all, true), [("a".into(), 9), ("a".into(), 5)]);
        assert_eq!(kept(&[9], &all, true), []);
    }

    /// Whatever a snapshot could read before a merge, it reads after it.
    #[test]
    fn no_snapshot_ever_sees_a_change() {
        let mut state = 88172645463325252u64;
        let mut next = |n: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % n
        };
        for _ in 0..2000 {
            let mut seqs: Vec<u64> = (0..next(8)).map(|_| 1 + next(30)).collect();
            seqs.sort_unstable_by(|a, b| b.cmp(a));
            seqs.dedup();
            let versions: Vec<(u64, bool)> = seqs.into_iter().map(|s| (s, next(3) == 0)).collect();
            let mut snapshots: Vec<u64> = (0..next(5)).map(|_| next(32)).collect();
            snapshots.sort_unstable();
            snapshots.dedup();
            let mut retention = Retention::new(snapshots.clone());
            let after: Vec<_> = versions
                .iter()
                .filter(|(s, d)| retention.judge(b"k", *s, *d, || true) == Verdict::Keep)
                .copied()
                .collect();
            let read = |versions: &[(u64, bool)], at: u64| {
                versions.iter().find(|(s, _)| *s <= at).filter(|(_, delete)| !delete).map(|(s, _)| *s)
            };
            for at in snapshots.into_iter().chain([1000]) {
                assert_eq!(read(&versions, at), read(&after, at), "{versions:?} {after:?} at {at}");
            }
        }
    }
}
