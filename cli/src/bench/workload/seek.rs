//! Benchmarks with cursors.

use std::hint::black_box;

use ringwood::Cursor;

use crate::bench::data::write_key;
use crate::bench::latency::OpKind;
use crate::bench::worker::{Note, Run, Worker};
use crate::bench::workload::write::{self, Order};
use crate::failure::Result;

/// Reads are paced this many at a time.
const PACE_READS: u64 = 1024;

/// Reads from the first key on, each entry an operation.
pub(super) fn forward(run: &Run<'_>, worker: &mut Worker<'_>) -> Result<()> {
    walk(run, worker, Cursor::seek_to_first, Cursor::next)
}

/// Reads from the last key backwards.
pub(super) fn backward(run: &Run<'_>, worker: &mut Worker<'_>) -> Result<()> {
    walk(run, worker, Cursor::seek_to_last, Cursor::prev)
}

type Move = fn(&mut Cursor) -> ringwood::Result<bool>;

fn walk(run: &Run<'_>, worker: &mut Worker<'_>, start: Move, step: Move) -> Result<()> {
    // `--duration` does not count here, as in db_bench.
    let mut limit = run.limit(run.set.reads, false);
    let mut cursor = run.db.cursor()?;
    let mut valid = start(&mut cursor)?;
    let mut read = 0u64;
    while valid && !limit.done(1) {
        worker.bytes += (cursor.key().len() + cursor.value().len()) as u64;
        valid = worker.time(OpKind::Read, 1, || step(&mut cursor))?;
        read += 1;
        if read.is_multiple_of(PACE_READS) {
            run.pace_reads(PACE_READS);
        }
    }
    Ok(())
}

/// A new cursor, a seek to a random key, then `--seek_nexts` steps; all that is one operation.
pub(super) fn random(run: &Run<'_>, worker: &mut Worker<'_>) -> Result<()> {
    let mut limit = run.limit(run.set.reads, true);
    let mut key = run.key();
    let (mut found, mut asked) = (0, 0u64);
    while run.args.num > 0 && !limit.done(1) {
        write_key(worker.random.below(run.args.num), &mut key);
        asked += 1;
        let (exact, bytes) = worker.time(OpKind::Seek, 1, || seek_and_step(run, &key))?;
        found += u64::from(exact);
        worker.bytes += bytes;
        if asked.is_multiple_of(256) {
            run.pace_reads(256);
        }
    }
    worker.note = Note::Found { found, asked };
    Ok(())
}

/// Whether the key was there, and the bytes of the entries stepped over.
fn seek_and_step(run: &Run<'_>, key: &[u8]) -> Result<(bool, u64)> {
    let mut cursor = run.db.cursor()?;
    let mut valid = cursor.seek(key)?;
    let exact = valid && cursor.key() == key;
    let mut bytes = 0;
    for _ in 0..run.args.seek_nexts {
        if !valid {
            break;
        }
        bytes += (cursor.key().len() + black_box(cursor.value()).len()) as u64;
        valid = if run.args.reverse_iterator { cursor.prev()? } else { cursor.next()? };
    }
    Ok((exact, bytes))
}

/// Makes cursors and drops them.
pub(super) fn create(run: &Run<'_>, worker: &mut Worker<'_>) -> Result<()> {
    let mut limit = run.limit(run.set.reads, true);
    while !limit.done(1) {
        worker.time(OpKind::Other, 1, || run.db.cursor().map(drop))?;
    }
    Ok(())
}

/// Writes the keys in order, then seeks to each with one cursor, steps, and seeks to where it stands again. The writes are not
/// counted.
pub(super) fn fill_and_seek(run: &Run<'_>, worker: &mut Worker<'_>) -> Result<()> {
    write::write(run, worker, Order::Sequential)?;
    worker.restart();
    let mut cursor = run.db.cursor()?;
    let mut key = run.key();
    let mut number = 0;
    while number < run.args.num && !run.halt.is_set() {
        write_key(number, &mut key);
        let mut valid = worker.time(OpKind::Seek, 1, || cursor.seek(&key))?;
        for _ in 0..run.args.seek_nexts {
            if number + 1 >= run.args.num || !valid {
                break;
            }
            let back = run.args.reverse_iterator;
            valid = worker.time(OpKind::Seek, 1, || if back { cursor.prev() } else { cursor.next() })?;
            number += 1;
        }
        write_key(number, &mut key);
        worker.time(OpKind::Seek, 1, || cursor.seek(&key))?;
        number += 1;
    }
    Ok(())
}

/// Steps through the whole store, again and again, `reads` steps long. Counted together with the readers, as in db_bench.
pub(super) fn background(run: &Run<'_>, worker: &mut Worker<'_>) -> Result<()> {
    let mut limit = run.limit(run.set.reads, true);
    let mut cursor = run.db.cursor()?;
    let mut valid = false;
    while !limit.done(1) {
        valid =
            worker.time(OpKind::Seek, 1, || if valid { cursor.next() } else { cursor.seek_to_first() })?;
    }
    Ok(())
}
