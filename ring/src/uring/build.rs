//! Making rings, restricting them, and leaving them alone in a forked child.

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsRawFd, RawFd};

use io_uring::{IoUring, opcode, register::Restriction, squeue};

use super::fork::Process;
use super::setup::{Flag, Flags};

/// What to build besides the flags.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Build {
    pub(super) entries: u32,
    /// Poll the submission queue in the kernel, with a thread that sleeps after this many milliseconds.
    pub(super) sqpoll_ms: Option<u32>,
    /// A ring whose polling thread to share.
    pub(super) attach: Option<RawFd>,
    pub(super) restrict: bool,
}

impl Build {
    /// Makes a ring.
    ///
    /// # Errors
    /// The errno of setup or of registering the restrictions.
    pub(super) fn ring(self, flags: Flags) -> Result<IoUring, i32> {
        let mut builder = IoUring::builder();
        builder.dontfork();
        for flag in flags.iter() {
            match flag {
                Flag::Clamp => builder.setup_clamp(),
                Flag::Disabled => builder.setup_r_disabled(),
                Flag::SubmitAll => builder.setup_submit_all(),
                Flag::CoopTaskrun => builder.setup_coop_taskrun(),
                Flag::TaskrunFlag => builder.setup_taskrun_flag(),
                Flag::SingleIssuer => builder.setup_single_issuer(),
                Flag::DeferTaskrun => builder.setup_defer_taskrun(),
                Flag::NoSqarray => builder.setup_no_sqarray(),
            };
        }
        if let Some(idle) = self.sqpoll_ms {
            builder.setup_sqpoll(idle);
        }
        if let Some(fd) = self.attach {
            builder.setup_attach_wq(fd);
        }
        let ring = builder.build(self.entries).map_err(|e| errno(&e))?;
        if self.restrict {
            restrict(&ring)?;
        }
        Ok(ring)
    }
}

/// Registrations that a restricted ring may still make: enabling itself and all about buffers.
const REGISTER_ENABLE_RINGS: u8 = 12;
const REGISTER_BUFFERS: [u8; 4] = [1, 15, 16, 30];

/// Restricts a disabled ring, for good, to what a store needs.
fn restrict(ring: &IoUring) -> Result<(), i32> {
    let opcodes = [
        opcode::Nop::CODE,
        opcode::Read::CODE,
        opcode::ReadFixed::CODE,
        opcode::Write::CODE,
        opcode::WriteFixed::CODE,
        opcode::Fsync::CODE,
    ];
    let list = |registers: &[u8]| -> Vec<Restriction> {
        let operations = opcodes.iter().map(|&op| Restriction::sqe_op(op));
        let registers = registers.iter().map(|&op| Restriction::register_op(op));
        let flags = Restriction::sqe_flags_allowed(squeue::Flags::IO_LINK.bits());
        operations.chain(registers).chain([Restriction::register_op(REGISTER_ENABLE_RINGS), flags]).collect()
    };
    // A kernel that cannot clone does not know the registration either and refuses the list that names it.
    let submitter = ring.submitter();
    submitter
        .register_restrictions(&mut list(&REGISTER_BUFFERS))
        .or_else(|_| submitter.register_restrictions(&mut list(&REGISTER_BUFFERS[..3])))
        .map_err(|e| errno(&e))
}

/// A ring that knows its process: a forked child has its descriptor, but neither its mappings nor a right to it.
pub(super) struct OwnRing {
    ring: ManuallyDrop<IoUring>,
    process: Process,
}

impl OwnRing {
    pub(super) fn new(ring: IoUring) -> Self {
        Self { ring: ManuallyDrop::new(ring), process: Process::current() }
    }

    /// The process that made it.
    pub(super) fn process(&self) -> Process {
        self.process
    }
}

impl Deref for OwnRing {
    type Target = IoUring;
    fn deref(&self) -> &IoUring {
        &self.ring
    }
}

impl DerefMut for OwnRing {
    fn deref_mut(&mut self) -> &mut IoUring {
        &mut self.ring
    }
}

impl Drop for OwnRing {
    fn drop(&mut self) {
        if self.process.is_current() {
            // SAFETY: dropped once, here.
            unsafe { ManuallyDrop::drop(&mut self.ring) };
        }
        // In a forked child the queues' addresses may be something else by now: unmapping them would be wrong. The
        // descriptor goes with the child's end or its exec.
    }
}

impl std::fmt::Debug for OwnRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OwnRing({})", self.as_raw_fd())
    }
}

/// The errno of a failed call.
pub(super) fn errno(e: &std::io::Error) -> i32 {
    e.raw_os_error().unwrap_or(libc::EIO)
}
