//! Point reads of a table whose blocks are all cached: the search in a block, and the whole get.

#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use ringwood_benches::Random;
use ringwood_ring::{Arena, Class, Disk, LaneSpec, Owner, SyscallDisk};
use ringwood_sstable::{
    BlockCache, BlockFetch, BlockRef, BlockView, Entry, Hint, KeyHash, Kind, SEQ_MAX, Table, TableOptions,
    TableWriter,
};

type AnyError = Box<dyn std::error::Error>;

const ENTRIES: u64 = 200_000;
const VALUE: usize = 100;

/// Keys of 16 bytes: as an even number they are there, odd ones lie between them.
fn key(number: u64) -> [u8; 16] {
    let mut key = [b'0'; 16];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key
}

/// A table with everything in the cache.
fn cached_table(disk: &Arc<dyn Disk>, dir: &std::path::Path) -> Result<Arc<Table>, AnyError> {
    let mut lane = disk.lane(LaneSpec { class: Class::Flush, depth: 64, owner: Owner::Pool })?;
    let path = dir.join("000001.sst");
    let mut writer = TableWriter::create(disk, &path, 1, TableOptions::default(), 2, 256 << 10)?;
    let mut value = [0; VALUE];
    let mut random = Random::new(3);
    for i in 0..ENTRIES {
        random.fill(&mut value);
        writer.add(&Entry { key: &key(2 * i), seq: i + 1, kind: Kind::Put, value: &value })?;
        if !writer.has_room() {
            writer.drive(&mut *lane)?;
        }
    }
    writer.seal()?;
    writer.drive(&mut *lane)?;
    writer.finish()?;

    let cache = BlockCache::new(disk.arena(), 64 << 20, None);
    let table = Table::open(disk, &mut *lane, &cache, &path, 1)?;
    let mut fetch = BlockFetch::new();
    for block in 0..table.block_count() {
        let want = fetch.want(&table, block, Hint::Point);
        fetch.run(&mut *lane);
        drop(fetch.take(want)?);
        fetch.clear();
    }
    assert!((0..table.block_count()).all(|b| table.cached(b, Hint::Point).is_some()), "everything is cached");
    Ok(table)
}

/// The value's length, if the key is there.
fn get(table: &Table, key: &[u8]) -> Option<usize> {
    if !table.may_contain(KeyHash::of(key)) {
        return None;
    }
    let block: BlockRef = table.cached(table.block_for(key, SEQ_MAX), Hint::Point)?;
    BlockView::of(&block).find(key, SEQ_MAX).map(|found| block[found.value].len())
}

fn point_reads(c: &mut Criterion) {
    let disk: Arc<dyn Disk> = SyscallDisk::new(Arena::new(128 << 20).expect("address space"), Vec::new());
    let dir = tempfile::tempdir().expect("a temporary directory");
    let table = cached_table(&disk, dir.path()).expect("a table of sorted entries");
    assert_eq!(get(&table, &key(2 * 777)), Some(VALUE));
    assert_eq!(get(&table, &key(2 * 777 + 1)), None);

    let mut random = Random::new(4);
    c.bench_function("block/find", |b| {
        // One block, in the processor's cache: the search alone.
        let middle = key(ENTRIES);
        let number = table.block_for(&middle, SEQ_MAX);
        let block = table.cached(number, Hint::Point).expect("everything is cached");
        let keys: Vec<[u8; 16]> =
            (0..2 * ENTRIES).step_by(2).map(key).filter(|k| table.block_for(k, SEQ_MAX) == number).collect();
        b.iter(|| {
            let key = &keys[random.below(keys.len() as u64) as usize];
            black_box(BlockView::of(&block).find(key, SEQ_MAX))
        });
    });
    let mut group = c.benchmark_group("table");
    for (name, odd) in [("get", 0), ("get, missing key", 1)] {
        group.bench_function(name, |b| {
            b.iter(|| black_box(get(&table, &key(2 * random.below(ENTRIES) + odd))));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = point_reads
}
criterion_main!(benches);
