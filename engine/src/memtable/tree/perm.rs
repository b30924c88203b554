//! The word that publishes a node: how many of its slots are in use, and their order.
//!
//! Entries are written to the next unused slot, whatever their order; the order is this word. One store of it adds an
//! entry, and whoever loaded it has a picture of the node that stays right, since slots in use are never written again.
//!
//! | bits | what |
//! |---|---|
//! | 0–3 | number of entries |
//! | 4 | leaf, rather than inner node |
//! | 5 | speculative prefix (see `tree::prefix`) |
//! | 6–13 | length of the prefix that heads leave out |
//! | 14–61 | slot of the entry of rank 0, of rank 1, …: four bits each |

/// See the module documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Perm(pub(super) u64);

/// Most slots of a node.
pub(super) const SLOTS_MAX: usize = 12;
/// Longest prefix that heads can leave out.
pub(super) const PREFIX_MAX: usize = 255;

const LEAF: u64 = 1 << 4;
const SPECULATIVE: u64 = 1 << 5;
const PREFIX_AT: u32 = 6;
const RANKS_AT: usize = 14;

/// Level of a node: entries of a leaf are records, those of an inner node lead to further nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Leaf,
    Inner,
}

/// The part of the keys of a node that its heads leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefix {
    /// At most [`PREFIX_MAX`].
    pub(super) len: usize,
    /// All keys in the node have the prefix, but keys that belong into the node may lack it.
    pub(super) speculative: bool,
}

impl Perm {
    /// Of a node whose first `len` slots are in use, in order.
    pub(super) fn new(level: Level, prefix: Prefix, len: usize) -> Self {
        debug_assert!(len <= SLOTS_MAX && prefix.len <= PREFIX_MAX);
        const IN_ORDER: u64 = 0xba98_7654_3210 << RANKS_AT;
        let leaf = if level == Level::Leaf { LEAF } else { 0 };
        let speculative = if prefix.speculative { SPECULATIVE } else { 0 };
        Self(IN_ORDER | len as u64 | leaf | speculative | ((prefix.len as u64) << PREFIX_AT))
    }

    #[inline]
    pub(super) fn len(self) -> usize {
        (self.0 & 15) as usize
    }

    #[inline]
    pub(super) fn is_leaf(self) -> bool {
        self.0 & LEAF != 0
    }

    #[inline]
    pub(super) fn prefix(self) -> Prefix {
        Prefix {
            len: (self.0 >> PREFIX_AT) as usize % (PREFIX_MAX + 1),
            speculative: self.0 & SPECULATIVE != 0,
        }
    }

    /// Slot of the entry of this rank, below `len`.
    #[inline]
    pub(super) fn slot(self, rank: usize) -> usize {
        (self.0 >> (RANKS_AT + 4 * rank)) as usize & 15
    }

    /// Rank of the entry that was added last, if it was not there when the node was made.
    pub(super) fn is_newest(self, rank: usize) -> bool {
        rank < self.len() && self.slot(rank) + 1 == self.len()
    }

    /// Whether an entry that comes to this rank, and the two that were added last, are a sequence, ascending or
    /// descending.
    pub(super) fn continues_run(self, rank: usize) -> bool {
        let added = |rank: usize, ago: usize| rank < self.len() && self.slot(rank) + ago == self.len();
        let ascends = rank >= 2 && added(rank - 1, 1) && added(rank - 2, 2);
        let descends = added(rank, 1) && added(rank + 1, 2);
        ascends || descends
    }

    /// With one more entry, in slot `len`: those from `rank` on move one rank up.
    #[inline]
    pub(super) fn inserted(self, rank: usize) -> Self {
        let len = self.len();
        debug_assert!(len < SLOTS_MAX && rank <= len);
        let below = (1_u64 << (RANKS_AT + 4 * rank)) - 1;
        // Numbers that move past the last rank belong to no entry.
        let above = (self.0 & !below) << 4;
        let new = (len as u64) << (RANKS_AT + 4 * rank);
        Self(((self.0 & below) | above | new) + 1)
    }

    /// With a prefix that is now known to be in all keys that belong into the node.
    pub(super) fn certain(self) -> Self {
        Self(self.0 & !SPECULATIVE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_insertion_at_any_rank_keeps_the_others_in_order() {
        for len in 0..SLOTS_MAX {
            for rank in 0..=len {
                let prefix = Prefix { len: PREFIX_MAX, speculative: true };
                let before = Perm::new(Level::Leaf, prefix, len);
                let mut model: Vec<usize> = (0..len).collect();
                assert_eq!(model, (0..len).map(|r| before.slot(r)).collect::<Vec<_>>());
                let after = before.inserted(rank);
                model.insert(rank, len);
                assert_eq!(model, (0..=len).map(|r| after.slot(r)).collect::<Vec<_>>());
                assert_eq!((after.len(), after.is_leaf(), after.prefix()), (len + 1, true, prefix));
                assert!((0..=len).all(|r| after.is_newest(r) == (r == rank)));
            }
        }
    }

    #[test]
    fn many_insertions_agree_with_a_vector() {
        // Ranks from a fixed multiplicative sequence.
        for start in 1_u64..200 {
            let mut state = start.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut perm = Perm::new(Level::Inner, Prefix { len: 0, speculative: false }, 0);
            let mut model = Vec::new();
            for len in 0..SLOTS_MAX {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let rank = (state >> 33) as usize % (len + 1);
                perm = perm.inserted(rank);
                model.insert(rank, len);
                assert_eq!(model, (0..perm.len()).map(|r| perm.slot(r)).collect::<Vec<_>>());
                assert!(!perm.is_leaf());
            }
        }
    }
}
