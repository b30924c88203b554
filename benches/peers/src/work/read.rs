//! Gets, multi-gets, scans and seeks. What must be there must be found, or the row fails.

use ringwood_benches::Random;

use super::Job;
use super::drive::{Outcome, Seat, drive};
use crate::Result;
use crate::data::{key, missing_key};
use crate::engines::{Scan, Sink, Store, View};
use crate::rows::MULTI_GET_KEYS;

/// Random gets of keys that are there, or that are not.
pub(super) fn get(store: &dyn Store, job: Job<'_>, there: bool) -> Result<Outcome> {
    let num = job.knobs.num;
    drive(job.timed(), |seat| {
        let mut reader = store.reader(View::Still)?;
        let mut random = Random::new(seat.seed);
        Ok(move |seat: Seat<'_>| {
            let number = random.below(num);
            let key = if there { key(number) } else { missing_key(number) };
            let found = reader.get(&key, &mut Sink::new(seat.progress, seat.stop))?;
            if found != there {
                let what = if found { "found, which was never put" } else { "not found" };
                return Err(format!("key {number} was {what}").into());
            }
            Ok(1)
        })
    })
}

/// Batches of random keys.
pub(super) fn multi_get(store: &dyn Store, job: Job<'_>) -> Result<Outcome> {
    let num = job.knobs.num;
    drive(job.timed(), |seat| {
        let mut reader = store.reader(View::Still)?;
        let mut random = Random::new(seat.seed);
        let mut keys = [key(0); MULTI_GET_KEYS];
        Ok(move |seat: Seat<'_>| {
            keys.fill_with(|| key(random.below(num)));
            let found = reader.multi_get(&keys, &mut Sink::new(seat.progress, seat.stop))?;
            all_found(found, keys.len() as u64)?;
            Ok(found)
        })
    })
}

/// All entries in order, once or until the time is over.
pub(super) fn scan(store: &dyn Store, job: Job<'_>, backward: bool) -> Result<Outcome> {
    let plan = super::Plan { seconds: job.knobs.cap_seconds, ..job.timed() };
    drive(plan, |_| {
        let mut reader = store.reader(View::Still)?;
        let mut done = false;
        Ok(move |seat: Seat<'_>| {
            if std::mem::replace(&mut done, true) {
                return Ok(0);
            }
            let mut sink = Sink::new(seat.progress, seat.stop);
            sink.begin(u64::MAX);
            reader.scan(if backward { Scan::Backward } else { Scan::All }, &mut sink)?;
            let stopped = seat.stop.load(std::sync::atomic::Ordering::Relaxed);
            if !stopped && sink.entries() < job.knobs.num {
                return Err(format!("a scan found {} entries of {}", sink.entries(), job.knobs.num).into());
            }
            Ok(sink.entries())
        })
    })
}

/// Seeks to random keys, and takes some entries from there.
pub(super) fn seek(store: &dyn Store, job: Job<'_>, nexts: u64) -> Result<Outcome> {
    let num = job.knobs.num;
    drive(job.timed(), |seat| {
        let mut reader = store.reader(View::Still)?;
        let mut random = Random::new(seat.seed);
        Ok(move |seat: Seat<'_>| {
            let number = random.below(num);
            let mut sink = Sink::new(seat.progress, seat.stop);
            // The entry of the seek, and those after it.
            sink.begin(nexts + 1);
            reader.scan(Scan::From(&key(number)), &mut sink)?;
            all_found(sink.entries(), (nexts + 1).min(num - number))?;
            Ok(1)
        })
    })
}

/// Brings everything into the cache: a scan, then a get in each half of a block, since a scan may pass by the cache.
pub(crate) fn touch_all(store: &dyn Store, job: Job<'_>) -> Result<()> {
    const HALF_BLOCK: u64 = 2048;
    let (progress, stop) = Default::default();
    let mut sink = Sink::new(&progress, &stop);
    let mut reader = store.reader(View::Still)?;
    sink.begin(u64::MAX);
    reader.scan(Scan::All, &mut sink)?;
    let every = (HALF_BLOCK / job.knobs.entry_bytes()).max(1);
    for number in (0..job.knobs.num).step_by(every as usize) {
        reader.get(&key(number), &mut sink)?;
    }
    Ok(())
}

fn all_found(found: u64, asked: u64) -> Result<()> {
    if found >= asked { Ok(()) } else { Err(format!("{found} of {asked} entries were found").into()) }
}
