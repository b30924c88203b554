//! What kind of run it is, and the store's options and the disk's behaviour that go with it.

use std::str::FromStr;

use ringwood::{Compression, Durability, Options, SyncMode};
use ringwood_ring::{SimConfig, SyncFailure};

use crate::rng::Rng;

/// What may go wrong in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Nothing but crashes: no call fails, and after any crash what was promised is there.
    NoFaults,
    /// The same, with runs long enough to take compactions through all levels.
    Deep,
    /// Reads fail with EIO now and then: the call says so or gives the right answer.
    FailingReads,
    /// A sync fails, in each of the three ways that file systems know, once or for good: writes are refused from then on, reads go on, and
    /// after a reopening all that was acknowledged is there, also if the power fails after it.
    FailingSync,
    /// A write fails, having written any part.
    FailingWrite,
    /// An operation on names or sizes fails: create, open, rename, remove, allocate, truncate, list, map.
    FailingNames,
    /// The disk fills up and has space again: writes say `Full` meanwhile, and go on after.
    FullDisk,
    /// The process has no file descriptors left, and later has again.
    FewFiles,
    /// The medium rots and misdirects reads: an answer is right, or an error.
    Rot,
    /// A write goes nowhere or to another page, and is acknowledged: what is lost with it is noticed.
    Lies,
    /// All of these faults but rot and lies, several at a time, with crashes anywhere.
    Storm,
    /// The one thing that the plan names: for enumerations.
    Exact,
}

impl Mode {
    /// All modes that draw their faults by chance.
    pub const ALL: [Self; 11] = [
        Self::NoFaults,
        Self::Deep,
        Self::FailingReads,
        Self::FailingSync,
        Self::FailingWrite,
        Self::FailingNames,
        Self::FullDisk,
        Self::FewFiles,
        Self::Rot,
        Self::Lies,
        Self::Storm,
    ];

    /// Its name in commands.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoFaults => "no_faults",
            Self::Deep => "deep",
            Self::FailingReads => "failing_reads",
            Self::FailingSync => "failing_sync",
            Self::FailingWrite => "failing_write",
            Self::FailingNames => "failing_names",
            Self::FullDisk => "full_disk",
            Self::FewFiles => "few_files",
            Self::Rot => "rot",
            Self::Lies => "lies",
            Self::Storm => "storm",
            Self::Exact => "exact",
        }
    }

    /// Operations of a run.
    pub(super) fn operations(self, rng: &mut Rng) -> u64 {
        match self {
            Self::Exact => 60,
            Self::Deep => rng.within(1000..=2000),
            _ => rng.within(100..=600),
        }
    }

    /// Whether crashes come as they like. In the runs with one fault they come at set points, so that it stays clear what the fault did.
    pub(super) fn crashes_at_random(self) -> bool {
        matches!(
            self,
            Self::NoFaults
                | Self::Deep
                | Self::FailingReads
                | Self::FullDisk
                | Self::FewFiles
                | Self::Lies
                | Self::Storm
        )
    }

    pub(super) fn disk(self, rng: &mut Rng) -> SimConfig {
        let mut config =
            if self == Self::Exact || rng.one_in(4) { SimConfig::calm() } else { SimConfig::default() };
        config.garbage_in_grown_space = rng.one_in(2);
        config.direct_io = !rng.one_in(8);
        if rng.one_in(3) {
            (config.short_transfer, config.retry, config.slow) = (0.1, 0.1, 0.1);
        }
        config.sync_failure =
            *rng.pick(&[SyncFailure::KeepDirty, SyncFailure::MarkClean, SyncFailure::Revert]);
        match self {
            Self::FailingReads => config.read_error = 0.003,
            Self::Storm => config.read_error = *rng.pick(&[0.0, 0.001]),
            _ => {}
        }
        config
    }

    /// Tiny everywhere, so that a few hundred operations flush and compact through several levels and many segments of the log.
    pub(super) fn options(self, rng: &mut Rng) -> Options {
        let compression = if rng.one_in(3) { Compression::Lz4 } else { Compression::None };
        let sync_mode = *rng.pick(&[SyncMode::Auto, SyncMode::Chain, SyncMode::Dsync]);
        let segment = *rng.pick(&[64 << 10, 64 << 10, 128 << 10, 1 << 20]);
        Options::new()
            .memory(rng.within(8..=10) << 20)
            .cache_bytes(rng.within(128..=1024) << 10)
            .write_buffer_bytes(rng.within(16..=64) << 10)
            .table_bytes(rng.within(64..=128) << 10)
            .log_bytes(segment, *rng.pick(&[128 << 10, 128 << 10, 512 << 10]))
            .compaction_threads(rng.within(1..=3) as usize)
            .compression(compression)
            .sync_mode(sync_mode)
            .durability(*rng.pick(&[Durability::Synced, Durability::Buffered]))
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|m| m.name() == name).ok_or_else(|| {
            format!("there is no mode {name:?}; the modes are {}", Self::ALL.map(Self::name).join(", "))
        })
    }
}
