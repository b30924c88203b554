//! The whole store against a [reference](crate::reference), on the simulated disk: one seed decides the operations, the disk, and every
//! crash and fault.
//!
//! [`run`] is one run of one [`Plan`]; it panics where the store is wrong. The tests run some seeds of each [`Mode`]; the command
//! `ringwood-sim` runs as many as one likes, and [shrinks](crate::shrink) what failed.
//!
//! # Replay
//!
//! Every operation draws from a generator of its own, made from the seed and the operation's number. So operations can be left out of a
//! plan and the others stay what they are, except for what follows from the state of the store.

mod counts;
mod faults;
mod images;
mod kernel;
mod lies;
mod loads;
mod mode;
mod plan;
mod reader;
mod reads;
mod recovery;
mod run;
mod shape;
mod writes;

pub use counts::Counts;
pub use mode::Mode;
pub use plan::{Exact, Operations, Plan};
pub use recovery::contents;
pub use run::{Outcome, run};
