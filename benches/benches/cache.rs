//! `Residency::get`: a hit in the block cache.

#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use ringwood_benches::Random;
use ringwood_ring::{Arena, PAGE};
use ringwood_sstable::{BlockCache, Claim, Hint};

fn hit(c: &mut Criterion) {
    let mut group = c.benchmark_group("cache");
    // In the processor's cache, and far beyond it.
    for blocks in [64u32, 65_536] {
        let bytes = (blocks as usize * PAGE).max(1 << 20);
        let arena = Arena::new(2 * bytes).expect("address space");
        let cache = BlockCache::new(&arena, bytes + bytes / 4, None);
        let table = cache.residency(blocks);
        for block in 0..blocks {
            match table.claim(block, PAGE, Hint::Point).expect("the arena has room") {
                Claim::Fill(mut fill) => {
                    let buf = fill.take_buf();
                    drop(fill.publish(buf, PAGE));
                }
                other => panic!("an empty cache gave {other:?}"),
            }
        }
        assert!((0..blocks).all(|b| table.get(b, Hint::Point).is_some()), "everything is cached");
        for (name, hint) in [("point", Hint::Point), ("scan", Hint::Scan)] {
            let mut random = Random::new(2);
            group.bench_function(format!("get, {name}, {blocks} blocks"), |b| {
                b.iter(|| black_box(table.get(random.below(u64::from(blocks)) as u32, hint)));
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = hit
}
criterion_main!(benches);
