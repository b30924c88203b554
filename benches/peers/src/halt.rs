//! Signals as a flag: the child under way is killed, and directories and groups go as at the natural end.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::Result;

/// Whether a signal asked for an end.
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
    /// Starts to catch signals.
    pub(crate) fn install() -> Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
        }
        Ok(Self(flag))
    }

    /// Fails if a signal asked for an end.
    pub(crate) fn check(&self) -> Result<()> {
        if self.0.load(Relaxed) { Err(Box::new(Stopped)) } else { Ok(()) }
    }
}
