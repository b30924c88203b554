//! What kind of run it is, and the store's options and the disk's behaviour that go with it.

use ringwood::{Compression, Durability, Options, SyncMode};
use ringwood_ring::{SimConfig, SyncFailure};
use ringwood_tests::rng::Rng;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    NoFaults,
    Deep,
    FailingReads,
    FailingSync,
    FailingWrite,
    FailingNames,
    FullDisk,
    Rot,
}

impl Mode {
    /// Operations of a run.
    pub(crate) fn operations(self, rng: &mut Rng) -> u64 {
        match self {
            Mode::Deep => 3000,
            _ => rng.within(100..=600),
        }
    }

    /// Whether crashes come as they like. In the runs with faults they come at set points, so that it stays clear what the fault did.
    pub(crate) fn crashes_at_random(self) -> bool {
        matches!(self, Mode::NoFaults | Mode::Deep | Mode::FailingReads | Mode::FullDisk)
    }

    pub(crate) fn disk(self, rng: &mut Rng) -> SimConfig {
        let mut config = if rng.one_in(4) { SimConfig::calm() } else { SimConfig::default() };
        config.garbage_in_grown_space = rng.one_in(2);
        config.direct_io = !rng.one_in(8);
        if rng.one_in(3) {
            (config.short_transfer, config.retry, config.slow) = (0.1, 0.1, 0.1);
        }
        config.sync_failure =
            *rng.pick(&[SyncFailure::KeepDirty, SyncFailure::MarkClean, SyncFailure::Revert]);
        if self == Mode::FailingReads {
            config.read_error = 0.003;
        }
        if ringwood_tests::seeds::number("RINGWOOD_SEED").is_some() {
            config.trace_events = 20_000;
        }
        config
    }

    /// Tiny everywhere, so that a few hundred operations flush and compact through several levels.
    pub(crate) fn options(self, rng: &mut Rng) -> Options {
        let compression = if rng.one_in(3) { Compression::Lz4 } else { Compression::None };
        let sync_mode = *rng.pick(&[SyncMode::Auto, SyncMode::Chain, SyncMode::Dsync]);
        Options::new()
            .memory(rng.within(8..=10) << 20)
            .cache_bytes(rng.within(128..=1024) << 10)
            .write_buffer_bytes(rng.within(16..=64) << 10)
            .table_bytes(rng.within(64..=128) << 10)
            .compaction_threads(rng.within(1..=3) as usize)
            .compression(compression)
            .sync_mode(sync_mode)
            .durability(*rng.pick(&[Durability::Synced, Durability::Buffered]))
    }
}
