//! Fills, overwrites and deletes: one put or delete a call.

use ringwood_benches::Random;

use super::drive::{Outcome, Seat, drive, share};
use super::{Job, Plan};
use crate::Result;
use crate::data::key;
use crate::engines::Store;
use crate::rows::Work;

/// Each key once, in order; with several threads each has its own range.
pub(super) fn put_in_order(store: &dyn Store, job: Job<'_>) -> Result<Outcome> {
    drive(job.counted(job.knobs.num), |seat| {
        let mut writer = store.writer()?;
        let mut values = job.data.values(seat.seed);
        let mut number = share(job.knobs.num, seat.thread, seat.threads).0;
        Ok(move |_: Seat<'_>| {
            writer.put(&key(number), values.next())?;
            number += 1;
            Ok(1)
        })
    })
}

/// `num` keys drawn at random from `num`, so that some come twice. A row of synced puts goes by time.
pub(super) fn put_random(store: &dyn Store, job: Job<'_>, num: u64) -> Result<Outcome> {
    let synced = job.row.work == Work::FillSync;
    let plan: Plan = if synced { job.timed() } else { job.counted(num) };
    drive(plan, |seat| {
        let mut writer = store.writer()?;
        let mut values = job.data.values(seat.seed);
        let mut random = Random::new(seat.seed);
        Ok(move |_: Seat<'_>| {
            writer.put(&key(random.below(num)), values.next())?;
            Ok(1)
        })
    })
}

/// As many deletes of random keys as there were puts.
pub(super) fn delete_random(store: &dyn Store, job: Job<'_>) -> Result<Outcome> {
    let num = job.knobs.num;
    drive(job.counted(num), |seat| {
        let mut writer = store.writer()?;
        let mut random = Random::new(seat.seed);
        Ok(move |_: Seat<'_>| {
            writer.delete(&key(random.below(num)))?;
            Ok(1)
        })
    })
}
