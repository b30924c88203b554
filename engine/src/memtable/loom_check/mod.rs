//! The tree under loom: all interleavings (with few preemptions), and all stale values that the memory model allows.
//!
//! The same source as `tree`, compiled with loom's atomics, and with two slots a node: so a few entries make every kind of
//! change. It runs with the ordinary tests; no build but the tests' has loom in it.

pub(crate) mod sync {
    pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64};
}

#[path = "../tree/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the memtable around the other copy uses the rest")]
mod tree;

mod tests;
