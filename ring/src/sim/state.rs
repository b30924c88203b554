//! Everything that the simulated disk knows, behind one lock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;

use super::config::{FaultOp, SimConfig};
use super::content::{self, Content};
use super::faults::Faults;
use super::flight::{Flight, Ticket};
use super::namespace::{Errno, Inode, Namespace};
use super::rng::Rng;
use super::trace::{Event, Trace};
use super::{DEAD_ERRNO, SimHandle};
use crate::counters::Cell;
use crate::file::Handle;
use crate::{Arena, Class, Completion, Counters, File, IoError, PAGE, Result};

/// Pages of deleted files that are kept to appear as garbage.
const STALE_MAX: usize = 32;

/// What the disk keeps of a lane.
#[derive(Debug)]
pub(super) struct LaneState {
    pub(super) class: Class,
    pub(super) done: VecDeque<Completion>,
    /// Belongs to the process that runs now.
    pub(super) alive: bool,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) config: SimConfig,
    pub(super) rng: Rng,
    pub(super) clock: u64,
    pub(super) names: Namespace,
    pub(super) flight: Flight,
    pub(super) faults: Faults,
    pub(super) trace: Trace,
    pub(super) arena: Arc<Arena>,
    pub(super) counters: Arc<Counters>,
    pub(super) lanes: BTreeMap<u64, LaneState>,
    pub(super) next_lane: u64,
    /// Numbers operations as they are submitted; a file's history is told by them.
    pub(super) next_op: u64,
    /// Operations so far, as `crash_after` counts them.
    pub(super) operations: u64,
    pub(super) crash_at: Option<u64>,
    /// The process is dead and no new one was started.
    pub(super) halted: bool,
    /// One token a generation: what holds another is from a process that died. Its count is the number of open files.
    pub(super) session: Arc<()>,
    pub(super) generation: u64,
    /// Directories locked by the process that runs now.
    pub(super) locks: BTreeSet<Inode>,
    /// Files with a shared mapping.
    pub(super) mapped: Vec<Inode>,
    pub(super) stale: Vec<Arc<[u8; PAGE]>>,
}

pub(super) fn dead(op: &'static str, path: &Path) -> IoError {
    IoError::from_errno(op, path, None, DEAD_ERRNO)
        .with_hint("the process died (simulated): this handle belongs to it")
}

impl State {
    pub(super) fn new(seed: u64, config: SimConfig, arena: Arc<Arena>) -> Self {
        let trace = Trace::new(config.trace_events);
        Self {
            config,
            rng: Rng::new(seed),
            clock: 0,
            names: Namespace::new(),
            flight: Flight::default(),
            faults: Faults::default(),
            trace,
            arena,
            counters: Arc::default(),
            lanes: BTreeMap::new(),
            next_lane: 0,
            next_op: 1,
            operations: 0,
            crash_at: None,
            halted: false,
            session: Arc::default(),
            generation: 0,
            locks: BTreeSet::new(),
            mapped: Vec::new(),
            stale: Vec::new(),
        }
    }

    pub(super) fn cell(&self, lane: u64) -> Option<&Cell> {
        self.lanes.get(&lane).map(|l| self.counters.cell(l.class))
    }

    pub(super) fn new_op(&mut self) -> u64 {
        self.next_op += 1;
        self.next_op - 1
    }

    /// Counts an operation and says whether it may happen: past the cut set by `crash_after` the process is dead.
    pub(super) fn count_operation(&mut self) -> bool {
        if !self.halted && self.crash_at.is_some_and(|at| self.operations >= at) {
            self.halt();
        }
        self.operations += u64::from(!self.halted);
        !self.halted
    }

    pub(super) fn latency(&mut self) -> u64 {
        let (low, high) = (self.config.latency_min_ns, self.config.latency_max_ns);
        self.rng.between(low, high)
    }

    /// Starts an operation of the control plane: others in flight go on a little meanwhile, time passes, a fault may strike.
    pub(super) fn begin(&mut self, op: FaultOp, verb: &'static str, path: &Path) -> Result<()> {
        if self.flight.runnable() > 0 {
            for _ in 0..self.rng.below(4) {
                self.step();
            }
        }
        if !self.count_operation() {
            return Err(dead(verb, path));
        }
        self.clock += self.latency();
        self.names.op = self.new_op();
        let mut errno = self.faults.planned(op, path);
        if errno.is_none() && op == FaultOp::SyncDir {
            let inode = self.names.lookup(path).unwrap_or(0);
            errno = self.faults.random(op, inode, &self.config, &mut self.rng);
        }
        match errno {
            None => Ok(()),
            Some(errno) => {
                self.note(verb, Some(path), None, -i64::from(errno));
                Err(IoError::from_errno(verb, path, None, errno))
            }
        }
    }

    /// Ends an operation of the control plane.
    pub(super) fn end<T>(
        &mut self,
        verb: &'static str,
        path: &Path,
        result: std::result::Result<T, Errno>,
    ) -> Result<T> {
        let code = result.as_ref().map_or_else(|e| -i64::from(*e), |_| 0);
        self.note(verb, Some(path), None, code);
        result.map_err(|errno| IoError::from_errno(verb, path, None, errno))
    }

    pub(super) fn note(
        &mut self,
        what: &'static str,
        path: Option<&Path>,
        range: Option<(u64, u64)>,
        result: i64,
    ) {
        if self.trace.is_on() {
            self.trace.push(Event {
                operation: self.operations,
                clock: self.clock,
                what,
                path: path.map(Arc::from),
                range,
                result,
            });
        }
    }

    /// The file behind a handle, if the handle belongs to the process that runs.
    pub(super) fn handle<'f>(&self, verb: &'static str, file: &'f File) -> Result<&'f SimHandle> {
        let Handle::Sim(handle) = file.handle() else {
            unreachable!("a real file was given to a simulated disk")
        };
        if self.halted || !Arc::ptr_eq(&handle.session, &self.session) {
            return Err(dead(verb, file.path()));
        }
        Ok(handle)
    }

    pub(super) fn content(&self, inode: Inode) -> Option<&Content> {
        self.names.files.get(&inode).map(|f| &*f.content)
    }

    pub(super) fn content_mut(&mut self, inode: Inode) -> Option<&mut Content> {
        self.names.files.get_mut(&inode).map(|f| f.content_mut())
    }

    /// Bytes that files take on the simulated file system.
    pub(super) fn used(&self) -> u64 {
        let files = self.names.files.values().filter(|f| f.linked || f.is_open());
        files.map(|f| f.content.size.next_multiple_of(PAGE as u64)).sum()
    }

    /// The largest size, at most `want`, that a file can grow to.
    pub(super) fn size_allowed(&self, inode: Inode, want: u64) -> u64 {
        let size = self.content(inode).map_or(0, |c| c.size);
        let whole = size.next_multiple_of(PAGE as u64);
        if want <= whole {
            return want;
        }
        let free = self.config.capacity_bytes.saturating_sub(self.used());
        want.min(whole.saturating_add(free / PAGE as u64 * PAGE as u64))
    }

    /// Takes in what was stored through a file's mapping: pages `first..end`.
    pub(super) fn fold(&mut self, inode: Inode, first: u64, end: u64) {
        if self.mapped.is_empty() {
            return;
        }
        let Some(file) = self.names.files.get_mut(&inode) else {
            return;
        };
        let Some(map) = file.map.clone() else { return };
        let mut op = None;
        for page in first..end.min(map.pages() as u64) {
            let now = map.load(page as usize);
            if content::bytes(file.content.page(page)) != &now {
                let op = *op.get_or_insert_with(|| {
                    self.next_op += 1;
                    self.next_op - 1
                });
                file.content_mut().put(op, page, &content::slot(&now), 0xff);
            }
        }
    }

    /// Shows pages `first..end` of the file in its mapping.
    pub(super) fn unfold(&mut self, inode: Inode, first: u64, end: u64) {
        if self.mapped.is_empty() {
            return;
        }
        let Some(file) = self.names.files.get(&inode) else {
            return;
        };
        let Some(map) = &file.map else { return };
        for page in first..end.min(map.pages() as u64) {
            map.store(page as usize, content::bytes(file.content.page(page)));
        }
    }

    /// Forgets mappings that the engine has dropped, their last stores taken in.
    pub(super) fn drop_maps(&mut self, also_in_use: bool) {
        for inode in self.mapped.clone() {
            let map = self.names.files.get(&inode).and_then(|f| f.map.as_ref());
            if also_in_use || map.is_none_or(|m| Arc::strong_count(m) == 1) {
                self.fold(inode, 0, u64::MAX);
                if let Some(file) = self.names.files.get_mut(&inode) {
                    file.map = None;
                }
                self.mapped.retain(|i| *i != inode);
            }
        }
    }

    /// Frees files that nothing holds; a few of their pages stay on the medium as garbage for later.
    pub(super) fn collect(&mut self) {
        if self.config.garbage_in_grown_space {
            for file in self.names.files.values().filter(|f| !f.linked) {
                for page in file.content.pages.iter().flatten().take(4) {
                    let page = Arc::clone(page);
                    if self.stale.len() < STALE_MAX {
                        self.stale.push(page);
                    } else {
                        self.stale[self.operations as usize % STALE_MAX] = page;
                    }
                }
            }
        }
        self.names.collect();
    }

    /// Gives an operation's buffer back with what came of it.
    pub(super) fn answer(&mut self, ticket: Ticket, result: Result<usize>) {
        let Some(lane) = self.lanes.get_mut(&ticket.lane) else {
            return;
        };
        if result.is_err() {
            let failed = &self.counters.cell(lane.class).failed;
            failed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        lane.done.push_back(Completion { token: ticket.token, result, buf: ticket.op.into_buf() });
    }

    /// The process is dead from here on: everything in flight is answered so, and what it may still do to the disk is decided by the
    /// crash that must follow.
    pub(super) fn halt(&mut self) {
        self.halted = true;
        for ticket in self.flight.take_tickets() {
            let error = dead(ticket.op.verb(), ticket.op.file().path());
            self.answer(ticket, Err(error));
        }
        self.note("dead", None, None, 0);
    }
}
