//! `ring-questions`: measures, on the disk of a directory, what decides how the store uses its rings.
//!
//! Each *question* is a contest of ways to do the same work. The contenders take turns, round after round (A B C A B C …), so
//! that a disk whose speed drifts treats them alike; medians, spread and counts of kernel calls are printed. `docs/measuring.md`
//! says what each question decides.
//!
//! | module | what it is |
//! |---|---|
//! | `args` | the command line |
//! | `place` | a temporary directory, the disks, the file that is read |
//! | `crew` | threads that do one contender's turn, timed and counted |
//! | `contest` | rounds of turns |
//! | `io` | reads and commits that are waited for |
//! | `report`, `stats` | tables and JSON |
//! | `questions` | the questions |
//!
//! Nothing here calls the kernel but through `ringwood-ring`.

mod args;
mod contest;
mod crew;
mod halt;
mod io;
mod place;
mod questions;
mod report;
mod stats;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;
use crate::contest::Bench;
use crate::halt::{Halt, Stopped};
use crate::place::Place;
use crate::report::Report;

/// Whatever ends the program early, as a sentence.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Stopped>() => ExitCode::from(130),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "ring-questions: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let halt = Halt::install()?;
    let place = Place::new(&args.dir, args.file_mib << 20, halt)?;
    let bench = Bench::new(place, args);
    let mut report = Report::new(args, &bench.place)?;
    for question in args.questions() {
        let tables = (question.run)(&bench);
        bench.clear_progress();
        match tables {
            Ok(tables) => report.add(question, tables)?,
            Err(error) => {
                // What was measured before is worth having.
                report.finish(Some(&error.to_string()))?;
                return Err(error);
            }
        }
    }
    report.finish(None)
}
