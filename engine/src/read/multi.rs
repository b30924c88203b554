//! Gets of many keys at once.
//!
//! A get waits for memory several times in a row: for the filter's fingerprints, the word of the block's frame, the block's first lines. Here keys take
//! these steps side by side, [`GROUP`] at a time: each step has fetched what the next one of the same key looks at, while the other keys take it
//! (group prefetching: Chen, Ailamaki, Gibbons and Mowry, "Improving Hash Join Performance through Prefetching", ICDE 2004).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ringwood_sstable::{BlockRef, BlockView, Hint, KeyHash};

use super::{Missing, candidates, find_in_block, find_in_memtables, in_range, value_in_block};
use crate::Result;
use crate::batch;
use crate::store::Store;
use crate::tree::Tree;
use crate::value::Value;
use crate::version::TableHandle;

/// Keys that go side by side: what a core can have on its way from memory, and what its nearest cache holds of it.
const GROUP: usize = 16;

/// A key that no memtable decides.
struct Lane<'a, I> {
    /// Its place among the keys.
    at: usize,
    /// Tables that may hold it, behind `next`.
    tables: I,
    next: Option<Next<'a>>,
}

/// The block that decides a key unless it does not have it.
struct Next<'a> {
    handle: &'a Arc<TableHandle>,
    block: u32,
    /// If it is in the cache.
    found: Option<BlockRef>,
    /// Where in the block the key may be.
    entry: Option<usize>,
}

impl Store {
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
        let mut lanes = Vec::with_capacity(keys.len().min(GROUP));
        let mut keys_left = keys.iter().map(AsRef::as_ref).enumerate();
        while keys_left.len() > 0 {
            for (at, key) in keys_left.by_ref().take(GROUP) {
                batch::check_key(key)?;
                let hash = KeyHash::of(key);
                if let Some(answer) = find_in_memtables(&view, hash, key, seq) {
                    answers[at] = answer;
                    continue;
                }
                in_range(&view.version, key).for_each(|handle| handle.table.prefetch_filter(hash));
                lanes.push(Lane { at, tables: candidates(&view.version, hash, key), next: None });
            }
            for lane in &mut lanes {
                lane.next = lane.tables.next().map(|handle| {
                    let block = handle.table.block_for(keys[lane.at].as_ref(), seq);
                    handle.table.prefetch_cached(block);
                    Next { handle, block, found: None, entry: None }
                });
            }
            for next in lanes.iter_mut().filter_map(|lane| lane.next.as_mut()) {
                next.found = next.handle.table.cached(next.block, Hint::Point);
                if let Some(found) = &next.found {
                    found.prefetch_search();
                }
            }
            for lane in &mut lanes {
                let Some(Next { found: Some(found), entry, .. }) = &mut lane.next else { continue };
                let block = BlockView::of(found);
                *entry = block.look(keys[lane.at].as_ref());
                entry.iter().for_each(|&i| block.prefetch_entry(i));
            }
            for mut lane in lanes.drain(..) {
                let key = keys[lane.at].as_ref();
                let start = missing.wanted.len();
                while let Some(Next { handle, block, found, entry }) = lane.next {
                    match found {
                        Some(found) => {
                            let of_key = entry.and_then(|i| BlockView::of(&found).find_from(i, key, seq));
                            if let Some(of_key) = of_key {
                                answers[lane.at] = value_in_block(found, &of_key);
                                break;
                            }
                        }
                        None => missing.want(handle, block),
                    }
                    lane.next = lane.tables.next().map(|handle| {
                        let block = handle.table.block_for(key, seq);
                        // Behind a missing block nothing can be decided: fetch what may be needed, all at once.
                        let is_decidable = missing.wanted.len() == start;
                        let found = is_decidable.then(|| handle.table.cached(block, Hint::Point)).flatten();
                        let entry = found.as_ref().and_then(|found| BlockView::of(found).look(key));
                        Next { handle, block, found, entry }
                    });
                }
                if missing.wanted.len() > start {
                    undecided.push((lane.at, start));
                }
            }
        }
        if undecided.is_empty() {
            return Ok(answers);
        }
        missing.fetch.run(&mut *self.get_lanes.checkout()?);
        let ends: Vec<usize> = undecided.iter().skip(1).map(|u| u.1).chain([missing.wanted.len()]).collect();
        for ((at, start), end) in undecided.into_iter().zip(ends) {
            for wanted in start..end {
                let found = missing.fetch.take(missing.wanted[wanted])?;
                if let Some(answer) = find_in_block(found, keys[at].as_ref(), seq) {
                    answers[at] = answer;
                    break;
                }
            }
        }
        Ok(answers)
    }
}
