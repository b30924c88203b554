//! Walking through a whole table past the cache, over what is damaged: for checks and salvage.
//!
//! Reads go out ahead of the walk, as many as it was made for, so that the disk works while entries are looked at. With a depth of one
//! nothing is in flight between two steps, and several walks may share a lane. One thread at a time uses it.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use ringwood_ring::{Buf, Completion, Disk, IoError, IoErrorKind, Lane, Op};

use crate::entry::Entry;
use crate::error::{Result, TableError};
use crate::run::RawRun;
use crate::table::Table;

/// Where a walk has come to.
#[derive(Debug)]
pub enum Step {
    /// To an entry: [`TableWalk::entry`].
    Entry,
    /// To blocks that cannot be had. The walk goes on behind them.
    Damage(Damage),
    /// To the end.
    End,
}

/// Blocks that cannot be had.
#[derive(Debug, Clone)]
pub struct Damage {
    /// Which.
    pub blocks: Range<u32>,
    /// No key of theirs is before this one.
    pub from: Vec<u8>,
    /// No key of theirs is behind this one.
    pub to: Vec<u8>,
    /// What is wrong with the first.
    pub error: TableError,
}

/// See the module documentation.
#[derive(Debug)]
pub struct TableWalk {
    disk: Arc<dyn Disk>,
    run: RawRun,
    read_bytes: usize,
    depth: usize,
    /// Blocks not asked for yet.
    rest: Range<u32>,
    /// Reads that the run has not come to, in order.
    ahead: VecDeque<Read>,
    free: Vec<Buf>,
    done: Vec<Completion>,
    bytes: u64,
}

#[derive(Debug)]
struct Read {
    blocks: Range<u32>,
    len: usize,
    /// `None` while it is in flight.
    result: Option<Result<Buf>>,
}

impl TableWalk {
    /// A walk through all of `table`, by reads of about `read_bytes`, `depth` of them in flight at most.
    #[must_use]
    pub fn new(disk: &Arc<dyn Disk>, table: &Arc<Table>, read_bytes: usize, depth: usize) -> Self {
        Self {
            disk: Arc::clone(disk),
            run: RawRun::new(Arc::clone(table)),
            read_bytes,
            depth: depth.max(1),
            rest: 0..table.block_count(),
            ahead: VecDeque::new(),
            free: Vec::new(),
            done: Vec::new(),
            bytes: 0,
        }
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &Arc<Table> {
        self.run.table()
    }

    /// Bytes that the walk has left behind.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The current entry. Only after [`advance`](Self::advance) gave [`Step::Entry`].
    #[must_use]
    pub fn entry(&self) -> Entry<'_> {
        self.run.entry()
    }

    /// The current entry's block.
    #[must_use]
    pub fn block(&self) -> u32 {
        self.run.block()
    }

    /// Goes one entry on. `lane` is the same in all calls; with a depth above one nobody else uses it before the end.
    ///
    /// # Errors
    /// Only if the lane is broken or there is no memory; all else is [`Step::Damage`].
    pub fn advance(&mut self, lane: &mut dyn Lane) -> Result<Step> {
        loop {
            match self.run.advance() {
                Ok(true) => return Ok(Step::Entry),
                Ok(false) => {}
                Err(error) => {
                    let block = self.run.skip_damaged().unwrap_or_default();
                    return Ok(Step::Damage(self.damage(block..block + 1, error)));
                }
            }
            self.free.extend(self.run.take_buf());
            self.ask(lane)?;
            let Some(read) = self.next_read(lane)? else { return Ok(Step::End) };
            self.bytes += read.len as u64;
            match read.result.expect("it was waited for") {
                Ok(buf) => {
                    self.run.fill(read.blocks, buf);
                }
                Err(error) => return Ok(Step::Damage(self.damage(read.blocks, error))),
            }
        }
    }

    /// Pushes reads, as far as depth and memory go.
    fn ask(&mut self, lane: &mut dyn Lane) -> Result<()> {
        while self.ahead.len() < self.depth && lane.room() > 0 {
            let table = Arc::clone(self.run.table());
            let Some((blocks, extent)) = table.reads(self.rest.clone(), self.read_bytes).next() else {
                break;
            };
            let buf = match self.free.iter().position(|b| b.len() >= extent.bytes) {
                Some(i) => self.free.swap_remove(i),
                None => match self.disk.arena().alloc(extent.bytes.max(self.read_bytes)) {
                    Ok(buf) => buf,
                    // Those in flight come back.
                    Err(_) if !self.ahead.is_empty() => break,
                    Err(_) => self.disk.arena().alloc_any(extent.bytes)?,
                },
            };
            let file = table.file().clone();
            let token = u64::from(blocks.start);
            let op = Op::Read { file, offset: extent.offset, buf, len: extent.bytes };
            if let Err(op) = lane.push(token, op) {
                self.free.extend(op.into_buf());
                break;
            }
            self.rest.start = blocks.end;
            self.ahead.push_back(Read { blocks, len: extent.bytes, result: None });
        }
        Ok(())
    }

    /// Waits for the next read, if there is one.
    fn next_read(&mut self, lane: &mut dyn Lane) -> Result<Option<Read>> {
        while self.ahead.front().is_some_and(|read| read.result.is_none()) {
            if lane.reap(1, &mut self.done)? == 0 {
                let path = self.table().path().to_path_buf();
                let what = "a read was lost: the lane has nothing in flight";
                return Err(IoError::new("read", &path, IoErrorKind::Failed, what).into());
            }
            for completion in std::mem::take(&mut self.done) {
                let start = completion.token as u32;
                let Some(read) = self.ahead.iter_mut().find(|r| r.blocks.start == start) else { continue };
                read.result = Some(match (completion.result, completion.buf) {
                    (Ok(n), Some(buf)) if n == read.len => Ok(buf),
                    (Ok(_), _) => {
                        let table = self.run.table();
                        let offset = table.extent(start).offset;
                        Err(TableError::corrupt(table.path(), offset, "the file ends within the block"))
                    }
                    (Err(error), buf) => {
                        self.free.extend(buf);
                        Err(error.into())
                    }
                });
            }
        }
        Ok(self.ahead.pop_front())
    }

    fn damage(&self, blocks: Range<u32>, error: TableError) -> Damage {
        let table = self.run.table();
        let properties = table.properties();
        let is_last = blocks.end >= table.block_count();
        let from = match blocks.start {
            0 => properties.smallest_key.clone(),
            start => table.separator(start - 1),
        };
        let to = if is_last { properties.largest_key.clone() } else { table.separator(blocks.end - 1) };
        Damage { blocks, from, to, error }
    }
}
