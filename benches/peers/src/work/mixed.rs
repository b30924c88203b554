//! Readers beside a writer. The writer goes at the same rate for all engines, so that a slow one does not make its readers look fast.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ringwood_benches::Random;

use super::Job;
use super::drive::{Outcome, Seat, drive};
use crate::data::key;
use crate::engines::{Sink, Store, View};
use crate::{Result, clock};

/// The writer catches up so often.
const BEAT: Duration = Duration::from_millis(1);

/// Random gets by the row's threads, random overwrites by one more. Only the gets count.
pub(super) fn get_while_writing(store: &dyn Store, job: Job<'_>) -> Result<Outcome> {
    let num = job.knobs.num;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write_at_rate(store, job, &over));
        let outcome = drive(job.timed(), |seat| {
            let mut reader = store.reader(View::Live)?;
            let mut random = Random::new(seat.seed);
            Ok(move |seat: Seat<'_>| {
                let number = random.below(num);
                if !reader.get(&key(number), &mut Sink::new(seat.progress, seat.stop))? {
                    return Err(format!("key {number} was not found").into());
                }
                Ok(1)
            })
        });
        over.store(true, Relaxed);
        writer.join().map_err(|_| "the writer panicked")??;
        outcome
    })
}

/// Overwrites random keys until it is over.
fn write_at_rate(store: &dyn Store, job: Job<'_>, over: &AtomicBool) -> Result<()> {
    let mut writer = store.writer()?;
    let mut values = job.data.values(job.seed);
    let mut random = Random::new(!job.seed);
    let (start, mut done) = (Instant::now(), 0);
    while !over.load(Relaxed) {
        let due = (start.elapsed().as_secs_f64() * job.knobs.write_rate as f64) as u64;
        if done >= due {
            clock::nap(BEAT);
            continue;
        }
        writer.put(&key(random.below(job.knobs.num)), values.next())?;
        done += 1;
    }
    Ok(())
}
