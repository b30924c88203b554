//! Concurrent misses of one block.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use ringwood_ring::PAGE;
use ringwood_sstable::{Claim, Hint};

use crate::support::{How, Table, cache_of};

const THREADS: usize = 8;
const ROUNDS: u32 = 300;

#[test]
fn concurrent_misses_cost_one_read() {
    let (_arena, cache) = cache_of(1024);
    let table = Arc::new(Table::new(&cache, 1, ROUNDS, PAGE));
    let (start, reads) = (Arc::new(Barrier::new(THREADS)), Arc::new(AtomicU32::new(0)));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (table, start, reads) = (Arc::clone(&table), Arc::clone(&start), Arc::clone(&reads));
            thread::spawn(move || {
                for block in 0..ROUNDS {
                    start.wait();
                    if table.read(block, Hint::Point).1 == How::Read {
                        reads.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(reads.load(Ordering::Relaxed), ROUNDS);
    let stats = cache.stats();
    assert_eq!((stats.fills, stats.misses), (u64::from(ROUNDS), u64::from(ROUNDS)));
    assert_eq!(stats.hits + stats.waits, u64::from(ROUNDS) * (THREADS as u64 - 1));
}

/// The first two readers of each block fail. Everybody else gets it in the end, and nobody sleeps for ever.
#[test]
fn failed_reads_wake_everybody() {
    let (_arena, cache) = cache_of(1024);
    let table = Arc::new(Table::new(&cache, 1, ROUNDS, PAGE));
    let start = Arc::new(Barrier::new(THREADS));
    let failures: Arc<Vec<AtomicU32>> = Arc::new((0..ROUNDS).map(|_| AtomicU32::new(2)).collect());
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (table, start, failures) = (Arc::clone(&table), Arc::clone(&start), Arc::clone(&failures));
            thread::spawn(move || {
                for block in 0..ROUNDS {
                    start.wait();
                    let found = loop {
                        let found = match table.claim(block) {
                            Claim::Hit(found) => Some(found),
                            Claim::Wait(waiter) => waiter.wait(),
                            Claim::Fill(mut fill) => {
                                let left = &failures[block as usize];
                                let fails = left
                                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                                    .is_ok();
                                let mut buf = fill.take_buf();
                                if fails {
                                    buf.as_mut_slice().fill(0xee);
                                    fill.abandon(buf);
                                    None
                                } else {
                                    table.write(&mut buf, block);
                                    Some(fill.publish(buf, PAGE))
                                }
                            }
                        };
                        if let Some(found) = found {
                            break found;
                        }
                    };
                    table.check(&found, block);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    let stats = cache.stats();
    assert_eq!((stats.fills, stats.abandoned), (u64::from(ROUNDS), 2 * u64::from(ROUNDS)));
}
