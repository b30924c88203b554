//! Lanes of the simulated disk.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::ThreadId;

use super::Shared;
use super::state::{LaneState, State, dead};
use crate::{Completion, IoError, IoErrorKind, Lane, LaneSpec, Op, Owner, Result};

pub(super) struct SimLane {
    shared: Arc<Shared>,
    id: u64,
    spec: LaneSpec,
    /// Who used it first (`Owner::Thread`), or who left operations in flight (`Owner::Pool`).
    thread: Option<ThreadId>,
    /// Token, operation, and whether the next one is linked to it.
    queued: Vec<(u64, Op, bool)>,
    /// Submitted and not reaped.
    outstanding: usize,
}

impl SimLane {
    pub(super) fn new(shared: &Arc<Shared>, state: &mut State, spec: LaneSpec) -> Self {
        let id = state.next_lane;
        state.next_lane += 1;
        let lane = LaneState { class: spec.class, done: std::collections::VecDeque::new(), alive: true };
        state.lanes.insert(id, lane);
        Self {
            shared: Arc::clone(shared),
            id,
            spec: LaneSpec { depth: spec.depth.max(1).next_power_of_two(), ..spec },
            thread: None,
            queued: Vec::new(),
            outstanding: 0,
        }
    }

    fn path(&self) -> &'static std::path::Path {
        std::path::Path::new("(lane)")
    }

    /// A lane of `Owner::Thread` belongs to its first user; one of `Owner::Pool` to whoever has operations in flight on it.
    fn check_thread(&mut self) -> Result<()> {
        let me = std::thread::current().id();
        let bound = match self.spec.owner {
            Owner::Thread => true,
            Owner::Pool => self.outstanding > 0,
        };
        if !bound || self.thread.is_none() {
            self.thread = Some(me);
        }
        if self.thread == Some(me) {
            return Ok(());
        }
        let hint = match self.spec.owner {
            Owner::Thread => "the lane belongs to another thread",
            Owner::Pool => "another thread has operations in flight on this lane (rule R0)",
        };
        Err(IoError::new("submit to", self.path(), IoErrorKind::Failed, hint))
    }

    /// The first use of an unbound lane binds it.
    fn bind(&mut self) {
        if self.thread.is_none() && self.spec.owner == Owner::Thread {
            self.thread = Some(std::thread::current().id());
        }
    }

    /// One call into the kernel: what is queued goes along.
    fn hand_over(&mut self, state: &mut State, waits: bool) {
        if self.queued.is_empty() && !waits {
            return;
        }
        state.counters.cell(self.spec.class).enters.fetch_add(1, Relaxed);
        self.outstanding += self.queued.len();
        state.submit(self.id, self.queued.drain(..));
    }

    fn is_alive(&self, state: &State) -> bool {
        !state.halted && state.lanes.get(&self.id).is_some_and(|l| l.alive)
    }

    fn at_hand(&self, state: &State) -> usize {
        state.lanes.get(&self.id).map_or(0, |l| l.done.len())
    }

    /// Runs the disk until `min` completions of this lane are at hand.
    fn wait(&self, state: &mut State, min: usize) {
        while self.at_hand(state) < min {
            let went_on = state.step();
            assert!(went_on || self.at_hand(state) >= min, "the simulated disk lost an operation");
        }
    }
}

impl Lane for SimLane {
    fn push(&mut self, token: u64, op: Op) -> std::result::Result<(), Op> {
        op.assert_aligned();
        if self.room() == 0 {
            return Err(op);
        }
        self.bind();
        self.queued.push((token, op, false));
        Ok(())
    }

    fn push_chain(&mut self, ops: &mut Vec<(u64, Op)>) -> bool {
        assert!(ops.len() <= self.depth(), "a chain of {} on a lane of depth {}", ops.len(), self.depth());
        if self.room() < ops.len() {
            return false;
        }
        for (_, op) in ops.iter() {
            op.assert_aligned();
        }
        self.bind();
        let last = ops.len().saturating_sub(1);
        let chain = ops.drain(..).enumerate();
        self.queued.extend(chain.map(|(i, (token, op))| (token, op, i != last)));
        let cell = self.shared.counters.cell(self.spec.class);
        cell.chains.fetch_add(1, Relaxed);
        true
    }

    fn reap(&mut self, min: usize, out: &mut Vec<Completion>) -> Result<usize> {
        self.check_thread()?;
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        let min = min.min(self.in_flight());
        let waits = self.at_hand(&state) < min;
        self.hand_over(&mut state, waits);
        if self.is_alive(&state) {
            let runnable = state.flight.runnable() as u64;
            if min == 0 && runnable > 0 {
                for _ in 0..state.rng.below(runnable + 1) {
                    state.step();
                }
            }
            self.wait(&mut state, min);
        }
        let dead_now = !self.is_alive(&state);
        let done = state.lanes.get_mut(&self.id).map(|l| std::mem::take(&mut l.done));
        let done = done.unwrap_or_default();
        drop(state);
        if done.is_empty() && dead_now {
            return Err(dead("reap from", self.path()));
        }
        let count = done.len();
        self.outstanding -= count;
        out.extend(done);
        Ok(count)
    }

    fn submit(&mut self) -> Result<()> {
        self.check_thread()?;
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        self.hand_over(&mut state, false);
        if !self.is_alive(&state) {
            return Err(dead("submit to", self.path()));
        }
        let runnable = state.flight.runnable() as u64;
        if runnable > 0 && state.rng.one_in(4) {
            for _ in 0..state.rng.below(runnable + 1) {
                state.step();
            }
        }
        Ok(())
    }

    fn room(&self) -> usize {
        self.depth() - self.in_flight()
    }

    fn in_flight(&self) -> usize {
        self.queued.len() + self.outstanding
    }

    fn depth(&self) -> usize {
        self.spec.depth as usize
    }
}

impl Drop for SimLane {
    fn drop(&mut self) {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        if self.is_alive(&state) {
            self.wait(&mut state, self.outstanding);
        }
        let lane = state.lanes.remove(&self.id);
        drop(state);
        drop(lane); // Buffers and files go back outside the lock.
    }
}

impl fmt::Debug for SimLane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimLane({:?}, {} in flight)", self.spec, self.in_flight())
    }
}
