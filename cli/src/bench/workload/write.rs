//! Benchmarks that write or delete, and those that wait for the store's own writing.

use std::time::Duration;

use ringwood::WriteBatch;

use crate::bench::data::{shuffled, write_key};
use crate::bench::latency::OpKind;
use crate::bench::worker::{Note, Run, Worker};
use crate::clock;
use crate::failure::Result;

/// In which order keys are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// 0, 1, 2, …
    Sequential,
    /// Drawn with replacement: some twice, some never.
    Random,
    /// Each once.
    Unique,
}

/// Writes `writes` entries in batches. `--duration` counts for random order only; with 0 writes, the number of keys counts.
pub(super) fn write(run: &Run<'_>, worker: &mut Worker<'_>, order: Order) -> Result<()> {
    let set = run.set;
    if set.write_keys != run.args.num {
        worker.note = Note::Keys(set.write_keys);
    }
    if set.write_keys == 0 {
        return Ok(());
    }
    let count = if set.writes == 0 { set.write_keys } else { set.writes };
    let unique =
        if order == Order::Unique { shuffled(set.write_keys, &mut worker.random) } else { Vec::new() };
    let count = if order == Order::Unique { count.min(set.write_keys) } else { count };
    let mut next = 0u64;
    let mut limit = run.limit(count, order == Order::Random);
    let mut values = run.values();
    let mut key = run.key();
    let mut batch = WriteBatch::new();
    let entry_bytes = (set.key_bytes + set.value_bytes) as u64;
    while !limit.done(set.batch) {
        let mut number = || {
            next += 1;
            match order {
                Order::Sequential => next - 1,
                Order::Random => worker.random.below(set.write_keys),
                Order::Unique => unique[next as usize - 1],
            }
        };
        if set.batch == 1 {
            write_key(number(), &mut key);
            let value = values.next(set.value_bytes);
            run.pace_write(entry_bytes);
            worker.time(OpKind::Write, 1, || run.db.put_with(&key, value, set.durability))?;
        } else {
            batch.clear();
            for _ in 0..set.batch {
                write_key(number(), &mut key);
                batch.put(&key, values.next(set.value_bytes))?;
            }
            run.pace_write(entry_bytes * set.batch);
            worker.time(OpKind::Write, set.batch, || run.db.write(&batch, set.durability))?;
        }
        worker.bytes += entry_bytes * set.batch;
    }
    Ok(())
}

/// Deletes keys in batches. Bytes are not counted.
pub(super) fn delete(run: &Run<'_>, worker: &mut Worker<'_>, random: bool) -> Result<()> {
    let set = run.set;
    if run.args.num == 0 {
        return Ok(());
    }
    let mut limit = run.limit(set.deletes, random);
    let mut key = run.key();
    let mut batch = WriteBatch::new();
    let mut next = 0u64;
    while !limit.done(set.batch) {
        batch.clear();
        for _ in 0..set.batch {
            let number = if random { worker.random.below(run.args.num) } else { next };
            next += 1;
            write_key(number, &mut key);
            if set.batch > 1 {
                batch.delete(&key)?;
            }
        }
        worker.time(OpKind::Delete, set.batch, || match set.batch {
            1 => run.db.delete_with(&key, set.durability),
            _ => run.db.write(&batch, set.durability),
        })?;
    }
    Ok(())
}

/// Writes at random until all other threads are done, or `--writes` are done if `--finish_after_writes`. Not in the figures.
pub(super) fn background(run: &Run<'_>, worker: &mut Worker<'_>) -> Result<()> {
    let set = run.set;
    worker.excluded = true;
    let keys = if run.args.bgwriter_num > 0 { run.args.bgwriter_num } else { run.args.num };
    if keys == 0 {
        return Ok(());
    }
    let mut values = run.values();
    let mut key = run.key();
    let mut written = 0;
    while !run.halt.is_set() {
        let enough = if run.args.finish_after_writes { written >= set.writes } else { run.is_alone() };
        if enough {
            break;
        }
        write_key(worker.random.below(keys), &mut key);
        let value = values.next(set.value_bytes);
        worker.time(OpKind::Write, 1, || run.db.put_with(&key, value, set.durability))?;
        written += 1;
        let bytes = (set.key_bytes + set.value_bytes) as u64;
        worker.bytes += bytes;
        run.pace_write(bytes);
    }
    Ok(())
}

/// One call on the whole store, as one operation.
pub(super) fn whole(worker: &mut Worker<'_>, call: impl FnOnce() -> ringwood::Result<()>) -> Result<()> {
    Ok(worker.time(OpKind::Other, 1, call)?)
}

/// Waits until flushes and compactions have done nothing for a while.
pub(super) fn rest(run: &Run<'_>, worker: &mut Worker<'_>) -> Result<()> {
    const LOOK: Duration = Duration::from_millis(100);
    const QUIET_LOOKS: u32 = 10;
    worker.time(OpKind::Other, 1, || {
        let work = || {
            let stats = run.db.stats();
            (stats.flush_bytes, stats.compaction_read_bytes, stats.compaction_write_bytes)
        };
        let mut last = work();
        let mut quiet = 0;
        while quiet < QUIET_LOOKS && !run.halt.is_set() {
            clock::nap(LOOK);
            let now = work();
            quiet = if now == last { quiet + 1 } else { 0 };
            last = now;
        }
    });
    Ok(())
}
