//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::Result;
use crate::data::KEY_BYTES;
use crate::engines::{COLUMNS, Column};
use crate::knobs::Knobs;
use crate::rows::{self, Bound, Group, ROWS, Row};

/// The same work through Ringwood and other stores, side by side: interleaved rounds, one process an engine, medians and spread.
///
/// Exit codes: 0 all measured; 1 it could not run; 2 wrong usage; 3 some rows failed, the others are in the table; 130 stopped by a signal.
#[derive(Debug, Parser)]
#[command(name = "ringwood-peers", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) mode: Option<Mode>,
    /// Engines, by their names (--list); Ringwood is what the others are compared with
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    engines: Vec<String>,
    /// Rows and groups of rows (--list)
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    rows: Vec<String>,
    /// Entries of a store [default: 6000000; with --quick 1000000]
    #[arg(long, value_name = "N")]
    num: Option<u64>,
    /// Puts of fillrandom-sustained [default: 10000000; with --quick 1000000]
    #[arg(long, value_name = "N")]
    sustained_num: Option<u64>,
    /// Rounds; the engines take turns in each [default: 3; with --quick 1]
    #[arg(long, value_name = "N")]
    rounds: Option<u64>,
    /// Bytes of a value
    #[arg(long, value_name = "BYTES", default_value_t = 100)]
    value_size: usize,
    /// The disk to measure: a temporary directory is made there, and removed
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Cache of all rows but the cold ones, in bytes [default: twice the data]
    #[arg(long, value_name = "BYTES")]
    cache_bytes: Option<u64>,
    /// Write buffer of all rows but the cold ones, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    write_buffer_bytes: u64,
    /// Memory of a process in the cold rows, page cache included, in bytes; a third of it is the engine's cache [default: a quarter of the data, 32 MiB at least]
    #[arg(long, value_name = "BYTES")]
    memory_limit: Option<u64>,
    /// Time of a row that is not counted out [default: 5; with --quick 0.5]
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,
    /// A fill or a scan that takes longer is cut off, and marked [default: 60; with --quick 5]
    #[arg(long, value_name = "S")]
    cap_seconds: Option<f64>,
    /// Puts a second of the writer in readwhilewriting
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    write_rate: u64,
    /// Small stores and short times: shows that it runs, in some minutes
    #[arg(long)]
    quick: bool,
    /// Write one JSON document with every round here
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write one HTML page with table and plots here
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Show engines, groups and rows
    #[arg(long)]
    pub(crate) list: bool,
}

/// What the parent calls itself with.
#[derive(Debug, Subcommand)]
pub(crate) enum Mode {
    #[command(hide = true)]
    Child { task: String },
}

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) columns: Vec<&'static Column>,
    /// Engines that were asked for, or would have been, and are not in this build.
    pub(crate) absent: Vec<&'static Column>,
    pub(crate) rows: Vec<&'static Row>,
    pub(crate) rounds: u64,
    pub(crate) dir: PathBuf,
    pub(crate) knobs: Knobs,
    pub(crate) quick: bool,
}

impl Plan {
    /// Rows of a group.
    pub(crate) fn rows_of(&self, group: Group) -> impl Iterator<Item = &'static Row> {
        self.rows.iter().copied().filter(move |row| row.group == group)
    }
}

const MEMORY_LIMIT_MIN: u64 = 32 << 20;
/// Parts of the memory limit that go to the cache, and to one write buffer.
const CACHE_SHARE: u64 = 3;
const WRITE_BUFFER_SHARE: u64 = 24;

impl Args {
    /// Everything settled.
    ///
    /// # Errors
    /// A sentence about a name that does not exist or an engine that is absent.
    pub(crate) fn plan(&self) -> Result<Plan> {
        let rows = with_disk(&rows::select(&self.rows)?);
        let (columns, absent) = self.columns()?;
        let quick = |short: u64, long: u64| if self.quick { short } else { long };
        let num = self.num.unwrap_or(quick(1_000_000, 6_000_000));
        let data_bytes = num * (KEY_BYTES + self.value_size) as u64;
        let memory_limit = self.memory_limit.unwrap_or((data_bytes / 4).max(MEMORY_LIMIT_MIN));
        let knobs = Knobs {
            num,
            sustained_num: self.sustained_num.unwrap_or(quick(1_000_000, 10_000_000)),
            value_bytes: self.value_size,
            cache_bytes: self.cache_bytes.unwrap_or(2 * data_bytes.max(32 << 20)),
            write_buffer_bytes: self.write_buffer_bytes,
            memory_limit,
            cold_cache_bytes: memory_limit / CACHE_SHARE,
            cold_write_buffer_bytes: (memory_limit / WRITE_BUFFER_SHARE).min(self.write_buffer_bytes),
            seconds: self.seconds.unwrap_or(if self.quick { 0.5 } else { 5.0 }),
            cap_seconds: self.cap_seconds.unwrap_or(if self.quick { 5.0 } else { 60.0 }),
            write_rate: self.write_rate,
        };
        if knobs.num == 0 || knobs.value_bytes == 0 || knobs.seconds <= 0.0 || self.rounds == Some(0) {
            return Err("--num, --value-size, --seconds and --rounds must be more than 0".into());
        }
        let dir = std::path::absolute(&self.dir)?;
        let rounds = self.rounds.unwrap_or(quick(1, 3));
        Ok(Plan { columns, absent, rows, rounds, dir, knobs, quick: self.quick })
    }

    fn columns(&self) -> Result<(Vec<&'static Column>, Vec<&'static Column>)> {
        static ALL: [Column; 7] = COLUMNS;
        for name in &self.engines {
            let column = ALL.iter().find(|column| column.name == name);
            let column = column.ok_or_else(|| format!("there is no engine {name:?}; --list shows them"))?;
            if column.engine.is_none() {
                return Err(format!("{name} is not in this build: {}", column.how).into());
            }
        }
        let wanted =
            |column: &&Column| self.engines.is_empty() || self.engines.iter().any(|n| n == column.name);
        Ok(ALL.iter().filter(wanted).partition(|column| column.engine.is_some()))
    }
}

/// Adds the rows of the bare disk that others are held against.
fn with_disk(rows: &[&'static Row]) -> Vec<&'static Row> {
    let wanted = |disk: &Row| {
        rows.iter().any(|row| match row.bound {
            Bound::Operations(name) | Bound::Bytes(name) => name == disk.name,
            Bound::None => row.name == disk.name,
        })
    };
    ROWS.iter().filter(|row| wanted(row) || rows.iter().any(|r| r.name == row.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(line: &str) -> Result<Plan> {
        Args::try_parse_from(format!("ringwood-peers {line}").split_whitespace())?.plan()
    }

    #[test]
    fn defaults_leave_the_cold_rows_a_quarter_of_their_data() {
        let knobs = plan("").unwrap().knobs;
        assert!(knobs.data_bytes() >= 4 * knobs.memory_limit);
        assert!(knobs.cold_cache_bytes + 4 * knobs.cold_write_buffer_bytes < knobs.memory_limit * 6 / 10);
        assert!(plan("--quick").unwrap().knobs.num < knobs.num);
    }

    #[test]
    fn rows_bring_their_disk_rows() {
        let names = |line| plan(line).unwrap().rows.iter().map(|row| row.name).collect::<Vec<_>>();
        assert_eq!(names("--rows fillsync"), ["disk-commit", "fillsync"]);
        assert_eq!(names("--rows overwrite,disk-read-8"), ["disk-read-8", "overwrite"]);
    }

    #[test]
    fn wrong_names_and_absent_engines_are_said() {
        assert!(plan("--engines nosql").unwrap_err().to_string().contains("nosql"));
        assert!(plan("--rows nothing").unwrap_err().to_string().contains("nothing"));
        assert!(plan("--rounds 0").is_err());
        let all = plan("").unwrap();
        assert_eq!(all.columns.len() + all.absent.len(), COLUMNS.len());
        for column in all.absent {
            let error = plan(&format!("--engines {}", column.name)).unwrap_err().to_string();
            assert!(error.contains("not in this build") && error.contains("--features"), "{error}");
        }
    }
}
