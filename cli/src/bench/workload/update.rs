//! Benchmarks that read and write.

use crate::bench::data::write_key;
use crate::bench::latency::OpKind;
use crate::bench::worker::{Note, Run, Worker};
use crate::failure::Result;

/// Of each hundred operations, first `--readwritepercent` gets, then puts for the rest. Bytes are not counted.
pub(super) fn read_or_write(run: &Run<'_>, worker: &mut Worker<'_>) -> Result<()> {
    let set = run.set;
    let mut limit = run.limit(set.readwrites, true);
    let mut values = run.values();
    let mut key = run.key();
    let (mut gets, mut puts) = (0, 0);
    let (mut reads, mut writes, mut found) = (0, 0, 0);
    while run.args.num > 0 && !limit.done(1) {
        write_key(worker.random.below(run.args.num), &mut key);
        if gets == 0 && puts == 0 {
            gets = run.args.readwritepercent;
            puts = 100 - gets;
        }
        if gets > 0 {
            gets -= 1;
            reads += 1;
            found += u64::from(worker.time(OpKind::Read, 1, || run.db.get(&key))?.is_some());
        } else {
            puts -= 1;
            writes += 1;
            let value = values.next(set.value_bytes);
            worker.time(OpKind::Write, 1, || run.db.put_with(&key, value, set.durability))?;
        }
    }
    worker.note = Note::ReadsWrites { reads, writes, found };
    Ok(())
}

/// Gets a random key and puts it anew; with `append`, the new value is the old one, a comma and more.
pub(super) fn read_and_write(run: &Run<'_>, worker: &mut Worker<'_>, append: bool) -> Result<()> {
    let set = run.set;
    let mut limit = run.limit(set.readwrites, true);
    let mut values = run.values();
    let mut key = run.key();
    let mut longer = Vec::new();
    let (mut updates, mut found) = (0, 0);
    while run.args.num > 0 && !limit.done(1) {
        write_key(worker.random.below(run.args.num), &mut key);
        run.pace_write((set.key_bytes + set.value_bytes) as u64);
        let next = values.next(set.value_bytes);
        let (old, new) = worker.time(OpKind::Update, 1, || {
            let old = run.db.get(&key)?;
            let value = match &old {
                Some(old) if append => {
                    longer.clear();
                    longer.extend_from_slice(old);
                    if !longer.is_empty() {
                        longer.push(b',');
                    }
                    longer.extend_from_slice(next);
                    &longer[..]
                }
                _ => next,
            };
            run.db.put_with(&key, value, set.durability)?;
            Ok::<_, ringwood::Error>((old.map(|old| old.len()), value.len()))
        })?;
        updates += 1;
        if let Some(old) = old {
            found += 1;
            worker.bytes += (key.len() + old) as u64;
        }
        worker.bytes += (key.len() + new) as u64;
    }
    worker.note = Note::Updates { updates, found };
    Ok(())
}
