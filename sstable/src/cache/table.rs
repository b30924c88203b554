//! The frames of the cache, by number.
//!
//! A frame number is a slab's number and a place in the slab. The states of a slab's frames are made with the slab, when the cache
//! first grows into it, and stay where they are until the cache is gone and the last pin with it: a getter with an outdated
//! number finds a frame, if not the one it wanted.

use std::sync::OnceLock;

use super::frame::{Frame, HITS_MODULUS, Locked};
use crate::sync::{AtomicU64, Ordering};

/// Stripes of the counter of scan hits.
const STRIPES: usize = 16;

pub(crate) struct Table {
    slabs: Box<[OnceLock<Box<[Frame]>>]>,
    /// Frames of a slab are numbered by this many bits.
    shift: u32,
    /// How often a frame's hit count started over.
    wraps: AtomicU64,
    scan_hits: [Stripe; STRIPES],
}

#[repr(align(64))]
struct Stripe(AtomicU64);

impl Table {
    pub(super) fn new(slabs_max: usize, frames_per_slab: usize) -> Self {
        Self {
            slabs: (0..slabs_max).map(|_| OnceLock::new()).collect(),
            shift: frames_per_slab.next_power_of_two().trailing_zeros(),
            wraps: AtomicU64::new(0),
            scan_hits: std::array::from_fn(|_| Stripe(AtomicU64::new(0))),
        }
    }

    /// The frame with number `id`.
    ///
    /// # Panics
    /// If its slab was never made: numbers come from slots, and slots from made slabs.
    #[inline]
    pub(super) fn frame(&self, id: u32) -> &Frame {
        let slab = self.slabs[(id >> self.shift) as usize].get();
        let frames = slab.expect("a frame number comes from a slab that was made");
        &frames[(id & ((1 << self.shift) - 1)) as usize]
    }

    /// Bits of a frame number that name the place in the slab.
    pub(super) fn shift(&self) -> u32 {
        self.shift
    }

    /// Makes the frames of slab `slab`, each locked and without memory. Once for each slab, in order.
    pub(super) fn make_slab(&self, slab: u32) -> Vec<Locked> {
        let first = slab << self.shift;
        let (frames, locks): (Vec<_>, Vec<_>) = (0..1 << self.shift).map(|i| Frame::new(first + i)).unzip();
        let fresh = self.slabs[slab as usize].set(frames.into_boxed_slice());
        assert!(fresh.is_ok(), "slab {slab} made twice");
        locks
    }

    /// All frames made so far.
    pub(super) fn frames(&self) -> impl Iterator<Item = &Frame> {
        self.slabs.iter().map_while(OnceLock::get).flat_map(|frames| frames.iter())
    }

    /// A frame's hit count started over.
    #[cold]
    pub(super) fn count_wrap(&self) {
        self.wraps.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a hit by a scan: on a stripe by frame, so that scans in different places do not meet on one cache line.
    #[inline]
    pub(super) fn count_scan_hit(&self, id: u32) {
        self.scan_hits[id as usize % STRIPES].0.fetch_add(1, Ordering::Relaxed);
    }

    /// Hits so far. Reads a word of every frame.
    pub(super) fn hits(&self) -> u64 {
        let points: u64 = self.frames().map(|frame| u64::from(frame.hits())).sum();
        let scans: u64 = self.scan_hits.iter().map(|s| s.0.load(Ordering::Relaxed)).sum();
        points + scans + self.wraps.load(Ordering::Relaxed) * u64::from(HITS_MODULUS)
    }
}
