//! `batch`: reads of one thread, several in one enter.

use std::sync::Arc;

use ringwood_ring::{Class, LanePool};

use super::{READ_DEPTH, READ_LANES};
use crate::contest::{Bench, Contender};
use crate::io::Reader;
use crate::report::Table;
use crate::{Result, crew};

pub(super) fn run(bench: &Bench) -> Result<Vec<Table>> {
    let place = &bench.place;
    let file = place.data(&|text| bench.progress(text))?;
    let rings = [1, 8, 32, 64, 128, 256].map(|depth| (format!("ring, {depth} at once"), &place.uring, depth));
    let ways = rings.into_iter().chain([("preadv2, one by one".to_string(), &place.syscalls, 64)]);
    let contenders = ways.map(|(name, disk, depth)| {
        let pool = LanePool::new(Arc::clone(disk), Class::Get, READ_DEPTH, READ_LANES);
        Contender::new(name, move |slot| {
            crew::run(&place.halt, disk, Class::Get, 1, slot, |_, turn| {
                let mut reader = Reader::new(place, file, depth)?;
                reader.read(&mut *pool.checkout()?)?;
                while turn.more() {
                    reader.read(&mut *pool.checkout()?)?;
                    turn.done(depth as u64);
                }
                Ok(())
            })
        })
    });
    let title = "1 thread, random 4 KiB reads; p50 and p99 are of a whole batch (64 for preadv2)";
    Ok(vec![bench.hold(title, "reads", 0.95, contenders.collect())?])
}
