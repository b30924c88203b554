//! What the threads of each benchmark do. The semantics are db_bench's; where they are not, the function says so.

mod read;
mod seek;
mod update;
mod write;

use super::plan::Bench;
use super::worker::{Run, Worker};
use crate::failure::Result;

/// Runs the part of one thread.
pub(crate) fn run(run: &Run<'_>, worker: &mut Worker<'_>) -> Result<()> {
    let companion = worker.id == 0;
    match run.set.bench {
        Bench::FillSeq | Bench::FillBatch => write::write(run, worker, write::Order::Sequential),
        Bench::FillRandom | Bench::FillSync | Bench::Fill100K | Bench::Overwrite => {
            write::write(run, worker, write::Order::Random)
        }
        Bench::FillUniqueRandom => write::write(run, worker, write::Order::Unique),
        Bench::DeleteSeq => write::delete(run, worker, false),
        Bench::DeleteRandom => write::delete(run, worker, true),
        Bench::ReadSeq | Bench::ReadToCache => seek::forward(run, worker),
        Bench::ReadReverse => seek::backward(run, worker),
        Bench::ReadRandom | Bench::ReadRandomSmall | Bench::ReadMissing => read::random(run, worker),
        Bench::MultiReadRandom => read::multi(run, worker),
        Bench::SeekRandom => seek::random(run, worker),
        Bench::FillSeekSeq => seek::fill_and_seek(run, worker),
        Bench::NewIterator => seek::create(run, worker),
        Bench::ReadWhileWriting
        | Bench::MultiReadWhileWriting
        | Bench::SeekRandomWhileWriting
        | Bench::NewIteratorWhileWriting
            if companion =>
        {
            write::background(run, worker)
        }
        Bench::ReadWhileScanning if companion => seek::background(run, worker),
        Bench::ReadWhileWriting | Bench::ReadWhileScanning => read::random(run, worker),
        Bench::MultiReadWhileWriting => read::multi(run, worker),
        Bench::SeekRandomWhileWriting => seek::random(run, worker),
        Bench::NewIteratorWhileWriting => seek::create(run, worker),
        Bench::ReadRandomWriteRandom => update::read_or_write(run, worker),
        Bench::UpdateRandom => update::read_and_write(run, worker, false),
        Bench::AppendRandom => update::read_and_write(run, worker, true),
        Bench::Compact => write::whole(worker, || run.db.compact()),
        Bench::Flush => write::whole(worker, || run.db.flush()),
        Bench::WaitForCompaction => write::rest(run, worker),
        // These print; nothing is timed.
        Bench::Stats | Bench::LevelStats | Bench::MemStats | Bench::ResetStats => Ok(()),
    }
}
