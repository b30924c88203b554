//! `ringwood dump DB [FILE]`

use std::io::{BufWriter, IsTerminal, Write, stdout};
use std::path::PathBuf;

use clap::Args;
use ringwood::{Db, Keyspace, Snapshot};
use serde_json::{Value, json};

use super::Format;
use super::binary::Writer;
use crate::cli::Global;
use crate::escape::{escape, escape_to};
use crate::failure::{Failure, Result};
use crate::new_file::NewFile;
use crate::open::{keyspaces, options};
use crate::progress::Bar;
use crate::signals::Interrupt;
use crate::span::SpanArgs;

pub(crate) const HELP: &str = r#"The store is dumped as of one moment. The binary form holds all keyspaces and checksums and restores
identically; the others hold one keyspace. The format follows the ending of FILE (.rwdump, .tsv,
.csv, .jsonl, .json) unless --format says it. A FILE appears when it is whole, and not before.

Examples:
  ringwood dump data backup.rwdump
  ringwood dump data --format binary | ssh elsewhere ringwood load data --format binary
  ringwood dump data users.csv --keyspace users
  ringwood dump data --format jsonl --prefix user: | jq .value"#;

/// `dump`
#[derive(Debug, Args)]
pub(crate) struct DumpArgs {
    /// Directory of the store
    #[arg(value_name = "DB")]
    pub(crate) db: PathBuf,
    /// File to write; standard output without it, or with -
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// How to write: binary, tsv, csv, jsonl or json
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    pub(crate) format: Option<Format>,
    #[command(flatten)]
    pub(crate) span: SpanArgs,
}

/// Where entries go.
enum Sink<W: Write> {
    Binary(Box<Writer<W>>),
    Tsv(W),
    Csv(Box<csv::Writer<W>>),
    Jsonl(W),
    /// And whether an entry was written.
    Json(W, bool),
}

pub(crate) fn run(args: &DumpArgs, global: &Global) -> Result<()> {
    let file = args.file.as_deref().filter(|f| f.as_os_str() != "-");
    let format = match (args.format, file) {
        (Some(format), _) => format,
        (None, None) => Format::Binary,
        (None, Some(path)) => Format::of(path).ok_or_else(|| {
            Failure::usage(
                "the name of the file does not say how to write it: --format binary, tsv, csv, jsonl or json",
            )
        })?,
    };
    if format == Format::Binary {
        if global.keyspace.is_some() {
            return Err(Failure::usage("a binary dump holds all keyspaces: --keyspace has no meaning there"));
        }
        if args.span.is_any() {
            return Err(Failure::usage("a binary dump holds all keys; take another format for some of them"));
        }
        if file.is_none() && stdout().is_terminal() {
            return Err(Failure::usage(
                "a binary dump is nothing for a terminal; name a file, or a --format",
            ));
        }
    }
    let interrupt = Interrupt::install()?;
    let db = options(global).create_if_missing(false).open(&args.db).map_err(Failure::of_store)?;
    let known = keyspaces(&db);
    let name = global.keyspace.as_deref().unwrap_or("default");
    if !known.iter().any(|k| k == name) {
        return Err(Failure::no_keyspace(name, &known));
    }
    let done = match file {
        None => write_to(stdout().lock(), format, args, &db, name, &interrupt).map(drop),
        Some(path) => {
            let failed = |e: std::io::Error| Failure::store(format!("cannot write {}: {e}", path.display()));
            let written = NewFile::create(path)
                .map_err(failed)
                .and_then(|file| write_to(file, format, args, &db, name, &interrupt));
            written.and_then(|file| file.end().map_err(failed))
        }
    };
    let closed = db.close();
    done?;
    Ok(closed?)
}

fn write_to<W: Write>(
    to: W,
    format: Format,
    args: &DumpArgs,
    db: &Db,
    keyspace: &str,
    interrupt: &Interrupt,
) -> Result<W> {
    let out = |e: std::io::Error| Failure::output(&e);
    let to = BufWriter::with_capacity(256 << 10, to);
    let mut sink = match format {
        Format::Binary => Sink::Binary(Box::new(Writer::new(to).map_err(out)?)),
        Format::Tsv => Sink::Tsv(to),
        Format::Jsonl => Sink::Jsonl(to),
        Format::Json => Sink::Json(to, false),
        Format::Csv => {
            let mut writer = csv::Writer::from_writer(to);
            writer.write_record(["key", "value"]).map_err(|e| out(e.into()))?;
            Sink::Csv(Box::new(writer))
        }
    };
    let snapshot = db.snapshot();
    let names = if format == Format::Binary { keyspaces(db) } else { vec![keyspace.to_owned()] };
    let mut bar = Bar::new("dump");
    let mut bytes = 0;
    for name in names {
        let keyspace = db.keyspace(&name)?;
        if let Sink::Binary(writer) = &mut sink {
            writer.keyspace(&name).map_err(out)?;
        }
        entries(&snapshot, &keyspace, args, interrupt, |key, value| {
            bytes += (key.len() + value.len()) as u64;
            bar.set(bytes, 0);
            sink.put(key, value).map_err(out)
        })?;
    }
    let to = sink.end().map_err(out)?;
    to.into_inner().map_err(|e| out(e.into_error()))
}

fn entries(
    snapshot: &Snapshot,
    keyspace: &Keyspace,
    args: &DumpArgs,
    interrupt: &Interrupt,
    mut put: impl FnMut(&[u8], &[u8]) -> Result<()>,
) -> Result<()> {
    let Some(span) = args.span.span() else { return Ok(()) };
    for entry in snapshot.keyspace(keyspace).range(span.bounds())? {
        interrupt.check()?;
        let (key, value) = entry?;
        put(&key, &value)?;
    }
    Ok(())
}

impl<W: Write> Sink<W> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Binary(writer) => writer.entry(key, value),
            Self::Tsv(to) => {
                let mut line = String::with_capacity(key.len() + value.len() + 2);
                escape_to(key, &mut line);
                line.push('\t');
                escape_to(value, &mut line);
                line.push('\n');
                to.write_all(line.as_bytes())
            }
            Self::Csv(writer) => Ok(writer.write_record([key, value])?),
            Self::Jsonl(to) => writeln!(to, "{}", object(key, value)),
            Self::Json(to, is_begun) => {
                let before = if std::mem::replace(is_begun, true) { ",\n" } else { "[\n" };
                write!(to, "{before}{}", object(key, value))
            }
        }
    }

    fn end(self) -> std::io::Result<W> {
        match self {
            Self::Binary(writer) => writer.end(),
            Self::Tsv(to) | Self::Jsonl(to) => Ok(to),
            Self::Json(mut to, is_begun) => {
                to.write_all(if is_begun { b"\n]\n" } else { b"[]\n" })?;
                Ok(to)
            }
            Self::Csv(writer) => writer.into_inner().map_err(|e| std::io::Error::other(e.to_string())),
        }
    }
}

fn object(key: &[u8], value: &[u8]) -> Value {
    json!({ "key": escape(key), "value": escape(value) })
}
