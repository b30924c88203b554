//! Many threads, a small cache, and blocks that say who they are: any mix-up shows.

use std::sync::{Arc, Mutex};
use std::thread;

use ringwood_ring::{Arena, PAGE};
use ringwood_sstable::{BlockCache, BlockRef, Claim, Hint};

use crate::support::{Random, Table, assert_identity, write_identity};

const THREADS: u64 = if cfg!(miri) { 3 } else { 6 };
const STEPS: u32 = if cfg!(miri) { 60 } else { 30_000 };

/// A handle with the identity that its bytes must have.
struct Held {
    table: u32,
    block: u32,
    bytes: BlockRef,
}

impl Held {
    fn check(&self) {
        assert_identity(&self.bytes, self.table, self.block);
    }
}

struct World {
    cache: Arc<BlockCache>,
    /// Replaced now and then, as compactions replace tables.
    tables: Vec<Mutex<Arc<Table>>>,
    /// Handles that threads leave to each other.
    left: Mutex<Vec<Held>>,
    ids: std::sync::atomic::AtomicU32,
}

impl World {
    fn worker(&self, seed: u64) {
        let mut random = Random(seed);
        let mut held: Vec<Held> = Vec::new();
        for _ in 0..STEPS {
            let t = random.below(self.tables.len() as u32) as usize;
            let table = Arc::clone(&self.tables[t].lock().unwrap());
            let block = random.below(table.residency.blocks());
            let hint = if random.below(4) == 0 { Hint::Scan } else { Hint::Point };
            if let Some(bytes) = self.read(&mut random, &table, block, hint) {
                held.push(Held { table: table.id, block, bytes });
            }
            drop(table);
            self.shuffle(&mut random, &mut held);
            if random.below(500) == 0 {
                self.replace(t);
            }
        }
        held.iter().for_each(Held::check);
    }

    fn read(&self, random: &mut Random, table: &Table, block: u32, hint: Hint) -> Option<BlockRef> {
        if let Some(hit) = table.residency.get(block, hint) {
            return Some(hit);
        }
        match table.residency.claim(block, table.block_bytes, hint).ok()? {
            Claim::Hit(hit) => Some(hit),
            Claim::Wait(waiter) => waiter.wait(),
            Claim::Fill(mut fill) => {
                let mut buf = fill.take_buf();
                // A reader of a frame that is being read into would see this.
                buf.as_mut_slice().fill(0xee);
                if random.below(4) == 0 {
                    thread::yield_now();
                }
                match random.below(40) {
                    0 => fill.abandon(buf),
                    1 if random.below(4) == 0 => drop((buf, fill)),
                    _ => {
                        write_identity(&mut buf.as_mut_slice()[..table.block_bytes], table.id, block);
                        return Some(fill.publish(buf, table.block_bytes));
                    }
                }
                None
            }
        }
    }

    /// Drops, clones, leaves and takes handles; each is checked when it goes.
    fn shuffle(&self, random: &mut Random, held: &mut Vec<Held>) {
        while held.len() > 12 || (!held.is_empty() && random.below(3) > 0) {
            let last = held.swap_remove(random.below(held.len() as u32) as usize);
            last.check();
            match random.below(16) {
                0 => self.left.lock().unwrap().push(last),
                1 => held.push(Held { bytes: last.bytes.clone(), ..last }),
                _ => {}
            }
        }
        if random.below(8) == 0 {
            let mut left = self.left.lock().unwrap();
            let keep = left.len().saturating_sub(8);
            held.extend(left.drain(keep.min(4)..).take(4));
        }
    }

    fn replace(&self, t: usize) {
        let id = self.ids.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut table = self.tables[t].lock().unwrap();
        let (blocks, bytes) = (table.residency.blocks(), table.block_bytes);
        let old = std::mem::replace(&mut *table, Arc::new(Table::new(&self.cache, id, blocks, bytes)));
        drop(table);
        drop(old);
    }
}

fn run(bytes_max: usize) {
    let arena = Arena::new(8 << 20).unwrap();
    let cache = BlockCache::new(&arena, bytes_max, None);
    let pages = [1, 1, 1, 2, 4, 8];
    let table = |(id, pages): (u32, &usize)| {
        Mutex::new(Arc::new(Table::new(&cache, id, 20 + 40 / *pages as u32, pages * PAGE)))
    };
    let world = Arc::new(World {
        tables: (0..).zip(&pages).map(table).collect(),
        cache,
        left: Mutex::default(),
        ids: 100.into(),
    });
    let threads: Vec<_> = (0..THREADS)
        .map(|seed| {
            let world = Arc::clone(&world);
            thread::spawn(move || world.worker(seed))
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    let stats = world.cache.stats();
    println!("{stats:?}");
    let least = u64::from(STEPS / 30);
    assert!(
        stats.hits > least && stats.evictions > least && stats.bytes_used <= bytes_max as u64,
        "{stats:?}"
    );
    assert_eq!(stats.misses, stats.fills + stats.abandoned + stats.uncached);
    let Ok(world) = Arc::try_unwrap(world) else { panic!("all threads are done") };
    let World { cache, tables, left, .. } = world;
    drop((cache, tables));
    left.lock().unwrap().drain(..).for_each(|held| held.check());
    assert_eq!(arena.allocated(), 0);
}

#[test]
fn no_mix_up_in_a_tiny_cache() {
    run(64 << 10);
}

#[test]
fn no_mix_up_in_a_small_cache() {
    run(512 << 10);
}
