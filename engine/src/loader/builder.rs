//! From entries to tables, for a load.
//!
//! A builder fills one table while the one before it is completed: its filter is built by a thread for that alone (a third of all work), its last
//! blocks, index and filter are on their way to the device. Its writes yield to callers' reads as those of flushes do.

use std::sync::Arc;
use std::thread::JoinHandle;

use ringwood_ring::{Class, Completion, Lane as _, LaneSpec, Owner};
use ringwood_sstable::{Entry, Kind, Table};

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
    /// Being sealed by its own thread, and what has completed of it meanwhile.
    sealing: Option<Sealing>,
    /// Complete but for its last writes. One at a time: buffers are bounded.
    sealed: Option<Output>,
    written: Vec<Written>,
    done: Vec<Completion>,
}

/// A table whose filter is being built.
struct Sealing {
    id: u64,
    thread: JoinHandle<Result<Output>>,
    done: Vec<Completion>,
}

impl Builder {
    pub(super) fn new(store: &Arc<Store>) -> Result<Self> {
        let lane =
            store.disk.lane(LaneSpec { class: Class::Flush, depth: LANE_DEPTH, owner: Owner::Thread })?;
        Ok(Self {
            store: Arc::clone(store),
            lane: RegulatedLane::new(lane, &store.regulator),
            open: None,
            sealing: None,
            sealed: None,
            written: Vec::new(),
            done: Vec::new(),
        })
    }

    /// Adds the entries of a chunk.
    pub(super) fn take(&mut self, chunk: &Chunk) -> Result<()> {
        self.store.check_writable()?;
        self.lane.set_window(self.store.background_window());
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
        if self.store.background.stepper.is_some() {
            output.seal()?;
            self.sealed = Some(output);
        } else {
            let id = output.id;
            let seal = move || output.seal().map(|()| output);
            let thread = tasks::spawn("ringwood-seal".into(), seal)?;
            self.sealing = Some(Sealing { id, thread, done: Vec::new() });
        }
        self.pump(false)
    }

    /// Waits until no table is between being open and being on the device.
    fn complete_sealed(&mut self) -> Result<()> {
        self.take_sealed(true)?;
        while self.sealed.is_some() {
            self.pump(true)?;
        }
        Ok(())
    }

    /// Takes the table back whose filter is built; with `wait`, waits for that.
    fn take_sealed(&mut self, wait: bool) -> Result<()> {
        let Some(sealing) = self.sealing.take_if(|sealing| wait || sealing.thread.is_finished()) else {
            return Ok(());
        };
        let mut output =
            sealing.thread.join().unwrap_or_else(|panic| Err(Error::thread_lost("load", &*panic)))?;
        sealing.done.into_iter().try_for_each(|completion| output.writer.complete(completion))?;
        self.sealed = Some(output);
        Ok(())
    }

    /// Sends what is ready on its way and takes back what is through, with `wait` at least one operation.
    fn pump(&mut self, wait: bool) -> Result<()> {
        self.take_sealed(false)?;
        for output in self.sealed.iter_mut().chain(&mut self.open) {
            output.push(&mut self.lane, output.id)?;
        }
        if self.lane.in_flight() > 0 {
            self.lane.reap(usize::from(wait), &mut self.done)?;
        }
        let mut result = Ok(());
        for completion in self.done.drain(..) {
            if let Some(sealing) = self.sealing.as_mut().filter(|sealing| sealing.id == completion.token) {
                sealing.done.push(completion);
                continue;
            }
            let mut outputs = self.sealed.iter_mut().chain(&mut self.open);
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
            |(table, meta)| Unplaced { table: Some((table, meta)), store: Arc::clone(&self.store) };
        Ok(opened.into_iter().map(unplaced).collect())
    }
}

impl Drop for Builder {
    fn drop(&mut self) {
        let sealed = self.sealing.take().map(|sealing| (sealing.thread.join(), sealing.done));
        // What is still in flight comes back before its buffers are let go.
        let in_flight = self.lane.in_flight();
        while self.lane.in_flight() > 0 && self.lane.reap(in_flight, &mut self.done).is_ok() {}
        drop(sealed);
        self.written.drain(..).for_each(|written| written.discard(&self.store));
    }
}

/// A table that is on the device and open, and that nothing names. Its file is removed if it is dropped as that.
pub(crate) struct Unplaced {
    table: Option<(Table, TableMeta)>,
    store: Arc<Store>,
}

impl Unplaced {
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
