//! Walking through a table, both ways. See [`TableCursor`].

mod window;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::block::BlockView;
use crate::block::cursor::BlockCursor;
use crate::cache::BlockRef;
use crate::entry::Kind;
use crate::error::Result;
use crate::fetch::{BlockFetch, FetchLane};
use crate::table::Table;
pub(crate) use window::ScanLength;
use window::{Direction, Window};

/// Where a move of a [`TableCursor`] goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim<'a> {
    /// The first entry.
    First,
    /// The last entry.
    Last,
    /// The first entry at or after (key, sequence number).
    AtOrAfter(&'a [u8], u64),
    /// The last entry at or before (key, sequence number).
    AtOrBefore(&'a [u8], u64),
    /// The next entry.
    Next,
    /// The entry before.
    Prev,
}

/// What remains to be done once a block is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    First,
    Last,
    /// To the first entry at or after the target, or into the next block.
    AtOrAfter,
    /// To the last entry at or before the target, or into the block before.
    AtOrBefore,
}

/// Walking through a table, both ways.
///
/// It is owned and `'static`: it holds its table and its current block, and gives keys and values out of the
/// block's bytes as they lie in the cache. One thread at a time uses it.
///
/// ## Blocks that are missing
///
/// A move that needs a block which is not in the cache asks a [`FetchLane`] for it, and more blocks with it if the cursor has been
/// moving in sequence: 3, 12, 48, 64. A seek asks for as many as scans in this table used to need. All are there when the call
/// returns (rule R0). To move several cursors at the price of one
/// enter: [`aim`](TableCursor::aim) each, let each put what it [`wants`](TableCursor::wants) into one fetch, run it, and
/// [`supply`](TableCursor::supply) each; until none wants more.
#[derive(Debug)]
pub struct TableCursor {
    at: BlockCursor,
    bytes: Option<BlockRef>,
    block: u32,
    is_valid: bool,
    table: Arc<Table>,
    /// A move under way: it needs this block.
    pending: Option<(u32, Then)>,
    target: Vec<u8>,
    target_seq: u64,
    window: Window,
    /// Blocks fetched ahead, in the order of the direction.
    ahead: VecDeque<(u32, BlockRef)>,
    /// Numbers of this cursor's wants in the fetch of [`wants`](Self::wants), and the block of the first.
    wanted: Range<usize>,
    wanted_from: u32,
    fetch: BlockFetch,
}

impl TableCursor {
    /// A cursor at no entry.
    #[must_use]
    pub fn new(table: Arc<Table>) -> Self {
        Self {
            at: BlockCursor::default(),
            bytes: None,
            block: 0,
            is_valid: false,
            table,
            pending: None,
            target: Vec::new(),
            target_seq: 0,
            window: Window::default(),
            ahead: VecDeque::new(),
            wanted: 0..0,
            wanted_from: 0,
            fetch: BlockFetch::new(),
        }
    }

    /// Sets how many blocks are fetched ahead at most; 1 switches reading ahead off. 64 by default, and never more than 1 MiB.
    pub fn set_read_ahead(&mut self, blocks_max: u32) {
        self.window.set_max(blocks_max);
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Whether the cursor is at an entry. Until then [`key`](Self::key), [`value`](Self::value) and so on are empty.
    #[inline]
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.is_valid
    }

    /// The current entry's user key.
    #[inline]
    #[must_use]
    pub fn key(&self) -> &[u8] {
        if self.is_valid { self.at.key() } else { &[] }
    }

    /// The current entry's sequence number.
    #[inline]
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.at.seq()
    }

    /// The current entry's kind.
    #[inline]
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.at.kind()
    }

    /// The current entry's value, out of the cache.
    #[inline]
    #[must_use]
    pub fn value(&self) -> &[u8] {
        match &self.bytes {
            Some(bytes) if self.is_valid => self.at.value(bytes),
            _ => &[],
        }
    }

    /// The current entry's value as its block and where in it: to keep it without a copy.
    #[must_use]
    pub fn value_ref(&self) -> Option<(BlockRef, Range<usize>)> {
        let bytes = self.bytes.as_ref().filter(|_| self.is_valid)?;
        Some((bytes.clone(), self.at.value_range()))
    }

    /// Moves, and gets from `lanes` what is missing: at most one enter for a seek, two if the target lies in the gap between two
    /// blocks; none for a move inside a block.
    ///
    /// # Errors
    /// If a block cannot be read. The cursor is then at no entry.
    pub fn go(&mut self, aim: Aim<'_>, lanes: &dyn FetchLane) -> Result<()> {
        match aim {
            Aim::Next => self.next(lanes),
            Aim::Prev => self.prev(lanes),
            _ => {
                self.aim(aim);
                self.finish(lanes)
            }
        }
    }

    /// [`go`](Self::go) to the first entry at or after (`key`, `seq`).
    ///
    /// # Errors
    /// If a block cannot be read.
    pub fn seek(&mut self, key: &[u8], seq: u64, lanes: &dyn FetchLane) -> Result<()> {
        self.go(Aim::AtOrAfter(key, seq), lanes)
    }

    /// Moves to the next entry. From no entry it stays at none.
    ///
    /// # Errors
    /// If a block cannot be read.
    #[inline]
    pub fn next(&mut self, lanes: &dyn FetchLane) -> Result<()> {
        if self.step(self.at.index().wrapping_add(1)) {
            return Ok(());
        }
        self.aim(Aim::Next);
        self.finish(lanes)
    }

    /// Moves to the entry before. From no entry it stays at none.
    ///
    /// # Errors
    /// If a block cannot be read.
    #[inline]
    pub fn prev(&mut self, lanes: &dyn FetchLane) -> Result<()> {
        if self.step(self.at.index().wrapping_sub(1)) {
            return Ok(());
        }
        self.aim(Aim::Prev);
        self.finish(lanes)
    }

    /// Moves inside the current block.
    #[inline]
    fn step(&mut self, index: usize) -> bool {
        match &self.bytes {
            Some(bytes) if self.is_valid => self.at.go(bytes, index),
            _ => false,
        }
    }

    /// Starts a move without I/O. Done at once if the blocks are there: then nothing is [wanted](Self::wants).
    pub fn aim(&mut self, aim: Aim<'_>) {
        let last = self.table.block_count() - 1;
        let index = self.at.index();
        let pending = match aim {
            Aim::First => Some((0, Then::First)),
            Aim::Last => Some((last, Then::Last)),
            Aim::AtOrAfter(key, seq) => Some((self.target(key, seq), Then::AtOrAfter)),
            Aim::AtOrBefore(key, seq) => Some((self.target(key, seq), Then::AtOrBefore)),
            Aim::Next | Aim::Prev if !self.is_valid => None,
            Aim::Next if self.step(index.wrapping_add(1)) => return,
            Aim::Prev if self.step(index.wrapping_sub(1)) => return,
            Aim::Next => (self.block < last).then(|| (self.block + 1, Then::First)),
            Aim::Prev => self.block.checked_sub(1).map(|block| (block, Then::Last)),
        };
        match aim {
            Aim::Next => self.head_for(Direction::Forward),
            Aim::Prev => self.head_for(Direction::Backward),
            Aim::First | Aim::AtOrAfter(..) => self.restart(Direction::Forward),
            Aim::Last | Aim::AtOrBefore(..) => self.restart(Direction::Backward),
        }
        self.is_valid = false;
        self.pending = pending;
        self.settle();
    }

    fn restart(&mut self, direction: Direction) {
        self.window.restart(&self.table, direction);
        self.ahead.clear();
    }

    fn head_for(&mut self, direction: Direction) {
        if self.window.turn(direction) {
            self.ahead.clear();
        }
    }

    fn target(&mut self, key: &[u8], seq: u64) -> u32 {
        self.target.clear();
        self.target.extend_from_slice(key);
        self.target_seq = seq;
        self.table.block_for(key, seq)
    }

    /// Puts the blocks that the move under way needs, and those to read ahead, into `fetch`. Returns whether there are any: if
    /// not, the move is done.
    pub fn wants(&mut self, fetch: &mut BlockFetch) -> bool {
        let Some((block, _)) = self.pending else { return false };
        let from = fetch.len();
        for (block, hint) in self.window.blocks(&self.table, block) {
            fetch.want(&self.table, block, hint);
        }
        self.wanted = from..fetch.len();
        self.wanted_from = block;
        true
    }

    /// Takes the wanted blocks out of `fetch`, which has run, and goes on with the move. Returns whether it is done.
    ///
    /// # Errors
    /// If the block that the move needs could not be read; the cursor is then at no entry. A block ahead that could not be read is
    /// left for when it is needed.
    pub fn supply(&mut self, fetch: &mut BlockFetch) -> Result<bool> {
        let direction = self.window.direction();
        for (i, block) in std::mem::take(&mut self.wanted).zip(direction.from(self.wanted_from)) {
            match fetch.take(i) {
                Ok(bytes) => self.ahead.push_back((block, bytes)),
                Err(error) if block == self.wanted_from => {
                    self.pending = None;
                    return Err(error);
                }
                Err(_) => break,
            }
        }
        self.settle();
        Ok(self.pending.is_none())
    }

    /// Ends the move under way, with I/O if need be.
    fn finish(&mut self, lanes: &dyn FetchLane) -> Result<()> {
        while self.pending.is_some() {
            let mut fetch = std::mem::take(&mut self.fetch);
            self.wants(&mut fetch);
            let result = lanes.fetch(&mut fetch).and_then(|()| self.supply(&mut fetch));
            fetch.clear();
            self.fetch = fetch;
            if let Err(error) = result {
                self.pending = None;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Goes on with the move under way as far as the blocks at hand allow.
    fn settle(&mut self) {
        while let Some((block, then)) = self.pending {
            if !self.enter(block) {
                return;
            }
            self.pending = self.place(then);
        }
    }

    /// Makes `block` the current one, if it is at hand.
    fn enter(&mut self, block: u32) -> bool {
        if self.block == block && self.bytes.is_some() {
            return true;
        }
        while let Some((ahead, bytes)) = self.ahead.pop_front() {
            if ahead == block {
                self.set_block(block, bytes);
                return true;
            }
        }
        let Some(bytes) = self.table.cached(block, self.window.hint()) else { return false };
        self.set_block(block, bytes);
        true
    }

    fn set_block(&mut self, block: u32, bytes: BlockRef) {
        self.at.enter(&bytes, BlockView::of(&bytes).layout());
        self.bytes = Some(bytes);
        self.block = block;
        self.window.entered();
    }

    /// Goes to an entry of the current block, or says which block is next.
    fn place(&mut self, then: Then) -> Option<(u32, Then)> {
        let Some(bytes) = &self.bytes else { return None };
        let index = match then {
            Then::First => 0,
            Then::Last => self.at.len() - 1,
            Then::AtOrAfter => {
                let index = self.at.find(bytes, &self.target, self.target_seq);
                if index == self.at.len() {
                    // In the gap behind the block: the next one starts with a later key.
                    let last = self.table.block_count() - 1;
                    return (self.block < last).then(|| (self.block + 1, Then::First));
                }
                index
            }
            Then::AtOrBefore => {
                let index = self.at.find(bytes, &self.target, self.target_seq);
                if self.at.is_at(bytes, index, &self.target, self.target_seq) {
                    index
                } else if index == 0 {
                    return self.block.checked_sub(1).map(|block| (block, Then::Last));
                } else {
                    index - 1
                }
            }
        };
        self.is_valid = self.at.go(bytes, index);
        None
    }
}

impl Drop for TableCursor {
    fn drop(&mut self) {
        self.window.end(&self.table);
    }
}
