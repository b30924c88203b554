//! The bytes of one file: what readers see, and what a power loss may leave of it.
//!
//! Pages are shared and copied on write. Only what differs from the durable state has a history: each page written since
//! its last sync keeps its durable bytes (*base*) and every later content (*versions*), oldest first. The size has the same.
//! A sync drops history; a power loss (in `loss.rs`) picks from it.
//!
//! # Invariants
//!
//! 1. A page without a history is durable as it is.
//! 2. The last version of a page, where there is one, is what readers see.
//! 3. A page whose history has no version is one that a failed sync left clean: readers see what no sync will save.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::config::SyncFailure;
use super::rng::Rng;
use crate::PAGE;

/// The unit that the disk writes atomically.
pub(super) const SECTOR: usize = 512;
const SECTORS: usize = PAGE / SECTOR;

/// One page's bytes; `None` is all zeros, so that pre-written and sparse files cost nothing.
pub(super) type Slot = Option<Arc<[u8; PAGE]>>;

static ZERO: [u8; PAGE] = [0; PAGE];

/// Versions kept of one page between syncs. More rewrites than that only lose some of the intermediate outcomes.
const VERSIONS_MAX: usize = 256;

/// Shares a copy of one page.
pub(super) fn slot(bytes: &[u8]) -> Slot {
    if bytes == ZERO {
        return None;
    }
    let shared: Arc<[u8]> = Arc::from(bytes);
    Some(shared.try_into().expect("callers cut whole pages"))
}

pub(super) fn bytes(slot: &Slot) -> &[u8; PAGE] {
    slot.as_deref().unwrap_or(&ZERO)
}

/// `old` with the sectors in `mask` taken from `new`.
pub(super) fn merged(old: &Slot, new: &Slot, mask: u8) -> Slot {
    match mask {
        0 => old.clone(),
        0xff => new.clone(),
        _ => {
            let mut page = *bytes(old);
            for sector in (0..SECTORS).filter(|s| mask & (1 << s) != 0) {
                let at = sector * SECTOR..(sector + 1) * SECTOR;
                page[at.clone()].copy_from_slice(&bytes(new)[at]);
            }
            slot(&page)
        }
    }
}

/// What a page held after one operation.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) op: u64,
    /// The operation cut the file: the version counts if, and only if, the length that it set counts.
    pub(super) cut: bool,
    pub(super) page: Slot,
}

/// A page that differs from its durable state.
#[derive(Debug, Clone)]
pub(super) struct History {
    pub(super) base: Slot,
    pub(super) versions: Vec<Version>,
}

impl History {
    /// Makes everything up to the last version that `covered` accepts durable. Returns whether history is left: with no such
    /// version all of it is, and what a failed sync left clean stays unsaved.
    fn settle(&mut self, covered: impl Fn(u64) -> bool) -> bool {
        let Some(last) = self.versions.iter().rposition(|v| covered(v.op)) else {
            return true;
        };
        self.base = self.versions[last].page.clone();
        self.versions.drain(..=last);
        !self.versions.is_empty()
    }
}

/// See the module documentation.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    /// What readers see; pages beyond the end of this are zeros.
    pub(super) pages: Vec<Slot>,
    pub(super) size: u64,
    pub(super) durable_size: u64,
    /// Sizes since the last sync with the operations that made them, the current one last. Empty if it did not change.
    pub(super) sizes: Vec<(u64, u64)>,
    pub(super) dirty: BTreeMap<u64, History>,
}

impl Content {
    pub(super) fn page(&self, index: u64) -> &Slot {
        const NONE: &Slot = &None;
        self.pages.get(index as usize).unwrap_or(NONE)
    }

    /// Copies from `offset` on; returns how many bytes there were before the end of the file.
    pub(super) fn read(&self, offset: u64, out: &mut [u8]) -> usize {
        let len = self.size.saturating_sub(offset).min(out.len() as u64) as usize;
        let mut done = 0;
        while done < len {
            let at = offset + done as u64;
            let start = at as usize % PAGE;
            let n = (PAGE - start).min(len - done);
            let piece = &mut out[done..done + n];
            match self.page(at / PAGE as u64) {
                None => piece.fill(0),
                Some(page) => piece.copy_from_slice(&page[start..start + n]),
            }
            done += n;
        }
        len
    }

    /// Operation `op` puts the sectors in `mask` of `new` into page `index`.
    pub(super) fn put(&mut self, op: u64, index: u64, new: &Slot, mask: u8) {
        let page = merged(self.page(index), new, mask);
        self.change(op, index, page, false);
    }

    fn change(&mut self, op: u64, index: u64, page: Slot, cut: bool) {
        let old = self.page(index).clone();
        let durable = (index + 1) * PAGE as u64 <= self.durable_size;
        if durable && old.is_none() && page.is_none() && !self.dirty.contains_key(&index) {
            return; // Zeros over durable zeros: no outcome can tell.
        }
        let history = self.dirty.entry(index).or_insert_with(|| History { base: old, versions: Vec::new() });
        match history.versions.last_mut() {
            // The next part of a transfer that was split inside a page: any mixture of the two is within the choice by sector.
            Some(last) if last.op == op => last.page = page.clone(),
            _ => history.versions.push(Version { op, cut, page: page.clone() }),
        }
        if history.versions.len() > VERSIONS_MAX {
            history.versions.remove(0);
        }
        self.set_page(index, page);
    }

    /// Replaces what readers see, leaving history alone.
    pub(super) fn set_page(&mut self, index: u64, page: Slot) {
        let index = index as usize;
        if index >= self.pages.len() {
            if page.is_none() {
                return;
            }
            self.pages.resize(index + 1, None);
        }
        self.pages[index] = page;
    }

    /// Operation `op`, which writes `data` at `offset` (a page multiple), moves its bytes `from..to` (sector multiples).
    pub(super) fn write(&mut self, op: u64, offset: u64, data: &[Slot], from: usize, to: usize) {
        let first = offset / PAGE as u64;
        let pages = data.iter().enumerate().take(to.div_ceil(PAGE));
        for (i, page) in pages.skip(from / PAGE) {
            let start = from.saturating_sub(i * PAGE) / SECTOR;
            let end = (to - i * PAGE).min(PAGE) / SECTOR;
            let mask = ((1u32 << end) - (1u32 << start)) as u8;
            self.put(op, first + i as u64, page, mask);
        }
        self.grow(op, offset + to as u64);
    }

    pub(super) fn grow(&mut self, op: u64, size: u64) {
        if size > self.size {
            self.size = size;
            self.sizes.push((op, size));
        }
    }

    /// Cuts or extends the file.
    pub(super) fn set_size(&mut self, op: u64, size: u64) {
        if size >= self.size {
            return self.grow(op, size);
        }
        let whole = size.div_ceil(PAGE as u64);
        let mut gone: BTreeSet<u64> = self.dirty.range(whole..).map(|(&index, _)| index).collect();
        gone.extend((whole..self.pages.len() as u64).filter(|&index| self.page(index).is_some()));
        for index in gone {
            self.change(op, index, None, true);
        }
        self.pages.truncate(whole as usize);
        let tail = (size % PAGE as u64) as usize;
        if tail > 0 {
            let mut page = *bytes(self.page(whole - 1));
            page[tail..].fill(0);
            self.change(op, whole - 1, slot(&page), true);
        }
        self.size = size;
        self.sizes.push((op, size));
    }

    /// A sync: every version whose operation `covered` accepts becomes durable, and the size. With `rest`, all others too.
    pub(super) fn sync(&mut self, rest: bool, covered: impl Fn(u64) -> bool) {
        self.dirty.retain(|_, history| history.settle(|op| rest || covered(op)));
        self.durable_size = self.size;
        self.sizes.clear();
    }

    /// The sync in a `dsync` write: the pages of operation `op` in `offset..end` become durable, and the size as far as they need.
    pub(super) fn sync_range(&mut self, op: u64, offset: u64, end: u64) {
        let range = offset / PAGE as u64..end.div_ceil(PAGE as u64);
        let clean: Vec<u64> = self
            .dirty
            .range_mut(range)
            .filter_map(|(&index, history)| (!history.settle(|o| o == op)).then_some(index))
            .collect();
        for index in clean {
            self.dirty.remove(&index);
        }
        self.durable_size = self.durable_size.max(end.min(self.size));
        self.sizes.retain(|(_, s)| *s >= end);
    }

    /// A sync that fails, of the pages from `first` to before `end` that no write `in_flight` has begun to fill. Some of them
    /// may have reached the disk all the same.
    pub(super) fn fail_sync(
        &mut self,
        how: SyncFailure,
        (first, end): (u64, u64),
        in_flight: &[u64],
        rng: &mut Rng,
    ) {
        let reached = rng.below(3);
        let settled = |h: &History| h.versions.iter().all(|v| !in_flight.contains(&v.op));
        let indices = self.dirty.range(first..end).filter(|(_, h)| settled(h));
        let indices: Vec<u64> = indices.map(|(&i, _)| i).collect();
        for index in indices {
            let Some(history) = self.dirty.get_mut(&index) else {
                continue;
            };
            if reached > 0 && !history.versions.is_empty() && rng.one_in(1 + reached) {
                self.dirty.remove(&index);
                continue;
            }
            match how {
                SyncFailure::KeepDirty => {}
                SyncFailure::MarkClean => history.versions.clear(),
                SyncFailure::Revert => {
                    let base = history.base.clone();
                    self.dirty.remove(&index);
                    self.set_page(index, base);
                }
            }
        }
        match how {
            SyncFailure::KeepDirty => {}
            SyncFailure::MarkClean => self.sizes.clear(),
            SyncFailure::Revert => {
                // A write in flight has extended the file anew.
                self.sizes.retain(|(op, _)| in_flight.contains(op));
                self.size = self.sizes.last().map_or(self.durable_size, |(_, size)| *size);
                self.cut_pages();
            }
        }
    }

    /// Whether a power loss now would change nothing.
    pub(super) fn is_durable(&self) -> bool {
        self.dirty.is_empty() && self.sizes.is_empty() && self.size == self.durable_size
    }

    /// Drops what lies beyond the size from what readers see, history untouched.
    pub(super) fn cut_pages(&mut self) {
        let whole = self.size.div_ceil(PAGE as u64);
        self.pages.truncate(whole as usize);
        let tail = (self.size % PAGE as u64) as usize;
        if tail > 0 && self.page(whole - 1).is_some() {
            let mut page = *bytes(self.page(whole - 1));
            page[tail..].fill(0);
            self.set_page(whole - 1, slot(&page));
        }
    }

    /// Flips one bit in everything that is kept of its page: rot on the medium, seen by the cache too.
    pub(super) fn flip(&mut self, offset: u64, bit: u8) {
        let (index, at) = (offset / PAGE as u64, (offset % PAGE as u64) as usize);
        let flipped = |page: &Slot| {
            let mut page = *bytes(page);
            page[at] ^= 1 << (bit % 8);
            slot(&page)
        };
        let page = flipped(self.page(index));
        self.set_page(index, page);
        if let Some(history) = self.dirty.get_mut(&index) {
            history.base = flipped(&history.base);
            for version in &mut history.versions {
                version.page = flipped(&version.page);
            }
        }
    }

    /// Sets the bytes, durable at once.
    pub(super) fn replace(&mut self, new: &[u8]) {
        *self = Self::default();
        for (index, chunk) in new.chunks(PAGE).enumerate() {
            let mut page = [0; PAGE];
            page[..chunk.len()].copy_from_slice(chunk);
            self.set_page(index as u64, slot(&page));
        }
        self.size = new.len() as u64;
        self.durable_size = self.size;
    }
}
