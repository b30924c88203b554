//! The block index: which block may hold a key.
//!
//! Between each two blocks stands a *separator*, the shortest key that is above all of the left block and not above any of the
//! right one: the right block's first key, cut one byte after it departs from the left block's last. Where versions of one key
//! go on from block to block, the separator has a sequence number too, and parts them exactly.
//!
//! In memory the separators' common prefix is stored once, and the eight bytes after it as a number, so that search
//! touches a short array of every sixteenth number and then two cache lines. What is left of longer separators lies apart. About
//! 15 bytes a block.
//!
//! The bytes are described in `docs/format-sstable.md`.

mod build;

use std::cmp::Ordering;

use byteorder::{ByteOrder, LittleEndian as LE};
use ringwood_ring::PAGE;

pub(crate) use build::IndexBuilder;

use crate::Extent;
use crate::column::{Column, Movable};
use crate::entry::SEQ_MAX;
use crate::error::Fault;

/// Bytes in front of the columns.
const HEADER: usize = 16;
/// The index has a column of frame sizes: blocks are compressed.
const FLAG_FRAMES: u16 = 1;
/// Separators to one number of the upper level.
const FAN: usize = 16;
/// Bytes of a split: separator number, sequence number.
const SPLIT: usize = 12;

/// The index of one table, in memory. Any thread may search.
#[derive(Debug)]
pub(crate) struct Index {
    /// First page of each block, and the page after the last.
    starts: Column<u32>,
    /// Pages of each block's plain form, if blocks are compressed.
    frames: Column<u16>,
    prefix: Box<[u8]>,
    /// Every [`FAN`]th of `heads`, the last of each group.
    tops: Column<u64>,
    /// Of each separator: the eight bytes after the prefix, zero-padded.
    heads: Column<u64>,
    /// Of each separator: its length after the prefix.
    lens: Column<u16>,
    /// Where the rest of each separator, after prefix and head, starts in `rests`, and where the last ends. Empty if none has one.
    rests_at: Column<u32>,
    rests: Column<u8>,
    /// Separators inside one key, with the newest sequence number that belongs to the right.
    splits: Box<[(u32, u64)]>,
}

impl Index {
    /// Reads an index from the bytes of its section.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let mut rest = Columns(bytes);
        let header = rest.take(HEADER)?;
        let blocks = LE::read_u32(header) as usize;
        let prefix_len = LE::read_u16(&header[4..]) as usize;
        let flags = LE::read_u16(&header[6..]);
        let keys_len = LE::read_u32(&header[8..]) as usize;
        let split_count = LE::read_u32(&header[12..]) as usize;
        if flags & !FLAG_FRAMES != 0 {
            return Err(Fault::Newer("an index with unknown flags".into()));
        }
        let separators = blocks.saturating_sub(1);
        let prefix = rest.take(prefix_len)?;
        let pages = rest.take(2 * blocks)?;
        let frames = rest.take(if flags & FLAG_FRAMES != 0 { 2 * blocks } else { 0 })?;
        let lens = rest.take(2 * separators)?;
        let splits = rest.take(split_count.saturating_mul(SPLIT))?;
        let keys = rest.take(keys_len)?;
        if !rest.0.is_empty() {
            return Err(Fault::corrupt("an index longer than its columns"));
        }
        let mut starts = Vec::with_capacity(blocks + 1);
        let mut page = 0u32;
        starts.push(page);
        for block in u16s(pages) {
            page = page
                .checked_add(u32::from(block))
                .filter(|_| block > 0)
                .ok_or(Fault::corrupt("an index with impossible block lengths"))?;
            starts.push(page);
        }
        if u16s(frames).any(|f| f == 0) {
            return Err(Fault::corrupt("an index with impossible frame lengths"));
        }
        let splits: Box<[(u32, u64)]> =
            splits.chunks_exact(SPLIT).map(|s| (LE::read_u32(s), LE::read_u64(&s[4..]))).collect();
        let mut index = Self {
            starts: starts.into(),
            frames: u16s(frames).collect(),
            prefix: prefix.into(),
            tops: Column::default(),
            heads: Column::default(),
            lens: u16s(lens).collect(),
            rests_at: Column::default(),
            rests: Column::default(),
            splits,
        };
        index.place_keys(keys)?;
        index.check_order()?;
        Ok(index)
    }

    /// Cuts the separators' bytes into heads and rests.
    fn place_keys(&mut self, keys: &[u8]) -> Result<(), Fault> {
        let mut keys = Columns(keys);
        let mut heads = Vec::with_capacity(self.lens.len());
        let mut rests_at = vec![0];
        let mut rests = Vec::new();
        for &len in &*self.lens {
            let key = keys.take(len as usize)?;
            heads.push(head_of(key));
            rests.extend_from_slice(key.get(8..).unwrap_or_default());
            rests_at.push(rests.len() as u32);
        }
        if !keys.0.is_empty() {
            return Err(Fault::corrupt("an index with keys of no separator"));
        }
        if !rests.is_empty() {
            self.rests_at = rests_at.into();
            self.rests = rests.into();
        }
        self.tops = heads.chunks_exact(FAN).map(|group| group[FAN - 1]).collect();
        self.heads = heads.into();
        Ok(())
    }

    fn check_order(&self) -> Result<(), Fault> {
        let ascend = self.splits.windows(2).all(|w| w[0].0 < w[1].0);
        let last = self.splits.last().map_or(0, |s| s.0 as usize + 1);
        if !ascend || last > self.heads.len() || self.splits.iter().any(|s| s.1 > SEQ_MAX) {
            return Err(Fault::corrupt("an index with impossible splits"));
        }
        for i in 1..self.heads.len() {
            let order = self.heads[i - 1].cmp(&self.heads[i]).then_with(|| {
                let keys = self.rest(i - 1).cmp(self.rest(i));
                keys.then(self.lens[i - 1].cmp(&self.lens[i])).then(self.seq(i).cmp(&self.seq(i - 1)))
            });
            if order != Ordering::Less {
                return Err(Fault::corrupt("an index out of order"));
            }
        }
        Ok(())
    }

    /// Number of blocks.
    pub(crate) fn block_count(&self) -> u32 {
        (self.starts.len() - 1) as u32
    }

    /// Pages of all blocks.
    pub(crate) fn pages(&self) -> u32 {
        self.starts[self.starts.len() - 1]
    }

    /// Where a block lies in the file. The block exists.
    pub(crate) fn extent(&self, block: u32) -> Extent {
        let (start, end) = (self.starts[block as usize], self.starts[block as usize + 1]);
        Extent { offset: u64::from(start) * PAGE as u64, bytes: (end - start) as usize * PAGE }
    }

    /// Bytes of memory that a block's plain form takes, whole pages, at least those it has on disk.
    pub(crate) fn frame_bytes(&self, block: u32) -> usize {
        let stored = self.extent(block).bytes;
        match self.frames.get(block as usize) {
            Some(&pages) => (pages as usize * PAGE).max(stored),
            None => stored,
        }
    }

    /// The block to search for the first entry at or after (`key`, `seq`). If it is not there, it is the next block's first
    /// entry, and no version of `key` at or below `seq` exists. 0 for an index without blocks.
    pub(crate) fn block_for(&self, key: &[u8], seq: u64) -> u32 {
        let shared = key.len().min(self.prefix.len());
        match key[..shared].cmp(&self.prefix[..shared]) {
            Ordering::Less => return 0,
            Ordering::Greater => return self.heads.len() as u32,
            Ordering::Equal if shared < self.prefix.len() => return 0,
            Ordering::Equal => {}
        }
        let suffix = &key[shared..];
        let head = head_of(suffix);
        // As many blocks lie left as separators are at or before the target.
        let mut left = self.first_head_from(head);
        if self.heads.get(left) == Some(&head) {
            let ties = self.heads[left..].partition_point(|&h| h == head);
            let (mut low, mut high) = (left, left + ties);
            while low < high {
                let mid = usize::midpoint(low, high);
                if self.cmp_tied(mid, suffix, seq) == Ordering::Greater {
                    high = mid;
                } else {
                    low = mid + 1;
                }
            }
            left = low;
        }
        left as u32
    }

    /// The separator behind block `i`: above all keys of that block, and not above any of the next (but for versions of one key
    /// that lie in both).
    pub(crate) fn separator(&self, i: usize) -> Vec<u8> {
        let head = self.heads[i].to_be_bytes();
        [&self.prefix, &head[..(self.lens[i] as usize).min(8)], self.rest(i)].concat()
    }

    /// Index of the first head that is not below `head`.
    fn first_head_from(&self, head: u64) -> usize {
        let (mut group, mut len) = (0, self.tops.len());
        while len > 0 {
            let half = len / 2;
            // Without a branch: the compiler makes a conditional move of it.
            let below = self.tops[group + half] < head;
            group = if below { group + half + 1 } else { group };
            len = if below { len - half - 1 } else { half };
        }
        let from = group * FAN;
        let heads = &self.heads[from..(from + FAN).min(self.heads.len())];
        from + heads.iter().map(|&h| usize::from(h < head)).sum::<usize>()
    }

    /// Compares separator `i` with a target, their heads being equal.
    fn cmp_tied(&self, i: usize, suffix: &[u8], seq: u64) -> Ordering {
        let rest = self.rest(i).cmp(suffix.get(8..).unwrap_or_default());
        rest.then_with(|| (self.lens[i] as usize).cmp(&suffix.len())).then_with(|| seq.cmp(&self.seq(i)))
    }

    fn rest(&self, i: usize) -> &[u8] {
        match (self.rests_at.get(i), self.rests_at.get(i + 1)) {
            (Some(&from), Some(&to)) => &self.rests[from as usize..to as usize],
            _ => &[],
        }
    }

    /// The newest sequence number that belongs to the right of separator `i`.
    fn seq(&self, i: usize) -> u64 {
        self.splits.binary_search_by_key(&(i as u32), |s| s.0).map_or(SEQ_MAX, |at| self.splits[at].1)
    }

    /// What can live in the arena.
    pub(crate) fn columns(&mut self) -> [&mut dyn Movable; 7] {
        [
            &mut self.tops,
            &mut self.heads,
            &mut self.starts,
            &mut self.lens,
            &mut self.frames,
            &mut self.rests_at,
            &mut self.rests,
        ]
    }

    /// Bytes of memory that it holds.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.starts)
            + size_of_val(&*self.frames)
            + size_of_val(&*self.prefix)
            + size_of_val(&*self.tops)
            + size_of_val(&*self.heads)
            + size_of_val(&*self.lens)
            + size_of_val(&*self.rests_at)
            + size_of_val(&*self.rests)
            + size_of_val(&*self.splits)
    }
}

/// The first eight bytes of a key without the prefix, zero-padded, as a number that orders as the key does.
fn head_of(suffix: &[u8]) -> u64 {
    if let Some(eight) = suffix.first_chunk::<8>() {
        return u64::from_be_bytes(*eight);
    }
    let mut eight = [0; 8];
    eight[..suffix.len()].copy_from_slice(suffix);
    u64::from_be_bytes(eight)
}

/// Bytes that are cut into columns.
struct Columns<'a>(&'a [u8]);

impl<'a> Columns<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let (column, rest) =
            self.0.split_at_checked(len).ok_or(Fault::corrupt("an index shorter than its columns"))?;
        self.0 = rest;
        Ok(column)
    }
}

fn u16s(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes.chunks_exact(2).map(LE::read_u16)
}

#[cfg(test)]
mod tests;
