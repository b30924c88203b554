//! Signals as a flag that loops look at.
//!
//! The first SIGINT, SIGTERM or SIGHUP sets the flag; the command then ends as it would at its natural end: the store is
//! closed, temporary files are removed. A second one does not wait for that: the last-resort action runs (on the thread that
//! receives signals, not in a signal handler) and the process exits.

use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::failure::{Failure, Result};

type LastResort = Box<dyn FnOnce() + Send>;

/// Whether a signal asked for an end. Cheap to clone; any thread may ask.
#[derive(Clone, Default)]
pub(crate) struct Interrupt {
    number: Arc<AtomicI32>,
    last_resort: Arc<Mutex<Option<LastResort>>>,
}

impl Interrupt {
    /// Starts to catch signals.
    ///
    /// # Errors
    /// If the kernel refuses the handlers or the thread.
    pub(crate) fn install() -> Result<Self> {
        Self::install_for(&[SIGINT, SIGTERM, SIGHUP])
    }

    /// As [`install`](Self::install), for these signals.
    pub(crate) fn install_for(numbers: &[i32]) -> Result<Self> {
        let cannot = |e| Failure::store(format!("cannot catch signals: {e}"));
        let interrupt = Self::default();
        let mut signals = Signals::new(numbers).map_err(cannot)?;
        let seen = interrupt.clone();
        let catcher = move || {
            for number in signals.forever() {
                if seen.number.swap(number, Relaxed) != 0 {
                    seen.leave_at_once(number);
                }
            }
        };
        let builder = std::thread::Builder::new().name("signals".into());
        builder.spawn(catcher).map_err(cannot)?;
        Ok(interrupt)
    }

    /// Whether a signal asked for an end. One relaxed load.
    pub(crate) fn is_set(&self) -> bool {
        self.number.load(Relaxed) != 0
    }

    /// Fails if a signal asked for an end.
    pub(crate) fn check(&self) -> Result<()> {
        match self.number.load(Relaxed) {
            0 => Ok(()),
            number => Err(Failure::Signal(number)),
        }
    }

    /// Whether a signal asked for an end, and forgets it: for a shell, which goes on.
    pub(crate) fn take(&self) -> bool {
        self.number.swap(0, Relaxed) != 0
    }

    /// What a second signal does before the process exits, in place of what was set before.
    pub(crate) fn on_second(&self, action: Option<LastResort>) {
        *self.last_resort.lock().unwrap_or_else(PoisonError::into_inner) = action;
    }

    fn leave_at_once(&self, number: i32) -> ! {
        let action = self.last_resort.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(action) = action {
            action();
        }
        std::process::exit(128 + number);
    }
}
