//! The kernel's ring behind [`Port`]. One of the few places with unsafe code: entries are built and pushed here.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use io_uring::types::{Fd, FsyncFlags, SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, opcode, squeue};
use memmap2::MmapOptions;

use super::buffers::{Registry, Table};
use super::build::{OwnRing, errno};
use super::fork::Process;
use super::port::{Call, Entered, Entry, FILLER, Port};
use super::setup::{Flag, Flags};
use crate::Buf;

/// Where a ring's entries are mapped (`IORING_OFF_SQES`), and their size: both fixed in the kernel's interface.
const SQES_OFFSET: u64 = 0x1000_0000;
const SQE_BYTES: usize = 64;
/// Where an entry keeps its tag (`user_data`).
const SQE_TAG_AT: usize = 32;

/// No lingering wait lasts longer than this before it is made anew.
const LINGER_TIMEOUT: Duration = Duration::from_secs(60);

/// How a ring waits.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Waits {
    /// Do not count the wait as I/O wait of the CPU (6.15).
    pub(super) no_iowait: bool,
    /// How long a lingering wait waits for more than one answer (6.12).
    pub(super) linger: Option<Duration>,
}

/// See the module documentation.
pub(super) struct KernelPort {
    ring: OwnRing,
    flags: Flags,
    is_polled: bool,
    is_disabled: bool,
    waits: Waits,
    /// Entries ever pushed: where the queue's end is.
    pushed: u32,
    table: Table,
    /// Dropped after `ring`, as registration demands: fields are dropped in order.
    registry: Arc<Registry>,
}

impl KernelPort {
    pub(super) fn new(ring: IoUring, flags: Flags, waits: Waits, registry: Arc<Registry>) -> Self {
        Self {
            is_polled: ring.params().is_setup_sqpoll(),
            ring: OwnRing::new(ring),
            is_disabled: flags.has(Flag::Disabled),
            flags,
            waits,
            pushed: 0,
            table: Table::default(),
            registry,
        }
    }

    /// The process that the ring works in.
    pub(super) fn process(&self) -> Process {
        self.ring.process()
    }

    /// Whether answers can appear without an enter by the owner.
    pub(super) fn completes_alone(&self) -> bool {
        !self.flags.has(Flag::DeferTaskrun)
    }

    /// Enables the ring if it is not yet, which makes the calling thread its owner (if it is for one thread).
    ///
    /// # Errors
    /// The errno of the registration.
    pub(super) fn enable(&mut self) -> Result<(), i32> {
        if self.is_disabled {
            self.ring.submitter().register_enable_rings().map_err(|e| errno(&e))?;
            self.is_disabled = false;
        }
        Ok(())
    }

    /// The crate's form of an entry.
    fn sqe(entry: &Entry) -> squeue::Entry {
        let fd = Fd(entry.fd);
        let sqe = match entry.call {
            Call::Read { span, offset } => {
                let addr = span.addr as *mut u8;
                match span.fixed {
                    Some(index) => opcode::ReadFixed::new(fd, addr, span.len, index).offset(offset).build(),
                    None => opcode::Read::new(fd, addr, span.len).offset(offset).build(),
                }
            }
            Call::Write { span, offset, dsync } => {
                let addr = span.addr as *const u8;
                let flags = if dsync { libc::RWF_DSYNC } else { 0 };
                match span.fixed {
                    Some(index) => opcode::WriteFixed::new(fd, addr, span.len, index)
                        .offset(offset)
                        .rw_flags(flags as _)
                        .build(),
                    None => {
                        opcode::Write::new(fd, addr, span.len).offset(offset).rw_flags(flags as _).build()
                    }
                }
            }
            Call::Sync { data_only: true } => opcode::Fsync::new(fd).flags(FsyncFlags::DATASYNC).build(),
            Call::Sync { data_only: false } => opcode::Fsync::new(fd).build(),
        };
        let flags = if entry.link { squeue::Flags::IO_LINK } else { squeue::Flags::empty() };
        sqe.flags(flags).user_data(entry.tag)
    }
}

impl Port for KernelPort {
    fn capacity(&self) -> usize {
        self.ring.params().sq_entries() as usize
    }

    fn queued(&mut self) -> usize {
        self.ring.submission().len()
    }

    fn is_polled(&self) -> bool {
        self.is_polled
    }

    fn fixed(&mut self, buf: &Buf, range: (usize, usize), idle: bool) -> Option<u16> {
        self.registry.fixed(&mut self.table, &self.ring, buf, range, idle)
    }

    unsafe fn push(&mut self, entry: &Entry) {
        let sqe = Self::sqe(entry);
        // SAFETY: the caller keeps memory and descriptor valid until the answer.
        let pushed = unsafe { self.ring.submission().push(&sqe) };
        assert!(pushed.is_ok(), "pushed to a full submission queue");
        self.pushed = self.pushed.wrapping_add(1);
    }

    fn blank(&mut self, count: usize) {
        assert!(!self.is_polled, "a polling thread may be reading the entries");
        let queued = self.queued();
        assert!(count <= queued, "blanking {count} of {queued} entries");
        let entries = self.capacity();
        // The crate gives no way to an entry once pushed. The kernel reads entries only in an enter, and copies what it
        // takes, so they can be changed through a mapping of our own; this is too rare to keep one.
        let map = MmapOptions::new()
            .offset(SQES_OFFSET)
            .len(entries * SQE_BYTES)
            .map_raw(self.ring.as_raw_fd())
            .unwrap_or_else(|e| {
                log::error!("a chain that the kernel split cannot be taken back ({e}): aborting");
                eprintln!("ringwood: a chain that the kernel split cannot be taken back ({e}): aborting");
                std::process::abort();
            });
        let mut noop = [0u8; SQE_BYTES];
        noop[SQE_TAG_AT..SQE_TAG_AT + 8].copy_from_slice(&FILLER.to_ne_bytes());
        let head = self.pushed.wrapping_sub(queued as u32) as usize;
        for at in head..head + count {
            let start = (at % entries) * SQE_BYTES;
            // SAFETY: `start + SQE_BYTES` lies inside the mapping of `entries` entries (a power of two, so that the wrap of
            // the 32-bit count does no harm); the kernel does not read them now, and this thread has the ring to itself.
            unsafe {
                map.as_mut_ptr().add(start).copy_from_nonoverlapping(noop.as_ptr(), SQE_BYTES);
            }
        }
        fence(Ordering::Release);
    }

    fn enter(&mut self, submit: bool, want: u32, linger: bool) -> Entered {
        let idle = Entered { called: false, result: Ok(()) };
        let hidden = self.has_hidden();
        let queued = self.queued();
        let to_submit = if submit { queued as u32 } else { 0 };
        let mut flags = EnterFlags::empty();
        if want > 0 || hidden {
            flags |= EnterFlags::GETEVENTS;
        }
        if self.is_polled {
            if self.ring.submission().need_wakeup() && queued > 0 {
                flags |= EnterFlags::SQ_WAKEUP;
            } else if want == 0 && !hidden {
                return idle;
            }
        } else if to_submit == 0 && flags.is_empty() {
            return idle;
        }
        if self.waits.no_iowait && want > 0 {
            flags |= EnterFlags::NO_IOWAIT;
        }
        let submitter = self.ring.submitter();
        let result = match self.waits.linger.filter(|_| linger) {
            Some(time) => {
                let timeout = Timespec::from(LINGER_TIMEOUT);
                let args = SubmitArgs::new().min_wait_usec(time.as_micros() as u32).timespec(&timeout);
                flags |= EnterFlags::EXT_ARG;
                // SAFETY: `args` is what EXT_ARG announces, and it and the timeout outlive the call.
                unsafe { submitter.enter(to_submit, want, flags.bits(), Some(&args)) }
            }
            // SAFETY: no argument is passed; all entries queued are valid by the contract of `push`.
            None => unsafe { submitter.enter::<libc::sigset_t>(to_submit, want, flags.bits(), None) },
        };
        Entered { called: true, result: result.map(drop).map_err(|e| errno(&e)) }
    }

    fn has_hidden(&mut self) -> bool {
        let quiet = self.flags.has(Flag::DeferTaskrun) || self.flags.has(Flag::CoopTaskrun);
        let queue = self.ring.submission();
        queue.cq_overflow() || queue.taskrun() || quiet && !self.flags.has(Flag::TaskrunFlag)
    }

    fn pop(&mut self) -> Option<(u64, i32)> {
        let entry = self.ring.completion().next()?;
        Some((entry.user_data(), entry.result()))
    }
}

impl std::fmt::Debug for KernelPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ring({} entries", self.capacity())?;
        self.flags.iter().try_for_each(|flag| write!(f, ", {}", flag.name()))?;
        write!(f, ")")
    }
}
