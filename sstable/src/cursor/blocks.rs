//! How a cursor comes by its blocks: what a move misses, what a scan will need, and what is read ahead of it.

use super::window::Direction;
use super::{ENTRY_BYTES, SCANNED_BYTES, TableCursor};
use crate::Aim;
use crate::ahead::{RUN_BLOCKS_MAX, RUN_BYTES_MAX, RUNS_AHEAD, RunRead};
use crate::cache::Hint;
use crate::error::Result;
use crate::fetch::{BlockFetch, FetchLane};

impl TableCursor {
    /// Goes on with the move that [`aim`](Self::aim) started with this aim, as far as the blocks at hand allow. Puts the blocks that it needs then, and
    /// those to read ahead, into `fetch`. Returns whether there are any: if not, the move is done.
    pub fn wants(&mut self, aim: Aim<'_>, fetch: &mut BlockFetch) -> bool {
        self.settle(aim);
        // Nothing, or what a fetch that failed did not supply, must not be taken for wants in this one.
        self.wanted = 0..0;
        let Some((block, _)) = self.pending else { return false };
        let from = fetch.len();
        for (block, hint) in self.window.blocks(&self.table, block) {
            fetch.want(&self.table, block, hint);
        }
        self.wanted = from..fetch.len();
        self.wanted_from = block;
        true
    }

    /// Takes the wanted blocks out of `fetch`, which has run. [`wants`](Self::wants) then goes on with the move.
    ///
    /// # Errors
    /// If the block that the move needs could not be read; the cursor is then at no entry. A block ahead that could not be read is
    /// left for when it is needed.
    pub fn supply(&mut self, fetch: &mut BlockFetch) -> Result<()> {
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
        Ok(())
    }

    /// Ends the move that [`aim`](Self::aim) started with this aim, as [`go`](Self::go) does.
    ///
    /// # Errors
    /// As [`go`](Self::go).
    pub fn finish(&mut self, aim: Aim<'_>, lanes: &dyn FetchLane) -> Result<()> {
        self.settle(aim);
        let mut result = Ok(());
        while let (Ok(()), Some((block, _))) = (&result, self.pending) {
            if self.coming.is_empty() && self.window.is_long() {
                self.read_ahead(Some(block), lanes);
            }
            if !self.take_coming() {
                result = self.fetch_pending(aim, lanes);
            }
            self.settle(aim);
        }
        if result.is_err() {
            self.pending = None;
        } else if self.window.is_long() {
            let last = self.ahead.back().map_or(self.block, |(block, _)| *block);
            self.read_ahead(self.window.direction().from(last).nth(1), lanes);
        }
        result
    }

    /// Gets the blocks that the move under way needs.
    fn fetch_pending(&mut self, aim: Aim<'_>, lanes: &dyn FetchLane) -> Result<()> {
        let mut fetch = self.fetch.take().unwrap_or_default();
        let mut result = Ok(());
        if self.wants(aim, &mut fetch) {
            result = lanes.fetch(&mut fetch).and_then(|()| self.supply(&mut fetch));
        }
        fetch.clear();
        self.fetch = Some(fetch);
        result
    }

    /// Waits for the run that has the block of the move under way. False if there is none, or it was given up.
    fn take_coming(&mut self) -> bool {
        let Some((block, _)) = self.pending else { return false };
        while let Some(run) = self.coming.pop_front() {
            if run.blocks().contains(&block) {
                match self.window.direction() {
                    Direction::Forward => self.ahead.extend(run.wait().skip_while(|(at, _)| *at < block)),
                    Direction::Backward => {
                        self.ahead.extend(run.wait().rev().skip_while(|(at, _)| *at > block));
                    }
                }
                return self.ahead.front().is_some_and(|(at, _)| *at == block);
            }
        }
        false
    }

    /// Has runs of blocks read, from block `next` on or behind those that are coming, as far as they may be under way together.
    fn read_ahead(&mut self, next: Option<u32>, lanes: &dyn FetchLane) {
        let direction = self.window.direction();
        while self.coming.len() < RUNS_AHEAD {
            let from = self.coming.back().map_or(next, |run| direction.behind(&run.blocks()));
            let Some(from) = from.filter(|&from| from < self.table.block_count()) else { return };
            let mut bytes = 0;
            let blocks = direction.from(from).take(RUN_BLOCKS_MAX as usize);
            let blocks = blocks.take_while(|&block| block < self.table.block_count());
            let last = blocks.take_while(|&block| {
                bytes += self.table.extent(block).bytes;
                bytes <= RUN_BYTES_MAX
            });
            // What is larger than a run is read when it is needed; what is in the cache needs nobody.
            let Some(last) = last.last().filter(|_| self.table.cached(from, Hint::Scan).is_none()) else {
                return;
            };
            let (run, read) = RunRead::new(&self.table, from.min(last)..from.max(last) + 1);
            if !lanes.read_ahead(read) {
                return;
            }
            self.coming.push_back(run);
        }
    }

    /// Pins the block that a scan will come to after this one, if it is in the cache, and has its first lines fetched.
    pub(super) fn pin_next(&mut self) {
        if self.ahead.is_empty() {
            let next = self.window.direction().from(self.block).nth(1);
            let Some(next) = next.filter(|&next| next < self.table.block_count()) else { return };
            let Some(bytes) = self.table.cached(next, Hint::Scan) else { return };
            self.ahead.push_back((next, bytes));
        }
        if let Some((_, bytes)) = self.ahead.front() {
            bytes.prefetch(0..SCANNED_BYTES);
            if self.window.direction() == Direction::Backward {
                bytes.prefetch(bytes.len().saturating_sub(ENTRY_BYTES)..bytes.len());
            }
        }
    }
}
