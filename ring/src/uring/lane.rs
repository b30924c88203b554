//! A lane on a ring: the core, and who may use it.

use std::thread::ThreadId;
use std::time::Duration;

use super::core::Core;
use super::kernel::KernelPort;
use super::refusal::{Refusal, ring_path};
use crate::os::Host;
use crate::{Completion, IoError, IoErrorKind, Lane, Op, Owner, Result};

/// How often, and how far apart, another thread than the owner looks whether the last operations are done.
const FOREIGN_LOOKS: u32 = 200;
const FOREIGN_PAUSE: Duration = Duration::from_millis(10);

/// See the module documentation.
#[derive(Debug)]
pub(super) struct UringLane {
    core: Core<KernelPort>,
    owner: Owner,
    /// The thread that a lane for one thread belongs to: the first that submitted or reaped.
    thread: Option<ThreadId>,
}

impl UringLane {
    pub(super) fn new(core: Core<KernelPort>, owner: Owner) -> Self {
        Self { core, owner, thread: None }
    }

    /// Whether the calling thread may use the ring; the first to ask becomes the owner of a ring for one thread.
    fn claim(&mut self) -> Result<()> {
        if !self.core.port.process().is_current() {
            let hint = "it was made before a fork, by the parent process; open the store anew in the child";
            return Err(IoError::new("use", ring_path(), IoErrorKind::Failed, hint));
        }
        if self.owner == Owner::Pool {
            return Ok(());
        }
        let caller = std::thread::current().id();
        match self.thread {
            Some(thread) if thread == caller => Ok(()),
            Some(thread) => {
                let hint = format!(
                    "it belongs to {thread:?}, which used it first, and this is {caller:?}; give each thread its own lane"
                );
                Err(IoError::new("use", ring_path(), IoErrorKind::Failed, hint))
            }
            None => {
                let refused = |errno| Refusal::Register("enable rings", errno).into_error(&Host::read());
                self.core.port.enable().map_err(refused)?;
                self.thread = Some(caller);
                Ok(())
            }
        }
    }

    /// Another thread than the owner drops the lane with operations in flight. It cannot wait in the kernel, only look
    /// whether answers appear.
    #[allow(clippy::disallowed_methods, reason = "no gate is notified by the kernel")]
    fn drain_from_outside(&mut self) {
        for _ in 0..FOREIGN_LOOKS {
            self.core.discard_answers();
            if self.core.taken() == 0 || !self.core.port.completes_alone() {
                break;
            }
            std::thread::sleep(FOREIGN_PAUSE);
        }
        if self.core.taken() > 0 {
            log::error!(
                "a lane of another thread was dropped with {} operations in flight that only that thread could wait for: \
                 their buffers are given up",
                self.core.taken()
            );
            self.core.leak();
        }
    }
}

impl Lane for UringLane {
    fn push(&mut self, token: u64, op: Op) -> std::result::Result<(), Op> {
        self.core.push(token, op)
    }

    fn push_chain(&mut self, ops: &mut Vec<(u64, Op)>) -> bool {
        self.core.push_chain(ops)
    }

    fn reap(&mut self, min: usize, out: &mut Vec<Completion>) -> Result<usize> {
        self.claim()?;
        self.core.reap(min, out)
    }

    fn submit(&mut self) -> Result<()> {
        self.claim()?;
        self.core.submit()
    }

    fn room(&self) -> usize {
        self.core.room()
    }

    fn in_flight(&self) -> usize {
        self.core.in_flight()
    }

    fn depth(&self) -> usize {
        self.core.depth()
    }
}

impl Drop for UringLane {
    fn drop(&mut self) {
        if !self.core.port.process().is_current() {
            // The parent's operations: their memory is not mapped here, and the parent waits for them.
            self.core.leak();
        } else if self.core.taken() > 0 {
            let caller = std::thread::current().id();
            if self.owner == Owner::Thread && self.thread != Some(caller) {
                self.drain_from_outside();
            } else {
                self.core.drain();
            }
        }
    }
}
