//! `prepare`: commits to a file that was written before, to one that is only allocated, and to one that grows.

use std::time::Duration;

use ringwood_ring::{File, OpenOptions, PAGE};

use super::{LOG_BYTES, LOG_LANE};
use crate::contest::{Bench, Contender};
use crate::crew::Sample;
use crate::io::{Committer, Way};
use crate::place::Place;
use crate::report::Table;
use crate::{Result, crew};

/// No device makes so many commits a second: that much is allocated for a turn.
const COMMITS_MAX: f64 = 100_000.0;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Written,
    Allocated,
    Growing,
}

const STATES: [(&str, State); 3] = [
    ("written before", State::Written),
    ("allocated, not written", State::Allocated),
    ("growing", State::Growing),
];

pub(super) fn run(bench: &Bench) -> Result<Vec<Table>> {
    let place = &bench.place;
    let written = &place.written("prepared", LOG_BYTES, &|text| bench.progress(text))?;
    let fresh = &place.uring.open(&place.path("fresh"), OpenOptions::CREATE)?;
    let ways = [("linked fdatasync", Way::Chain), ("durable write", Way::Dsync)];
    let tables = ways.into_iter().map(|(how, way)| {
        let contenders = STATES.into_iter().map(|(name, state)| {
            let file = if state == State::Written { written } else { fresh };
            Contender::new(name, move |slot| commits(place, file, state, way, slot))
        });
        let title = format!("1 writer, 4 KiB a commit, {how}");
        bench.hold(title, "commits", 0.45, contenders.collect())
    });
    tables.collect()
}

fn commits(place: &Place, file: &File, state: State, way: Way, slot: Duration) -> Result<Sample> {
    let disk = &place.uring;
    let wanted = (slot.as_secs_f64() * COMMITS_MAX) as u64 * PAGE as u64 + LOG_BYTES;
    let end = if state == State::Written { LOG_BYTES } else { wanted };
    if state != State::Written {
        disk.truncate(file, 0)?;
    }
    if state == State::Allocated {
        disk.allocate(file, wanted)?;
    }
    let sample = crew::run(&place.halt, disk, LOG_LANE.class, 1, slot, |_, turn| {
        let mut committer = Committer::new(place, &**disk, LOG_LANE, way, file, 0..end)?;
        committer.commit()?;
        while turn.more() {
            if !committer.has_room() {
                if state != State::Written {
                    break;
                }
                committer.rewind(0);
            }
            committer.commit()?;
            turn.done(1);
        }
        Ok(())
    })?;
    if state != State::Written {
        // What the file took is given back at once: other contenders need no full disk.
        disk.truncate(file, 0)?;
    }
    Ok(sample)
}
