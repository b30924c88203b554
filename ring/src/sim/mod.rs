//! A disk in memory that one seed decides: for tests of everything above this crate.
//!
//! A [`SimDisk`] answers the same [`Disk`](crate::Disk) and [`Lane`](crate::Lane) calls as the kernel backends. It completes
//! operations in any order, splits transfers, loses power, kills the process, fills up and fails, all by one seeded generator:
//! the same seed and the same calls give the same disk, bit for bit. `docs/simulation.md` describes the model at length; in short:
//!
//! # What is modelled
//!
//! * **Lanes.** Submitted operations of all lanes are in flight together. Each waiting call makes *steps*: the generator picks a
//!   runnable operation and moves all or part of its bytes. Parts of different operations interleave. A linked operation starts
//!   only after its predecessor succeeded in full; after a failure or a short read the rest is cancelled (`ECANCELED`), in order.
//!   Short transfers and EINTR/EAGAIN/EBUSY happen inside the lane and are only counted.
//! * **Bytes.** A completed write is visible. It is durable after a [`Sync`](crate::Op::Sync) of its file that *began* after it
//!   completed, or if it was a `dsync` write. A write still in flight may be visible, and even durable, in any part.
//! * **Power loss.** Of every 512-byte sector the durable bytes survive or those after any later write, independently of all
//!   other sectors; of a file's length the durable one or any later one. Space gained but not written durably holds zeros, or garbage
//!   if [`SimConfig::garbage_in_grown_space`].
//! * **Names.** Creations, renames and removals are visible at once and durable after
//!   [`sync_dir`](crate::Disk::sync_dir). At a power loss any subset of the others survives in which every survivor has all earlier changes of the
//!   same names; a rename survives with both halves or not at all. A file or directory without a surviving name is gone.
//! * **Mappings.** A shared mapping belongs to the disk: it survives the process. At a power loss its sectors are
//!   the durable ones, those of an earlier write-back, or the current ones.
//! * **Crashes.** [`SimDisk::process_death`] keeps all that completed; [`SimDisk::power_loss`] keeps what is durable and any legal part of
//!   the rest. Both may cut operations in flight anywhere. Handles, lanes, locks and mappings of the dead process fail from then on with
//!   errno [`DEAD_ERRNO`]; the same disk serves the next one. [`SimDisk::crash_after`] cuts at a counted operation,
//!   [`SimDisk::image`] takes power-loss images of a running disk without disturbing it.
//! * **Faults.** Errors by probability ([`SimConfig`]) or by plan ([`SimDisk::fail_next`]), the three known behaviours of a failed
//!   sync ([`SyncFailure`]), a full disk, too many open files, rot, misdirected and lost writes.
//!
//! # Threads and determinism
//!
//! Any thread may use it: one lock holds all state, and whoever waits makes the steps itself. Replay of a seed needs that one
//! thread makes all calls. No decision depends on addresses, hash order or wall time. The one exception in memory is a mapping,
//! whose bytes the engine stores without the disk's knowledge; the disk looks at them at fixed points only.

mod config;
mod content;
mod crash;
mod disk;
mod faults;
mod flight;
mod lane;
mod loss;
mod map;
mod namespace;
mod pending;
mod raw;
mod rng;
mod schedule;
mod state;
mod trace;
mod transfer;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use state::State;

pub use config::{FaultOp, FaultPlan, SimConfig, SyncFailure, Times};

use crate::{Arena, Counters, IoError};

/// The errno of every operation of a simulated process that died: `ESTALE`, which the simulation uses for nothing else.
pub const DEAD_ERRNO: i32 = libc::ESTALE;

/// What a file handle knows.
#[derive(Debug)]
pub(crate) struct SimHandle {
    /// The generation that it belongs to; counted for EMFILE.
    session: Arc<()>,
    inode: u64,
    write: bool,
    /// Keeps the file alive without a name.
    _hold: Arc<()>,
}

struct Shared {
    arena: Arc<Arena>,
    counters: Arc<Counters>,
    state: Mutex<State>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A seeded, deterministic disk in memory. See the module's documentation for the model.
///
/// ```
/// use ringwood_ring::{Arena, Class, Disk, LaneSpec, OpenOptions, Owner, SimConfig, SimDisk, copy_in, sync_file, write_exact};
/// # fn main() -> Result<(), ringwood_ring::IoError> {
/// let disk = SimDisk::new(42, SimConfig::default(), Arena::new(1 << 20)?);
/// let mut lane = disk.lane(LaneSpec { class: Class::Control, depth: 4, owner: Owner::Pool })?;
/// let path = std::path::Path::new("/a");
/// let file = disk.open(path, OpenOptions::CREATE)?;
/// let buf = copy_in(disk.arena(), &file, b"hello")?;
/// let len = buf.len();
/// write_exact(&mut *lane, &file, 0, buf, len)?;
/// sync_file(&mut *lane, &file, false)?;
/// disk.sync_dir(std::path::Path::new("/"))?;
///
/// disk.power_loss(7);
/// assert!(SimDisk::is_dead_error(&disk.len(&file).unwrap_err()));
/// assert_eq!(&disk.read_raw(path)?[..5], b"hello");
/// # Ok(())
/// # }
/// ```
pub struct SimDisk {
    shared: Arc<Shared>,
}

impl SimDisk {
    /// An empty disk with the root directory `/`. Relative paths start there too.
    #[must_use]
    pub fn new(seed: u64, config: SimConfig, arena: Arc<Arena>) -> Arc<Self> {
        Self::with(State::new(seed, config, arena))
    }

    fn with(state: State) -> Arc<Self> {
        let shared = Arc::new(Shared {
            arena: Arc::clone(&state.arena),
            counters: Arc::clone(&state.counters),
            state: Mutex::new(state),
        });
        Arc::new(Self { shared })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }

    /// Whether an error says that the simulated process is dead, rather than that an operation failed.
    #[must_use]
    pub fn is_dead_error(error: &IoError) -> bool {
        error.errno() == DEAD_ERRNO
    }

    /// Operations so far, since the disk was made: every effect of a lane's operation (a whole transfer, or each part of a split one, each
    /// half of a sync) and every call that opens, creates, names, sizes, locks, maps or lists.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Deaths so far: the generation that handles opened now belong to.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// The newest events, as [`SimConfig::trace_events`] allows: number of the operation, logical time, what, where, result.
    #[must_use]
    pub fn trace(&self) -> String {
        self.lock().trace.render()
    }

    /// Moves the logical clock on.
    pub fn advance(&self, nanoseconds: u64) {
        self.lock().clock += nanoseconds;
    }

    /// Changes the configuration from now on (the trace keeps its size).
    pub fn configure(&self, change: impl FnOnce(&mut SimConfig)) {
        change(&mut self.lock().config);
    }

    /// Sets the size of the file system. Files that are there already stay, even beyond it.
    pub fn set_capacity(&self, bytes: u64) {
        self.lock().config.capacity_bytes = bytes;
    }

    /// Makes an operation to come fail. Plans are asked in the order they were made; they outlive crashes.
    pub fn fail_next(&self, plan: FaultPlan) {
        self.lock().faults.add(plan);
    }

    /// How often a plan has struck so far.
    #[must_use]
    pub fn strikes(&self) -> u64 {
        self.lock().faults.strikes
    }

    /// Files that the running process has open.
    #[must_use]
    pub fn open_files(&self) -> usize {
        // The session's own reference is one of the count; the owner of the directory's lock has another.
        let state = self.lock();
        Arc::strong_count(&state.session) - 1
    }

    /// Forgets all plans, and heals what an error by chance broke for good.
    pub fn clear_faults(&self) {
        self.lock().faults.clear();
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        let (files, operations, generation) = (state.names.files.len(), state.operations, state.generation);
        write!(f, "SimDisk({files} files, {operations} operations, generation {generation})")
    }
}
