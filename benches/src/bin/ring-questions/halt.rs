//! Signals as a flag: the turn under way ends, and the temporary directory goes as it would at the natural end.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::Result;

/// Whether a signal asked for an end. Any thread may ask.
#[derive(Debug, Clone)]
pub(crate) struct Halt(Arc<AtomicBool>);

/// A signal ended the run.
#[derive(Debug)]
pub(crate) struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped by a signal")
    }
}

impl std::error::Error for Stopped {}

impl Halt {
    /// Starts to catch signals. A second one ends the process at once.
    pub(crate) fn install() -> Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            flag::register_conditional_shutdown(signal, 130, Arc::clone(&flag))?;
            flag::register(signal, Arc::clone(&flag))?;
        }
        Ok(Self(flag))
    }

    /// One relaxed load.
    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// Fails if a signal asked for an end.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_set() { Err(Box::new(Stopped)) } else { Ok(()) }
    }
}
