//! Building a filter from the hashes of a table's keys.
//!
//! Each key owes three places the xor of its fingerprint. A place that only one key still claims settles that key; the key is
//! taken off its other places, which may leave those to one key as well, and so on (*peeling*). The keys' fingerprints are then
//! assigned in reverse order. If peeling gets stuck, another seed is tried: at these sizes about one in some hundreds does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::fuse::Fuse;
use super::{HEADER, KIND_FUSE8, PART, PART_KEYS, PARTS_MAX};
use crate::KeyHash;

/// Seeds tried for a part. Each fails with a chance far below a half.
const SEEDS_MAX: u64 = 64;

/// Collects the hashes of a table's keys, each key once.
#[derive(Debug)]
pub(crate) struct FilterBuilder {
    /// By the top eight bits, so that parts are runs of buckets.
    buckets: Vec<Vec<u64>>,
    keys: usize,
}

impl Default for FilterBuilder {
    fn default() -> Self {
        Self { buckets: vec![Vec::new(); PARTS_MAX], keys: 0 }
    }
}

impl FilterBuilder {
    pub(crate) fn add(&mut self, hash: KeyHash) {
        self.buckets[(hash.0 >> 56) as usize].push(hash.0);
        self.keys += 1;
    }

    /// Bytes of memory that the hashes hold.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.buckets.iter().map(|b| b.capacity() * size_of::<u64>()).sum()
    }

    /// Bytes that the filter will have, about.
    pub(crate) fn estimate(&self) -> usize {
        estimate(self.keys)
    }

    /// Nothing more is added: the parts of the filter, to be built by whoever has time.
    pub(crate) fn into_parts(mut self) -> FilterParts {
        let count = self.keys.div_ceil(PART_KEYS).next_power_of_two().clamp(1, PARTS_MAX);
        let parts = self.buckets.chunks_mut(PARTS_MAX / count).map(|buckets| {
            let buckets = buckets.iter_mut().map(std::mem::take).collect();
            Mutex::new(FilterPart { buckets, built: None })
        });
        FilterParts { parts: parts.collect(), next: AtomicUsize::new(0), keys: self.keys }
    }
}

/// The parts of a filter whose keys are all known. Any number of threads may [build](Self::build) it together: the parts are independent, and the
/// bytes are the same whoever built which.
#[derive(Debug)]
pub struct FilterParts {
    parts: Box<[Mutex<FilterPart>]>,
    /// The first that nobody has begun.
    next: AtomicUsize,
    keys: usize,
}

#[derive(Debug)]
struct FilterPart {
    buckets: Vec<Vec<u64>>,
    /// Once it is built: `None` in it if that cannot be, the fingerprints beside the description otherwise.
    built: Option<Option<(Fuse, Vec<u8>)>>,
}

impl FilterParts {
    /// Builds parts until all are built or being built by others.
    pub fn build(&self) {
        let mut scratch = Scratch::default();
        while let Some(part) = self.parts.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            part.lock().unwrap_or_else(PoisonError::into_inner).build(&mut scratch);
        }
    }

    /// Builds what is left, waits for what others build, and appends the filter's bytes to `out`. Returns false, and leaves `out` alone, if it cannot
    /// be built (which does not happen but by a hash that collides on purpose): the table then has no filter.
    pub(crate) fn finish(&self, out: &mut Vec<u8>) -> bool {
        self.build();
        let (mut fuses, mut fingerprints) = (Vec::new(), Vec::with_capacity(self.keys * 5 / 4));
        for part in &self.parts {
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
            let mut keys = std::mem::take(&mut self.buckets).concat();
            self.built = Some(scratch.build(&mut keys));
        }
        self.built.as_ref()?.as_ref()
    }
}

fn estimate(keys: usize) -> usize {
    HEADER + PART * PARTS_MAX / 2 + keys * 5 / 4
}

/// Keys that claim one place at most; more are no accident.
const CLAIMS_MAX: u16 = (1 << 14) - 1;

/// Memory that is reused from part to part.
#[derive(Debug, Default)]
struct Scratch {
    /// Of each place, the xor of the mixed hashes of the keys that claim it.
    hashes: Vec<u64>,
    /// … and four times how many claim it, plus the xor of which of their three places it is. Apart, so that both stay in the cache.
    claims: Vec<u16>,
    /// Mixed hashes by the segment of their first place, so that counting stays near in memory.
    sorted: Vec<u64>,
    starts: Vec<u32>,
    alone: Vec<u32>,
    /// Peeled keys: mixed hash, and which of its places it settles.
    order: Vec<(u64, u8)>,
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
            // Two keys of one hash can never be peeled; one of them is enough.
            keys.sort_unstable();
            keys.dedup();
        }
        None
    }

    /// Finds an order in which every key has a place of its own. False if there is none.
    fn peel(&mut self, fuse: &Fuse, keys: &[u64]) -> bool {
        let len = fuse.len() as usize;
        self.hashes.clear();
        self.hashes.resize(len, 0);
        self.claims.clear();
        self.claims.resize(len, 0);
        self.sort_by_segment(fuse, keys);
        let (hashes, claims) = (&mut self.hashes[..len], &mut self.claims[..len]);
        let mut claims_max = 0;
        for &mixed in &self.sorted {
            for (which, at) in fuse.positions(mixed).into_iter().enumerate() {
                hashes[at as usize] ^= mixed;
                let claim = &mut claims[at as usize];
                *claim = claim.wrapping_add(4) ^ which as u16;
                claims_max = claims_max.max(*claim >> 2);
            }
            if claims_max >= CLAIMS_MAX {
                return false;
            }
        }
        self.alone.clear();
        self.alone.extend((0u32..).zip(&*claims).filter(|(_, claim)| *claim >> 2 == 1).map(|(i, _)| i));
        self.order.clear();
        while let Some(at) = self.alone.pop() {
            let claim = claims[at as usize];
            if claim >> 2 != 1 {
                continue; // Settled from another of its places meanwhile.
            }
            let mixed = hashes[at as usize];
            self.order.push((mixed, (claim & 3) as u8));
            for (which, at) in fuse.positions(mixed).into_iter().enumerate() {
                hashes[at as usize] ^= mixed;
                let claim = &mut claims[at as usize];
                *claim = (*claim - 4) ^ which as u16;
                if *claim >> 2 == 1 {
                    self.alone.push(at);
                }
            }
        }
        self.order.len() == keys.len()
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
        self.sorted.clear();
        self.sorted.resize(keys.len(), 0);
        for &key in keys {
            let mixed = fuse.mix(key);
            let at = &mut self.starts[bucket(mixed)];
            self.sorted[*at as usize] = mixed;
            *at += 1;
        }
    }

    /// Sets the fingerprints, last peeled first.
    fn assign(&self, fuse: &Fuse, fingerprints: &mut [u8]) {
        for &(mixed, which) in self.order.iter().rev() {
            let at = fuse.positions(mixed).map(|p| p as usize);
            let which = which as usize;
            let others = fingerprints[at[(which + 1) % 3]] ^ fingerprints[at[(which + 2) % 3]];
            fingerprints[at[which]] = Fuse::fingerprint(mixed) ^ others;
        }
    }
}
