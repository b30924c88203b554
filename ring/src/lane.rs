//! Lanes: where operations are pushed, submitted and reaped.

use std::fmt;

use crate::{Class, Completion, Op, Result};

/// Who uses a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// One engine-owned thread, the one that uses it first (`SINGLE_ISSUER`, `DEFER_TASKRUN` where the kernel has them). Use from
    /// another thread is an error.
    Thread,
    /// Whoever holds it: any thread, one at a time, each leaving nothing in flight (rule R0).
    Pool,
}

/// What a lane is for.
#[derive(Debug, Clone, Copy)]
pub struct LaneSpec {
    /// Whose I/O it is, for the counters.
    pub class: Class,
    /// Most operations in flight, at least 1; rounded up to a power of two.
    pub depth: u32,
    /// Who uses it.
    pub owner: Owner,
}

/// A queue of operations to one disk, owned by one caller at a time.
///
/// Operations are *pushed* (queued in memory), *submitted* and *reaped*. On the kernel backend everything queued goes to the
/// kernel in the one `io_uring_enter` that also waits.
///
/// Inside a lane, never seen by callers: a short read or write is continued until it is whole (a read until the end of the
/// file); EINTR, EAGAIN and EBUSY are retried; a chain broken by a short write is finished as a chain of its rest.
///
/// Dropping a lane waits for what is in flight: only a completion frees a buffer.
pub trait Lane: Send + fmt::Debug {
    /// Queues one operation under `token`, which its completion carries.
    ///
    /// # Errors
    /// The operation back, if [`room`](Self::room) is 0.
    fn push(&mut self, token: u64, op: Op) -> std::result::Result<(), Op>;

    /// Queues `ops` as a chain: each starts only after the one before it succeeded in full; after a failure the rest
    /// complete with `ECANCELED`. All or none are queued, and they reach the kernel in one enter. Completions come in order.
    ///
    /// Returns false, and leaves `ops` alone, if [`room`](Self::room) is less than their number.
    ///
    /// # Panics
    /// If the chain is longer than the lane is deep.
    fn push_chain(&mut self, ops: &mut Vec<(u64, Op)>) -> bool;

    /// Submits what is queued, waits until `min` completions have arrived (or all that are in flight, if fewer; 0 does not
    /// wait), and moves every completion at hand to `out`. Returns how many.
    ///
    /// # Errors
    /// Only if the lane itself is broken. A failed operation is an `Err` in its completion.
    fn reap(&mut self, min: usize, out: &mut Vec<Completion>) -> Result<usize>;

    /// Submits what is queued without waiting for completions.
    ///
    /// # Errors
    /// Only if the lane itself is broken.
    fn submit(&mut self) -> Result<()>;

    /// Operations that can be pushed now.
    fn room(&self) -> usize;

    /// Operations pushed and not yet reaped.
    fn in_flight(&self) -> usize;

    /// Most operations in flight.
    fn depth(&self) -> usize;
}
