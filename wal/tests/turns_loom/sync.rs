//! The atomics of `src/turns.rs`, as loom has them, and a gate.

pub(crate) use loom::sync::atomic::{AtomicU8, AtomicU64, Ordering, fence};
use loom::sync::{Condvar, Mutex};

/// `ring::Gate` without its shortcut for the case that nobody waits, which is its own affair.
///
/// loom takes sequentially consistent accesses for acquire and release alone. The fences stand for the order that those of the
/// conditions have among each other.
pub(crate) struct Gate {
    lock: Mutex<()>,
    opened: Condvar,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self { lock: Mutex::new(()), opened: Condvar::new() }
    }

    pub(crate) fn wait_until(&self, condition: impl Fn() -> bool) {
        let mut guard = self.lock.lock().unwrap();
        loop {
            fence(Ordering::SeqCst);
            if condition() {
                return;
            }
            guard = self.opened.wait(guard).unwrap();
        }
    }

    pub(crate) fn notify(&self) {
        fence(Ordering::SeqCst);
        drop(self.lock.lock().unwrap());
        self.opened.notify_all();
    }
}
