//! The work: what the rows do with an open store.

mod disk;
mod drive;
mod load;
mod mixed;
mod read;
mod write;
mod ycsb;

use crate::Result;
use crate::data::ValueData;
use crate::engines::Store;
use crate::knobs::Knobs;
use crate::rows::{Mix, Row, Work};

pub(crate) use disk::Bench as DiskBench;
pub(crate) use drive::{Outcome, Plan};
pub(crate) use load::load_shuffled;
pub(crate) use read::touch_all;
pub(crate) use ycsb::Records;

/// One row in one round.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) row: &'static Row,
    pub(crate) knobs: &'a Knobs,
    pub(crate) data: &'a ValueData,
    /// Records of YCSB: the inserts of one mix are there in the next.
    pub(crate) records: &'a Records,
    pub(crate) seed: u64,
}

impl Job<'_> {
    /// Works as long as a row that is not counted out takes.
    fn timed(&self) -> Plan {
        self.plan(None, self.knobs.seconds)
    }

    /// Does so many operations, unless it takes too long.
    fn counted(&self, ops: u64) -> Plan {
        self.plan(Some(ops), self.knobs.cap_seconds)
    }

    fn plan(&self, ops: Option<u64>, seconds: f64) -> Plan {
        Plan { threads: self.row.threads, ops, seconds, seed: self.seed }
    }
}

/// Does a row's work. Compaction, opening and the bare disk are not among it.
pub(crate) fn run(store: &dyn Store, job: Job<'_>) -> Result<Outcome> {
    match job.row.work {
        Work::FillSeq => write::put_in_order(store, job),
        Work::FillRandom | Work::FillSync => write::put_random(store, job, job.knobs.num),
        Work::Sustained => write::put_random(store, job, job.knobs.sustained_num),
        Work::DeleteRandom => write::delete_random(store, job),
        Work::LoadSorted => load::sorted(store, job),
        Work::LoadRandom => load::shuffled(store, job),
        Work::Get => read::get(store, job, true),
        Work::GetMissing => read::get(store, job, false),
        Work::MultiGet => read::multi_get(store, job),
        Work::ScanAll => read::scan(store, job, false),
        Work::ScanBackward => read::scan(store, job, true),
        Work::Seek { nexts } => read::seek(store, job, nexts),
        Work::GetWhileWriting => mixed::get_while_writing(store, job),
        Work::Ycsb(mix) => ycsb::run(store, job, mix),
        Work::Compact | Work::Open | Work::Disk(_) => Err("this row has no store to work on".into()),
    }
}

/// Whether the row writes to its store.
pub(crate) fn writes(work: Work) -> bool {
    !matches!(
        work,
        Work::Get
            | Work::GetMissing
            | Work::MultiGet
            | Work::ScanAll
            | Work::ScanBackward
            | Work::Seek { .. }
            | Work::Open
            | Work::Disk(_)
            | Work::Ycsb(Mix::C)
    )
}
