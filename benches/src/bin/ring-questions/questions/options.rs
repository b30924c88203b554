//! `sqpoll`, `restrict`: the store's own work with an option off and on.

use std::sync::Arc;
use std::time::Duration;

use ringwood_ring::{Class, Disk, File, LanePool, Restrict, UringConfig};

use super::{Backend, LOG_BYTES, LOG_LANE, READ_DEPTH, READ_LANES};
use crate::contest::{Bench, Contender};
use crate::crew::Sample;
use crate::io::{Reader, Way, commit_all_turn};
use crate::place::Place;
use crate::report::Table;
use crate::{Result, crew};

/// The polling thread sleeps after so long without work: soon, so that it does not take a core from the contender that has none.
const POLL_IDLE: Duration = Duration::from_millis(1);
/// Reads of a batch.
const BATCH: usize = 32;

pub(super) fn sqpoll(bench: &Bench) -> Result<Vec<Table>> {
    let on = UringConfig { sqpoll: Some(POLL_IDLE), ..UringConfig::default() };
    pair(bench, "sqpoll", UringConfig::default(), on)
}

pub(super) fn restrict(bench: &Bench) -> Result<Vec<Table>> {
    let with = |restrict| UringConfig { restrict, ..UringConfig::default() };
    pair(bench, "restricted", with(Restrict::Off), with(Restrict::Required))
}

/// Off and on, for each kind of work.
fn pair(bench: &Bench, feature: &'static str, off: UringConfig, on: UringConfig) -> Result<Vec<Table>> {
    let place = &bench.place;
    let on = match place.uring_with(on) {
        Ok(disk) => disk,
        Err(error) => return Ok(vec![Table::note("not measured", error.to_string())]),
    };
    let caps = on.caps();
    if !caps.features.contains(&feature) {
        return Ok(vec![Table::note("not measured", caps.degraded.join("; "))]);
    }
    let backends: [Backend; 2] = [("off", place.uring_with(off)?), ("on", on)];
    let data = place.data(&|text| bench.progress(text))?;
    let log = &place.written(feature, LOG_BYTES, &|text| bench.progress(text))?;
    let mut tables = Vec::new();
    for batch in [1, BATCH] {
        let contenders = backends.iter().map(|(name, disk)| {
            let pool = LanePool::new(Arc::clone(disk), Class::Get, READ_DEPTH, READ_LANES);
            Contender::new(*name, move |slot| reads(place, disk, &pool, data, batch, slot))
        });
        let title = format!("1 thread, random 4 KiB reads, {batch} at once");
        tables.push(bench.hold(title, "reads", 0.3, contenders.collect())?);
    }
    let contenders = backends
        .iter()
        .map(|(name, disk)| Contender::new(*name, move |slot| commits(place, disk, log, slot)));
    let title = "1 writer, 4 KiB overwrites, write and fdatasync as a chain";
    tables.push(bench.hold(title, "commits", 0.3, contenders.collect())?);
    Ok(tables)
}

fn reads(
    place: &Place,
    disk: &Arc<dyn Disk>,
    pool: &Arc<LanePool>,
    file: &File,
    batch: usize,
    slot: Duration,
) -> Result<Sample> {
    crew::run(&place.halt, disk, Class::Get, 1, slot, |_, turn| {
        let mut reader = Reader::new(place, file, batch)?;
        reader.read(&mut *pool.checkout()?)?;
        while turn.more() {
            reader.read(&mut *pool.checkout()?)?;
            turn.done(batch as u64);
        }
        Ok(())
    })
}

fn commits(place: &Place, disk: &Arc<dyn Disk>, file: &File, slot: Duration) -> Result<Sample> {
    crew::run(&place.halt, disk, LOG_LANE.class, 1, slot, |_, turn| {
        commit_all_turn(place, &**disk, LOG_LANE, Way::Chain, file, 0..LOG_BYTES, turn)
    })
}
