//! Checking a whole table: every block, and that its parts agree.

use std::sync::Arc;

use ringwood_ring::{Disk, Lane, read_exact};

use super::Table;
use crate::entry::{Kind, entry_cmp};
use crate::error::{Result, TableError};
use crate::hash::KeyHash;
use crate::run::RawRun;

/// Bytes of one read.
const READ_BYTES: usize = 256 << 10;

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

impl Table {
    /// Reads the whole table, past the cache, on an idle lane, and checks: every checksum; the order of all entries; that index and
    /// filter lead to each of them; that the properties count them right.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn verify(self: &Arc<Self>, disk: &Arc<dyn Disk>, lane: &mut dyn Lane) -> Result<Verified> {
        let mut seen = Seen::default();
        let mut run = RawRun::new(Arc::clone(self));
        let mut bytes = 0;
        for (blocks, extent) in self.reads(0..self.block_count(), READ_BYTES) {
            let buf = match run.take_buf().filter(|buf| buf.len() >= extent.bytes) {
                Some(buf) => buf,
                None => disk.arena().alloc_any(extent.bytes)?,
            };
            let buf = read_exact(lane, self.file(), extent.offset, buf, extent.bytes)?;
            bytes += extent.bytes as u64;
            run.fill(blocks, buf);
            while run.advance()? {
                seen.entry(self, run.block(), &run)?;
            }
        }
        seen.end(self)?;
        Ok(Verified { blocks: u64::from(self.block_count()), entries: seen.entries, bytes })
    }
}

#[derive(Default)]
struct Seen {
    last_key: Vec<u8>,
    last_seq: u64,
    entries: u64,
    deletes: u64,
    keys: u64,
}

impl Seen {
    fn entry(&mut self, table: &Table, block: u32, run: &RawRun) -> Result<()> {
        let fail =
            |what: &'static str| Err(TableError::corrupt(table.path(), table.extent(block).offset, what));
        let properties = table.properties();
        let (key, seq) = (run.key(), run.seq());
        if self.entries > 0 && entry_cmp(&self.last_key, self.last_seq, key, seq).is_ge() {
            return fail("an entry is out of order");
        }
        if key < &properties.smallest_key[..] || key > &properties.largest_key[..] {
            return fail("an entry is beyond the table's bounds");
        }
        if seq < properties.seq_smallest || seq > properties.seq_largest {
            return fail("an entry is beyond the table's sequence numbers");
        }
        if table.block_for(key, seq) != block {
            return fail("the index leads elsewhere for an entry of this block");
        }
        if key != self.last_key {
            if !table.may_contain(KeyHash::of(key)) {
                return fail("the filter denies a key of this block");
            }
            self.keys += 1;
            self.last_key.clear();
            self.last_key.extend_from_slice(key);
        }
        self.last_seq = seq;
        self.entries += 1;
        self.deletes += u64::from(run.kind() == Kind::Delete);
        Ok(())
    }

    fn end(&self, table: &Table) -> Result<()> {
        let properties = table.properties();
        if (self.entries, self.deletes, self.keys)
            != (properties.entries, properties.deletes, properties.keys)
        {
            let what =
                format!("it holds {} entries, and its properties say {}", self.entries, properties.entries);
            return Err(TableError::corrupt(table.path(), table.data_bytes(), what));
        }
        Ok(())
    }
}
