//! What a child needs to know: the sizes and times of a run, and its task.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::data::KEY_BYTES;

/// Sizes and times, the same for all engines.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Knobs {
    /// Entries of a store.
    pub(crate) num: u64,
    /// Puts of the sustained fill.
    pub(crate) sustained_num: u64,
    pub(crate) value_bytes: usize,
    pub(crate) cache_bytes: u64,
    pub(crate) write_buffer_bytes: u64,
    /// What a process of the cold rows may use, page cache included.
    pub(crate) memory_limit: u64,
    pub(crate) cold_cache_bytes: u64,
    pub(crate) cold_write_buffer_bytes: u64,
    /// Time of a row that is not counted out.
    pub(crate) seconds: f64,
    /// Time after which a fill is cut off.
    pub(crate) cap_seconds: f64,
    /// Puts a second of the writer beside readers.
    pub(crate) write_rate: u64,
}

impl Knobs {
    /// Bytes of a key and a value.
    pub(crate) fn entry_bytes(&self) -> u64 {
        (KEY_BYTES + self.value_bytes) as u64
    }

    /// Bytes of all keys and values of a store.
    pub(crate) fn data_bytes(&self) -> u64 {
        self.num * self.entry_bytes()
    }
}

/// What one child does: some rows of one group with one engine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) knobs: Knobs,
    pub(crate) engine: String,
    /// Names of rows of one group; none: load the base store.
    pub(crate) rows: Vec<String>,
    /// An empty directory for stores of its own.
    pub(crate) dir: PathBuf,
    /// The store that all rounds share.
    pub(crate) base: PathBuf,
    /// Control group to enter first.
    pub(crate) cgroup: Option<PathBuf>,
    /// Random numbers differ between rounds, not between engines.
    pub(crate) round: u64,
}
