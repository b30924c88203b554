//! Random operations on one thread against the promises: content, limits, and that nothing is left behind.

use proptest::prelude::*;
use ringwood_ring::{Arena, PAGE};
use ringwood_sstable::{BlockCache, BlockRef, Claim, Fill, Hint, Waiter};

use crate::support::Table;

const BLOCKS: u32 = 24;

#[derive(Debug, Clone)]
enum Op {
    Claim { table: usize, block: u32, hint: Hint },
    Publish(usize),
    Abandon { which: usize, lose: bool },
    Wait(usize),
    Clone(usize),
    Release(usize),
    ReplaceTable(usize),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let hint = prop_oneof![Just(Hint::Point), Just(Hint::Scan)];
    let op = prop_oneof![
        10 => (0..4usize, 0..BLOCKS, hint).prop_map(|(table, block, hint)| Op::Claim { table, block, hint }),
        6 => any::<usize>().prop_map(Op::Publish),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(which, lose)| Op::Abandon { which, lose }),
        2 => any::<usize>().prop_map(Op::Wait),
        1 => any::<usize>().prop_map(Op::Clone),
        6 => any::<usize>().prop_map(Op::Release),
        1 => (0..4usize).prop_map(Op::ReplaceTable),
    ];
    proptest::collection::vec(op, 1..400)
}

/// What a handle is of: the identity its bytes must have.
#[derive(Clone, Copy)]
struct Of {
    id: u32,
    bytes: usize,
    block: u32,
}

struct World {
    cache: std::sync::Arc<BlockCache>,
    tables: Vec<Table>,
    ids: u32,
    fills: Vec<(Of, Fill)>,
    waits: Vec<(Of, Waiter)>,
    held: Vec<(Of, BlockRef)>,
}

impl World {
    fn new(arena: &std::sync::Arc<Arena>, bytes_max: usize) -> Self {
        let cache = BlockCache::new(arena, bytes_max, None);
        let tables = (0..4).map(|i| Table::new(&cache, i, BLOCKS, PAGE << i)).collect();
        Self { cache, tables, ids: 4, fills: vec![], waits: vec![], held: vec![] }
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Claim { table, block, hint } => {
                let table = &self.tables[table];
                let of = Of { id: table.id, bytes: table.block_bytes, block };
                match table.residency.claim(block, table.block_bytes, hint) {
                    Ok(Claim::Hit(found)) => self.held.push((of, found)),
                    Ok(Claim::Fill(fill)) => self.fills.push((of, fill)),
                    Ok(Claim::Wait(waiter)) => self.waits.push((of, waiter)),
                    Err(full) => assert_eq!(full.bytes, table.block_bytes),
                }
            }
            Op::Publish(which) if !self.fills.is_empty() => {
                let (of, mut fill) = self.fills.swap_remove(which % self.fills.len());
                let mut buf = fill.take_buf();
                buf.as_mut_slice().fill(0xee);
                crate::support::write_identity(&mut buf.as_mut_slice()[..of.bytes], of.id, of.block);
                self.held.push((of, fill.publish(buf, of.bytes)));
            }
            Op::Abandon { which, lose } if !self.fills.is_empty() => {
                let (_, mut fill) = self.fills.swap_remove(which % self.fills.len());
                let buf = fill.take_buf();
                if lose {
                    drop((buf, fill));
                } else {
                    fill.abandon(buf);
                }
            }
            Op::Wait(which) if !self.waits.is_empty() => {
                let (of, waiter) = self.waits.swap_remove(which % self.waits.len());
                let loading =
                    |(f, fill): &(Of, Fill)| fill.is_cached() && (f.id, f.block) == (of.id, of.block);
                if self.fills.iter().any(loading) {
                    return; // Waiting for ourselves would be for ever.
                }
                if let Some(found) = waiter.wait() {
                    self.held.push((of, found));
                }
            }
            Op::Clone(which) if !self.held.is_empty() => {
                let (of, held) = &self.held[which % self.held.len()];
                self.held.push((*of, held.clone()));
            }
            Op::Release(which) if !self.held.is_empty() => {
                drop(self.held.swap_remove(which % self.held.len()));
            }
            Op::ReplaceTable(table) => {
                let bytes = self.tables[table].block_bytes;
                self.tables[table] = Table::new(&self.cache, self.ids, BLOCKS, bytes);
                self.ids += 1;
            }
            _ => {}
        }
    }

    fn check(&self) {
        for (of, held) in &self.held {
            assert_eq!(held.len(), of.bytes);
            crate::support::assert_identity(held, of.id, of.block);
        }
        let stats = self.cache.stats();
        assert!(stats.bytes_used <= stats.bytes_max);
        assert!(stats.pinned <= self.held.len() as u64);
        let open = self.fills.iter().filter(|(_, fill)| fill.is_cached()).count() as u64;
        assert_eq!(stats.misses - stats.uncached, stats.fills + stats.abandoned + open);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn blocks_keep_their_bytes_and_memory_its_limit(pages in 0..80usize, arena_pages in 16..256usize, ops in ops()) {
        let arena = Arena::new(arena_pages * PAGE).unwrap();
        let mut world = World::new(&arena, pages * PAGE);
        for op in &ops {
            world.step(op);
            world.check();
        }
        drop(world);
        prop_assert_eq!(arena.allocated(), 0);
    }
}
