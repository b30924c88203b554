//! Statistics in Prometheus's text form, version 0.0.4.

use std::fmt::Write;

use ringwood::tools::Peek;
use ringwood::{Class, Stats};

use super::inside::space_amplification;

/// Metrics, gathered name by name as the form wants it.
#[derive(Default)]
struct Metrics(String);

impl Metrics {
    /// One metric with its samples: labels, which may be empty, and values.
    fn put(&mut self, kind: &str, name: &str, help: &str, samples: &[(String, f64)]) {
        let _ = writeln!(self.0, "# HELP ringwood_{name} {help}\n# TYPE ringwood_{name} {kind}");
        for (labels, value) in samples {
            let _ = match labels.as_str() {
                "" => writeln!(self.0, "ringwood_{name} {value}"),
                _ => writeln!(self.0, "ringwood_{name}{{{labels}}} {value}"),
            };
        }
    }

    fn one(&mut self, kind: &str, name: &str, help: &str, value: f64) {
        self.put(kind, name, help, &[(String::new(), value)]);
    }
}

/// A label's value as the form wants it.
fn quoted(name: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{name}=\"{value}\"")
}

/// Figures of one level: tables, bytes, entries, tombstones.
type Level = [u64; 4];

fn levels(metrics: &mut Metrics, keyspaces: &[(String, Vec<Level>)]) {
    const NAMES: [(&str, &str); 4] = [
        ("tables", "Tables of a level."),
        ("table_bytes", "Bytes of the tables of a level."),
        ("table_entries", "Entries of a level, old versions and tombstones included."),
        ("table_tombstones", "Tombstones of a level."),
    ];
    for (i, (name, help)) in NAMES.iter().enumerate() {
        let samples = keyspaces.iter().flat_map(|(keyspace, levels)| {
            levels.iter().enumerate().map(move |(level, figures)| {
                (format!("{},level=\"{level}\"", quoted("keyspace", keyspace)), figures[i] as f64)
            })
        });
        metrics.put("gauge", name, help, &samples.collect::<Vec<_>>());
    }
}

fn pending<'a>(metrics: &mut Metrics, keyspaces: impl Iterator<Item = (&'a str, f64)>) {
    let samples: Vec<_> = keyspaces.map(|(name, bytes)| (quoted("keyspace", name), bytes)).collect();
    let help = "Bytes that wait for a compaction: level 0 once it is due, deeper levels beyond their targets. NaN if unknown.";
    metrics.put("gauge", "pending_compaction_bytes", help, &samples);
}

/// A store that is open.
pub(super) fn of_store(stats: &Stats) -> String {
    let mut m = Metrics::default();
    let keyspaces: Vec<_> = stats
        .keyspaces
        .iter()
        .map(|k| {
            let levels = k.levels.iter().map(|l| [l.tables as u64, l.bytes, l.entries, l.tombstones]);
            (k.name.clone(), levels.collect())
        })
        .collect();
    levels(&mut m, &keyspaces);
    let memory = &stats.memory;
    let purposes = [
        ("cache", memory.cache),
        ("memtables", memory.memtables),
        ("tables", memory.tables),
        ("io_buffers", memory.io_buffers),
    ];
    let samples: Vec<_> = purposes.iter().map(|(p, n)| (quoted("purpose", p), *n as f64)).collect();
    m.put("gauge", "memory_bytes", "Memory in use by purpose.", &samples);
    m.one("gauge", "memory_budget_bytes", "The memory budget.", memory.budget as f64);
    m.one("gauge", "disk_bytes", "Bytes of tables and log on disk.", stats.disk_bytes() as f64);
    m.one("gauge", "log_disk_bytes", "Bytes of the log on disk.", stats.wal.disk_bytes as f64);
    m.one(
        "gauge",
        "space_amplification",
        "Bytes of all tables for each of the deepest level.",
        space_amplification(stats),
    );
    pending(&mut m, stats.keyspaces.iter().map(|k| (&*k.name, k.pending_compaction_bytes as f64)));
    for (name, help, value) in [
        ("cache_hits_total", "Blocks found in the cache.", stats.cache.hits),
        ("cache_misses_total", "Blocks that had to be read.", stats.cache.misses),
        ("cache_evictions_total", "Blocks removed from the cache to make room.", stats.cache.evictions),
        ("user_bytes_total", "Bytes of keys and values accepted.", stats.user_bytes),
        ("flushes_total", "Memtables flushed.", stats.flushes),
        ("flush_failures_total", "Flushes that failed, to be tried again.", stats.flush_failures),
        ("compactions_total", "Compactions done.", stats.compactions),
        ("compaction_failures_total", "Compactions that failed.", stats.compaction_failures),
        ("compaction_read_bytes_total", "Bytes read by compactions.", stats.compaction_read_bytes),
        ("compaction_write_bytes_total", "Bytes written by compactions.", stats.compaction_write_bytes),
    ] {
        m.one("counter", name, help, value as f64);
    }
    m.one("counter", "stall_seconds_total", "Time that writers were held back.", stats.stall_ns as f64 / 1e9);
    let names: Vec<&str> = stats.io.class(Class::Log).iter().map(|(name, _)| name).collect();
    for (i, name) in names.iter().enumerate() {
        let samples: Vec<_> = Class::ALL
            .iter()
            .map(|&class| {
                let value = stats.io.class(class).iter().nth(i).map_or(0, |(_, n)| n);
                (quoted("class", class.name()), value as f64)
            })
            .collect();
        let help = format!("I/O by class: {}.", name.replace('_', " "));
        m.put("counter", &format!("io_{name}_total"), &help, &samples);
    }
    m.0
}

/// A store that is open elsewhere.
pub(super) fn of_peek(seen: &Peek) -> String {
    let mut m = Metrics::default();
    let keyspaces: Vec<_> = seen
        .tree
        .keyspaces
        .iter()
        .map(|k| {
            let levels = k.levels.iter().map(|tables| {
                let sum = |f: fn(&ringwood::tools::TableInfo) -> u64| tables.iter().map(f).sum::<u64>();
                [tables.len() as u64, sum(|t| t.bytes), sum(|t| t.entries), sum(|t| t.tombstones)]
            });
            (k.name.clone(), levels.collect())
        })
        .collect();
    levels(&mut m, &keyspaces);
    m.one("gauge", "log_disk_bytes", "Bytes of the log on disk.", seen.log_bytes as f64);
    // The limits of levels are options of the process that has the store open.
    pending(&mut m, seen.tree.keyspaces.iter().map(|k| (&*k.name, f64::NAN)));
    m.0
}
