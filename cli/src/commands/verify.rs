//! `ringwood verify DB`

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use ringwood::tools::{Inspector, Problem, Report};
use serde_json::{Value, json};

use crate::cli::Global;
use crate::escape::escape;
use crate::failure::{Failure, Result};
use crate::out::Out;
use crate::progress::Bar;
use crate::signals::Interrupt;
use crate::size::show_size;
use crate::terminal::{has_colour, paint};

pub(crate) const HELP: &str = r#"Reads all tables and the log and checks every checksum, the order of entries in and between
tables, that index and filter of each table lead to its entries, and that the directory holds
what the manifest names. Nothing is changed.

Exit codes: 0 all is whole; 4 something is damaged, each told with what it means; 3 the check
itself could not be done (no store there, in use, written by a newer version).

Examples:
  ringwood verify data
  ringwood verify data --json | jq -r '.problems[] | "\(.file): \(.what)"'"#;

/// `verify`
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Directory of the store
    #[arg(value_name = "DB")]
    pub(crate) db: PathBuf,
}

pub(crate) fn run(args: &VerifyArgs, global: &Global) -> Result<()> {
    let interrupt = Interrupt::install()?;
    let mut inspector = Inspector::open(&args.db, global.io.into()).map_err(Failure::of_store)?;
    let report = {
        let mut bar = Bar::new("verify");
        let verified = inspector.verify(&mut |progress| {
            bar.set(progress.done, progress.total);
            if interrupt.is_set() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        verified.map_err(Failure::of_store)?
    };
    interrupt.check()?;
    let mut out = Out::new();
    if global.json {
        out.line(as_json(&report))?;
    } else {
        let colour = has_colour();
        for problem in &report.problems {
            show(problem, colour, &mut out)?;
        }
        for note in &report.notes {
            out.line(format_args!("note: {note}"))?;
        }
        out.line(summary(&report, colour))?;
    }
    out.flush()?;
    match report.problems.len() {
        0 => Ok(()),
        1 => Err(Failure::Damaged(format!("{} is damaged: one problem", args.db.display()))),
        n => Err(Failure::Damaged(format!("{} is damaged: {n} problems", args.db.display()))),
    }
}

/// A problem, a line each for what, where and what it means.
pub(crate) fn show(problem: &Problem, colour: bool, out: &mut Out) -> Result<()> {
    let place = problem.offset.map(|o| format!(" at offset {o}")).unwrap_or_default();
    let mark = paint(colour, "1;31", "damaged:");
    out.line(format_args!("{mark} {}{place}", problem.file.display()))?;
    out.line(format_args!("  {}", problem.what))?;
    out.line(format_args!("  it means: {}", problem.means))?;
    if let Some((from, to)) = &problem.keys {
        out.line(format_args!("  keys: {} to {}", escape(from), escape(to)))?;
    }
    Ok(())
}

fn summary(report: &Report, colour: bool) -> String {
    let verdict = match report.problems.len() {
        0 => paint(colour, "1;32", "whole:"),
        _ => paint(colour, "1;31", "checked:"),
    };
    format!(
        "{verdict} {} tables with {} blocks and {} entries ({}), {} batches of the log with {} operations ({})",
        report.tables,
        report.blocks,
        report.entries,
        show_size(report.bytes as f64),
        report.log_batches,
        report.log_operations,
        show_size(report.log_bytes as f64)
    )
}

pub(crate) fn problem_json(problem: &Problem) -> Value {
    let keys = problem.keys.as_ref().map(|(from, to)| json!({ "from": escape(from), "to": escape(to) }));
    json!({
        "file": problem.file.display().to_string(), "offset": problem.offset,
        "what": problem.what, "means": problem.means, "keys": keys,
    })
}

fn as_json(report: &Report) -> Value {
    json!({
        "whole": report.problems.is_empty(),
        "tables": report.tables, "blocks": report.blocks, "entries": report.entries, "bytes": report.bytes,
        "log": { "batches": report.log_batches, "operations": report.log_operations, "bytes": report.log_bytes },
        "problems": report.problems.iter().map(problem_json).collect::<Vec<_>>(),
        "notes": report.notes,
    })
}
