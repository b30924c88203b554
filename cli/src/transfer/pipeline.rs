//! From an input to parsed entries, in order, over several threads.
//!
//! One thread reads and cuts the input into pieces ([`piece`](super::piece)); one for each processor parses them; the command's thread takes what they came to
//! in the order of the input, and writes. Each piece has a channel of its own for its outcome, and these stand in a queue: so order costs no sorting, and its
//! bound holds back the reader. Entries of a binary dump need no parser.
//!
//! The threads end when the queue's receiver is dropped; one that waits for the input ends with the process.

use std::io::{BufReader, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::binary::{Part, Reader};
use super::cut::{Cutter, Elements, Rows};
use super::json::{Document, Fields, jsonl};
use super::parsed::Parsed;
use super::piece::{Piece, Pieces};
use super::resume::{Mark, Skip};
use super::table::Table;
use super::text::tsv;
use crate::failure::{Failure, Result};

/// More threads than this the one that writes cannot keep busy.
pub(super) const PARSERS_MAX: usize = 8;

/// Pieces that wait for the one that writes, for each thread.
const QUEUE: usize = 2;

/// How a text is read.
#[derive(Debug)]
pub(super) enum Form {
    Tsv { raw: bool },
    Csv(Table),
    Jsonl(Fields),
    Json(Document),
}

/// What comes out, in the order of the input.
#[derive(Debug)]
pub(super) enum Next {
    /// A piece that a thread parses, gone if the thread is; and where it ends.
    Piece(Receiver<Parsed>, Mark),
    /// Entries of a binary dump, and where they end.
    Entries(Parsed, Mark),
    /// What follows is of this keyspace.
    Keyspace(String),
    /// The input cannot be read on. A sentence.
    Failed(String),
}

/// A piece, and where its outcome goes.
type Job = (Piece, Sender<Parsed>);

/// Starts to read a binary dump, behind what `passed` leaves out.
///
/// # Errors
/// If a thread cannot be had.
pub(super) fn start_dump(input: impl Read + Send + 'static, passed: Skip) -> Result<Receiver<Next>> {
    let (to, queue) = sync_channel(QUEUE);
    spawn("reader", move || {
        if let Err(why) = read_dump(input, passed, &to) {
            let _ = to.send(Next::Failed(why));
        }
    })?;
    Ok(queue)
}

/// How many threads parse, if nothing else is asked for.
pub(super) fn default_parsers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(PARSERS_MAX)
}

/// Starts to read a text by so many threads, behind what `passed` leaves out. With `skip`, what is complained about is left out; otherwise parsing a piece ends there.
///
/// # Errors
/// If a thread cannot be had.
pub(super) fn start(
    form: Form,
    input: impl Read + Send + 'static,
    passed: Skip,
    skip: bool,
    parsers: usize,
) -> Result<Receiver<Next>> {
    let (to, queue) = sync_channel(QUEUE * parsers);
    let form = Arc::new(form);
    // Unbounded, since the queue bounds it.
    let (jobs, todo) = channel::<Job>();
    let todo = Arc::new(Mutex::new(todo));
    for _ in 0..parsers {
        let (form, todo) = (Arc::clone(&form), Arc::clone(&todo));
        spawn("parser", move || {
            loop {
                let job = todo.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok((piece, to)) = job else { return };
                // If nobody listens any more, nobody wants to know.
                let _ = to.send(form.parse(&piece, skip));
            }
        })?;
    }
    spawn("reader", move || {
        if let Err(why) = form.read(input, passed, &jobs, &to) {
            let _ = to.send(Next::Failed(why));
        }
    })?;
    Ok(queue)
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
    let spawned = std::thread::Builder::new().name(name.into()).spawn(body);
    spawned.map(drop).map_err(|e| Failure::store(format!("cannot start a thread: {e}")))
}

impl Form {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Tsv { .. } => "tsv",
            Self::Csv(_) => "csv",
            Self::Jsonl(_) => "jsonl",
            Self::Json(_) => "json",
        }
    }

    /// Cuts the input into jobs, up to its end or until nobody listens.
    fn read(
        &self,
        input: impl Read,
        mut passed: Skip,
        jobs: &Sender<Job>,
        to: &SyncSender<Next>,
    ) -> Result<(), String> {
        let cutter = match self {
            Self::Tsv { .. } | Self::Jsonl(_) => Cutter::Lines,
            Self::Csv(table) => Cutter::Rows(Rows::new(table.delimiter())),
            Self::Json(_) => Cutter::Json(Elements::default()),
        };
        let has_mark = !matches!(self, Self::Tsv { raw: true });
        let mut pieces = Pieces::new(input, cutter, has_mark)?;
        let mut end = Mark::default();
        while let Some(piece) = pieces.next()? {
            match self {
                Self::Csv(table) if piece.is_first => table.begin(&piece.bytes)?,
                Self::Json(document) if piece.is_first => document.begin(&piece.bytes)?,
                _ => {}
            }
            end = end.after(&piece.bytes);
            if passed.passes(end)? {
                continue;
            }
            let (outcome, parsed) = channel();
            if to.send(Next::Piece(parsed, end)).is_err() || jobs.send((piece, outcome)).is_err() {
                return Ok(());
            }
        }
        passed.end()
    }

    fn parse(&self, piece: &Piece, skip: bool) -> Parsed {
        let mut parsed = Parsed::new(skip);
        // Why it stopped is among its complaints.
        let _ = match self {
            Self::Tsv { raw } => tsv(piece, *raw, &mut parsed),
            Self::Csv(table) => table.read(piece, &mut parsed),
            Self::Jsonl(fields) => jsonl(piece, fields, &mut parsed),
            Self::Json(document) => document.read(piece, &mut parsed),
        };
        parsed
    }
}

fn read_dump(input: impl Read, mut passed: Skip, to: &SyncSender<Next>) -> Result<(), String> {
    let mut reader = Reader::new(BufReader::with_capacity(256 << 10, input))?;
    loop {
        let next = match reader.next()? {
            Part::End => return passed.end(),
            // Also of what is passed over: the rest may be of the last of them.
            Part::Keyspace(name) => Next::Keyspace(name),
            Part::Entries(_) if passed.passes(reader.mark())? => continue,
            Part::Entries(payload) => Next::Entries(Parsed::of_dump(payload), reader.mark()),
        };
        if to.send(next).is_err() {
            return Ok(());
        }
    }
}
