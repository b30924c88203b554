//! The plain backend: `preadv2`, `pwritev2`, `fdatasync`. For places where io_uring is forbidden, and as the control in
//! measurements. Operations run one after the other, in the order they were pushed, when the lane is submitted or reaped.

mod lane;

use std::sync::Arc;

pub(crate) use lane::SyscallLane;

use crate::{Arena, Caps, Counters, Disk, Lane, LaneSpec, Result, os};

/// A disk through plain system calls.
#[derive(Debug)]
pub struct SyscallDisk {
    arena: Arc<Arena>,
    counters: Arc<Counters>,
    degraded: Vec<String>,
}

impl SyscallDisk {
    /// A disk whose lanes use `arena`. `degraded` says why it was chosen, if not on request.
    #[must_use]
    pub fn new(arena: Arc<Arena>, degraded: Vec<String>) -> Arc<Self> {
        Arc::new(Self { arena, counters: Arc::default(), degraded })
    }
}

impl Disk for SyscallDisk {
    fn caps(&self) -> Caps {
        let features = vec!["preadv2", "pwritev2", "fdatasync"];
        Caps { backend: "system calls", features, degraded: self.degraded.clone() }
    }
    fn arena(&self) -> &Arc<Arena> {
        &self.arena
    }
    fn counters(&self) -> &Counters {
        &self.counters
    }
    fn lane(&self, spec: LaneSpec) -> Result<Box<dyn Lane>> {
        Ok(Box::new(lane::SyscallLane::new(Arc::clone(&self.counters), spec)))
    }
    os::os_calls!();
}
