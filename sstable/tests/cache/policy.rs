use ringwood_ring::{Arena, PAGE};
use ringwood_sstable::{BlockCache, Hint};

use crate::support::{Lru, Random, Table, Zipf};

fn hits(blocks: u32, frames: usize, exponent: f64, scan_every: u32) -> (f64, f64) {
    let arena = Arena::new(64 << 20).unwrap();
    let cache = BlockCache::new(&arena, frames * PAGE, None);
    let table = Table {
        id: 1,
        block_bytes: PAGE,
        residency: cache.residency(blocks),
    };
    let mut random = Random(42);
    let zipf = Zipf::new(blocks, exponent, &mut random);
    let mut lru = Lru::new(frames);
    let (mut ours, mut theirs) = (0u32, 0u32);
    let n = 40 * frames as u32;
    for i in 0..n {
        let block = zipf.next(&mut random);
        ours += u32::from(table.touch(block, Hint::Point));
        theirs += u32::from(lru.touch(block));
        if scan_every > 0 && i % scan_every == 0 {
            // one-hit wonders
            let b = random.below(blocks as u64) as u32;
            table.touch(b, Hint::Point);
            lru.touch(b);
        }
    }
    (f64::from(ours) / f64::from(n), f64::from(theirs) / f64::from(n))
}

#[test]
fn zipf() {
    for frames in [16, 256, 2048, 8192] {
        for ratio in [3, 10, 50] {
            for e in [0.6, 0.8, 0.99, 1.2] {
                let (a, b) = hits(frames as u32 * ratio, frames, e, 0);
                let (c, d) = hits(frames as u32 * ratio, frames, e, 2);
                println!(
                    "{frames} 1/{ratio} {e}: {a:.3} lru {b:.3} {:+.3}   noise {c:.3} lru {d:.3} {:+.3}",
                    a - b,
                    c - d
                );
            }
        }
    }
}
