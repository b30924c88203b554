//! A pool of lanes, checked out for one call each.
//!
//! Threads that come and go use these: a lane of their own would cost a ring (its locked memory and descriptor) a
//! thread, and a thread-local one would need a destructor that waits for I/O.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::{Class, Disk, Lane, LaneSpec, Owner, Result};

/// Lanes of one kind, created as they are needed, at most `lanes_max` of them.
pub struct LanePool {
    disk: Arc<dyn Disk>,
    spec: LaneSpec,
    lanes_max: usize,
    checkouts: AtomicU64,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Box<dyn Lane>>,
    created: usize,
    /// Callers that sleep until a lane comes back: waking nobody would be a system call all the same.
    waiting: usize,
}

impl LanePool {
    /// A pool of up to `lanes_max` lanes, `depth` operations deep.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, class: Class, depth: u32, lanes_max: usize) -> Arc<Self> {
        let spec = LaneSpec { class, depth, owner: Owner::Pool };
        Arc::new(Self {
            disk,
            spec,
            lanes_max: lanes_max.max(1),
            checkouts: AtomicU64::new(0),
            state: Mutex::default(),
            returned: Condvar::new(),
        })
    }

    /// Takes a lane for one call; waits while all are out. When the kernel has no further ring to give, the pool goes on
    /// with those it has.
    ///
    /// # Errors
    /// If the pool has no lane at all and the kernel refuses the first.
    pub fn checkout(self: &Arc<Self>) -> Result<LaneGuard> {
        self.checkouts.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(lane) = state.idle.pop() {
                return Ok(LaneGuard { lane: Some(lane), pool: Arc::clone(self) });
            }
            if state.created < self.lanes_max {
                state.created += 1;
                drop(state);
                match self.disk.lane(self.spec) {
                    Ok(lane) => {
                        return Ok(LaneGuard { lane: Some(lane), pool: Arc::clone(self) });
                    }
                    Err(error) => {
                        state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                        state.created -= 1;
                        if state.created == 0 {
                            return Err(error);
                        }
                    }
                }
            }
            state.waiting += 1;
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
    }

    /// Lanes taken out so far: how often somebody had something to read. One relaxed load.
    #[must_use]
    pub fn checkouts(&self) -> u64 {
        self.checkouts.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for LanePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LanePool({:?}, at most {})", self.spec.class, self.lanes_max)
    }
}

/// A lane out of a [`LanePool`]; goes back when dropped, drained.
#[derive(Debug)]
pub struct LaneGuard {
    lane: Option<Box<dyn Lane>>,
    pool: Arc<LanePool>,
}

impl Deref for LaneGuard {
    type Target = dyn Lane;
    fn deref(&self) -> &Self::Target {
        &**self.lane.as_ref().expect("present until drop")
    }
}

impl DerefMut for LaneGuard {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut **self.lane.as_mut().expect("present until drop")
    }
}

impl Drop for LaneGuard {
    fn drop(&mut self) {
        let Some(mut lane) = self.lane.take() else { return };
        // Rule R0: a caller that gave up early (an error, a panic) leaves nothing in flight behind.
        let mut discarded = Vec::new();
        let mut broken = false;
        while !broken && lane.in_flight() > 0 {
            broken = lane.reap(lane.in_flight(), &mut discarded).is_err();
        }
        let mut state = self.pool.state.lock().unwrap_or_else(PoisonError::into_inner);
        if broken {
            state.created -= 1;
        } else {
            state.idle.push(lane);
        }
        let is_awaited = state.waiting > 0;
        drop(state);
        if is_awaited {
            self.pool.returned.notify_one();
        }
    }
}
