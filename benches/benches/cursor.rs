//! What a cursor costs when nothing is read from disk: seeks with ten steps, and whole scans, over stores of several shapes.
//!
//! `cargo bench -p ringwood-benches --bench cursor` (`RINGWOOD_BENCH_ENTRIES=n` for other sizes than 200,000). For counts instead of times run the
//! bench's executable under `callgrind --toggle-collect='*seek_and_step*'` with `--profile-time 1` and the name of one.

#![allow(missing_docs, reason = "criterion's macros")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringwood::{Cursor, Db, Durability, Options};
use ringwood_ring::{Arena, SimConfig, SimDisk};

const STEPS: usize = 10;

fn entries() -> u64 {
    std::env::var("RINGWOOD_BENCH_ENTRIES").ok().and_then(|n| n.parse().ok()).unwrap_or(200_000)
}

/// As `ringwood bench` makes them: a number, most significant byte first, and zeros.
fn key(n: u64) -> [u8; 16] {
    let mut key = [b'0'; 16];
    key[..8].copy_from_slice(&n.to_be_bytes());
    key
}

/// A number below `n`, as if drawn.
fn scatter(i: u64, n: u64) -> u64 {
    let i = (i ^ (i >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((i ^ (i >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 20) % n
}

/// Where the entries of a store are: each in one of the places, drawn at random.
const SHAPES: [(&str, Shape); 4] = [
    ("one level", Shape { tables: 1, compacted: true, memtable: false }),
    ("three tables", Shape { tables: 3, compacted: false, memtable: false }),
    ("memtable and two tables", Shape { tables: 2, compacted: false, memtable: true }),
    ("memtable", Shape { tables: 0, compacted: false, memtable: true }),
];

#[derive(Clone, Copy)]
struct Shape {
    tables: u64,
    compacted: bool,
    memtable: bool,
}

/// A store on a disk in memory, all in its cache.
fn store(shape: Shape) -> Db {
    let bytes = entries() * 250;
    let disk = SimDisk::new(1, SimConfig::calm(), Arena::new(6 * bytes as usize).expect("address space"));
    let options = Options::new().durability(Durability::None).memory(8 * bytes).cache_bytes(2 * bytes);
    let db = options.write_buffer_bytes(bytes).open_on(disk, "/db", true).expect("a new store");
    let places = shape.tables + u64::from(shape.memtable);
    for place in 0..places {
        for i in (0..entries()).filter(|&i| scatter(i, places) == place) {
            db.put(key(i), [i as u8; 100]).expect("a put");
        }
        if place < shape.tables {
            db.flush().expect("a flush");
        }
    }
    if shape.compacted {
        db.compact().expect("a compaction");
    }
    let mut cursor = db.cursor().expect("a cursor");
    while if cursor.valid() { cursor.next() } else { cursor.seek_to_first() }.expect("a disk without faults")
    {
    }
    db
}

#[inline(never)]
fn seek_and_step(cursor: &mut Cursor, key: &[u8]) -> usize {
    let mut bytes = 0;
    let mut valid = cursor.seek(key).expect("all is cached");
    for _ in 0..STEPS {
        if !valid {
            break;
        }
        bytes += cursor.key().len() + black_box(cursor.value()).len();
        valid = cursor.next().expect("all is cached");
    }
    bytes
}

#[inline(never)]
fn seek_and_step_back(cursor: &mut Cursor, key: &[u8]) -> usize {
    let mut bytes = 0;
    let mut valid = cursor.seek_for_prev(key).expect("all is cached");
    for _ in 0..STEPS {
        if !valid {
            break;
        }
        bytes += cursor.key().len() + black_box(cursor.value()).len();
        valid = cursor.prev().expect("all is cached");
    }
    bytes
}

#[inline(never)]
fn scan(cursor: &mut Cursor) -> u64 {
    let mut count = 0;
    let mut valid = cursor.seek_to_first().expect("all is cached");
    while valid {
        count += 1;
        black_box(cursor.value());
        valid = cursor.next().expect("all is cached");
    }
    count
}

fn cursors(c: &mut Criterion) {
    for (name, shape) in SHAPES {
        let db = store(shape);
        let mut i = 0;
        let mut next = || {
            i += 1;
            key(scatter(i, entries()))
        };
        let mut cursor = db.cursor().expect("a cursor");
        let mut group = c.benchmark_group("cursor");
        group.sample_size(20);
        group.bench_function(BenchmarkId::new("seek", name), |b| {
            b.iter(|| seek_and_step(&mut cursor, &next()));
        });
        group.bench_function(BenchmarkId::new("seek back", name), |b| {
            b.iter(|| seek_and_step_back(&mut cursor, &next()));
        });
        group.bench_function(BenchmarkId::new("new and seek", name), |b| {
            b.iter(|| seek_and_step(&mut db.cursor().expect("a cursor"), &next()));
        });
        group.throughput(Throughput::Elements(entries()));
        group.bench_function(BenchmarkId::new("scan", name), |b| {
            b.iter(|| assert_eq!(scan(&mut cursor), entries()));
        });
        group.finish();
        drop(cursor);
        db.close().expect("closing");
    }
}

criterion_group!(benches, cursors);
criterion_main!(benches);
