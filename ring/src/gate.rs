//! Where one thread waits for another's progress.
//!
//! A [`Gate`] is an event count: a waiter names a condition, a worker changes the state and opens the gate. In the
//! simulation there are no other threads: a gate then *steps* the background work itself until the condition holds, so
//! that one thread and one seed decide everything.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering, fence};
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::futex::{self, Timespec};

/// Makes one step of background work in the simulation. Returns false if there was nothing to do.
pub type Stepper = Arc<dyn Fn() -> bool + Send + Sync>;

/// See the module documentation. A notify with nobody waiting costs one fence and one load; else it and each wait are one system call, and
/// those who wake have no lock to queue up for.
#[derive(Default)]
pub struct Gate {
    waiters: AtomicUsize,
    /// Notifies that found someone waiting: what a waiter sleeps on.
    epoch: AtomicU32,
    stepper: Option<Stepper>,
}

impl Gate {
    /// A gate between threads.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A gate that steps background work itself instead of sleeping, if `stepper` is given.
    #[must_use]
    pub fn with_stepper(stepper: Option<Stepper>) -> Self {
        Self { stepper, ..Self::default() }
    }

    /// Waits until `condition` holds.
    ///
    /// # Panics
    /// In the simulation, if the condition does not hold and no step is left to make: a deadlock.
    pub fn wait_until(&self, mut condition: impl FnMut() -> bool) {
        if let Some(step) = &self.stepper {
            while !condition() {
                assert!(step() || condition(), "simulated deadlock: waiting, and no background work is left");
            }
            return;
        }
        self.wait_inner(&mut condition, None);
    }

    /// Waits until `condition` holds or `timeout` has passed (in the simulation: one step). Returns whether it holds.
    pub fn wait_timeout(&self, timeout: Duration, mut condition: impl FnMut() -> bool) -> bool {
        if let Some(step) = &self.stepper {
            return condition() || (step() && condition());
        }
        self.wait_inner(&mut condition, Some(timeout))
    }

    fn wait_inner(&self, condition: &mut dyn FnMut() -> bool, timeout: Option<Duration>) -> bool {
        if condition() {
            return true;
        }
        let timeout = timeout.and_then(|t| Timespec::try_from(t).ok());
        self.waiters.fetch_add(1, Ordering::SeqCst);
        // Pairs with the fence in `notify`, for conditions that load with less than SeqCst.
        fence(Ordering::SeqCst);
        let held = loop {
            // Before the condition: whoever makes it true afterwards moves the epoch on, and then we do not fall asleep.
            let epoch = self.epoch.load(Ordering::SeqCst);
            if condition() {
                break true;
            }
            let slept = futex::wait(&self.epoch, futex::Flags::PRIVATE, epoch, timeout.as_ref());
            if slept == Err(Errno::TIMEDOUT) {
                break condition();
            }
        };
        self.waiters.fetch_sub(1, Ordering::SeqCst);
        held
    }

    /// Wakes every waiter to look at its condition again. Call it after changing the state.
    pub fn notify(&self) {
        // Pairs with the SeqCst add in the waiter: either we see its count, or it sees our change.
        fence(Ordering::SeqCst);
        if self.waiters.load(Ordering::SeqCst) > 0 {
            self.epoch.fetch_add(1, Ordering::SeqCst);
            // It fails for no address that is ours.
            let _ = futex::wake(&self.epoch, futex::Flags::PRIVATE, i32::MAX as u32);
        }
    }

    /// Whether someone waits.
    #[must_use]
    pub fn has_waiters(&self) -> bool {
        self.waiters.load(Ordering::SeqCst) > 0
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gate({} waiting)", self.waiters.load(Ordering::Relaxed))
    }
}
