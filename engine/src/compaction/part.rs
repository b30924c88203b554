//! One part of a compaction: a merge over a key range, as a state machine.
//!
//! A step merges while input is at hand and output has room. When the merge needs an extent that has not arrived, everything queued, the
//! next batch of reads and the finished output buffers, goes to the kernel in the one enter that waits for a batch.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ringwood_ring::{Completion, Lane};
use ringwood_sstable::{Kind, Room};

use super::Compaction;
use super::input::{BATCH, Inputs, State};
use super::plan::{KeyRange, Plan};
use crate::background::JobState;
use crate::merge::MergeHeap;
use crate::options::Budget;
use crate::output::{self, Output, Written};
use crate::snapshots::{Retention, Verdict};
use crate::store::Store;
use crate::version::TableHandle;
use crate::{Error, ErrorKind, Result};

/// Entries merged in one step, at most.
const STEP_ENTRIES: usize = 4096;
/// Tokens of writes have this bit and the table's number; those of reads are the inputs'.
const WRITE_BIT: u64 = 1 << 63;

/// Merges one key range of a compaction. Stepped by a [`Worker`](crate::background::Worker).
pub(crate) struct PartJob {
    compaction: Arc<Compaction>,
    range: KeyRange,
    merge: Option<Merge>,
    written: Vec<Written>,
    done: Vec<Completion>,
}

/// The merge itself, once it has begun.
struct Merge {
    inputs: Inputs,
    heap: MergeHeap,
    /// The input whose extent the merge waits for: the first of the heap.
    awaited: Option<usize>,
    retention: Retention,
    output: Option<Output>,
    /// Complete but for its last writes. One at a time: buffers are bounded.
    sealed: Option<Output>,
    key: Vec<u8>,
}

impl PartJob {
    pub(super) fn new(compaction: Arc<Compaction>, range: KeyRange) -> Self {
        Self { compaction, range, merge: None, written: Vec::new(), done: Vec::new() }
    }

    /// Whether it is a part of a whole compaction.
    pub(crate) fn is_of_whole(&self) -> bool {
        self.compaction.is_whole()
    }

    pub(crate) fn step(&mut self, store: &Arc<Store>, lane: &mut dyn Lane, wait: bool) -> Result<JobState> {
        if self.compaction.pick.is_move || self.compaction.has_failed() {
            return Ok(JobState::Done);
        }
        let merge = match &mut self.merge {
            Some(merge) => merge,
            none => none.insert(Merge::new(store, &self.compaction, &self.range)),
        };
        let is_stuck = merge.advance(store, &self.compaction)?;
        merge.push(store, lane)?;
        if is_stuck && lane.in_flight() > 0 {
            // For input, half of what is on its way: the other half covers the merge of this one. For room in the output, all of it:
            // one buffer at a time would be an enter each.
            let min = merge.awaited.map_or(lane.in_flight(), |_| merge.inputs.in_flight().clamp(1, BATCH));
            lane.reap(if wait { min } else { 0 }, &mut self.done)?;
            for completion in self.done.drain(..) {
                merge.complete(completion)?;
            }
        }
        if merge.sealed.as_ref().is_some_and(|o| o.writer.is_done()) {
            let output = merge.sealed.take().expect("just seen");
            self.written.push(output.finish()?);
        }
        if !merge.is_over() || lane.in_flight() > 0 {
            return Ok(JobState::Running);
        }
        for (table, meta) in output::open_written(store, lane, std::mem::take(&mut self.written))? {
            self.compaction.add_output(TableHandle::new(Arc::new(table), meta, &store.graveyard));
        }
        Ok(JobState::Done)
    }

    /// Called when the part is over. The last one puts the outputs of all in place; then it returns the compaction and how it went.
    pub(crate) fn finish(self, store: &Store, result: &Result<()>) -> Option<(Arc<Compaction>, Result<()>)> {
        // Outputs that are not finished remove their files.
        drop(self.merge);
        self.written.into_iter().for_each(|w| w.discard(store));
        let result = self.compaction.part_is_over(store, result);
        result.map(|result| (self.compaction, result))
    }
}

impl Merge {
    fn new(store: &Store, compaction: &Compaction, range: &KeyRange) -> Self {
        let extent_bytes = (store.budget.read_window / (2 * BATCH)).max(ringwood_ring::PAGE);
        let plan = Plan::new(&compaction.runs, range, extent_bytes);
        let inputs = Inputs::new(plan, compaction.runs.len(), store.budget.read_window, range.clone());
        let mut heap = MergeHeap::default();
        heap.rebuild(inputs.alive(), |a, b| inputs.comes_before(a, b));
        Self {
            inputs,
            heap,
            awaited: None,
            retention: Retention::new(compaction.snapshots.clone()),
            output: None,
            sealed: None,
            key: Vec::new(),
        }
    }

    /// Whether every entry has gone to an output, and all outputs are written.
    fn is_over(&self) -> bool {
        self.heap.first().is_none() && self.output.is_none() && self.sealed.is_none()
    }

    /// Merges as far as it can in one step. Returns whether it needs I/O to go on.
    fn advance(&mut self, store: &Arc<Store>, compaction: &Compaction) -> Result<bool> {
        self.awaited = None;
        for _ in 0..STEP_ENTRIES {
            let Some(run) = self.heap.first() else {
                if self.sealed.is_none() {
                    self.seal()?;
                }
                return Ok(true);
            };
            let state = if !self.inputs.has_entry(run) {
                self.inputs.begin(run)?
            } else if self.write_entry(store, compaction, run)? {
                self.inputs.next(run)?
            } else {
                return Ok(true);
            };
            let inputs = &self.inputs;
            match state {
                State::Blocked => {
                    self.awaited = Some(run);
                    return Ok(true);
                }
                _ => self.heap.first_went(state == State::Ready, |a, b| inputs.comes_before(a, b)),
            }
        }
        Ok(false)
    }

    /// Sends the entry that `run` is on to the output, or drops it. False, and nothing is done, if there is no room now.
    fn write_entry(&mut self, store: &Arc<Store>, compaction: &Compaction, run: usize) -> Result<bool> {
        // All versions of a key go to one table, so that tables of a level never share a key.
        let is_new_key = self.key != self.inputs.entry(run).key;
        let is_full = |o: &Output| is_new_key && o.writer.estimated_bytes() >= store.budget.table;
        if self.output.as_ref().is_some_and(is_full) {
            if self.sealed.is_some() {
                return Ok(false);
            }
            self.seal()?;
        }
        if self.output.as_ref().is_some_and(|o| !o.writer.has_room()) {
            return Ok(false);
        }
        let entry = self.inputs.entry(run);
        if is_new_key {
            self.key.clear();
            self.key.extend_from_slice(entry.key);
        }
        let is_delete = entry.kind == Kind::Delete;
        if self.retention.judge(entry.key, entry.seq, is_delete, || compaction.is_bottom(entry.key))
            == Verdict::Keep
        {
            let output = match &mut self.output {
                Some(output) => output,
                none => {
                    let Budget { output_buffers, table, .. } = store.budget;
                    none.insert(Output::create(store, output_buffers, table, Some(Room::Evict))?)
                }
            };
            // What was in the cache stays there under its new name.
            output.writer.set_hot(self.inputs.is_hot(run));
            output.writer.add(&entry)?;
        }
        Ok(true)
    }

    fn seal(&mut self) -> Result<()> {
        if let Some(mut output) = self.output.take() {
            output.seal()?;
            self.sealed = Some(output);
        }
        Ok(())
    }

    /// Queues output buffers, and reads if a batch fits or the merge waits for one.
    fn push(&mut self, store: &Store, lane: &mut dyn Lane) -> Result<()> {
        for output in self.sealed.iter_mut().chain(&mut self.output) {
            output.push(lane, WRITE_BIT | output.id)?;
        }
        if self.awaited.is_some() || self.inputs.wants_batch() {
            let bytes = self.inputs.push(lane, store.disk.arena(), self.awaited)?;
            store.totals.compaction_read_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        Ok(())
    }

    fn complete(&mut self, completion: Completion) -> Result<()> {
        if completion.token & WRITE_BIT == 0 {
            return self.inputs.complete(completion);
        }
        let id = completion.token & !WRITE_BIT;
        let output = self.sealed.iter_mut().chain(&mut self.output).find(|o| o.id == id);
        let output = output.ok_or_else(|| Error::new(ErrorKind::Io, "a completion of no known write"))?;
        Ok(output.writer.complete(completion)?)
    }
}
