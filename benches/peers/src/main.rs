//! `ringwood-peers`: the same work through Ringwood and other stores, side by side.
//!
//! The parent runs each engine and group of rows in a child process of its own, round after round, and makes a table, a JSON document and an
//! HTML page of what the children tell. `docs/measuring.md` says how to run it and how to read it.
//!
//! | module | what it is |
//! |---|---|
//! | `args`, `knobs` | the command line, and what a child is told |
//! | `rows` | the rows: name, work, threads, what the store holds |
//! | `parent`, `process` | rounds of children; one child |
//! | `child`, `stage` | what a child does; its store between rows |
//! | `engines` | one adapter an engine, behind three traits |
//! | `work` | the workloads, on one shared loop |
//! | `data`, `zipf` | keys, values, orders |
//! | `latency`, `usage`, `measure` | what is measured |
//! | `limits`, `machine`, `clock`, `halt` | memory groups and caches; the machine; time; signals |
//! | `report` | table, JSON, HTML |
#![allow(
    clippy::disallowed_methods,
    reason = "this program measures stores from outside: files and time are its own"
)]

mod args;
mod child;
mod clock;
mod data;
mod engines;
mod halt;
mod knobs;
mod latency;
mod limits;
mod machine;
mod measure;
mod parent;
mod process;
mod report;
mod rows;
mod stage;
mod usage;
mod work;
mod zipf;

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use tikv_jemallocator::Jemalloc;

use crate::args::{Args, Mode};
use crate::halt::{Halt, Stopped};
use crate::report::Report;

/// The allocator of everything in the process: its C names are the plain ones, so RocksDB, LMDB and Rust all use it.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Whatever ends something early, as a sentence.
type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

/// Some rows failed; the others are in the table.
const SOME_FAILED: u8 = 3;
/// A signal ended the run.
const STOPPED: u8 = 130;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(code) => code,
        Err(error) if error.is::<Stopped>() => ExitCode::from(STOPPED),
        Err(error) => {
            let _ = writeln!(io::stderr(), "ringwood-peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<ExitCode> {
    if let Some(Mode::Child { task }) = &args.mode {
        child::run(&serde_json::from_str(task)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = io::stdout();
    if args.list {
        out.write_all(report::list().as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let plan = args.plan()?;
    let (results, ended) = parent::run(&plan, &Halt::install()?)?;
    let report = Report::new(&plan, results);
    out.write_all(report.text().as_bytes())?;
    if let Some(file) = &args.json {
        fs::write(file, report.json()?)?;
    }
    if let Some(file) = &args.html {
        fs::write(file, report.html())?;
    }
    if let Some(error) = ended {
        return Err(error);
    }
    Ok(if report.has_failures() { ExitCode::from(SOME_FAILED) } else { ExitCode::SUCCESS })
}
