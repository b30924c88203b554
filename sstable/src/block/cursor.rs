//! A position in a block, with the whole key at hand.
//!
//! The bytes of the block stay with the caller (a cache frame, a compaction's buffer), who passes them to each step: so one
//! cursor walks through blocks of any owner and keeps its key buffer.

use std::ops::Range;

use super::{BlockView, Layout};
use crate::entry::Kind;

/// See the module documentation. Without a block it has no entries.
#[derive(Debug, Default)]
pub(crate) struct BlockCursor {
    layout: Option<Layout>,
    index: usize,
    /// The block's prefix, then the rest of the current key.
    key: Vec<u8>,
    seq: u64,
    kind: Option<Kind>,
    value: Range<usize>,
}

impl BlockCursor {
    /// Enters a block; the position is then set by [`go`](Self::go).
    pub(crate) fn enter(&mut self, bytes: &[u8], layout: Layout) {
        self.key.clear();
        self.key.extend_from_slice(BlockView::new(bytes, layout).prefix());
        self.layout = Some(layout);
        self.index = usize::MAX;
    }

    /// Forgets the block, and keeps the memory.
    pub(crate) fn leave(&mut self) {
        self.layout = None;
        self.key.clear();
    }

    /// Entries in the block; 0 without one.
    pub(crate) fn len(&self) -> usize {
        self.layout.map_or(0, |l| l.count as usize)
    }

    /// Index of the current entry.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Goes to entry `i` of the block in `bytes`. Returns false, and stays, if there is none.
    #[inline]
    pub(crate) fn go(&mut self, bytes: &[u8], i: usize) -> bool {
        let Some(layout) = self.layout.filter(|l| i < l.count as usize) else {
            return false;
        };
        let view = BlockView::new(bytes, layout);
        self.index = i;
        self.key.truncate(layout.prefix_len as usize);
        view.suffix_into(i, &mut self.key);
        let (seq, kind) = view.tag(i);
        self.seq = seq;
        self.kind = Some(kind);
        self.value = view.value_range(i);
        true
    }

    /// Index of the first entry at or after (`key`, `seq`) of the block in `bytes`; [`len`](Self::len) if there is none.
    pub(crate) fn find(&self, bytes: &[u8], key: &[u8], seq: u64) -> usize {
        self.layout.map_or(0, |layout| BlockView::new(bytes, layout).seek(key, seq))
    }

    /// Whether entry `i` of the block in `bytes` is exactly (`key`, `seq`).
    pub(crate) fn is_at(&self, bytes: &[u8], i: usize, key: &[u8], seq: u64) -> bool {
        self.layout.filter(|l| i < l.count as usize).is_some_and(|layout| {
            let view = BlockView::new(bytes, layout);
            view.seq(i) == seq && view.key_is(i, key)
        })
    }

    pub(crate) fn value_range(&self) -> Range<usize> {
        self.value.clone()
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind.unwrap_or(Kind::Delete)
    }

    pub(crate) fn value<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.value.clone()).unwrap_or_default()
    }
}
