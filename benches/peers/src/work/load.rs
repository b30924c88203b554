//! Bulk loads. They end when everything is on the device.

use std::time::Instant;

use super::Job;
use super::drive::Outcome;
use crate::Result;
use crate::data::{Shuffle, ValueData};
use crate::engines::{Entries, Store, load_in_batches};
use crate::latency::histogram;

/// The order of a load is the same in all rounds.
const ORDER_SEED: u64 = 17;

/// All keys in order, in the engine's best way.
pub(super) fn sorted(store: &dyn Store, job: Job<'_>) -> Result<Outcome> {
    let num = job.knobs.num;
    timed(num, || {
        store.load_sorted(&mut Entries::new(&mut (0..num), job.data.values(0)))?;
        store.settle()
    })
}

/// All keys in random order, in batches.
pub(super) fn shuffled(store: &dyn Store, job: Job<'_>) -> Result<Outcome> {
    timed(job.knobs.num, || load_shuffled(store, job.knobs.num, job.data))
}

/// Loads `num` keys in random order, and brings them to the device.
pub(crate) fn load_shuffled(store: &dyn Store, num: u64, data: &ValueData) -> Result<()> {
    let order = Shuffle::new(num, ORDER_SEED);
    let mut numbers = (0..num).map(|i| order.at(i));
    load_in_batches(store.writer()?.as_mut(), &mut Entries::new(&mut numbers, data.values(0)))?;
    store.settle()
}

fn timed(ops: u64, load: impl FnOnce() -> Result<()>) -> Result<Outcome> {
    let start = Instant::now();
    load()?;
    Ok(Outcome {
        ops,
        seconds: start.elapsed().as_secs_f64(),
        latency: histogram(),
        cut: false,
        pause_ms: 0.0,
        slowest_second: None,
    })
}
