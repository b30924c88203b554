//! Registered buffers: slice `i` of the arena is buffer `i` of every ring that has it.
//!
//! A slice is a huge page. Registering faults its memory in and pins it, so it is done slice by slice as they come into
//! use. With whole chunks of the arena (32 MiB) an empty store would hold all of the first, and its first operation would
//! wait for the kernel to clear it: some milliseconds on a quiet machine, over 100 ms seen on a loaded one.
//!
//! The ladder, best first; a rung that the kernel refuses is left for good and the reason noted:
//!
//! 1. **Clone with replacement** (6.13): a *master* ring, on which nothing is ever submitted, registers a slice when it is
//!    first needed; other rings clone what they miss. The memory is pinned, and charged to the locked-memory limit, once.
//! 2. **Clone whole** (6.12): the same, but a ring can only clone into an empty table; so it empties its own first, and
//!    only while it is idle.
//! 3. **Per ring** (5.19): each ring registers each slice for itself, and each is charged.
//! 4. **Plain:** unregistered memory. Everything works; the kernel pins pages for each operation.
//!
//! A slice that does not fit the locked-memory limit stays plain on every rung; part of the limit is left for the rings
//! themselves. Any thread may call; the lock is held while a slice is pinned, once a slice and ring.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use io_uring::IoUring;
use io_uring::types::CloneBuffersFlags;

use super::build::{OwnRing, errno};
use super::refusal::name;
use crate::os::{Host, kib};
use crate::{Arena, Buf};

/// Bytes of a slice, unless the arena is smaller or has more of them than a ring can have buffers.
const SLICE_BYTES: usize = 2 << 20;
/// Most buffers of a ring (`IORING_MAX_REG_BUFFERS`).
const SLICES_MAX: usize = 1 << 14;

/// How buffers are made known to rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Rung {
    Plain = 0,
    PerRing = 1,
    CloneWhole = 2,
    CloneReplace = 3,
}

impl Rung {
    const ALL: [Rung; 4] = [Rung::Plain, Rung::PerRing, Rung::CloneWhole, Rung::CloneReplace];

    pub(super) fn feature(self) -> &'static str {
        match self {
            Rung::Plain => "plain buffers",
            Rung::PerRing => "fixed buffers per ring",
            Rung::CloneWhole | Rung::CloneReplace => "fixed buffers cloned",
        }
    }
}

/// The state of one slice in the master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slice {
    Fresh,
    Registered,
    Refused,
}

/// What all rings of a disk share about buffers.
pub(super) struct Registry {
    arena: Arc<Arena>,
    slice_bytes: usize,
    slice_count: usize,
    /// Read without the lock.
    rung: AtomicU8,
    state: Mutex<State>,
}

struct State {
    master: Option<Arc<OwnRing>>,
    slices: Vec<Slice>,
    /// Bytes of locked memory still to be had for buffers; `None` where nothing limits it.
    budget: Option<u64>,
    limit: String,
    notes: Vec<String>,
}

/// What one ring knows: its side of the registry.
#[derive(Debug, Default)]
pub(super) struct Table {
    has_table: bool,
    /// Slices in the ring's table.
    has: Vec<bool>,
    /// Slices that this ring will not get.
    barred: Vec<bool>,
}

impl Registry {
    /// Finds the best rung from `best` down, by doing everything but pinning memory. `master` and `other` are two fresh
    /// rings; the first is kept.
    pub(super) fn new(
        arena: Arc<Arena>,
        best: Rung,
        master: Arc<OwnRing>,
        other: &IoUring,
        host: &Host,
    ) -> Self {
        // All are powers of two times a page, but the number of chunks; so slices divide chunks, and no buffer of up to a
        // slice crosses from one to the next.
        let fewest = arena.bytes_max().div_ceil(SLICES_MAX).next_power_of_two();
        let slice_bytes = SLICE_BYTES.max(fewest).min(arena.chunk_bytes());
        let slice_count = (arena.bytes_max() / slice_bytes).min(SLICES_MAX);
        let mut state = State {
            master: None,
            slices: vec![Slice::Fresh; slice_count],
            budget: host.lockable_bytes().map(|limit| limit - reserve(limit)),
            limit: host.memlock_phrase(),
            notes: Vec::new(),
        };
        let rung = try_rungs(best, &master, other, slice_count as u32, &mut state.notes);
        state.master = (rung >= Rung::CloneWhole).then_some(master);
        Self { arena, slice_bytes, slice_count, rung: AtomicU8::new(rung as u8), state: Mutex::new(state) }
    }

    /// The rung stood on.
    pub(super) fn rung(&self) -> Rung {
        Rung::ALL[usize::from(self.rung.load(Relaxed))]
    }

    /// Why it is not the highest, and what does not fit.
    pub(super) fn notes(&self) -> Vec<String> {
        self.lock().notes.clone()
    }

    /// The index by which `ring` knows the `len` bytes of `buf` from `from` on, made known to it now if that is possible.
    /// `idle`: the kernel holds no entry of the ring.
    pub(super) fn fixed(
        &self,
        table: &mut Table,
        ring: &IoUring,
        buf: &Buf,
        (from, len): (usize, usize),
        idle: bool,
    ) -> Option<u16> {
        if self.rung() == Rung::Plain || !buf.is_from(&self.arena) {
            return None;
        }
        let start = buf.as_ptr() as usize + from - self.arena.base_ptr() as usize;
        let slice = start / self.slice_bytes;
        if (start + len - 1) / self.slice_bytes != slice {
            return None; // Larger than a slice.
        }
        if table.has.get(slice) != Some(&true) {
            if slice >= self.slice_count || table.barred.get(slice) == Some(&true) {
                return None;
            }
            self.make_known(table, ring, slice, idle);
        }
        table.has[slice].then_some(slice as u16)
    }

    #[cold]
    fn make_known(&self, table: &mut Table, ring: &IoUring, slice: usize, idle: bool) {
        table.has.resize(self.slice_count, false);
        table.barred.resize(self.slice_count, false);
        let mut state = self.lock();
        match self.rung() {
            Rung::Plain => table.barred[slice] = true,
            Rung::PerRing => self.register_in(&mut state, table, ring, slice),
            rung => self.clone_into(&mut state, table, ring, slice, rung, idle),
        }
    }

    /// Rungs 1 and 2.
    fn clone_into(
        &self,
        state: &mut State,
        table: &mut Table,
        ring: &IoUring,
        slice: usize,
        rung: Rung,
        idle: bool,
    ) {
        let Some(master) = state.master.clone() else {
            return;
        };
        if state.slices[slice] == Slice::Fresh {
            let registered = self.within_budget(state, &master, slice);
            state.slices[slice] = if registered { Slice::Registered } else { Slice::Refused };
        }
        if state.slices[slice] == Slice::Refused {
            table.barred[slice] = true;
            return;
        }
        let (from, submitter) = (master.as_raw_fd(), ring.submitter());
        let cloned = if !table.has_table {
            submitter.register_buffers_clone(from)
        } else if rung == Rung::CloneReplace {
            // One call for all that the ring misses: the lowest to the highest, some of which it may have.
            let missing = |&i: &usize| state.slices[i] == Slice::Registered && !table.has[i];
            let low = (0..self.slice_count).find(missing).unwrap_or(slice);
            let high = (0..self.slice_count).rfind(missing).unwrap_or(slice);
            let (at, count) = (low as u32, (high - low + 1) as u32);
            submitter.register_buffers_clone_offset(from, at, at, count, CloneBuffersFlags::DST_REPLACE)
        } else if idle {
            table.has.fill(false);
            table.has_table = false;
            submitter.unregister_buffers().and_then(|()| submitter.register_buffers_clone(from))
        } else {
            return; // Plain for now; asked again with the next operation.
        };
        match cloned {
            Ok(()) => {
                table.has_table = true;
                for (has, state) in table.has.iter_mut().zip(&state.slices) {
                    *has = *state == Slice::Registered;
                }
            }
            Err(e) => {
                table.barred[slice] = true;
                let why = name(errno(&e));
                state.note(format!(
                    "a ring could not clone registered buffers ({why}): its operations use plain memory"
                ));
            }
        }
    }

    /// Rung 3.
    fn register_in(&self, state: &mut State, table: &mut Table, ring: &IoUring, slice: usize) {
        if !table.has_table {
            if let Err(e) = ring.submitter().register_buffers_sparse(self.slice_count as u32) {
                let why = name(errno(&e));
                state.note(format!(
                    "a ring could not make a table of registered buffers ({why}): its operations use plain memory"
                ));
                table.barred.fill(true);
                return;
            }
            table.has_table = true;
        }
        table.has[slice] = self.within_budget(state, ring, slice);
        table.barred[slice] = !table.has[slice];
    }

    /// Registers a slice if the locked-memory limit leaves room for it, and notes why not.
    fn within_budget(&self, state: &mut State, ring: &IoUring, slice: usize) -> bool {
        let bytes = self.slice_bytes as u64;
        if state.budget.is_some_and(|left| left < bytes) {
            let note = format!(
                "{}, of which a part is kept for the rings: not all I/O memory ({}) can be registered, the rest is \
                 used unregistered; raise it (ulimit -l, LimitMEMLOCK= of systemd) to at least {}",
                state.limit,
                kib(self.arena.bytes_max() as u64),
                kib(limit_for(self.arena.bytes_max() as u64)),
            );
            state.note(note);
            return false;
        }
        match self.update(ring, slice) {
            Ok(()) => {
                state.budget = state.budget.map(|left| left - bytes);
                true
            }
            Err(e) => {
                let note = format!(
                    "registering I/O memory failed with {} ({}): what could not be registered is used unregistered",
                    name(errno(&e)),
                    state.limit
                );
                state.note(note);
                false
            }
        }
    }

    /// Makes a slice buffer number `slice` of `ring`, which has a table.
    fn update(&self, ring: &IoUring, slice: usize) -> std::io::Result<()> {
        let iovec = libc::iovec {
            iov_base: self.arena.base_ptr().wrapping_add(slice * self.slice_bytes).cast(),
            iov_len: self.slice_bytes,
        };
        // SAFETY: the slice is mapped while the arena lives, and this registry, which holds the arena, outlives every ring
        // that it registers with (each port holds an Arc of it). The kernel pins the pages by itself; it writes to them only
        // for operations, whose buffers are owned by the lane.
        unsafe { ring.submitter().register_buffers_update(slice as u32, &[iovec], None) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let registered = self.lock().slices.iter().filter(|&&s| s == Slice::Registered).count();
        write!(f, "Registry({:?}, {registered} of {} slices)", self.rung(), self.slice_count)
    }
}

impl State {
    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// What buffers leave of a locked-memory limit for the rings themselves.
fn reserve(limit: u64) -> u64 {
    (limit / 4).max(1 << 20).min(limit)
}

/// The least limit (a round number) under which all of an arena is registered.
fn limit_for(arena_bytes: u64) -> u64 {
    (arena_bytes * 4).div_ceil(3).max(arena_bytes + (1 << 20)).next_multiple_of(1 << 20)
}

/// Tries the rungs on empty tables, which pin nothing.
fn try_rungs(best: Rung, master: &IoUring, other: &IoUring, slices: u32, notes: &mut Vec<String>) -> Rung {
    if best == Rung::Plain {
        return Rung::Plain;
    }
    if let Err(e) = master.submitter().register_buffers_sparse(slices) {
        notes.push(format!(
            "the kernel has no sparse tables of registered buffers ({}; 5.19): operations use plain memory",
            name(errno(&e))
        ));
        return Rung::Plain;
    }
    if best == Rung::PerRing {
        return Rung::PerRing;
    }
    let from = master.as_raw_fd();
    if let Err(e) = other.submitter().register_buffers_clone(from) {
        notes.push(format!(
            "the kernel cannot clone registered buffers ({}; 6.12): each ring registers, and is charged for, its own",
            name(errno(&e))
        ));
        return Rung::PerRing;
    }
    let replace = CloneBuffersFlags::DST_REPLACE;
    match other.submitter().register_buffers_clone_offset(from, 0, 0, 1, replace) {
        Ok(()) => best,
        Err(_) => Rung::CloneWhole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advised_limit_is_enough_and_little_less_is_not() {
        for mib in [1u64, 2, 8, 64, 1024, 65_536] {
            let arena = mib << 20;
            let limit = limit_for(arena);
            assert!(limit - reserve(limit) >= arena, "{mib} MiB");
            let less = limit - (2 << 20).min(limit / 2);
            assert!(less - reserve(less) < arena, "{mib} MiB");
        }
    }
}
