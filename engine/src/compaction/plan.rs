//! Planning the reads of a compaction.
//!
//! The indexes of the input tables tell every byte that a part of a compaction will need. Neighbouring blocks are taken together as
//! *extents*; the extents of all inputs are put in the order in which the merge will come to them. So reading ahead is reading along the
//! plan, hundreds of extents an enter, and what the merge waits for is always among the oldest reads in flight.

use std::ops::Range;
use std::sync::Arc;

use ringwood_sstable::{SEQ_MAX, Table};

use crate::version::TableHandle;

/// Neighbouring blocks of one table, read in one operation.
#[derive(Clone)]
pub(crate) struct Extent {
    pub(crate) table: Arc<Table>,
    /// The input that it belongs to.
    pub(crate) run: usize,
    pub(crate) blocks: Range<u32>,
    pub(crate) offset: u64,
    pub(crate) bytes: usize,
    /// No key in it is below this: it is needed only once the merge has come so far.
    pub(crate) bound: Vec<u8>,
}

/// A part of the key space: from `from` (included) to `to` (not).
#[derive(Debug, Clone, Default)]
pub(crate) struct KeyRange {
    pub(crate) from: Option<Box<[u8]>>,
    pub(crate) to: Option<Box<[u8]>>,
}

impl KeyRange {
    pub(crate) fn is_before(&self, key: &[u8]) -> bool {
        self.from.as_deref().is_some_and(|from| key < from)
    }

    pub(crate) fn is_past(&self, key: &[u8]) -> bool {
        self.to.as_deref().is_some_and(|to| key >= to)
    }
}

/// All extents of `runs` (each a sequence of tables in key order) in `range`, in the order of the merge.
pub(crate) fn plan(runs: &[Vec<Arc<TableHandle>>], range: &KeyRange, extent_bytes: usize) -> Vec<Extent> {
    let mut extents: Vec<Extent> = Vec::new();
    for (run, tables) in runs.iter().enumerate() {
        for handle in tables {
            let table = &handle.table;
            extents.extend(table.reads(blocks_in(handle, range), extent_bytes).map(|(blocks, place)| {
                Extent {
                    bound: lower_bound(handle, blocks.start),
                    table: Arc::clone(table),
                    run,
                    blocks,
                    offset: place.offset,
                    bytes: place.bytes,
                }
            }));
        }
    }
    // Stable: the extents of one input stay in their order.
    extents.sort_by(|a, b| a.bound.cmp(&b.bound));
    extents
}

fn lower_bound(handle: &TableHandle, block: u32) -> Vec<u8> {
    match block.checked_sub(1) {
        Some(before) => handle.table.separator(before),
        None => handle.meta.smallest.to_vec(),
    }
}

/// Blocks that may hold keys of the range.
fn blocks_in(handle: &TableHandle, range: &KeyRange) -> Range<u32> {
    let meta = &handle.meta;
    if range.is_before(&meta.largest) || range.is_past(&meta.smallest) {
        return 0..0;
    }
    let first = range.from.as_deref().map_or(0, |from| handle.table.block_for(from, SEQ_MAX));
    // The block where `to` would be holds what comes before it, too.
    let last =
        range.to.as_deref().map_or(handle.table.block_count() - 1, |to| handle.table.block_for(to, SEQ_MAX));
    first..last + 1
}

/// Keys that cut the inputs into `parts` ranges of about the same size.
pub(crate) fn split(tables: &[Arc<TableHandle>], parts: usize) -> Vec<KeyRange> {
    const SAMPLES: u32 = 16;
    let mut samples: Vec<(Vec<u8>, u64)> = Vec::new();
    for handle in tables {
        let blocks = handle.table.block_count();
        let step = blocks.div_ceil(SAMPLES).max(1);
        let weight = handle.meta.bytes / u64::from(blocks.div_ceil(step));
        samples.extend((0..blocks).step_by(step as usize).map(|b| (lower_bound(handle, b), weight)));
    }
    samples.sort_unstable();
    let total: u64 = samples.iter().map(|(_, w)| w).sum();
    let mut ranges = vec![KeyRange::default()];
    if parts < 2 {
        return ranges;
    }
    let mut seen = 0;
    for (key, weight) in samples {
        seen += weight;
        let cut = total * ranges.len() as u64 / parts as u64;
        let open = ranges.last_mut().expect("starts with one");
        if seen >= cut && open.from.as_deref().is_none_or(|from| *from < *key) {
            open.to = Some(key.clone().into());
            ranges.push(KeyRange { from: Some(key.into()), to: None });
            if ranges.len() >= parts {
                break;
            }
        }
    }
    ranges
}
