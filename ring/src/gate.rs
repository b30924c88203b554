//! Where one thread waits for another's progress.
//!
//! A [`Gate`] is an event count: a waiter names a condition, a worker changes the state and opens the gate. In the
//! simulation there are no other threads: a gate then *steps* the background work itself until the condition holds, so
//! that one thread and one seed decide everything.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Makes one step of background work in the simulation. Returns false if there was nothing to do.
pub type Stepper = Arc<dyn Fn() -> bool + Send + Sync>;

/// See the module documentation. A notify with nobody waiting costs one fence and one load.
#[derive(Default)]
pub struct Gate {
    waiters: AtomicUsize,
    lock: Mutex<()>,
    opened: Condvar,
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
        self.waiters.fetch_add(1, Ordering::SeqCst);
        // Pairs with the fence in `notify`, for conditions that load with less than SeqCst.
        fence(Ordering::SeqCst);
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let held = loop {
            // Checked under the lock: a notifier that saw our count takes the lock before it wakes us.
            if condition() {
                break true;
            }
            match timeout {
                None => guard = self.opened.wait(guard).unwrap_or_else(PoisonError::into_inner),
                Some(t) => {
                    let (g, timed_out) =
                        self.opened.wait_timeout(guard, t).unwrap_or_else(PoisonError::into_inner);
                    guard = g;
                    if timed_out.timed_out() {
                        break condition();
                    }
                }
            }
        };
        drop(guard);
        self.waiters.fetch_sub(1, Ordering::SeqCst);
        held
    }

    /// Wakes every waiter to look at its condition again. Call it after changing the state.
    pub fn notify(&self) {
        // Pairs with the SeqCst add in the waiter: either we see its count, or it sees our change.
        fence(Ordering::SeqCst);
        if self.waiters.load(Ordering::SeqCst) > 0 {
            drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
            self.opened.notify_all();
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
