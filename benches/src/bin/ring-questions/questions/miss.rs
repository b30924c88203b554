//! `miss`: one random 4 KiB read at a time, on a pooled lane, a lane of the thread's own, or by a system call.

use std::sync::Arc;

use ringwood_ring::{Class, Disk, LanePool, LaneSpec, Owner};

use super::{READ_DEPTH, READ_LANES};
use crate::contest::{Bench, Contender};
use crate::io::Reader;
use crate::report::Table;
use crate::{Result, crew};

const OWN_LANE: LaneSpec = LaneSpec { class: Class::Get, depth: READ_DEPTH, owner: Owner::Thread };

pub(super) fn run(bench: &Bench) -> Result<Vec<Table>> {
    let place = &bench.place;
    let file = place.data(&|text| bench.progress(text))?;
    let pool = |disk: &Arc<dyn Disk>| LanePool::new(Arc::clone(disk), Class::Get, READ_DEPTH, READ_LANES);
    let ways = [
        ("pooled lane, registered buffers", &place.uring, Some(pool(&place.uring))),
        ("pooled lane, plain buffers", &place.plain, Some(pool(&place.plain))),
        ("own lane, registered buffers", &place.uring, None),
        ("own lane, plain buffers", &place.plain, None),
        ("preadv2", &place.syscalls, Some(pool(&place.syscalls))),
    ];
    let tables = [1, 2, 4, 8].into_iter().map(|threads| {
        let contenders = ways.iter().map(|(name, disk, pool)| {
            Contender::new(*name, move |slot| {
                crew::run(&place.halt, disk, Class::Get, threads, slot, |_, turn| {
                    let mut reader = Reader::new(place, file, 1)?;
                    match pool {
                        Some(pool) => {
                            reader.read(&mut *pool.checkout()?)?;
                            while turn.more() {
                                reader.read(&mut *pool.checkout()?)?;
                                turn.done(1);
                            }
                        }
                        None => {
                            let mut lane = disk.lane(OWN_LANE)?;
                            reader.read(&mut *lane)?;
                            while turn.more() {
                                reader.read(&mut *lane)?;
                                turn.done(1);
                            }
                        }
                    }
                    Ok(())
                })
            })
        });
        let title = format!("{threads} thread(s), random 4 KiB reads");
        bench.hold(title, "reads", 0.24, contenders.collect())
    });
    tables.collect()
}
