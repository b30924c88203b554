//! Planning the reads of a compaction.
//!
//! The indexes of the input tables tell every byte that a part of a compaction will need. Neighbouring blocks are taken together as
//! *extents*; the extents of all inputs are read in the order in which the merge will come to them, that of their *bounds*. So reading ahead
//! is reading along the plan, hundreds of extents an enter, and what the merge waits for is always among the oldest reads in flight.
//!
//! The plan is made as it is read: a [`Plan`] is a merge of one extent of each input, so that it takes the same memory for a gigabyte as for a
//! terabyte.

use std::ops::Range;
use std::sync::Arc;

use ringwood_sstable::{SEQ_MAX, Table};

use crate::merge::MergeHeap;
use crate::version::TableHandle;

/// Neighbouring blocks of one table, read in one operation.
pub(crate) struct Extent {
    pub(crate) table: Arc<Table>,
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

/// The extents of one input that have not been taken yet: those of a sequence of tables in key order.
struct RunReads {
    /// Tables after the current one.
    tables: std::vec::IntoIter<Arc<TableHandle>>,
    /// The current table and its blocks behind `next`.
    current: Option<(Arc<TableHandle>, Range<u32>)>,
    next: Option<Extent>,
}

impl RunReads {
    fn new(tables: &[Arc<TableHandle>], range: &KeyRange, extent_bytes: usize) -> Self {
        let tables: Vec<_> =
            tables.iter().filter(|t| !blocks_in(t, range).is_empty()).map(Arc::clone).collect();
        let mut reads = Self { tables: tables.into_iter(), current: None, next: None };
        reads.advance(range, extent_bytes);
        reads
    }

    /// Goes on to the next extent, and returns the one before.
    fn advance(&mut self, range: &KeyRange, extent_bytes: usize) -> Option<Extent> {
        if self.current.as_ref().is_none_or(|(_, rest)| rest.is_empty()) {
            self.current = self.tables.next().map(|handle| {
                let blocks = blocks_in(&handle, range);
                (handle, blocks)
            });
        }
        let next = self.current.as_mut().and_then(|(handle, rest)| {
            let (blocks, place) = handle.table.reads(rest.clone(), extent_bytes).next()?;
            rest.start = blocks.end;
            let bound = lower_bound(handle, blocks.start);
            let (offset, bytes) = (place.offset, place.bytes);
            Some(Extent { table: Arc::clone(&handle.table), blocks, offset, bytes, bound })
        });
        std::mem::replace(&mut self.next, next)
    }
}

/// The extents of all inputs of a part in the order of the merge, as far as they have not been taken.
pub(crate) struct Plan {
    runs: Vec<RunReads>,
    /// Inputs by the bound of their next extent.
    order: MergeHeap,
    range: KeyRange,
    extent_bytes: usize,
}

impl Plan {
    /// The plan for `runs` (each a sequence of tables in key order) in `range`.
    pub(crate) fn new(runs: &[Vec<Arc<TableHandle>>], range: &KeyRange, extent_bytes: usize) -> Self {
        let runs: Vec<_> = runs.iter().map(|tables| RunReads::new(tables, range, extent_bytes)).collect();
        let mut order = MergeHeap::default();
        let alive = (0..runs.len()).filter(|&run| runs[run].next.is_some());
        order.rebuild(alive, |a, b| comes_before(&runs, a, b));
        Self { runs, order, range: range.clone(), extent_bytes }
    }

    /// The next extent to read, and the input that it belongs to.
    pub(crate) fn peek(&self) -> Option<(usize, &Extent)> {
        let run = self.order.first()?;
        Some((run, self.runs[run].next.as_ref()?))
    }

    /// Takes the extent that [`peek`](Self::peek) shows.
    pub(crate) fn take(&mut self) -> Option<(usize, Extent)> {
        let run = self.order.first()?;
        let extent = self.runs[run].advance(&self.range, self.extent_bytes)?;
        let runs = &self.runs;
        self.order.first_went(runs[run].next.is_some(), |a, b| comes_before(runs, a, b));
        Some((run, extent))
    }

    /// The bound of an input's next extent, if it has any left.
    pub(crate) fn bound(&self, run: usize) -> Option<&[u8]> {
        self.runs[run].next.as_ref().map(|extent| &extent.bound[..])
    }
}

fn comes_before(runs: &[RunReads], a: usize, b: usize) -> bool {
    let bound = |run: usize| runs[run].next.as_ref().map(|extent| &extent.bound);
    (bound(a), a) < (bound(b), b)
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
