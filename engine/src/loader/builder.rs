//! From entries to tables, for a load.
//!
//! A builder fills one table while the one before it is completed: its filter is built by a thread for that alone (a third of all work), its last
//! blocks, index and filter are on their way to the device. Where the builder has to wait for a filter, as at the end of a load, it builds parts
//! of it too. Its writes yield to callers' reads as those of flushes do.

use std::sync::Arc;
use std::thread::JoinHandle;

use ringwood_ring::{Class, Completion, Lane as _, LaneSpec, Owner};
use ringwood_sstable::{Entry, FilterParts, Kind, Table};

use super::feed::Chunk;
use crate::manifest::TableMeta;
use crate::options::OUTPUT_BUFFERS;
use crate::output::{self, Output, Written};
use crate::regulator::RegulatedLane;
use crate::store::Store;
use crate::{Error, ErrorKind, Result, tasks};

/// Depth of a builder's lane: the buffers of two tables, and their syncs.
const LANE_DEPTH: u32 = 16;
const _: () = assert!(2 * (OUTPUT_BUFFERS + 1) <= LANE_DEPTH as usize);

/// See the module documentation. One thread uses it; its lane is that thread's.
pub(super) struct Builder {
    store: Arc<Store>,
    lane: RegulatedLane,
    open: Option<Output>,
    /// Has all its entries, and its filter is being built.
    ended: Option<Ended>,
    /// Complete but for its last writes. One at a time: buffers are bounded.
    sealed: Option<Output>,
    written: Vec<Written>,
    /// The part that the open table belongs to, and those of all tables that have ended, in their order.
    part: usize,
    parts: Vec<usize>,
    done: Vec<Completion>,
}

/// A table whose filter is being built.
struct Ended {
    output: Output,
    filter: Option<(Arc<FilterParts>, JoinHandle<()>)>,
}

impl Ended {
    fn is_built(&self) -> bool {
        self.filter.as_ref().is_none_or(|(_, thread)| thread.is_finished())
    }

    /// Builds what is left, waits for the rest, and ends the table.
    fn seal(mut self) -> Result<Output> {
        if let Some((parts, thread)) = self.filter {
            parts.build();
            thread.join().map_err(|panic| Error::thread_lost("load", &*panic))?;
        }
        self.output.seal()?;
        Ok(self.output)
    }
}

impl Builder {
    pub(super) fn new(store: &Arc<Store>) -> Result<Self> {
        let lane =
            store.disk.lane(LaneSpec { class: Class::Flush, depth: LANE_DEPTH, owner: Owner::Thread })?;
        Ok(Self {
            store: Arc::clone(store),
            lane: RegulatedLane::new(lane, &store.regulator),
            open: None,
            ended: None,
            sealed: None,
            written: Vec::new(),
            part: 0,
            parts: Vec::new(),
            done: Vec::new(),
        })
    }

    /// Adds the entries of a chunk.
    pub(super) fn take(&mut self, chunk: &Chunk) -> Result<()> {
        self.store.check_writable()?;
        self.lane.set_window(self.store.background_window());
        if chunk.part != self.part {
            self.seal()?;
            self.part = chunk.part;
        }
        for (key, value) in chunk.entries() {
            if self.open.as_ref().is_some_and(|o| o.writer.estimated_bytes() >= self.store.budget.table) {
                self.seal()?;
            }
            while self.open.as_ref().is_some_and(|o| !o.writer.has_room()) {
                self.pump(true)?;
            }
            let output = match &mut self.open {
                Some(output) => output,
                none => {
                    let table = self.store.budget.table;
                    none.insert(Output::create(&self.store, OUTPUT_BUFFERS, table, None)?)
                }
            };
            // The sequence number is given when the load takes effect.
            output.writer.add(&Entry { key, seq: 0, kind: Kind::Put, value })?;
        }
        self.pump(false)
    }

    /// Ends the open table, when the one before it is through.
    fn seal(&mut self) -> Result<()> {
        self.complete_sealed()?;
        let Some(mut output) = self.open.take() else { return Ok(()) };
        self.parts.push(self.part);
        let parts = output.writer.end_entries().filter(|_| self.store.background.stepper.is_none());
        let filter = parts.map(|parts| {
            let theirs = Arc::clone(&parts);
            let thread = tasks::spawn("ringwood-filter".into(), move || theirs.build())?;
            Ok::<_, Error>((parts, thread))
        });
        self.ended = Some(Ended { output, filter: filter.transpose()? });
        self.pump(false)
    }

    /// Waits until no table is between being open and being on the device.
    fn complete_sealed(&mut self) -> Result<()> {
        self.take_ended(true)?;
        while self.sealed.is_some() {
            self.pump(true)?;
        }
        Ok(())
    }

    /// Seals the table whose filter is built; with `wait`, whenever that is.
    fn take_ended(&mut self, wait: bool) -> Result<()> {
        if let Some(ended) = self.ended.take_if(|ended| wait || ended.is_built()) {
            self.sealed = Some(ended.seal()?);
        }
        Ok(())
    }

    /// Sends what is ready on its way and takes back what is through, with `wait` at least one operation.
    fn pump(&mut self, wait: bool) -> Result<()> {
        self.take_ended(false)?;
        let ended = self.ended.as_mut().map(|ended| &mut ended.output);
        for output in self.sealed.iter_mut().chain(ended).chain(&mut self.open) {
            output.push(&mut self.lane, output.id)?;
        }
        if self.lane.in_flight() > 0 {
            self.lane.reap(usize::from(wait), &mut self.done)?;
        }
        let mut result = Ok(());
        for completion in self.done.drain(..) {
            let ended = self.ended.as_mut().map(|ended| &mut ended.output);
            let mut outputs = self.sealed.iter_mut().chain(ended).chain(&mut self.open);
            let completed = match outputs.find(|o| o.id == completion.token) {
                Some(output) => output.writer.complete(completion).map_err(Error::from),
                None => Err(Error::new(ErrorKind::Io, "a completion of no known write")),
            };
            result = result.and(completed);
        }
        result?;
        if let Some(output) = self.sealed.take_if(|o| o.writer.is_done()) {
            self.written.push(output.finish()?);
        }
        Ok(())
    }

    /// Writes what is left, and opens all tables.
    pub(super) fn finish(mut self) -> Result<Vec<Unplaced>> {
        self.seal()?;
        self.complete_sealed()?;
        let opened = output::open_written(&self.store, &mut self.lane, std::mem::take(&mut self.written))?;
        let unplaced =
            |(opened, &part)| Unplaced { table: Some(opened), part, store: Arc::clone(&self.store) };
        Ok(opened.into_iter().zip(&self.parts).map(unplaced).collect())
    }
}

impl Drop for Builder {
    fn drop(&mut self) {
        // What is still in flight comes back before its buffers are let go.
        let in_flight = self.lane.in_flight();
        while self.lane.in_flight() > 0 && self.lane.reap(in_flight, &mut self.done).is_ok() {}
        // A filter that nobody wants is built to its end, which is near.
        if let Some(Ended { filter: Some((_, thread)), .. }) = self.ended.take() {
            let _ = thread.join();
        }
        self.written.drain(..).for_each(|written| written.discard(&self.store));
    }
}

/// A table that is on the device and open, and that nothing names. Its file is removed if it is dropped as that.
pub(crate) struct Unplaced {
    table: Option<(Table, TableMeta)>,
    part: usize,
    store: Arc<Store>,
}

impl Unplaced {
    /// Which keyspace of the loader it is for, in their order.
    pub(super) fn part(&self) -> usize {
        self.part
    }

    pub(super) fn meta(&self) -> &TableMeta {
        &self.table.as_ref().expect("taken only by value").1
    }

    /// Gives it its sequence number.
    pub(super) fn assign_seq(&mut self, seq: u64) -> Result<()> {
        let (table, meta) = self.table.as_mut().expect("taken only by value");
        table.assign_seq(seq)?;
        (meta.seq_min, meta.seq_max, meta.is_loaded) = (seq, seq, true);
        Ok(())
    }

    /// The table, which the manifest names now, or may name: its file stays.
    pub(super) fn into_named(mut self) -> (Table, TableMeta) {
        self.table.take().expect("taken only by value")
    }
}

impl Drop for Unplaced {
    fn drop(&mut self) {
        if let Some((table, _)) = self.table.take() {
            // If it fails, the next open removes it: the manifest does not name it.
            let _ = self.store.disk.remove(table.path());
        }
    }
}
