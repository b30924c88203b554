//! What is printed before the first benchmark: what will be measured, where, and by which way to the disk.

use ringwood::{Durability, Stats};

use super::flags::BenchArgs;
use crate::size::show_size;

/// What the header tells besides the options.
pub(crate) struct Facts<'a> {
    pub(crate) dir: &'a str,
    pub(crate) seed: u64,
    pub(crate) durability: Durability,
    /// Why system calls cannot be counted, if so.
    pub(crate) uncounted: Option<&'a str>,
    pub(crate) clock_ns: u64,
}

/// The header's lines.
pub(crate) fn lines(args: &BenchArgs, stats: &Stats, facts: &Facts<'_>) -> Vec<String> {
    let (key, value) = (args.key_size as f64, args.value_size as f64);
    let packed = value * args.compression_ratio;
    let megabytes = |bytes: f64| bytes * args.num as f64 / 1_048_576.0;
    let uname = rustix::system::uname();
    let mut lines = vec![
        format!("Ringwood:    version {}", env!("CARGO_PKG_VERSION")),
        format!("Kernel:      {} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy()),
        format!("CPU:         {}", cpu()),
        format!("Keys:        {key} bytes each"),
        format!("Values:      {value} bytes each ({packed:.0} bytes after compression)"),
        format!("Entries:     {}", args.num),
        format!("RawSize:     {:.1} MB (estimated)", megabytes(key + value)),
        format!("FileSize:    {:.1} MB (estimated, if compressed)", megabytes(key + packed)),
        format!("Compression: {}", args.compression_type),
        format!("Durability:  {}", durability(facts.durability)),
        format!("Memory:      {} in all", show_size(stats.memory.budget as f64)),
        format!("Seed:        {}", facts.seed),
        format!("DB path:     [{}]", facts.dir),
        format!("I/O path:    {}", path(stats)),
    ];
    lines.extend(stats.caps.degraded.iter().map(|why| format!("Degraded:    {why}")));
    lines.push(match facts.uncounted {
        None => "Counting:    system calls of the whole process by the kernel, ring operations by the store"
            .into(),
        Some(why) => format!("Counting:    ring enters only, no system calls: {why}"),
    });
    lines.push(format!(
        "Latency:     {}",
        if args.histogram {
            format!("every call is timed; the clock costs about {} ns, twice a call", facts.clock_ns)
        } else {
            format!(
                "a sample of the calls is timed, so that the clock ({} ns) takes at most 1 %",
                facts.clock_ns
            )
        }
    ));
    if cfg!(debug_assertions) {
        lines.push("WARNING:     this is a debug build; its figures mean nothing".into());
    }
    lines.push("-".repeat(48));
    lines
}

/// The way to the disk and the ring features in use.
pub(crate) fn path(stats: &Stats) -> String {
    match stats.caps.features.is_empty() {
        true => stats.caps.backend.to_string(),
        false => format!("{}: {}", stats.caps.backend, stats.caps.features.join(", ")),
    }
}

fn durability(level: Durability) -> &'static str {
    match level {
        Durability::Synced => "synced (--sync=1): on the device when a write returns",
        Durability::Buffered => "buffered (--sync=0): survives kill -9, not a power cut",
        Durability::None => "none (--disable_wal=1): in memory until flushed",
    }
}

#[allow(clippy::disallowed_methods, reason = "describes the machine; no file of the store")]
fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        info.lines().find_map(|l| l.strip_prefix("model name")?.split_once(':').map(|(_, m)| m.trim()));
    let cpus = std::thread::available_parallelism().map_or(1, |n| n.get());
    format!("{cpus} * {}", model.unwrap_or("unknown"))
}
