//! Entries on their way into the store, and complaints about what cannot go there.
//!
//! The parser has a thread of its own, which makes batches; the command's thread writes them. At most [`AHEAD`] batches wait.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::SyncSender;

use ringwood::{Db, Keyspace, WriteBatch};

/// Batches that wait for the writer at most.
pub(super) const AHEAD: usize = 4;
/// Keys and values of a batch, in bytes, unless a single entry is larger.
const BATCH_BYTES: usize = 1 << 20;

/// What is wrong with the input, and where: lines and columns from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) line: u64,
    pub(super) column: u64,
    pub(super) what: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.what)
    }
}

/// What the parser gives to the writer.
pub(super) enum Message {
    /// Entries, and how many.
    Batch(WriteBatch, u64),
    /// A line that was left out.
    Skipped(Complaint),
    /// The end, before the input's.
    Failed(String),
}

/// Why the parser stops.
#[derive(Debug)]
pub(super) enum Stop {
    /// The input cannot be read on: a sentence.
    Failed(String),
    /// Nobody takes entries any more.
    Gone,
}

/// Where a parser puts its entries.
pub(super) struct Feed {
    db: Db,
    keyspace: Keyspace,
    batch: WriteBatch,
    bytes: usize,
    to: SyncSender<Message>,
    skip: bool,
}

impl Feed {
    pub(super) fn new(db: Db, keyspace: Keyspace, skip: bool, to: SyncSender<Message>) -> Self {
        Self { db, keyspace, batch: WriteBatch::new(), bytes: 0, to, skip }
    }

    /// Entries go to this keyspace from now on; it is made if it is not there.
    pub(super) fn keyspace(&mut self, name: &str) -> Result<(), Stop> {
        self.keyspace = self.db.keyspace(name).map_err(|e| Stop::Failed(e.to_string()))?;
        Ok(())
    }

    /// Takes an entry from this line, whose key begins in this column.
    pub(super) fn put(&mut self, line: u64, column: u64, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        if let Err(error) = self.batch.put_in(&self.keyspace, key, value) {
            return self.complain(Complaint { line, column, what: error.to_string() });
        }
        self.bytes += key.len() + value.len();
        if self.bytes >= BATCH_BYTES { self.send() } else { Ok(()) }
    }

    /// Leaves a line out, if that is allowed.
    pub(super) fn complain(&mut self, complaint: Complaint) -> Result<(), Stop> {
        if self.skip {
            return self.to.send(Message::Skipped(complaint)).map_err(|_| Stop::Gone);
        }
        // What is before the line goes in.
        self.send()?;
        Err(Stop::Failed(complaint.to_string()))
    }

    /// Hands on what is left.
    pub(super) fn send(&mut self) -> Result<(), Stop> {
        let batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        let count = batch.len() as u64;
        if count == 0 {
            return Ok(());
        }
        self.to.send(Message::Batch(batch, count)).map_err(|_| Stop::Gone)
    }
}

/// Input whose bytes are counted, for the progress bar.
pub(super) struct Counted<R> {
    pub(super) from: R,
    pub(super) count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buf)?;
        self.count.fetch_add(n as u64, Relaxed);
        Ok(n)
    }
}
