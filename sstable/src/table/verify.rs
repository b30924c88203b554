//! Checking a whole table: every block, and that its parts agree.

use std::ops::ControlFlow;
use std::sync::Arc;

use ringwood_ring::{Disk, Lane};

use super::Table;
use crate::entry::{Entry, Kind, entry_cmp};
use crate::error::{Result, TableError};
use crate::hash::KeyHash;
use crate::walk::{Damage, Step, TableWalk};

/// Bytes of one read, and reads in flight.
const READ_BYTES: usize = 256 << 10;
const READS: usize = 32;

/// What a verification went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verified {
    /// Blocks.
    pub blocks: u64,
    /// Entries.
    pub entries: u64,
    /// Bytes read.
    pub bytes: u64,
}

/// What a check tells as it goes.
#[derive(Debug)]
pub enum Finding {
    /// So many bytes of the table are checked.
    Read(u64),
    /// Blocks that cannot be had.
    Damage(Damage),
    /// Blocks whose bytes are as written, and which say what cannot be.
    Wrong(TableError),
}

impl Table {
    /// Reads the whole table, past the cache, on an idle lane, and checks: every checksum; the order of all entries; that index and
    /// filter lead to each of them; that the properties count them right. At most 32 reads are in flight.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn verify(self: &Arc<Self>, disk: &Arc<dyn Disk>, lane: &mut dyn Lane) -> Result<Verified> {
        let mut wrong = None;
        let verified = self.check(disk, lane, &mut |finding| {
            wrong = match finding {
                Finding::Read(_) => return ControlFlow::Continue(()),
                Finding::Damage(damage) => Some(damage.error),
                Finding::Wrong(error) => Some(error),
            };
            ControlFlow::Break(())
        })?;
        wrong.map_or(Ok(verified), Err)
    }

    /// As [`verify`](Self::verify), but goes on behind what is wrong and tells all of it, until `tell` wants no more.
    ///
    /// # Errors
    /// If the lane is broken, or there is no memory to read with.
    pub fn check(
        self: &Arc<Self>,
        disk: &Arc<dyn Disk>,
        lane: &mut dyn Lane,
        tell: &mut dyn FnMut(Finding) -> ControlFlow<()>,
    ) -> Result<Verified> {
        let mut walk = TableWalk::new(disk, self, READ_BYTES, READS.min(lane.depth()));
        let mut seen = Seen::default();
        let mut told = 0;
        let mut verified = Verified::default();
        let mut goes_on = ControlFlow::Continue(());
        while goes_on.is_continue() {
            let step = walk.advance(lane)?;
            if walk.bytes() > told {
                told = walk.bytes();
                goes_on = tell(Finding::Read(told));
            }
            match step {
                Step::Entry => {
                    if let Err(error) = seen.entry(self, walk.block(), &walk.entry()) {
                        goes_on = tell(Finding::Wrong(error));
                    }
                }
                Step::Damage(damage) => {
                    seen.has_hole = true;
                    goes_on = tell(Finding::Damage(damage));
                }
                Step::End => {
                    if let Err(error) = seen.end(self) {
                        let _ = tell(Finding::Wrong(error));
                    }
                    verified.blocks = u64::from(self.block_count());
                    break;
                }
            }
        }
        // What was asked for and is not wanted any more leaves the lane.
        let mut rest = Vec::new();
        while lane.in_flight() > 0 && lane.reap(lane.in_flight(), &mut rest)? > 0 {}
        Ok(Verified { entries: seen.entries, bytes: walk.bytes(), ..verified })
    }
}

#[derive(Default)]
struct Seen {
    last_key: Vec<u8>,
    last_seq: u64,
    entries: u64,
    deletes: u64,
    keys: u64,
    /// Some blocks are missing, so that the counts cannot be right.
    has_hole: bool,
    /// The last block that something was wrong in: one sentence a block is enough.
    wrong_block: Option<u32>,
}

impl Seen {
    fn entry(&mut self, table: &Table, block: u32, entry: &Entry<'_>) -> Result<()> {
        let wrong = self.look(table, block, entry);
        if entry.key != self.last_key {
            self.keys += 1;
            self.last_key.clear();
            self.last_key.extend_from_slice(entry.key);
        }
        self.last_seq = entry.seq;
        self.entries += 1;
        self.deletes += u64::from(entry.kind == Kind::Delete);
        match wrong {
            Some(what) if self.wrong_block != Some(block) => {
                self.wrong_block = Some(block);
                Err(TableError::corrupt(table.path(), table.extent(block).offset, what))
            }
            _ => Ok(()),
        }
    }

    fn look(&self, table: &Table, block: u32, entry: &Entry<'_>) -> Option<&'static str> {
        let properties = table.properties();
        let (key, seq) = (entry.key, entry.seq);
        if self.entries > 0 && entry_cmp(&self.last_key, self.last_seq, key, seq).is_ge() {
            return Some("an entry is out of order");
        }
        if key < &properties.smallest_key[..] || key > &properties.largest_key[..] {
            return Some("an entry is beyond the table's bounds");
        }
        if seq < properties.seq_smallest || seq > properties.seq_largest {
            return Some("an entry is beyond the table's sequence numbers");
        }
        if table.block_for(key, seq) != block {
            return Some("the index leads elsewhere for an entry of this block");
        }
        if key != self.last_key && !table.may_contain(KeyHash::of(key)) {
            return Some("the filter denies a key of this block");
        }
        None
    }

    fn end(&self, table: &Table) -> Result<()> {
        let properties = table.properties();
        let counted = (self.entries, self.deletes, self.keys);
        if !self.has_hole && counted != (properties.entries, properties.deletes, properties.keys) {
            let what =
                format!("it holds {} entries, and its properties say {}", self.entries, properties.entries);
            return Err(TableError::corrupt(table.path(), table.data_bytes(), what));
        }
        Ok(())
    }
}
