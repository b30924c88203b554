//! Building an index while blocks are written.

use super::{FLAG_FRAMES, HEADER, SPLIT};
use crate::entry::{SEQ_MAX, common_prefix};
use ringwood_ring::PAGE;

/// Takes the blocks of a table in order. The writer's thread alone uses it.
#[derive(Debug, Default)]
pub(crate) struct IndexBuilder {
    pages: Vec<u16>,
    frames: Vec<u16>,
    is_compressed: bool,
    /// Bytes of all separators, one after the other.
    keys: Vec<u8>,
    lens: Vec<u16>,
    splits: Vec<(u32, u64)>,
    last_key: Vec<u8>,
    last_seq: u64,
}

impl IndexBuilder {
    /// Adds the next block: its length on disk and in plain form, its first and its last entry.
    pub(crate) fn add(&mut self, bytes: usize, frame_bytes: usize, first: (&[u8], u64), last: (&[u8], u64)) {
        let (key, _) = first;
        if !self.pages.is_empty() {
            let len = if self.last_key == key {
                self.splits.push((self.lens.len() as u32, self.last_seq - 1));
                key.len()
            } else {
                common_prefix(&self.last_key, key) + 1
            };
            self.keys.extend_from_slice(&key[..len]);
            self.lens.push(len as u16);
        }
        self.pages.push((bytes / PAGE) as u16);
        self.frames.push((frame_bytes / PAGE) as u16);
        self.is_compressed |= bytes != frame_bytes;
        self.last_key.clear();
        self.last_key.extend_from_slice(last.0);
        self.last_seq = last.1;
        debug_assert!(self.last_seq < SEQ_MAX, "entries are below the bound");
    }

    /// Number of blocks so far.
    pub(crate) fn block_count(&self) -> usize {
        self.pages.len()
    }

    /// Bytes that the index will have, at most.
    pub(crate) fn estimate(&self) -> usize {
        HEADER + 4 * self.pages.len() + 2 * self.lens.len() + SPLIT * self.splits.len() + self.keys.len()
    }

    /// Appends the bytes of the index to `out`.
    pub(crate) fn finish(self, out: &mut Vec<u8>) {
        // In a sorted list what the first and the last have in common, all have.
        let first = &self.keys[..self.lens.first().map_or(0, |&l| l as usize)];
        let last = &self.keys[self.keys.len() - self.lens.last().map_or(0, |&l| l as usize)..];
        let prefix_len = common_prefix(first, last);
        let keys_len = self.keys.len() - self.lens.len() * prefix_len;
        let flags = if self.is_compressed { FLAG_FRAMES } else { 0 };
        out.extend_from_slice(&(self.pages.len() as u32).to_le_bytes());
        out.extend_from_slice(&(prefix_len as u16).to_le_bytes());
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(&(keys_len as u32).to_le_bytes());
        out.extend_from_slice(&(self.splits.len() as u32).to_le_bytes());
        out.extend_from_slice(&first[..prefix_len]);
        put_u16s(out, self.pages.iter().copied());
        if self.is_compressed {
            put_u16s(out, self.frames.iter().copied());
        }
        put_u16s(out, self.lens.iter().map(|&len| len - prefix_len as u16));
        for (separator, seq) in self.splits {
            out.extend_from_slice(&separator.to_le_bytes());
            out.extend_from_slice(&seq.to_le_bytes());
        }
        let mut at = 0;
        for len in self.lens {
            let end = at + len as usize;
            out.extend_from_slice(&self.keys[at + prefix_len..end]);
            at = end;
        }
    }
}

fn put_u16s(out: &mut Vec<u8>, numbers: impl Iterator<Item = u16>) {
    for number in numbers {
        out.extend_from_slice(&number.to_le_bytes());
    }
}
