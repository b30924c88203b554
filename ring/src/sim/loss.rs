//! What a power loss leaves of one file.
//!
//! Legal is, for each 512-byte sector by itself, its durable bytes or those after any later write, whatever other sectors got;
//! for the size, the durable one or any later one. A fair coin for each sector would almost never keep a record of a
//! hundred sectors whole, nor lose exactly the last write: so a *mode* is drawn for each file first, and the choice by sector
//! is one mode of several. Every legal outcome can be drawn; the likely ones are those that have broken databases.

use std::sync::Arc;

use super::content::{Content, History, SECTOR, Slot, Version, merged, slot};
use super::rng::{Rng, mix};
use crate::PAGE;

/// Pages of grown, never written space that are given garbage, at most.
const GARBAGE_PAGES_MAX: u64 = 32;

/// How un-synced writes of one file fare.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    /// None survives.
    Nothing,
    /// All survive.
    Everything,
    /// Those before an operation survive: the disk wrote in order.
    Before(u64),
    /// Those from an operation on survive, earlier ones do not: the disk wrote in the opposite order.
    From(u64),
    /// Each operation survives whole or not at all.
    ByOperation { salt: u64, keep_of_8: u64 },
    /// Each page is as after any of its writes, or before all.
    ByPage { keep_of_8: u64 },
    /// Each sector is as after any of its writes, or before all.
    BySector { keep_of_8: u64 },
    /// All survive but one operation, which is torn.
    Torn(u64),
}

/// What the whole image tends to: drawn once per power loss, so that files can also all fare alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Mood {
    Nothing,
    Everything,
    /// All before an operation survives, on the whole disk: the power failed earlier than it did.
    Until(u64),
    Mixed,
}

impl Mood {
    /// `oldest` and `newest` are the first and the last operation that is not durable.
    pub(super) fn draw(rng: &mut Rng, oldest: u64, newest: u64) -> Self {
        match rng.below(10) {
            0 => Self::Nothing,
            1 => Self::Everything,
            2 => Self::Until(rng.between(oldest, newest)),
            _ => Self::Mixed,
        }
    }
}

impl Mode {
    fn draw(rng: &mut Rng, mood: Mood, content: &Content) -> Self {
        match mood {
            Mood::Nothing => return Self::Nothing,
            Mood::Everything => return Self::Everything,
            Mood::Until(cut) => return Self::Before(cut),
            Mood::Mixed => {}
        }
        let ops = || {
            let versions = content.dirty.values().flat_map(|h| &h.versions);
            versions.map(|v| v.op)
        };
        let (first, last) = (ops().min().unwrap_or(0), ops().max().unwrap_or(0));
        let keep_of_8 = [1, 4, 4, 7][rng.index(4)];
        match rng.below(9) {
            0 => Self::Nothing,
            1 => Self::Everything,
            2 => Self::Before(rng.between(first, last)),
            3 => Self::From(rng.between(first, last)),
            4 => Self::ByOperation { salt: rng.next(), keep_of_8 },
            5 => Self::ByPage { keep_of_8 },
            6 => Self::Torn(last),
            7 => {
                let count = ops().count();
                let pick = rng.index(count);
                Self::Torn(ops().nth(pick).unwrap_or(last))
            }
            _ => Self::BySector { keep_of_8 },
        }
    }

    /// How many of the page's versions count: 0 is the durable bytes. Cuts of the file up to operation `cuts` survive, later ones
    /// do not.
    fn depth(self, history: &History, cuts: u64, rng: &mut Rng) -> usize {
        let versions = &history.versions;
        let survives = |v: &Version| v.cut && v.op <= cuts;
        let least = versions.iter().rposition(survives).map_or(0, |i| i + 1);
        let mut depth = self.draw_depth(history, rng).max(least);
        while depth > least && versions[depth - 1].cut {
            depth -= 1;
        }
        depth
    }

    fn draw_depth(self, history: &History, rng: &mut Rng) -> usize {
        let all = history.versions.len();
        let until = |keep: &dyn Fn(u64) -> bool| {
            let last = history.versions.iter().rposition(|v| keep(v.op));
            last.map_or(0, |i| i + 1)
        };
        match self {
            Self::Nothing => 0,
            Self::Everything | Self::Torn(_) => all,
            Self::Before(cut) => until(&|op| op < cut),
            Self::From(cut) => until(&|op| op >= cut),
            Self::ByOperation { salt, keep_of_8 } => until(&|op| mix(salt ^ op) % 8 < keep_of_8),
            Self::ByPage { keep_of_8 } | Self::BySector { keep_of_8 } => {
                if rng.below(8) < keep_of_8 {
                    all
                } else {
                    rng.index(all + 1)
                }
            }
        }
    }

    fn resolve(self, history: &History, cuts: u64, rng: &mut Rng) -> Slot {
        let at = |depth: usize| match depth {
            0 => &history.base,
            n => &history.versions[n - 1].page,
        };
        let torn = match self {
            Self::BySector { .. } => true,
            Self::Torn(op) => history.versions.iter().any(|v| v.op == op),
            _ => false,
        };
        if !torn {
            return at(self.depth(history, cuts, rng)).clone();
        }
        // In a torn page every sector decides by itself.
        let by_sector = match self {
            Self::Torn(_) => Self::BySector { keep_of_8: 4 },
            other => other,
        };
        (0..PAGE / SECTOR).fold(history.base.clone(), |page, sector| {
            merged(&page, at(by_sector.depth(history, cuts, rng)), 1 << sector)
        })
    }

    /// The length that survives, and the operation that set it (0 for the durable one).
    fn size(self, content: &Content, rng: &mut Rng) -> (u64, u64) {
        let sizes = &content.sizes;
        let set = match self {
            Self::Nothing => None,
            Self::Everything => sizes.last(),
            Self::Before(cut) => sizes.iter().rfind(|(op, _)| *op < cut),
            _ if rng.one_in(2) => sizes.last(),
            _ => rng.index(sizes.len() + 1).checked_sub(1).map(|n| &sizes[n]),
        };
        set.copied().unwrap_or((0, content.durable_size))
    }
}

/// What the medium held before in space that a file gained.
pub(super) struct Garbage<'a> {
    /// Pages of files that were deleted.
    pub(super) stale: &'a [Arc<[u8; PAGE]>],
}

impl Garbage<'_> {
    fn page(&self, rng: &mut Rng) -> Slot {
        if !self.stale.is_empty() && rng.one_in(2) {
            return Some(Arc::clone(&self.stale[rng.index(self.stale.len())]));
        }
        let mut page = [0; PAGE];
        rng.fill(&mut page);
        slot(&page)
    }
}

impl Content {
    /// The first operation that a power loss could undo.
    pub(super) fn oldest_undurable(&self) -> Option<u64> {
        let pages = self.dirty.values().flat_map(|h| &h.versions).map(|v| v.op);
        pages.chain(self.sizes.iter().map(|(op, _)| *op)).min()
    }

    /// Replaces the content by one that a power loss may leave; it is durable then.
    pub(super) fn lose_power(&mut self, rng: &mut Rng, mood: Mood, garbage: Option<&Garbage<'_>>) {
        if self.is_durable() {
            return;
        }
        let mode = Mode::draw(rng, mood, self);
        let (cuts, size) = mode.size(self, rng);
        let grown_from = self.durable_size.div_ceil(PAGE as u64);
        let grown_until = size.div_ceil(PAGE as u64);
        let mut histories = std::mem::take(&mut self.dirty);
        if let Some(garbage) = garbage.filter(|_| grown_until > grown_from && rng.one_in(2)) {
            for (_, history) in histories.range_mut(grown_from..) {
                if history.base.is_none() && rng.one_in(2) {
                    history.base = garbage.page(rng);
                }
            }
            let wanted = rng.below((grown_until - grown_from).min(GARBAGE_PAGES_MAX) + 1);
            for _ in 0..wanted {
                let index = rng.between(grown_from, grown_until - 1);
                if !histories.contains_key(&index) {
                    let page = garbage.page(rng);
                    self.set_page(index, page);
                }
            }
        }
        for (&index, history) in &histories {
            let page = mode.resolve(history, cuts, rng);
            self.set_page(index, page);
        }
        self.size = size;
        self.cut_pages();
        self.durable_size = size;
        self.sizes.clear();
    }
}
