//! The JSON that a benchmark prints: one object, on one line.

use ringwood::{Class, Stats};
use serde_json::{Map, Value, json};

use super::counts::Cost;
use super::latency::OpKind;
use super::report;
use super::worker::{Note, Outcome, Settings};

/// Shares of calls for which the latency is given that they do not exceed.
const PERCENTILES: [f64; 14] =
    [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99999];

/// The figures of a benchmark.
pub(crate) fn benchmark(name: &str, set: &Settings, outcome: &Outcome, cost: &Cost, stats: &Stats) -> Value {
    let total = cost.io.total();
    let each = |count: u64| count as f64 / outcome.all_ops as f64;
    json!({
        "benchmark": name,
        "micros_per_op": outcome.thread_ns as f64 / 1e3 / outcome.ops as f64,
        "ops_per_sec": outcome.rate(),
        "seconds": outcome.elapsed_ns as f64 / 1e9,
        "operations": outcome.ops,
        "mb_per_sec": outcome.megabytes(),
        "threads": set.threads,
        "batch_size": set.batch,
        "key_size": set.key_bytes,
        "value_size": set.value_bytes,
        "durability": format!("{:?}", set.durability).to_lowercase(),
        "message": report::note(outcome.note),
        "counts": note(outcome.note),
        "latency": latencies(outcome),
        "timeline": outcome.timeline.rates().collect::<Vec<_>>(),
        "slowest": outcome.timeline.slowest().collect::<Vec<_>>(),
        "flushes": outcome.timeline.flushes(),
        "compactions": outcome.timeline.compactions(),
        "per_op": {
            "system_calls": cost.syscalls.map(each),
            "enters": each(total.enters),
            "sqes": each(total.sqes),
            "read_bytes": each(total.read_bytes),
            "write_bytes": each(total.write_bytes),
        },
        "all_operations": outcome.all_ops,
        "system_calls": cost.syscalls,
        "sqes_per_enter": cost.sqes_per_enter(),
        "user_bytes": cost.user_bytes,
        "write_amplification": cost.write_amplification(),
        "stall_seconds": cost.stall_ns as f64 / 1e9,
        "io": io(cost),
        "backend": stats.caps.backend,
        "features": stats.caps.features,
        "degraded": stats.caps.degraded,
    })
}

fn note(note: Note) -> Value {
    match note {
        Note::None => Value::Null,
        Note::Keys(keys) => json!({ "keys": keys }),
        Note::Found { found, asked } => json!({ "found": found, "asked": asked }),
        Note::ReadsWrites { reads, writes, found } => {
            json!({ "reads": reads, "writes": writes, "found": found })
        }
        Note::Updates { updates, found } => json!({ "updates": updates, "found": found }),
    }
}

/// Latencies in microseconds, all together and by kind of call.
fn latencies(outcome: &Outcome) -> Value {
    let Some(all) = outcome.latencies.all() else { return Value::Null };
    let quantiles = |h: &hdrhistogram::Histogram<u64>| {
        let at = |q| h.value_at_quantile(q) as f64 / 1e3;
        json!({
            "mean": h.mean() / 1e3, "min": h.min() as f64 / 1e3, "p50": at(0.5), "p75": at(0.75), "p99": at(0.99),
            "p99_9": at(0.999), "p99_99": at(0.9999), "max": h.max() as f64 / 1e3,
        })
    };
    let percentiles = PERCENTILES.map(|q| json!([q, all.value_at_quantile(q) as f64 / 1e3]));
    // From the last empty one before the first call on.
    let filled = report::buckets(&all).collect::<Vec<_>>();
    let first = filled.iter().position(|bucket| bucket.calls > 0).unwrap_or(0).saturating_sub(1);
    let buckets: Vec<Value> =
        filled[first..].iter().map(|bucket| json!([bucket.right as f64 / 1e3, bucket.calls])).collect();
    let kinds: Map<String, Value> =
        outcome.latencies.kinds().map(|(kind, h)| (OpKind::name(kind).to_string(), quantiles(h))).collect();
    json!({
        "unit": "us",
        "timed_calls": outcome.latencies.timed,
        "calls_a_sample": outcome.latencies.calls as f64 / outcome.latencies.timed.max(1) as f64,
        "all": quantiles(&all),
        "percentiles": percentiles,
        "buckets": buckets,
        "kinds": kinds,
    })
}

/// The store's counters by class; classes that did nothing are left out.
fn io(cost: &Cost) -> Value {
    let busy = Class::ALL.into_iter().filter(|class| cost.io.class(*class).sqes > 0);
    let counts =
        |class| cost.io.class(class).iter().map(|(k, v)| (k.to_string(), json!(v))).collect::<Map<_, _>>();
    busy.map(|class| (class.name().to_string(), Value::Object(counts(class)))).collect::<Map<_, _>>().into()
}

/// What `stats`, `levelstats` and `memstats` tell.
pub(crate) fn store(name: &str, stats: &Stats) -> Value {
    let keyspaces: Vec<Value> = stats
        .keyspaces
        .iter()
        .map(|k| {
            let levels = k.levels.iter().map(|l| {
                json!({ "tables": l.tables, "bytes": l.bytes, "entries": l.entries, "tombstones": l.tombstones })
            });
            json!({
                "name": k.name, "levels": levels.collect::<Vec<_>>(),
                "memtables": k.memtables, "memtable_bytes": k.memtable_bytes,
            })
        })
        .collect();
    json!({
        "benchmark": name,
        "keyspaces": keyspaces,
        "disk_bytes": stats.disk_bytes(),
        "memory": {
            "budget": stats.memory.budget, "cache": stats.memory.cache, "memtables": stats.memory.memtables,
            "tables": stats.memory.tables, "io_buffers": stats.memory.io_buffers,
        },
        "user_bytes": stats.user_bytes,
        "flushes": stats.flushes,
        "flush_bytes": stats.flush_bytes,
        "compactions": stats.compactions,
        "compaction_read_bytes": stats.compaction_read_bytes,
        "compaction_write_bytes": stats.compaction_write_bytes,
        "write_amplification": stats.write_amplification(),
        "stall_seconds": stats.stall_ns as f64 / 1e9,
        "backend": stats.caps.backend,
        "features": stats.caps.features,
        "degraded": stats.caps.degraded,
        "text": stats.to_string(),
    })
}
