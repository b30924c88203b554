//! The cache's primitives (`src/sync.rs`), as loom has them.

pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
pub(crate) use loom::sync::{Arc, Mutex, MutexGuard};

use loom::sync::Condvar;
use ringwood_ring::Stepper;

/// loom's cell panics when two accesses, one of them a write, are not ordered.
pub(crate) struct Cell<T>(loom::cell::UnsafeCell<T>);

impl<T> Cell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::cell::UnsafeCell::new(value))
    }

    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        self.0.with(f)
    }

    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        self.0.with_mut(f)
    }
}

/// A frame's bytes, for loom's eyes.
pub(crate) struct Shadow(Cell<()>);

impl Shadow {
    pub(crate) fn new() -> Self {
        Self(Cell::new(()))
    }

    pub(crate) fn read(&self) {
        self.0.with(|_| ());
    }

    pub(crate) fn write(&self) {
        self.0.with_mut(|_| ());
    }
}

/// `ring::Gate` without its shortcut for the case that nobody waits, which is its own affair.
pub(crate) struct Gate {
    lock: Mutex<()>,
    opened: Condvar,
}

impl Gate {
    #[expect(clippy::needless_pass_by_value, reason = "as the real one has it")]
    pub(crate) fn with_stepper(stepper: Option<Stepper>) -> Self {
        assert!(stepper.is_none(), "the models have threads");
        Self { lock: Mutex::new(()), opened: Condvar::new() }
    }

    pub(crate) fn wait_until(&self, mut condition: impl FnMut() -> bool) {
        let mut guard = self.lock.lock().unwrap();
        while !condition() {
            guard = self.opened.wait(guard).unwrap();
        }
    }

    pub(crate) fn notify(&self) {
        drop(self.lock.lock().unwrap());
        self.opened.notify_all();
    }
}
