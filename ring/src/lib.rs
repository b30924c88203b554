//! The one way to the disk.
//!
//! Everything above this crate (log, tables, engine) reaches files, time and randomness only through the
//! [`Disk`] trait and the [`Lane`]s it hands out. Three backends stand behind it:
//!
//! | backend | what it is | when |
//! |---|---|---|
//! | [`UringDisk`] | io_uring rings, registered buffers, linked chains | the default |
//! | [`SyscallDisk`] | `preadv2`/`pwritev2`/`fdatasync` | where io_uring is forbidden, or on request |
//! | [`SimDisk`] | a seeded, deterministic disk in memory, with faults | tests |
//!
//! # Rules that hold everywhere
//!
//! 1. **Buffers are owned.** An [`Op`] takes its [`Buf`] by value; only its [`Completion`] gives it back.
//! 2. **R0: nothing that a user's thread submits is in flight when its call returns.** Only threads that the
//!    engine owns keep I/O across calls, since a request dies with the thread that submitted it.
//! 3. **A chain is all-or-nothing:** published in one go, never split over two enters.
//! 4. **Errors keep operation, file, offset and errno** ([`IoError`]). EINTR, EAGAIN, EBUSY, short transfers, CQ
//!    overflow and a full SQ are handled inside the lane and never reach the caller.
//! 5. **Offsets, lengths and buffers are multiples of [`PAGE`]** for every read and write.

mod arena;
mod choice;
mod control;
mod counters;
mod disk;
mod error;
mod file;
mod gate;
mod lane;
pub mod machine;
mod map;
mod op;
mod os;
mod pool;
pub mod probe;
pub mod sim;
mod syscall;
mod uring;

pub use arena::{Arena, ArenaFull, Buf};
pub use choice::{IoChoice, open_disk};
pub use control::{copy_in, read_exact, read_file, sync_file, write_exact};
pub use counters::{Class, ClassCounts, Counters, CountsSnapshot};
pub use disk::{Caps, Create, DirLock, Disk, OpenOptions, Space};
pub use error::{IoError, IoErrorKind, Result};
pub use file::File;
pub use gate::{Gate, Stepper};
pub use lane::{Lane, LaneSpec, Owner};
pub use map::SharedMap;
pub use op::{Completion, Op};
pub use pool::{LaneGuard, LanePool};
pub use sim::{DEAD_ERRNO, FaultOp, FaultPlan, SimConfig, SimDisk, SyncFailure, Times};
pub use syscall::SyscallDisk;
pub use uring::{RegisteredBuffers, Restrict, UringConfig, UringDisk};

/// The unit of every transfer: offsets, lengths and buffer addresses are multiples of it. 4096 bytes covers the
/// logical block of every common device; a file whose direct I/O wants more is opened without `O_DIRECT`.
pub const PAGE: usize = 4096;

/// Rounds `bytes` up to a whole number of [`PAGE`]s.
///
/// ```
/// assert_eq!(ringwood_ring::page_ceil(1), 4096);
/// assert_eq!(ringwood_ring::page_ceil(8192), 8192);
/// ```
#[must_use]
pub const fn page_ceil(bytes: usize) -> usize {
    bytes.div_ceil(PAGE) * PAGE
}
