//! The memtable beside `std::collections::BTreeMap` and `crossbeam_skiplist::SkipMap`, with 16-byte keys and 100-byte values.
//!
//! Compare within one run: on a shared machine only ratios mean anything. The maps hold what a memtable must hold, versions of
//! keys in order, with values in allocations of their own.
//!
//! `cargo bench -p ringwood-benches --bench memtable` (`RINGWOOD_BENCH_ENTRIES=n` for other sizes than 500,000).

use std::collections::BTreeMap;
use std::hint::black_box;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use crossbeam_skiplist::SkipMap;
use ringwood::memtable::{Memtable, MemtableCursor};
use ringwood_sstable::{Kind, SEQ_MAX};

type Key = [u8; 16];
/// Key, and the sequence number counted down, so that newer versions come first.
type Version = (Key, u64);

const VALUE: [u8; 100] = [7; 100];
const HINT: usize = 128 << 20;

fn entries() -> usize {
    std::env::var("RINGWOOD_BENCH_ENTRIES").ok().and_then(|n| n.parse().ok()).unwrap_or(500_000)
}

fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// As `ringwood bench` makes them: a number, most significant byte first, and zeros.
fn key(n: u64) -> Key {
    let mut key = [b'0'; 16];
    key[..8].copy_from_slice(&n.to_be_bytes());
    key
}

fn random_keys() -> Vec<Key> {
    (0..entries() as u64).map(|n| key(mix(n))).collect()
}

fn ascending_keys() -> Vec<Key> {
    (0..entries() as u64).map(key).collect()
}

/// What is compared.
trait Map: Sized + Sync {
    const NAME: &'static str;
    fn new() -> Self;
    /// By one writer; the maps that can be read meanwhile need no more than a shared reference.
    fn put(&mut self, key: Key, seq: u64);
    fn get(&self, key: &Key) -> Option<u8>;
    /// Sum of a byte of each value, so that all are looked at.
    fn scan(&self) -> u64;
}

impl Map for Arc<Memtable> {
    const NAME: &'static str = "memtable";

    fn new() -> Self {
        Memtable::new(HINT)
    }

    fn put(&mut self, key: Key, seq: u64) {
        self.insert(&key, seq, Kind::Put, &VALUE);
    }

    fn get(&self, key: &Key) -> Option<u8> {
        Memtable::get(self, key, SEQ_MAX).map(|found| found.value[0])
    }

    fn scan(&self) -> u64 {
        let mut cursor = MemtableCursor::new(Self::clone(self));
        cursor.seek_to_first();
        let mut sum = 0;
        while cursor.valid() {
            sum += u64::from(cursor.value()[50]);
            cursor.next();
        }
        sum
    }
}

impl Map for BTreeMap<Version, Box<[u8]>> {
    const NAME: &'static str = "BTreeMap";

    fn new() -> Self {
        Self::new()
    }

    fn put(&mut self, key: Key, seq: u64) {
        self.insert((key, !seq), Box::from(VALUE.as_slice()));
    }

    fn get(&self, key: &Key) -> Option<u8> {
        let (found, value) = self.range((*key, 0)..).next()?;
        (found.0 == *key).then(|| value[0])
    }

    fn scan(&self) -> u64 {
        self.values().map(|value| u64::from(value[50])).sum()
    }
}

impl Map for SkipMap<Version, Box<[u8]>> {
    const NAME: &'static str = "SkipMap";

    fn new() -> Self {
        Self::new()
    }

    fn put(&mut self, key: Key, seq: u64) {
        self.insert((key, !seq), Box::from(VALUE.as_slice()));
    }

    fn get(&self, key: &Key) -> Option<u8> {
        let found = self.lower_bound(Bound::Included(&(*key, 0)))?;
        (found.key().0 == *key).then(|| found.value()[0])
    }

    fn scan(&self) -> u64 {
        self.iter().map(|entry| u64::from(entry.value()[50])).sum()
    }
}

fn filled<M: Map>(keys: &[Key]) -> M {
    let mut map = M::new();
    for (key, seq) in keys.iter().zip(1..) {
        map.put(*key, seq);
    }
    map
}

/// One map, all operations of one thread.
fn alone<M: Map>(c: &mut Criterion) {
    let (random, ascending) = (random_keys(), ascending_keys());
    let mut group = c.benchmark_group("fill");
    group.sample_size(10).throughput(Throughput::Elements(random.len() as u64));
    for (order, keys) in [("random", &random), ("ascending", &ascending)] {
        group.bench_function(format!("{order}/{}", M::NAME), |b| {
            b.iter_batched(|| (), |()| filled::<M>(keys), BatchSize::PerIteration);
        });
    }
    group.finish();

    let map = filled::<M>(&random);
    let mut group = c.benchmark_group("get");
    let mut n = 0;
    group.bench_function(format!("hit/{}", M::NAME), |b| {
        b.iter(|| {
            n += 1;
            black_box(map.get(&random[mix(n) as usize % random.len()]).expect("it is there"))
        });
    });
    group.bench_function(format!("miss/{}", M::NAME), |b| {
        b.iter(|| {
            n += 1;
            black_box(map.get(&key(mix(n) ^ 1)))
        });
    });
    group.finish();

    let mut group = c.benchmark_group("scan");
    group.sample_size(10).throughput(Throughput::Elements(random.len() as u64));
    group.bench_function(M::NAME, |b| b.iter(|| black_box(map.scan())));
    group.finish();
}

/// Gets while a writer inserts as fast as it can (into as many as were there before; then it starts anew elsewhere).
fn get_while_writing(c: &mut Criterion) {
    let keys = random_keys();
    let mut group = c.benchmark_group("get while writing");
    let memtable = filled::<Arc<Memtable>>(&keys);
    beside(&memtable.clone(), &keys, |n| memtable.insert(&key(mix(n)), n, Kind::Put, &VALUE), &mut group);
    let map = filled::<SkipMap<Version, Box<[u8]>>>(&keys);
    let put = |n| {
        map.insert((key(mix(n)), !n), Box::from(VALUE.as_slice()));
    };
    beside(&map, &keys, put, &mut group);
    group.finish();
}

fn beside<M: Map>(
    map: &M,
    keys: &[Key],
    put: impl Fn(u64) + Sync,
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
) {
    let stop = AtomicBool::new(false);
    let count = keys.len() as u64;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Bounded, so that memory is.
            for n in count..4 * count {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                put(n);
            }
        });
        let mut n = 0;
        group.bench_function(M::NAME, |b| {
            b.iter(|| {
                n += 1;
                black_box(map.get(&keys[mix(n) as usize % keys.len()]).expect("it is there"))
            });
        });
        stop.store(true, Ordering::Relaxed);
    });
}

criterion_group!(
    benches,
    alone::<Arc<Memtable>>,
    alone::<BTreeMap<Version, Box<[u8]>>>,
    alone::<SkipMap<Version, Box<[u8]>>>,
    get_while_writing
);
criterion_main!(benches);
