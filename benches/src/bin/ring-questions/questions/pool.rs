//! `pool`: many threads, few lanes. One lane is the control: a ring behind a lock.

use std::sync::Arc;

use ringwood_ring::{Class, LanePool};

use super::READ_DEPTH;
use crate::contest::{Bench, Contender};
use crate::io::Reader;
use crate::report::Table;
use crate::{Result, crew};

pub(super) fn run(bench: &Bench) -> Result<Vec<Table>> {
    let place = &bench.place;
    let file = place.data(&|text| bench.progress(text))?;
    let tables = [16, 32, 64].into_iter().map(|threads| {
        let rings = [1, 2, 8, 16, 64].into_iter().filter(|&lanes| lanes <= threads);
        let name =
            |lanes| if lanes == 1 { "one locked lane".to_string() } else { format!("up to {lanes} lanes") };
        let rings = rings.map(|lanes| (name(lanes), &place.uring, lanes));
        let ways = rings.chain([("preadv2".to_string(), &place.syscalls, threads)]);
        let contenders = ways.map(|(name, disk, lanes)| {
            let pool = LanePool::new(Arc::clone(disk), Class::Get, READ_DEPTH, lanes);
            Contender::new(name, move |slot| {
                crew::run(&place.halt, disk, Class::Get, threads, slot, |_, turn| {
                    let mut reader = Reader::new(place, file, 1)?;
                    reader.read(&mut *pool.checkout()?)?;
                    while turn.more() {
                        reader.read(&mut *pool.checkout()?)?;
                        turn.done(1);
                    }
                    Ok(())
                })
            })
        });
        bench.hold(format!("{threads} threads, random 4 KiB reads"), "reads", 0.3, contenders.collect())
    });
    tables.collect()
}
