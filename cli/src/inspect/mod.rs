//! `ringwood inspect DB|FILE`: the tree as a picture, and any file decoded.
//!
//! | module | what |
//! |---|---|
//! | [`axis`] | where keys lie from left to right |
//! | [`picture`] | the tree in the terminal |
//! | [`svg`] | the tree as SVG |
//! | [`file`] | a file, part by part |

mod axis;
mod file;
mod picture;
mod svg;

use std::path::{Path, PathBuf};

use clap::Args;
use ringwood::tools::{Inspector, KeyspaceTree, StoreTree, TableInfo};
use serde_json::{Value, json};

use crate::cli::Global;
use crate::escape::escape;
use crate::failure::{Failure, Result};
use crate::out::Out;
use crate::size::show_size;
use crate::terminal;

pub(crate) const HELP: &str = r#"A directory is shown as a tree: for each level its tables over the keys from left to right, with
sizes, entries, tombstones and overlaps. A file is decoded: a table down to its blocks, a log
segment, the staging file, a manifest, CURRENT; with --records down to each entry and operation.
Nothing is changed. A directory must not be open elsewhere; a single file may be in use.

Examples:
  ringwood inspect data
  ringwood inspect data --tables
  ringwood inspect data --svg tree.svg
  ringwood inspect data/000004.sst --records
  ringwood inspect data/wal/0000000001.log --json | jq .kind"#;

/// `inspect`
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Directory of a store, or one of its files
    #[arg(value_name = "DB|FILE")]
    pub(crate) path: PathBuf,
    /// Of a directory: a line for each table, too
    #[arg(long)]
    pub(crate) tables: bool,
    /// Of a directory: draw the tree into this file
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Of a file: each entry, record and operation, too
    #[arg(long)]
    pub(crate) records: bool,
}

pub(crate) fn run(args: &InspectArgs, global: &Global) -> Result<()> {
    if global.keyspace.is_some() && !args.path.is_dir() {
        return Err(Failure::usage("a file is decoded as a whole: --keyspace has no meaning here"));
    }
    let only = |given: bool, option: &str, what: &str| match given {
        true => Err(Failure::Usage(format!("{option} is for {what}, and has no meaning here"))),
        false => Ok(()),
    };
    if args.path.is_file() {
        only(args.svg.is_some(), "--svg", "the directory of a store")?;
        only(args.tables, "--tables", "the directory of a store")?;
        return file::run(&args.path, args.records, global);
    }
    only(args.records, "--records", "one file of a store")?;
    let inspector = Inspector::open(&args.path, global.io.into()).map_err(Failure::of_store)?;
    let mut tree = inspector.tree().map_err(Failure::of_store)?;
    drop(inspector);
    if let Some(name) = &global.keyspace {
        let known: Vec<String> = tree.keyspaces.iter().map(|k| k.name.clone()).collect();
        tree.keyspaces.retain(|k| k.name == *name);
        if tree.keyspaces.is_empty() {
            return Err(Failure::no_keyspace(name, &known));
        }
    }
    if let Some(path) = &args.svg {
        write_svg(path, &svg::draw(&tree))?;
    }
    let mut out = Out::new();
    if global.json {
        out.line(as_json(&tree))?;
    } else {
        show(&args.path, &tree, args.tables, &mut out)?;
    }
    out.flush()
}

#[allow(clippy::disallowed_methods, reason = "the user's picture, no file of the store")]
fn write_svg(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|e| Failure::store(format!("cannot write {}: {e}", path.display())))
}

fn show(path: &Path, tree: &StoreTree, tables: bool, out: &mut Out) -> Result<()> {
    let bytes: u64 = tree.tables().map(|(_, _, t)| t.bytes).sum();
    out.line(format_args!(
        "{}: store {:016x}, manifest {}, {} tables, {}; all up to sequence number {} is in tables, log needed from {} on",
        path.display(),
        tree.store_id,
        tree.manifest,
        tree.tables().count(),
        show_size(bytes as f64),
        tree.last_seq,
        tree.log_floor
    ))?;
    for keyspace in &tree.keyspaces {
        for line in picture::draw(keyspace, terminal::width(), terminal::has_colour()) {
            out.line(line)?;
        }
        if tables && keyspace.levels.iter().any(|l| !l.is_empty()) {
            list(keyspace, out)?;
        }
    }
    Ok(())
}

fn list(keyspace: &KeyspaceTree, out: &mut Out) -> Result<()> {
    out.line("  level   table        size     entries  tombstones  overlaps  keys")?;
    for (level, tables) in keyspace.levels.iter().enumerate() {
        for table in tables {
            out.line(format_args!(
                "  {level:>5} {:>7} {:>11} {:>11} {:>11} {:>9}  {} to {}",
                table.id,
                show_size(table.bytes as f64),
                table.entries,
                table.tombstones,
                overlaps(keyspace, level, table),
                shorten(&table.smallest),
                shorten(&table.largest)
            ))?;
        }
    }
    Ok(())
}

/// Tables that may hold an older version of a key of this one: those beside it in level 0, and those of the next level that has any.
fn overlaps(keyspace: &KeyspaceTree, level: usize, table: &TableInfo) -> usize {
    let beside = keyspace.levels[level].iter().filter(|t| t.id != table.id && t.overlaps(table)).count();
    let below = keyspace.levels.iter().skip(level + 1).find(|tables| !tables.is_empty());
    beside + below.map_or(0, |tables| tables.iter().filter(|t| t.overlaps(table)).count())
}

/// A key for a line: escaped, and without its middle if it is long.
fn shorten(key: &[u8]) -> String {
    const HEAD: usize = 10;
    const TAIL: usize = 13;
    let text: Vec<char> = escape(key).chars().collect();
    if text.len() <= HEAD + TAIL + 1 {
        return text.into_iter().collect();
    }
    text[..HEAD].iter().chain(&['…']).chain(&text[text.len() - TAIL..]).collect()
}

fn as_json(tree: &StoreTree) -> Value {
    let table = |keyspace: &KeyspaceTree, level: usize, t: &TableInfo| {
        json!({
            "level": level, "table": t.id, "file": t.path.display().to_string(), "bytes": t.bytes,
            "entries": t.entries, "tombstones": t.tombstones, "seq_min": t.seq_min, "seq_max": t.seq_max,
            "smallest": escape(&t.smallest), "largest": escape(&t.largest),
            "overlaps": overlaps(keyspace, level, t),
        })
    };
    let keyspaces: Vec<Value> = tree
        .keyspaces
        .iter()
        .map(|k| {
            let levels = k.levels.iter().enumerate();
            let tables: Vec<Value> =
                levels.flat_map(|(l, tables)| tables.iter().map(move |t| table(k, l, t))).collect();
            json!({ "name": k.name, "id": k.id, "flushed_seq": k.flushed_seq, "tables": tables })
        })
        .collect();
    json!({
        "store_id": format!("{:016x}", tree.store_id), "manifest": tree.manifest, "log_floor": tree.log_floor,
        "next_file": tree.next_file, "last_seq": tree.last_seq, "keyspaces": keyspaces,
    })
}
