//! `ringwood load DB [FILE]`

use std::fs::File;
use std::io::{self, Read, stdin};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::Format;
use super::json::{Document, Field, Fields};
use super::parsed::{Complaint, Parsed};
use super::piece::PIECE_BYTES;
use super::pipeline::{self, Form, Next, PARSERS_MAX};
use super::resume::{Mark, Progress, Record, Skip};
use super::table::{Shape, Table};
use super::target::{Loaded, Sorted, Target};
use crate::cli::Global;
use crate::escape::escape;
use crate::failure::{Failure, Result};
use crate::open::{check_name, options};
use crate::out::{Out, note};
use crate::progress::Bar;
use crate::signals::Interrupt;

pub(crate) const HELP: &str = r#"Entries go into the store over what is there; store and keyspace are made if they are not there. The
format follows the ending of FILE (.rwdump, .tsv, .csv, .jsonl, .json) unless --format says it. When
load comes back with code 0 all is on the device.

Input whose keys ascend goes straight into tables, which is faster, and all or nothing: if it is
stopped, by an error, Ctrl-C or a power cut, nothing was loaded. So does a binary dump, over all its
keyspaces. Input that is in no order goes in batches: what came before the stop is in the store, and
the same command with --resume goes on behind it. The last line says which.
  --sorted auto   in bulk as long as keys ascend, in batches where they do not
  --sorted yes    in bulk, or not at all: a key out of order is an error
  --sorted no     in batches

Exit codes: 0 all is in; 3 stopped at an error; 4 some lines were skipped (--on-error skip).

Examples:
  ringwood load data backup.rwdump
  ringwood load data users.csv --key id --keyspace users        the value is the row as JSON
  ringwood load data names.csv --key id --value name
  ringwood load data events.jsonl --key /meta/id --on-error skip
  ringwood load data events.jsonl --key /meta/id --resume       goes on where that was stopped
  ringwood load data countries.json                             one array, or one object of entries
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
    /// How to read: binary, tsv, csv, jsonl or json
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    pub(crate) format: Option<Format>,
    /// csv: the column of the key, by name or number [default: 1]; jsonl, json: its field, or a /pointer
    #[arg(long, value_name = "COLUMN|FIELD")]
    pub(crate) key: Option<String>,
    /// Where the value is, likewise [default: the other column of two; else the row, the line, the element]
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
    /// Whether keys ascend: auto (look), yes (or fail), no (write batches)
    #[arg(long, value_enum, value_name = "WHAT", default_value = "auto", hide_possible_values = true)]
    pub(crate) sorted: Sorted,
    /// Go on where a load of this input into this keyspace was stopped; from the beginning if none was
    #[arg(long)]
    pub(crate) resume: bool,
    /// Threads that parse [default: one a processor, at most 8]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
}

/// Complaints that are shown; more are counted.
const SHOWN_MAX: u64 = 20;

pub(crate) fn run(args: &LoadArgs, global: &Global) -> Result<()> {
    check_name(global.keyspace.as_deref().unwrap_or_default()).map_err(Failure::Usage)?;
    let form = form(args, global)?;
    let parsers = match args.threads {
        Some(n @ 1..=PARSERS_MAX) => n,
        Some(_) => return Err(Failure::Usage(format!("--threads: 1 to {PARSERS_MAX}"))),
        None => pipeline::default_parsers(),
    };
    if args.resume && args.sorted == Sorted::Yes {
        return Err(Failure::usage(
            "--resume: a load with --sorted yes leaves nothing to go on with; take --sorted auto",
        ));
    }
    let interrupt = Interrupt::install()?;
    // Before the store is opened: none is to be made for a file that is not there.
    let (input, total) = open_input(args)?;
    let db = options(global).create_if_missing(true).open(&args.db).map_err(Failure::of_store)?;
    let skip = args.on_error == OnError::Skip;
    let count = Arc::new(AtomicU64::new(0));
    let input = Counted { from: input, count: Arc::clone(&count) };
    let name = global.keyspace.as_deref().unwrap_or("default");
    let mut record = Record::new(&db, form.is_some().then_some(name), how(args, form.as_ref()));
    let before = if args.resume { begin_again(&mut record)? } else { Progress::default() };
    let mut target = Target::new(&db, name, args.sorted, skip, record, &before)?;
    let mut load = Load { target: &mut target, interrupt, told: 0 };
    let mut bar = Bar::new("load");
    let passed = Skip::to(before.end);
    let queue = match form {
        Some(form) => pipeline::start(form, input, passed, skip, parsers),
        None => pipeline::start_dump(input, passed),
    };
    let done = queue.and_then(|queue| load.all(&queue, skip, &mut || bar.set(count.load(Relaxed), total)));
    let loaded = target.end();
    let closed = db.close();
    drop(bar);
    if let Err(failure) = &done {
        let how = if matches!(failure, Failure::Signal(_)) { "stopped" } else { "not all could be loaded" };
        note(format_args!("ringwood: note: {how}: {}", left(&loaded, args.file.is_some())));
    }
    done?;
    closed?;
    let mut out = Out::new();
    match global.json {
        true => out.line_now(json!({
            "entries": loaded.entries(), "skipped": loaded.skipped, "bulk": loaded.bulk, "batched": loaded.batched,
            "first_unsorted": loaded.first_unsorted, "resumed": loaded.resumed,
        }))?,
        false => out.line_now(summary(&loaded))?,
    }
    match loaded.skipped {
        0 => Ok(()),
        1 => Err(Failure::Damaged("one line was skipped".into())),
        n => Err(Failure::Damaged(format!("{n} lines were skipped"))),
    }
}

/// What a load was stopped at before, which is nothing if none was.
fn begin_again(record: &mut Record<'_>) -> Result<Progress> {
    let found = record.find()?;
    if found.is_none() {
        note("ringwood: note: there is no load to go on with; this one begins at the beginning of its input");
    }
    Ok(found.unwrap_or_default())
}

/// What a load that was stopped has left, and what to do.
fn left(loaded: &Loaded, is_file: bool) -> String {
    let what = if is_file {
        "the same command"
    } else {
        "the same command with the same input, from its beginning,"
    };
    match loaded.resumed + loaded.entries() {
        0 => "nothing is in the store of it".into(),
        n if loaded.is_recorded => {
            format!("{n} entries are in the store; {what} and --resume goes on behind them")
        }
        n => format!("{n} entries are in the store; loading again is harmless"),
    }
}

/// What a load has done, and which way.
fn summary(loaded: &Loaded) -> String {
    let Loaded { bulk, batched, first_unsorted, .. } = loaded;
    let why = first_unsorted.as_ref().map(|first| format!(" ({first})")).unwrap_or_default();
    let what = match (bulk, batched) {
        (0, 0) => "0 entries loaded".into(),
        (n, 0) => format!("{n} entries loaded in bulk"),
        (0, n) => format!("{n} entries loaded in batches{why}"),
        (_, n) => format!("{} entries loaded in bulk but for {n} in batches{why}", loaded.entries()),
    };
    match loaded.resumed {
        0 => what,
        n => format!("{what}, behind {n} of before"),
    }
}

/// How the input is read, in words: what a load that goes on must share with the one that was stopped. Where pieces end is part of it.
fn how(args: &LoadArgs, form: Option<&Form>) -> String {
    let LoadArgs { key, value, no_header, delimiter, raw, .. } = args;
    let name = form.map_or("binary", Form::name);
    let mut text = name.to_owned();
    for (option, given) in [("--key", key.as_deref()), ("--value", value.as_deref())] {
        if let Some(given) = given {
            text.push_str(&format!(" {option} {}", escape(given.as_bytes())));
        }
    }
    if name == "csv" {
        text.push_str(&format!(" --delimiter {delimiter}"));
    }
    for (option, given) in [("--no-header", *no_header), ("--raw", *raw)] {
        if given {
            text.push_str(&format!(" {option}"));
        }
    }
    format!("{text}, in pieces of {PIECE_BYTES} bytes")
}

/// How the input is to be read, checked; `None` for a binary dump.
fn form(args: &LoadArgs, global: &Global) -> Result<Option<Form>> {
    let by_name = args.file.as_deref().and_then(Format::of);
    let Some(format) = args.format.or(by_name) else {
        return Err(Failure::usage("say what the input is: --format binary, tsv, csv, jsonl or json"));
    };
    let only = |given: bool, option: &str, formats: &[Format]| match given && !formats.contains(&format) {
        true => Err(Failure::Usage(format!("{option} has no meaning for this format"))),
        false => Ok(()),
    };
    let with_fields = [Format::Csv, Format::Jsonl, Format::Json];
    only(args.key.is_some(), "--key", &with_fields)?;
    only(args.value.is_some(), "--value", &with_fields)?;
    only(args.no_header, "--no-header", &[Format::Csv])?;
    only(args.raw, "--raw", &[Format::Tsv])?;
    let texts = [Format::Tsv, Format::Csv, Format::Jsonl, Format::Json];
    only(global.keyspace.is_some(), "--keyspace", &texts)?;
    let fields = || {
        let field = |text: &Option<String>| text.as_deref().map(Field::of);
        Fields { key: field(&args.key), value: field(&args.value) }
    };
    Ok(Some(match format {
        Format::Binary => return Ok(None),
        Format::Tsv => Form::Tsv { raw: args.raw },
        Format::Jsonl => Form::Jsonl(fields()),
        Format::Json => Form::Json(Document::new(fields())),
        Format::Csv => {
            let delimiter = match args.delimiter.as_str() {
                "\\t" => b'\t',
                text if text.len() == 1 => text.as_bytes()[0],
                _ => return Err(Failure::usage("--delimiter: one character of ASCII, or \\t")),
            };
            let (key, value) = (args.key.clone(), args.value.clone());
            Form::Csv(Table::new(Shape { header: !args.no_header, key, value, delimiter }))
        }
    }))
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

/// Input whose bytes are counted, for the progress bar.
struct Counted<R> {
    from: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buf)?;
        self.count.fetch_add(n as u64, Relaxed);
        Ok(n)
    }
}

/// The side that writes.
struct Load<'a, 'db> {
    target: &'a mut Target<'db>,
    interrupt: Interrupt,
    /// Complaints, shown or counted.
    told: u64,
}

impl Load<'_, '_> {
    /// Takes what the parsers give, until they have given all or a signal comes.
    fn all(&mut self, queue: &Receiver<Next>, skip: bool, tick: &mut dyn FnMut()) -> Result<()> {
        while let Some(next) = self.wait(queue, tick)? {
            match next {
                Next::Piece(outcome, end) => match self.wait(&outcome, tick)? {
                    Some(parsed) => self.take(&parsed, end, skip)?,
                    None => return Err(Failure::store("a thread that parses has ended before its time")),
                },
                Next::Entries(parsed, end) => self.take(&parsed, end, skip)?,
                Next::Keyspace(name) => self.target.keyspace(&name)?,
                Next::Failed(why) => return Err(Failure::Store(why)),
            }
        }
        self.target.finish()
    }

    /// The next of a channel; `None` if nothing comes any more.
    fn wait<T>(&self, from: &Receiver<T>, tick: &mut dyn FnMut()) -> Result<Option<T>> {
        loop {
            self.interrupt.check()?;
            tick();
            match from.recv_timeout(Duration::from_millis(100)) {
                Ok(next) => return Ok(Some(next)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
    }

    fn take(&mut self, parsed: &Parsed, end: Mark, skip: bool) -> Result<()> {
        // The piece is left out as a whole: so a load that goes on begins with it, and takes nothing twice.
        if let Some(complaint) = parsed.complaints.first().filter(|_| !skip) {
            return Err(Failure::Store(complaint.to_string()));
        }
        self.target.take(parsed, end)?;
        let unsorted = std::mem::take(&mut self.target.complaints);
        parsed.complaints.iter().chain(&unsorted).for_each(|complaint| self.tell(complaint));
        Ok(())
    }

    fn tell(&mut self, complaint: &Complaint) {
        self.told += 1;
        match self.told {
            n if n <= SHOWN_MAX => note(format_args!("ringwood: skipped: {complaint}")),
            n if n == SHOWN_MAX + 1 => note("ringwood: further skipped lines are counted, not shown"),
            _ => {}
        }
    }
}
