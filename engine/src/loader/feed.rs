//! Between a loader and its builder: chunks one way, what came of them the other.
//!
//! In production the builder has a thread of its own, which owns all I/O of the load (rule R0 of the ring crate: a caller leaves nothing in
//! flight). In the simulation it is called where chunks are sent.
//!
//! **Nothing outlives the store:** closing it [stops](Loading::stop) its loads, which removes their files while the directory is still ours.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use ringwood_ring::Gate;
use ringwood_sstable::prefetch;

use super::builder::{Builder, Unplaced};
use crate::store::Store;
use crate::tasks;
use crate::{Error, Result};

/// Bytes of a chunk, but for a single larger entry.
const CHUNK_BYTES: usize = 256 << 10;
/// Chunks of a loader: one is filled, one is made a table of, the others lie between. So a loader has a mebibyte beside its I/O buffers.
const CHUNKS: usize = 4;
/// Bytes in front of an entry: the lengths of key and value.
const ENTRY_HEADER: usize = 6;

/// How far ahead of an entry the builder has a chunk fetched: some entries.
const PREFETCH_BYTES: usize = 1 << 10;
/// Bytes of a cache line.
const LINE_BYTES: usize = 64;

/// Entries on their way, copied.
#[derive(Default)]
pub(super) struct Chunk {
    bytes: Vec<u8>,
    /// Where the last entry's key lies.
    last_at: usize,
    last_len: usize,
    /// Which keyspace of the loader it is for, in their order.
    pub(super) part: usize,
}

impl Chunk {
    /// Whether the entry fits; an empty chunk takes any.
    #[inline]
    pub(super) fn has_room(&self, key: &[u8], value: &[u8]) -> bool {
        self.bytes.is_empty() || self.bytes.len() + ENTRY_HEADER + key.len() + value.len() <= CHUNK_BYTES
    }

    /// Adds an entry within the limits.
    #[inline]
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve_exact(CHUNK_BYTES);
        }
        self.bytes.extend_from_slice(&(key.len() as u16).to_le_bytes());
        self.bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        (self.last_at, self.last_len) = (self.bytes.len(), key.len());
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
    }

    #[inline]
    pub(super) fn last_key(&self) -> Option<&[u8]> {
        (self.last_len > 0).then(|| &self.bytes[self.last_at..self.last_at + self.last_len])
    }

    /// Keys and values, in order.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            // Another core has just written it: far away, until it is asked for.
            prefetch(rest.as_ptr().wrapping_byte_add(PREFETCH_BYTES));
            prefetch(rest.as_ptr().wrapping_byte_add(PREFETCH_BYTES + LINE_BYTES));
            let (header, after) = rest.split_first_chunk::<ENTRY_HEADER>()?;
            let key_len = u16::from_le_bytes([header[0], header[1]]) as usize;
            let value_len = u32::from_le_bytes([header[2], header[3], header[4], header[5]]) as usize;
            let (key, after) = after.split_at(key_len);
            let (value, after) = after.split_at(value_len);
            rest = after;
            Some((key, value))
        })
    }

    fn clear(mut self) -> Self {
        self.bytes.clear();
        self.last_len = 0;
        // One large value must not hold its memory for the rest of the load.
        self.bytes.shrink_to(2 * CHUNK_BYTES);
        self
    }
}

/// One load under way, shared by the loader, its thread, and the store.
pub(crate) struct Loading {
    store: Arc<Store>,
    state: Mutex<State>,
    /// Where loader and builder wait for each other, and a closing store for both.
    gate: Gate,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct State {
    /// In the simulation: who makes tables of what is sent.
    inline: Option<Builder>,
    full: VecDeque<Chunk>,
    free: Vec<Chunk>,
    /// No more chunks come.
    is_ended: bool,
    /// The load is given up.
    is_stopped: bool,
    /// The loader is putting the tables in place.
    is_finishing: bool,
    /// What came of it, once the builder is gone.
    outcome: Option<Result<Vec<Unplaced>>>,
}

/// See [`Loading::finishing`].
pub(super) struct Finishing(Arc<Loading>);

impl Drop for Finishing {
    fn drop(&mut self) {
        self.0.lock().is_finishing = false;
        self.0.gate.notify();
    }
}

impl Loading {
    /// Begins a load, and its thread if the store has threads.
    pub(super) fn start(store: &Arc<Store>) -> Result<Arc<Self>> {
        let builder = Builder::new(store)?;
        let this = Arc::new(Self {
            store: Arc::clone(store),
            state: Mutex::new(State {
                free: (1..CHUNKS).map(|_| Chunk::default()).collect(),
                ..State::default()
            }),
            gate: Gate::new(),
            thread: Mutex::default(),
        });
        if store.background.stepper.is_some() {
            this.lock().inline = Some(builder);
        } else {
            let loading = Arc::clone(&this);
            let thread = tasks::spawn("ringwood-load".into(), move || loading.run(builder))?;
            *this.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        }
        // Checked behind the registration: a store that closes sees the load, or is seen.
        store.add_loading(&this);
        if let Err(error) = store.check_writable() {
            this.stop();
            return Err(error);
        }
        Ok(this)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over a chunk, and returns an empty one.
    pub(super) fn send(&self, chunk: Chunk) -> Result<Chunk> {
        let mut state = self.lock();
        if let Some(builder) = &mut state.inline {
            if let Err(error) = builder.take(&chunk) {
                state.inline = None;
                state.outcome = Some(Err(error.clone()));
                return Err(error);
            }
            return Ok(chunk.clear());
        }
        state.full.push_back(chunk);
        drop(state);
        self.gate.notify();
        let mut empty = None;
        self.gate.wait_until(|| {
            let mut state = self.lock();
            let is_over = state.outcome.is_some() || state.is_stopped;
            empty = if is_over { None } else { state.free.pop() };
            is_over || empty.is_some()
        });
        empty.ok_or_else(|| self.failure())
    }

    /// Ends the building, and returns what was built.
    pub(super) fn finish(&self) -> Result<Vec<Unplaced>> {
        let mut state = self.lock();
        if let Some(builder) = state.inline.take() {
            return builder.finish();
        }
        state.is_ended = true;
        drop(state);
        self.gate.notify();
        self.gate.wait_until(|| {
            let state = self.lock();
            state.outcome.is_some() || state.is_stopped
        });
        let outcome = self.lock().outcome.take();
        outcome.unwrap_or_else(|| Err(self.failure()))
    }

    /// From here on a closing store waits until the guard goes.
    pub(super) fn finishing(self: &Arc<Self>) -> Finishing {
        self.lock().is_finishing = true;
        Finishing(Arc::clone(self))
    }

    /// Gives the load up, unless it is through, and waits until nothing of it is left.
    pub(crate) fn stop(&self) {
        self.lock().is_stopped = true;
        self.gate.notify();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(thread.map(JoinHandle::join));
        let mut state = self.lock();
        drop(state.inline.take());
        // Tables that nobody asked for remove their files.
        drop(state.outcome.take());
        drop(state);
        self.gate.wait_until(|| !self.lock().is_finishing);
    }

    /// Why the load cannot go on.
    fn failure(&self) -> Error {
        let met = self.lock().outcome.as_ref().and_then(|outcome| outcome.as_ref().err().cloned());
        met.or_else(|| self.store.check_writable().err()).unwrap_or_else(Error::closed)
    }

    /// Body of the thread.
    fn run(&self, builder: Builder) {
        let built = catch_unwind(AssertUnwindSafe(|| self.build(builder)));
        let outcome = built.unwrap_or_else(|panic| Err(Error::thread_lost("load", &*panic)));
        self.lock().outcome = Some(outcome);
        self.gate.notify();
    }

    fn build(&self, mut builder: Builder) -> Result<Vec<Unplaced>> {
        while let Some(chunk) = self.next_chunk()? {
            builder.take(&chunk)?;
            self.lock().free.push(chunk.clear());
            self.gate.notify();
        }
        builder.finish()
    }

    /// The next chunk; `None` after the last.
    fn next_chunk(&self) -> Result<Option<Chunk>> {
        let mut next = None;
        self.gate.wait_until(|| {
            let mut state = self.lock();
            if state.is_stopped {
                next = Some(Err(Error::closed()));
            } else if let Some(chunk) = state.full.pop_front() {
                next = Some(Ok(Some(chunk)));
            } else if state.is_ended {
                next = Some(Ok(None));
            }
            next.is_some()
        });
        next.expect("waited for")
    }
}
