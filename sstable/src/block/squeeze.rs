//! How many entries make a compressed block.
//!
//! A compressed block is to fill its pages (one by default) as well as a plain one does. How far entries compress is known
//! only by compressing them, so entries are collected a little beyond what the ratio of earlier blocks promises, and the
//! count is corrected by the size that comes out: too long, entries go back to the next block; too short, more are taken. Most
//! blocks are compressed once or twice. A block's plain form fits the largest frame of the cache. Where compression does not gain an entry over plain storage the block is stored
//! plain, and the next few are not tried.

use ringwood_ring::PAGE;

use super::builder::{Batch, Shape, encode};
use super::codec::{Compression, Compressor};
use super::pack::{PAGES_MAX, PLAIN_MAX};
use super::seal::{PACKED_HEADER, pack};

/// Fill of the pages, in percent, that is good enough to stop trying.
const FILL_GOOD: usize = 94;
/// Fill below which more entries are waited for, or more pages taken.
const FILL_POOR: usize = 75;
const ATTEMPTS_MAX: usize = 5;
/// Percent of a frame up to which a block is cut to fit it.
const JUST_OVER: usize = 117;
/// Blocks stored plain without a try after one that did not compress.
const SKIP: u32 = 15;
/// Ratios are in 1/256.
const ONE: usize = 256;

/// What the next block is made of.
pub(crate) struct Choice {
    pub(crate) shape: Shape,
    /// Its stored form is in [`Squeeze::best`], not padded. Else it is to be stored plain.
    pub(crate) is_packed: bool,
}

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Squeeze {
    codec: Compression,
    compressor: Compressor,
    target: usize,
    /// Plain bytes a packed byte, of late.
    ratio: usize,
    /// Bytes of entries to collect before the next try.
    want: usize,
    skip: u32,
    plain: Vec<u8>,
    trial: Vec<u8>,
    /// The best packed form so far.
    pub(crate) best: Vec<u8>,
}

impl Squeeze {
    /// Packs into blocks of `target` bytes, whole pages.
    pub(crate) fn new(codec: Compression, target: usize) -> Self {
        Self {
            codec,
            compressor: Compressor::default(),
            target,
            ratio: 2 * ONE,
            want: (2 * target).min(PLAIN_MAX),
            skip: 0,
            plain: Vec::new(),
            trial: Vec::new(),
            best: Vec::new(),
        }
    }

    /// Whether the batch holds enough for a try.
    pub(crate) fn wants_no_more(&self, batch: &Batch) -> bool {
        batch.bytes() >= self.want
    }

    /// Packs one plain block as it is. The stored form is then in [`best`](Self::best).
    pub(crate) fn pack_alone(&mut self, plain: &[u8]) -> bool {
        pack(self.codec, &mut self.compressor, plain, &mut self.best)
    }

    /// Decides on the next block. `None`: the batch is too short to fill a page; come again with more.
    pub(crate) fn choose(&mut self, batch: &Batch, is_last: bool) -> Option<Choice> {
        let is_tried = self.skip == 0;
        self.skip = self.skip.saturating_sub(1);
        let pages_max = (self.target / PAGE).max(PAGES_MAX);
        let mut chosen = None;
        for pages in self.target / PAGE..=pages_max {
            let bytes = pages * PAGE;
            let packed = if is_tried { self.fit(batch, bytes) } else { None };
            let plain = plain_fit(batch, bytes);
            let (shape, used) = match (packed, plain) {
                (Some((shape, len)), plain) if plain.is_none_or(|p| p.count < shape.count) => {
                    chosen = Some(Choice { shape, is_packed: true });
                    (shape, len)
                }
                (_, Some(shape)) => {
                    // Tried, and no better than plain: neither are the next ones, likely.
                    self.skip = if is_tried { SKIP } else { self.skip };
                    chosen = Some(Choice { shape, is_packed: false });
                    (shape, shape.block_len())
                }
                (_, None) => continue,
            };
            let is_all = shape.count == batch.len();
            if is_all && !is_last && 100 * used < FILL_GOOD * bytes && batch.bytes() < PLAIN_MAX {
                self.expect(batch.bytes() + batch.bytes() / 8);
                return None;
            }
            if is_all || 100 * used >= FILL_POOR * bytes {
                break;
            }
        }
        self.expect(0);
        chosen
    }

    /// Sets how much to collect before the next try.
    fn expect(&mut self, at_least: usize) {
        let by_ratio = self.target * self.ratio / ONE;
        let plain = if self.skip > 0 { self.target } else { by_ratio };
        self.want = (plain + plain / 8).max(at_least).min(PLAIN_MAX);
    }

    /// The most entries of `batch`, nearly, whose packed block fits `bytes`, and its length. Leaves it in `best`.
    fn fit(&mut self, batch: &Batch, bytes: usize) -> Option<(Shape, usize)> {
        let room = bytes - PACKED_HEADER;
        let mut found = None;
        let promised = room * self.ratio / ONE;
        // `low` entries fit; `high` do not, or are not there.
        let most = plain_fit(batch, frame_for(promised)).or_else(|| plain_fit(batch, PLAIN_MAX))?;
        let (mut low, mut high) = (0, 1 + most.count);
        let mut guess = within(batch, promised * 63 / 64);
        for _ in 0..ATTEMPTS_MAX {
            if low + 1 >= high {
                break;
            }
            guess = guess.clamp(low + 1, high - 1);
            let shape = Shape::of(batch, guess);
            encode(&shape, (0..guess).map(|i| batch.laid(i)), &mut self.plain);
            if !pack(self.codec, &mut self.compressor, &self.plain, &mut self.trial) {
                return found;
            }
            let packed = (self.trial.len() - PACKED_HEADER).max(1);
            self.ratio = (3 * self.ratio + self.plain.len() * ONE / packed) / 4;
            if packed <= room {
                std::mem::swap(&mut self.trial, &mut self.best);
                found = Some((shape, self.best.len()));
                low = guess;
                if 100 * self.best.len() >= FILL_GOOD * bytes {
                    break;
                }
                guess += (room - packed) * guess / packed * 31 / 32;
            } else {
                high = guess;
                guess = guess * room / packed * 63 / 64;
            }
        }
        found
    }
}

/// The memory to plan for a plain block of `bytes` bytes. Frames in the cache double in size: what would just not fit one, and leave nearly
/// half of the next empty, is cut to fit.
fn frame_for(bytes: usize) -> usize {
    let is_just_over = |frame: usize| bytes > frame && 100 * bytes <= JUST_OVER * frame;
    [2 * PAGE, 4 * PAGE].into_iter().find(|&frame| is_just_over(frame)).unwrap_or(PLAIN_MAX)
}

/// How many entries of the batch, at least one, hold at most `bytes` of keys and values.
fn within(batch: &Batch, bytes: usize) -> usize {
    let mut sum = 0;
    let fitting = (0..batch.len()).take_while(|&i| {
        let entry = batch.entry(i);
        sum += entry.key.len() + entry.value.len();
        sum <= bytes
    });
    fitting.count().max(1)
}

/// The most entries of `batch` whose plain block fits `bytes`.
fn plain_fit(batch: &Batch, bytes: usize) -> Option<Shape> {
    let mut shape = Some(Shape::one(&batch.entry(0))).filter(|s| s.block_len() <= bytes)?;
    for i in 1..batch.len() {
        let grown = shape.with(batch, &batch.entry(i));
        if grown.block_len() > bytes {
            break;
        }
        shape = grown;
    }
    Some(shape)
}
