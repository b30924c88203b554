//! Counters that outlive a killed process: a small file, mapped shared.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::MmapMut;

/// Counters in a mapped file. A store to one is the kernel's from that moment, whatever happens to the process.
#[derive(Debug)]
pub struct Scoreboard {
    map: MmapMut,
}

impl Scoreboard {
    /// Opens the file, creating it with `slots` counters of 0 if it does not exist.
    ///
    /// # Panics
    /// If the file cannot be had.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "a test's own file")]
    pub fn open(path: &Path, slots: usize) -> Self {
        let mut options = std::fs::OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path);
        let file = file.expect("the scoreboard's file");
        file.set_len(slots as u64 * 8).expect("its length");
        // SAFETY: the file is the test's own and nobody shortens it; all access goes through the atomics below.
        let map = unsafe { MmapMut::map_mut(&file) }.expect("its mapping");
        Self { map }
    }

    fn slot(&self, i: usize) -> &AtomicU64 {
        assert!((i + 1) * 8 <= self.map.len(), "slot {i}");
        // SAFETY: the slot lies inside the mapping, which is aligned to pages and lives as long as the reference; every access to it in any
        // process is atomic.
        unsafe { AtomicU64::from_ptr(self.map.as_ptr().cast_mut().cast::<u64>().add(i)) }
    }

    /// Sets a counter.
    pub fn set(&self, slot: usize, value: u64) {
        self.slot(slot).store(value, Ordering::SeqCst);
    }

    /// Raises a counter.
    pub fn add(&self, slot: usize, value: u64) {
        self.slot(slot).fetch_add(value, Ordering::SeqCst);
    }

    /// A counter's value.
    #[must_use]
    pub fn get(&self, slot: usize) -> u64 {
        self.slot(slot).load(Ordering::SeqCst)
    }
}
