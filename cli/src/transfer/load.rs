//! `ringwood load DB [FILE]`

use std::fs::File;
use std::io::{Read, stdin};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use clap::{Args, ValueEnum};
use ringwood::{Db, Durability, WriteBatch};
use serde_json::json;

use super::Format;
use super::binary::{Part, Reader, entries};
use super::feed::{AHEAD, Counted, Feed, Message, Stop};
use super::table::{Shape, csv};
use super::text::{Field, jsonl, tsv};
use crate::cli::Global;
use crate::failure::{Failure, Result};
use crate::open::options;
use crate::out::{Out, note};
use crate::progress::Bar;
use crate::signals::Interrupt;

pub(crate) const HELP: &str = r#"Entries go into the store over what is there; store and keyspace are made if they are not there. The
format follows the ending of FILE (.rwdump, .tsv, .csv, .jsonl) unless --format says it. When load
comes back with code 0 all is on the device. If it is stopped, by an error or by Ctrl-C, what it
came to before is in the store: loading again is harmless.

Exit codes: 0 all is in; 3 stopped at an error; 4 some lines were skipped (--on-error skip).

Examples:
  ringwood load data backup.rwdump
  ringwood load data users.csv --key id --keyspace users        the value is the row as JSON
  ringwood load data names.csv --key id --value name
  ringwood load data events.jsonl --key /meta/id --on-error skip
  zcat words.tsv.gz | ringwood load data --format tsv --raw"#;

/// What to do about a line that cannot be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnError {
    Stop,
    Skip,
}

/// `load`
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// Directory of the store
    #[arg(value_name = "DB")]
    pub(crate) db: PathBuf,
    /// File to read; standard input without it, or with -
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// How to read: binary, tsv, csv or jsonl
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    pub(crate) format: Option<Format>,
    /// csv: the column of the key, by name or number [default: 1]; jsonl: its field, or a /pointer
    #[arg(long, value_name = "COLUMN|FIELD")]
    pub(crate) key: Option<String>,
    /// csv, jsonl: where the value is [default: the other column of two; else the row, the line]
    #[arg(long, value_name = "COLUMN|FIELD")]
    pub(crate) value: Option<String>,
    /// csv: the first row holds no names
    #[arg(long)]
    pub(crate) no_header: bool,
    /// csv: what separates fields
    #[arg(long, value_name = "CHARACTER", default_value = ",")]
    pub(crate) delimiter: String,
    /// tsv: bytes are as they are, without the rule; the value ends with the line
    #[arg(long)]
    pub(crate) raw: bool,
    /// At a line that cannot be loaded: stop, or skip it and tell
    #[arg(long, value_enum, value_name = "WHAT", default_value = "stop", hide_possible_values = true)]
    pub(crate) on_error: OnError,
}

/// Complaints that are shown; more are counted.
const SHOWN_MAX: u64 = 20;

/// How the input is to be read, checked.
enum Plan {
    Binary,
    Tsv { raw: bool },
    Csv(Shape),
    Jsonl { key: Option<Field>, value: Option<Field> },
}

/// What a load came to.
#[derive(Default)]
struct Loaded {
    entries: u64,
    skipped: u64,
}

pub(crate) fn run(args: &LoadArgs, global: &Global) -> Result<()> {
    let plan = plan(args, global)?;
    let interrupt = Interrupt::install()?;
    // Before the store is opened: none is to be made for a file that is not there.
    let (input, total) = open_input(args)?;
    let db = options(global).create_if_missing(true).open(&args.db).map_err(Failure::of_store)?;
    let mut loaded = Loaded::default();
    let done = load(plan, args, global, input, total, &db, &interrupt, &mut loaded);
    let closed = db.flush().and_then(|()| db.close());
    if let Err(failure) = &done {
        let how = if matches!(failure, Failure::Signal(_)) { "stopped" } else { "not all could be loaded" };
        note(format_args!(
            "ringwood: note: {how}: {} entries are in the store; loading again is harmless",
            loaded.entries
        ));
    }
    done?;
    closed?;
    let mut out = Out::new();
    match global.json {
        true => out.line_now(json!({ "entries": loaded.entries, "skipped": loaded.skipped }))?,
        false => out.line_now(format_args!("{} entries loaded", loaded.entries))?,
    }
    match loaded.skipped {
        0 => Ok(()),
        n => Err(Failure::Damaged(format!("{n} lines were skipped"))),
    }
}

fn plan(args: &LoadArgs, global: &Global) -> Result<Plan> {
    let by_name = args.file.as_deref().and_then(Format::of);
    let Some(format) = args.format.or(by_name) else {
        return Err(Failure::usage("say what the input is: --format binary, tsv, csv or jsonl"));
    };
    let only = |given: bool, option: &str, formats: &[Format]| match given && !formats.contains(&format) {
        true => Err(Failure::Usage(format!("{option} has no meaning for this format"))),
        false => Ok(()),
    };
    only(args.key.is_some(), "--key", &[Format::Csv, Format::Jsonl])?;
    only(args.value.is_some(), "--value", &[Format::Csv, Format::Jsonl])?;
    only(args.no_header, "--no-header", &[Format::Csv])?;
    only(args.raw, "--raw", &[Format::Tsv])?;
    only(global.keyspace.is_some(), "--keyspace", &[Format::Tsv, Format::Csv, Format::Jsonl])?;
    Ok(match format {
        Format::Binary => Plan::Binary,
        Format::Tsv => Plan::Tsv { raw: args.raw },
        Format::Jsonl => {
            let field = |text: &Option<String>| text.as_deref().map(Field::of);
            Plan::Jsonl { key: field(&args.key), value: field(&args.value) }
        }
        Format::Csv => {
            let delimiter = match args.delimiter.as_str() {
                "\\t" => b'\t',
                text if text.len() == 1 => text.as_bytes()[0],
                _ => return Err(Failure::usage("--delimiter: one character of ASCII, or \\t")),
            };
            let (key, value) = (args.key.clone(), args.value.clone());
            Plan::Csv(Shape { header: !args.no_header, key, value, delimiter })
        }
    })
}

/// The input, and its size if that is known.
#[allow(clippy::disallowed_methods, reason = "the user's file, no file of the store")]
fn open_input(args: &LoadArgs) -> Result<(Box<dyn Read + Send>, u64)> {
    let Some(path) = args.file.as_deref().filter(|f| f.as_os_str() != "-") else {
        return Ok((Box::new(stdin()), 0));
    };
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
    let (meta, file) = opened.map_err(|e| Failure::store(format!("cannot read {}: {e}", path.display())))?;
    if meta.is_dir() {
        return Err(Failure::store(format!("cannot read {}: it is a directory", path.display())));
    }
    Ok((Box::new(file), meta.len()))
}

#[allow(clippy::too_many_arguments, reason = "one call; a struct would only be taken apart again")]
fn load(
    plan: Plan,
    args: &LoadArgs,
    global: &Global,
    input: Box<dyn Read + Send>,
    total: u64,
    db: &Db,
    interrupt: &Interrupt,
    loaded: &mut Loaded,
) -> Result<()> {
    let keyspace = db.keyspace(global.keyspace.as_deref().unwrap_or("default"))?;
    let (to, messages) = sync_channel(AHEAD);
    let count = Arc::new(AtomicU64::new(0));
    let input = Counted { from: input, count: Arc::clone(&count) };
    let mut feed = Feed::new(db.clone(), keyspace, args.on_error == OnError::Skip, to.clone());
    let parser = move || {
        if let Err(Stop::Failed(why)) = parse(&plan, input, &mut feed).and_then(|()| feed.send()) {
            // If nobody listens any more, nobody wants to know.
            let _ = to.send(Message::Failed(why));
        }
    };
    let builder = std::thread::Builder::new().name("parser".into());
    builder.spawn(parser).map_err(|e| Failure::store(format!("cannot start a thread: {e}")))?;
    let mut bar = Bar::new("load");
    write_all(&messages, db, interrupt, loaded, &mut || bar.set(count.load(Relaxed), total))
}

fn parse(plan: &Plan, input: impl Read, feed: &mut Feed) -> Result<(), Stop> {
    match plan {
        Plan::Tsv { raw } => tsv(input, *raw, feed),
        Plan::Csv(shape) => csv(input, shape, feed),
        Plan::Jsonl { key, value } => jsonl(input, key.as_ref(), value.as_ref(), feed),
        Plan::Binary => {
            let input = std::io::BufReader::with_capacity(256 << 10, input);
            let mut reader = Reader::new(input).map_err(Stop::Failed)?;
            loop {
                match reader.next() {
                    Ok(Part::End) => return Ok(()),
                    Ok(Part::Keyspace(name)) => feed.keyspace(&name)?,
                    Ok(Part::Entries(payload)) => {
                        for (key, value) in entries(&payload) {
                            feed.put(0, 0, key, value)?;
                        }
                    }
                    Err(why) => {
                        feed.send()?;
                        return Err(Stop::Failed(why));
                    }
                }
            }
        }
    }
}

/// Writes what the parser gives, until it has given all or a signal comes.
fn write_all(
    messages: &Receiver<Message>,
    db: &Db,
    interrupt: &Interrupt,
    loaded: &mut Loaded,
    tick: &mut dyn FnMut(),
) -> Result<()> {
    loop {
        interrupt.check()?;
        tick();
        match messages.recv_timeout(Duration::from_millis(100)) {
            Ok(Message::Batch(batch, count)) => {
                store(db, &batch)?;
                loaded.entries += count;
            }
            Ok(Message::Skipped(complaint)) => {
                loaded.skipped += 1;
                match loaded.skipped {
                    n if n <= SHOWN_MAX => note(format_args!("ringwood: skipped: {complaint}")),
                    n if n == SHOWN_MAX + 1 => note("ringwood: further skipped lines are counted, not shown"),
                    _ => {}
                }
            }
            Ok(Message::Failed(why)) => return Err(Failure::Store(why)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// The one place where entries enter the store: without the log, since the load ends with a flush and may be done again. Input that
/// is sorted could go into tables at once from here.
fn store(db: &Db, batch: &WriteBatch) -> Result<()> {
    Ok(db.write(batch, Durability::None)?)
}
