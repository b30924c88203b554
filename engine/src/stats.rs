//! What a store has done and holds: for `stats`, benches, and the curious.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use ringwood_ring::{Caps, Class, CountsSnapshot};
use ringwood_sstable::CacheStats;
use ringwood_wal::WalStats;

use crate::compaction::{Limits, waiting_bytes};
use crate::store::Store;
use crate::tree::Tree;
use crate::version::TableHandle;

/// Running totals.
#[derive(Default)]
pub(crate) struct Totals {
    pub(crate) user_bytes: AtomicU64,
    pub(crate) flush_bytes: AtomicU64,
    pub(crate) flushes: AtomicU64,
    pub(crate) flush_failures: AtomicU64,
    pub(crate) compactions: AtomicU64,
    pub(crate) compaction_failures: AtomicU64,
    pub(crate) compaction_read_bytes: AtomicU64,
    pub(crate) compaction_write_bytes: AtomicU64,
    pub(crate) loads: AtomicU64,
    pub(crate) load_bytes: AtomicU64,
    pub(crate) stall_ns: AtomicU64,
}

/// One level of a tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LevelStats {
    /// Number of tables.
    pub tables: usize,
    /// Bytes of their files.
    pub bytes: u64,
    /// Entries, versions and tombstones included.
    pub entries: u64,
    /// Tombstones.
    pub tombstones: u64,
}

/// One keyspace.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct KeyspaceStats {
    /// Its name.
    pub name: String,
    /// Levels from 0 down.
    pub levels: Vec<LevelStats>,
    /// Memtables: the active one and those that wait for their flush.
    pub memtables: usize,
    /// Their bytes.
    pub memtable_bytes: u64,
    /// Bytes that wait for a compaction: level 0 as a whole once it is due, and what deeper levels hold beyond their targets. What compactions
    /// under way work on is counted until they are through.
    pub pending_compaction_bytes: u64,
}

/// Memory by purpose, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryStats {
    /// The budget.
    pub budget: u64,
    /// Frames of the block cache and their metadata.
    pub cache: u64,
    /// Memtables.
    pub memtables: u64,
    /// Indexes and filters of open tables.
    pub tables: u64,
    /// What they may have at most, with the cache at its smallest.
    pub tables_max: u64,
    /// What they have beyond that: so much is the budget exceeded.
    pub tables_excess: u64,
    /// I/O buffers of the log and of jobs, without the cache's frames.
    pub io_buffers: u64,
}

/// See [`Db::stats`](crate::Db::stats). `Display` prints it as a readable table.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Stats {
    /// The way to the disk and what it can do.
    pub caps: Caps,
    /// I/O by class since the store was opened.
    pub io: CountsSnapshot,
    /// The block cache.
    pub cache: CacheStats,
    /// The write-ahead log.
    pub wal: WalStats,
    /// Keyspaces, in the order of their creation.
    pub keyspaces: Vec<KeyspaceStats>,
    /// Memory by purpose.
    pub memory: MemoryStats,
    /// Keys and values accepted, in bytes.
    pub user_bytes: u64,
    /// Tables written by flushes, in bytes.
    pub flush_bytes: u64,
    /// Memtables flushed.
    pub flushes: u64,
    /// Flushes that failed, each of which is tried again after half a second.
    pub flush_failures: u64,
    /// Why the last flush failed, until one succeeds.
    pub flush_error: Option<String>,
    /// Compactions done.
    pub compactions: u64,
    /// Compactions that failed. All but those that a caller waits for are tried again after half a second.
    pub compaction_failures: u64,
    /// Read by compactions, in bytes.
    pub compaction_read_bytes: u64,
    /// Written by compactions, in bytes.
    pub compaction_write_bytes: u64,
    /// Loads that took effect.
    pub loads: u64,
    /// Tables written by them, in bytes.
    pub load_bytes: u64,
    /// Time that writers were held back, in nanoseconds, all writers added up.
    pub stall_ns: u64,
}

impl Stats {
    /// Bytes written to the disk for each byte accepted, the log included. 0 before the first write.
    #[must_use]
    pub fn write_amplification(&self) -> f64 {
        if self.user_bytes == 0 {
            return 0.0;
        }
        self.io.total().write_bytes as f64 / self.user_bytes as f64
    }

    /// Bytes of all tables and of the log on disk.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        let tables: u64 = self.keyspaces.iter().flat_map(|k| &k.levels).map(|l| l.bytes).sum();
        tables + self.wal.disk_bytes
    }

    /// Bytes that wait for a compaction, in all keyspaces. Writers are slowed in proportion once it is much.
    #[must_use]
    pub fn pending_compaction_bytes(&self) -> u64 {
        self.keyspaces.iter().map(|k| k.pending_compaction_bytes).sum()
    }
}

impl Store {
    pub(crate) fn stats(&self) -> Stats {
        let keyspaces: Vec<KeyspaceStats> =
            self.trees.load().values().map(|tree| keyspace_stats(tree, self.limits)).collect();
        let cache = self.cache.stats();
        let memtables = keyspaces.iter().map(|k| k.memtable_bytes).sum();
        let arena = self.disk.arena().allocated() as u64;
        let memory = MemoryStats {
            budget: self.budget.memory,
            cache: cache.bytes_used + cache.metadata_bytes,
            memtables,
            tables: cache.tables_bytes,
            tables_max: self.budget.tables_max(),
            tables_excess: cache.tables_excess,
            io_buffers: arena.saturating_sub(cache.bytes_used + cache.tables_in_arena),
        };
        let t = &self.totals;
        Stats {
            caps: self.disk.caps(),
            io: self.disk.counters().snapshot(),
            cache,
            wal: self.log.stats(),
            keyspaces,
            memory,
            user_bytes: t.user_bytes.load(Relaxed),
            flush_bytes: t.flush_bytes.load(Relaxed),
            flushes: t.flushes.load(Relaxed),
            flush_failures: t.flush_failures.load(Relaxed),
            flush_error: self.background.flush_error().map(|e| e.to_string()),
            compactions: t.compactions.load(Relaxed),
            compaction_failures: t.compaction_failures.load(Relaxed),
            compaction_read_bytes: t.compaction_read_bytes.load(Relaxed),
            compaction_write_bytes: t.compaction_write_bytes.load(Relaxed),
            loads: t.loads.load(Relaxed),
            load_bytes: t.load_bytes.load(Relaxed),
            stall_ns: t.stall_ns.load(Relaxed),
        }
    }
}

fn keyspace_stats(tree: &Tree, limits: Limits) -> KeyspaceStats {
    let view = tree.view_owned();
    let level = |tables: &Vec<Arc<TableHandle>>| LevelStats {
        tables: tables.len(),
        bytes: tables.iter().map(|t| t.meta.bytes).sum(),
        entries: tables.iter().map(|t| t.meta.entries).sum(),
        tombstones: tables.iter().map(|t| t.meta.tombstones).sum(),
    };
    KeyspaceStats {
        name: tree.name.clone(),
        levels: view.version.levels.iter().map(level).collect(),
        memtables: 1 + view.frozen.len(),
        memtable_bytes: view.mems().map(|m| m.table.bytes() as u64).sum(),
        pending_compaction_bytes: waiting_bytes(&view.version, limits),
    }
}

/// Bytes for people.
fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = (0..4).find(|i| bytes >> (10 * (i + 1)) == 0).unwrap_or(4);
    if unit == 0 {
        format!("{bytes} B")
    } else {
        format!("{:.1} {}", bytes as f64 / (1u64 << (10 * unit)) as f64, UNITS[unit])
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "I/O through {} ({})", self.caps.backend, self.caps.features.join(", "))?;
        for reason in &self.caps.degraded {
            writeln!(f, "  note: {reason}")?;
        }
        for keyspace in &self.keyspaces {
            writeln!(
                f,
                "\nkeyspace {:?}: {} in {} memtables",
                keyspace.name,
                human(keyspace.memtable_bytes),
                keyspace.memtables
            )?;
            writeln!(f, "  level   tables        size       entries  tombstones")?;
            for (i, l) in keyspace.levels.iter().enumerate().filter(|(_, l)| l.tables > 0) {
                writeln!(
                    f,
                    "  {i:>5} {:>8} {:>11} {:>13} {:>11}",
                    l.tables,
                    human(l.bytes),
                    l.entries,
                    l.tombstones
                )?;
            }
        }
        let m = &self.memory;
        writeln!(
            f,
            "\nmemory: {} of {} (cache {}, memtables {}, indexes and filters {}, I/O buffers {})",
            human(m.cache + m.memtables + m.tables + m.io_buffers),
            human(m.budget),
            human(m.cache),
            human(m.memtables),
            human(m.tables),
            human(m.io_buffers)
        )?;
        if m.tables_excess > 0 {
            writeln!(
                f,
                "  note: indexes and filters take {} more than the budget has for them; raise it",
                human(m.tables_excess)
            )?;
        }
        writeln!(
            f,
            "cache: {} hits, {} misses, {} evictions",
            self.cache.hits, self.cache.misses, self.cache.evictions
        )?;
        writeln!(
            f,
            "written: {} by callers, {} to the disk (amplification {:.2}); {} flushes, {} compactions, {} waiting for one; writers held back {:.3} s",
            human(self.user_bytes),
            human(self.io.total().write_bytes),
            self.write_amplification(),
            self.flushes,
            self.compactions,
            human(self.pending_compaction_bytes()),
            self.stall_ns as f64 / 1e9
        )?;
        if self.flush_failures + self.compaction_failures > 0 {
            let (flushes, compactions) = (self.flush_failures, self.compaction_failures);
            writeln!(f, "  note: {flushes} flushes and {compactions} compactions failed, to be tried again")?;
        }
        if let Some(error) = &self.flush_error {
            writeln!(f, "  note: the last flush failed: {error}")?;
        }
        writeln!(
            f,
            "\n  class         enters       sqes  sqes/enter       read    written     syncs    chains     fixed     plain"
        )?;
        for class in Class::ALL {
            let c = self.io.class(class);
            writeln!(
                f,
                "  {:<10} {:>9} {:>10} {:>11.1} {:>10} {:>10} {:>9} {:>9} {:>9} {:>9}",
                class.name(),
                c.enters,
                c.sqes,
                c.sqes as f64 / c.enters.max(1) as f64,
                human(c.read_bytes),
                human(c.write_bytes),
                c.syncs,
                c.chains,
                c.fixed,
                c.plain
            )?;
        }
        Ok(())
    }
}
