//! What a table costs when nothing is read from disk: the parts of a hot get, a scan, and writing.
//!
//! `cargo bench -p ringwood-benches --bench sstable`

#![allow(missing_docs, reason = "criterion's macros")]

use std::cell::RefCell;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ringwood_ring::{Arena, Class, Disk, Lane, LaneSpec, Owner, SimConfig, SimDisk};
use ringwood_sstable::{
    Aim, BlockCache, BlockFetch, BlockView, Compression, Entry, FetchLane, Hint, KeyHash, Kind, Result,
    SEQ_MAX, Table, TableCursor, TableOptions, TableWriter,
};

const ENTRIES: u64 = 100_000;

/// Lanes of a disk in memory: the bench has no device under it.
struct Lanes(RefCell<Box<dyn Lane>>);

impl FetchLane for Lanes {
    fn fetch(&self, fetch: &mut BlockFetch) -> Result<()> {
        fetch.run(&mut **self.0.borrow_mut());
        Ok(())
    }
}

fn lane(disk: &Arc<dyn Disk>) -> Box<dyn Lane> {
    disk.lane(LaneSpec { class: Class::Get, depth: 64, owner: Owner::Pool }).expect("a simulated lane")
}

/// Key `i` of the table, 16 bytes, spread as random keys are.
fn key(i: u64) -> [u8; 16] {
    let mut key = [b'0'; 16];
    key[..8].copy_from_slice(&(i * (u64::MAX / ENTRIES)).to_be_bytes());
    key
}

/// A number of the table's keys, in no order.
fn scatter(i: u64) -> u64 {
    (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) % ENTRIES
}

fn value(i: u64) -> [u8; 100] {
    let mut value = [0; 100];
    let mut state = i;
    for byte in &mut value[..50] {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = (state >> 56) as u8;
    }
    value.copy_within(..50, 50);
    value
}

fn write(disk: &Arc<dyn Disk>, path: &Path, compression: Compression) {
    let options = TableOptions { compression, expected_bytes: ENTRIES * 125, ..TableOptions::default() };
    let mut writer = TableWriter::create(disk, path, 1, options, 4, 256 << 10).expect("a new file");
    let mut lane = lane(disk);
    for i in 0..ENTRIES {
        let (key, value) = (key(i), value(i));
        let seq = scatter(i);
        writer.add(&Entry { key: &key, seq, kind: Kind::Put, value: &value }).expect("in order");
        if !writer.has_room() {
            writer.drive(&mut *lane).expect("a disk without faults");
        }
    }
    writer.seal().expect("entries");
    writer.drive(&mut *lane).expect("a disk without faults");
    writer.finish().expect("synced");
}

fn disk() -> Arc<dyn Disk> {
    SimDisk::new(1, SimConfig::calm(), Arena::new(128 << 20).expect("address space"))
}

/// A table with all its blocks in the cache.
fn hot_table() -> (Arc<Table>, Lanes) {
    let disk = disk();
    let path = Path::new("/000001.sst");
    write(&disk, path, Compression::None);
    let cache = BlockCache::new(disk.arena(), 64 << 20, None);
    let mut lane = lane(&disk);
    let table = Table::open(&disk, &mut *lane, &cache, path, 1).expect("just written");
    for block in 0..table.block_count() {
        let mut fetch = BlockFetch::new();
        fetch.want(&table, block, Hint::Point);
        fetch.run(&mut *lane);
    }
    (table, Lanes(RefCell::new(lane)))
}

fn reads(c: &mut Criterion) {
    let (table, lanes) = hot_table();
    let mut i = 0;
    let mut next = || {
        i += 1;
        key(scatter(i))
    };
    c.bench_function("hash and filter", |b| {
        b.iter_batched(&mut next, |k| black_box(table.may_contain(KeyHash::of(&k))), BatchSize::SmallInput);
    });
    c.bench_function("index", |b| {
        b.iter_batched(&mut next, |k| black_box(table.block_for(&k, SEQ_MAX)), BatchSize::SmallInput);
    });
    let block = table.cached(7, Hint::Point).expect("all blocks are cached");
    let view = BlockView::of(&block);
    let mut keys = vec![Vec::new(); view.len()];
    keys.iter_mut().enumerate().for_each(|(i, k)| view.key_into(i, k));
    let mut at = 0;
    c.bench_function("block", |b| {
        b.iter(|| {
            at = (at + 7) % keys.len();
            black_box(BlockView::of(&block).find(&keys[at], SEQ_MAX))
        });
    });
    c.bench_function("hot get", |b| {
        b.iter_batched(
            &mut next,
            |k| {
                assert!(table.may_contain(KeyHash::of(&k)));
                let block = table.cached(table.block_for(&k, SEQ_MAX), Hint::Point).expect("all are cached");
                BlockView::of(&block).find(&k, SEQ_MAX).expect("every key is there").seq
            },
            BatchSize::SmallInput,
        );
    });
    let mut group = c.benchmark_group("scan");
    group.throughput(Throughput::Elements(ENTRIES));
    group.sample_size(20);
    group.bench_function("hot", |b| {
        let mut cursor = TableCursor::new(Arc::clone(&table));
        b.iter(|| {
            let mut bytes = 0;
            cursor.go(Aim::First, &lanes).expect("all are cached");
            while cursor.is_valid() {
                bytes += cursor.key().len() + cursor.value().len();
                cursor.next(&lanes).expect("all are cached");
            }
            bytes
        });
    });
    group.finish();
}

fn writes(c: &mut Criterion) {
    let mut group = c.benchmark_group("write");
    group.throughput(Throughput::Elements(ENTRIES));
    group.sample_size(10);
    for compression in [Compression::None, Compression::Lz4] {
        group.bench_function(format!("{compression:?}"), |b| {
            b.iter_batched(disk, |disk| write(&disk, Path::new("/1"), compression), BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, reads, writes);
criterion_main!(benches);
