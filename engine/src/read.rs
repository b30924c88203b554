//! Point reads.
//!
//! A get looks at the memtables, newest first, then at the tables that may hold the key, newest first, each asked by its filter first, for which the
//! key is hashed once. While the blocks
//! are in the cache it goes from one to the next and allocates nothing. At the first that is not, all blocks that could still matter, of all
//! levels, are fetched in one enter. A multi-get does the same for all its keys at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ringwood_sstable::{BlockFetch, BlockRef, BlockView, Hint, KeyHash, Kind};

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
                    if let Some(answer) = find_in_block(&found, key, seq) {
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
            if let Some(answer) = find_in_block(&found, key, seq) {
                return Ok(answer);
            }
        }
        Ok(None)
    }

    /// The values of `keys`, in their order, all as of one moment. The missing blocks of all keys are fetched together.
    pub(crate) fn multi_get<K: AsRef<[u8]>>(
        &self,
        tree: &Tree,
        keys: &[K],
        seq: Option<u64>,
    ) -> Result<Vec<Option<Value>>> {
        let view = tree.view_owned();
        let seq = seq.unwrap_or_else(|| self.visible.load(Ordering::Acquire));
        let mut answers = vec![None; keys.len()];
        let mut missing = Missing::default();
        // (key, its first wanted block): those that a block from the disk decides.
        let mut undecided: Vec<(usize, usize)> = Vec::new();
        for (i, key) in keys.iter().enumerate() {
            let key = key.as_ref();
            batch::check_key(key)?;
            let hash = KeyHash::of(key);
            if let Some(answer) = find_in_memtables(&view, hash, key, seq) {
                answers[i] = answer;
                continue;
            }
            let start = missing.wanted.len();
            for handle in candidates(&view.version, hash, key) {
                let block = handle.table.block_for(key, seq);
                let cached =
                    if missing.wanted.len() > start { None } else { handle.table.cached(block, Hint::Point) };
                let Some(found) = cached else {
                    missing.want(handle, block);
                    continue;
                };
                if let Some(answer) = find_in_block(&found, key, seq) {
                    answers[i] = answer;
                    break;
                }
            }
            if missing.wanted.len() > start {
                undecided.push((i, start));
            }
        }
        if undecided.is_empty() {
            return Ok(answers);
        }
        missing.fetch.run(&mut *self.get_lanes.checkout()?);
        let ends: Vec<usize> = undecided.iter().skip(1).map(|u| u.1).chain([missing.wanted.len()]).collect();
        for ((i, start), end) in undecided.into_iter().zip(ends) {
            for at in start..end {
                let found = missing.fetch.take(missing.wanted[at])?;
                if let Some(answer) = find_in_block(&found, keys[i].as_ref(), seq) {
                    answers[i] = answer;
                    break;
                }
            }
        }
        Ok(answers)
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

/// Tables that may hold `key`, newest first.
fn candidates<'a>(
    version: &'a Version,
    hash: KeyHash,
    key: &'a [u8],
) -> impl Iterator<Item = &'a Arc<TableHandle>> {
    let first = version.levels[0].iter().filter(move |t| t.meta.overlaps(key, key));
    let deeper = (1..version.levels.len()).filter_map(move |level| version.table_at(level, key));
    first.chain(deeper).filter(move |t| t.table.may_contain(hash))
}

fn find_in_memtables(view: &View, hash: KeyHash, key: &[u8], seq: u64) -> Answer {
    view.mems().find_map(|mem| find_in_memtable(&mem.table, hash, key, seq))
}

fn find_in_memtable(table: &Arc<Memtable>, hash: KeyHash, key: &[u8], seq: u64) -> Answer {
    let (_, kind, value) = table.get_owned(hash, key, seq)?;
    Some((kind == Kind::Put).then(|| Value::in_memtable(value)))
}

fn find_in_block(block: &BlockRef, key: &[u8], seq: u64) -> Answer {
    let found = BlockView::of(block).find(key, seq)?;
    Some((found.kind == Kind::Put).then(|| Value::in_block(block.clone(), &found.value)))
}
