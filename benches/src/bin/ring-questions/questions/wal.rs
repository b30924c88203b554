//! `wal`: chain, durable write or system calls; then the same through the log itself, and after a pause.

use ringwood_ring::{Class, LaneSpec, Owner};

use super::{Backend, LOG_BYTES, LOG_LANE, group, idle};
use crate::contest::{Bench, Contender};
use crate::io::{Way, commit_all_turn};
use crate::report::Table;
use crate::{Result, crew};

pub(super) fn run(bench: &Bench) -> Result<Vec<Table>> {
    // The pause has a length that cannot be chosen: the kernel keeps an idle worker for five seconds.
    let rest = (bench.seconds - idle::pause_seconds(bench.seconds)) / bench.seconds * 0.9;
    let mut tables = vec![single(bench, rest * 0.35)?];
    tables.extend(group::run(bench, rest * 0.65)?);
    tables.push(idle::run(bench)?);
    Ok(tables)
}

/// One writer, one page a commit, on a file that was written before.
fn single(bench: &Bench, share: f64) -> Result<Table> {
    let place = &bench.place;
    let file = &place.written("commits", LOG_BYTES, &|text| bench.progress(text))?;
    let (uring, syscalls): (Backend, Backend) =
        (("ring", place.uring.clone()), ("system calls", place.syscalls.clone()));
    let deferred = LaneSpec { class: Class::Control, ..LOG_LANE };
    let cooperative = LaneSpec { owner: Owner::Pool, ..deferred };
    let ways = [
        ("write and fdatasync, linked", &uring, LOG_LANE, Way::Chain),
        ("the same, deferred task work", &uring, deferred, Way::Chain),
        ("the same, cooperative task work", &uring, cooperative, Way::Chain),
        ("durable write", &uring, LOG_LANE, Way::Dsync),
        ("the same, deferred task work", &uring, deferred, Way::Dsync),
        ("pwritev2 and fdatasync", &syscalls, LOG_LANE, Way::Chain),
        ("pwritev2 with RWF_DSYNC", &syscalls, LOG_LANE, Way::Dsync),
    ];
    let contenders = ways.into_iter().map(|(name, (backend, disk), spec, way)| {
        Contender::new(format!("{backend}: {name}"), move |slot| {
            crew::run(&place.halt, disk, spec.class, 1, slot, |_, turn| {
                commit_all_turn(place, &**disk, spec, way, file, 0..LOG_BYTES, turn)
            })
        })
    });
    let title = "1 writer, 4 KiB overwrites of a written file, O_DIRECT";
    bench.hold(title, "commits", share, contenders.collect())
}
