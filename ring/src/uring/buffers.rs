//! Registered buffers: chunk `i` of the arena is buffer `i` of every ring that has it.
//!
//! The ladder, best first; a rung that the kernel refuses is left for good and the reason noted:
//!
//! 1. **Clone with replacement** (6.13): a *master* ring, on which nothing is ever submitted, registers a chunk when it is
//!    first needed; other rings clone what they miss. The memory is pinned, and charged to the locked-memory limit, once.
//! 2. **Clone whole** (6.12): the same, but a ring can only clone into an empty table; so it empties its own first, and
//!    only while it is idle.
//! 3. **Per ring** (5.19): each ring registers each chunk for itself, and each is charged.
//! 4. **Plain:** unregistered memory. Everything works; the kernel pins pages for each operation.
//!
//! A chunk that does not fit the locked-memory limit stays plain on every rung; part of the limit is left for the rings
//! themselves. Any thread may call; the lock is held while a chunk is pinned, once a chunk and ring.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use io_uring::IoUring;
use io_uring::types::CloneBuffersFlags;

use super::kernel::OwnRing;
use super::refusal::name;
use crate::os::{Host, kib};
use crate::{Arena, Buf};

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

/// The state of one chunk in the master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    Fresh,
    Registered,
    Refused,
}

/// What all rings of a disk share about buffers.
pub(super) struct Registry {
    arena: Arc<Arena>,
    /// A copy of the rung, to be read without the lock.
    rung: AtomicU8,
    state: Mutex<State>,
}

struct State {
    master: Option<Arc<OwnRing>>,
    chunks: Vec<Chunk>,
    /// Bytes of locked memory still to be had for buffers; `None` where nothing limits it.
    budget: Option<u64>,
    limit: String,
    notes: Vec<String>,
}

/// What one ring knows: its side of the registry.
#[derive(Debug, Default)]
pub(super) struct Table {
    has_table: bool,
    /// Chunks in the ring's table.
    has: Vec<bool>,
    /// Chunks that this ring will not get.
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
        let mut state = State {
            chunks: vec![Chunk::Fresh; arena.chunk_count()],
            budget: host.lockable_bytes().map(|limit| limit - reserve(limit)),
            limit: host.memlock_phrase(),
            master: None,
            notes: Vec::new(),
        };
        let rung = try_rungs(best, &master, other, arena.chunk_count() as u32, &mut state.notes);
        state.master = (rung >= Rung::CloneWhole).then_some(master);
        Self { arena, rung: AtomicU8::new(rung as u8), state: Mutex::new(state) }
    }

    /// The rung stood on.
    pub(super) fn rung(&self) -> Rung {
        Rung::ALL[usize::from(self.rung.load(Relaxed))]
    }

    /// Why it is not the highest, and what does not fit.
    pub(super) fn notes(&self) -> Vec<String> {
        self.lock().notes.clone()
    }

    /// Chunks registered, of those in use.
    pub(super) fn registered(&self) -> (usize, usize) {
        let state = self.lock();
        let count = state.chunks.iter().filter(|&&c| c == Chunk::Registered).count();
        (count, self.arena.chunks_used())
    }

    /// The index by which `ring` knows the buffer's memory, made known to it now if that is possible. `idle`: the kernel holds
    /// no entry of the ring.
    pub(super) fn fixed(&self, table: &mut Table, ring: &IoUring, buf: &Buf, idle: bool) -> Option<u16> {
        if self.rung() == Rung::Plain {
            return None;
        }
        let chunk = buf.chunk_in(&self.arena)?;
        if table.has.get(chunk) != Some(&true) {
            if table.barred.get(chunk) == Some(&true) {
                return None;
            }
            self.make_known(table, ring, chunk, idle);
        }
        (table.has.get(chunk) == Some(&true)).then_some(chunk as u16)
    }

    #[cold]
    fn make_known(&self, table: &mut Table, ring: &IoUring, chunk: usize, idle: bool) {
        table.has.resize(self.arena.chunk_count(), false);
        table.barred.resize(self.arena.chunk_count(), false);
        let mut state = self.lock();
        match self.rung() {
            Rung::Plain => table.barred[chunk] = true,
            Rung::PerRing => self.register_in(&mut state, table, ring, chunk),
            rung => self.clone_into(&mut state, table, ring, chunk, rung, idle),
        }
    }

    /// Rungs 1 and 2.
    fn clone_into(
        &self,
        state: &mut State,
        table: &mut Table,
        ring: &IoUring,
        chunk: usize,
        rung: Rung,
        idle: bool,
    ) {
        if state.chunks[chunk] == Chunk::Fresh {
            state.chunks[chunk] = self.register_in_master(state, chunk);
        }
        let registered = state.chunks[chunk] == Chunk::Registered;
        let Some(master) = state.master.clone().filter(|_| registered) else {
            table.barred[chunk] = true;
            return;
        };
        let (from, submitter) = (master.as_raw_fd(), ring.submitter());
        let cloned = if !table.has_table {
            submitter.register_buffers_clone(from)
        } else if rung == Rung::CloneReplace {
            let at = chunk as u32;
            submitter.register_buffers_clone_offset(from, at, at, 1, CloneBuffersFlags::DST_REPLACE)
        } else if idle {
            table.has.fill(false);
            table.has_table = false;
            submitter.unregister_buffers().and_then(|()| submitter.register_buffers_clone(from))
        } else {
            return; // Plain for now; asked again with the next operation.
        };
        match cloned {
            Ok(()) if table.has_table => table.has[chunk] = true,
            Ok(()) => {
                table.has_table = true;
                for (has, state) in table.has.iter_mut().zip(&state.chunks) {
                    *has = *state == Chunk::Registered;
                }
            }
            Err(e) => {
                table.barred[chunk] = true;
                let why = name(e.raw_os_error().unwrap_or(libc::EIO));
                state.note(format!(
                    "a ring could not clone registered buffers ({why}): its operations use plain memory"
                ));
            }
        }
    }

    fn register_in_master(&self, state: &mut State, chunk: usize) -> Chunk {
        let registered = self.within_budget(state, |state| {
            let master = state.master.as_ref()?;
            Some(update(master, &self.arena, chunk))
        });
        if registered { Chunk::Registered } else { Chunk::Refused }
    }

    /// Rung 3.
    fn register_in(&self, state: &mut State, table: &mut Table, ring: &IoUring, chunk: usize) {
        if !table.has_table {
            if let Err(e) = ring.submitter().register_buffers_sparse(self.arena.chunk_count() as u32) {
                let why = name(e.raw_os_error().unwrap_or(libc::EIO));
                state.note(format!("a ring could not make a table of registered buffers ({why}): its operations use plain memory"));
                table.barred.fill(true);
                return;
            }
            table.has_table = true;
        }
        table.has[chunk] = self.within_budget(state, |_| Some(update(ring, &self.arena, chunk)));
        table.barred[chunk] = !table.has[chunk];
    }

    /// Registers a chunk if the locked-memory limit leaves room for it, and notes why not.
    fn within_budget(
        &self,
        state: &mut State,
        register: impl FnOnce(&State) -> Option<std::io::Result<()>>,
    ) -> bool {
        let bytes = self.arena.chunk_bytes() as u64;
        if state.budget.is_some_and(|left| left < bytes) {
            let note = format!(
                "{}, of which a part is kept for the rings: not all I/O memory ({}) can be registered, the rest is used \
                 unregistered; raise it (ulimit -l, LimitMEMLOCK= of systemd) to at least {}",
                state.limit,
                kib(self.arena.bytes_max() as u64),
                kib(self.arena.bytes_max() as u64 * 4 / 3 + (2 << 20)),
            );
            state.note(note);
            return false;
        }
        match register(state) {
            Some(Ok(())) => {
                state.budget = state.budget.map(|left| left - bytes);
                true
            }
            Some(Err(e)) => {
                let why = name(e.raw_os_error().unwrap_or(libc::EIO));
                let note = format!(
                    "registering {} of I/O memory failed with {why} ({}): it is used unregistered",
                    kib(bytes),
                    state.limit
                );
                state.note(note);
                false
            }
            None => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn stand_on(&self, rung: Rung) {
        self.rung.store(rung as u8, Relaxed);
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (registered, used) = self.registered();
        write!(f, "Registry({:?}, {registered} of {used} chunks)", self.rung())
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

/// Tries the rungs on empty tables, which pin nothing.
fn try_rungs(best: Rung, master: &IoUring, other: &IoUring, chunks: u32, notes: &mut Vec<String>) -> Rung {
    if best == Rung::Plain {
        return Rung::Plain;
    }
    let why = |e: &std::io::Error| name(e.raw_os_error().unwrap_or(libc::EIO));
    if let Err(e) = master.submitter().register_buffers_sparse(chunks) {
        notes.push(format!(
            "the kernel has no sparse tables of registered buffers ({}; 5.19): operations use plain memory",
            why(&e)
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
            why(&e)
        ));
        return Rung::PerRing;
    }
    let replace = CloneBuffersFlags::DST_REPLACE;
    match other.submitter().register_buffers_clone_offset(from, 0, 0, 1, replace) {
        Ok(()) => best,
        Err(_) => Rung::CloneWhole,
    }
}

/// Makes a chunk buffer number `chunk` of `ring`, which has a table.
fn update(ring: &IoUring, arena: &Arena, chunk: usize) -> std::io::Result<()> {
    let iovec = libc::iovec { iov_base: arena.chunk_ptr(chunk).cast(), iov_len: arena.chunk_bytes() };
    // SAFETY: the chunk is mapped while the arena lives, and the registry that holds the arena outlives every ring that it
    // registers with (each holds an Arc of it). The kernel pins the pages by itself; it writes to them only for operations,
    // whose buffers are owned by the lane.
    unsafe { ring.submitter().register_buffers_update(chunk as u32, &[iovec], None) }
}
