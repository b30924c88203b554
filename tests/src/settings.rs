//! Random option sets of a store on the real disk: whatever a user may set, from a seed.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use ringwood::{Compression, Db, Durability, IoChoice, Options, Result, SyncMode};
use ringwood_ring::{Arena, RegisteredBuffers, Restrict, UringConfig, UringDisk};

use crate::rng::Rng;

/// I/O memory of a disk that is configured by hand: enough for every budget that is drawn here.
const ARENA_BYTES: usize = 64 << 20;

/// Options of a store, and of the disk under it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The store's.
    pub options: Options,
    /// The ring's, where they are not the default: the store's own choice of a disk is passed over then.
    pub ring: Option<UringConfig>,
}

impl Settings {
    /// Draws a set: small buffers, so that flushes and compactions run all the time, and all else as it comes.
    #[must_use]
    pub fn draw(rng: &mut Rng) -> Self {
        let io = *rng.pick(&[IoChoice::Auto, IoChoice::Auto, IoChoice::Auto, IoChoice::Syscalls]);
        let mut options = Options::new()
            .memory(rng.within(8..=24) << 20)
            .write_buffer_bytes(rng.within(16..=256) << 10)
            .table_bytes(rng.within(64..=256) << 10)
            .compaction_threads(rng.within(1..=3) as usize)
            .compression(*rng.pick(&[Compression::None, Compression::Lz4]))
            .durability(*rng.pick(&[Durability::Synced, Durability::Buffered]))
            .sync_mode(*rng.pick(&[SyncMode::Auto, SyncMode::Chain, SyncMode::Dsync]))
            .io(io);
        if rng.one_in(2) {
            options = options.cache_bytes(rng.within(128..=4096) << 10);
        }
        if rng.one_in(2) {
            let segment = *rng.pick(&[64 << 10, 256 << 10, 1 << 20]);
            options = options.log_bytes(segment, *rng.pick(&[128 << 10, 512 << 10, 1 << 20]));
        }
        let ring = (io == IoChoice::Auto && rng.one_in(2)).then(|| UringConfig {
            sqpoll: rng.one_in(4).then_some(Duration::from_millis(2)),
            restrict: *rng.pick(&[Restrict::IfPossible, Restrict::Required, Restrict::Off]),
            buffers: *rng.pick(&[
                RegisteredBuffers::Shared,
                RegisteredBuffers::PerRing,
                RegisteredBuffers::Off,
            ]),
            linger: rng.one_in(2).then_some(Duration::from_micros(50)),
        });
        Self { options, ring }
    }

    /// Opens the store in `path`. Where io_uring is forbidden, the ring's options are passed over.
    ///
    /// # Errors
    /// As [`Options::open`].
    ///
    /// # Panics
    /// If there is no address space.
    pub fn open(&self, path: &Path) -> Result<Db> {
        if let Some(config) = &self.ring {
            let arena = Arena::new(ARENA_BYTES).expect("address space");
            if let Ok(disk) = UringDisk::new(arena, config.clone()) {
                return self.options.clone().open_on(disk, path, false);
            }
        }
        self.options.clone().open(path)
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.options)?;
        self.ring.as_ref().map_or(Ok(()), |ring| write!(f, " {ring:?}"))
    }
}
