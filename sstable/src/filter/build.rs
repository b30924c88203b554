//! Building a filter from the hashes of a table's keys.
//!
//! Each key owes three places the xor of its fingerprint. A place that only one key still claims settles that key; the key is
//! taken off its other places, which may leave those to one key as well, and so on (*peeling*). The keys' fingerprints are then
//! assigned in reverse order. If peeling gets stuck, another seed is tried: at these sizes about one in a hundred does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::fuse::Fuse;
use super::{HEADER, KIND_FUSE8, PART, PART_KEYS, PARTS_MAX, part_of, shift};
use crate::KeyHash;

/// Seeds tried for a part. Each fails with a chance far below a half.
const SEEDS_MAX: u64 = 64;

/// Hashes of a piece of memory.
const PIECE: usize = 8 << 10;

/// Collects the hashes of a table's keys, each key once, in the order in which they come: with a place in memory for each part, every hash would be
/// a cache miss for the thread that makes the blocks.
#[derive(Debug, Default)]
pub(crate) struct FilterBuilder {
    /// Full but for the last.
    pieces: Vec<Vec<u64>>,
    keys: usize,
}

impl FilterBuilder {
    #[inline]
    pub(crate) fn add(&mut self, hash: KeyHash) {
        self.keys += 1;
        match self.pieces.last_mut() {
            Some(piece) if piece.len() < PIECE => piece.push(hash.0),
            _ => self.begin_piece(hash),
        }
    }

    #[cold]
    fn begin_piece(&mut self, hash: KeyHash) {
        // A table of a few keys needs no whole piece.
        let mut piece = if self.pieces.is_empty() { Vec::new() } else { Vec::with_capacity(PIECE) };
        piece.push(hash.0);
        self.pieces.push(piece);
    }

    /// Bytes of memory that the hashes hold.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.pieces.iter().map(|piece| piece.capacity() * size_of::<u64>()).sum()
    }

    /// Bytes that the filter will have, about.
    pub(crate) fn estimate(&self) -> usize {
        estimate(self.keys)
    }

    /// Nothing more is added: the parts of the filter, to be built by whoever has time.
    pub(crate) fn into_parts(self) -> FilterParts {
        FilterParts {
            pieces: Mutex::new(self.pieces),
            parts: OnceLock::new(),
            next: AtomicUsize::new(0),
            keys: self.keys,
        }
    }
}

/// The parts of a filter whose keys are all known. Any number of threads may [build](Self::build) it together: the parts are independent, and the
/// bytes are the same whoever built which.
#[derive(Debug)]
pub struct FilterParts {
    /// All hashes, until they are dealt out to the parts.
    pieces: Mutex<Vec<Vec<u64>>>,
    parts: OnceLock<Box<[Mutex<FilterPart>]>>,
    /// The first that nobody has begun.
    next: AtomicUsize,
    keys: usize,
}

#[derive(Debug)]
struct FilterPart {
    keys: Vec<u64>,
    /// Once it is built: `None` in it if that cannot be, the fingerprints beside the description otherwise.
    built: Option<Option<(Fuse, Vec<u8>)>>,
}

impl FilterParts {
    /// Builds parts until all are built or being built by others.
    pub fn build(&self) {
        let mut scratch = Scratch::default();
        let parts = self.parts();
        while let Some(part) = parts.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            part.lock().unwrap_or_else(PoisonError::into_inner).build(&mut scratch);
        }
    }

    /// The parts, each with its hashes. Whoever comes first deals them out; others wait for the moment that it takes.
    fn parts(&self) -> &[Mutex<FilterPart>] {
        self.parts.get_or_init(|| {
            let pieces = std::mem::take(&mut *self.pieces.lock().unwrap_or_else(PoisonError::into_inner));
            deal(pieces, self.keys)
                .into_iter()
                .map(|keys| Mutex::new(FilterPart { keys, built: None }))
                .collect()
        })
    }

    /// Builds what is left, waits for what others build, and appends the filter's bytes to `out`. Returns false, and leaves `out` alone, if it cannot
    /// be built (which does not happen but by a hash that collides on purpose): the table then has no filter.
    pub(crate) fn finish(&self, out: &mut Vec<u8>) -> bool {
        self.build();
        let (mut fuses, mut fingerprints) = (Vec::new(), Vec::with_capacity(self.keys * 5 / 4));
        for part in self.parts() {
            let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
            // A thread that was to build it may have panicked.
            let Some((fuse, bytes)) = part.build(&mut Scratch::default()) else { return false };
            fuses.push(Fuse { start: fingerprints.len() as u64, ..*fuse });
            fingerprints.extend_from_slice(bytes);
        }
        out.extend_from_slice(&KIND_FUSE8.to_le_bytes());
        out.extend_from_slice(&(fuses.len() as u32).to_le_bytes());
        out.extend_from_slice(&(self.keys as u64).to_le_bytes());
        fuses.iter().for_each(|fuse| fuse.write(out));
        out.extend_from_slice(&fingerprints);
        true
    }

    /// Bytes of memory of the hashes, at most.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.keys * size_of::<u64>()
    }

    /// Bytes that the filter will have, about.
    pub(crate) fn estimate(&self) -> usize {
        estimate(self.keys)
    }
}

impl FilterPart {
    fn build(&mut self, scratch: &mut Scratch) -> Option<&(Fuse, Vec<u8>)> {
        if self.built.is_none() {
            self.built = Some(scratch.build(&mut std::mem::take(&mut self.keys)));
        }
        self.built.as_ref()?.as_ref()
    }
}

/// Deals hashes out to as many parts as so many keys want, by their top bits.
fn deal(pieces: Vec<Vec<u64>>, keys: usize) -> Vec<Vec<u64>> {
    let count = keys.div_ceil(PART_KEYS).next_power_of_two().clamp(1, PARTS_MAX);
    if count == 1 {
        return vec![pieces.concat()];
    }
    let share = keys / count;
    let mut parts: Vec<_> = (0..count).map(|_| Vec::with_capacity(share + share / 16)).collect();
    let shift = shift(count);
    // Each piece is let go when it is dealt out.
    for hash in pieces.into_iter().flatten() {
        parts[part_of(hash, shift)].push(hash);
    }
    parts
}

fn estimate(keys: usize) -> usize {
    HEADER + PART * PARTS_MAX / 2 + keys * 5 / 4
}

/// Memory that is reused from part to part.
#[derive(Debug, Default)]
struct Scratch {
    /// Of each place, the xor of the mixed hashes of the keys that claim it.
    hashes: Vec<u64>,
    /// … and four times how many claim it (modulo 64), plus the xor of which of their three places it is. Apart, so that both stay in the cache.
    claims: Vec<u8>,
    /// Mixed hashes by the segment of their first place, so that counting stays near in memory. Then those that are peeled, in that order.
    mixed: Vec<u64>,
    /// Which of its places each peeled key settles.
    settled: Vec<u8>,
    starts: Vec<u32>,
    /// Places that one key claims, or did when they were seen: a queue.
    alone: Vec<u32>,
}

impl Scratch {
    /// Builds one part.
    fn build(&mut self, keys: &mut Vec<u64>) -> Option<(Fuse, Vec<u8>)> {
        for attempt in 0..SEEDS_MAX {
            // Any fixed sequence of seeds will do; a table's bytes follow from its entries alone.
            let seed = (attempt + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let fuse = Fuse::sized(keys.len(), seed, 0);
            if self.peel(&fuse, keys) {
                let mut fingerprints = vec![0; fuse.len() as usize];
                self.assign(&fuse, &mut fingerprints);
                return Some((fuse, fingerprints));
            }
            // Two keys of one hash can never be peeled; one of them is enough. Other failures are by chance, and much more frequent.
            if attempt > 0 {
                keys.sort_unstable();
                keys.dedup();
            }
        }
        None
    }

    /// Finds an order in which every key has a place of its own. False if there is none.
    ///
    /// Whether a place is left to one key is as good as random: nothing here branches on it.
    fn peel(&mut self, fuse: &Fuse, keys: &[u64]) -> bool {
        let len = fuse.len() as usize;
        self.hashes.clear();
        self.hashes.resize(len, 0);
        self.claims.clear();
        self.claims.resize(len, 0);
        self.alone.resize(len + 1, 0);
        self.settled.resize(keys.len(), 0);
        self.sort_by_segment(fuse, keys);
        let (hashes, claims) = (&mut self.hashes[..len], &mut self.claims[..len]);
        for &mixed in &self.mixed {
            for (which, at) in (0..).zip(fuse.positions(mixed)) {
                hashes[at as usize] ^= mixed;
                let claim = &mut claims[at as usize];
                *claim = claim.wrapping_add(4) ^ which;
            }
        }
        // So many keys on one place that the number of them does not fit: no accident.
        if claims.iter().map(|claim| usize::from(*claim >> 2)).sum::<usize>() != 3 * keys.len() {
            return false;
        }
        // A place gets into the queue once at most: when one key is left, and it began with more or with that one. First in, first out: the next
        // step has no need to wait for what this one finds.
        let alone = &mut self.alone[..=len];
        let mut end = 0;
        for (at, claim) in (0..len as u32).zip(&*claims).rev() {
            alone[end] = at;
            end += usize::from(*claim >> 2 == 1);
        }
        let (mut next, mut peeled) = (0, 0);
        while next < end {
            let at = alone[next] as usize;
            next += 1;
            let claim = claims[at];
            if claim >> 2 != 1 {
                continue; // Settled from another of its places meanwhile.
            }
            let mixed = hashes[at];
            self.mixed[peeled] = mixed;
            self.settled[peeled] = claim & 3;
            peeled += 1;
            for (which, at) in (0..).zip(fuse.positions(mixed)) {
                hashes[at as usize] ^= mixed;
                let claim = &mut claims[at as usize];
                *claim = claim.wrapping_sub(4) ^ which;
                alone[end] = at;
                end += usize::from(*claim >> 2 == 1);
            }
        }
        peeled == keys.len()
    }

    /// Puts the mixed hashes in the order of their first segments, nearly: by counting.
    fn sort_by_segment(&mut self, fuse: &Fuse, keys: &[u64]) {
        let bits = fuse.segment_count.next_power_of_two().trailing_zeros().max(1);
        let bucket = |mixed: u64| (mixed >> (u64::BITS - bits)) as usize;
        self.starts.clear();
        self.starts.resize((1 << bits) + 1, 0);
        for &key in keys {
            self.starts[bucket(fuse.mix(key)) + 1] += 1;
        }
        for i in 1..self.starts.len() {
            self.starts[i] += self.starts[i - 1];
        }
        self.mixed.resize(keys.len(), 0);
        for &key in keys {
            let mixed = fuse.mix(key);
            let at = &mut self.starts[bucket(mixed)];
            self.mixed[*at as usize] = mixed;
            *at += 1;
        }
    }

    /// Sets the fingerprints, last peeled first.
    fn assign(&self, fuse: &Fuse, fingerprints: &mut [u8]) {
        for (&mixed, &which) in self.mixed.iter().zip(&self.settled).rev() {
            let at = fuse.positions(mixed).map(|at| at as usize);
            // The place that is to be settled is still 0.
            let others = at.iter().fold(0, |xor, &at| xor ^ fingerprints[at]);
            fingerprints[at[usize::from(which)]] = Fuse::fingerprint(mixed) ^ others;
        }
    }
}
