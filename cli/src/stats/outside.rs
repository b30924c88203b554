//! What the files of a store tell that may be open elsewhere.

use std::fmt::Write;

use ringwood::tools::Peek;
use serde_json::{Value, json};

use crate::escape::escape;
use crate::size::show_size;

/// Why the bytes that wait for a compaction are not told.
const PENDING_UNKNOWN: &str = "it depends on the options with which the store is open";

/// Bytes of all tables.
fn table_bytes(seen: &Peek) -> u64 {
    seen.tree.tables().map(|(_, _, t)| t.bytes).sum()
}

/// Lines for people. `before` is what was seen so many nanoseconds ago.
pub(super) fn as_text(seen: &Peek, before: Option<(&Peek, u64)>) -> String {
    let mut text = String::new();
    let bytes = table_bytes(seen);
    let _ = writeln!(
        text,
        "store {:016x}, manifest {}: {} tables, {}; log {} in {} files",
        seen.tree.store_id,
        seen.tree.manifest,
        seen.tree.tables().count(),
        show_size(bytes as f64),
        show_size(seen.log_bytes as f64),
        seen.log_files
    );
    let _ = writeln!(text, "pending compaction unknown: {PENDING_UNKNOWN}");
    if let Some((before, ns)) = before {
        let seconds = (ns as f64 / 1e9).max(1e-9);
        let written: u64 = seen
            .tree
            .tables()
            .filter(|(_, _, t)| t.id >= before.tree.next_file)
            .map(|(_, _, t)| t.bytes)
            .sum();
        let flushed = seen.tree.last_seq.saturating_sub(before.tree.last_seq);
        let _ = writeln!(
            text,
            "new tables {}/s, {:.0} operations a second into tables",
            show_size(written as f64 / seconds),
            flushed as f64 / seconds
        );
    }
    for keyspace in &seen.tree.keyspaces {
        let _ = writeln!(text, "\nkeyspace {}", escape(keyspace.name.as_bytes()));
        let _ = writeln!(text, "  level   tables        size       entries  tombstones");
        for (level, tables) in keyspace.levels.iter().enumerate().filter(|(_, t)| !t.is_empty()) {
            let sum = |f: fn(&ringwood::tools::TableInfo) -> u64| tables.iter().map(f).sum::<u64>();
            let _ = writeln!(
                text,
                "  {level:>5} {:>8} {:>11} {:>13} {:>11}",
                tables.len(),
                show_size(sum(|t| t.bytes) as f64),
                sum(|t| t.entries),
                sum(|t| t.tombstones)
            );
        }
    }
    text
}

pub(super) fn as_json(seen: &Peek) -> Value {
    let keyspaces = seen.tree.keyspaces.iter().map(|k| {
        let levels = k.levels.iter().enumerate().map(|(level, tables)| {
            let sum = |f: fn(&ringwood::tools::TableInfo) -> u64| tables.iter().map(f).sum::<u64>();
            json!({
                "level": level, "tables": tables.len(), "bytes": sum(|t| t.bytes),
                "entries": sum(|t| t.entries), "tombstones": sum(|t| t.tombstones),
            })
        });
        json!({
            "name": escape(k.name.as_bytes()), "levels": levels.collect::<Vec<_>>(),
            "pending_compaction_bytes": null,
        })
    });
    json!({
        "source": "outside",
        "keyspaces": keyspaces.collect::<Vec<_>>(),
        "disk_bytes": table_bytes(seen) + seen.log_bytes,
        "log": { "disk_bytes": seen.log_bytes, "files": seen.log_files },
        "last_seq": seen.tree.last_seq,
        "pending_compaction_bytes": null,
    })
}
