//! Which bytes of the keys a node's heads show.
//!
//! A head is four bytes, so that a leaf is two cache lines; to tell a node's keys apart they should be the four behind what all
//! those keys have in common. The bounds of a node's range say what every key in it has in common, now and later: keys need not be
//! checked for it. Nodes at the edges have no bound, and what their keys have in common is only a guess for those that come:
//! such a prefix is *speculative*. Readers check the prefix where it matters, and the writer wherever it is speculative; a key without it is
//! before or behind all entries of the node. In a leaf it starts a new one there, in an inner node the node is rebuilt.
//!
//! Finding new heads means reading all records of a node, which are anywhere in memory: so a prefix is kept for as long as
//! the heads tell all keys apart, or there is no better one.

use std::cmp::Ordering as Place;

use super::Tree;
use super::perm::{PREFIX_MAX, Perm, Prefix};
use super::record::{RecordId, Target, common_prefix, head};

/// The entries that bound a range: from `low` on, up to but without `high`. None at the edges of the tree.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bounds {
    pub(super) low: Option<RecordId>,
    pub(super) high: Option<RecordId>,
}

/// Heads, in order, that equal the one before.
#[derive(Debug, Clone, Copy)]
struct Ties {
    number: u32,
    of: u32,
}

impl Ties {
    /// Whether it is worth a guess to have fewer.
    fn are_many(self) -> bool {
        4 * self.number > self.of
    }
}

fn ties(heads: impl Iterator<Item = u32>) -> Ties {
    let mut last = None;
    heads.fold(Ties { number: 0, of: 0 }, |ties, head| Ties {
        number: ties.number + u32::from(last.replace(head) == Some(head)),
        of: ties.of + 1,
    })
}

impl<const N: usize> Tree<N> {
    /// Bytes that the keys of two records have in common, as far as a prefix can say.
    fn common(&self, a: RecordId, b: RecordId) -> usize {
        common_prefix(self.record(a).key(), self.record(b).key()).min(PREFIX_MAX)
    }

    /// Whether the target is in a range.
    pub(super) fn is_within(&self, bounds: Bounds, target: Target<'_>) -> bool {
        bounds.low.is_none_or(|low| self.record(low).cmp(target) != Place::Greater)
            && bounds.high.is_none_or(|high| self.record(high).cmp(target) == Place::Greater)
    }

    /// Bytes that all keys between two bounds have in common.
    pub(super) fn common_within(&self, bounds: Bounds) -> usize {
        match (bounds.low, bounds.high) {
            (Some(low), Some(high)) => self.common(low, high),
            _ => 0,
        }
    }

    /// A prefix of `len` bytes for keys that all have it, in a node of that range.
    pub(super) fn prefix(&self, len: usize, bounds: Bounds) -> Prefix {
        Prefix { len, speculative: len > 0 && len > self.common_within(bounds) }
    }

    /// Chooses the prefix of a new node, and its heads: `heads` are right for `old`, and replaced if others are better.
    /// Without `old`, `heads` say nothing. A speculative prefix is checked against an entry, so that it needs one.
    pub(super) fn choose_prefix(
        &self,
        records: &[RecordId],
        heads: &mut [u32],
        old: Option<Prefix>,
        bounds: Bounds,
    ) -> Prefix {
        if records.is_empty() {
            return Prefix { len: 0, speculative: false };
        }
        let ties = old.map(|_| ties(heads.iter().copied()));
        if let (Some(old), Some(Ties { number: 0, .. })) = (old, ties) {
            // A certain prefix stays certain in a part of the range.
            return if old.speculative { self.prefix(old.len, bounds) } else { old };
        }
        let certain = self.common_within(bounds);
        let old_len = old.map_or(0, |old| old.len);
        let edge = bounds.low.is_none() || bounds.high.is_none();
        let len = match records {
            _ if certain > old_len => certain,
            _ if old.is_some() && !ties.is_some_and(Ties::are_many) => old_len,
            // Others will perhaps be like those that are here.
            [first, .., last] if edge || old_len > certain => self.common(*first, *last),
            _ => certain,
        };
        if old.map(|old| old.len) != Some(len) {
            for (head_of, record) in heads.iter_mut().zip(records) {
                *head_of = head(self.record(*record).key(), len);
            }
        }
        Prefix { len, speculative: len > certain }
    }

    /// The prefix of a new leaf for one entry beside a leaf with `perm` and `heads` (in order), of which `far` is the
    /// entry farthest from the new one. The sequence, if it is one, will go on like that.
    pub(super) fn continue_prefix(
        &self,
        record: RecordId,
        far: RecordId,
        perm: Perm,
        heads: impl Iterator<Item = u32>,
        bounds: Bounds,
    ) -> Prefix {
        let common = self.common(far, record);
        let old = perm.prefix();
        if common < old.len || ties(heads).are_many() {
            self.prefix(common, bounds)
        } else if old.speculative {
            self.prefix(old.len, bounds)
        } else {
            old
        }
    }
}
