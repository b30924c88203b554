//! The questions, in the order in which they are asked.

mod batch;
mod cap;
mod group;
mod idle;
mod leader;
mod miss;
mod options;
mod pool;
mod prepare;
mod wal;

use std::sync::Arc;

use ringwood_ring::{Class, Disk, LaneSpec, Owner};

use crate::Result;
use crate::contest::Bench;
use crate::report::Table;

/// One question.
pub(crate) struct Question {
    pub(crate) name: &'static str,
    pub(crate) asks: &'static str,
    pub(crate) run: fn(&Bench) -> Result<Vec<Table>>,
}

/// All questions.
pub(crate) const ALL: &[Question] = &[
    Question { name: "wal", asks: "how is a commit made durable?", run: wal::run },
    Question {
        name: "prepare",
        asks: "must log segments be written before they are used?",
        run: prepare::run,
    },
    Question { name: "leader", asks: "does a log thread commit, or the writer itself?", run: leader::run },
    Question { name: "miss", asks: "which lane carries a single read, and which buffers?", run: miss::run },
    Question { name: "batch", asks: "what do many reads in one enter gain?", run: batch::run },
    Question { name: "cap", asks: "how much background I/O may be in flight?", run: cap::run },
    Question { name: "pool", asks: "how many lanes do many threads share?", run: pool::run },
    Question { name: "sqpoll", asks: "is a polled submission queue worth a core?", run: options::sqpoll },
    Question { name: "restrict", asks: "what do restricted rings cost?", run: options::restrict },
];

/// A lane as the log has it.
const LOG_LANE: LaneSpec = LaneSpec { class: Class::Log, depth: 8, owner: Owner::Thread };
/// Most operations in flight on a lane for reads, as the store has it.
const READ_DEPTH: u32 = 256;
/// Most lanes for reads, as the store has it.
const READ_LANES: usize = 64;

/// Prepared log: long enough that no turn sees a page twice within a moment.
const LOG_BYTES: u64 = 16 << 20;

/// A disk with a name, as contenders are called.
type Backend = (&'static str, Arc<dyn Disk>);
