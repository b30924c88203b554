//! The block cache under loom: the very source of `src/cache`, compiled against loom's atomics, cells and locks.
//!
//! Each model runs every interleaving of its threads (up to a bound on preemptions) and every value that the memory orderings
//! allow a load to see. Three kinds of mistakes show: a cell (a frame's memory, its bytes) accessed without order, a block
//! with the bytes of another, and a deadlock or a lost wake-up.

#![allow(clippy::unwrap_used)] // Helpers of tests, which clippy does not take for tests.

#[path = "../../src/cache/mod.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, unused_imports)]
mod cache;
#[path = "../../src/prefetch.rs"]
#[allow(unreachable_pub)]
mod prefetch;
mod sync;

mod models;
