//! A position in a block, with the whole key at hand.
//!
//! The bytes of the block stay with the caller (a cache frame, a compaction's buffer), who passes them to each step: so one
//! cursor walks through blocks of any owner and keeps its key buffer.

use std::ops::Range;

use super::format::HEADER;
use super::{BlockView, Layout};
use crate::entry::Kind;

/// Bytes behind a key's head that are copied at once, whatever the key's length.
const CHUNK: usize = 16;

/// See the module documentation. Without a block it has no entries.
#[derive(Debug)]
pub(crate) struct BlockCursor {
    layout: Layout,
    index: usize,
    /// Head of the current key.
    head: u32,
    /// The block's prefix, then the rest of the current key, then whatever.
    key: Vec<u8>,
    key_len: usize,
    seq: u64,
    kind: Kind,
    value: Range<usize>,
}

impl Default for BlockCursor {
    fn default() -> Self {
        Self {
            layout: Layout::default(),
            index: 0,
            head: 0,
            key: Vec::new(),
            key_len: 0,
            seq: 0,
            kind: Kind::Delete,
            value: 0..0,
        }
    }
}

impl BlockCursor {
    /// Enters a block; the position is then set by [`go`](Self::go).
    pub(crate) fn enter(&mut self, bytes: &[u8], layout: Layout) {
        let prefix = BlockView::new(bytes, layout).prefix();
        let room = prefix.len() + 4 + CHUNK;
        if self.key.len() < room {
            self.key.resize(room, 0);
        }
        // Most prefixes are shorter than a chunk, and what is copied beyond them is written over.
        match (self.key.first_chunk_mut::<CHUNK>(), bytes.get(HEADER..HEADER + CHUNK)) {
            (Some(to), Some(from)) if prefix.len() <= CHUNK => to.copy_from_slice(from),
            _ => self.key[..prefix.len()].copy_from_slice(prefix),
        }
        self.layout = layout;
        self.index = usize::MAX;
    }

    /// Forgets the block, and keeps the memory.
    pub(crate) fn leave(&mut self) {
        self.layout = Layout::default();
        self.key_len = 0;
    }

    /// Entries in the block; 0 without one.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.layout.count as usize
    }

    /// Index of the current entry.
    #[inline]
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Goes to entry `i` of the block in `bytes`. Returns false, and stays, if there is none.
    #[inline]
    pub(crate) fn go(&mut self, bytes: &[u8], i: usize) -> bool {
        let is_there = i < self.len();
        if is_there {
            self.place(bytes, i, self.layout.head(bytes, i));
        }
        is_there
    }

    /// Goes to entry `i`, which is there and has this head.
    #[inline]
    fn place(&mut self, bytes: &[u8], i: usize, head: u32) {
        let (start, end) = self.layout.data_of(bytes, i);
        let suffix_len = self.layout.suffix_len(bytes, i);
        let value_at = (start + suffix_len.saturating_sub(4)).min(end);
        let at = self.layout.prefix_len as usize;
        self.index = i;
        self.head = head;
        (self.seq, self.kind) = self.layout.tag(bytes, i);
        self.value = value_at..end;
        self.key_len = at + suffix_len;
        // Most keys end within a chunk: two copies of known length.
        match (self.key.get_mut(at..at + 4 + CHUNK), bytes.get(start..start + CHUNK)) {
            (Some(to), Some(rest)) if suffix_len <= 4 + CHUNK => {
                to[..4].copy_from_slice(&head.to_be_bytes());
                to[4..].copy_from_slice(rest);
            }
            _ => self.set_suffix(at, head.to_be_bytes(), bytes.get(start..value_at).unwrap_or_default()),
        }
    }

    /// Goes to entry `i`, a neighbour of the current one, if it is there and of another key. Else stays, and returns false.
    #[inline]
    pub(crate) fn go_apart(&mut self, bytes: &[u8], i: usize) -> bool {
        if i >= self.len() {
            return false;
        }
        let head = self.layout.head(bytes, i);
        if head == self.head && self.layout.is_same_key(bytes, i, self.index) {
            return false;
        }
        self.place(bytes, i, head);
        true
    }

    /// Whether there is an entry before the current one, and it is of another key.
    #[inline]
    pub(crate) fn is_newest(&self, bytes: &[u8]) -> bool {
        let before = self.index.wrapping_sub(1);
        before < self.len()
            && (self.layout.head(bytes, before) != self.head
                || !self.layout.is_same_key(bytes, before, self.index))
    }

    /// Writes what the key has after the prefix, of whatever length.
    #[cold]
    fn set_suffix(&mut self, at: usize, head: [u8; 4], rest: &[u8]) {
        if self.key.len() < self.key_len.max(at + 4) {
            self.key.resize(self.key_len.max(at + 4), 0);
        }
        self.key[at..at + 4].copy_from_slice(&head);
        let end = (at + 4 + rest.len()).min(self.key.len());
        self.key[at + 4..end].copy_from_slice(&rest[..end - at - 4]);
    }

    /// Index of the first entry at or after (`key`, `seq`) of the block in `bytes`; [`len`](Self::len) if there is none.
    pub(crate) fn find(&self, bytes: &[u8], key: &[u8], seq: u64) -> usize {
        if self.len() == 0 { 0 } else { BlockView::new(bytes, self.layout).seek(key, seq) }
    }

    /// Whether entry `i` of the block in `bytes` is exactly (`key`, `seq`).
    pub(crate) fn is_at(&self, bytes: &[u8], i: usize, key: &[u8], seq: u64) -> bool {
        let view = BlockView::new(bytes, self.layout);
        i < self.len() && view.seq(i) == seq && view.key_is(i, key)
    }

    /// Where the data of entry `i` starts in the block in `bytes`.
    pub(crate) fn data_at(&self, bytes: &[u8], i: usize) -> usize {
        self.layout.data_of(bytes, i).0
    }

    #[inline]
    pub(crate) fn value_range(&self) -> Range<usize> {
        self.value.clone()
    }

    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        self.key.get(..self.key_len).unwrap_or_default()
    }

    /// The first eight bytes of the key, as a number that orders as keys do; zeros stand for what a shorter key lacks.
    #[inline]
    pub(crate) fn key_head(&self) -> u64 {
        let head = self.key.first_chunk::<8>().map_or(0, |eight| u64::from_be_bytes(*eight));
        if self.key_len >= 8 { head } else { head & !(u64::MAX >> (8 * self.key_len)) }
    }

    #[inline]
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    #[inline]
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    #[inline]
    pub(crate) fn value<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.value.clone()).unwrap_or_default()
    }
}
