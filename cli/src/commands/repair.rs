//! `ringwood repair DB NEW`

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use ringwood::tools::{Salvaged, salvage};
use serde_json::{Value, json};

use super::verify::{problem_json, show};
use crate::cli::Global;
use crate::escape::escape;
use crate::failure::{Failure, Result};
use crate::open::{LOADS, options};
use crate::out::Out;
use crate::progress::Bar;
use crate::signals::Interrupt;
use crate::terminal::has_colour;

pub(crate) const HELP: &str = r#"What is whole of a damaged store is saved into a new one; the old one is not changed. The newest
readable version of every key wins, from tables and the log, and what could not be saved is listed
with the keys that are concerned. Use `verify` first: a store that it calls whole needs no repair.

Exit codes: 0 nothing was lost; 4 something was, and is listed; 3 nothing could be done.

Examples:
  ringwood verify data
  ringwood repair data data.saved
  ringwood repair data data.saved --json | jq .lost"#;

/// `repair`
#[derive(Debug, Args)]
pub(crate) struct RepairArgs {
    /// Directory of the damaged store, which is left as it is
    #[arg(value_name = "DB")]
    pub(crate) db: PathBuf,
    /// Directory of the new store, which must not be there, or be empty
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,
}

pub(crate) fn run(args: &RepairArgs, global: &Global) -> Result<()> {
    if global.keyspace.is_some() {
        return Err(Failure::usage("repair saves all keyspaces: --keyspace has no meaning here"));
    }
    let interrupt = Interrupt::install()?;
    let mut saved = {
        let mut bar = Bar::new("repair");
        let salvaged = salvage(&args.db, &args.new, options(global), &mut |progress| {
            bar.set(progress.done, progress.total);
            if interrupt.is_set() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        salvaged.map_err(Failure::of_store)?
    };
    interrupt.check()?;
    forget_loads(args, global, &mut saved)?;
    let mut out = Out::new();
    if global.json {
        out.line(as_json(&saved))?;
    } else {
        for problem in &saved.lost {
            show(problem, has_colour(), &mut out)?;
        }
        for (name, entries) in &saved.keyspaces {
            out.line(format_args!("keyspace {}: {entries} puts saved", escape(name.as_bytes())))?;
        }
        out.line(format_args!(
            "saved to {} from {} tables and {} batches of the log",
            args.new.display(),
            saved.tables,
            saved.log_batches
        ))?;
    }
    out.flush()?;
    match saved.lost.len() {
        0 => Ok(()),
        1 => Err(Failure::Damaged("one thing was damaged or lost, see above".into())),
        n => Err(Failure::Damaged(format!("{n} things were damaged or lost, see above"))),
    }
}

/// What a load had put in before it was stopped may be among what was lost: nothing is to go on behind it.
fn forget_loads(args: &RepairArgs, global: &Global, saved: &mut Salvaged) -> Result<()> {
    if saved.keyspaces.iter().any(|(name, _)| name == LOADS) {
        saved.keyspaces.retain(|(name, _)| name != LOADS);
        let db = options(global).create_if_missing(false).open(&args.new).map_err(Failure::of_store)?;
        db.drop_keyspace(LOADS)?;
        db.close()?;
    }
    Ok(())
}

fn as_json(saved: &Salvaged) -> Value {
    let keyspaces =
        saved.keyspaces.iter().map(|(name, puts)| json!({ "name": escape(name.as_bytes()), "puts": puts }));
    json!({
        "keyspaces": keyspaces.collect::<Vec<_>>(),
        "tables": saved.tables, "log_batches": saved.log_batches,
        "lost": saved.lost.iter().map(problem_json).collect::<Vec<_>>(),
    })
}
