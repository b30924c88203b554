//! The options of `ringwood bench`: db_bench's names and meanings, and a few of its own.
//!
//! What db_bench has besides, and what becomes of it here, is the table in [`super::compat`].

use std::path::PathBuf;

use clap::ArgAction::Set;
use clap::{Args, ValueEnum};

use crate::size::parse_size;

const AFTER_HELP: &str = r"Names and meanings are those of RocksDB's db_bench. --flag=value and --flag value, dashes and
underscores are the same. Of db_bench's other flags, those that tune RocksDB are taken with a
note, those that would change the measurement are refused; docs/cli.md lists both.
--benchmarks=help lists the benchmarks.

Without any flag it is a demonstration: a fresh store on this directory's disk, a minute at
most, nothing left behind. Without --db the store is a temporary one in this directory. With
--db and without --use_existing_db, a store that an earlier bench left there is destroyed
first; anything else there is left alone, and the run refused.

Examples:
  ringwood bench
  ringwood bench --benchmarks=fillseq,readrandom,stats --num=1000000 --threads=4
  ringwood bench --benchmarks=fillrandom,readrandom --db=/mnt/b --cache_size=1GiB --histogram
  ringwood bench --benchmarks=multireadrandom[X3] --db=/mnt/b --use_existing_db --batch_size=64
  ringwood bench --benchmarks=fillrandom,readrandom --report=new.html --compare=old.html";

/// `bench`
#[derive(Debug, Clone, Args)]
#[command(after_help = AFTER_HELP, next_help_heading = "Workload", args_override_self = true)]
pub(crate) struct BenchArgs {
    /// Benchmarks to run, separated by commas; `name[X3]` runs thrice, `name[W1-X3]` warms up before
    #[arg(long, value_name = "LIST")]
    pub(crate) benchmarks: Option<String>,
    /// Keys to write and to draw from
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(crate) num: u64,
    /// Reads of each thread [default: --num]
    #[arg(long, value_name = "N", default_value_t = -1, hide_default_value = true)]
    pub(crate) reads: i64,
    /// Writes of each thread [default: --num]
    #[arg(long, value_name = "N", default_value_t = -1, hide_default_value = true)]
    pub(crate) writes: i64,
    /// Deletes of each thread [default: --num]
    #[arg(long, value_name = "N", default_value_t = -1, hide_default_value = true)]
    pub(crate) deletes: i64,
    /// Threads; each does the whole count
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) threads: usize,
    /// Run random benchmarks for so many seconds instead of a count
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) duration: u64,
    /// Look at the clock for --duration at least every so many operations
    #[arg(long = "ops_between_duration_checks", value_name = "N", default_value_t = 1000)]
    pub(crate) duration_check_ops: u64,
    /// Bytes of a key: the number, big-endian in 8 bytes, then '0's
    #[arg(long = "key_size", value_name = "BYTES", default_value_t = 16)]
    pub(crate) key_size: usize,
    /// Bytes of a value
    #[arg(long = "value_size", value_name = "BYTES", default_value_t = 100)]
    pub(crate) value_size: usize,
    /// Values compress to this fraction of their size
    #[arg(long = "compression_ratio", value_name = "FRACTION", default_value_t = 0.5)]
    pub(crate) compression_ratio: f64,
    /// Entries of a write batch, keys of a multi-get
    #[arg(long = "batch_size", value_name = "N", default_value_t = 1)]
    pub(crate) batch_size: u64,
    /// Steps after each seek
    #[arg(long = "seek_nexts", value_name = "N", default_value_t = 0)]
    pub(crate) seek_nexts: u64,
    /// Step backwards after each seek
    #[arg(long = "reverse_iterator", value_name = "BOOL", action = Set, default_value_t = false)]
    pub(crate) reverse_iterator: bool,
    /// Reads of a hundred operations in readrandomwriterandom
    #[arg(long, value_name = "PERCENT", default_value_t = 90)]
    pub(crate) readwritepercent: u32,
    /// Distance of the keys in a multi-get; 0 draws each
    #[arg(long = "multiread_stride", value_name = "N", default_value_t = 0)]
    pub(crate) multiread_stride: u64,
    /// Skew of the keys that are read: num * exp(-r), r uniform up to this; 0 is uniform
    #[arg(long = "read_random_exp_range", value_name = "R", default_value_t = 0.0)]
    pub(crate) read_random_exp_range: f64,
    /// Keys that the background writer draws from [default: --num]
    #[arg(long = "bgwriter_num", value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) bgwriter_num: u64,
    /// The background writer ends after --writes, not when the readers are done
    #[arg(long = "finish_after_writes", value_name = "BOOL", action = Set, default_value_t = false)]
    pub(crate) finish_after_writes: bool,
    /// Bytes a second that all writers together may write; 0 is no limit
    #[arg(long = "benchmark_write_rate_limit", value_name = "BYTES", default_value_t = 0)]
    pub(crate) write_rate_limit: u64,
    /// Reads a second that all readers together may do; 0 is no limit
    #[arg(long = "benchmark_read_rate_limit", value_name = "N", default_value_t = 0)]
    pub(crate) read_rate_limit: u64,
    /// Seed of all random numbers; 0 takes the time
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,

    /// Directory of the store [default: a temporary one in this directory]
    #[arg(long, value_name = "DIR", help_heading = "Store")]
    pub(crate) db: Option<PathBuf>,
    /// Work on the store that is there; fill benchmarks are skipped then
    #[arg(long = "use_existing_db", value_name = "BOOL", action = Set, default_value_t = false, help_heading = "Store")]
    pub(crate) use_existing_db: bool,
    /// Writes are on the device when they return (Synced) instead of with the kernel (Buffered)
    #[arg(long, value_name = "BOOL", action = Set, default_value_t = false, help_heading = "Store")]
    pub(crate) sync: bool,
    /// Writes skip the log (None)
    #[arg(long = "disable_wal", value_name = "BOOL", action = Set, default_value_t = false, help_heading = "Store")]
    pub(crate) disable_wal: bool,
    /// Block cache [default: what --memory leaves]
    #[arg(long = "cache_size", value_name = "SIZE", value_parser = parse_size, help_heading = "Store")]
    pub(crate) cache_size: Option<u64>,
    /// Size at which a memtable is flushed [default: from --memory]
    #[arg(long = "write_buffer_size", value_name = "SIZE", value_parser = parse_size, help_heading = "Store")]
    pub(crate) write_buffer_size: Option<u64>,
    /// none, lz4 or zstd
    #[arg(long = "compression_type", value_name = "TYPE", default_value = "none", help_heading = "Store")]
    pub(crate) compression_type: String,
    /// Filter bits a key: the store chooses its own; said in the notes
    #[arg(long = "bloom_bits", value_name = "N", default_value_t = -1, hide_default_value = true, help_heading = "Store")]
    pub(crate) bloom_bits: i64,
    /// How the log is synced: chain (write, then fsync), dsync (one write), auto (by what is faster); Ringwood's own flag
    #[arg(long = "sync_mode", value_enum, default_value_t = SyncKind::Auto, value_name = "MODE")]
    #[arg(hide_possible_values = true, help_heading = "Store")]
    pub(crate) sync_mode: SyncKind,
    /// Threads that compact (Ringwood's own flag) [default: from the machine]
    #[arg(long = "compaction_threads", value_name = "N", help_heading = "Store")]
    pub(crate) compaction_threads: Option<usize>,

    /// Time every operation and print the whole table of latencies
    #[arg(long, value_name = "BOOL", action = Set, default_value_t = false, help_heading = "Report")]
    pub(crate) histogram: bool,
    /// Print the store's statistics at the end
    #[arg(long, value_name = "BOOL", action = Set, default_value_t = false, help_heading = "Report")]
    pub(crate) statistics: bool,
    /// Of a repeated benchmark, print the 95 % interval only
    #[arg(long = "confidence_interval_only", value_name = "BOOL", action = Set, default_value_t = false, help_heading = "Report")]
    pub(crate) confidence_interval_only: bool,
    /// Tell on standard error how each thread stands, every so many seconds
    #[arg(
        long = "stats_interval_seconds",
        value_name = "SECONDS",
        default_value_t = 0,
        help_heading = "Report"
    )]
    pub(crate) stats_interval_seconds: u64,
    /// Write a line of CSV every so many seconds
    #[arg(
        long = "report_interval_seconds",
        value_name = "SECONDS",
        default_value_t = 0,
        help_heading = "Report"
    )]
    pub(crate) report_interval_seconds: u64,
    /// Where those lines go
    #[arg(long = "report_file", value_name = "FILE", default_value = "report.csv", help_heading = "Report")]
    pub(crate) report_file: PathBuf,
    /// Write a page with plots; it needs nothing but a browser, and can be compared with
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub(crate) report: Option<PathBuf>,
    /// Show an earlier run in that page beside this one: its page, or what --json printed; may be given again
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub(crate) compare: Vec<PathBuf>,
    /// Draw progress where standard error is a terminal
    #[arg(long = "progress_reports", value_name = "BOOL", action = Set, default_value_t = true, help_heading = "Report")]
    pub(crate) progress_reports: bool,

    /// Run the demonstration with so many keys
    #[arg(long = "demo_num", value_name = "N", hide = true)]
    pub(crate) demo_num: Option<u64>,
}

/// How the log is made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SyncKind {
    /// A chain for several writers, the faster of the two for one
    Auto,
    /// A write linked to a sync
    Chain,
    /// One write that is durable by itself
    Dsync,
}

impl BenchArgs {
    /// Operations of a kind: the flag's count, or the number of keys.
    pub(crate) fn count(&self, flag: i64) -> u64 {
        u64::try_from(flag).unwrap_or(self.num)
    }
}
