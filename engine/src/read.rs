//! Point reads.
//!
//! A get looks at the memtables, newest first, then at the tables that may hold the key, newest first, each asked by its filter first, for which the
//! key is hashed once. While the blocks
//! are in the cache it goes from one to the next and allocates nothing. At the first that is not, all blocks that could still matter, of all
//! levels, are fetched in one enter. A multi-get (`multi`) does the same for all its keys at once.

mod multi;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ringwood_sstable::{BlockFetch, BlockRef, BlockView, Found, Hint, KeyHash, Kind};

use crate::Result;
use crate::batch;
use crate::memtable::Memtable;
use crate::store::Store;
use crate::tree::Tree;
use crate::value::Value;
use crate::version::{TableHandle, Version, View};

/// What a place says of a key: nothing, that it is deleted, or its value.
type Answer = Option<Option<Value>>;

impl Store {
    /// The value of `key` as of sequence number `seq`, or now.
    ///
    /// Worst case: one read from each level-0 table and one a deeper level, all in one enter; nearly always one or none.
    pub(crate) fn get(&self, tree: &Tree, key: &[u8], seq: Option<u64>) -> Result<Option<Value>> {
        batch::check_key(key)?;
        // The view first: whatever is flushed or compacted after it, everything up to `seq` that the view has is complete.
        let view = tree.view();
        let seq = seq.unwrap_or_else(|| self.visible.load(Ordering::Acquire));
        let hash = KeyHash::of(key);
        if let Some(answer) = find_in_memtables(&view, hash, key, seq) {
            return Ok(answer);
        }
        let mut missing: Option<Missing> = None;
        for handle in candidates(&view.version, hash, key) {
            let block = handle.table.block_for(key, seq);
            match (&mut missing, handle.table.cached(block, Hint::Point)) {
                (None, Some(found)) => {
                    if let Some(answer) = find_in_block(found, key, seq) {
                        return Ok(answer);
                    }
                }
                // Behind a missing block nothing can be decided: fetch what may be needed, all at once.
                (missing, _) => missing.get_or_insert_default().want(handle, block),
            }
        }
        let Some(mut missing) = missing else { return Ok(None) };
        missing.fetch.run(&mut *self.get_lanes.checkout()?);
        for i in 0..missing.wanted.len() {
            let found = missing.fetch.take(missing.wanted[i])?;
            if let Some(answer) = find_in_block(found, key, seq) {
                return Ok(answer);
            }
        }
        Ok(None)
    }
}

/// Blocks that a read waits for.
#[derive(Default)]
struct Missing {
    fetch: BlockFetch,
    /// Their numbers in the fetch; newest first for each key.
    wanted: Vec<usize>,
}

impl Missing {
    fn want(&mut self, handle: &Arc<TableHandle>, block: u32) {
        self.wanted.push(self.fetch.want(&handle.table, block, Hint::Point));
    }
}

/// Tables in whose range `key` lies, newest first.
fn in_range<'a>(version: &'a Version, key: &'a [u8]) -> impl Iterator<Item = &'a Arc<TableHandle>> {
    let first = version.levels[0].iter().filter(move |t| t.meta.overlaps(key, key));
    let deeper = (1..version.levels.len()).filter_map(move |level| version.table_at(level, key));
    first.chain(deeper)
}

/// Tables that may hold `key`, newest first.
fn candidates<'a>(
    version: &'a Version,
    hash: KeyHash,
    key: &'a [u8],
) -> impl Iterator<Item = &'a Arc<TableHandle>> {
    in_range(version, key).filter(move |t| t.table.may_contain(hash))
}

fn find_in_memtables(view: &View, hash: KeyHash, key: &[u8], seq: u64) -> Answer {
    view.mems().find_map(|mem| find_in_memtable(&mem.table, hash, key, seq))
}

fn find_in_memtable(table: &Arc<Memtable>, hash: KeyHash, key: &[u8], seq: u64) -> Answer {
    let (_, kind, value) = table.get_owned(hash, key, seq)?;
    Some((kind == Kind::Put).then(|| Value::in_memtable(value)))
}

fn find_in_block(block: BlockRef, key: &[u8], seq: u64) -> Answer {
    let found = BlockView::of(&block).find(key, seq)?;
    Some(value_in_block(block, &found))
}

fn value_in_block(block: BlockRef, found: &Found) -> Option<Value> {
    (found.kind == Kind::Put).then(|| Value::in_block(block, &found.value))
}
