//! What a run that panics leaves: where, what, and in which operation. And silence for runs that are tried again and again.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// A panic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// File and line: two runs that fail at one place are taken to fail for one reason.
    pub place: String,
    /// What it said.
    pub message: String,
    /// The operation of the run.
    pub operation: u64,
}

thread_local! {
    static MUTED: Cell<bool> = const { Cell::new(false) };
    static OPERATION: Cell<u64> = const { Cell::new(0) };
    static LAST: RefCell<Option<Failure>> = const { RefCell::new(None) };
}

/// Notes which operation of a run this thread is at.
pub fn at_operation(number: u64) {
    OPERATION.set(number);
}

/// Whether this thread's panics are to be silent.
#[must_use]
pub fn is_muted() -> bool {
    MUTED.get()
}

/// Runs `body`; its panic, if it does. With `muted`, nothing is printed.
pub fn catch<T>(muted: bool, body: impl FnOnce() -> T) -> Result<T, Failure> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let payload = info.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            let message = text.unwrap_or("(no text)").to_owned();
            // The first of several panics is the cause.
            LAST.with_borrow_mut(|last| {
                last.get_or_insert(Failure { place, message, operation: OPERATION.get() });
            });
            if !is_muted() {
                before(info);
            }
        }));
    });
    let was_muted = MUTED.replace(muted);
    LAST.take();
    let result = catch_unwind(AssertUnwindSafe(body));
    MUTED.set(was_muted);
    result.map_err(|_| {
        LAST.take().unwrap_or(Failure { place: String::new(), message: String::new(), operation: 0 })
    })
}
