//! The statistics of an open store as JSON.

use ringwood::{Class, KeyspaceStats, Stats};
use serde_json::{Map, Value, json};

use crate::escape::escape;

pub(crate) fn as_json(stats: &Stats) -> Value {
    let m = &stats.memory;
    json!({
        "source": "open",
        "backend": stats.caps.backend,
        "features": stats.caps.features,
        "degraded": stats.caps.degraded,
        "keyspaces": stats.keyspaces.iter().map(keyspace).collect::<Vec<_>>(),
        "disk_bytes": stats.disk_bytes(),
        "memory": {
            "budget": m.budget, "cache": m.cache, "memtables": m.memtables, "tables": m.tables,
            "tables_max": m.tables_max, "tables_excess": m.tables_excess, "io_buffers": m.io_buffers,
        },
        "cache": {
            "hits": stats.cache.hits, "misses": stats.cache.misses, "evictions": stats.cache.evictions,
            "frames": stats.cache.frames, "bytes_used": stats.cache.bytes_used, "bytes_max": stats.cache.bytes_max,
        },
        "log": {
            "records": stats.wal.records, "groups": stats.wal.groups, "group_ns": stats.wal.group_ns, "syncs": stats.wal.syncs,
            "segments": stats.wal.segments, "disk_bytes": stats.wal.disk_bytes, "live_bytes": stats.wal.live_bytes,
        },
        "user_bytes": stats.user_bytes,
        "write_amplification": stats.write_amplification(),
        "space_amplification": space_amplification(stats),
        "flushes": stats.flushes, "flush_bytes": stats.flush_bytes, "flush_failures": stats.flush_failures,
        "flush_error": stats.flush_error,
        "compactions": stats.compactions, "compaction_failures": stats.compaction_failures,
        "compaction_read_bytes": stats.compaction_read_bytes,
        "compaction_write_bytes": stats.compaction_write_bytes,
        "pending_compaction_bytes": stats.pending_compaction_bytes(),
        "stall_seconds": stats.stall_ns as f64 / 1e9,
        "io": Class::ALL.iter().map(|&class| io(class, stats)).collect::<Map<_, _>>(),
    })
}

fn keyspace(keyspace: &KeyspaceStats) -> Value {
    let levels = keyspace.levels.iter().enumerate().map(|(level, l)| {
        json!({ "level": level, "tables": l.tables, "bytes": l.bytes, "entries": l.entries, "tombstones": l.tombstones })
    });
    json!({
        "name": escape(keyspace.name.as_bytes()), "levels": levels.collect::<Vec<_>>(),
        "memtables": keyspace.memtables, "memtable_bytes": keyspace.memtable_bytes,
        "pending_compaction_bytes": keyspace.pending_compaction_bytes,
    })
}

fn io(class: Class, stats: &Stats) -> (String, Value) {
    let counts = stats.io.class(class).iter().map(|(name, n)| (name.to_owned(), n.into()));
    (class.name().to_owned(), Value::Object(counts.collect()))
}

/// Bytes of all tables for each byte of the deepest level that has any, which holds no old versions: 1 if there is but that level.
pub(super) fn space_amplification(stats: &Stats) -> f64 {
    let (mut all, mut last) = (0, 0);
    for keyspace in &stats.keyspaces {
        all += keyspace.levels.iter().map(|l| l.bytes).sum::<u64>();
        last += keyspace.levels.iter().rev().map(|l| l.bytes).find(|bytes| *bytes > 0).unwrap_or(0);
    }
    if last == 0 { 1.0 } else { all as f64 / last as f64 }
}
