//! Search and access in the bytes of a block, as they are.
//!
//! A block is validated once, when it is read from disk ([`BlockView::validate`], together with its checksum), and not on
//! hits. Accessors are total all the same: in bytes that were not validated they give wrong entries, but neither panic nor
//! leave the block.

use std::cmp::Ordering;
use std::ops::Range;

use super::Layout;
use super::columns::u16_at;
use super::format::{HEADER, head_of};
use crate::cache::BlockRef;
use crate::entry::{KEY_BYTES_MAX, Kind, SEQ_MAX, VALUE_BYTES_MAX};
use crate::error::Fault;
use crate::prefetch::{LINE, prefetch};

/// The bytes of a block and where its columns lie. Any thread; borrows, allocates nothing.
#[derive(Debug, Clone, Copy)]
pub struct BlockView<'a> {
    bytes: &'a [u8],
    layout: Layout,
}

/// What a point search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Sequence number of the version.
    pub seq: u64,
    /// What it does.
    pub kind: Kind,
    /// Where its value lies in the block's bytes.
    pub value: Range<usize>,
}

impl<'a> BlockView<'a> {
    /// A view of a block in plain form. O(1).
    ///
    /// # Errors
    /// If the header makes no sense for bytes of this length.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        let layout = Layout::parse(bytes)?;
        Ok(Self::new(bytes, layout))
    }

    /// A view of a block from the cache, which was checked when it was read. O(1).
    ///
    /// # Panics
    /// If the block is shorter than a header.
    #[inline]
    #[must_use]
    pub fn of(block: &'a BlockRef) -> Self {
        Self::new(block, Layout::of(block))
    }

    /// A view with a layout that was parsed from these bytes before.
    pub(crate) fn new(bytes: &'a [u8], layout: Layout) -> Self {
        Self { bytes, layout }
    }

    /// Number of entries, at least 1.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a block has at least one entry")]
    pub fn len(&self) -> usize {
        self.layout.count as usize
    }

    /// Bytes of the block: header, columns and data.
    pub(crate) fn block_len(&self) -> usize {
        self.layout.block_len()
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// What all keys of the block start with.
    #[must_use]
    pub fn prefix(&self) -> &'a [u8] {
        self.slice(HEADER, self.layout.prefix_len as usize)
    }

    /// Index of the first entry at or after (`key`, `seq`) in the order of entries; [`len`](Self::len) if there is none.
    #[must_use]
    pub fn seek(&self, key: &[u8], seq: u64) -> usize {
        let prefix = self.prefix();
        let shared = key.len().min(prefix.len());
        match key[..shared].cmp(&prefix[..shared]) {
            Ordering::Less => return 0,
            Ordering::Greater => return self.len(),
            Ordering::Equal if shared < prefix.len() => return 0,
            Ordering::Equal => {}
        }
        let suffix = &key[shared..];
        let head = head_of(suffix);
        let first = self.first_head_from(head);
        if first == self.len() || self.head(first) != head {
            return first;
        }
        self.first_tied_from(first, suffix, head, seq)
    }

    /// Index of the first entry at or after the target among those from `first` on that share its head: several keys may, and
    /// versions of one key do.
    fn first_tied_from(&self, first: usize, suffix: &[u8], head: u32, seq: u64) -> usize {
        let (mut low, mut high) = (first, first + 1);
        while high < self.len() && self.head(high) == head {
            high += 1;
        }
        while low < high {
            let mid = usize::midpoint(low, high);
            if self.cmp_tail(mid, suffix).then(seq.cmp(&self.seq(mid))) == Ordering::Less {
                low = mid + 1;
            } else {
                high = mid;
            }
        }
        low
    }

    /// The newest version of `key` at or below `seq`, if this block has it.
    #[must_use]
    pub fn find(&self, key: &[u8], seq: u64) -> Option<Found> {
        self.find_from(self.look(key)?, key, seq)
    }

    /// The first half of [`find`](Self::find): the first entry that may be one of `key`, by what the heads of keys tell.
    #[inline]
    #[must_use]
    pub fn look(&self, key: &[u8]) -> Option<usize> {
        let head = head_of(key.strip_prefix(self.prefix())?);
        let i = self.first_head_from(head);
        (i < self.len() && self.head(i) == head).then_some(i)
    }

    /// Has the memory fetched that the second half reads.
    #[inline]
    pub fn prefetch_entry(&self, i: usize) {
        let data_at = self.layout.data_of(self.bytes, i).0;
        for at in [self.layout.tag_at(i), data_at, data_at + LINE] {
            prefetch(self.bytes.as_ptr().wrapping_add(at));
        }
    }

    /// The second half of [`find`](Self::find), which begins where [`look`](Self::look) has come to.
    #[inline]
    #[must_use]
    pub fn find_from(&self, first: usize, key: &[u8], seq: u64) -> Option<Found> {
        let suffix = key.strip_prefix(self.prefix())?;
        let (head, mut i) = (head_of(suffix), first);
        if i + 1 < self.len() && self.head(i + 1) == head {
            i = self.first_tied_from(i, suffix, head, seq);
        }
        if i == self.len() || !self.suffix_is(i, suffix, head) {
            return None;
        }
        let (found, kind) = self.tag(i);
        (found <= seq).then(|| Found { seq: found, kind, value: self.value_range(i) })
    }

    /// Whether entry `i` has this key.
    #[must_use]
    pub fn key_is(&self, i: usize, key: &[u8]) -> bool {
        key.strip_prefix(self.prefix()).is_some_and(|suffix| self.suffix_is(i, suffix, head_of(suffix)))
    }

    /// Whether the key of entry `i` has `suffix`, whose head is `head`, after the prefix.
    #[inline]
    fn suffix_is(&self, i: usize, suffix: &[u8], head: u32) -> bool {
        self.suffix_len(i) == suffix.len()
            && self.head(i) == head
            && suffix.get(4..).is_none_or(|tail| tail == self.rest(i))
    }

    /// The key of entry `i`, in a buffer that is reused.
    pub fn key_into(&self, i: usize, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(self.prefix());
        let head = self.head(i).to_be_bytes();
        out.extend_from_slice(&head[..self.suffix_len(i).min(4)]);
        out.extend_from_slice(self.rest(i));
    }

    /// Sequence number of entry `i`.
    #[inline]
    #[must_use]
    pub fn seq(&self, i: usize) -> u64 {
        self.tag(i).0
    }

    /// Kind of entry `i`.
    #[must_use]
    pub fn kind(&self, i: usize) -> Kind {
        self.tag(i).1
    }

    /// Value of entry `i`.
    #[must_use]
    pub fn value(&self, i: usize) -> &'a [u8] {
        self.bytes.get(self.value_range(i)).unwrap_or_default()
    }

    /// Where the value of entry `i` lies in the block's bytes.
    #[inline]
    #[must_use]
    pub fn value_range(&self, i: usize) -> Range<usize> {
        self.layout.value_range(self.bytes, i)
    }

    /// Sequence number and kind of entry `i`. An unknown kind, which validation refuses, reads as a delete.
    #[inline]
    fn tag(&self, i: usize) -> (u64, Kind) {
        self.layout.tag(self.bytes, i)
    }

    #[inline]
    fn head(&self, i: usize) -> u32 {
        self.layout.head(self.bytes, i)
    }

    /// Length of key `i` after the prefix.
    #[inline]
    fn suffix_len(&self, i: usize) -> usize {
        self.layout.suffix_len(self.bytes, i)
    }

    /// What key `i` has after prefix and head.
    #[inline]
    fn rest(&self, i: usize) -> &'a [u8] {
        self.layout.rest(self.bytes, i)
    }

    fn slice(&self, at: usize, len: usize) -> &'a [u8] {
        self.bytes.get(at..at + len).unwrap_or_default()
    }

    /// Index of the first head that is not below `head`: halving without branches while the range is long, then a count that the
    /// compiler makes vector instructions of.
    #[inline]
    fn first_head_from(&self, head: u32) -> usize {
        let heads = self.slice(self.layout.heads_at as usize, 4 * self.len());
        let (heads, _) = heads.as_chunks::<4>();
        let (mut base, mut len) = (0, heads.len());
        while len > 48 {
            let half = len / 2;
            base += if u32::from_le_bytes(heads[base + half - 1]) < head { half } else { 0 };
            len -= half;
        }
        let below: u32 =
            heads[base..base + len].iter().map(|h| u32::from(u32::from_le_bytes(*h) < head)).sum();
        base + below as usize
    }

    /// Compares key `i` with `suffix` (after the prefix), their heads being equal.
    fn cmp_tail(&self, i: usize, suffix: &[u8]) -> Ordering {
        let tail = suffix.get(4..).unwrap_or_default();
        self.rest(i).cmp(tail).then_with(|| self.suffix_len(i).cmp(&suffix.len()))
    }

    /// Checks that columns lie inside the block, entries are in order and none is there twice, kinds are known, and keys and values are
    /// within their limits. O(entries): done once, after a read from disk.
    ///
    /// # Errors
    /// Says which one does not hold; [`Fault::Newer`] for an unknown kind.
    pub fn validate(&self) -> Result<(), Fault> {
        let layout = &self.layout;
        if layout.kind_bits == 0 && Kind::from_u8(layout.kind).is_none() {
            return Err(Fault::Newer(format!("an entry of the unknown kind {}", layout.kind).into()));
        }
        let n = self.len();
        if !layout.fixed
            && (u16_at(self.bytes, layout.slots_at as usize) != 0
                || u16_at(self.bytes, layout.slots_at as usize + 2 * n) != layout.data_len as usize)
        {
            return Err(Fault::corrupt("a block whose slots do not span its data"));
        }
        let mut before = 0;
        for i in 0..n {
            let len = self.suffix_len(i);
            let (start, end) = layout.data_of(self.bytes, i);
            let rest = len.saturating_sub(4);
            if start > end || end > layout.block_len() || rest > end - start {
                return Err(Fault::corrupt("an entry that does not fit its block"));
            }
            let key_len = layout.prefix_len as usize + len;
            if key_len == 0 || key_len > KEY_BYTES_MAX || end - start - rest > VALUE_BYTES_MAX {
                return Err(Fault::corrupt("a key or value of impossible length"));
            }
            let head = self.head(i);
            if len < 4 && head & (u32::MAX >> (8 * len)) != 0 {
                return Err(Fault::corrupt("a key head with bytes beyond its key"));
            }
            let kind = layout.kind_number(self.bytes, i);
            if Kind::from_u8(kind).is_none() {
                return Err(Fault::Newer(format!("an entry of the unknown kind {kind}").into()));
            }
            if self.seq(i) >= SEQ_MAX {
                return Err(Fault::corrupt("an impossible sequence number"));
            }
            if i > 0 && (head < before || (head == before && !self.tied_in_order(i))) {
                return Err(Fault::corrupt("entries out of order"));
            }
            before = head;
        }
        Ok(())
    }

    /// Whether entry `i` comes after the one before it, their heads being equal.
    fn tied_in_order(&self, i: usize) -> bool {
        let keys = self.rest(i - 1).cmp(self.rest(i));
        let lens = self.suffix_len(i - 1).cmp(&self.suffix_len(i));
        keys.then(lens).then(self.seq(i).cmp(&self.seq(i - 1))) == Ordering::Less
    }
}
