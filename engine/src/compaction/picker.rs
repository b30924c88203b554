//! What to compact next.
//!
//! Levelled, with sizes that follow the data (as RocksDB's `level_compaction_dynamic_level_bytes` does): the last level's size decides
//! the targets of those above it, each a tenth of the next, so that at most about a tenth of the store is in tables that will be
//! rewritten soon. Level 0 goes straight to the *base*, the first level whose target is not tiny; an ascending load that overlaps
//! nothing is moved there without being rewritten.
//!
//! A whole compaction takes all levels but level 0, which is emptied into them first. What is flushed while it runs goes to the empty level
//! above all of its inputs, so level 0 is compacted meanwhile as at any other time. That level is drained when the whole is over.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::manifest::LEVELS;
use crate::version::{TableHandle, Version};

/// A level holds so many times what the one above it does.
pub(crate) const FANOUT: u64 = 10;
/// Tables of which at least this part (in percent) are tombstones are compacted even if their level is not full.
const TOMBSTONE_PERCENT: u64 = 25;

/// From this number of tables on level 0 is compacted even if it is not full, if that does not rewrite more of the base than level 0 holds: each
/// table is one more source for a scan, and one more filter for a missing key.
const CHEAP_TABLES: usize = 4;

/// Tables below this part of the size aimed for are merged, not moved.
const TINY: u64 = 8;

/// Sizes that decide when to compact.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Level 0 is compacted from this size on, in bytes.
    pub(crate) l0_bytes: u64,
    /// … or from this number of tables on: each is one more filter to ask for a missing key.
    pub(crate) l0_tables: usize,
    /// Size that compaction aims for in a table, in bytes.
    pub(crate) table_bytes: u64,
}

/// One compaction to run.
#[derive(Clone)]
pub(crate) struct Pick {
    /// Level and table of every input.
    pub(crate) inputs: Vec<(usize, Arc<TableHandle>)>,
    pub(crate) target: usize,
    /// Nothing overlaps: the inputs change level as they are.
    pub(crate) is_move: bool,
}

impl Pick {
    pub(crate) fn bytes(&self) -> u64 {
        self.inputs.iter().map(|(_, t)| t.meta.bytes).sum()
    }
}

/// Tables that running compactions work on, by number.
pub(crate) type Busy = BTreeSet<u64>;

/// Targets of the levels in bytes, and the base level.
pub(crate) fn targets(version: &Version, limits: Limits) -> ([u64; LEVELS], usize) {
    let last = LEVELS - 1;
    let mut target = version.level_bytes(last).max(limits.l0_bytes);
    let mut targets = [0; LEVELS];
    targets[last] = target;
    let mut base = last;
    while target > limits.l0_bytes && base > 1 {
        base -= 1;
        target /= FANOUT;
        targets[base] = target.max(limits.l0_bytes);
    }
    // Data that lies above the base, from a time when there was more below, is drained from there.
    let first = (1..base).find(|&l| !version.levels[l].is_empty()).unwrap_or(base);
    (targets, first)
}

/// Bytes that the levels hold beyond their targets: what compaction has yet to do.
pub(crate) fn pending_bytes(version: &Version, limits: Limits) -> u64 {
    let (targets, base) = targets(version, limits);
    (base..LEVELS - 1).map(|l| version.level_bytes(l).saturating_sub(targets[l])).sum()
}

/// Bytes that wait for a compaction: level 0 as a whole once it is due, and what the deeper levels hold beyond their targets.
pub(crate) fn waiting_bytes(version: &Version, limits: Limits) -> u64 {
    let is_due = level0_score(version, limits) >= 1.0;
    pending_bytes(version, limits) + if is_due { version.level_bytes(0) } else { 0 }
}

/// How much level 0 wants to be compacted: from 1 on.
fn level0_score(version: &Version, limits: Limits) -> f64 {
    let by_bytes = version.level_bytes(0) as f64 / limits.l0_bytes as f64;
    let score = by_bytes.max(version.levels[0].len() as f64 / limits.l0_tables as f64);
    if score < 1.0 && is_level0_cheap(version, limits) { 1.0 } else { score }
}

/// Whether level 0 has some tables, not tiny ones, and what they overlap in the base is no more than they are.
fn is_level0_cheap(version: &Version, limits: Limits) -> bool {
    let l0 = &version.levels[0];
    if l0.len() < CHEAP_TABLES || are_tiny(version, limits) {
        return false;
    }
    let (from, to) = (l0.iter().map(|t| &t.meta.smallest).min(), l0.iter().map(|t| &t.meta.largest).max());
    let (Some(from), Some(to)) = (from, to) else { return false };
    let (_, base) = targets(version, limits);
    let below: u64 = version.overlapping(base, from, to).iter().map(|t| t.meta.bytes).sum();
    below <= version.level_bytes(0)
}

/// Whether the tables of level 0 are so small that many of them make one.
fn are_tiny(version: &Version, limits: Limits) -> bool {
    version.level_bytes(0) * TINY < limits.table_bytes * version.levels[0].len() as u64
}

/// The compaction of level 0, if it is due and touches no busy table. `beside_whole`: a whole compaction of the tree runs.
pub(crate) fn pick_level0(
    version: &Version,
    busy: &Busy,
    limits: Limits,
    beside_whole: bool,
) -> Option<Pick> {
    if level0_score(version, limits) < 1.0 {
        return None;
    }
    let (_, base) = targets(version, limits);
    pick_l0(version, busy, base, limits, beside_whole)
}

/// The most urgent compaction that does not touch a busy table. `beside_whole`: a whole compaction of the tree runs.
pub(crate) fn pick(version: &Version, busy: &Busy, limits: Limits, beside_whole: bool) -> Option<Pick> {
    let (targets, base) = targets(version, limits);
    let mut scores = vec![(level0_score(version, limits), 0)];
    for (level, &target) in targets.iter().enumerate().take(LEVELS - 1).skip(base) {
        let idle: u64 =
            version.levels[level].iter().filter(|t| !busy.contains(&t.meta.id)).map(|t| t.meta.bytes).sum();
        scores.push((idle as f64 / target.max(1) as f64, level));
    }
    scores.sort_by(|a, b| b.0.total_cmp(&a.0));
    let urgent = scores.into_iter().filter(|(score, _)| *score >= 1.0);
    for (_, level) in urgent {
        let pick = if level == 0 {
            pick_l0(version, busy, base, limits, beside_whole)
        } else {
            pick_level(version, busy, level, |_| true)
        };
        if pick.is_some() {
            return pick;
        }
    }
    let is_dead = |t: &TableHandle| {
        t.meta.tombstones * 100 >= t.meta.entries * TOMBSTONE_PERCENT && t.meta.tombstones > 0
    };
    (base..LEVELS - 1).find_map(|level| pick_level(version, busy, level, is_dead))
}

/// The next step of a whole compaction: level 0 into the others, then those into the last. `None` if that would change nothing.
pub(crate) fn pick_all(version: &Version, limits: Limits, is_level0_done: bool) -> Option<Pick> {
    if !is_level0_done && !version.levels[0].is_empty() {
        let (_, base) = targets(version, limits);
        // Of tables that were found damaged, too: whoever asks for all is told.
        return pick_l0(version, &Busy::new(), base, limits, false);
    }
    let last = LEVELS - 1;
    let dirty = version.levels[1..last].iter().any(|l| !l.is_empty())
        || version.levels[last].iter().any(|t| t.meta.tombstones > 0);
    let inputs = version
        .levels
        .iter()
        .enumerate()
        .skip(1)
        .flat_map(|(l, tables)| tables.iter().map(move |t| (l, Arc::clone(t))));
    dirty.then(|| Pick { inputs: inputs.collect(), target: last, is_move: false })
}

fn is_idle(tables: &[Arc<TableHandle>], busy: &Busy) -> bool {
    tables.iter().all(|t| !busy.contains(&t.meta.id))
}

/// All of level 0 into the base level.
fn pick_l0(
    version: &Version,
    busy: &Busy,
    mut base: usize,
    limits: Limits,
    beside_whole: bool,
) -> Option<Pick> {
    let l0 = &version.levels[0];
    let from = l0.iter().map(|t| &t.meta.smallest).min()?;
    let to = l0.iter().map(|t| &t.meta.largest).max()?;
    if !is_idle(l0, busy) {
        return None;
    }
    let mut overlap = version.overlapping(base, from, to);
    if beside_whole && base > 1 {
        // A whole compaction holds the base for long, and what came there meanwhile cannot be drained: the level above is empty.
        let is_full = version.level_bytes(base) >= FANOUT * limits.l0_bytes;
        if is_full || !is_idle(&overlap, busy) {
            base -= 1;
            overlap.clear();
        }
    }
    let mut sorted: Vec<_> = l0.iter().collect();
    sorted.sort_by(|a, b| a.meta.smallest.cmp(&b.meta.smallest));
    let disjoint = sorted.windows(2).all(|w| w[0].meta.largest < w[1].meta.smallest);
    // Key ranges are judged table by table: an ascending load beside older data must not be rewritten with it.
    let below = |t: &TableHandle| version.overlapping(base, &t.meta.smallest, &t.meta.largest);
    // Tiny tables are merged instead: it costs little, and each that stays costs every reader a little for ever.
    let is_alone = l0.len() == 1;
    if disjoint && (is_alone || !are_tiny(version, limits)) && l0.iter().all(|t| below(t).is_empty()) {
        return Some(Pick {
            inputs: l0.iter().map(|t| (0, Arc::clone(t))).collect(),
            target: base,
            is_move: true,
        });
    }
    if !is_idle(&overlap, busy) {
        return None;
    }
    let inputs =
        l0.iter().map(|t| (0, Arc::clone(t))).chain(overlap.into_iter().map(|t| (base, t))).collect();
    Some(Pick { inputs, target: base, is_move: false })
}

/// The table of `level` that costs least to merge into the next, by bytes rewritten for each byte moved down.
fn pick_level(
    version: &Version,
    busy: &Busy,
    level: usize,
    wanted: impl Fn(&TableHandle) -> bool,
) -> Option<Pick> {
    let target = level + 1;
    let idle = version.levels[level].iter().filter(|t| !busy.contains(&t.meta.id) && wanted(t));
    let costed = idle.filter_map(|table| {
        let overlap = version.overlapping(target, &table.meta.smallest, &table.meta.largest);
        let cost: u64 = overlap.iter().map(|t| t.meta.bytes).sum();
        is_idle(&overlap, busy).then(|| (cost as f64 / table.meta.bytes.max(1) as f64, table, overlap))
    });
    let (_, table, overlap) = costed.min_by(|a, b| a.0.total_cmp(&b.0))?;
    // A table that is mostly tombstones is rewritten, so that they go, not moved with them.
    let is_move = overlap.is_empty() && table.meta.tombstones == 0;
    let inputs =
        std::iter::once((level, Arc::clone(table))).chain(overlap.into_iter().map(|t| (target, t))).collect();
    Some(Pick { inputs, target, is_move })
}
